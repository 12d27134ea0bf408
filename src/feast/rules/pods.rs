//! Settings of the servers' pods, and how the Deployment replaces them.

use super::Violation;
use super::accessors::services;
use crate::feast::config::FeatureStore;
use crate::kubernetes::validation::{
    below, resources, security_context, strategy as kubernetes, unique,
};
use crate::schema::Path;

pub(super) fn security(store: &FeatureStore) -> Vec<Violation> {
    let context = services(store).and_then(|it| it.security_context.as_ref());
    let path = Path::of("services.security_context");
    below(&path, context.map_or(Vec::new(), security_context::pod))
}

pub(super) fn resource_claims(store: &FeatureStore) -> Vec<Violation> {
    let claims = services(store).and_then(|it| it.resource_claims.as_deref());
    let path = Path::of("services.resource_claims");
    below(
        &path,
        resources::resource_claims(claims.unwrap_or_default()),
    )
}

pub(super) fn strategy(store: &FeatureStore) -> Vec<Violation> {
    let strategy = services(store).and_then(|it| it.deployment_strategy.as_ref());
    let path = Path::of("services.deployment_strategy");
    below(&path, strategy.map_or(Vec::new(), kubernetes::validate))
}

pub(super) fn termination(store: &FeatureStore) -> Vec<Violation> {
    let services = services(store);
    let sleep = services.and_then(|it| it.pre_stop_sleep_seconds);
    let grace_period = services.and_then(|it| it.termination_grace_period_seconds);
    let (Some(sleep), Some(grace_period)) = (sleep, grace_period) else {
        return Vec::new();
    };
    if sleep < grace_period {
        return Vec::new();
    }
    let path = Path::of("services.pre_stop_sleep_seconds");
    vec![Violation::new(
        path.clone(),
        [path, Path::of("services.termination_grace_period_seconds")],
        format!(
            "`pre_stop_sleep_seconds` ({sleep}) is not less than `termination_grace_period_seconds` ({grace_period})"
        ),
        "The servers would be killed before they receive SIGTERM. The grace period includes the sleep, and 35 seconds \
         more let the online server finish its requests.",
    )]
}

pub(super) fn pull_secrets(store: &FeatureStore) -> Vec<Violation> {
    let secrets = services(store).and_then(|it| it.image_pull_secrets.as_ref());
    let names = secrets.into_iter().flatten();
    let names = names.map(|secret| Some(secret.name.as_str()));
    let path = Path::of("services.image_pull_secrets");
    unique(&path, "name", "image pull secret", names)
}

pub(super) fn token(store: &FeatureStore) -> Vec<Violation> {
    let path = Path::of("services.automount_service_account_token");
    if services(store).and_then(|it| it.automount_service_account_token) != Some(false) {
        return Vec::new();
    }
    let authz = store.authz.as_ref();
    let engine = store.batch_engine.as_ref();
    let mlflow = store.mlflow.as_ref().filter(|it| it.enabled);
    let tracking_auth = mlflow.and_then(|it| it.tracking_auth.as_deref());
    let users = [
        (
            "authz.kubernetes",
            authz.is_some_and(|it| it.kubernetes.is_some()),
        ),
        (
            "batch_engine.spark_application",
            engine.is_some_and(|it| it.spark_application.is_some()),
        ),
        (
            "mlflow.tracking_auth",
            tracking_auth.is_some_and(|auth| auth.starts_with("kubernetes")),
        ),
    ];
    (users.into_iter().filter(|(_, is_set)| *is_set))
        .map(|(attribute, _)| {
            Violation::new(
                path.clone(),
                [path.clone(), Path::of(attribute)],
                format!("`{attribute}` requires the service account token"),
                "With this setting, Feast sends the token. Remove `automount_service_account_token`.",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::{rejects, rejects_store};

    #[test]
    fn violations_of_kubernetes_types_are_at_their_attributes() {
        rejects(
            "security-context",
            json!({"securityContext": {"fsGroup": -1}}),
            &[(
                "services.security_context.fs_group",
                "`fs_group` must be a valid GID",
            )],
        );
        rejects(
            "resource-claims",
            json!({"resourceClaims": [{"name": "a"}]}),
            &[(
                "services.resource_claims[0]",
                "Exactly one of `resource_claim_name`, `resource_claim_template_name` must be set",
            )],
        );
        rejects(
            "deployment-strategy",
            json!({"deploymentStrategy": {"type": "BlueGreen"}}),
            &[(
                "services.deployment_strategy.type",
                "Unsupported value \"BlueGreen\"",
            )],
        );
    }

    #[test]
    fn the_grace_period_is_longer_than_the_sleep() {
        let check = |sleep: i32, grace_period: i32, expected: &[(&str, &str)]| {
            let services = json!({
                "preStopSleepSeconds": sleep,
                "terminationGracePeriodSeconds": grace_period,
            });
            rejects("pre-stop-sleep", services, expected);
        };
        check(10, 11, &[]);
        check(
            10,
            10,
            &[(
                "services.pre_stop_sleep_seconds",
                "`pre_stop_sleep_seconds` (10) is not less than `termination_grace_period_seconds` (10)",
            )],
        );
        rejects("pre-stop-sleep", json!({"preStopSleepSeconds": 60}), &[]);
    }

    #[test]
    fn rejects_pods_without_a_token_that_feast_needs() {
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
            rejects_store("service-account-token", store, &expected);
        };
        let all = json!({
            "authz": {"kubernetes": {}},
            "batchEngine": {"configMapRef": {"name": "e"}, "sparkApplication": {}},
            "mlflow": {"enabled": true, "trackingAuth": "kubernetes"},
        });
        check(store(true, all.clone()), &[]);
        check(
            store(false, all),
            &[
                "`authz.kubernetes` requires the service account token",
                "`batch_engine.spark_application` requires the service account token",
                "`mlflow.tracking_auth` requires the service account token",
            ],
        );
        let none = json!({
            "authz": {"oidc": {"issuerUrl": "https://x"}},
            "batchEngine": {"configMapRef": {"name": "e"}},
            "mlflow": {"enabled": true, "trackingAuth": "basic"},
        });
        check(store(false, none), &[]);
    }

    #[test]
    fn rejects_duplicate_pull_secrets() {
        rejects(
            "image-pull-secrets",
            json!({"imagePullSecrets": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}),
            &[(
                "services.image_pull_secrets[2].name",
                "Duplicate image pull secret \"a\"",
            )],
        );
    }
}
