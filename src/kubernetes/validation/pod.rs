//! The security context and the resource claims of a pod (`PodSecurityContext`, `PodResourceClaim`).

use k8s_openapi::api::core::v1::{PodResourceClaim, PodSecurityContext};

use super::{Violation, exactly_one, supported, unique};
use crate::schema::Path;

pub fn security_context(context: &PodSecurityContext) -> Vec<Violation> {
    let mut violations = identities(context);
    let profiles = [
        (
            "seccomp_profile",
            (context.seccomp_profile.as_ref()).map(|it| (&it.type_, &it.localhost_profile)),
        ),
        (
            "app_armor_profile",
            (context.app_armor_profile.as_ref()).map(|it| (&it.type_, &it.localhost_profile)),
        ),
    ];
    for (name, profile) in profiles {
        let Some((type_, localhost_profile)) = profile else {
            continue;
        };
        let type_path = Path::of(name).attribute("type");
        let file_path = Path::of(name).attribute("localhost_profile");
        let types = ["RuntimeDefault", "Localhost", "Unconfined"];
        if let Some(violation) = supported(type_path.clone(), type_, &types) {
            violations.push(violation);
        } else if (type_ == "Localhost") != localhost_profile.is_some() {
            violations.push(Violation::new(
                file_path.clone(),
                [type_path, file_path],
                "`localhost_profile` must be set if, and only if, the type is `Localhost`",
                "Set both `type = \"Localhost\"` and `localhost_profile`, or neither.",
            ));
        }
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
    violations
}

fn identities(context: &PodSecurityContext) -> Vec<Violation> {
    let ids = [
        ("run_as_user", context.run_as_user, "UID"),
        ("run_as_group", context.run_as_group, "GID"),
        ("fs_group", context.fs_group, "GID"),
    ];
    let is_invalid = |id: i64| !(0..=i64::from(i32::MAX)).contains(&id);
    let mut violations: Vec<_> = (ids.into_iter())
        .filter(|(_, id, _)| id.is_some_and(is_invalid))
        .map(|(name, _, noun)| {
            Violation::at(
                Path::of(name),
                format!("`{name}` must be a valid {noun}"),
                format!("Set a number from 0 to {}.", i32::MAX),
            )
        })
        .collect();
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

/// Validates the list of a pod's resource claims.
pub fn resource_claims(claims: &[PodResourceClaim]) -> Vec<Violation> {
    let names = claims.iter().map(|claim| Some(claim.name.as_str()));
    let mut violations = unique(&Path::root(), "name", "resource claim", names);
    for (index, claim) in claims.iter().enumerate() {
        let PodResourceClaim {
            name: _,
            resource_claim_name,
            resource_claim_template_name,
        } = claim;
        let sources = [
            ("resource_claim_name", resource_claim_name.is_some()),
            (
                "resource_claim_template_name",
                resource_claim_template_name.is_some(),
            ),
        ];
        let hint = "A claim either exists or is created from a template.";
        violations.extend(exactly_one(&Path::root().index(index), &sources, hint));
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
        check(&valid, security_context, &[]);
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
            security_context,
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
        let too_large = json!({"runAsUser": i64::from(i32::MAX) + 1});
        check(
            &too_large,
            security_context,
            &[("run_as_user", "`run_as_user` must be a valid UID")],
        );
    }

    #[test]
    fn resource_claims_have_a_unique_name_and_one_source() {
        let one =
            "Exactly one of `resource_claim_name`, `resource_claim_template_name` must be set";
        let claims = json!([
            {"name": "gpu", "resourceClaimTemplateName": "t"},
            {"name": "gpu", "resourceClaimName": "c"},
            {"name": "a"},
            {"name": "b", "resourceClaimName": "c", "resourceClaimTemplateName": "t"},
        ]);
        check(
            &claims,
            |claims: &Vec<_>| resource_claims(claims),
            &[
                ("[1].name", "Duplicate resource claim \"gpu\""),
                ("[2]", one),
                ("[3]", one),
            ],
        );
    }
}
