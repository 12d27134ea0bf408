//! The settings of the pods, except for their containers.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, EphemeralVolumeSource, PersistentVolumeClaimTemplate, PodResourceClaim,
    PodSecurityContext, Toleration, TopologySpreadConstraint, Volume,
};

use super::Store;
use crate::feast::config;

/// The group that owns the volumes of claims by default: the number of the user in Feast's image. Any user can write, because
/// the group is added to the groups of the container's process.
const VOLUME_GROUP: i64 = 1001;

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
    /// `None` if not configured.
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
            security_context: services.security_context,
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

impl Store {
    /// Returns whether the servers' pods have the default group, because they mount claims and the configuration has no
    /// security context. A new volume belongs to root, and the user of the image could not write to it.
    pub fn has_default_group(&self) -> bool {
        self.pods.security_context.is_none() && !self.claims().is_empty()
    }

    /// Returns the security context of the servers' pods.
    pub fn security_context(&self) -> Option<PodSecurityContext> {
        match self.has_default_group() {
            true => Some(PodSecurityContext {
                fs_group: Some(VOLUME_GROUP),
                // Otherwise, each start of a pod would change every file of the volume.
                fs_group_change_policy: Some("OnRootMismatch".to_owned()),
                ..PodSecurityContext::default()
            }),
            false => self.written_security_context(),
        }
    }

    /// Returns the security context in the configuration; `None` for an empty one.
    pub fn written_security_context(&self) -> Option<PodSecurityContext> {
        let written = self.pods.security_context.clone();
        written.filter(|it| *it != PodSecurityContext::default())
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

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::feast::spec::Defaults;

    fn security_context(services: Json) -> Option<Json> {
        let store = json!({"name": "x", "feastProject": "p", "services": services});
        let store = serde_json::from_value(store).expect("a feature store");
        let context = Store::new(&store, &Defaults::default()).security_context();
        context.map(|it| serde_json::to_value(it).expect("JSON"))
    }

    #[test]
    fn claims_have_a_group_unless_a_security_context_is_written() {
        let services = |context: Json| {
            let pvc = json!({"ref": {"name": "c"}, "mountPath": "/data"});
            let file = json!({"path": "o.db", "pvc": pvc});
            json!({"securityContext": context, "onlineStore": {"persistence": {"file": file}}})
        };
        let group = json!({"fsGroup": 1001, "fsGroupChangePolicy": "OnRootMismatch"});
        assert_eq!(security_context(services(Json::Null)), Some(group));
        assert_eq!(security_context(services(json!({}))), None);
        let written = json!({"runAsUser": 5});
        assert_eq!(
            security_context(services(written.clone())),
            Some(written.clone())
        );
        assert_eq!(security_context(json!({})), None);
        let without_claims = json!({"securityContext": written.clone()});
        assert_eq!(security_context(without_claims), Some(written));
    }
}
