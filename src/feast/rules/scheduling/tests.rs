use serde_json::{Value as Json, json};

use crate::feast::rules::testing::{advised, refused, stands};

fn below(prefix: &str, expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(path, summary)| (format!("{prefix}{path}"), (*summary).to_owned()))
        .collect()
}

fn check(rule: &str, services: Json, prefix: &str, expected: &[(&str, &str)]) {
    let expected = below(prefix, expected);
    let expected: Vec<_> = expected
        .iter()
        .map(|(p, s)| (p.as_str(), s.as_str()))
        .collect();
    refused(rule, services, &expected);
}

#[test]
fn tolerations() {
    stands(json!({"tolerations": [
        {"operator": "Exists"},
        {"key": "dedicated", "value": "feast", "effect": "NoSchedule"},
        {"key": "a/b", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60},
    ]}));
    check(
        "tolerations",
        json!({"tolerations": [
            {"value": "x"},
            {"key": "k", "operator": "Like", "effect": "Never"},
            {"key": "k", "operator": "Exists", "value": "x"},
            {"key": "k", "effect": "NoSchedule", "tolerationSeconds": 60},
            {"key": "k k"},
        ]}),
        "services.tolerations",
        &[
            ("[0]", "A toleration names the taint's key"),
            ("[1].operator", "\"Like\" is not possible here"),
            ("[1].effect", "\"Never\" is not possible here"),
            (
                "[2].value",
                "A toleration with operator Exists has no value",
            ),
            (
                "[3].toleration_seconds",
                "Only the effect NoExecute is tolerated for a while",
            ),
            ("[4].key", "\"k k\" is not a valid key of a taint"),
        ],
    );
}

fn constraint(more: Json) -> Json {
    let mut constraint = json!({
        "maxSkew": 1,
        "topologyKey": "zone",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"feast.dev/name": "demo"}},
    });
    for (key, value) in more.as_object().unwrap() {
        constraint[key] = value.clone();
    }
    constraint
}

#[test]
fn spread() {
    stands(json!({"topologySpreadConstraints": []}));
    stands(json!({"topologySpreadConstraints": [
        constraint(json!({})),
        constraint(json!({"whenUnsatisfiable": "DoNotSchedule", "minDomains": 2})),
    ]}));
    check(
        "topology-spread",
        json!({"topologySpreadConstraints": [
            constraint(json!({"maxSkew": 0, "topologyKey": "", "nodeTaintsPolicy": "Obey"})),
            constraint(json!({"whenUnsatisfiable": "Whenever", "minDomains": 0})),
            constraint(json!({"minDomains": 2})),
            constraint(json!({"labelSelector": {"matchExpressions": [
                {"key": "a", "operator": "In"},
                {"key": "a", "operator": "Gt", "values": ["1"]},
            ]}})),
        ]}),
        "services.topology_spread_constraints",
        &[
            ("[0].max_skew", "max_skew is at least 1"),
            ("[0].topology_key", "topology_key is empty"),
            ("[0].node_taints_policy", "\"Obey\" is not possible here"),
            ("[1].min_domains", "min_domains is at least 1"),
            (
                "[1].when_unsatisfiable",
                "\"Whenever\" is not possible here",
            ),
            (
                "[2].min_domains",
                "min_domains needs when_unsatisfiable = \"DoNotSchedule\"",
            ),
            (
                "[3].label_selector.match_expressions[0].values",
                "The operator In takes at least one value",
            ),
            (
                "[3].label_selector.match_expressions[1].operator",
                "\"Gt\" is not possible here",
            ),
            (
                "[3]",
                "Two constraints spread over the same topology in the same way",
            ),
        ],
    );
}

#[test]
fn affinity() {
    let term = json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}});
    stands(json!({"affinity": {}}));
    stands(json!({"affinity": {"podAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [term],
    }}}));
    check(
        "affinity",
        json!({"affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{
                    "matchExpressions": [
                        {"key": "cpus", "operator": "Gt", "values": ["many"]},
                        {"key": "gpu", "operator": "Exists", "values": ["yes"]},
                    ],
                    "matchFields": [{"key": "metadata.name", "operator": "Exists"}],
                }]},
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 0, "preference": {}},
                ],
            },
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {"topologyKey": "", "labelSelector": {}},
                ],
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 101, "podAffinityTerm": term},
                ],
            },
        }}),
        "services.affinity.",
        &[
            (
                "node_affinity.required_during_scheduling_ignored_during_execution.node_selector_terms[0].match_expressions[0].values",
                "The operator Gt takes exactly one value, a whole number",
            ),
            (
                "node_affinity.required_during_scheduling_ignored_during_execution.node_selector_terms[0].match_expressions[1].values",
                "The operator Exists takes no values",
            ),
            (
                "node_affinity.required_during_scheduling_ignored_during_execution.node_selector_terms[0].match_fields[0].operator",
                "\"Exists\" is not possible here",
            ),
            (
                "node_affinity.preferred_during_scheduling_ignored_during_execution[0].weight",
                "A preference weighs from 1 to 100, not 0",
            ),
            (
                "pod_anti_affinity.required_during_scheduling_ignored_during_execution[0].topology_key",
                "topology_key is empty",
            ),
            (
                "pod_anti_affinity.preferred_during_scheduling_ignored_during_execution[0].weight",
                "A preference weighs from 1 to 100, not 101",
            ),
        ],
    );
    check(
        "affinity",
        json!({"affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []},
        }}}),
        "services.affinity.node_affinity.required_during_scheduling_ignored_during_execution",
        &[(
            ".node_selector_terms",
            "There is no term that a node could meet",
        )],
    );
}

#[test]
fn what_selects_no_pod() {
    let mut constraint = constraint(json!({}));
    constraint.as_object_mut().unwrap().remove("labelSelector");
    let summary = "Without a label_selector no pod is counted";
    advised(
        "pod-selectors",
        json!({
            "topologySpreadConstraints": [constraint],
            "affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "zone"},
            ]}},
        }),
        &[
            ("services.topology_spread_constraints[0]", summary),
            (
                "services.affinity.pod_affinity.required_during_scheduling_ignored_during_execution[0]",
                summary,
            ),
        ],
    );
}

#[test]
fn node_selectors_that_contradict_each_other() {
    advised(
        "node-selectors",
        json!({
            "nodeSelector": {"pool": "feast", "disk": "ssd"},
            "onlineStore": {"server": {"nodeSelector": {"disk": "ssd", "zone": "a"}}},
            "offlineStore": {"server": {"nodeSelector": {"disk": "hdd", "zone": "b"}}},
        }),
        &[
            (
                "services.offline_store.server.node_selector[\"disk\"]",
                "Another value of \"disk\" holds",
            ),
            (
                "services.offline_store.server.node_selector[\"zone\"]",
                "Another value of \"zone\" holds",
            ),
        ],
    );
}
