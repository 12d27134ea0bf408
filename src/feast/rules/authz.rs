//! Who may ask the servers for what.

use super::Violation;
use crate::feast::config::{Authz, FeatureStore};
use crate::feast::names;
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
    let written: Vec<&str> = modes
        .iter()
        .filter_map(|(name, written)| written.then_some(*name))
        .collect();
    match (written.as_slice(), no_auth) {
        ([], _) => vec![Violation::new(
            path.clone(),
            modes.map(|(name, _)| path.attribute(name)),
            "authz says nothing",
            "Write one of `kubernetes`, `oidc` and `no_auth = true`, or leave `authz` out, which means the \
             last.",
        )],
        ([_], Some(false)) => vec![Violation::new(
            path.attribute("no_auth"),
            ["kubernetes", "oidc", "no_auth"].map(|name| path.attribute(name)),
            "no_auth = false does not say how requests are authenticated",
            "Write `kubernetes = {}` or `oidc = { … }` in its place, or `no_auth = true`.",
        )],
        ([_], _) => Vec::new(),
        (several, _) => vec![Violation::new(
            path,
            [],
            "authz says several things",
            format!(
                "Requests are authenticated in one way, and here are {}. Write exactly one of `kubernetes`, \
                 `oidc` and `no_auth`.",
                several.join(" and ")
            ),
        )],
    }
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
        format!("{}-cronjob", names::main(&store.name)),
    ];
    let mut violations = Vec::new();
    for (index, role) in roles.iter().enumerate() {
        let at = list.index(index);
        let mut refuse = |other: Option<Path>, summary: String, detail: &str| {
            let reads = [at.clone()].into_iter().chain(other);
            violations.push(Violation::new(at.clone(), reads, summary, detail));
        };
        let wrong = role.is_empty()
            || role.len() > 253
            || [".", ".."].contains(&role.as_str())
            || role.contains(['/', '%'])
            || role.chars().any(|c| c.is_whitespace() || c.is_control());
        if wrong {
            refuse(
                None,
                format!("{role:?} is no name of a Role"),
                "Write 1 to 253 characters without `/`, `%` and spaces, such as `feast-reader`.",
            );
        } else if own.contains(role) {
            refuse(
                Some(Path::of("name")),
                format!("Role {role:?} is the provider's own"),
                "It has the rights of the servers. Choose another name.",
            );
        } else if let Some(before) = roles[..index].iter().position(|other| other == role) {
            refuse(
                Some(list.index(before)),
                format!("Role {role:?} is there twice"),
                "Write each name once.",
            );
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
            "The OpenID Connect provider is not named",
            "Write `issuer_url = \"https://…\"`, or `secret_ref = { name = \"…\" }` for a Secret that holds \
             `auth_discovery_url`.",
        ));
    }
    if oidc.secret_key_name.is_some() && oidc.secret_ref.is_none() {
        violations.push(Violation::new(
            path.attribute("secret_key_name"),
            [secret],
            "secret_key_name without a Secret",
            "It is a key of the Secret that `secret_ref` names. Write that too, or remove it.",
        ));
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::refused_whole;

    fn check(rule: &str, authz: Json, expected: &[(&str, &str)]) {
        let store = json!({"name": "demo", "feastProject": "p", "authz": authz});
        refused_whole(rule, store, expected);
    }

    #[test]
    fn exactly_one_mode() {
        let oidc = json!({"issuerUrl": "https://idp"});
        for one in [
            json!({"kubernetes": {}}),
            json!({"oidc": oidc}),
            json!({"noAuth": true}),
        ] {
            check("one-authz", one, &[]);
        }
        check("one-authz", json!({}), &[("authz", "authz says nothing")]);
        check(
            "one-authz",
            json!({"noAuth": false}),
            &[(
                "authz.no_auth",
                "no_auth = false does not say how requests are authenticated",
            )],
        );
        check(
            "one-authz",
            json!({"kubernetes": {}, "noAuth": true}),
            &[("authz", "authz says several things")],
        );
    }

    #[test]
    fn roles_are_names_of_the_users() {
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
                ("authz.kubernetes.roles[1]", "\"a/b\" is no name of a Role"),
                (
                    "authz.kubernetes.roles[2]",
                    "Role \"feast-demo\" is the provider's own",
                ),
                ("authz.kubernetes.roles[3]", "Role \"a\" is there twice"),
            ],
        );
    }

    #[test]
    fn a_provider_is_named() {
        let secret = json!({"name": "s"});
        check("oidc-provider", json!({"oidc": {"secretRef": secret}}), &[]);
        check(
            "oidc-provider",
            json!({"oidc": {"secretKeyName": "k"}}),
            &[
                ("authz.oidc", "The OpenID Connect provider is not named"),
                (
                    "authz.oidc.secret_key_name",
                    "secret_key_name without a Secret",
                ),
            ],
        );
    }
}
