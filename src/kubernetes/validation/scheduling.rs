//! Tolerations, topology spread constraints and affinity of a pod.

use k8s_openapi::api::core::v1::{
    Affinity, NodeAffinity, NodeSelectorTerm, PodAffinityTerm, Toleration,
    TopologySpreadConstraint, WeightedPodAffinityTerm,
};

use super::metadata::{dns_label, label_value, qualified_name};
use super::selector::{field_requirement, label_keys, label_selector, node_requirement};
use super::{Violation, each, supported};
use crate::schema::Path;

const REQUIRED: &str = "required_during_scheduling_ignored_during_execution";
const PREFERRED: &str = "preferred_during_scheduling_ignored_during_execution";

pub fn toleration(toleration: &Toleration) -> Vec<Violation> {
    let Toleration {
        effect,
        key,
        operator,
        toleration_seconds,
        value,
    } = toleration;
    let path = Path::of;
    let mut violations = Vec::new();
    if let Some(operator) = operator {
        let operators = ["Exists", "Equal", "Lt", "Gt"];
        violations.extend(supported(path("operator"), operator, &operators));
    }
    if let Some(effect) = effect.as_deref().filter(|effect| !effect.is_empty()) {
        let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
        violations.extend(supported(path("effect"), effect, &effects));
    }
    let key = key.as_deref().unwrap_or_default();
    let is_exists = operator.as_deref() == Some("Exists");
    if key.is_empty() && !is_exists {
        violations.push(Violation::new(
            Path::root(),
            [path("key"), path("operator")],
            "A toleration needs a `key`",
            "Set the key of the taint. To tolerate every taint, set `operator = \"Exists\"` without a key.",
        ));
    } else if !key.is_empty() {
        violations.extend(qualified_name(path("key"), key, "taint key"));
    }
    let number = value.as_deref().unwrap_or_default();
    match operator.as_deref().unwrap_or_default() {
        "" | "Equal" => violations.extend(label_value(path("value"), number)),
        "Lt" | "Gt" if !is_decimal(number) => violations.push(Violation::new(
            path("value"),
            [path("value"), path("operator")],
            "The value is not a whole number",
            "The operators `Lt` and `Gt` compare numbers. Set a whole number, such as `5`.",
        )),
        _ => {}
    }
    if is_exists && value.as_ref().is_some_and(|value| !value.is_empty()) {
        violations.push(Violation::new(
            path("value"),
            [path("value"), path("operator")],
            "`value` conflicts with the operator `Exists`",
            "Remove `value`, or set `operator = \"Equal\"`.",
        ));
    }
    if toleration_seconds.is_some() && effect.as_deref() != Some("NoExecute") {
        violations.push(Violation::new(
            path("toleration_seconds"),
            [path("toleration_seconds"), path("effect")],
            "`toleration_seconds` requires the effect `NoExecute`",
            "Remove `toleration_seconds`, or set `effect = \"NoExecute\"`.",
        ));
    }
    violations
}

/// Returns whether a text is a whole number without leading zeros (`IsDecimalInteger`).
fn is_decimal(text: &str) -> bool {
    text.parse::<i64>()
        .is_ok_and(|number| number.to_string() == text)
}

/// Validates the list of a pod's topology spread constraints.
pub fn topology_spread(constraints: &[TopologySpreadConstraint]) -> Vec<Violation> {
    let mut violations = each(&Path::root(), constraints, spread_constraint);
    for (index, constraint) in constraints.iter().enumerate() {
        let path = Path::root().index(index);
        let first = constraints[..index].iter().position(|other| {
            other.topology_key == constraint.topology_key
                && other.when_unsatisfiable == constraint.when_unsatisfiable
        });
        if let Some(first) = first {
            let reads = [path.clone(), Path::root().index(first)].into_iter();
            let reads = reads.flat_map(|path| {
                ["topology_key", "when_unsatisfiable"].map(|name| path.attribute(name))
            });
            violations.push(Violation::new(
                path,
                reads,
                "Duplicate pair of `topology_key` and `when_unsatisfiable`",
                "Each pair can be listed only once. Remove one of the two constraints.",
            ));
        }
    }
    violations
}

fn spread_constraint(constraint: &TopologySpreadConstraint) -> Vec<Violation> {
    let TopologySpreadConstraint {
        label_selector: selector,
        match_label_keys,
        max_skew,
        min_domains,
        node_affinity_policy,
        node_taints_policy,
        topology_key,
        when_unsatisfiable,
    } = constraint;
    let path = Path::of;
    let mut violations = Vec::new();
    if *max_skew < 1 {
        violations.push(Violation::at(
            path("max_skew"),
            "`max_skew` must be at least 1",
            "It is the number of pods by which two domains can differ.",
        ));
    }
    violations.extend(self::topology_key(path("topology_key"), topology_key));
    if min_domains.is_some_and(|domains| domains < 1) {
        violations.push(Violation::at(
            path("min_domains"),
            "`min_domains` must be at least 1",
            "Set a positive number, or remove `min_domains`.",
        ));
    } else if min_domains.is_some() && when_unsatisfiable != "DoNotSchedule" {
        violations.push(Violation::new(
            path("min_domains"),
            [path("min_domains"), path("when_unsatisfiable")],
            "`min_domains` requires `when_unsatisfiable = \"DoNotSchedule\"`",
            "Remove `min_domains`, or set `when_unsatisfiable = \"DoNotSchedule\"`.",
        ));
    }
    let actions = ["DoNotSchedule", "ScheduleAnyway"];
    violations.extend(supported(
        path("when_unsatisfiable"),
        when_unsatisfiable,
        &actions,
    ));
    for (name, policy) in [
        ("node_affinity_policy", node_affinity_policy),
        ("node_taints_policy", node_taints_policy),
    ] {
        let policy = policy.as_deref();
        violations.extend(policy.and_then(|it| supported(path(name), it, &["Honor", "Ignore"])));
    }
    violations.extend(label_selector(&path("label_selector"), selector.as_ref()));
    let keys = match_label_keys.as_deref();
    violations.extend(label_keys(&Path::root(), keys, None, selector.as_ref()));
    violations
}

fn topology_key(path: Path, key: &str) -> Option<Violation> {
    if !key.is_empty() {
        return qualified_name(path, key, "node label key");
    }
    Some(Violation::at(
        path,
        "`topology_key` must not be empty",
        "Set the node label that defines the domains, such as `kubernetes.io/hostname` or \
         `topology.kubernetes.io/zone`.",
    ))
}

pub fn affinity(affinity: &Affinity) -> Vec<Violation> {
    let mut violations = affinity
        .node_affinity
        .as_ref()
        .map_or(Vec::new(), node_affinity);
    for PodTerm { path, weight, term } in pod_terms(affinity) {
        violations.extend(weight.and_then(|(path, weight)| self::weight(path, weight)));
        let key = path.attribute("topology_key");
        violations.extend(topology_key(key, &term.topology_key));
        for (name, selector) in [
            ("label_selector", &term.label_selector),
            ("namespace_selector", &term.namespace_selector),
        ] {
            violations.extend(label_selector(&path.attribute(name), selector.as_ref()));
        }
        violations.extend(label_keys(
            &path,
            term.match_label_keys.as_deref(),
            term.mismatch_label_keys.as_deref(),
            term.label_selector.as_ref(),
        ));
        let list = path.attribute("namespaces");
        for (index, namespace) in term.namespaces.iter().flatten().enumerate() {
            violations.extend(dns_label(list.index(index), namespace));
        }
    }
    violations
}

fn weight(path: Path, weight: i32) -> Option<Violation> {
    (!(1..=100).contains(&weight)).then(|| {
        Violation::at(
            path,
            format!("The weight {weight} is out of range"),
            "Set a number from 1 to 100.",
        )
    })
}

fn node_affinity(affinity: &NodeAffinity) -> Vec<Violation> {
    let path = Path::of("node_affinity");
    let mut violations = Vec::new();
    if let Some(required) = &affinity.required_during_scheduling_ignored_during_execution {
        let list = path.attribute(REQUIRED).attribute("node_selector_terms");
        if required.node_selector_terms.is_empty() {
            violations.push(Violation::at(
                list.clone(),
                "At least one node selector term is required",
                "Add a term, or remove the requirement.",
            ));
        }
        for (index, term) in required.node_selector_terms.iter().enumerate() {
            violations.extend(node_selector_term(&list.index(index), term, false));
        }
    }
    let list = path.attribute(PREFERRED);
    let preferred = affinity
        .preferred_during_scheduling_ignored_during_execution
        .as_ref();
    for (index, term) in preferred.into_iter().flatten().enumerate() {
        let path = list.index(index);
        violations.extend(weight(path.attribute("weight"), term.weight));
        let preference = path.attribute("preference");
        violations.extend(node_selector_term(&preference, &term.preference, true));
    }
    violations
}

fn node_selector_term(path: &Path, term: &NodeSelectorTerm, is_preference: bool) -> Vec<Violation> {
    let NodeSelectorTerm {
        match_expressions,
        match_fields,
    } = term;
    let list = path.attribute("match_expressions");
    let expressions = match_expressions.iter().flatten().enumerate();
    let expressions =
        expressions.flat_map(|(index, it)| node_requirement(&list.index(index), it, is_preference));
    let list = path.attribute("match_fields");
    let fields = match_fields.iter().flatten().enumerate();
    let fields = fields.flat_map(|(index, it)| field_requirement(&list.index(index), it));
    expressions.chain(fields).collect()
}

/// A term of a pod affinity or anti-affinity.
pub struct PodTerm<'a> {
    pub path: Path,
    /// The path and the value of the weight, for a preferred term.
    weight: Option<(Path, i32)>,
    pub term: &'a PodAffinityTerm,
}

/// Returns the terms of pod affinity and pod anti-affinity, with paths relative to the affinity.
pub fn pod_terms(affinity: &Affinity) -> Vec<PodTerm<'_>> {
    type Terms<'a> = (
        &'static str,
        &'a Option<Vec<PodAffinityTerm>>,
        &'a Option<Vec<WeightedPodAffinityTerm>>,
    );
    let together: Option<Terms<'_>> = affinity.pod_affinity.as_ref().map(|it| {
        (
            "pod_affinity",
            &it.required_during_scheduling_ignored_during_execution,
            &it.preferred_during_scheduling_ignored_during_execution,
        )
    });
    let apart: Option<Terms<'_>> = affinity.pod_anti_affinity.as_ref().map(|it| {
        (
            "pod_anti_affinity",
            &it.required_during_scheduling_ignored_during_execution,
            &it.preferred_during_scheduling_ignored_during_execution,
        )
    });
    let mut terms = Vec::new();
    for (name, required, preferred) in [together, apart].into_iter().flatten() {
        let path = Path::of(name);
        for (index, term) in required.iter().flatten().enumerate() {
            terms.push(PodTerm {
                path: path.attribute(REQUIRED).index(index),
                weight: None,
                term,
            });
        }
        for (index, weighted) in preferred.iter().flatten().enumerate() {
            let path = path.attribute(PREFERRED).index(index);
            terms.push(PodTerm {
                path: path.attribute("pod_affinity_term"),
                weight: Some((path.attribute("weight"), weighted.weight)),
                term: &weighted.pod_affinity_term,
            });
        }
    }
    terms
}

#[cfg(test)]
mod tests;
