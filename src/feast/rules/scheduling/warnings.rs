//! Placements that come to nothing.

use super::super::Violation;
use super::super::accessors::{block, containers, server, services};
use super::{constraints, pod_terms};
use crate::feast::config::FeatureStore;
use crate::feast::names::{ServerKind, Service};
use crate::schema::Path;

/// A selector that is not there selects no pod at all.
pub(in crate::feast::rules) fn without_selector(store: &FeatureStore) -> Vec<Violation> {
    let constraints = constraints(store)
        .into_iter()
        .filter(|(_, constraint)| constraint.label_selector.is_none())
        .map(|(path, _)| path);
    let affinity = services(store).and_then(|it| it.affinity.as_ref());
    let terms = affinity
        .into_iter()
        .flat_map(pod_terms)
        .filter(|it| it.term.label_selector.is_none())
        .map(|it| it.path);
    constraints
        .chain(terms)
        .map(|path| {
            let at = path.attribute("label_selector");
            Violation::new(
                path,
                [at],
                "Without a label_selector no pod is counted",
                format!(
                    "This has no effect. Write `label_selector = {{ match_labels = {{ \"feast.dev/name\" = \
                     {:?} }} }}` to count the pods of this feature store.",
                    store.name
                ),
            )
        })
        .collect()
}

/// All servers share their pods, so that of two values for one label only one can hold.
pub(in crate::feast::rules) fn contradicting_selectors(store: &FeatureStore) -> Vec<Violation> {
    let mut selectors = Vec::new();
    if let Some(selector) = services(store).and_then(|it| it.node_selector.as_ref()) {
        selectors.push((Path::of("services.node_selector"), selector));
    }
    let mut servers = containers(store);
    servers.sort_by_key(|container| container.kind);
    for container in servers {
        if let Some(selector) = container.settings.and_then(|it| it.node_selector) {
            selectors.push((container.path.attribute("node_selector"), selector));
        }
    }
    let mut found = Vec::new();
    for (index, (path, selector)) in selectors.iter().enumerate() {
        for (key, value) in *selector {
            let later = &selectors[index + 1..];
            let other = later.iter().rev().find(|(_, it)| it.contains_key(key));
            if let Some((winner, it)) = other
                && it.get(key) != Some(value)
            {
                let at = path.key(key);
                // Which of them wins follows from those that are not there, too.
                let all = ServerKind::ALL.map(|kind| server(kind).attribute("node_selector"));
                let online = block(Service::Online).attribute("disabled");
                let reads = all.into_iter().chain([at.clone(), winner.key(key), online]);
                found.push(Violation::new(
                    at,
                    reads,
                    format!("Another value of {key:?} holds"),
                    format!(
                        "All servers share their pods, and `{winner}` asks for {:?}. Remove one of the two.",
                        it[key]
                    ),
                ));
            }
        }
    }
    found
}
