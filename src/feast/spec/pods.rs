//! The settings of the pods, except for their containers.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, EphemeralVolumeSource, PersistentVolumeClaimTemplate, PodResourceClaim,
    PodSecurityContext, Toleration, TopologySpreadConstraint, Volume,
};

use crate::feast::config;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pods {
    /// The user's volumes.
    pub volumes: Vec<Volume>,
    /// The merged selectors of the feature store and of each server.
    pub node_selector: BTreeMap<String, String>,
    pub tolerations: Vec<Toleration>,
    /// `None` if not configured.
    pub affinity: Option<Affinity>,
    /// `None` if not configured.
    pub topology_spread: Option<Vec<TopologySpreadConstraint>>,
    pub security_context: Option<PodSecurityContext>,
    pub annotations: BTreeMap<String, String>,
    pub resource_claims: Vec<PodResourceClaim>,
    /// Whether the pods have the token of their ServiceAccount; `None` if not configured.
    pub automount_token: Option<bool>,
    /// The names of the Secrets.
    pub image_pull_secrets: Vec<String>,
}

impl Pods {
    /// Returns the settings without the node selectors of the servers.
    pub(super) fn new(services: &config::Services) -> Self {
        let services = services.clone();
        Self {
            volumes: services
                .volumes
                .unwrap_or_default()
                .into_iter()
                .map(kubernetes_volume)
                .collect(),
            node_selector: services.node_selector.unwrap_or_default(),
            tolerations: services.tolerations.unwrap_or_default(),
            affinity: services.affinity,
            topology_spread: services.topology_spread_constraints,
            security_context: (services.security_context)
                .filter(|it| *it != PodSecurityContext::default()),
            annotations: services.pod_annotations.unwrap_or_default(),
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
                metadata: None,
                spec: ephemeral.volume_claim_template.spec,
            }),
        }),
        nfs,
        host_path,
        image,
        ..Volume::default()
    }
}
