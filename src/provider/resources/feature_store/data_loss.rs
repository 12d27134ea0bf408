//! The PersistentVolumeClaims of a feature store in a plan: forbidden changes, and warnings about data that will be
//! deleted or unused.

use std::collections::BTreeMap;

use crate::feast::names::Service;
use crate::feast::rules::changes;
use crate::feast::spec::{OnlineStorage, Registry, RegistryStorage, Store};
use crate::provider::diagnostics;
use crate::schema::Diagnostics;

use super::parse::{Parsed, known_violations};
use super::prior_state::PriorState;

/// What a plan does with the feature store of the prior state.
pub enum Change<'a> {
    Destroy,
    /// Terraform destroys it and creates another one. With `lifecycle { destroy = false }` Terraform keeps it, which no
    /// plan shows.
    Replace,
    /// The specification after the update; `None` while any value of it is unknown.
    Update(Option<&'a Store>),
}

/// Returns an error for each change of a PVC that the API server would reject in the middle of an update.
pub fn forbidden_changes(prior: &PriorState<'_>, parsed: &Parsed) -> Diagnostics {
    match prior.config() {
        Ok(before) => known_violations(changes::check(before, &parsed.config), &parsed.unknown),
        Err(_) => Vec::new(),
    }
}

/// Returns a warning for each PVC, and each file on one, that the change deletes or that nothing uses after it.
pub fn warnings(prior: &PriorState<'_>, change: &Change<'_>) -> Diagnostics {
    let Some(before) = prior.spec() else {
        return Vec::new();
    };
    let created = before.created_claims();
    let left_behind = created.iter();
    match change {
        Change::Destroy => left_behind
            .map(|pvc| diagnostics::pvc_left_behind(pvc, before.delete_data))
            .collect(),
        Change::Replace => left_behind
            .map(|pvc| diagnostics::pvc_left_behind_by_replacement(pvc, before.delete_data))
            .collect(),
        // The unknown values can decide that the PVCs stay in use. The apply reports what became of them.
        Change::Update(None) => Vec::new(),
        Change::Update(Some(after)) => of_update(&before, after),
    }
}

fn of_update(before: &Store, after: &Store) -> Diagnostics {
    let (created, referenced) = (after.created_claims(), after.referenced_claims());
    let is_unused = |pvc: &&String| !created.contains(*pvc) && !referenced.contains(*pvc);
    let mut warnings = Diagnostics::new();
    for pvc in before.created_claims().iter().filter(is_unused) {
        warnings.push(diagnostics::pvc_left_behind(pvc, after.delete_data));
    }
    for pvc in before.referenced_claims().iter().filter(is_unused) {
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

/// Returns the file of each service on each PVC, relative to the root of the PVC.
fn files(store: &Store) -> BTreeMap<(Service, String), String> {
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
    for (service, pvc) in store.claims() {
        let path = match service {
            Service::Online => online,
            Service::Registry => registry,
            Service::Offline => None,
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
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::feast::config::FeatureStore;
    use crate::feast::spec::Defaults;
    use crate::provider::resources::feature_store::parse::parse;
    use crate::provider::resources::feature_store::testing::{block, value};
    use crate::schema::Value;

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

    #[test]
    fn warns_of_data_that_is_deleted_or_unused() {
        let block = block();
        let created = created("online.db", "5Gi");
        let left = |name: &str| diagnostics::pvc_left_behind(name, false);
        let deleted = |name: &str| diagnostics::pvc_left_behind(name, true);
        let online = "feast-x-online";
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
                Updated(json) => {
                    let config: FeatureStore = serde_json::from_value(json.clone()).unwrap();
                    Some(Store::new(&config, &Defaults::default()))
                }
                Destroyed | Replaced => None,
            };
            let change = match &fate {
                Destroyed => Change::Destroy,
                Replaced => Change::Replace,
                Updated(_) => Change::Update(after.as_ref()),
            };
            assert_eq!(warnings(&prior, &change), expected, "{before}");
        }
    }

    #[test]
    fn an_unknown_update_and_a_null_state_have_no_warnings() {
        let block = block();
        let state = value(&block, &config(true, &created("online.db", "5Gi")));
        let prior = PriorState::decode(&block, &state, &[]);
        assert_eq!(warnings(&prior, &Change::Update(None)), []);
        let none = PriorState::decode(&block, &Value::Null, &[]);
        assert_eq!(warnings(&none, &Change::Destroy), []);
        let after = parse(&block, &state).unwrap();
        assert_eq!(forbidden_changes(&none, &after), []);
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
