//! Authentication and authorization of requests.

use super::Violation;
use super::accessors::services;
use crate::feast::config::{Authz, FeatureStore};
use crate::feast::names;
use crate::kubernetes::validation::metadata::DNS_SUBDOMAIN_LENGTH;
use crate::kubernetes::validation::{exactly_one, unique};
use crate::schema::Path;

const AUTHZ: &str = "authz";

fn authz(store: &FeatureStore) -> Option<&Authz> {
    store.authz.as_ref()
}

pub(super) fn one_mode(store: &FeatureStore) -> Vec<Violation> {
    let Some(Authz {
        kubernetes,
        oidc,
        no_auth,
    }) = authz(store)
    else {
        return Vec::new();
    };
    let path = Path::of(AUTHZ);
    let modes = [
        ("kubernetes", kubernetes.is_some()),
        ("oidc", oidc.is_some()),
        ("no_auth", no_auth.is_some()),
    ];
    let hint = "Remove `authz` to run the servers without authentication.";
    if let Some(violation) = exactly_one(&path, &modes, hint) {
        return vec![violation];
    }
    let is_false = *no_auth == Some(false);
    let violation = is_false.then(|| {
        Violation::new(
            path.attribute("no_auth"),
            modes.map(|(name, _)| path.attribute(name)),
            "`no_auth = false` does not choose an authentication mode",
            "Set `kubernetes = {}` or `oidc = { … }` instead, or `no_auth = true`.",
        )
    });
    violation.into_iter().collect()
}

pub(super) fn roles(store: &FeatureStore) -> Vec<Violation> {
    let kubernetes = authz(store).and_then(|authz| authz.kubernetes.as_ref());
    let roles = kubernetes.and_then(|kubernetes| kubernetes.roles.as_deref());
    let roles = roles.unwrap_or_default();
    let list = Path::of(AUTHZ).attribute("kubernetes.roles");
    let own = [
        names::main(&store.name),
        names::batch_engine(&store.name),
        names::batch_driver(&store.name),
        names::cron_job(&store.name),
    ];
    let names = roles.iter().map(|role| Some(role.as_str()));
    let mut violations = unique(&list, "", "role", names);
    for (index, role) in roles.iter().enumerate() {
        let path = list.index(index);
        // `path.IsValidPathSegmentName` of Kubernetes, which is all that it asks of a Role's name.
        let is_invalid = role.is_empty()
            || role.len() > DNS_SUBDOMAIN_LENGTH
            || [".", ".."].contains(&role.as_str())
            || role.contains(['/', '%'])
            || role.chars().any(|c| c.is_whitespace() || c.is_control());
        if is_invalid {
            violations.push(Violation::at(
                path,
                format!("{role:?} is not a valid Role name"),
                "Use 1 to 253 characters without `/`, `%` and spaces, such as `feast-reader`.",
            ));
        } else if own.contains(role) {
            violations.push(Violation::new(
                path.clone(),
                [path, Path::of("name")],
                format!("The Role name {role:?} is reserved for the provider"),
                "The provider creates a Role of this name. Use another name.",
            ));
        }
    }
    violations
}

pub(super) fn oidc(store: &FeatureStore) -> Vec<Violation> {
    let Some(oidc) = authz(store).and_then(|authz| authz.oidc.as_ref()) else {
        return Vec::new();
    };
    let path = Path::of(AUTHZ).attribute("oidc");
    let (issuer, secret) = (path.attribute("issuer_url"), path.attribute("secret_ref"));
    let mut violations = Vec::new();
    if oidc.issuer_url.is_none() && oidc.secret_ref.is_none() {
        violations.push(Violation::new(
            path.clone(),
            [issuer, secret.clone()],
            "The OpenID Connect provider needs `issuer_url` or `secret_ref`",
            "Set `issuer_url = \"https://…\"`, or `secret_ref = { name = \"…\" }` for a Secret that has the key \
             `auth_discovery_url`.",
        ));
    }
    if oidc.secret_key_name.is_some() && oidc.secret_ref.is_none() {
        violations.push(Violation::new(
            path.attribute("secret_key_name"),
            [secret],
            "`secret_key_name` requires `secret_ref`",
            "It is a key of the Secret that `secret_ref` names. Set `secret_ref`, or remove `secret_key_name`.",
        ));
    }
    violations
}

/// Warns that everyone who can reach a server can have the roles of any ServiceAccount. `tests/real_feast/tokens.rs`
/// verifies the behavior of Feast.
pub(super) fn unverified_tokens(store: &FeatureStore) -> Vec<Violation> {
    let is_kubernetes = authz(store).is_some_and(|authz| authz.kubernetes.is_some());
    let is_restricted = services(store).is_some_and(|it| it.network_policy.is_some());
    if !is_kubernetes || is_restricted {
        return Vec::new();
    }
    let path = Path::of(AUTHZ).attribute("kubernetes");
    vec![Violation::new(
        path.clone(),
        [path, Path::of("services.network_policy")],
        "Feast does not verify ServiceAccount tokens",
        "Feast 0.66 and 0.67 ask the API server to review the token of a ServiceAccount, and use the name in the token \
         even if the review fails. Everyone who can reach a server can therefore send a token with the name of an \
         account that has roles. Restrict who can reach the servers with `services.network_policy` or a service mesh, or \
         use `authz.oidc`, with which Feast verifies every token. See the guide \"Authorization\".",
    )]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::{rejects_store, warns_store};

    fn check(rule: &str, authz: Json, expected: &[(&str, &str)]) {
        let store = json!({"name": "demo", "feastProject": "p", "authz": authz});
        rejects_store(rule, store, expected);
    }

    #[test]
    fn exactly_one_authentication_mode() {
        let oidc = json!({"issuerUrl": "https://idp"});
        for one in [
            json!({"kubernetes": {}}),
            json!({"oidc": oidc}),
            json!({"noAuth": true}),
        ] {
            check("one-authz", one, &[]);
        }
        check(
            "one-authz",
            json!({}),
            &[(
                "authz",
                "Exactly one of `kubernetes`, `oidc`, `no_auth` must be set",
            )],
        );
        check(
            "one-authz",
            json!({"noAuth": false}),
            &[(
                "authz.no_auth",
                "`no_auth = false` does not choose an authentication mode",
            )],
        );
        check(
            "one-authz",
            json!({"kubernetes": {}, "noAuth": true}),
            &[(
                "authz",
                "Exactly one of `kubernetes`, `oidc`, `no_auth` must be set",
            )],
        );
    }

    #[test]
    fn warns_about_unverified_tokens_of_service_accounts() {
        let check = |authz: Json, services: Json, expected: &[(&str, &str)]| {
            let store = json!({
                "name": "demo", "feastProject": "p", "authz": authz, "services": services,
            });
            warns_store("kubernetes-tokens", store, expected);
        };
        let kubernetes = json!({"kubernetes": {}});
        check(
            kubernetes.clone(),
            json!({}),
            &[(
                "authz.kubernetes",
                "Feast does not verify ServiceAccount tokens",
            )],
        );
        check(kubernetes, json!({"networkPolicy": {}}), &[]);
        check(
            json!({"oidc": {"issuerUrl": "https://idp"}}),
            json!({}),
            &[],
        );
        check(json!({"noAuth": true}), json!({}), &[]);
    }

    #[test]
    fn roles_have_valid_and_unique_names() {
        let roles = |roles: Json| json!({"kubernetes": {"roles": roles}});
        check(
            "authz-roles",
            roles(json!(["feast-reader", "team:writer"])),
            &[],
        );
        check(
            "authz-roles",
            roles(json!(["a", "a/b", "feast-demo", "a"])),
            &[
                ("authz.kubernetes.roles[3]", "Duplicate role \"a\""),
                (
                    "authz.kubernetes.roles[1]",
                    "\"a/b\" is not a valid Role name",
                ),
                (
                    "authz.kubernetes.roles[2]",
                    "The Role name \"feast-demo\" is reserved for the provider",
                ),
            ],
        );
    }

    #[test]
    fn a_provider_has_an_issuer_or_a_secret() {
        let secret = json!({"name": "s"});
        check("oidc-provider", json!({"oidc": {"secretRef": secret}}), &[]);
        check(
            "oidc-provider",
            json!({"oidc": {"secretKeyName": "k"}}),
            &[
                (
                    "authz.oidc",
                    "The OpenID Connect provider needs `issuer_url` or `secret_ref`",
                ),
                (
                    "authz.oidc.secret_key_name",
                    "`secret_key_name` requires `secret_ref`",
                ),
            ],
        );
    }
}
