//! The security context of a container (`SecurityContext`).

use k8s_openapi::api::core::v1::{Capabilities, PodSecurityContext, SecurityContext};

use super::{Violation, pod, supported};
use crate::schema::Path;

/// The only value of `procMount` for a pod in the user namespace of its node.
const PROC_MOUNTS: [&str; 1] = ["Default"];

pub fn security_context(context: &SecurityContext) -> Vec<Violation> {
    let SecurityContext {
        allow_privilege_escalation,
        app_armor_profile,
        capabilities,
        privileged,
        proc_mount,
        read_only_root_filesystem: _,
        run_as_group,
        run_as_non_root,
        run_as_user,
        se_linux_options,
        seccomp_profile,
        windows_options,
    } = context.clone();
    // These fields are the same as those of a pod.
    let mut violations = pod::security_context(&PodSecurityContext {
        app_armor_profile,
        run_as_group,
        run_as_non_root,
        run_as_user,
        se_linux_options,
        seccomp_profile,
        windows_options,
        ..PodSecurityContext::default()
    });
    let proc_mount = proc_mount.as_deref();
    violations
        .extend(proc_mount.and_then(|it| supported(Path::of("proc_mount"), it, &PROC_MOUNTS)));
    let Capabilities { add, drop: _ } = capabilities.unwrap_or_default();
    let admin = (add.iter().flatten()).position(|it| it == "CAP_SYS_ADMIN");
    let admin = admin.map(|index| Path::of("capabilities.add").index(index));
    let privileged = (privileged == Some(true)).then(|| Path::of("privileged"));
    if allow_privilege_escalation == Some(false)
        && let Some(path) = privileged.or(admin)
    {
        let escalation = Path::of("allow_privilege_escalation");
        violations.push(Violation::new(
            escalation.clone(),
            [escalation, path.clone()],
            format!("`allow_privilege_escalation = false` conflicts with `{path}`"),
            format!("Such a container has every privilege. Remove `{path}`, or this setting."),
        ));
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubernetes::validation::testing::check;

    #[test]
    fn privileges_conflict_with_escalation() {
        let valid = json!({
            "allowPrivilegeEscalation": false,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
            "procMount": "Default",
            "readOnlyRootFilesystem": true,
        });
        check(&valid, security_context, &[]);
        check(&json!({"privileged": true}), security_context, &[]);
        check(
            &json!({"allowPrivilegeEscalation": false, "privileged": true}),
            security_context,
            &[(
                "allow_privilege_escalation",
                "`allow_privilege_escalation = false` conflicts with `privileged`",
            )],
        );
        let add = json!(["NET_RAW", "CAP_SYS_ADMIN"]);
        check(
            &json!({"allowPrivilegeEscalation": false, "capabilities": {"add": add}}),
            security_context,
            &[(
                "allow_privilege_escalation",
                "`allow_privilege_escalation = false` conflicts with `capabilities.add[1]`",
            )],
        );
    }

    #[test]
    fn rejects_values_that_the_api_server_rejects() {
        let invalid = json!({
            "runAsUser": -1,
            "seccompProfile": {"type": "Localhost"},
            "procMount": "Unmasked",
        });
        check(
            &invalid,
            security_context,
            &[
                ("run_as_user", "`run_as_user` must be a valid UID"),
                (
                    "seccomp_profile.localhost_profile",
                    "`localhost_profile` must be set if, and only if, the type is `Localhost`",
                ),
                ("proc_mount", "Unsupported value \"Unmasked\""),
            ],
        );
    }
}
