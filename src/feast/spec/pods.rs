//! The settings of the pods, except for their containers.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, EphemeralVolumeSource, PersistentVolumeClaimTemplate, PodResourceClaim,
    PodSecurityContext, ResourceRequirements, SecurityContext, Toleration,
    TopologySpreadConstraint, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::security;
use crate::feast::config;

/// The settings under `services` that become fields of pod templates.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pods {
    /// The user's volumes.
    pub volumes: Vec<Volume>,
    /// The merged selectors of the feature store and of each server.
    pub node_selector: BTreeMap<String, String>,
    pub tolerations: Vec<Toleration>,
    /// `None` if not configured.
    pub affinity: Option<Affinity>,
    /// `None` for the default class of the cluster.
    pub priority_class_name: Option<String>,
    /// `None` for the default runtime of the nodes.
    pub runtime_class_name: Option<String>,
    /// `None` if not configured.
    pub topology_spread: Option<Vec<TopologySpreadConstraint>>,
    /// As configured, without defaults; `None` if not configured.
    pub security_context: Option<PodSecurityContext>,
    /// True if OpenShift assigns users and groups to the pods.
    pub assigned_ids: bool,
    /// That of every container.
    pub container_security_context: SecurityContext,
    /// As configured, without defaults; `None` if not configured.
    pub init_resources: Option<ResourceRequirements>,
    /// The labels of every pod, in addition to those of the provider.
    pub labels: BTreeMap<String, String>,
    /// The annotations of the servers' pods.
    pub annotations: BTreeMap<String, String>,
    /// The labels and annotations of the `feast apply` Job's pods alone.
    pub feast_apply_job_labels: BTreeMap<String, String>,
    pub feast_apply_job_annotations: BTreeMap<String, String>,
    /// True if containers have variables with the addresses of Services.
    pub service_links: bool,
    pub resource_claims: Vec<PodResourceClaim>,
    /// True if the pods have the token of their ServiceAccount; `None` if not configured.
    pub automount_token: Option<bool>,
    /// The names of the Secrets.
    pub image_pull_secrets: Vec<String>,
}

impl Pods {
    /// Returns the settings without the node selectors of the servers.
    pub(super) fn new(services: &config::Services) -> Self {
        let services = services.clone();
        let config::FeastApplyJob {
            pod_labels: apply_labels,
            pod_annotations: apply_annotations,
        } = services.feast_apply_job.unwrap_or_default();
        let container = services.container_security_context.as_ref();
        Self {
            container_security_context: security::container(container),
            volumes: services
                .volumes
                .unwrap_or_default()
                .into_iter()
                .map(kubernetes_volume)
                .collect(),
            node_selector: services.node_selector.unwrap_or_default(),
            tolerations: services.tolerations.unwrap_or_default(),
            affinity: services.affinity,
            priority_class_name: services.priority_class_name,
            runtime_class_name: services.runtime_class_name,
            topology_spread: services.topology_spread_constraints,
            security_context: services.security_context,
            assigned_ids: services.openshift.is_some(),
            init_resources: services.init_resources,
            labels: services.pod_labels.unwrap_or_default(),
            annotations: services.pod_annotations.unwrap_or_default(),
            feast_apply_job_labels: apply_labels.unwrap_or_default(),
            feast_apply_job_annotations: apply_annotations.unwrap_or_default(),
            service_links: services.enable_service_links.unwrap_or(false),
            resource_claims: services.resource_claims.unwrap_or_default(),
            automount_token: services.automount_service_account_token,
            image_pull_secrets: services
                .image_pull_secrets
                .unwrap_or_default()
                .into_iter()
                .map(|secret| secret.name)
                .collect(),
        }
    }
}

/// Returns the volume as Kubernetes has it.
pub fn kubernetes_volume(volume: config::Volume) -> Volume {
    let config::Volume {
        name,
        config_map,
        secret,
        empty_dir,
        persistent_volume_claim,
        projected,
        downward_api,
        csi,
        ephemeral,
        nfs,
        host_path,
        image,
        iscsi,
        fc,
    } = volume;
    Volume {
        name,
        config_map,
        secret,
        empty_dir,
        persistent_volume_claim,
        projected,
        downward_api,
        csi,
        ephemeral: ephemeral.map(|ephemeral| EphemeralVolumeSource {
            volume_claim_template: Some(PersistentVolumeClaimTemplate {
                metadata: (ephemeral.volume_claim_template.metadata).map(|metadata| {
                    let config::PersistentVolumeClaimTemplateMetadata {
                        labels,
                        annotations,
                    } = metadata;
                    ObjectMeta {
                        labels,
                        annotations,
                        ..ObjectMeta::default()
                    }
                }),
                spec: ephemeral.volume_claim_template.spec,
            }),
        }),
        iscsi,
        fc,
        nfs,
        host_path,
        image,
        ..Volume::default()
    }
}
