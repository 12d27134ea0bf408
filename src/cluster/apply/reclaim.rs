//! Takes the ownership of fields that an apply must remove.
//!
//! Server-side apply removes a field that a manager stops applying, but only if that manager owns the field and nobody
//! else does. The record can be lost or wrong: `metadata.managedFields` was reset, the object comes from a backup, or
//! an earlier `field_manager` applied it. Then the field would stay. So before an apply, the record is corrected for
//! the fields that the last manifest had and the new one leaves out. The correction changes nothing else of the object,
//! and is sent only if a field would stay.
//!
//! # Guarantees
//!
//! A field that another manager applies, or has changed by an update since the last apply, is never removed, unless
//! conflicts are forced.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};

use super::super::error::{Error, Verb};
use super::super::field_managers::{OwnManagers, replicas_field_manager};
use super::object::{Writer, to_apply_body};
use crate::kubernetes::diff::dropped::{Dropped, dropped};
use crate::kubernetes::diff::{FieldChange, changes};
use crate::kubernetes::field_path::FieldPath;
use crate::kubernetes::field_set::FieldSet;
use crate::kubernetes::kind::{Key, Kind, Mutability};
use crate::kubernetes::managed_fields::{
    Entry, ManagedFields, Operation, apply_entry, last_writer,
};

impl Writer<'_> {
    /// Makes the configured field manager the owner of the fields that are no longer desired. Returns the object with
    /// the corrected record.
    pub(super) async fn reclaim<'a>(
        &self,
        key: &Key,
        body: &Json,
        live: Cow<'a, Json>,
    ) -> Result<Cow<'a, Json>, Error> {
        let patch = |live: &Json| {
            let record = self.corrected_record(key, body, live)?;
            tracing::info!("taking the ownership of fields of {key} that are no longer desired");
            Some(json!({"metadata": {
                "uid": live["metadata"]["uid"],
                "resourceVersion": live["metadata"]["resourceVersion"],
                "managedFields": record,
            }}))
        };
        let patched = self.patch_current(Verb::Patch, key, &live, patch).await?;
        Ok(match patched {
            Some(Cow::Owned(patched)) => Cow::Owned(patched),
            Some(Cow::Borrowed(_)) | None => live,
        })
    }

    /// Returns the record that the object needs before the body is applied; `None` if it is correct.
    pub(super) fn corrected_record(
        &self,
        key: &Key,
        body: &Json,
        live: &Json,
    ) -> Option<Vec<Json>> {
        let last = self.last_manifest(key, live)?;
        let force = self.cluster.options().force_conflicts;
        let fields = removed(key, &last, body, live);
        self.with_managers(key, &last, live, |managers| {
            managers.reclaim(&fields, force)
        })
    }

    /// Returns the fields in which the object differs from what was applied.
    pub(super) fn differences(&self, key: &Key, body: &Json, live: &Json) -> Vec<FieldChange> {
        let mut differences = changes(body, live, &self.cluster.options().field_manager);
        differences.extend(self.retained(key, body, live));
        differences
    }

    /// Returns the fields that are no longer desired and that another manager keeps in the object.
    fn retained(&self, key: &Key, body: &Json, live: &Json) -> Vec<FieldChange> {
        let Some(last) = self.last_manifest(key, live) else {
            return Vec::new();
        };
        let fields = removed(key, &last, body, live).into_iter();
        self.with_managers(key, &last, live, |managers| {
            let retained = fields.filter_map(|Dropped { field, .. }| {
                Some(FieldChange {
                    wanted: None,
                    live: field.get(live).cloned(),
                    author: Some(last_writer(managers.others(&field))?),
                    field,
                })
            });
            retained.collect()
        })
    }

    fn with_managers<T>(
        &self,
        key: &Key,
        last: &Json,
        live: &Json,
        use_managers: impl FnOnce(&Managers<'_>) -> T,
    ) -> T {
        let manager = &self.cluster.options().field_manager;
        let managed = ManagedFields::of(live);
        let own = OwnManagers::of(key.kind, live, &managed, manager, Some(last));
        use_managers(&Managers {
            managed: &managed,
            own: &own,
            current: manager,
            api_version: live["apiVersion"].as_str().unwrap_or_default(),
        })
    }

    /// Returns the prior manifest, in the form of the live object. `None` for a new object and for an
    /// immutable one: an apply removes none of their fields.
    fn last_manifest(&self, key: &Key, live: &Json) -> Option<Json> {
        match key.kind.mutability() {
            Mutability::Mutable => {}
            Mutability::Immutable => return None,
        }
        let mut last = to_apply_body(key, self.prior.get(key)?).into_owned();
        // A state has the names of the Secret's keys, but not their content.
        if key.kind == Kind::Secret
            && let Some(last) = last.as_object_mut()
            && let Some(Json::Object(texts)) = last.remove("stringData")
        {
            let names = texts.into_iter().map(|(name, _)| name);
            let data: Map<_, _> = names
                .filter_map(|name| Some((name.clone(), live["data"].get(&name)?.clone())))
                .collect();
            last.insert("data".to_owned(), Json::Object(data));
        }
        Some(last)
    }
}

/// Returns the fields that the last manifest had and the body leaves out. A replica count is released instead
/// ([`super::handover`]).
fn removed(key: &Key, last: &Json, body: &Json, live: &Json) -> Vec<Dropped> {
    let mut fields = dropped(last, body, live);
    let replicas = FieldPath::of(&["spec", "replicas"]);
    fields.retain(|dropped| key.kind != Kind::Deployment || dropped.field != replicas);
    fields
}

/// The managers of a live object.
struct Managers<'a> {
    managed: &'a ManagedFields<'a>,
    own: &'a OwnManagers,
    /// The configured field manager.
    current: &'a str,
    api_version: &'a str,
}

impl<'a> Managers<'a> {
    /// Returns the entries of other managers that own the field.
    fn others(&self, field: &FieldPath) -> impl Iterator<Item = &Entry<'a>> {
        let owners = self.managed.owners(field);
        owners.filter(|entry| !self.own.contains(entry))
    }

    fn union(&self, selected: impl Fn(&Entry<'_>) -> bool) -> FieldSet {
        let entries = self.managed.iter().filter(|entry| selected(entry));
        FieldSet::union(entries.map(|entry| entry.fields()))
    }

    /// Returns `metadata.managedFields` with which an apply by the configured field manager removes the fields. Returns
    /// `None` if an apply does so already, or if no field can be taken from its owners.
    fn reclaim(&self, fields: &[Dropped], force: bool) -> Option<Vec<Json>> {
        let applied = self.union(|entry| self.own.is_main(entry));
        let reclaimed: Vec<&Dropped> = (fields.iter())
            .filter(|dropped| self.can_reclaim(dropped, &applied, force))
            .collect();
        if reclaimed.is_empty() && !self.own.has_former() {
            return None;
        }
        let others = self
            .managed
            .iter()
            .filter(|entry| !self.own.contains(entry));
        let others = others.filter_map(|entry| {
            let mut left = entry.fields().clone();
            for dropped in &reclaimed {
                if left.contains(&dropped.field) {
                    left.remove(&dropped.field);
                }
            }
            match left == *entry.fields() {
                true => Some(entry.to_json()),
                false => (!left.is_empty()).then(|| entry.with_fields(&left)),
            }
        });
        let mut ours = applied;
        for Dropped { field, fields, .. } in &reclaimed {
            ours.insert(field, fields);
        }
        let own = [
            (self.current.to_owned(), ours),
            (
                replicas_field_manager(self.current),
                self.union(|entry| self.own.is_of_replicas(entry)),
            ),
        ];
        let own = own.iter().filter(|(_, fields)| !fields.is_empty());
        let own = own.map(|(manager, fields)| apply_entry(manager, self.api_version, fields));
        Some(others.chain(own).collect())
    }

    /// Returns whether an apply would leave the field, and the field can be taken from its owners.
    fn can_reclaim(&self, dropped: &Dropped, applied: &FieldSet, force: bool) -> bool {
        let Dropped {
            field,
            fields: _,
            is_element,
            is_unchanged,
        } = dropped;
        let is_ours = applied.contains(field);
        let others: Vec<_> = self.others(field).collect();
        if is_ours && others.is_empty() {
            return false;
        }
        // Without any record of ours, nobody else owns by intent what is as it was applied.
        let is_accident = is_ours || (applied.is_empty() && *is_unchanged);
        let can_take = |entry: &&Entry<'_>| {
            let is_update = entry.operation == Operation::Update;
            force || (is_update && is_accident && (*is_unchanged || *is_element))
        };
        others.iter().all(can_take) && (is_ours || *is_unchanged || !others.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last() -> Json {
        json!({"apiVersion": "v1", "metadata": {"labels": {"app.kubernetes.io/managed-by": "feast", "team": "a"}},
            "spec": {"env": [{"name": "A", "value": "1"}]}})
    }

    fn wanted() -> Json {
        json!({"apiVersion": "v1", "metadata": {"labels": {"app.kubernetes.io/managed-by": "feast"}}, "spec": {}})
    }

    /// Our record of [`wanted`].
    fn wanted_fields() -> Json {
        json!({"f:metadata": {"f:labels": {"f:app.kubernetes.io/managed-by": {}}}})
    }

    fn label() -> Json {
        json!({"f:metadata": {"f:labels": {"f:team": {}}}})
    }

    fn variable(fields: &Json) -> Json {
        json!({"f:spec": {"f:env": {"k:{\"name\":\"A\"}": fields}}})
    }

    fn whole_variable() -> Json {
        variable(&json!({".": {}, "f:name": {}, "f:value": {}}))
    }

    fn all() -> Json {
        union([&wanted_fields(), &label(), &whole_variable()])
    }

    fn union<'a>(sets: impl IntoIterator<Item = &'a Json>) -> Json {
        let sets: Vec<FieldSet> = sets.into_iter().map(FieldSet::parse).collect();
        FieldSet::union(&sets).to_json()
    }

    fn entry(manager: &str, operation: &str, fields: Json) -> Json {
        json!({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    /// The record before an apply of [`wanted`] over the live object, where it is corrected.
    fn record(live: Json, entries: &[Json], force: bool) -> Option<Vec<Json>> {
        let mut live = live;
        live["metadata"]["managedFields"] = json!(entries);
        let managed = ManagedFields::of(&live);
        let own = OwnManagers::of(Kind::Deployment, &live, &managed, "ours", Some(&last()));
        let fields = dropped(&last(), &wanted(), &live);
        let managers = Managers {
            managed: &managed,
            own: &own,
            current: "ours",
            api_version: "v1",
        };
        managers.reclaim(&fields, force)
    }

    #[test]
    fn a_correct_record_is_not_changed() {
        assert_eq!(
            record(last(), &[entry("ours", "Apply", all())], false),
            None
        );
    }

    #[test]
    fn a_lost_record_is_restored_for_unchanged_fields() {
        let dropped = union([&label(), &whole_variable()]);
        let expected = Some(vec![entry("ours", "Apply", dropped)]);
        assert_eq!(record(last(), &[], false), expected);
        let mut changed = last();
        changed["metadata"]["labels"]["team"] = json!("b");
        let expected = Some(vec![entry("ours", "Apply", whole_variable())]);
        assert_eq!(record(changed, &[], false), expected);
    }

    #[test]
    fn an_accidental_owner_loses_dropped_fields() {
        for entries in [
            vec![entry("velero", "Update", all())],
            vec![
                entry("ours", "Apply", all()),
                entry("velero", "Update", all()),
            ],
        ] {
            let found = record(last(), &entries, false).unwrap();
            assert_eq!(found[0], entry("velero", "Update", wanted_fields()));
            let ours = &found[1]["fieldsV1"];
            let label = FieldPath::of(&["metadata", "labels", "team"]);
            assert!(FieldSet::parse(ours).contains(&label));
        }
    }

    #[test]
    fn a_changed_field_of_a_dropped_element_is_reclaimed() {
        let mut live = last();
        live["spec"]["env"][0]["value"] = json!("2");
        let ours = union([
            &wanted_fields(),
            &label(),
            &variable(&json!({".": {}, "f:name": {}})),
        ]);
        let theirs = variable(&json!({"f:value": {}}));
        let found = record(
            live,
            &[
                entry("ours", "Apply", ours),
                entry("kubectl-set", "Update", theirs),
            ],
            false,
        );
        assert_eq!(found, Some(vec![entry("ours", "Apply", all())]));
    }

    #[test]
    fn an_intentional_owner_keeps_its_field_unless_forced() {
        let ours = || {
            entry(
                "ours",
                "Apply",
                union([&wanted_fields(), &whole_variable()]),
            )
        };
        let mut changed = last();
        changed["metadata"]["labels"]["team"] = json!("b");
        for (live, theirs) in [
            (changed, entry("kubectl-label", "Update", label())),
            (last(), entry("argocd", "Apply", label())),
        ] {
            let entries = [ours(), theirs];
            assert_eq!(record(live.clone(), &entries, false), None);
            let expected = Some(vec![entry("ours", "Apply", all())]);
            assert_eq!(record(live, &entries, true), expected);
        }
    }

    #[test]
    fn a_former_manager_becomes_the_current_one() {
        let replicas = json!({"f:spec": {"f:replicas": {}}});
        let entries = [
            entry("former", "Apply", all()),
            entry("former-replicas", "Apply", replicas.clone()),
        ];
        let expected = vec![
            entry("ours", "Apply", all()),
            entry("ours-replicas", "Apply", replicas),
        ];
        assert_eq!(record(last(), &entries, false), Some(expected));
    }
}
