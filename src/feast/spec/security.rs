//! The security contexts of pods and containers. Fields that the configuration does not set have the values that the
//! Pod Security level `restricted` requires, because Feast needs no more.

use k8s_openapi::api::core::v1::{
    Capabilities, PodSecurityContext, SeccompProfile, SecurityContext,
};

use super::{Pods, Store};

/// The group that owns the volumes of PVCs by default: the number of the user in Feast's image. Any user can write,
/// because the group is added to the groups of the container's process.
const VOLUME_GROUP: i64 = 1001;
/// The user of the CronJob's pods: that of its default image is root.
const CRON_JOB_USER: i64 = 1001;
/// The capability that contradicts `allowPrivilegeEscalation: false`.
const CAP_SYS_ADMIN: &str = "CAP_SYS_ADMIN";

impl Store {
    /// Returns whether the servers' pods have the default group, because they mount PVCs, the configuration has no
    /// security context, and OpenShift does not assign a group. A new volume belongs to root, and the user of the image
    /// could not write to it.
    pub fn has_default_group(&self) -> bool {
        let is_configured = self.pods.security_context.is_some();
        !is_configured && !self.pods.assigned_ids && !self.pvcs().is_empty()
    }

    /// Returns whether the pods of the CronJob have the default user, because neither the configuration nor OpenShift
    /// sets one.
    pub fn has_default_cron_job_user(&self) -> bool {
        // The user of the containers takes precedence.
        let is_configured = self.pods.container_security_context.run_as_user.is_some();
        !is_configured && !self.pods.assigned_ids && self.cron_job.is_some()
    }

    /// Returns the security context of the servers' pods.
    pub fn security_context(&self) -> PodSecurityContext {
        let mut context = self.pods.security_context();
        if self.has_default_group() {
            context.fs_group = Some(VOLUME_GROUP);
            // Otherwise, each start of a pod would change every file of the volume.
            context.fs_group_change_policy = Some("OnRootMismatch".to_owned());
        }
        context
    }
}

impl Pods {
    /// Returns the security context of pods without PVCs.
    pub fn security_context(&self) -> PodSecurityContext {
        restricted(
            self.security_context.clone().unwrap_or_default(),
            &self.container_security_context,
        )
    }

    /// Returns the security context of the CronJob's pods, which run another image.
    pub fn cron_job_security_context(&self) -> PodSecurityContext {
        let context = PodSecurityContext {
            run_as_user: (!self.assigned_ids).then_some(CRON_JOB_USER),
            ..PodSecurityContext::default()
        };
        restricted(context, &self.container_security_context)
    }

    /// Returns whether the containers can write only to volumes.
    pub fn has_read_only_root(&self) -> bool {
        self.container_security_context.read_only_root_filesystem == Some(true)
    }
}

/// Adds the defaults. `container` is the security context of the pod's containers, which takes precedence.
fn restricted(configured: PodSecurityContext, container: &SecurityContext) -> PodSecurityContext {
    let is_root = container.run_as_user.or(configured.run_as_user) == Some(0);
    PodSecurityContext {
        run_as_non_root: (configured.run_as_non_root).or((!is_root).then_some(true)),
        seccomp_profile: (configured.seccomp_profile).or_else(|| {
            Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                ..SeccompProfile::default()
            })
        }),
        ..configured
    }
}

/// Returns the security context of every container.
pub(super) fn container(configured: Option<&SecurityContext>) -> SecurityContext {
    let configured = configured.cloned().unwrap_or_default();
    let Capabilities { add, drop } = configured.capabilities.unwrap_or_default();
    let is_admin = (add.iter().flatten()).any(|capability| capability == CAP_SYS_ADMIN);
    // The API server rejects `false` for these.
    let escalates = configured.privileged == Some(true) || is_admin;
    SecurityContext {
        allow_privilege_escalation: (configured.allow_privilege_escalation)
            .or((!escalates).then_some(false)),
        capabilities: Some(Capabilities {
            add,
            drop: drop.or_else(|| Some(vec!["ALL".to_owned()])),
        }),
        ..configured
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::feast::spec::Defaults;

    fn store(services: Json) -> Store {
        let store = json!({"name": "x", "feastProject": "p", "services": services});
        let store = serde_json::from_value(store).expect("a feature store");
        Store::new(&store, &Defaults::default())
    }

    fn pod(services: Json) -> Json {
        json!(store(services).security_context())
    }

    fn containers(configured: Json) -> Json {
        let store = store(json!({"containerSecurityContext": configured}));
        json!(store.pods.container_security_context)
    }

    #[test]
    fn pods_meet_the_level_restricted_by_default() {
        let profile = json!({"type": "RuntimeDefault"});
        let restricted = json!({"runAsNonRoot": true, "seccompProfile": profile});
        assert_eq!(pod(json!({})), restricted);
        assert_eq!(pod(json!({"securityContext": {}})), restricted);
        let configured = json!({"runAsUser": 5, "fsGroup": 6});
        assert_eq!(
            pod(json!({"securityContext": configured})),
            json!({"runAsNonRoot": true, "runAsUser": 5, "fsGroup": 6, "seccompProfile": profile})
        );
        let configured = json!({"runAsNonRoot": false, "seccompProfile": {"type": "Unconfined"}});
        assert_eq!(pod(json!({"securityContext": configured})), configured);
    }

    #[test]
    fn root_does_not_contradict_the_default() {
        let profile = json!({"type": "RuntimeDefault"});
        assert_eq!(
            pod(json!({"securityContext": {"runAsUser": 0}})),
            json!({"runAsUser": 0, "seccompProfile": profile})
        );
        let services = json!({"containerSecurityContext": {"runAsUser": 0}});
        assert_eq!(pod(services.clone()), json!({"seccompProfile": profile}));
        assert_eq!(
            json!(store(services).pods.cron_job_security_context()),
            json!({"runAsUser": 1001, "seccompProfile": profile})
        );
        let services = json!({
            "securityContext": {"runAsUser": 0},
            "containerSecurityContext": {"runAsUser": 5},
        });
        assert_eq!(
            pod(services),
            json!({"runAsNonRoot": true, "runAsUser": 0, "seccompProfile": profile})
        );
        // The security context of the pods is not that of the CronJob.
        let services = json!({"openshift": {}, "securityContext": {"runAsUser": 5}});
        assert_eq!(
            json!(store(services).pods.cron_job_security_context()),
            json!({"runAsNonRoot": true, "seccompProfile": profile})
        );
    }

    #[test]
    fn pvcs_have_a_group_unless_a_security_context_is_configured() {
        let services = |context: Json| {
            let pvc = json!({"ref": {"name": "c"}, "mountPath": "/data"});
            let file = json!({"path": "o.db", "pvc": pvc});
            json!({"securityContext": context, "onlineStore": {"persistence": {"file": file}}})
        };
        let group = |context: Json| {
            let context = pod(services(context));
            [
                context["fsGroup"].clone(),
                context["fsGroupChangePolicy"].clone(),
            ]
        };
        assert_eq!(group(Json::Null), [json!(1001), json!("OnRootMismatch")]);
        assert_eq!(group(json!({})), [Json::Null, Json::Null]);
        assert_eq!(group(json!({"fsGroup": 5})), [json!(5), Json::Null]);
        assert_eq!(pod(json!({}))["fsGroup"], Json::Null);
        let mut openshift = services(Json::Null);
        openshift["openshift"] = json!({});
        assert_eq!(pod(openshift)["fsGroup"], Json::Null);
    }

    #[test]
    fn containers_have_no_capabilities_by_default() {
        let dropped = json!({"drop": ["ALL"]});
        for (configured, expected) in [
            (
                json!({}),
                json!({"allowPrivilegeEscalation": false, "capabilities": dropped}),
            ),
            (
                json!({"readOnlyRootFilesystem": true, "capabilities": {"add": ["NET_BIND_SERVICE"]}}),
                json!({
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
                    "readOnlyRootFilesystem": true,
                }),
            ),
            (
                json!({"allowPrivilegeEscalation": true, "capabilities": {"drop": []}}),
                json!({"allowPrivilegeEscalation": true, "capabilities": {"drop": []}}),
            ),
            (
                json!({"privileged": true}),
                json!({"capabilities": dropped, "privileged": true}),
            ),
            (
                json!({"capabilities": {"add": ["CAP_SYS_ADMIN"]}}),
                json!({"capabilities": {"add": ["CAP_SYS_ADMIN"], "drop": ["ALL"]}}),
            ),
        ] {
            assert_eq!(containers(configured.clone()), expected, "{configured}");
        }
    }
}
