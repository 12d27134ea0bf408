//! From what Terraform sent to a configuration that nothing is wrong with.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::feast::config::FeatureStore;
use crate::feast::rules::{self, Violation};
use crate::provider::diagnostics;
use crate::schema::{Block, Diagnostic, Diagnostics, Path, Value, decode};

/// A configuration that keeps every rule that could be judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    pub config: FeatureStore,
    /// The same in its serde form, as it is kept in the cluster for import.
    pub json: Json,
    /// What is not known before apply; rules that read any of it are still to be judged.
    pub unknown: BTreeSet<Path>,
    /// Whether several pods could run by the prior state.
    pub was_scaled: bool,
    /// Warnings about values that no rule allows, but that are as in the prior state.
    pub tolerated: Diagnostics,
}

/// Decodes a configuration, a plan or a state, and judges it: all that is wrong, at once.
///
/// # Errors
///
/// One diagnostic for each value that does not fit the schema, or else for each broken rule.
pub fn parse(block: &Block, value: &Value) -> Result<Parsed, Diagnostics> {
    parse_over(block, value, &Value::Null)
}

/// Decodes and judges a plan of a resource whose prior state is `prior`, null on create.
///
/// Terraform validates the configuration as the user wrote it, and then puts the prior values of `ignore_changes` into
/// the one that it plans with. So a value that is as in the prior state can be the live one, which others have set:
/// where only such values break a rule, that is a warning.
///
/// # Errors
///
/// One diagnostic for each value that does not fit the schema, or else for each broken rule.
pub fn parse_over(block: &Block, value: &Value, prior: &Value) -> Result<Parsed, Diagnostics> {
    let decoded = decode(block, value);
    let is_prior = |path: &Path| !prior.is_null() && value.get(path) == prior.get(path);
    let (mut tolerated, broken): (Diagnostics, Diagnostics) = (decoded.diagnostics.into_iter())
        .partition(|diagnostic| {
            let path = diagnostic.path.as_ref();
            path.is_some_and(|path| {
                is_prior(path) && value.get(path).is_some_and(|it| !it.is_null())
            })
        });
    if !broken.is_empty() {
        return Err(broken);
    }
    let config: FeatureStore = serde_json::from_value(decoded.json.clone()).map_err(mismatch)?;
    let (kept, broken): (Vec<Violation>, Vec<Violation>) = rules::check(&config)
        .into_iter()
        .partition(|violation| violation.reads.iter().all(is_prior));
    let broken = judged(broken, &decoded.unknown);
    if !broken.is_empty() {
        return Err(broken);
    }
    tolerated.extend(judged(kept, &decoded.unknown));
    Ok(Parsed {
        config,
        json: decoded.json,
        unknown: decoded.unknown,
        was_scaled: was_scaled(prior),
        tolerated: tolerated.into_iter().map(diagnostics::tolerated).collect(),
    })
}

/// Whether several pods could run by this state.
pub fn was_scaled(state: &Value) -> bool {
    state.attribute("strategy").as_str() == Some("RollingUpdate")
}

/// What the user had better change: warnings.
pub fn advice(parsed: &Parsed) -> Diagnostics {
    (rules::warnings(&parsed.config).into_iter())
        .filter(|advice| can_be_judged(advice, &parsed.unknown))
        .map(|advice| Diagnostic::warning(advice.summary, advice.detail).at(advice.path))
        .collect()
}

/// The violations that count while these paths are unknown.
pub fn judged(violations: Vec<Violation>, unknown: &BTreeSet<Path>) -> Diagnostics {
    violations
        .into_iter()
        .filter(|violation| can_be_judged(violation, unknown))
        .map(|violation| Diagnostic::error(violation.summary, violation.detail).at(violation.path))
        .collect()
}

/// A rule's verdict counts only when everything that it read is known.
fn can_be_judged(violation: &Violation, unknown: &BTreeSet<Path>) -> bool {
    !violation
        .reads
        .iter()
        .any(|read| unknown.iter().any(|path| path.overlaps(read)))
}

/// The schema and the types come from one source, so only a defect of this provider can lead here.
pub fn mismatch(error: serde_json::Error) -> Diagnostics {
    vec![Diagnostic::error(
        "The provider cannot read this configuration",
        format!(
            "The configuration fits the provider's schema, but not the types that the schema is made \
             from: {error}. This is a defect of the provider; please report it with the configuration."
        ),
    )]
}
