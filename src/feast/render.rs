//! Renders the Kubernetes objects of a [`Store`]. It cannot fail.
//!
//! There is one file for each kind. Each builds types of `k8s-openapi` with only the fields that this provider owns, as
//! server-side apply requires.

mod apply_job;
mod autoscaler;
mod claims;
mod config_map;
mod containers;
mod cron_job;
mod databases;
mod deployment;
mod disruption_budget;
mod feature_store_yaml;
mod initialization;
mod keda;
mod lineage;
mod metadata;
mod rbac;
mod references;
mod repository;
mod secret;
mod service_account;
mod services;
mod ssh;
mod tls;
mod volumes;

pub(super) use repository::without_git_settings;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;

use super::objects::Objects;
use super::rendered::{Rendered, Workload};
use super::spec::Store;
use crate::kubernetes::{Key, Kind};

/// Returns every object of the feature store, with placeholders for the content of Secrets.
pub fn render(store: &Store) -> Objects<Rendered> {
    let document = feature_store_yaml::servers(store);
    let servers = Workload {
        deployment: super::names::main(&store.name),
        file: super::names::FEATURE_STORE_YAML,
        databases: databases::of_servers(store, &document),
        document,
        mounted: [tls::files(store), ssh::files(store)].concat(),
    };
    let lineage = lineage::workload(store);
    let mut manifests = BTreeMap::new();
    let mut add = |kind: Kind, name: String, manifest: Json| {
        manifests.insert(Key { kind, name }, manifest);
    };
    let main = super::names::main(&store.name);
    for (name, account) in service_account::render(store) {
        add(Kind::ServiceAccount, name, account);
    }
    for (kind, name, object) in rbac::render(store) {
        add(kind, name, object);
    }
    let secret = secret::render(store, [&servers].into_iter().chain(&lineage));
    add(Kind::Secret, main.clone(), secret);
    add(
        Kind::ConfigMap,
        super::names::client(&store.name),
        config_map::render(store),
    );
    for (name, claim) in claims::render(store) {
        add(Kind::PersistentVolumeClaim, name, claim);
    }
    for (name, service) in services::render(store) {
        add(Kind::Service, name, service);
    }
    add(Kind::Deployment, main.clone(), deployment::render(store));
    if let Some(deployment) = lineage::render(store) {
        add(
            Kind::Deployment,
            super::names::lineage(&store.name),
            deployment,
        );
    }
    if let Some(autoscaler) = autoscaler::render(store) {
        add(Kind::HorizontalPodAutoscaler, main.clone(), autoscaler);
    }
    if let Some(scaled_object) = keda::render(store) {
        add(Kind::ScaledObject, main.clone(), scaled_object);
    }
    if let Some(budget) = disruption_budget::render(store) {
        add(Kind::PodDisruptionBudget, main, budget);
    }
    manifests.extend(cron_job::render(store));
    Objects {
        namespace: store.namespace.clone(),
        manifests,
        phase: Rendered {
            servers,
            lineage,
            apply: apply_job::render(store),
        },
    }
}

/// Returns the manifest as JSON. `k8s-openapi` omits unset fields, so it has only the fields that the provider owns.
fn manifest<T: Serialize>(object: &T) -> Json {
    // Serializing these types cannot fail: they are plain data with string keys.
    serde_json::to_value(object).unwrap_or_default()
}
