//! The nodes that the pods run on.

use super::Violation;
use super::accessors::{block, pod_servers, server, services};
use crate::feast::config::FeatureStore;
use crate::feast::names::{FeastService, ServerKind};
use crate::kubernetes::validation::scheduling::{self, pod_terms};
use crate::kubernetes::validation::{below, each};
use crate::schema::Path;

const TOLERATIONS: &str = "services.tolerations";
const SPREAD: &str = "services.topology_spread_constraints";
const AFFINITY: &str = "services.affinity";

pub(super) fn tolerations(store: &FeatureStore) -> Vec<Violation> {
    let tolerations = services(store).and_then(|it| it.tolerations.as_deref());
    let tolerations = tolerations.unwrap_or_default();
    each(&Path::of(TOLERATIONS), tolerations, scheduling::toleration)
}

pub(super) fn spread(store: &FeatureStore) -> Vec<Violation> {
    let constraints = services(store).and_then(|it| it.topology_spread_constraints.as_deref());
    let violations = scheduling::topology_spread(constraints.unwrap_or_default());
    below(&Path::of(SPREAD), violations)
}

pub(super) fn affinity(store: &FeatureStore) -> Vec<Violation> {
    let affinity = services(store).and_then(|it| it.affinity.as_ref());
    let violations = affinity.map_or(Vec::new(), scheduling::affinity);
    below(&Path::of(AFFINITY), violations)
}

/// Warns about constraints and terms without a label selector: Kubernetes matches no pods with them.
pub(super) fn without_selector(store: &FeatureStore) -> Vec<Violation> {
    let constraints = services(store).and_then(|it| it.topology_spread_constraints.as_deref());
    let constraints = constraints.unwrap_or_default().iter().enumerate();
    let constraints = constraints
        .filter(|(_, constraint)| constraint.label_selector.is_none())
        .map(|(index, _)| Path::of(SPREAD).index(index));
    let affinity = services(store).and_then(|it| it.affinity.as_ref());
    let terms = affinity.into_iter().flat_map(pod_terms);
    let terms = terms
        .filter(|term| term.term.label_selector.is_none())
        .map(|term| {
            let steps = term.path.steps().iter().cloned();
            steps.fold(Path::of(AFFINITY), |path, step| path.with(step))
        });
    constraints
        .chain(terms)
        .map(|path| {
            let selector = path.attribute("label_selector");
            Violation::new(
                path,
                [selector],
                "Without `label_selector` no pod matches",
                format!(
                    "This has no effect. To match the pods of this feature store, set `label_selector = {{ \
                     match_labels = {{ \"feast.dev/name\" = {:?} }} }}`.",
                    store.name
                ),
            )
        })
        .collect()
}

/// Warns about node selectors that contradict each other: all servers share their pods, so of two values for one label
/// only one applies.
pub(super) fn contradicting_selectors(store: &FeatureStore) -> Vec<Violation> {
    let mut selectors = Vec::new();
    if let Some(selector) = services(store).and_then(|it| it.node_selector.as_ref()) {
        selectors.push((Path::of("services.node_selector"), selector));
    }
    let mut servers = pod_servers(store);
    servers.sort_by_key(|container| container.kind);
    for container in servers {
        if let Some(selector) = container.settings.and_then(|it| it.node_selector) {
            selectors.push((container.path.attribute("node_selector"), selector));
        }
    }
    let mut violations = Vec::new();
    for (index, (path, selector)) in selectors.iter().enumerate() {
        for (key, value) in *selector {
            let later = &selectors[index + 1..];
            let winner = later.iter().rev().find(|(_, it)| it.contains_key(key));
            if let Some((winner, selector)) = winner
                && selector.get(key) != Some(value)
            {
                let path = path.key(key);
                // The winner also depends on the selectors that are absent.
                let all = ServerKind::ALL.map(|kind| server(kind).attribute("node_selector"));
                let online = block(FeastService::Online).attribute("disabled");
                let reads = all
                    .into_iter()
                    .chain([path.clone(), winner.key(key), online]);
                violations.push(Violation::new(
                    path,
                    reads,
                    format!("Another value of the node label {key:?} applies"),
                    format!(
                        "All servers share their pods, and `{winner}` selects {:?}. Remove one of the two.",
                        selector[key]
                    ),
                ));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::feast::rules::testing::{rejects, warns};

    #[test]
    fn violations_of_kubernetes_types_are_at_their_attributes() {
        rejects(
            "tolerations",
            json!({"tolerations": [{"operator": "Exists"}, {"value": "x"}]}),
            &[("services.tolerations[1]", "A toleration needs a `key`")],
        );
        rejects(
            "topology-spread",
            json!({"topologySpreadConstraints": [
                {"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"},
            ]}),
            &[(
                "services.topology_spread_constraints[0].max_skew",
                "`max_skew` must be at least 1",
            )],
        );
        rejects(
            "affinity",
            json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "", "labelSelector": {}},
            ]}}}),
            &[(
                "services.affinity.pod_affinity.required_during_scheduling_ignored_during_execution[0].topology_key",
                "`topology_key` must not be empty",
            )],
        );
    }

    #[test]
    fn warns_about_missing_selectors() {
        let summary = "Without `label_selector` no pod matches";
        warns(
            "pod-selectors",
            json!({
                "topologySpreadConstraints": [
                    {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"},
                ],
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
    fn warns_about_contradicting_node_selectors() {
        warns(
            "node-selectors",
            json!({
                "nodeSelector": {"pool": "feast", "disk": "ssd"},
                "onlineStore": {"server": {"nodeSelector": {"disk": "ssd", "zone": "a"}}},
                "offlineStore": {"server": {"nodeSelector": {"disk": "hdd", "zone": "b"}}},
            }),
            &[
                (
                    "services.offline_store.server.node_selector[\"disk\"]",
                    "Another value of the node label \"disk\" applies",
                ),
                (
                    "services.offline_store.server.node_selector[\"zone\"]",
                    "Another value of the node label \"zone\" applies",
                ),
            ],
        );
    }
}
