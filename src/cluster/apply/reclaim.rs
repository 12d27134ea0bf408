//! Ownership of fields that are to be removed.
//!
//! Server-side apply removes a field that a manager stops applying, but only when that manager owns the field and
//! nobody else does. The record can be lost or wrong: `metadata.managedFields` was reset, the object comes from a
//! backup, or an earlier `field_manager` applied it. Then the field would stay for ever. So before an apply the record
//! is corrected for the fields that the last manifest had and the new one leaves out. The correction changes nothing
//! else of the object, and is sent only when something would be left.
//!
//! # Guarantees
//!
//! A field that another manager applies, or has changed by an update since the last apply, is never removed, unless
//! conflicts are forced.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};

use super::super::drift::changes::{Author, Change, changes};
use super::super::drift::{Dropped, dropped, project};
use super::super::error::{Error, Reason, Verb};
use super::super::ownership::{self, Entry, FieldPath, OwnManagers};
use super::super::request::Request;
use super::super::resource::Resource;
use super::{ATTEMPTS, Run, to_apply_body};
use crate::kubernetes::{Key, Kind};

impl Run<'_> {
    /// Makes our manager the owner of the fields that are no longer wanted. Returns the object as it is then.
    pub(super) async fn reclaim<'a>(
        &self,
        key: &Key,
        wire: &Json,
        live: Cow<'a, Json>,
    ) -> Result<Cow<'a, Json>, Error> {
        let Some(last) = self.last_applied(key, &live) else {
            return Ok(live);
        };
        let options = self.cluster.options();
        let mut live = live;
        for _ in 0..ATTEMPTS {
            let own = OwnManagers::of(key.kind, &live, &options.field_manager, Some(&last));
            let fields = unwanted(key, &last, wire, &live);
            let record = reclaimed(
                &live,
                &fields,
                &own,
                &options.field_manager,
                options.force_conflicts,
            );
            let Some(record) = record else {
                return Ok(live);
            };
            tracing::info!("{key}: taking the ownership of fields that are no longer wanted");
            let namespace = &self.plan.store.namespace;
            let request = Request {
                verb: Verb::Patch,
                resource: Resource::from(key.kind),
                namespace,
                name: Some(&key.name),
                query: vec![("fieldManager", &options.field_manager)],
                body: Some(json!({"metadata": {
                    "uid": live["metadata"]["uid"],
                    "resourceVersion": live["metadata"]["resourceVersion"],
                    "managedFields": record,
                }})),
            };
            match self.cluster.send(request, self.cancel).await {
                Ok(changed) => return Ok(Cow::Owned(changed)),
                Err(Error {
                    reason: Reason::Stale { .. },
                    ..
                }) => {}
                Err(error) => return Err(error),
            }
            match self.cluster.get(namespace, key, self.cancel).await? {
                Some(now) => live = Cow::Owned(now),
                None => return Ok(live),
            }
        }
        let message = "the record of its fields' owners changes too often".to_owned();
        Err(self.refused(key, Reason::Stale { message }))
    }

    /// The fields in which the object differs from what was applied.
    pub(super) fn differences(&self, key: &Key, wire: &Json, live: &Json) -> Vec<Change> {
        let manager = &self.cluster.options().field_manager;
        let mut differences = changes(wire, &project(wire, live), live, manager);
        differences.extend(self.retained(key, wire, live));
        differences
    }

    /// The fields that are no longer wanted and that another manager keeps in the object.
    fn retained(&self, key: &Key, wire: &Json, live: &Json) -> Vec<Change> {
        let Some(last) = self.last_applied(key, live) else {
            return Vec::new();
        };
        let manager = &self.cluster.options().field_manager;
        let own = OwnManagers::of(key.kind, live, manager, Some(&last));
        let kept = unwanted(key, &last, wire, live).into_iter();
        let kept = kept.filter_map(|Dropped { field, .. }| {
            let others = holders(live, &field, &own);
            let author = others.into_iter().max_by_key(|entry| entry.time)?;
            Some(Change {
                wanted: None,
                live: field.get(live).cloned(),
                author: Some(Author::from(&author)),
                field,
            })
        });
        kept.collect()
    }

    /// The manifest of the last apply, in the shape of the live object. `None` where nothing can be dropped: a new
    /// object, and one that cannot be changed.
    fn last_applied(&self, key: &Key, live: &Json) -> Option<Json> {
        if matches!(key.kind, Kind::Job | Kind::PersistentVolumeClaim) {
            return None;
        }
        let mut last = to_apply_body(key, self.plan.known.get(key)?);
        // States show the names of the Secret's keys, and never their content.
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

/// The fields that the last manifest had and the new one leaves out. A replica count that is left out is handed over
/// instead ([`super::handover`]).
fn unwanted(key: &Key, last: &Json, wire: &Json, live: &Json) -> Vec<Dropped> {
    let mut fields = dropped(last, wire, live);
    let replicas = FieldPath::of(&["spec", "replicas"]);
    fields.retain(|it| key.kind != Kind::Deployment || it.field != replicas);
    fields
}

/// The managers beside our own that hold the field.
fn holders<'a>(live: &'a Json, field: &FieldPath, own: &OwnManagers) -> Vec<Entry<'a>> {
    ownership::entries(live)
        .filter(|entry| !own.holds(entry) && ownership::holds(entry.fields, field))
        .collect()
}

/// Returns the record of owners with which an apply by `manager` removes the fields; `None` when it does so already,
/// or when nothing may be changed.
fn reclaimed(
    live: &Json,
    fields: &[Dropped],
    own: &OwnManagers,
    manager: &str,
    force: bool,
) -> Option<Vec<Json>> {
    let mut record = Record::of(live, own, manager);
    let mut is_changed = own.has_former();
    let applied = ownership::entries(live).any(|entry| own.is_main(&entry));
    for Dropped {
        field,
        is_element,
        is_unchanged,
        recorded,
    } in fields
    {
        let is_ours = (ownership::entries(live))
            .any(|entry| own.is_main(&entry) && ownership::holds(entry.fields, field));
        let others = holders(live, field, own);
        if is_ours && others.is_empty() {
            continue;
        }
        // Without any record of ours, what is as it was applied is nobody else's by intent.
        let is_accident = is_ours || (!applied && *is_unchanged);
        let may_take = |entry: &Entry<'_>| {
            force || (!entry.applied && is_accident && (*is_unchanged || *is_element))
        };
        let may_claim = is_ours || *is_unchanged || !others.is_empty();
        if !others.iter().all(may_take) || !may_claim {
            continue;
        }
        record.give(field, recorded, own);
        is_changed = true;
    }
    is_changed.then(|| record.finish())
}

/// `metadata.managedFields`, with what the provider applies as one entry.
struct Record<'a> {
    live: &'a Json,
    manager: &'a str,
    ours: Json,
    replicas: Json,
    others: Vec<Json>,
}

impl<'a> Record<'a> {
    fn of(live: &'a Json, own: &OwnManagers, manager: &'a str) -> Self {
        let union = |selected: &dyn Fn(&Entry<'_>) -> bool| {
            let entries = ownership::entries(live).filter(|entry| selected(entry));
            ownership::union(entries.map(|entry| entry.fields))
        };
        let recorded = live["metadata"]["managedFields"].as_array();
        let others = recorded
            .into_iter()
            .flatten()
            .filter(|raw| !ownership::entry(raw).is_some_and(|entry| own.holds(&entry)));
        Self {
            live,
            manager,
            ours: union(&|entry| own.is_main(entry)),
            replicas: union(&|entry| own.holds_replicas(entry)),
            others: others.cloned().collect(),
        }
    }

    /// Makes our manager the only one that owns the field.
    fn give(&mut self, field: &FieldPath, recorded: &Json, own: &OwnManagers) {
        for raw in &mut self.others {
            let holds = ownership::entry(raw)
                .is_some_and(|entry| !own.holds(&entry) && ownership::holds(entry.fields, field));
            if holds {
                ownership::remove(&mut raw["fieldsV1"], field);
            }
        }
        ownership::insert(&mut self.ours, field, recorded);
    }

    fn finish(self) -> Vec<Json> {
        let entry = |manager: String, fields: Json| {
            json!({
                "manager": manager,
                "operation": "Apply",
                "apiVersion": self.live["apiVersion"],
                "fieldsType": "FieldsV1",
                "fieldsV1": fields,
            })
        };
        let own = [
            entry(self.manager.to_owned(), self.ours),
            entry(
                ownership::replicas_field_manager(self.manager),
                self.replicas,
            ),
        ];
        let all = self.others.into_iter().chain(own);
        all.filter(|raw| raw["fieldsV1"].as_object().is_none_or(|it| !it.is_empty()))
            .collect()
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
        ownership::union([&wanted_fields(), &label(), &whole_variable()])
    }

    fn entry(manager: &str, operation: &str, fields: Json) -> Json {
        json!({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    /// The record before an apply of [`wanted`] over the live object, where it is corrected.
    fn record(live: Json, entries: &[Json], force: bool) -> Option<Vec<Json>> {
        let mut live = live;
        live["metadata"]["managedFields"] = json!(entries);
        let own = OwnManagers::of(Kind::Deployment, &live, "ours", Some(&last()));
        let fields = dropped(&last(), &wanted(), &live);
        reclaimed(&live, &fields, &own, "ours", force)
    }

    #[test]
    fn a_right_record_is_left_alone() {
        assert_eq!(
            record(last(), &[entry("ours", "Apply", all())], false),
            None
        );
    }

    #[test]
    fn a_lost_record_is_made_again_for_unchanged_fields() {
        let dropped = ownership::union([&label(), &whole_variable()]);
        let expected = Some(vec![entry("ours", "Apply", dropped)]);
        assert_eq!(record(last(), &[], false), expected);
        let mut changed = last();
        changed["metadata"]["labels"]["team"] = json!("b");
        let expected = Some(vec![entry("ours", "Apply", whole_variable())]);
        assert_eq!(record(changed, &[], false), expected);
    }

    #[test]
    fn an_accidental_owner_loses_what_is_dropped() {
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
            assert!(ownership::holds(
                ours,
                &FieldPath::of(&["metadata", "labels", "team"])
            ));
        }
    }

    #[test]
    fn a_changed_part_goes_with_its_element() {
        let mut live = last();
        live["spec"]["env"][0]["value"] = json!("2");
        let ours = ownership::union([
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
    fn an_owner_by_intent_keeps_its_field_unless_forced() {
        let ours = || {
            entry(
                "ours",
                "Apply",
                ownership::union([&wanted_fields(), &whole_variable()]),
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
    fn a_former_name_becomes_the_current_one() {
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
