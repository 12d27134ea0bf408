//! Labels and annotations of the user's.

use std::collections::BTreeMap;

use super::Violation;
use super::accessors::{all_containers, cron_job_containers, services};
use crate::feast::config::FeatureStore;
use crate::feast::names::{LABEL_LENGTH, MANAGED_BY_LABEL, RESERVED_PREFIX};
use crate::schema::Path;

/// Longest prefix of a key.
const PREFIX_LENGTH: usize = 253;
/// Nobody's in particular.
const NODE_LABELS: &str = "node labels";

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let mut violations = Vec::new();
    let empty = BTreeMap::new();
    let cron_job = store.cron_job.as_ref();
    let cron_job_annotations = cron_job.and_then(|it| it.annotations.as_ref());
    let pod_annotations =
        cron_job.and_then(|it| it.job_spec.as_ref()?.pod_template_annotations.as_ref());
    let node_selector = cron_job_containers(store).and_then(|it| it.node_selector.as_ref());
    let job_spec = "cron_job.job_spec.pod_template_annotations";
    let selector = "cron_job.container_configs.node_selector";
    let services = services(store);
    let nodes = services.and_then(|it| it.node_selector.as_ref());
    let pods = services.and_then(|it| it.pod_annotations.as_ref());
    let mut maps: Vec<_> = [
        ("labels", "labels", store.labels.as_ref()),
        ("annotations", "annotations", store.annotations.as_ref()),
        ("cron_job.annotations", "annotations", cron_job_annotations),
        (job_spec, "annotations", pod_annotations),
        (selector, NODE_LABELS, node_selector),
        ("services.node_selector", NODE_LABELS, nodes),
        ("services.pod_annotations", "annotations", pods),
    ]
    .map(|(place, attribute, map)| (Path::of(place), attribute, map))
    .into();
    maps.extend(all_containers(store).into_iter().map(|container| {
        let map = container.settings.and_then(|it| it.node_selector);
        (container.path.attribute("node_selector"), NODE_LABELS, map)
    }));
    for (place, attribute, map) in maps {
        for (key, value) in map.unwrap_or(&empty) {
            let path = place.key(key);
            let mut refuse = |summary: String, detail: &str| {
                violations.push(Violation::new(
                    path.clone(),
                    [path.clone()],
                    summary,
                    detail,
                ));
            };
            if !valid_key(key) {
                refuse(
                    format!("{key:?} is not a valid key for {attribute}"),
                    "Kubernetes wants a name of at most 63 letters, digits, `-`, `_` and `.`, with a letter \
                     or digit at both ends; a DNS name and `/` may stand before it.",
                );
            } else if attribute != NODE_LABELS
                && (key.starts_with(RESERVED_PREFIX) || key == MANAGED_BY_LABEL)
            {
                refuse(
                    format!("{key:?} is set by the provider"),
                    "The provider finds its objects again by the keys that begin with `feast.dev/` and by \
                     `app.kubernetes.io/managed-by`. Write a key of your own.",
                );
            }
            if attribute != "annotations" && !value.is_empty() && !valid_name(value) {
                refuse(
                    format!("The value of label {key:?} is not valid"),
                    "Kubernetes wants at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at \
                     both ends. An annotation may hold any text.",
                );
            }
        }
    }
    violations
}

pub(super) fn valid_key(key: &str) -> bool {
    match key.split_once('/') {
        None => valid_name(key),
        Some((prefix, name)) => {
            prefix.len() <= PREFIX_LENGTH && prefix.split('.').all(valid_part) && valid_name(name)
        }
    }
}

fn valid_name(name: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let end = |c: char| c.is_ascii_alphanumeric();
    !name.is_empty()
        && name.len() <= LABEL_LENGTH
        && name.chars().all(inside)
        && name.starts_with(end)
        && name.ends_with(end)
}

/// One part of a DNS name.
fn valid_part(part: &str) -> bool {
    let end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.chars().all(|c| end(c) || c == '-') && part.starts_with(end) && part.ends_with(end)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::feast::rules::testing::refused_whole;

    #[test]
    fn labels_of_nodes_and_annotations_of_pods() {
        refused_whole(
            "labels",
            json!({
                "name": "demo",
                "feastProject": "demo",
                "services": {
                    "nodeSelector": {"feast.dev/pool": "a", "disk": "a b"},
                    "podAnnotations": {"feast.dev/configuration-hash": "x", "a/b": "any text"},
                    "offlineStore": {"server": {"nodeSelector": {"-": "x"}}},
                },
            }),
            &[
                (
                    "services.node_selector[\"disk\"]",
                    "The value of label \"disk\" is not valid",
                ),
                (
                    "services.pod_annotations[\"feast.dev/configuration-hash\"]",
                    "\"feast.dev/configuration-hash\" is set by the provider",
                ),
                (
                    "services.offline_store.server.node_selector[\"-\"]",
                    "\"-\" is not a valid key for node labels",
                ),
            ],
        );
    }

    #[test]
    fn keys_and_values_as_kubernetes_wants_them() {
        refused_whole(
            "labels",
            json!({
                "name": "demo",
                "feastProject": "demo",
                "labels": {
                    "team": "",
                    "example.com/tier": "gold",
                    "-bad": "x",
                    "feast.dev/name": "x",
                    "app.kubernetes.io/managed-by": "me",
                    "spaced": "a b",
                },
                "annotations": {"note": "any text: at all", "Upper.com/x": ""},
            }),
            &[
                ("labels[\"-bad\"]", "\"-bad\" is not a valid key for labels"),
                (
                    "labels[\"app.kubernetes.io/managed-by\"]",
                    "\"app.kubernetes.io/managed-by\" is set by the provider",
                ),
                (
                    "labels[\"feast.dev/name\"]",
                    "\"feast.dev/name\" is set by the provider",
                ),
                (
                    "labels[\"spaced\"]",
                    "The value of label \"spaced\" is not valid",
                ),
                (
                    "annotations[\"Upper.com/x\"]",
                    "\"Upper.com/x\" is not a valid key for annotations",
                ),
            ],
        );
    }
}
