//! Labels and annotations of the user's.

use std::collections::BTreeMap;

use super::Violation;
use super::view::cron_job_containers;
use crate::feast::config::FeatureStore;
use crate::feast::names::{LABEL_LENGTH, MANAGED_BY_LABEL, RESERVED_PREFIX};
use crate::schema::Path;

/// Longest prefix of a key.
const PREFIX_LENGTH: usize = 253;

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
    for (place, attribute, map) in [
        ("labels", "labels", store.labels.as_ref()),
        ("annotations", "annotations", store.annotations.as_ref()),
        ("cron_job.annotations", "annotations", cron_job_annotations),
        (job_spec, "annotations", pod_annotations),
        (selector, "labels", node_selector),
    ] {
        for (key, value) in map.unwrap_or(&empty) {
            let path = Path::of(place).key(key);
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
            } else if key.starts_with(RESERVED_PREFIX) || key == MANAGED_BY_LABEL {
                refuse(
                    format!("{key:?} is set by the provider"),
                    "The provider finds its objects again by the keys that begin with `feast.dev/` and by \
                     `app.kubernetes.io/managed-by`. Write a key of your own.",
                );
            }
            if attribute == "labels" && !value.is_empty() && !valid_name(value) {
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

fn valid_key(key: &str) -> bool {
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
