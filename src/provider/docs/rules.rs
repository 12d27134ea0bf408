//! The section about the rules, on the page of the resource.

use crate::feast::rules::{RULES, Rule, WARNINGS};

/// The groups of the rules, with the names of their rules.
const GROUPS: [(&str, &[&str]); 11] = [
    ("General", &["names", "labels", "timeouts", "extra-yaml"]),
    (
        "Scaling and rollouts",
        &[
            "replicas-or-autoscaling",
            "replica-bounds",
            "scaling-persistence",
            "autoscaling-metrics",
            "autoscaling-behavior",
            "utilization-requests",
            "pod-disruption-budget",
            "deployment-strategy",
            "pre-stop-sleep",
        ],
    ),
    (
        "KEDA",
        &[
            "keda-bounds",
            "keda-triggers",
            "keda-fallback",
            "keda-scaling-modifiers",
            "keda-autoscaler-name",
        ],
    ),
    (
        "Persistence",
        &[
            "one-store",
            "shared-store",
            "staging-location",
            "file-paths",
            "s3-arguments",
            "own-secret",
            "one-pvc",
            "pvc-template",
            "mount-paths",
        ],
    ),
    (
        "Registry",
        &[
            "one-registry",
            "remote-address",
            "remote-tls",
            "remote-other",
            "registry-protocol",
            "registry-mcp",
        ],
    ),
    (
        "Feature repository and jobs",
        &[
            "project-source",
            "init-template",
            "git-source",
            "packaged-path",
            "feast-apply",
            "cron-schedule",
            "cron-job",
        ],
    ),
    (
        "Servers",
        &[
            "one-server",
            "environment",
            "resources",
            "workers",
            "metric-categories",
            "feature-count-bins",
        ],
    ),
    (
        "Pods",
        &[
            "volumes",
            "file-modes",
            "volume-mounts",
            "tolerations",
            "topology-spread",
            "affinity",
            "security-context",
            "container-security-context",
            "resource-claims",
            "service-account-token",
            "image-pull-secrets",
        ],
    ),
    (
        "Network and TLS",
        &[
            "tls",
            "network-policy",
            "services",
            "routes",
            "service-monitor",
        ],
    ),
    (
        "Authorization",
        &["one-authz", "authz-roles", "oidc-provider"],
    ),
    (
        "OpenLineage and MLflow",
        &[
            "transport-url",
            "lineage-server",
            "extra-config",
            "extra-numbers",
        ],
    ),
];

/// Returns the section, whose anchor is `rules`.
pub(super) fn section() -> String {
    let groups: String = GROUPS
        .iter()
        .map(|(title, names)| {
            let rules = RULES.iter().filter(|rule| names.contains(&rule.name));
            format!("### {title}\n\n{}\n", list(rules))
        })
        .collect();
    format!(
        "\
## Rules

`terraform validate` and `terraform plan` check these rules without a cluster, and report all violations at once. Rules
that depend on a value that is known only after apply are checked during apply, before anything is written.

{groups}\
### Warnings

These rules only give a warning:

{}",
        list(WARNINGS.iter())
    )
}

fn list<'rule>(rules: impl Iterator<Item = &'rule Rule>) -> String {
    rules
        .map(|rule| {
            let words: Vec<&str> = rule.description.split_whitespace().collect();
            format!("- {}\n", words.join(" "))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_in_one_group() {
        let mut grouped: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, names)| names.iter().copied())
            .collect();
        let mut names: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
        grouped.sort_unstable();
        names.sort_unstable();
        assert_eq!(grouped, names);
    }
}
