//! A value of Terraform as a configuration that breaks no rule.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::feast::config::FeatureStore;
use crate::feast::rules::{self, Violation};
use crate::provider::diagnostics;
use crate::schema::{Block, Diagnostics, Path, Value, decode};

/// A configuration that breaks no rule, as far as its values are known.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    pub config: FeatureStore,
    /// The same in its serde form, as the Secret of the feature store stores it for import.
    pub json: Json,
    /// The paths that are known only after apply. Rules that read any of them are checked again at apply.
    pub unknown: BTreeSet<Path>,
    /// True if the prior strategy is `RollingUpdate`. Matters only for `replicas = 0`, which `ignore_changes` can keep:
    /// the strategy and the PodDisruptionBudget then stay as they were.
    pub was_scaled: bool,
    /// Warnings about values that break a rule and are those in the prior state.
    pub tolerated: Diagnostics,
}

/// Decodes a configuration, a plan or a state, and checks it against all rules.
///
/// # Errors
///
/// A diagnostic for each value that does not fit the schema, or else for each violation.
pub fn parse(block: &Block, value: &Value) -> Result<Parsed, Diagnostics> {
    parse_over(block, value, &Value::Null)
}

/// Decodes and checks a plan of a resource whose prior state is `prior`, null on create.
///
/// Terraform validates the configuration as the user wrote it, and then plans with the prior values of the attributes
/// in `ignore_changes`. So a value that is the one in the prior state can be a live value that another client set. If
/// only such values break a rule, that is a warning.
///
/// # Errors
///
/// A diagnostic for each value that does not fit the schema, or else for each violation.
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
    let config: FeatureStore =
        serde_json::from_value(decoded.json.clone()).map_err(diagnostics::mismatch)?;
    let (live, broken): (Vec<Violation>, Vec<Violation>) = rules::check(&config)
        .into_iter()
        .partition(|violation| violation.reads.iter().all(is_prior));
    let broken = known_violations(broken, &decoded.unknown);
    if !broken.is_empty() {
        return Err(broken);
    }
    tolerated.extend(known_violations(live, &decoded.unknown));
    Ok(Parsed {
        config,
        json: decoded.json,
        unknown: decoded.unknown,
        was_scaled: was_scaled(prior),
        tolerated: tolerated.into_iter().map(diagnostics::tolerated).collect(),
    })
}

/// Returns whether the strategy in this state is `RollingUpdate`.
pub fn was_scaled(state: &Value) -> bool {
    state.attribute("strategy").as_str() == Some(ROLLING_UPDATE)
}

/// Returns whether the strategy of this live Deployment is `RollingUpdate`.
pub fn live_was_scaled(deployment: &Json) -> bool {
    deployment["spec"]["strategy"]["type"] == ROLLING_UPDATE
}

const ROLLING_UPDATE: &str = "RollingUpdate";

/// Returns the warnings about a configuration that breaks no rule.
pub fn warnings(parsed: &Parsed) -> Diagnostics {
    (rules::warnings(&parsed.config).into_iter())
        .filter(|violation| is_known(violation, &parsed.unknown))
        .map(diagnostics::rule_warning)
        .collect()
}

/// Returns the violations that depend on known values alone.
pub fn known_violations(violations: Vec<Violation>, unknown: &BTreeSet<Path>) -> Diagnostics {
    violations
        .into_iter()
        .filter(|violation| is_known(violation, unknown))
        .map(diagnostics::violation)
        .collect()
}

/// Returns whether everything that the rule read is known.
fn is_known(violation: &Violation, unknown: &BTreeSet<Path>) -> bool {
    !violation
        .reads
        .iter()
        .any(|read| unknown.iter().any(|path| path.overlaps(read)))
}
