//! Renders the Kubernetes objects of a [`Store`]. It cannot fail.
//!
//! There is a file for each kind of object, and files for the parts of pods. Built-in kinds are types of `k8s-openapi`;
//! ScaledObject, Route and ServiceMonitor are JSON. Each has only the fields that this provider owns, as server-side
//! apply requires.

mod autoscaler;
mod command_job;
mod config_map;
mod containers;
mod cron_job;
mod databases;
mod deployment;
#[cfg(test)]
mod diff_properties;
mod disruption_budget;
mod feast_apply_job;
mod feature_store_yaml;
mod git_ca;
mod initialization;
mod keda;
mod lineage;
mod metadata;
mod network_policy;
mod pods;
mod probes;
mod pvcs;
mod rbac;
mod references;
mod repository;
mod routes;
mod secret;
mod service_account;
mod service_monitor;
mod services;
mod ssh;
mod tls;
mod volumes;

pub use command_job::{CommandJob, NoPod};
pub(super) use repository::without_git_settings;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;

use super::objects::Objects;
use super::rendered::{Rendered, StoreInputs, WorkloadInputs};
use super::spec::Store;
use crate::kubernetes::{Key, Kind};

/// Returns every object of the feature store, with placeholders for the content of Secrets.
pub fn render(store: &Store) -> Objects<Rendered> {
    let inputs = inputs(store);
    let mut manifests = BTreeMap::from([
        secret::render(store, inputs.workloads()),
        config_map::render(store),
        deployment::render(store),
    ]);
    manifests.extend(service_account::render(store));
    manifests.extend(rbac::render(store));
    manifests.extend(pvcs::render(store));
    manifests.extend(config_map::service_ca(store));
    manifests.extend(services::render(store));
    manifests.extend(routes::render(store));
    manifests.extend(service_monitor::render(store));
    manifests.extend(lineage::render(store));
    manifests.extend(autoscaler::render(store));
    manifests.extend(keda::render(store));
    manifests.extend(disruption_budget::render(store));
    manifests.extend(network_policy::render(store));
    manifests.extend(cron_job::render(store));
    Objects {
        namespace: store.namespace.clone(),
        manifests,
        phase: Rendered { inputs },
    }
}

/// Returns the parts of the objects that the content of Secrets completes, without rendering the other objects.
pub fn inputs(store: &Store) -> StoreInputs {
    let document = feature_store_yaml::servers(store);
    StoreInputs {
        servers: WorkloadInputs {
            deployment: super::names::main(&store.name),
            file: super::names::FEATURE_STORE_YAML,
            databases: databases::of_servers(store, &document),
            document,
            mounted_files: [tls::files(store), ssh::files(store), git_ca::files(store)].concat(),
        },
        lineage: lineage::content(store),
        feast_apply_job: feast_apply_job::render(store),
    }
}

/// Returns the value of an optional field, which is unset instead of empty.
fn non_empty_list<T: Clone>(items: &[T]) -> Option<Vec<T>> {
    (!items.is_empty()).then(|| items.to_vec())
}

fn non_empty_map(map: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!map.is_empty()).then(|| map.clone())
}

/// Returns the manifest of an object, with its key. `k8s-openapi` omits unset fields, so the manifest has only the
/// fields that the provider owns.
fn object<T: Serialize>(kind: Kind, object: &T) -> (Key, Json) {
    let manifest = manifest(object);
    let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
    (Key::new(kind, name), manifest)
}

fn manifest<T: Serialize>(object: &T) -> Json {
    // Serializing these types cannot fail: they are plain data with string keys.
    serde_json::to_value(object).unwrap_or_default()
}
