//! On which nodes the pods run.

mod tolerations;
mod warnings;

use k8s_openapi::api::core::v1::{
    Affinity, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm, TopologySpreadConstraint,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::Violation;
use super::accessors::services;
use crate::feast::config::FeatureStore;
use crate::schema::Path;

pub(super) use tolerations::tolerations;
pub(super) use warnings::{contradicting_selectors, without_selector};

const SPREAD: &str = "services.topology_spread_constraints";
const AFFINITY: &str = "services.affinity";

/// One of a few words, where there is a word.
fn word(path: Path, written: Option<&str>, words: &[&str]) -> Option<Violation> {
    let written = written?;
    (!words.contains(&written)).then(|| {
        Violation::new(
            path.clone(),
            [path],
            format!("{written:?} is not possible here"),
            format!("Write one of `{}`.", words.join("`, `")),
        )
    })
}

fn constraints(store: &FeatureStore) -> Vec<(Path, &TopologySpreadConstraint)> {
    let written = services(store).and_then(|it| it.topology_spread_constraints.as_ref());
    let list = Path::of(SPREAD);
    (written.into_iter().flatten().enumerate())
        .map(|(index, it)| (list.index(index), it))
        .collect()
}

pub(super) fn spread(store: &FeatureStore) -> Vec<Violation> {
    let constraints = constraints(store);
    let mut found = Vec::new();
    for (index, (path, constraint)) in constraints.iter().enumerate() {
        found.extend(one_constraint(path, constraint));
        let same = |other: &&(Path, &TopologySpreadConstraint)| {
            other.1.topology_key == constraint.topology_key
                && other.1.when_unsatisfiable == constraint.when_unsatisfiable
        };
        if let Some((other, _)) = constraints[..index].iter().find(same) {
            let reads = [path, other].into_iter().flat_map(|it| {
                [
                    it.attribute("topology_key"),
                    it.attribute("when_unsatisfiable"),
                ]
            });
            found.push(Violation::new(
                path.clone(),
                reads,
                "Two constraints spread over the same topology in the same way",
                "Kubernetes wants each pair of `topology_key` and `when_unsatisfiable` once. Remove one.",
            ));
        }
    }
    found
}

fn one_constraint(path: &Path, constraint: &TopologySpreadConstraint) -> Vec<Violation> {
    let TopologySpreadConstraint {
        label_selector,
        match_label_keys: _,
        max_skew,
        min_domains,
        node_affinity_policy,
        node_taints_policy,
        topology_key,
        when_unsatisfiable,
    } = constraint;
    let at = |name: &str| path.attribute(name);
    let mut found = Vec::new();
    let mut refuse = |name: &str, more: Option<Path>, summary: &str, detail: &str| {
        let reads = [at(name)].into_iter().chain(more);
        found.push(Violation::new(at(name), reads, summary, detail));
    };
    if *max_skew < 1 {
        let detail = "Write by how many pods two of the domains may differ: at least 1.";
        refuse("max_skew", None, "max_skew is at least 1", detail);
    }
    if topology_key.is_empty() {
        let detail = "Write the label of nodes that tells the domains apart, such as \
                      `topology.kubernetes.io/zone`.";
        refuse("topology_key", None, "topology_key is empty", detail);
    }
    if min_domains.is_some_and(|domains| domains < 1) {
        let detail = "Write at least 1, or remove it.";
        refuse("min_domains", None, "min_domains is at least 1", detail);
    } else if min_domains.is_some() && when_unsatisfiable != "DoNotSchedule" {
        refuse(
            "min_domains",
            Some(at("when_unsatisfiable")),
            "min_domains needs when_unsatisfiable = \"DoNotSchedule\"",
            "Remove `min_domains`, or write `when_unsatisfiable = \"DoNotSchedule\"`.",
        );
    }
    let when = ["DoNotSchedule", "ScheduleAnyway"];
    found.extend(word(
        at("when_unsatisfiable"),
        Some(when_unsatisfiable),
        &when,
    ));
    for (name, policy) in [
        ("node_affinity_policy", node_affinity_policy),
        ("node_taints_policy", node_taints_policy),
    ] {
        found.extend(word(at(name), policy.as_deref(), &["Honor", "Ignore"]));
    }
    found.extend(selector(&at("label_selector"), label_selector.as_ref()));
    found
}

/// Expressions of a selector for pods.
fn selector(path: &Path, selector: Option<&LabelSelector>) -> Vec<Violation> {
    let expressions = selector.and_then(|selector| selector.match_expressions.as_ref());
    let list = path.attribute("match_expressions");
    let mut found = Vec::new();
    for (index, it) in expressions.into_iter().flatten().enumerate() {
        let path = list.index(index);
        let words = ["In", "NotIn", "Exists", "DoesNotExist"];
        found.extend(expression(
            &path,
            &it.operator,
            it.values.as_deref(),
            &words,
        ));
    }
    found
}

fn expression(
    path: &Path,
    operator: &str,
    values: Option<&[String]>,
    words: &[&str],
) -> Option<Violation> {
    let at = path.attribute("operator");
    if let Some(violation) = word(at.clone(), Some(operator), words) {
        return Some(violation);
    }
    let values = values.unwrap_or_default();
    let fits = match operator {
        "In" | "NotIn" => !values.is_empty(),
        "Gt" | "Lt" => matches!(values, [number] if number.parse::<i64>().is_ok()),
        _ => values.is_empty(),
    };
    let wanted = match operator {
        "In" | "NotIn" => "at least one value",
        "Gt" | "Lt" => "exactly one value, a whole number",
        _ => "no values",
    };
    (!fits).then(|| {
        Violation::new(
            path.attribute("values"),
            [at, path.attribute("values")],
            format!("The operator {operator} takes {wanted}"),
            "Change `values`, or write another `operator`.",
        )
    })
}

pub(super) fn affinity(store: &FeatureStore) -> Vec<Violation> {
    let Some(affinity) = services(store).and_then(|it| it.affinity.as_ref()) else {
        return Vec::new();
    };
    let mut found = nodes(affinity);
    for PodTerm { path, weight, term } in pod_terms(affinity) {
        found.extend(weight.and_then(|(at, weight)| self::weight(at, weight)));
        if term.topology_key.is_empty() {
            let at = path.attribute("topology_key");
            found.push(Violation::new(
                at.clone(),
                [at],
                "topology_key is empty",
                "Write the label of nodes that tells the domains apart, such as `kubernetes.io/hostname`.",
            ));
        }
        let at = path.attribute("label_selector");
        found.extend(selector(&at, term.label_selector.as_ref()));
        let at = path.attribute("namespace_selector");
        found.extend(selector(&at, term.namespace_selector.as_ref()));
    }
    found
}

fn weight(at: Path, weight: i32) -> Option<Violation> {
    (!(1..=100).contains(&weight)).then(|| {
        Violation::new(
            at.clone(),
            [at],
            format!("A preference weighs from 1 to 100, not {weight}"),
            "Write a number from 1 to 100.",
        )
    })
}

fn nodes(affinity: &Affinity) -> Vec<Violation> {
    let Some(node) = &affinity.node_affinity else {
        return Vec::new();
    };
    let path = Path::of(AFFINITY).attribute("node_affinity");
    let mut found = Vec::new();
    if let Some(required) = &node.required_during_scheduling_ignored_during_execution {
        let list = path
            .attribute("required_during_scheduling_ignored_during_execution.node_selector_terms");
        if required.node_selector_terms.is_empty() {
            found.push(Violation::new(
                list.clone(),
                [list.clone()],
                "There is no term that a node could meet",
                "Write at least one term, or remove what is required.",
            ));
        }
        for (index, term) in required.node_selector_terms.iter().enumerate() {
            found.extend(node_term(&list.index(index), term));
        }
    }
    let list = path.attribute("preferred_during_scheduling_ignored_during_execution");
    let preferred = node
        .preferred_during_scheduling_ignored_during_execution
        .as_ref();
    for (index, term) in preferred.into_iter().flatten().enumerate() {
        let path = list.index(index);
        found.extend(weight(path.attribute("weight"), term.weight));
        found.extend(node_term(&path.attribute("preference"), &term.preference));
    }
    found
}

fn node_term(path: &Path, term: &NodeSelectorTerm) -> Vec<Violation> {
    let words = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"];
    let check = |name: &str, list: &Option<Vec<NodeSelectorRequirement>>, words: &[&str]| {
        let path = path.attribute(name);
        (list.iter().flatten().enumerate())
            .filter_map(|(index, it)| {
                let path = path.index(index);
                expression(&path, &it.operator, it.values.as_deref(), words)
            })
            .collect::<Vec<_>>()
    };
    let mut found = check("match_expressions", &term.match_expressions, &words);
    found.extend(check("match_fields", &term.match_fields, &words[..2]));
    found
}

/// A term on pods.
struct PodTerm<'a> {
    path: Path,
    /// Of a preference, with its path.
    weight: Option<(Path, i32)>,
    term: &'a PodAffinityTerm,
}

fn pod_terms(affinity: &Affinity) -> Vec<PodTerm<'_>> {
    const REQUIRED: &str = "required_during_scheduling_ignored_during_execution";
    const PREFERRED: &str = "preferred_during_scheduling_ignored_during_execution";
    let near = affinity.pod_affinity.as_ref().map(|it| {
        (
            "pod_affinity",
            &it.required_during_scheduling_ignored_during_execution,
            &it.preferred_during_scheduling_ignored_during_execution,
        )
    });
    let far = affinity.pod_anti_affinity.as_ref().map(|it| {
        (
            "pod_anti_affinity",
            &it.required_during_scheduling_ignored_during_execution,
            &it.preferred_during_scheduling_ignored_during_execution,
        )
    });
    let mut terms = Vec::new();
    for (name, required, preferred) in [near, far].into_iter().flatten() {
        let path = Path::of(AFFINITY).attribute(name);
        for (index, term) in required.iter().flatten().enumerate() {
            terms.push(PodTerm {
                path: path.attribute(REQUIRED).index(index),
                weight: None,
                term,
            });
        }
        for (index, term) in preferred.iter().flatten().enumerate() {
            let path = path.attribute(PREFERRED).index(index);
            terms.push(PodTerm {
                path: path.attribute("pod_affinity_term"),
                weight: Some((path.attribute("weight"), term.weight)),
                term: &term.pod_affinity_term,
            });
        }
    }
    terms
}

#[cfg(test)]
mod tests;
