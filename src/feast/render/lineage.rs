//! The Deployment of the lineage server, which has the settings of the other pods, but its own containers.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::api::core::v1::{
    Affinity, Container, ContainerPort, PodResourceClaim, PodSpec, Probe, Volume,
};
use serde_json::Value as Json;

use super::containers::StopSignal;
use super::probes::Health;
use super::{
    containers, databases, deployment, feature_store_yaml, metadata, non_empty_list, non_empty_map,
    object, pods, tls, volumes,
};
use crate::feast::names::{self, Endpoint, ServerKind};
use crate::feast::rendered::WorkloadInputs;
use crate::feast::spec::{LineageServer, Server, Store, Termination};
use crate::kubernetes::{Key, Kind};

pub(super) fn render(store: &Store) -> Option<(Key, Json)> {
    let lineage = store.lineage.as_ref()?;
    let labels = metadata::lineage_selector(store);
    Some(object(
        Kind::Deployment,
        &Deployment {
            metadata: metadata::object(
                store,
                names::lineage(&store.name),
                Some(ServerKind::Lineage.as_str()),
            ),
            spec: DeploymentSpec {
                replicas: Some(lineage.replicas),
                selector: metadata::label_selector(labels.clone()),
                template: pods::template(
                    store,
                    labels,
                    &BTreeMap::new(),
                    &store.pods.annotations,
                    pod(store, lineage),
                ),
                ..DeploymentSpec::default()
            },
            ..Deployment::default()
        },
    ))
}

/// Returns what its pods need from the user's Secrets.
pub(super) fn content(store: &Store) -> Option<WorkloadInputs> {
    let lineage = store.lineage.as_ref()?;
    let document = feature_store_yaml::lineage(store);
    let certificate = lineage.common.tls.iter();
    let certificate =
        certificate.flat_map(|certificate| tls::mounted(ServerKind::Lineage, certificate));
    Some(WorkloadInputs {
        deployment: names::lineage(&store.name),
        file: names::LINEAGE_YAML,
        databases: databases::of_lineage(&document),
        document,
        mounted_files: certificate.collect(),
    })
}

fn pod(store: &Store, lineage: &LineageServer) -> PodSpec {
    let LineageServer {
        common,
        replicas,
        termination,
    } = lineage;
    let labels = metadata::lineage_selector(store);
    let scaled = *replicas > 1;
    let affinity = Affinity {
        node_affinity: deployment::node_affinity(store),
        pod_anti_affinity: scaled.then(|| deployment::one_host_each(labels.clone())),
        pod_affinity: None,
    };
    PodSpec {
        affinity: Some(affinity).filter(|it| *it != Affinity::default()),
        topology_spread_constraints: scaled.then(|| vec![deployment::over_zones(labels)]),
        image_pull_secrets: deployment::image_pull_secrets(store),
        node_selector: non_empty_map(&common.node_selector),
        resource_claims: non_empty_list(&resource_claims(store, common)),
        // It mounts no PVCs of the stores.
        security_context: Some(store.pods.security_context()),
        // It does not call the Kubernetes API.
        automount_service_account_token: Some(false),
        containers: vec![container(store, common, *termination)],
        service_account_name: Some(names::main(&store.name)),
        termination_grace_period_seconds: termination.grace_period_seconds.map(i64::from),
        volumes: Some(of_the_pod(store, common)),
        ..PodSpec::default()
    }
}

/// Returns only the user's volumes that it mounts: a PVC that only one node can use could prevent pods from starting.
fn of_the_pod(store: &Store, server: &Server) -> Vec<Volume> {
    let certificate = server.tls.as_ref();
    let mounts = &server.volume_mounts;
    let users = store.pods.volumes.iter();
    let mounted = users.filter(|volume| mounts.iter().any(|mount| mount.name == volume.name));
    let mut all = vec![volumes::configuration(store, names::LINEAGE_YAML)];
    all.extend(certificate.map(|certificate| tls::volume(ServerKind::Lineage, certificate)));
    all.extend(mounted.cloned());
    all
}

/// Returns only the resource claims that it uses: its pods would wait for devices of the others.
fn resource_claims(store: &Store, server: &Server) -> Vec<PodResourceClaim> {
    let used = server.resources.iter().flat_map(|it| &it.claims).flatten();
    let used: Vec<&str> = used.map(|claim| claim.name.as_str()).collect();
    let all = store.pods.resource_claims.iter();
    all.filter(|claim| used.contains(&claim.name.as_str()))
        .cloned()
        .collect()
}

fn container(store: &Store, server: &Server, termination: Termination) -> Container {
    let certificate = server.tls.as_ref();
    let port = Endpoint::Lineage.target_port(certificate.is_some());
    let mut mounts = vec![volumes::configuration_mount()];
    mounts.extend(certificate.map(|_| tls::mount(ServerKind::Lineage)));
    let mut settings = containers::settings(ServerKind::Lineage, server, mounts);
    let host = containers::host(store, server, Endpoint::Lineage);
    let command = settings.command.get_or_insert_default();
    command.extend(["serve_lineage", "-h", host].map(str::to_owned));
    let mut arguments = tls::arguments(ServerKind::Lineage, certificate);
    arguments.extend(["-p".to_owned(), port.to_string()]);
    Container {
        args: Some(arguments),
        env: Some(containers::with_configuration(&server.env)),
        ports: Some(vec![ContainerPort {
            name: Some(names::SERVICE_PORT_NAME.to_owned()),
            container_port: port,
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        lifecycle: containers::lifecycle(termination, StopSignal::Terminate),
        readiness_probe: Some(Probe {
            initial_delay_seconds: Some(10),
            period_seconds: Some(10),
            ..Health::Tcp.probe(&[port], certificate.is_some())
        }),
        ..settings
    }
}
