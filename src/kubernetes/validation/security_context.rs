//! The security contexts of pods and containers (`PodSecurityContext`, `SecurityContext`).

use k8s_openapi::api::core::v1::{Capabilities, PodSecurityContext, SecurityContext};

use super::metadata::DNS_SUBDOMAIN_LENGTH;
use super::{Violation, below, file_path, supported, unique, windows};
use crate::schema::Path;

/// In bytes.
const MAX_APP_ARMOR_PROFILE: usize = 4095;

/// The only value of `procMount` for a pod in the user namespace of its node.
const PROC_MOUNTS: [&str; 1] = ["Default"];

/// Validates the security context of a pod.
pub fn pod(context: &PodSecurityContext) -> Vec<Violation> {
    let mut violations = identities(context);
    if let Some(profile) = &context.seccomp_profile {
        let file = profile.localhost_profile.as_deref();
        violations.extend(self::profile("seccomp_profile", &profile.type_, file));
        let path = Path::of("seccomp_profile.localhost_profile");
        violations.extend(file.and_then(|file| file_path::descending(path, file)));
    }
    if let Some(profile) = &context.app_armor_profile {
        let name = profile.localhost_profile.as_deref();
        violations.extend(self::profile("app_armor_profile", &profile.type_, name));
        violations.extend(name.and_then(app_armor_profile));
    }
    let enums = [
        (
            "fs_group_change_policy",
            &context.fs_group_change_policy,
            ["OnRootMismatch", "Always"],
        ),
        (
            "supplemental_groups_policy",
            &context.supplemental_groups_policy,
            ["Merge", "Strict"],
        ),
        (
            "se_linux_change_policy",
            &context.se_linux_change_policy,
            ["MountOption", "Recursive"],
        ),
    ];
    for (name, value, values) in enums {
        let value = value.as_deref();
        violations.extend(value.and_then(|value| supported(Path::of(name), value, &values)));
    }
    let sysctls = context.sysctls.iter().flatten();
    let names = sysctls.map(|sysctl| Some(sysctl.name.as_str()));
    violations.extend(unique(&Path::of("sysctls"), "name", "sysctl", names));
    let sysctls = context.sysctls.as_deref().unwrap_or_default();
    for (index, it) in sysctls.iter().enumerate() {
        let path = Path::of("sysctls").index(index).attribute("name");
        violations.extend(sysctl(path, &it.name));
    }
    if let Some(options) = &context.windows_options {
        let path = Path::of("windows_options");
        violations.extend(below(&path, windows::options(options)));
    }
    violations
}

/// Validates the security context of a container.
pub fn container(context: &SecurityContext) -> Vec<Violation> {
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
    let mut violations = pod(&PodSecurityContext {
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

/// Validates the type of a profile, and that only the type `Localhost` has a profile.
fn profile(name: &str, type_: &str, localhost_profile: Option<&str>) -> Option<Violation> {
    let type_path = Path::of(name).attribute("type");
    let file_path = Path::of(name).attribute("localhost_profile");
    let types = ["RuntimeDefault", "Localhost", "Unconfined"];
    supported(type_path.clone(), type_, &types).or_else(|| {
        ((type_ == "Localhost") != localhost_profile.is_some()).then(|| {
            Violation::new(
                file_path.clone(),
                [type_path, file_path],
                "`localhost_profile` must be set if, and only if, the type is `Localhost`",
                "Set both `type = \"Localhost\"` and `localhost_profile`, or neither.",
            )
        })
    })
}

fn app_armor_profile(name: &str) -> Option<Violation> {
    let is_valid = (1..=MAX_APP_ARMOR_PROFILE).contains(&name.len()) && name.trim() == name;
    (!is_valid).then(|| {
        Violation::at(
            Path::of("app_armor_profile.localhost_profile"),
            format!("{name:?} is not a valid name of a profile"),
            format!("Set at most {MAX_APP_ARMOR_PROFILE} characters, without blanks at the ends."),
        )
    })
}

/// Validates the name of a sysctl (`IsValidSysctlName`).
fn sysctl(path: Path, name: &str) -> Option<Violation> {
    let is_end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_segment = |segment: &str| {
        segment.chars().all(|c| is_end(c) || "-_".contains(c))
            && segment.starts_with(is_end)
            && segment.ends_with(is_end)
    };
    let is_valid = name.len() <= DNS_SUBDOMAIN_LENGTH && name.split(['.', '/']).all(is_segment);
    (!is_valid).then(|| {
        Violation::at(
            path,
            format!("{name:?} is not a valid name of a sysctl"),
            format!(
                "A name has at most {DNS_SUBDOMAIN_LENGTH} characters, such as `net.core.somaxconn`: lower-case \
                 letters, digits, `-` and `_`, in parts with a dot or slash between them."
            ),
        )
    })
}

/// Returns a violation unless an optional number is a valid UID.
pub fn user_id(path: Path, id: Option<i64>) -> Option<Violation> {
    let id = id.filter(|id| !is_id(*id))?;
    Some(Violation::at(
        path,
        format!("{id} is not a valid UID"),
        format!("Set a number from 0 to {}.", i32::MAX),
    ))
}

/// Returns whether a number can be a UID or GID.
fn is_id(id: i64) -> bool {
    (0..=i64::from(i32::MAX)).contains(&id)
}

fn identities(context: &PodSecurityContext) -> Vec<Violation> {
    let ids = [
        ("run_as_user", context.run_as_user, "UID"),
        ("run_as_group", context.run_as_group, "GID"),
        ("fs_group", context.fs_group, "GID"),
    ];
    let mut violations: Vec<_> = (ids.into_iter())
        .filter(|(_, id, _)| id.is_some_and(|id| !is_id(id)))
        .map(|(name, _, noun)| {
            Violation::at(
                Path::of(name),
                format!("`{name}` must be a valid {noun}"),
                format!("Set a number from 0 to {}.", i32::MAX),
            )
        })
        .collect();
    let groups = context.supplemental_groups.iter().flatten().enumerate();
    for (index, id) in groups.filter(|(_, id)| !is_id(**id)) {
        violations.push(Violation::at(
            Path::of("supplemental_groups").index(index),
            format!("{id} is not a valid GID"),
            format!("Set a number from 0 to {}.", i32::MAX),
        ));
    }
    if context.run_as_non_root == Some(true) && context.run_as_user == Some(0) {
        violations.push(Violation::new(
            Path::of("run_as_user"),
            [Path::of("run_as_user"), Path::of("run_as_non_root")],
            "`run_as_user = 0` conflicts with `run_as_non_root`",
            "User 0 is root, so no container would start. Set another user, or remove `run_as_non_root`.",
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
    fn security_contexts() {
        let valid = json!({
            "runAsNonRoot": true, "runAsUser": 1000, "fsGroup": 2000,
            "seccompProfile": {"type": "Localhost", "localhostProfile": "p.json"},
        });
        check(&valid, pod, &[]);
        let invalid = json!({
            "runAsNonRoot": true,
            "runAsUser": 0,
            "fsGroup": -1,
            "seccompProfile": {"type": "RuntimeDefault", "localhostProfile": "p.json"},
            "appArmorProfile": {"type": "Loose"},
            "fsGroupChangePolicy": "Never",
            "sysctls": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}],
        });
        check(
            &invalid,
            pod,
            &[
                ("fs_group", "`fs_group` must be a valid GID"),
                (
                    "run_as_user",
                    "`run_as_user = 0` conflicts with `run_as_non_root`",
                ),
                (
                    "seccomp_profile.localhost_profile",
                    "`localhost_profile` must be set if, and only if, the type is `Localhost`",
                ),
                ("app_armor_profile.type", "Unsupported value \"Loose\""),
                ("fs_group_change_policy", "Unsupported value \"Never\""),
                ("sysctls[1].name", "Duplicate sysctl \"a\""),
            ],
        );
        let names = json!({
            "supplementalGroups": [1, -1],
            "seccompProfile": {"type": "Localhost", "localhostProfile": "../p"},
            "appArmorProfile": {"type": "Localhost", "localhostProfile": " "},
            "sysctls": [{"name": "A B", "value": "1"}, {"name": "net/core.a_b-c", "value": "1"}],
            "windowsOptions": {"runAsUserName": ""},
        });
        check(
            &names,
            pod,
            &[
                ("supplemental_groups[1]", "-1 is not a valid GID"),
                (
                    "seccomp_profile.localhost_profile",
                    "\"../p\" is not a relative path without `..`",
                ),
                (
                    "app_armor_profile.localhost_profile",
                    "\" \" is not a valid name of a profile",
                ),
                ("sysctls[0].name", "\"A B\" is not a valid name of a sysctl"),
                (
                    "windows_options.run_as_user_name",
                    "\"\" is not a valid Windows user",
                ),
            ],
        );
        let too_large = json!({"runAsUser": i64::from(i32::MAX) + 1});
        check(
            &too_large,
            pod,
            &[("run_as_user", "`run_as_user` must be a valid UID")],
        );
    }

    #[test]
    fn privileges_conflict_with_escalation() {
        let valid = json!({
            "allowPrivilegeEscalation": false,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
            "procMount": "Default",
            "readOnlyRootFilesystem": true,
        });
        check(&valid, container, &[]);
        check(&json!({"privileged": true}), container, &[]);
        check(
            &json!({"allowPrivilegeEscalation": false, "privileged": true}),
            container,
            &[(
                "allow_privilege_escalation",
                "`allow_privilege_escalation = false` conflicts with `privileged`",
            )],
        );
        let add = json!(["NET_RAW", "CAP_SYS_ADMIN"]);
        check(
            &json!({"allowPrivilegeEscalation": false, "capabilities": {"add": add}}),
            container,
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
            container,
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
