//! Rules that a configuration must follow, beyond the checks of single values in the schema.
//!
//! Each rule is a function and a row in [`RULES`], which the documentation prints too. All rules run, and all
//! violations are reported, each at the attribute that the user can change. What the API server checks in values of
//! Kubernetes types is in [`kubernetes::validation`](crate::kubernetes::validation).
//!
//! A violation lists the paths that its verdict depends on. During plan, a violation that depends on an unknown path is
//! dropped, and the rule runs again during apply. A value that is set is known, but an absent value may only be
//! unknown: a rule whose verdict depends on an absent value must list its path. A path above or below an unknown one
//! counts as unknown too.

mod accessors;
mod authz;
mod cron_job;
mod disruption;
mod extra_yaml;
mod keda;
mod labels;
mod lineage;
mod names;
mod network_policy;
mod packages;
mod persistence;
mod pods;
mod project;
pub mod pvc_changes;
mod pvcs;
mod registry;
mod resources;
mod routes;
mod scaling;
mod scheduling;
mod security;
mod servers;
mod service_monitor;
mod services;
mod serving;
mod stores;
mod table;
#[cfg(test)]
mod testing;
mod timeouts;
mod tls;
mod tracking;
mod utilization;
mod versions;
mod volumes;
mod warnings;

pub use table::RULES;
pub use timeouts::timeout_problem;
pub use warnings::WARNINGS;

use super::config::FeatureStore;
pub use crate::kubernetes::validation::Violation;

/// A rule, as the documentation lists it.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    pub name: &'static str,
    /// One sentence.
    pub description: &'static str,
    pub check: fn(&FeatureStore) -> Vec<Violation>,
}

/// Returns all warnings, in the order of [`WARNINGS`].
pub fn warnings(store: &FeatureStore) -> Vec<Violation> {
    WARNINGS
        .iter()
        .flat_map(|rule| (rule.check)(store))
        .collect()
}

/// Returns all violations of all rules, in the order of [`RULES`].
pub fn check(store: &FeatureStore) -> Vec<Violation> {
    RULES.iter().flat_map(|rule| (rule.check)(store)).collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    #[test]
    fn unknown_values_add_no_violations_to_the_golden_configurations() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/render");
        let mut count = 0;
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let text = fs::read_to_string(path).unwrap();
                super::testing::assert_unknown_monotone(&serde_json::from_str(&text).unwrap());
                count += 1;
            }
        }
        assert_ne!(count, 0, "tests/render has no configuration");
    }

    #[test]
    fn every_rule_has_a_unique_name_and_a_description() {
        let rules: Vec<_> = super::RULES.iter().chain(super::WARNINGS).collect();
        for (index, rule) in rules.iter().enumerate() {
            assert!(rule.description.ends_with('.'), "{}", rule.name);
            let others = &rules[..index];
            assert!(
                others.iter().all(|other| other.name != rule.name),
                "{}",
                rule.name
            );
        }
    }
}
