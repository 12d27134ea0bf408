//! The persistence that several pods need.
//!
//! A `store` counts as a database here. Whether its Secret describes a file is checked when the Secret is read
//! (`render/databases.rs`).

use super::Violation;
use super::accessors::{
    AUTOSCALING, KEDA, LOCAL, OFFLINE, ONLINE, REGISTRY, SCALING, block, local, offline, online,
    online_disabled, registry, scaled_by, services,
};
use crate::feast::config::{DatabaseStore, FeatureStore, StoreType};
use crate::feast::names::FeastService;
use crate::feast::spec::Location;
use crate::schema::Path;

const SUMMARY: &str = "horizontal scaling (replicas > 1 or autoscaling) requires DB-backed \
    persistence for all enabled services. File-based persistence (SQLite, DuckDB, registry.db) is \
    incompatible with multiple replicas";

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let Some(scaled_by) = scaled_by(store) else {
        return Vec::new();
    };
    single_pod_stores(store)
        .into_iter()
        .map(|it| {
            let SinglePodStore {
                service,
                configured_path,
                mut reads,
                what,
                instead,
            } = it;
            if scaled_by == Path::of("services.scaling.replicas") {
                reads.push(scaled_by.clone());
            }
            if scaled_by == Path::of(KEDA) {
                // Without `autoscaling`, `keda` is what scales.
                reads.push(Path::of(AUTOSCALING));
            }
            Violation::new(
                configured_path.unwrap_or_else(|| scaled_by.clone()),
                reads,
                SUMMARY,
                format!(
                    "The {} is not in a database: {what} Each pod would have its own copy. {instead} Alternatively, \
                     remove `{scaled_by}` to run a single pod.",
                    service.display_name()
                ),
            )
        })
        .collect()
}

/// Warns about rolling updates of pods that use files: old and new pods run at the same time.
pub(super) fn rolling_update(store: &FeatureStore) -> Vec<Violation> {
    let strategy = services(store).and_then(|it| it.deployment_strategy.as_ref());
    let rolling = strategy.is_some_and(|it| match it.type_.as_deref() {
        Some(word) => word == "RollingUpdate",
        None => it.rolling_update.is_some(),
    });
    if !rolling || scaled_by(store).is_some() {
        return Vec::new();
    }
    let at = Path::of("services.deployment_strategy");
    single_pod_stores(store)
        .into_iter()
        .map(|it| {
            let SinglePodStore {
                service,
                configured_path: _,
                mut reads,
                what,
                instead,
            } = it;
            reads.extend([at.attribute("type"), Path::of(SCALING)]);
            Violation::new(
                at.clone(),
                reads,
                "`RollingUpdate` requires persistence in a database",
                format!(
                    "The {} is not in a database: {what} During an update, the old and the new pod run at the same \
                     time. With a PVC, both write the same file; without one, each has its own copy. {instead} \
                     Alternatively, remove `deployment_strategy` to delete the old pod before the new one is created.",
                    service.display_name()
                ),
            )
        })
        .collect()
}

/// A service whose data only a single pod can use.
struct SinglePodStore {
    service: FeastService,
    /// The innermost attribute of the service that is set.
    configured_path: Option<Path>,
    reads: Vec<Path>,
    what: &'static str,
    instead: &'static str,
}

fn single_pod_stores(store: &FeatureStore) -> Vec<SinglePodStore> {
    [
        online_store(store),
        offline_store(store),
        registry_file(store),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns the innermost of these attributes of a service that is set.
fn deepest(service: FeastService, persistence: bool, file: bool) -> Path {
    let path = block(service);
    match (persistence, file) {
        (_, true) => path.attribute("persistence.file"),
        (true, false) => path.attribute("persistence"),
        (false, false) => path,
    }
}

/// Adds the attribute `file` to the reads if the verdict depends on its absence.
fn reads(service: FeastService, file: bool, others: impl IntoIterator<Item = Path>) -> Vec<Path> {
    let absent = (!file).then(|| block(service).attribute("persistence.file"));
    others.into_iter().chain(absent).collect()
}

/// Returns the store unless several pods can use it: it is one of Feast, or the user declares it as shared.
fn own_class(
    service: FeastService,
    database: &DatabaseStore<impl StoreType>,
) -> Option<SinglePodStore> {
    if database.is_shared() {
        return None;
    }
    let path = block(service).attribute("persistence.store");
    Some(SinglePodStore {
        service,
        configured_path: Some(path.attribute("type")),
        reads: ["type", "shared"].map(|name| path.attribute(name)).into(),
        what: "its type is the path of a class, which can be a file.",
        instead: "If it is a database or another service, set `shared = true` beside `type`.",
    })
}

fn online_store(store: &FeatureStore) -> Option<SinglePodStore> {
    // A disabled online store has no server, and its file is not used.
    if online_disabled(store) {
        return None;
    }
    let configured = online(store);
    let persistence = configured.and_then(|online| online.persistence.as_ref());
    let file = persistence.is_some_and(|persistence| persistence.file.is_some());
    let database = persistence.and_then(|persistence| persistence.store.as_ref());
    let disabled = Path::of(ONLINE).attribute("disabled");
    if let Some(database) = database.filter(|_| !file) {
        let mut found = own_class(FeastService::Online, database)?;
        found.reads.push(disabled);
        return Some(found);
    }
    Some(SinglePodStore {
        service: FeastService::Online,
        configured_path: configured
            .map(|_| deepest(FeastService::Online, persistence.is_some(), file)),
        reads: reads(
            FeastService::Online,
            file,
            [
                disabled,
                Path::of(ONLINE).attribute("persistence.store.type"),
            ],
        ),
        what: if file {
            "it is a SQLite file."
        } else {
            "without `persistence`, it is a SQLite file in the pod."
        },
        instead: "Set `services.online_store.persistence.store = { type = \"postgres\", secret_ref = { name = \"…\" } \
             }`, or another type of store.",
    })
}

fn offline_store(store: &FeatureStore) -> Option<SinglePodStore> {
    let persistence = offline(store)?.persistence.as_ref();
    let file = persistence.is_some_and(|persistence| persistence.file.is_some());
    let database = persistence.and_then(|persistence| persistence.store.as_ref());
    if let Some(database) = database.filter(|_| !file) {
        return own_class(FeastService::Offline, database);
    }
    Some(SinglePodStore {
        service: FeastService::Offline,
        configured_path: Some(deepest(FeastService::Offline, persistence.is_some(), file)),
        reads: reads(
            FeastService::Offline,
            file,
            [Path::of(OFFLINE).attribute("persistence.store.type")],
        ),
        what: if file {
            "it reads files."
        } else {
            "without `persistence`, it reads files in the pod (Dask)."
        },
        instead: "Set `services.offline_store.persistence.store = { type = \"postgres\", secret_ref = { name = \"…\" } \
             }`, or another type of store, or remove `offline_store`.",
    })
}

fn registry_file(store: &FeatureStore) -> Option<SinglePodStore> {
    if registry(store).is_some_and(|registry| registry.remote.is_some()) {
        return None;
    }
    let persistence = local(store).and_then(|local| local.persistence.as_ref());
    let file = persistence.and_then(|persistence| persistence.file.as_ref());
    if persistence.is_some_and(|persistence| persistence.store.is_some() && file.is_none()) {
        return None;
    }
    let path = file.and_then(|file| file.path.as_deref());
    // The rule `file-paths` rejects URIs that the registry does not support.
    if path.is_some_and(|path| Location::of(path) != Location::Path) {
        return None;
    }
    let configured_path = match (registry(store), local(store)) {
        (None, _) => None,
        (Some(_), None) => Some(Path::of(REGISTRY)),
        (Some(_), Some(_)) => Some(deepest(
            FeastService::Registry,
            persistence.is_some(),
            file.is_some(),
        )),
    };
    let local = Path::of(LOCAL);
    Some(SinglePodStore {
        service: FeastService::Registry,
        configured_path,
        reads: reads(
            FeastService::Registry,
            file.is_some(),
            [
                Path::of(REGISTRY).attribute("remote.hostname"),
                local.attribute("persistence.store.type"),
                local.attribute("persistence.file.path"),
            ],
        ),
        what: if file.is_some() {
            "it is a file."
        } else {
            "without `persistence`, it is a file in the pod (registry.db)."
        },
        instead: "Set `services.registry.local.persistence.store = { type = \"sql\", secret_ref = { name = \"…\" } }`, \
             a `file.path` in an object store (`s3://…`, `gs://…`), or `services.registry.remote`.",
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::{FeatureStore, SUMMARY};
    use crate::feast::rules::testing::{rejects, warns};
    use crate::feast::spec::{Defaults, Store};

    fn check_scaling(services: Json, paths: &[&str]) {
        let store = json!({"name": "demo", "feastProject": "demo", "services": services});
        let store: FeatureStore = serde_json::from_value(store).unwrap();
        assert_eq!(
            Store::new(&store, &Defaults::default()).allows_several_pods(),
            super::single_pod_stores(&store).is_empty()
        );
        let expected: Vec<_> = paths.iter().map(|path| (*path, SUMMARY)).collect();
        rejects("scaling-persistence", services, &expected);
    }

    fn database(word: &str) -> Json {
        json!({"persistence": {"store": {"type": word, "secretRef": {"name": "s"}}}})
    }

    #[test]
    fn keda_requires_databases() {
        let keda = json!({"maxReplicas": 3, "triggers": [{"type": "cron", "metadata": {}}]});
        rejects(
            "scaling-persistence",
            json!({"scaling": {"keda": keda}}),
            &[
                ("services.scaling.keda", super::SUMMARY),
                ("services.scaling.keda", super::SUMMARY),
            ],
        );
    }

    #[test]
    fn the_summary_is_the_documented_one() {
        assert_eq!(
            SUMMARY,
            "horizontal scaling (replicas > 1 or autoscaling) requires DB-backed persistence for all enabled services. File-based persistence (SQLite, DuckDB, registry.db) is incompatible with multiple replicas"
        );
    }

    #[test]
    fn a_single_pod_can_use_files() {
        check_scaling(json!({}), &[]);
        check_scaling(json!({"scaling": {"replicas": 1}, "offlineStore": {}}), &[]);
    }

    #[test]
    fn default_stores_are_reported_at_the_scaling_attribute() {
        let replicas = "services.scaling.replicas";
        check_scaling(json!({"scaling": {"replicas": 2}}), &[replicas, replicas]);
        let autoscaling = "services.scaling.autoscaling";
        check_scaling(
            json!({"scaling": {"autoscaling": {"maxReplicas": 1}}}),
            &[autoscaling, autoscaling],
        );
    }

    #[test]
    fn each_file_is_reported_at_its_attribute() {
        check_scaling(
            json!({
                "scaling": {"replicas": 3},
                "onlineStore": {"persistence": {"file": {"path": "/data/o.db"}}},
                "offlineStore": {"persistence": {"file": {"type": "duckdb"}}},
                "registry": {"local": {"persistence": {"file": {"path": "/r.db"}}}},
            }),
            &[
                "services.online_store.persistence.file",
                "services.offline_store.persistence.file",
                "services.registry.local.persistence.file",
            ],
        );
        check_scaling(
            json!({
                "scaling": {"replicas": 3},
                "onlineStore": {"server": {}},
                "offlineStore": {"server": {}},
                "registry": {"local": {}},
            }),
            &[
                "services.online_store",
                "services.offline_store",
                "services.registry.local",
            ],
        );
    }

    #[test]
    fn databases_object_stores_and_remote_registries_scale() {
        for registry in [
            json!({"local": database("sql")}),
            json!({"local": {"persistence": {"file": {"path": "s3://b/r.db"}}}}),
            json!({"local": {"persistence": {"file": {"path": "gs://b/r.db"}}}}),
            json!({"remote": {"hostname": "r:80"}}),
            json!({"remote": {"feastRef": {"name": "other"}}}),
        ] {
            check_scaling(
                json!({
                    "scaling": {"replicas": 3},
                    "onlineStore": database("postgres"),
                    "offlineStore": database("bigquery"),
                    "registry": registry,
                }),
                &[],
            );
        }
    }

    #[test]
    fn offline_files_and_pvcs_do_not_scale() {
        let pvc = json!({"create": {}, "mountPath": "/offline"});
        for file in [
            json!({"type": "file"}),
            json!({"type": "dask", "pvc": pvc}),
            json!({"pvc": pvc}),
        ] {
            check_scaling(
                json!({
                    "scaling": {"replicas": 2},
                    "onlineStore": database("redis"),
                    "offlineStore": {"persistence": {"file": file}},
                    "registry": {"remote": {"feastRef": {"name": "other"}}},
                }),
                &["services.offline_store.persistence.file"],
            );
        }
    }

    #[test]
    fn warns_about_rolling_updates_with_files() {
        let at = "services.deployment_strategy";
        let check = |strategy: Json, services: Json, count: usize| {
            let mut services = services;
            services["deploymentStrategy"] = strategy;
            let summary = "`RollingUpdate` requires persistence in a database";
            warns(
                "rolling-update-files",
                services,
                &vec![(at, summary); count],
            );
        };
        let rolling = json!({"type": "RollingUpdate"});
        let pvcs = json!({
            "scaling": {"replicas": 1},
            "onlineStore": {"persistence": {"file": {"pvc": {"create": {}, "mountPath": "/o"}}}},
            "registry": {"local": database("sql")},
        });
        check(rolling.clone(), json!({}), 2);
        check(json!({"rollingUpdate": {"maxSurge": 1}}), pvcs.clone(), 1);
        check(json!({"type": "Recreate"}), pvcs, 0);
        let databases =
            json!({"onlineStore": database("redis"), "registry": {"local": database("sql")}});
        check(rolling, databases, 0);
    }

    #[test]
    fn a_class_is_a_file_unless_it_is_declared_as_shared() {
        let services = |shared: Option<bool>| {
            let mut store =
                json!({"type": "ours.stores.OurOnlineStore", "secretRef": {"name": "s"}});
            if let Some(shared) = shared {
                store["shared"] = json!(shared);
            }
            json!({
                "scaling": {"replicas": 2},
                "onlineStore": {"persistence": {"store": store}},
                "registry": {"local": database("sql")},
            })
        };
        check_scaling(services(Some(true)), &[]);
        for shared in [None, Some(false)] {
            check_scaling(
                services(shared),
                &["services.online_store.persistence.store.type"],
            );
        }
    }

    #[test]
    fn a_disabled_online_store_needs_no_database() {
        check_scaling(
            json!({
                "scaling": {"replicas": 3},
                "onlineStore": {"disabled": true},
                "registry": {"local": {"server": {}, "persistence": database("sql")["persistence"]}},
            }),
            &[],
        );
    }
}
