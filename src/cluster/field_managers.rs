//! The field managers of this provider.
//!
//! Beside the configured field manager these are the one that owns the replica count while nobody else has set it, and
//! the names under which an earlier configuration of the provider applied the object.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::feast::names::{
    APPLIED_ANNOTATION, CERTIFICATES_HASH_ANNOTATION, CONFIGURATION_HASH_ANNOTATION, MANAGED_BY,
    MANAGED_BY_LABEL,
};
use crate::kubernetes::field_path::{FieldPath, FieldStep};
use crate::kubernetes::field_set::FieldSet;
use crate::kubernetes::kind::Kind;
use crate::kubernetes::managed_fields::{Entry, ManagedFields, Operation};

/// Annotations that an apply computes; the manifests of a state do not have them.
const COMPUTED_ANNOTATIONS: [&str; 3] = [
    APPLIED_ANNOTATION,
    CERTIFICATES_HASH_ANNOTATION,
    CONFIGURATION_HASH_ANNOTATION,
];

/// The field manager of a provider block that does not name one.
pub const DEFAULT_FIELD_MANAGER: &str = "terraform-provider-feast";

/// Returns the manager that owns `spec.replicas` on behalf of the given field manager.
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
    /// Finds the managers in the record of a live object.
    ///
    /// A former field manager has applied the provider's own label. It is the default name, or, on an object that
    /// `current` has not applied yet, a manager that owns no field beyond `last_applied`: other tools that apply the
    /// whole object add labels or annotations of their own.
    pub fn of(
        kind: Kind,
        live: &Json,
        managed: &ManagedFields<'_>,
        current: &str,
        last_applied: Option<&Json>,
    ) -> Self {
        let is_new = managed.applied_by(current).is_none();
        let label = FieldPath::of(&["metadata", "labels", MANAGED_BY_LABEL]);
        let is_former = |entry: &&Entry<'_>| {
            let within = |last: &Json| not_in_manifest(kind, entry.fields(), last).is_empty();
            entry.operation == Operation::Apply
                && entry.subresource.is_none()
                && entry.manager != current
                && entry.fields().contains(&label)
                && (entry.manager == DEFAULT_FIELD_MANAGER
                    || (is_new && last_applied.is_some_and(within)))
        };
        let is_labeled = live["metadata"]["labels"][MANAGED_BY_LABEL] == MANAGED_BY;
        let former = managed.iter().filter(|_| is_labeled).filter(is_former);
        Self {
            current: current.to_owned(),
            former: former.map(|entry| entry.manager.to_owned()).collect(),
        }
    }

    /// Returns whether the provider applied the fields of this entry.
    pub fn contains(&self, entry: &Entry<'_>) -> bool {
        self.is_main(entry) || self.is_of_replicas(entry)
    }

    /// Returns whether the entry is that of the configured field manager or of a former one.
    pub fn is_main(&self, entry: &Entry<'_>) -> bool {
        self.names().any(|name| entry.is_apply_by(name))
    }

    /// Returns whether the entry is that of the manager that owns the replica count.
    pub fn is_of_replicas(&self, entry: &Entry<'_>) -> bool {
        (self.names()).any(|name| entry.is_apply_by(&replicas_field_manager(name)))
    }

    /// Returns whether a former manager owns fields of the object.
    pub fn has_former(&self) -> bool {
        !self.former.is_empty()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        [self.current.as_str()]
            .into_iter()
            .chain(self.former.iter().map(String::as_str))
    }
}

/// Returns the fields that a manifest of a state does not have: list elements as a whole, everything else leaf by leaf.
/// Fields that only an apply computes are left out: the content of the feature store's Secret, and hashes.
pub fn not_in_manifest<'a>(
    kind: Kind,
    fields: &'a FieldSet,
    manifest: &Json,
) -> Vec<(FieldPath, &'a FieldSet)> {
    let mut found = fields.not_in_manifest(manifest, FieldSet::is_object);
    found.retain(|(field, _)| !is_computed(kind, field));
    found
}

/// Returns whether an apply adds the field to the manifest of a state.
fn is_computed(kind: Kind, field: &FieldPath) -> bool {
    let is_data = |step: &FieldStep| *step == FieldStep::Name("data".to_owned());
    let is_hash = |step: &FieldStep| matches!(step, FieldStep::Name(name) if COMPUTED_ANNOTATIONS.contains(&name.as_str()));
    (kind == Kind::Secret && field.steps().first().is_some_and(is_data))
        || field.steps().last().is_some_and(is_hash)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn labeled(manager: &str, operation: &str, more: &Json) -> Json {
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
    fn former_managers_own_no_field_beyond_the_last_manifest() {
        let last =
            json!({"metadata": {"labels": {MANAGED_BY_LABEL: "feast"}}, "spec": {"replicas": 1}});
        let replicas = json!({"f:spec": {"f:replicas": {}}});
        let more = json!({"f:spec": {"f:replicas": {}, "f:paused": {}}});
        let former = |entries: &[Json]| {
            let live = live(entries);
            let managed = ManagedFields::of(&live);
            let own = OwnManagers::of(Kind::Deployment, &live, &managed, "new", Some(&last));
            own.former.into_iter().collect::<Vec<_>>().join(" ")
        };
        let ours = labeled("new", "Apply", &replicas);
        for (entries, expected) in [
            (vec![labeled("old", "Apply", &replicas)], "old"),
            (vec![labeled("old", "Apply", &replicas), ours.clone()], ""),
            (vec![labeled("old", "Apply", &more)], ""),
            (vec![labeled("old", "Update", &replicas)], ""),
            (
                vec![labeled(DEFAULT_FIELD_MANAGER, "Apply", &more), ours],
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
        let found: Vec<String> =
            (not_in_manifest(Kind::Deployment, &FieldSet::parse(&fields), &manifest).iter())
                .map(|(field, _)| field.to_string())
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
