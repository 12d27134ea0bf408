use serde_json::{Value as Json, json};

use super::*;
use crate::kubernetes::validation::testing::check;

#[test]
fn tolerations() {
    for (valid_or_not, expected) in [
        (json!({"operator": "Exists"}), &[][..]),
        (
            json!({"key": "dedicated", "value": "feast", "effect": "NoSchedule"}),
            &[],
        ),
        (
            json!({"key": "a/b", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}),
            &[],
        ),
        (json!({"value": "x"}), &[("", "A toleration needs a `key`")]),
        (
            json!({"key": "k", "operator": "Like", "effect": "Never"}),
            &[
                ("operator", "Unsupported value \"Like\""),
                ("effect", "Unsupported value \"Never\""),
            ],
        ),
        (
            json!({"key": "k", "operator": "Exists", "value": "x"}),
            &[("value", "`value` conflicts with the operator `Exists`")],
        ),
        (
            json!({"key": "k", "effect": "NoSchedule", "tolerationSeconds": 60}),
            &[(
                "toleration_seconds",
                "`toleration_seconds` requires the effect `NoExecute`",
            )],
        ),
        (json!({"key": "k", "operator": "Gt", "value": "5"}), &[]),
        (
            json!({"key": "k", "value": "a b"}),
            &[("value", "\"a b\" is not a valid label value")],
        ),
        (
            json!({"key": "k", "operator": "Lt", "value": "05"}),
            &[("value", "The value is not a whole number")],
        ),
        (
            json!({"key": "k k"}),
            &[("key", "\"k k\" is not a valid taint key")],
        ),
    ] {
        check(&valid_or_not, toleration, expected);
    }
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
fn topology_spread_constraints() {
    let check = |constraints: Json, expected: &[(&str, &str)]| {
        let validate = |constraints: &Vec<_>| topology_spread(constraints);
        check(&constraints, validate, expected);
    };
    check(json!([]), &[]);
    check(
        json!([
            constraint(json!({})),
            constraint(json!({"whenUnsatisfiable": "DoNotSchedule", "minDomains": 2})),
        ]),
        &[],
    );
    check(
        json!([
            constraint(json!({"maxSkew": 0, "topologyKey": "", "nodeTaintsPolicy": "Obey"})),
            constraint(json!({"whenUnsatisfiable": "Whenever", "minDomains": 0})),
            constraint(json!({"minDomains": 2})),
            constraint(json!({"labelSelector": {"matchExpressions": [
                {"key": "a", "operator": "In"},
                {"key": "a", "operator": "Gt", "values": ["1"]},
            ]}})),
        ]),
        &[
            ("[0].max_skew", "`max_skew` must be at least 1"),
            ("[0].topology_key", "`topology_key` must not be empty"),
            ("[0].node_taints_policy", "Unsupported value \"Obey\""),
            ("[1].min_domains", "`min_domains` must be at least 1"),
            ("[1].when_unsatisfiable", "Unsupported value \"Whenever\""),
            (
                "[2].min_domains",
                "`min_domains` requires `when_unsatisfiable = \"DoNotSchedule\"`",
            ),
            (
                "[3].label_selector.match_expressions[0].values",
                "The operator In needs at least one value",
            ),
            (
                "[3].label_selector.match_expressions[1].operator",
                "Unsupported value \"Gt\"",
            ),
            (
                "[3]",
                "Duplicate pair of `topology_key` and `when_unsatisfiable`",
            ),
        ],
    );
}

#[test]
fn affinities() {
    let term = json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}});
    check(&json!({}), affinity, &[]);
    let required =
        json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
    check(&required, affinity, &[]);
    let invalid = json!({
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
    });
    let node_terms = format!("node_affinity.{REQUIRED}.node_selector_terms");
    check(
        &invalid,
        affinity,
        &[
            (
                &format!("{node_terms}[0].match_expressions[0].values"),
                "The operator Gt needs exactly one value, a whole number",
            ),
            (
                &format!("{node_terms}[0].match_expressions[1].values"),
                "The operator Exists needs an empty list of values",
            ),
            (
                &format!("{node_terms}[0].match_fields[0].operator"),
                "Unsupported value \"Exists\"",
            ),
            (
                &format!("{node_terms}[0].match_fields[0].values"),
                "Exactly one value is required",
            ),
            (
                &format!("node_affinity.{PREFERRED}[0].weight"),
                "The weight 0 is out of range",
            ),
            (
                &format!("pod_anti_affinity.{REQUIRED}[0].topology_key"),
                "`topology_key` must not be empty",
            ),
            (
                &format!("pod_anti_affinity.{PREFERRED}[0].weight"),
                "The weight 101 is out of range",
            ),
        ],
    );
    let no_terms = json!({"nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []},
    }});
    check(
        &no_terms,
        affinity,
        &[(&node_terms, "At least one node selector term is required")],
    );
}

#[test]
fn names_in_terms() {
    let selector = json!({
        "matchLabels": {"a b": "c", "d": "e f"},
        "matchExpressions": [
            {"key": "a b", "operator": "In", "values": ["a", "a b"]},
            {"key": "k", "operator": "Exists"},
        ],
    });
    let invalid = json!({
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{
                "matchExpressions": [{"key": "a b", "operator": "In", "values": ["a b"]}],
                "matchFields": [{"key": "spec.name", "operator": "In", "values": ["A"]}],
            }]},
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "preference": {
                    "matchExpressions": [{"key": "a", "operator": "In", "values": ["a b"]}],
                }},
            ],
        },
        "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "a b", "labelSelector": selector, "namespaces": ["A"],
             "matchLabelKeys": ["k", "x y"], "mismatchLabelKeys": ["x y"]},
            {"topologyKey": "a", "matchLabelKeys": ["k"]},
        ]},
    });
    let node_terms = format!("node_affinity.{REQUIRED}.node_selector_terms[0]");
    let terms = format!("pod_affinity.{REQUIRED}");
    let no_key = "\"a b\" is not a valid label key";
    let no_value = "\"a b\" is not a valid label value";
    let no_other_key = "\"x y\" is not a valid label key";
    let also_there = |key: &str, other: &str| format!("The label key {key:?} is also in `{other}`");
    check(
        &invalid,
        affinity,
        &[
            (&format!("{node_terms}.match_expressions[0].key"), no_key),
            (
                &format!("{node_terms}.match_expressions[0].values[0]"),
                no_value,
            ),
            (
                &format!("{node_terms}.match_fields[0].key"),
                "Unsupported value \"spec.name\"",
            ),
            (
                &format!("{node_terms}.match_fields[0].values[0]"),
                "\"A\" is not a valid object name",
            ),
            (
                &format!("{terms}[0].topology_key"),
                "\"a b\" is not a valid node label key",
            ),
            (
                &format!("{terms}[0].label_selector.match_labels[\"a b\"]"),
                no_key,
            ),
            (
                &format!("{terms}[0].label_selector.match_labels[\"d\"]"),
                "\"e f\" is not a valid label value",
            ),
            (
                &format!("{terms}[0].label_selector.match_expressions[0].key"),
                no_key,
            ),
            (
                &format!("{terms}[0].label_selector.match_expressions[0].values[1]"),
                no_value,
            ),
            (&format!("{terms}[0].match_label_keys[1]"), no_other_key),
            (&format!("{terms}[0].mismatch_label_keys[0]"), no_other_key),
            (
                &format!("{terms}[0].match_label_keys[0]"),
                &also_there("k", "label_selector"),
            ),
            (
                &format!("{terms}[0].match_label_keys[1]"),
                &also_there("x y", "mismatch_label_keys"),
            ),
            (
                &format!("{terms}[0].namespaces[0]"),
                "\"A\" is not a valid name",
            ),
            (
                &format!("{terms}[1].match_label_keys"),
                "`match_label_keys` requires `label_selector`",
            ),
        ],
    );
}
