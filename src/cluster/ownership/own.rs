//! The field managers of this provider, as `metadata.managedFields` records them.
//!
//! Beside the configured field manager these are the one that holds the replica count while nobody else has set it,
//! and the names under which an earlier configuration of the provider applied the object.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{Entry, FieldPath, FieldStep, entries, owns};
use crate::feast::names::{
    APPLIED_ANNOTATION, CERTIFICATES_HASH_ANNOTATION, CONFIGURATION_HASH_ANNOTATION, MANAGED_BY,
    MANAGED_BY_LABEL,
};
use crate::kubernetes::Kind;

/// Annotations that an apply computes: no manifest of a state has them.
const COMPUTED_ANNOTATIONS: [&str; 3] = [
    APPLIED_ANNOTATION,
    CERTIFICATES_HASH_ANNOTATION,
    CONFIGURATION_HASH_ANNOTATION,
];

/// The field manager of a provider block that does not name one.
pub const DEFAULT_FIELD_MANAGER: &str = "terraform-provider-feast";

/// The manager that holds `spec.replicas` for the given field manager.
pub fn replicas_field_manager(field_manager: &str) -> String {
    format!("{field_manager}-replicas")
}

/// The managers of one object that are this provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnManagers {
    current: String,
    /// Names of earlier configurations of the provider.
    former: BTreeSet<String>,
}

impl OwnManagers {
    /// Finds them on a live object.
    ///
    /// A former field manager has applied the provider's own label. It is the default name, or, on an object that
    /// `current` has not applied yet, a manager that owns no field beyond `last_applied`: other tools that apply the
    /// whole object add labels or annotations of their own.
    pub fn of(kind: Kind, live: &Json, current: &str, last_applied: Option<&Json>) -> Self {
        let is_new = !entries(live).any(|entry| is_apply_of(&entry, current));
        let labelled = ["metadata", "labels", MANAGED_BY_LABEL];
        let is_former = |entry: &Entry<'_>| {
            let within = |last: &Json| beyond(kind, entry.fields, last).is_empty();
            entry.applied
                && entry.subresource.is_none()
                && entry.manager != current
                && owns(entry.fields, &labelled)
                && (entry.manager == DEFAULT_FIELD_MANAGER
                    || (is_new && last_applied.is_some_and(within)))
        };
        let ours = live["metadata"]["labels"][MANAGED_BY_LABEL] == MANAGED_BY;
        let former = entries(live).filter(|entry| ours && is_former(entry));
        Self {
            current: current.to_owned(),
            former: former.map(|entry| entry.manager.to_owned()).collect(),
        }
    }

    /// Whether the provider applied the fields of this entry.
    pub fn holds(&self, entry: &Entry<'_>) -> bool {
        self.is_main(entry) || self.holds_replicas(entry)
    }

    /// Whether the entry is that of the configured field manager or of a former one.
    pub fn is_main(&self, entry: &Entry<'_>) -> bool {
        self.names().any(|name| is_apply_of(entry, name))
    }

    /// Whether the entry is that of the manager that holds the replica count.
    pub fn holds_replicas(&self, entry: &Entry<'_>) -> bool {
        self.names()
            .any(|name| is_apply_of(entry, &replicas_field_manager(name)))
    }

    /// Whether the object has fields of a former name.
    pub fn has_former(&self) -> bool {
        !self.former.is_empty()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        [self.current.as_str()]
            .into_iter()
            .chain(self.former.iter().map(String::as_str))
    }
}

fn is_apply_of(entry: &Entry<'_>, manager: &str) -> bool {
    entry.applied && entry.subresource.is_none() && entry.manager == manager
}

/// The fields of an entry that a manifest of the state does not have: list elements as a whole, everything else leaf by
/// leaf. Fields that only an apply computes are left out: the content of the feature store's Secret, and hashes.
pub fn beyond(kind: Kind, fields: &Json, manifest: &Json) -> Vec<FieldPath> {
    let mut found = Vec::new();
    collect_beyond(&FieldPath::default(), fields, Some(manifest), &mut found);
    found.retain(|field| !is_computed(kind, field));
    found
}

fn collect_beyond(
    at: &FieldPath,
    fields: &Json,
    manifest: Option<&Json>,
    found: &mut Vec<FieldPath>,
) {
    for (key, inner) in fields.as_object().into_iter().flatten() {
        // The `.` of a list or a map stands for the holder itself.
        let Some(step) = FieldStep::recorded(key) else {
            continue;
        };
        let below = at.with(step.clone());
        let is_holder = matches!(step, FieldStep::Name(_))
            && (inner.as_object().into_iter().flatten()).any(|(key, _)| key != ".");
        match manifest.and_then(|manifest| step.of(manifest)) {
            None if !is_holder => found.push(below),
            manifest => collect_beyond(&below, inner, manifest, found),
        }
    }
}

/// Whether an apply adds the field to the manifest that a state has.
fn is_computed(kind: Kind, field: &FieldPath) -> bool {
    let name = |step: Option<&FieldStep>| match step {
        Some(FieldStep::Name(name)) => name.clone(),
        _ => String::new(),
    };
    let (first, last) = (name(field.steps().first()), name(field.steps().last()));
    (kind == Kind::Secret && first == "data") || COMPUTED_ANNOTATIONS.contains(&last.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn labelled(manager: &str, operation: &str, more: &Json) -> Json {
        let mut fields = json!({"f:metadata": {"f:labels": {format!("f:{MANAGED_BY_LABEL}"): {}}}});
        for (key, value) in more.as_object().unwrap() {
            fields[key] = value.clone();
        }
        json!({"manager": manager, "operation": operation, "fieldsV1": fields})
    }

    fn live(entries: &[Json]) -> Json {
        json!({"metadata": {"labels": {MANAGED_BY_LABEL: "feast"}, "managedFields": entries}})
    }

    #[test]
    fn former_names_are_told_from_other_appliers() {
        let last =
            json!({"metadata": {"labels": {MANAGED_BY_LABEL: "feast"}}, "spec": {"replicas": 1}});
        let replicas = json!({"f:spec": {"f:replicas": {}}});
        let more = json!({"f:spec": {"f:replicas": {}, "f:paused": {}}});
        let former = |entries: &[Json]| {
            let own = OwnManagers::of(Kind::Deployment, &live(entries), "new", Some(&last));
            own.former.into_iter().collect::<Vec<_>>().join(" ")
        };
        let ours = labelled("new", "Apply", &replicas);
        for (entries, expected) in [
            (vec![labelled("old", "Apply", &replicas)], "old"),
            (vec![labelled("old", "Apply", &replicas), ours.clone()], ""),
            (vec![labelled("old", "Apply", &more)], ""),
            (vec![labelled("old", "Update", &replicas)], ""),
            (
                vec![labelled(DEFAULT_FIELD_MANAGER, "Apply", &more), ours],
                DEFAULT_FIELD_MANAGER,
            ),
            (
                vec![
                    json!({"manager": DEFAULT_FIELD_MANAGER, "operation": "Apply", "fieldsV1": replicas}),
                ],
                "",
            ),
        ] {
            assert_eq!(former(&entries), expected, "{entries:?}");
        }
    }

    #[test]
    fn fields_beyond_a_manifest_are_elements_and_leaves() {
        let fields = json!({"f:metadata": {"f:annotations": {
            "f:feast.dev/applied": {}, "f:example.com/team": {}}},
          "f:spec": {
            "f:paused": {},
            "f:containers": {
                "k:{\"name\":\"a\"}": {".": {}, "f:name": {}, "f:image": {}, "f:env": {
                    "k:{\"name\":\"X\"}": {".": {}, "f:name": {}, "f:value": {}}}},
                "k:{\"name\":\"b\"}": {".": {}, "f:name": {}},
            },
        }});
        let manifest = json!({"spec": {"containers": [{"name": "a", "image": "i"}]}});
        let found: Vec<String> = (beyond(Kind::Deployment, &fields, &manifest).iter())
            .map(FieldPath::to_string)
            .collect();
        assert_eq!(
            found,
            [
                ".metadata.annotations.example.com/team",
                ".spec.containers[name=\"a\"].env[name=\"X\"]",
                ".spec.containers[name=\"b\"]",
                ".spec.paused",
            ]
        );
    }
}
