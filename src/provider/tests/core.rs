//! The rules by which Terraform and OpenTofu accept the responses of a provider.
//!
//! [`plan`] and [`apply`] call the provider, and fail the test where Terraform core would report "Provider produced
//! invalid plan", "inconsistent result after apply" or "invalid object". As in core, a response with an error is not
//! compared with the request. Its form is checked nevertheless.

mod conformance;
mod plan_valid;
mod result_compatible;

use crate::provider::Feast;
use crate::schema::provider::{
    ApplyResourceChangeRequest, ApplyResourceChangeResponse, PlanResourceChangeRequest,
    PlanResourceChangeResponse,
};
use crate::schema::{Block, Diagnostic, Path, Severity, Value};

use super::{block, resource};

pub use result_compatible::violations as incompatibilities;

/// A violation at a path, in the words of core.
fn violation(path: &Path, what: impl std::fmt::Display) -> String {
    match path.steps().is_empty() {
        true => what.to_string(),
        false => format!("{path}: {what}"),
    }
}

fn has_error(diagnostics: &[Diagnostic]) -> bool {
    let mut diagnostics = diagnostics.iter();
    diagnostics.any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// Checks the response to a plan request as core does.
#[track_caller]
pub fn check_plan(
    block: &Block,
    request: &PlanResourceChangeRequest,
    planned: &PlanResourceChangeResponse,
) {
    let PlanResourceChangeRequest {
        prior_state,
        config,
        ..
    } = request;
    let mut found = conformance::violations(&block.value_type(), &planned.state);
    // A destroy has no configuration.
    if !has_error(&planned.diagnostics) && !request.proposed_new_state.is_null() {
        found.extend(plan_valid::violations(
            block,
            prior_state,
            config,
            &planned.state,
        ));
    }
    assert_eq!(found, Vec::<String>::new(), "an invalid plan");
}

/// Checks the response to an apply request as core does.
#[track_caller]
pub fn check_apply(block: &Block, planned: &Value, applied: &ApplyResourceChangeResponse) {
    let mut found = conformance::violations(&block.value_type(), &applied.state);
    if !applied.state.is_wholly_known() {
        found.push("unknown values after apply".to_owned());
    }
    if !has_error(&applied.diagnostics) && !planned.is_null() {
        found.extend(incompatibilities(block, planned, &applied.state));
    }
    assert_eq!(
        found,
        Vec::<String>::new(),
        "an invalid result: {:?}",
        applied.diagnostics
    );
}

pub async fn plan(feast: &Feast, request: PlanResourceChangeRequest) -> PlanResourceChangeResponse {
    let planned = resource(feast).plan(request.clone()).await;
    check_plan(block(feast), &request, &planned);
    planned
}

pub async fn apply(
    feast: &Feast,
    request: ApplyResourceChangeRequest,
) -> ApplyResourceChangeResponse {
    let planned = request.planned_state.clone();
    let applied = resource(feast).apply(request).await;
    check_apply(block(feast), &planned, &applied);
    applied
}

/// A schema with every kind of attribute, for the tests of the rules.
#[cfg(test)]
mod schema {
    use std::collections::BTreeMap;

    use crate::schema::{Attribute, Block, Kind, Nesting, Type, Value};

    pub fn attribute(kind: Kind) -> Attribute {
        Attribute::of_kind(kind)
    }

    pub fn block() -> Block {
        let plain = |ty| attribute(Kind::Plain(ty));
        let computed = |optional| Attribute {
            optional,
            computed: true,
            ..plain(Type::String)
        };
        let inner = || {
            BTreeMap::from([
                ("size".to_owned(), plain(Type::Number)),
                ("default".to_owned(), computed(true)),
            ])
        };
        let nested = |nesting| attribute(Kind::nested(nesting, inner()));
        Block {
            attributes: BTreeMap::from([
                ("name".to_owned(), plain(Type::String)),
                ("words".to_owned(), plain(Type::Set(Box::new(Type::String)))),
                ("id".to_owned(), computed(false)),
                (
                    "secret".to_owned(),
                    Attribute {
                        write_only: true,
                        ..plain(Type::String)
                    },
                ),
                ("one".to_owned(), nested(Nesting::Single)),
                ("many".to_owned(), nested(Nesting::List)),
                ("each".to_owned(), nested(Nesting::Map)),
                ("some".to_owned(), nested(Nesting::Set)),
            ]),
            ..Block::default()
        }
    }

    /// An object of the block with these attributes, and null for the others.
    pub fn value(attributes: &[(&str, Value)]) -> Value {
        let mut all: BTreeMap<String, Value> = (block().attributes.into_keys())
            .map(|name| (name, Value::Null))
            .collect();
        for (name, value) in attributes {
            all.insert((*name).to_owned(), value.clone());
        }
        Value::Object(all)
    }

    /// An inner object.
    pub fn inner(size: Value, default: Value) -> Value {
        Value::Object(BTreeMap::from([
            ("size".to_owned(), size),
            ("default".to_owned(), default),
        ]))
    }
}
