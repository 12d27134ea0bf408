//! The PersistentVolumeClaims (PVCs) of a feature store: forbidden changes, warnings of a plan about data that will be
//! deleted or unused, and what an apply or a destroy does with PVCs that are no longer used.
//!
//! A PVC is deleted only if the plan has named it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::cluster::apply::Outcome;
use crate::cluster::{PvcPolicy, StoreName};
use crate::feast::names::FeastService;
use crate::feast::rules::pvc_changes;
use crate::feast::spec::{
    Defaults, OnlineStorage, Registry, RegistryStorage, Store, computed_inputs,
};
use crate::kubernetes::{Key, Kind};
use crate::provider::diagnostics;
use crate::schema::{Diagnostics, Path};

use super::parse::{Parsed, known_violations};
use super::prior_state::PriorState;

/// A change of the feature store in the prior state.
pub enum PlannedChange<'a> {
    Destroy,
    /// Terraform destroys it and creates another one. With `lifecycle { destroy = false }` Terraform keeps it, which no
    /// plan shows.
    Replace,
    /// The specification after the update; `None` if unknown values decide which PVCs it uses.
    Update(Option<&'a Store>),
}

/// Returns an error for each change of a PVC that the API server would reject in the middle of an update.
pub fn forbidden_changes(prior: &PriorState<'_>, parsed: &Parsed) -> Diagnostics {
    match prior.config() {
        Ok(before) => known_violations(pvc_changes::check(before, &parsed.config), &parsed.unknown),
        Err(_) => Vec::new(),
    }
}

/// Returns the specification of a configuration with unknown values; `None` if they decide which PVCs it uses.
pub fn known_spec(parsed: &Parsed) -> Option<Store> {
    let inputs = computed_inputs::of_pvcs();
    let decides = |path: &Path| inputs.iter().any(|input| path.contains(input));
    let is_known = !parsed.unknown.iter().any(decides);
    is_known.then(|| Store::new(&parsed.config, &Defaults::default()))
}

/// Returns a warning for each PVC, and each file on one, that the change deletes or that nothing uses after it.
pub fn warnings(prior: &PriorState<'_>, change: &PlannedChange<'_>) -> Diagnostics {
    let Some(before) = prior.spec() else {
        return Vec::new();
    };
    let is_deleted = before.delete_data;
    match change {
        PlannedChange::Destroy => (left_behind(prior, is_deleted).iter())
            .map(|pvc| diagnostics::pvc_left_behind(pvc, is_deleted))
            .collect(),
        // The destroy of a replacement gets no private data, so it keeps what earlier applies have kept.
        PlannedChange::Replace => (prior.created_pvcs().iter())
            .map(|pvc| diagnostics::pvc_left_behind_by_replacement(pvc, is_deleted))
            .collect(),
        // The apply reports the PVCs that it deletes or keeps.
        PlannedChange::Update(None) => Vec::new(),
        PlannedChange::Update(Some(after)) => of_update(prior, &before, after),
    }
}

/// Returns the PVCs to warn of if nothing uses them. An earlier apply has reported those that it kept, so they matter
/// only if they are deleted.
fn left_behind(prior: &PriorState<'_>, is_deleted: bool) -> BTreeSet<String> {
    match is_deleted {
        true => prior.deletable_pvcs(),
        false => prior.created_pvcs(),
    }
}

fn of_update(prior: &PriorState<'_>, before: &Store, after: &Store) -> Diagnostics {
    let (created, referenced) = (after.created_pvcs(), after.referenced_pvcs());
    let is_unused = |pvc: &&String| !created.contains(*pvc) && !referenced.contains(*pvc);
    let mut warnings = Diagnostics::new();
    let left_behind = left_behind(prior, after.delete_data);
    for pvc in left_behind.iter().filter(is_unused) {
        warnings.push(diagnostics::pvc_left_behind(pvc, after.delete_data));
    }
    for pvc in before.referenced_pvcs().iter().filter(is_unused) {
        warnings.push(diagnostics::referenced_pvc_unused(pvc));
    }
    let files = files(after);
    for (place, file) in self::files(before) {
        if let Some(new) = files.get(&place).filter(|new| **new != file) {
            warnings.push(diagnostics::file_unused(&place.1, &file, new));
        }
    }
    warnings
}

/// Returns which PVCs an update to this specification, or a destroy of it, deletes.
pub fn policy(prior: &PriorState<'_>, store: &Store) -> PvcPolicy {
    PvcPolicy {
        deletable: match store.delete_data {
            true => prior.deletable_pvcs(),
            false => BTreeSet::new(),
        },
        used: store.referenced_pvcs(),
    }
}

/// Returns the PVCs of the specification that a destroy of the feature store deletes.
pub fn deleted_with(store: &Store) -> BTreeSet<String> {
    match store.delete_data {
        true => store.created_pvcs(),
        false => BTreeSet::new(),
    }
}

/// Returns a warning for each PVC that an operation kept although nothing uses it.
pub fn kept<'k>(
    prior: &PriorState<'_>,
    store: &StoreName,
    kept: impl Iterator<Item = &'k Key>,
) -> Diagnostics {
    let recorded = prior.deletable_pvcs();
    kept.map(|key| match recorded.contains(&key.name) {
        true => diagnostics::pvc_kept(store, key),
        false => diagnostics::unrecorded_pvc_kept(store, key),
    })
    .collect()
}

/// Returns a warning for each PVC that an apply deleted or kept. An earlier apply has warned of the recorded ones.
pub fn of_apply(prior: &PriorState<'_>, store: &StoreName, outcome: &Outcome) -> Diagnostics {
    let is_deleted =
        |key: &&Key| key.kind == Kind::PersistentVolumeClaim && !outcome.objects.contains_key(*key);
    let deleted = outcome.changed.iter().filter(is_deleted);
    let mut warnings: Diagnostics = deleted
        .map(|key| diagnostics::pvc_deleted(store, key))
        .collect();
    let is_new = |key: &&Key| !prior.private.kept_pvcs.contains(&key.name);
    warnings.extend(kept(
        prior,
        store,
        outcome.retained_pvcs.iter().filter(is_new),
    ));
    warnings
}

/// Returns the PVCs of the feature store that its specification does not name and that exist after an apply, for the
/// private state.
pub fn kept_pvcs(
    prior: &PriorState<'_>,
    store: &Store,
    exists: &BTreeMap<Key, Json>,
) -> BTreeSet<String> {
    let (created, referenced) = (store.created_pvcs(), store.referenced_pvcs());
    let mut pvcs = prior.deletable_pvcs();
    pvcs.retain(|pvc| {
        let key = Key::new(Kind::PersistentVolumeClaim, pvc);
        exists.contains_key(&key) && !created.contains(pvc) && !referenced.contains(pvc)
    });
    pvcs
}

/// Returns the file of each service on each PVC, relative to the root of the PVC.
fn files(store: &Store) -> BTreeMap<(FeastService, String), String> {
    let online = match &store.online.storage {
        OnlineStorage::File { path, .. } => Some(path),
        OnlineStorage::Database(_) => None,
    };
    let registry = match &store.registry {
        Registry::Local(local) => match &local.storage {
            RegistryStorage::File(file) => Some(&file.path),
            RegistryStorage::Database(_) => None,
        },
        Registry::Remote(_) => None,
    };
    let mut files = BTreeMap::new();
    for (service, pvc) in store.pvcs() {
        let path = match service {
            FeastService::Online => online,
            FeastService::Registry => registry,
            FeastService::Offline => None,
        };
        let mount = pvc.mount_path.trim_end_matches('/');
        if let Some(file) = path.and_then(|path| path.strip_prefix(mount)) {
            let file = file.trim_start_matches('/').to_owned();
            files.insert((service, pvc.name(&store.name, service)), file);
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::provider::resources::feature_store::manifests;
    use crate::provider::resources::feature_store::parse::parse;
    use crate::provider::resources::feature_store::private_state::PrivateState;
    use crate::provider::resources::feature_store::testing::{block, value};
    use crate::provider::tests::test_provider::{TestProvider, summaries, texts};
    use crate::schema::provider::Private;
    use crate::schema::{Diagnostic, Value};

    const ONLINE: &str = "feast-x-online";

    fn config(delete_data: bool, online: &Json) -> Json {
        json!({
            "name": "x", "namespace": "ns", "feastProject": "p", "deleteData": delete_data,
            "services": {"onlineStore": {"persistence": {"file": online}}},
        })
    }

    fn on_pvc(path: &str, pvc: Json) -> Json {
        let mut online = json!({"path": path, "pvc": pvc});
        online["pvc"]["mountPath"] = json!("/data");
        online
    }

    fn created(path: &str, size: &str) -> Json {
        on_pvc(
            path,
            json!({"create": {"resources": {"requests": {"storage": size}}}}),
        )
    }

    fn referenced(name: &str) -> Json {
        on_pvc("online.db", json!({"ref": {"name": name}}))
    }

    fn ephemeral() -> Json {
        json!({"path": "/feast-data/online.db"})
    }

    fn spec(json: &Json) -> Store {
        let config = serde_json::from_value(json.clone()).unwrap();
        Store::new(&config, &Defaults::default())
    }

    #[test]
    fn warns_of_data_that_is_deleted_or_unused() {
        let block = block();
        let created = created("online.db", "5Gi");
        let left = |name: &str| diagnostics::pvc_left_behind(name, false);
        let deleted = |name: &str| diagnostics::pvc_left_behind(name, true);
        let online = ONLINE;
        enum Fate {
            Destroyed,
            Replaced,
            Updated(Json),
        }
        use Fate::{Destroyed, Replaced, Updated};
        for (before, fate, expected) in [
            (config(false, &created), Destroyed, vec![left(online)]),
            (config(true, &created), Destroyed, vec![deleted(online)]),
            (config(true, &referenced("mine")), Destroyed, vec![]),
            (config(true, &ephemeral()), Destroyed, vec![]),
            (
                config(true, &created),
                Replaced,
                vec![diagnostics::pvc_left_behind_by_replacement(online, true)],
            ),
            (config(false, &created), Replaced, vec![left(online)]),
            (
                config(false, &created),
                Updated(config(false, &created)),
                vec![],
            ),
            (
                config(false, &created),
                Updated(config(false, &ephemeral())),
                vec![left(online)],
            ),
            // The new value of `delete_data` applies.
            (
                config(false, &created),
                Updated(config(true, &ephemeral())),
                vec![deleted(online)],
            ),
            (
                config(true, &created),
                Updated(config(true, &referenced(online))),
                vec![],
            ),
            (
                config(true, &referenced("mine")),
                Updated(config(true, &referenced("other"))),
                vec![diagnostics::referenced_pvc_unused("mine")],
            ),
            (
                config(false, &created),
                Updated(config(false, &self::created("other.db", "5Gi"))),
                vec![diagnostics::file_unused(online, "online.db", "other.db")],
            ),
        ] {
            let state = value(&block, &before);
            let prior = PriorState::decode(&block, &state, &[]);
            let after = match &fate {
                Updated(json) => Some(spec(json)),
                Destroyed | Replaced => None,
            };
            let change = match &fate {
                Destroyed => PlannedChange::Destroy,
                Replaced => PlannedChange::Replace,
                Updated(_) => PlannedChange::Update(after.as_ref()),
            };
            assert_eq!(warnings(&prior, &change), expected, "{before}");
        }
    }

    #[test]
    fn an_unknown_update_and_a_null_state_have_no_warnings() {
        let block = block();
        let state = value(&block, &config(true, &created("online.db", "5Gi")));
        let prior = PriorState::decode(&block, &state, &[]);
        assert_eq!(warnings(&prior, &PlannedChange::Update(None)), []);
        let none = PriorState::decode(&block, &Value::Null, &[]);
        assert_eq!(warnings(&none, &PlannedChange::Destroy), []);
        let after = parse(&block, &state).unwrap();
        assert_eq!(forbidden_changes(&none, &after), []);
    }

    #[test]
    fn warns_of_pvcs_that_an_earlier_apply_kept_only_if_they_are_deleted() {
        let block = block();
        let registry = "feast-x-registry";
        let private = PrivateState {
            kept_pvcs: [registry.to_owned()].into(),
            ..PrivateState::default()
        };
        let private = private.encode();
        let created = created("online.db", "5Gi");
        for delete_data in [false, true] {
            let config = config(delete_data, &created);
            let state = value(&block, &config);
            let prior = PriorState::decode(&block, &state, &private);
            let count = if delete_data { 2 } else { 1 };
            let named = [ONLINE, registry].into_iter().take(count);
            let expected: Diagnostics = named
                .map(|pvc| diagnostics::pvc_left_behind(pvc, delete_data))
                .collect();
            assert_eq!(warnings(&prior, &PlannedChange::Destroy), expected);
            let replaced = diagnostics::pvc_left_behind_by_replacement(ONLINE, delete_data);
            assert_eq!(warnings(&prior, &PlannedChange::Replace), [replaced]);
            let unchanged = spec(&config);
            let change = PlannedChange::Update(Some(&unchanged));
            assert_eq!(warnings(&prior, &change), expected[1..]);
        }
        // The PVC is used again.
        let state = value(&block, &config(true, &created));
        let prior = PriorState::decode(&block, &state, &private);
        let after = spec(&config(true, &referenced(registry)));
        assert_eq!(
            warnings(&prior, &PlannedChange::Update(Some(&after))),
            [diagnostics::pvc_left_behind(ONLINE, true)]
        );
    }

    #[test]
    fn unknown_values_prevent_warnings_only_if_they_decide_about_pvcs() {
        let block = block();
        let state = value(&block, &config(true, &created("online.db", "5Gi")));
        let prior = PriorState::decode(&block, &state, &[]);
        let mut after = config(true, &Json::Null);
        after["services"]["onlineStore"] = json!({
            "server": {"image": "i"},
            "persistence": {"store": {"type": "postgres", "secretRef": {"name": "s"}}},
        });
        let after = value(&block, &after);
        for (path, decides) in [
            ("feast_project", false),
            ("labels", false),
            ("services.online_store.server.image", false),
            (
                "services.online_store.persistence.store.secret_ref.name",
                false,
            ),
            ("services.offline_store", true),
            ("services.online_store.persistence.store", true),
            ("services", true),
            ("delete_data", true),
        ] {
            let mut after = after.clone();
            *after.get_mut(&Path::of(path)).unwrap() = Value::Unknown;
            let parsed = parse(&block, &after).unwrap();
            let known = known_spec(&parsed);
            let found = warnings(&prior, &PlannedChange::Update(known.as_ref()));
            let deleted = diagnostics::pvc_left_behind(ONLINE, true);
            let expected = (!decides).then_some(deleted);
            assert_eq!(found, Vec::from_iter(expected), "{path}");
        }
    }

    const PVC: &str = "/api/v1/namespaces/ns/persistentvolumeclaims/feast-x-online";

    /// A feature store with this persistence of the online store.
    fn store(provider: &TestProvider, delete_data: bool, persistence: &Json) -> Value {
        let mut store = config(delete_data, &Json::Null);
        store["waitForRollout"] = json!(false);
        store["services"]["onlineStore"]["persistence"] = persistence.clone();
        provider.config(&store)
    }

    fn on_created() -> Json {
        json!({"file": created("online.db", "5Gi")})
    }

    fn in_database() -> Json {
        json!({"store": {"type": "postgres", "secretRef": {"name": "s"}}})
    }

    /// The summaries of the diagnostics about data.
    fn of_data(diagnostics: &[Diagnostic]) -> String {
        let mut summaries = summaries(diagnostics);
        summaries.retain(|summary| summary.starts_with("Data "));
        summaries.join(", ")
    }

    /// Updates a feature store. Returns the summaries of the plan and of the apply, and the new state.
    fn update(
        provider: &TestProvider,
        (state, private): &(Value, Private),
        config: &Value,
    ) -> ([String; 2], (Value, Private)) {
        let planned = provider.plan(state, private, config);
        let applied = provider.apply(state, &planned, config);
        assert_ne!(applied.state, Value::Null);
        (
            [&planned.diagnostics, &applied.diagnostics].map(|them| of_data(them)),
            (applied.state, applied.private),
        )
    }

    fn labelled(mut config: Value) -> Value {
        let label = [("team".to_owned(), Value::string("a"))];
        config.set("labels", Value::Map(label.into()));
        config
    }

    #[test]
    fn a_kept_pvc_is_deleted_after_a_plan_that_names_it() {
        let provider = TestProvider::new();
        let on_pvc = provider.create(&store(&provider, false, &on_created()));
        let config = store(&provider, false, &in_database());
        let (said, kept) = update(&provider, &on_pvc, &config);
        assert_eq!(said, ["Data will be left unused", "Data was kept"]);
        let private = provider.private(&kept.0, &kept.1);
        assert_eq!(private.kept_pvcs, BTreeSet::from([ONLINE.to_owned()]));

        // It is reported once, and a refresh keeps the record.
        let (said, kept) = update(&provider, &kept, &labelled(config));
        assert_eq!(said, ["", ""]);
        let refreshed = provider.read(&kept.0, &kept.1);
        let kept = (refreshed.state, refreshed.private);
        let config = labelled(store(&provider, true, &in_database()));
        let (said, deleted) = update(&provider, &kept, &config);
        assert_eq!(said, ["Data will be deleted", "Data was deleted"]);
        assert_eq!(provider.server.get(PVC), None);
        let private = provider.private(&deleted.0, &deleted.1);
        assert_eq!(private.kept_pvcs, BTreeSet::new());
    }

    #[test]
    fn a_pvc_is_not_deleted_before_the_rollout() {
        let provider = TestProvider::new();
        let on_pvc = provider.create(&store(&provider, true, &on_created()));
        let mut waiting = config(true, &Json::Null);
        // No controller rolls out the Deployment.
        waiting["timeouts"] = json!({"update": "1s"});
        waiting["services"]["onlineStore"]["persistence"] = in_database();
        let (said, failed) = update(&provider, &on_pvc, &provider.config(&waiting));
        assert_eq!(said, ["Data will be deleted", ""]);
        assert!(provider.server.get(PVC).is_some());
        let private = provider.private(&failed.0, &failed.1);
        let pvc = Key::new(Kind::PersistentVolumeClaim, ONLINE);
        assert!(private.last_applied.contains_key(&pvc));
        let objects = manifests::attribute(&private.last_applied);
        assert_eq!(failed.0.attribute("objects"), &objects);

        let config = store(&provider, true, &in_database());
        let (said, deleted) = update(&provider, &failed, &config);
        assert_eq!(said, ["Data will be deleted", "Data was deleted"]);
        assert_eq!(provider.server.get(PVC), None);
        let private = provider.private(&deleted.0, &deleted.1);
        assert!(!private.last_applied.contains_key(&pvc));
        assert_eq!(private.kept_pvcs, BTreeSet::new());
    }

    #[test]
    fn a_pvc_of_an_earlier_feature_store_is_never_deleted() {
        let provider = TestProvider::new();
        let (state, private) = provider.create(&store(&provider, false, &on_created()));
        let destroyed = provider.destroy(&state, &private);
        assert_eq!(of_data(&destroyed.diagnostics), "Data was kept");

        let config = store(&provider, true, &in_database());
        let created = provider.create(&config);
        let (said, updated) = update(&provider, &created, &labelled(config));
        assert_eq!(said, ["", "Data was kept"]);
        let destroyed = provider.destroy(&updated.0, &updated.1);
        assert_eq!(of_data(&destroyed.diagnostics), "Data was kept");
        assert_eq!(destroyed.state, Value::Null);
        assert!(provider.server.get(PVC).is_some());
    }

    #[test]
    fn a_failed_create_names_the_data_that_the_replacement_deletes() {
        for delete_data in [false, true] {
            let provider = TestProvider::new();
            let deployment = "/apis/apps/v1/namespaces/ns/deployments/feast-x";
            provider.server.reject_writes(deployment, 401);
            let config = store(&provider, delete_data, &on_created());
            let planned = provider.plan(&Value::Null, &[], &config);
            let failed = provider.apply(&Value::Null, &planned, &config);
            let loss = "This deletes these PersistentVolumeClaims with all their data, because `delete_data` is true: \
                        feast-x-online. To keep it, ";
            let text = texts(&failed.diagnostics).join("\n");
            assert_eq!(text.contains(loss), delete_data, "{text}");
        }
    }

    #[test]
    fn a_pvc_in_ref_is_never_deleted() {
        let provider = TestProvider::new();
        let on_pvc = provider.create(&store(&provider, true, &on_created()));
        let config = store(&provider, true, &json!({"file": referenced(ONLINE)}));
        let (said, referenced) = update(&provider, &on_pvc, &config);
        assert_eq!(said, ["", ""]);
        let config = store(&provider, true, &in_database());
        let (said, _) = update(&provider, &referenced, &config);
        assert_eq!(said, ["Data will be left unused", "Data was kept"]);
        assert!(provider.server.get(PVC).is_some());
    }

    #[test]
    fn forbids_changes_of_pvcs_that_the_api_server_rejects() {
        let block = block();
        let forbidden = |before: &str, after: &str| {
            let [before, after] = [before, after]
                .map(|size| value(&block, &config(false, &created("online.db", size))));
            let prior = PriorState::decode(&block, &before, &[]);
            let after = parse(&block, &after).unwrap();
            let forbidden = forbidden_changes(&prior, &after).into_iter();
            let paths = forbidden.filter_map(|diagnostic| diagnostic.path);
            paths.map(|path| path.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(forbidden("5Gi", "6Gi"), [""; 0]);
        assert_eq!(
            forbidden("5Gi", "1Gi"),
            ["services.online_store.persistence.file.pvc.create.resources"]
        );
    }
}
