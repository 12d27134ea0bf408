//! What a configuration must not say, beyond the checks of single values in the schema.
//!
//! One rule, one function, one row in [`RULES`], which the documentation prints too. Every rule is run and
//! every violation reported, each at the attribute that the user can change.
//!
//! A violation names the paths that it read, down to the value itself. At plan, one that read something
//! still unknown is dropped and judged again at apply. What is there is known; what is absent may only be
//! unknown yet: a rule that concludes anything from an absence must name the absent path. A path above or
//! below an unknown one counts as unknown too.

mod accessors;
mod amount;
mod authz;
mod autoscaling;
pub mod changes;
mod claims;
mod containers;
mod cron_job;
mod disruption;
mod keda;
mod labels;
mod lineage;
mod modes;
mod names;
mod persistence;
mod pods;
mod project;
mod registry;
mod resources;
mod scaling;
mod schedule;
mod scheduling;
mod serving;
mod stores;
mod strategy;
#[cfg(test)]
mod testing;
mod timeouts;
mod tls;
mod tracking;
mod utilization;
mod violation;
mod volumes;
mod warnings;

pub use violation::Violation;
pub use warnings::WARNINGS;

use super::config::FeatureStore;

/// A rule, as the documentation lists it.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    pub name: &'static str,
    /// One sentence.
    pub description: &'static str,
    pub check: fn(&FeatureStore) -> Vec<Violation>,
}

/// Every rule, in the order in which violations are reported.
pub const RULES: &[Rule] = &[
    Rule {
        name: "names",
        description: "Every name that is derived from `name` stays within the 63 characters that Kubernetes allows.",
        check: names::check,
    },
    Rule {
        name: "labels",
        description: "Labels and annotations are valid for Kubernetes and none of them is the provider's own.",
        check: labels::check,
    },
    Rule {
        name: "timeouts",
        description: "Each of the `timeouts` is between a second and 24 hours.",
        check: timeouts::check,
    },
    Rule {
        name: "replicas-or-autoscaling",
        description: "`replicas`, `autoscaling` and `keda` are mutually exclusive.",
        check: scaling::replicas_or_autoscaling,
    },
    Rule {
        name: "replica-bounds",
        description: "`min_replicas` is not above `max_replicas`.",
        check: scaling::replica_bounds,
    },
    Rule {
        name: "scaling-persistence",
        description: "Scaling (`replicas` above 1, `autoscaling` or `keda`) needs DB-backed persistence for every enabled service; a registry may also be remote or in an object store (`s3://`, `gs://`).",
        check: persistence::check,
    },
    Rule {
        name: "autoscaling-metrics",
        description: "Each metric has the block that its type names, and no other, with a target that this type of metric can have.",
        check: autoscaling::metrics,
    },
    Rule {
        name: "autoscaling-behavior",
        description: "Scaling behavior stays within the bounds of Kubernetes: windows up to 3600 seconds, periods from 1 to 1800.",
        check: autoscaling::behavior,
    },
    Rule {
        name: "utilization-requests",
        description: "A metric on utilisation, the default CPU metric included, needs a request for that resource on every server that it measures.",
        check: utilization::check,
    },
    Rule {
        name: "keda-bounds",
        description: "KEDA's bounds are in order, and some trigger can bring the first pod back where there may be none.",
        check: keda::bounds,
    },
    Rule {
        name: "keda-triggers",
        description: "KEDA's triggers have different names, and metric types that their type can have.",
        check: keda::triggers,
    },
    Rule {
        name: "keda-fallback",
        description: "KEDA's fallback needs a trigger on something else than CPU and memory.",
        check: keda::fallback,
    },
    Rule {
        name: "keda-autoscaler-name",
        description: "KEDA's autoscaler is not named like that of `autoscaling`.",
        check: keda::autoscaler_name,
    },
    Rule {
        name: "pod-disruption-budget",
        description: "A budget is one number of pods or percentage, and asks for no more pods than there can be.",
        check: disruption::check,
    },
    Rule {
        name: "deployment-strategy",
        description: "The strategy is `Recreate` or `RollingUpdate`; only the latter has numbers, which are not both 0.",
        check: strategy::check,
    },
    Rule {
        name: "one-store",
        description: "Persistence is exactly one of `file` and `store`.",
        check: stores::one_persistence,
    },
    Rule {
        name: "file-paths",
        description: "A file's path is absolute, or relative to its claim and inside it; only a registry may be in an object store.",
        check: stores::paths,
    },
    Rule {
        name: "s3-arguments",
        description: "`s3_additional_kwargs` needs a `path` that begins with `s3://`.",
        check: stores::s3_arguments,
    },
    Rule {
        name: "own-secret",
        description: "Secrets that are read are the user's own, not the one that the provider makes.",
        check: stores::own_secret,
    },
    Rule {
        name: "one-claim",
        description: "A claim is exactly one of `ref` and `create`.",
        check: claims::one_source,
    },
    Rule {
        name: "claim-template",
        description: "A claim to create has access modes that go together, and a storage request that is a quantity within its limit.",
        check: claims::template,
    },
    Rule {
        name: "mount-paths",
        description: "Claims are mounted at different places, none of them where the servers need their own files.",
        check: claims::mounts,
    },
    Rule {
        name: "one-registry",
        description: "The registry is exactly one of `local` and `remote`.",
        check: registry::one_registry,
    },
    Rule {
        name: "remote-address",
        description: "A remote registry has exactly one of `hostname`, written as `host` or `host:port`, and `feast_ref`.",
        check: registry::remote_address,
    },
    Rule {
        name: "remote-other",
        description: "A remote registry is that of another feature store.",
        check: registry::another_store,
    },
    Rule {
        name: "tls",
        description: "TLS that is not disabled has a Secret, with certificate and private key under two keys.",
        check: tls::check,
    },
    Rule {
        name: "registry-protocol",
        description: "A registry server serves gRPC, REST or both.",
        check: registry::protocols,
    },
    Rule {
        name: "project-source",
        description: "The feature repository comes from exactly one of `init`, `git` and `packaged`.",
        check: project::one_source,
    },
    Rule {
        name: "git-source",
        description: "What git is told is text of one line that cannot be taken for an option, settings are named `section.key`, the definitions are inside the clone, and `ssh` goes with an SSH URL.",
        check: project::git,
    },
    Rule {
        name: "packaged-path",
        description: "A packaged repository has a canonical path that no volume of the pods hides.",
        check: project::packaged,
    },
    Rule {
        name: "feast-apply",
        description: "`feast apply` is run by one of a Job and the init containers; a Job needs online store and registry outside the pods, and no claims.",
        check: project::apply,
    },
    Rule {
        name: "cron-schedule",
        description: "A schedule has five fields within their bounds, or is one of the `@` words.",
        check: schedule::check,
    },
    Rule {
        name: "cron-job",
        description: "The CronJob's Jobs have settings that go together, and no empty commands.",
        check: cron_job::check,
    },
    Rule {
        name: "one-server",
        description: "At least one server remains when the online store is disabled.",
        check: containers::one_server,
    },
    Rule {
        name: "environment",
        description: "Environment variables have valid names, each once, and either a value or one source.",
        check: containers::environment,
    },
    Rule {
        name: "resources",
        description: "Requests and limits are quantities, not negative, of resources that Kubernetes knows; no request is above its limit, devices and huge pages have both alike, and the claims are the pods' own.",
        check: resources::check,
    },
    Rule {
        name: "workers",
        description: "A server has at least one worker process, or as many as the node's CPUs ask for (`-1`).",
        check: serving::workers,
    },
    Rule {
        name: "metric-categories",
        description: "Categories of metrics are those that Feast has.",
        check: serving::metric_categories,
    },
    Rule {
        name: "registry-mcp",
        description: "The registry serves the Model Context Protocol by its REST API.",
        check: serving::registry_mcp,
    },
    Rule {
        name: "volumes",
        description: "Volumes have different names, none of them the provider's own, and exactly one source.",
        check: volumes::check,
    },
    Rule {
        name: "file-modes",
        description: "A mode of files is a number from 0 to 511 (0777 in octal), that of an `empty_dir` one from 0 to 1023.",
        check: modes::bounds,
    },
    Rule {
        name: "volume-mounts",
        description: "A mount names one of `volumes`, at a place of its own that hides nothing the servers need.",
        check: volumes::mounts,
    },
    Rule {
        name: "tolerations",
        description: "A toleration has an operator and an effect that Kubernetes knows, and a key and value that fit them.",
        check: scheduling::tolerations,
    },
    Rule {
        name: "topology-spread",
        description: "Spread constraints are within the bounds of Kubernetes, each topology once.",
        check: scheduling::spread,
    },
    Rule {
        name: "affinity",
        description: "Terms of an affinity have operators with values that fit, weights from 1 to 100 and a topology key.",
        check: scheduling::affinity,
    },
    Rule {
        name: "security-context",
        description: "The security context has words that Kubernetes knows, and does not forbid the user that it asks for.",
        check: pods::security,
    },
    Rule {
        name: "resource-claims",
        description: "Resource claims have different names and one source each.",
        check: pods::resource_claims,
    },
    Rule {
        name: "service-account-token",
        description: "The pods have the token of their account where Feast itself asks Kubernetes.",
        check: pods::token,
    },
    Rule {
        name: "image-pull-secrets",
        description: "Each Secret for pulling images is named once.",
        check: pods::pull_secrets,
    },
    Rule {
        name: "one-authz",
        description: "Requests are authenticated in exactly one way: `kubernetes`, `oidc` or `no_auth = true`.",
        check: authz::one_mode,
    },
    Rule {
        name: "authz-roles",
        description: "Roles to make have valid names, each once, none of them the provider's own.",
        check: authz::roles,
    },
    Rule {
        name: "oidc-provider",
        description: "An OpenID Connect provider has an `issuer_url` or a Secret, and a `secret_key_name` has a Secret that it is in.",
        check: authz::oidc,
    },
    Rule {
        name: "transport-url",
        description: "The OpenLineage transport `http` has a `transport_url`.",
        check: tracking::transport_url,
    },
    Rule {
        name: "lineage-server",
        description: "A lineage server has a SQL database for its events, and a consumer that is enabled.",
        check: lineage::check,
    },
    Rule {
        name: "extra-config",
        description: "What has an attribute of its own is not in `extra_config`.",
        check: tracking::extra_config,
    },
    Rule {
        name: "extra-numbers",
        description: "`request_timeout` and `max_retries` of MLflow's `extra_config` are whole numbers.",
        check: tracking::extra_numbers,
    },
];

/// Every piece of advice, in the order of [`WARNINGS`].
pub fn warnings(store: &FeatureStore) -> Vec<Violation> {
    WARNINGS
        .iter()
        .flat_map(|rule| (rule.check)(store))
        .collect()
}

/// Every violation of every rule, in the order of [`RULES`].
pub fn check(store: &FeatureStore) -> Vec<Violation> {
    RULES.iter().flat_map(|rule| (rule.check)(store)).collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    #[test]
    fn unknown_values_add_nothing_to_the_golden_configurations() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/render");
        let mut swept = 0;
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let text = fs::read_to_string(path).unwrap();
                super::testing::law(&serde_json::from_str(&text).unwrap());
                swept += 1;
            }
        }
        assert_ne!(swept, 0, "tests/render has no configuration");
    }

    #[test]
    fn every_rule_has_a_name_of_its_own_and_one_sentence() {
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
