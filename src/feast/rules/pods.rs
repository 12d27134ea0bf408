//! What the pods run as, and what they claim.

use k8s_openapi::api::core::v1::{PodResourceClaim, PodSecurityContext};

use super::Violation;
use super::accessors::services;
use crate::feast::config::FeatureStore;
use crate::schema::Path;

const SECURITY: &str = "services.security_context";
const CLAIMS: &str = "services.resource_claims";
const PULL_SECRETS: &str = "services.image_pull_secrets";

pub(super) fn security(store: &FeatureStore) -> Vec<Violation> {
    let Some(context) = services(store).and_then(|it| it.security_context.as_ref()) else {
        return Vec::new();
    };
    let at = |name: &str| Path::of(SECURITY).attribute(name);
    let mut found = identities(context);
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
        let Some((kind, localhost)) = profile else {
            continue;
        };
        let (kind_at, file_at) = (
            at(name).attribute("type"),
            at(name).attribute("localhost_profile"),
        );
        if !["RuntimeDefault", "Localhost", "Unconfined"].contains(&kind.as_str()) {
            found.push(Violation::new(
                kind_at.clone(),
                [kind_at],
                format!("{kind:?} is not possible here"),
                "Write `RuntimeDefault`, `Localhost` or `Unconfined`.",
            ));
        } else if (kind == "Localhost") != localhost.is_some() {
            found.push(Violation::new(
                file_at.clone(),
                [kind_at, file_at],
                "localhost_profile belongs to the type Localhost, and to no other",
                "Write `type = \"Localhost\"` together with the profile's file, or neither.",
            ));
        }
    }
    let words = [
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
    for (name, word, possible) in words {
        if let Some(word) = word
            && !possible.contains(&word.as_str())
        {
            found.push(Violation::new(
                at(name),
                [at(name)],
                format!("{word:?} is not possible here"),
                format!("Write `{}` or `{}`.", possible[0], possible[1]),
            ));
        }
    }
    let settings = context.sysctls.as_deref().unwrap_or_default();
    for (index, setting) in settings.iter().enumerate() {
        let list = at("sysctls");
        if let Some(before) = settings[..index]
            .iter()
            .position(|it| it.name == setting.name)
        {
            let name = list.index(index).attribute("name");
            found.push(Violation::new(
                name.clone(),
                [name, list.index(before).attribute("name")],
                format!("{:?} is set twice", setting.name),
                "Remove one of them.",
            ));
        }
    }
    found
}

fn identities(context: &PodSecurityContext) -> Vec<Violation> {
    let at = |name: &str| Path::of(SECURITY).attribute(name);
    let mut found = Vec::new();
    for (name, id) in [
        ("run_as_user", context.run_as_user),
        ("run_as_group", context.run_as_group),
        ("fs_group", context.fs_group),
    ] {
        if id.is_some_and(|id| !(0..=i64::from(i32::MAX)).contains(&id)) {
            found.push(Violation::new(
                at(name),
                [at(name)],
                format!("{name} is not a number of a user or group"),
                format!("Write a number from 0 to {}.", i32::MAX),
            ));
        }
    }
    if context.run_as_non_root == Some(true) && context.run_as_user == Some(0) {
        found.push(Violation::new(
            at("run_as_user"),
            [at("run_as_user"), at("run_as_non_root")],
            "User 0 is root, and run_as_non_root forbids root",
            "No container would ever start. Write another user, or remove `run_as_non_root`.",
        ));
    }
    found
}

pub(super) fn resource_claims(store: &FeatureStore) -> Vec<Violation> {
    let claims = services(store).and_then(|it| it.resource_claims.as_deref());
    let claims = claims.unwrap_or_default();
    let mut found = Vec::new();
    for (index, claim) in claims.iter().enumerate() {
        let path = Path::of(CLAIMS).index(index);
        let PodResourceClaim {
            name,
            resource_claim_name,
            resource_claim_template_name,
        } = claim;
        let at = path.attribute("name");
        let before = claims[..index].iter().position(|it| it.name == *name);
        if let Some(before) = before {
            found.push(Violation::new(
                at.clone(),
                [at, Path::of(CLAIMS).index(before).attribute("name")],
                format!("Two resource claims are called {name:?}"),
                "Containers use a claim by its name. Give one of them another name.",
            ));
        }
        let one = path.attribute("resource_claim_name");
        let other = path.attribute("resource_claim_template_name");
        if resource_claim_name.is_some() == resource_claim_template_name.is_some() {
            found.push(Violation::new(
                path,
                [one, other],
                "A resource claim is an existing one or one from a template",
                "Write one of `resource_claim_name` and `resource_claim_template_name`.",
            ));
        }
    }
    found
}

pub(super) fn token(store: &FeatureStore) -> Vec<Violation> {
    let at = Path::of("services.automount_service_account_token");
    if services(store).and_then(|it| it.automount_service_account_token) != Some(false) {
        return Vec::new();
    }
    let authz = store.authz.as_ref();
    let engine = store.batch_engine.as_ref();
    let asks = [
        (
            "authz.kubernetes",
            authz.is_some_and(|it| it.kubernetes.is_some()),
        ),
        (
            "batch_engine.spark_application",
            engine.is_some_and(|it| it.spark_application.is_some()),
        ),
    ];
    (asks.into_iter().filter(|(_, written)| *written))
        .map(|(attribute, _)| {
            Violation::new(
                at.clone(),
                [at.clone(), Path::of(attribute)],
                format!("{attribute} needs the token of the pods' account"),
                "With it Feast asks the Kubernetes API. Remove `automount_service_account_token`.",
            )
        })
        .collect()
}

pub(super) fn pull_secrets(store: &FeatureStore) -> Vec<Violation> {
    let secrets = services(store).and_then(|it| it.image_pull_secrets.as_deref());
    let secrets = secrets.unwrap_or_default();
    let path = |index: usize| Path::of(PULL_SECRETS).index(index).attribute("name");
    (secrets.iter().enumerate())
        .filter_map(|(index, secret)| {
            let before = secrets[..index].iter().position(|it| it == secret)?;
            Some(Violation::new(
                path(index),
                [path(index), path(before)],
                format!("Secret {:?} is named twice", secret.name),
                "Remove one of them.",
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::{refused, refused_whole, stands};

    #[test]
    fn what_the_pods_run_as() {
        stands(json!({"securityContext": {
            "runAsNonRoot": true, "runAsUser": 1000, "fsGroup": 2000,
            "seccompProfile": {"type": "Localhost", "localhostProfile": "p.json"},
        }}));
        let path = |name: &str| format!("services.security_context.{name}");
        refused(
            "security-context",
            json!({"securityContext": {
                "runAsNonRoot": true,
                "runAsUser": 0,
                "fsGroup": -1,
                "seccompProfile": {"type": "RuntimeDefault", "localhostProfile": "p.json"},
                "appArmorProfile": {"type": "Loose"},
                "fsGroupChangePolicy": "Never",
                "sysctls": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}],
            }}),
            &[
                (
                    &path("fs_group"),
                    "fs_group is not a number of a user or group",
                ),
                (
                    &path("run_as_user"),
                    "User 0 is root, and run_as_non_root forbids root",
                ),
                (
                    &path("seccomp_profile.localhost_profile"),
                    "localhost_profile belongs to the type Localhost, and to no other",
                ),
                (
                    &path("app_armor_profile.type"),
                    "\"Loose\" is not possible here",
                ),
                (
                    &path("fs_group_change_policy"),
                    "\"Never\" is not possible here",
                ),
                (&path("sysctls[1].name"), "\"a\" is set twice"),
            ],
        );
    }

    #[test]
    fn feast_itself_keeps_its_token() {
        let store = |token: bool, more: Json| {
            let mut store = json!({
                "name": "demo",
                "feastProject": "demo",
                "services": {"automountServiceAccountToken": token},
            });
            if let (Json::Object(store), Json::Object(more)) = (&mut store, more) {
                store.extend(more);
            }
            store
        };
        let check = |store: Json, expected: &[&str]| {
            let path = "services.automount_service_account_token";
            let expected: Vec<_> = expected.iter().map(|summary| (path, *summary)).collect();
            refused_whole("service-account-token", store, &expected);
        };
        let both = json!({
            "authz": {"kubernetes": {}},
            "batchEngine": {"configMapRef": {"name": "e"}, "sparkApplication": {}},
        });
        check(store(true, both.clone()), &[]);
        check(
            store(false, both),
            &[
                "authz.kubernetes needs the token of the pods' account",
                "batch_engine.spark_application needs the token of the pods' account",
            ],
        );
        let neither = json!({
            "authz": {"oidc": {"issuerUrl": "https://x"}},
            "batchEngine": {"configMapRef": {"name": "e"}},
        });
        check(store(false, neither), &[]);
    }

    #[test]
    fn resource_claims_have_names_and_sources() {
        let gpu = json!({"name": "gpu", "resourceClaimTemplateName": "t"});
        stands(json!({
            "resourceClaims": [gpu],
            "onlineStore": {"server": {"resources": {"claims": [{"name": "gpu"}]}}},
        }));
        refused(
            "resource-claims",
            json!({"resourceClaims": [
                gpu,
                {"name": "gpu", "resourceClaimName": "c"},
                {"name": "a"},
                {"name": "b", "resourceClaimName": "c", "resourceClaimTemplateName": "t"},
            ]}),
            &[
                (
                    "services.resource_claims[1].name",
                    "Two resource claims are called \"gpu\"",
                ),
                (
                    "services.resource_claims[2]",
                    "A resource claim is an existing one or one from a template",
                ),
                (
                    "services.resource_claims[3]",
                    "A resource claim is an existing one or one from a template",
                ),
            ],
        );
    }

    #[test]
    fn each_pull_secret_once() {
        refused(
            "image-pull-secrets",
            json!({"imagePullSecrets": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}),
            &[(
                "services.image_pull_secrets[2].name",
                "Secret \"a\" is named twice",
            )],
        );
    }
}
