//! Permissions for the servers to authenticate requests, the user's Roles, and permissions for Spark jobs.

use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use serde_json::Value as Json;

use super::{metadata, object};
use crate::feast::names;
use crate::feast::spec::{Authorization, Store};
use crate::kubernetes::{Key, Kind};

const RBAC: &str = "rbac.authorization.k8s.io";
const READ: &[&str] = &["get", "list", "watch"];
const RUN: &[&str] = &[
    "create",
    "get",
    "list",
    "watch",
    "delete",
    "deletecollection",
];

pub(super) fn render(store: &Store) -> Vec<(Key, Json)> {
    let main = names::main(&store.name);
    let mut objects = Vec::new();
    match &store.authorization {
        Authorization::None => {}
        Authorization::Kubernetes { roles } => {
            let rules = vec![rule(RBAC, &["roles", "rolebindings"], READ)];
            objects.extend(role_and_binding(store, &main, AUTHORIZATION, rules, &main));
            for name in roles {
                // Without `rules`, so that others can own them.
                let role = Role {
                    metadata: metadata::object(store, name.clone(), Some(AUTHORIZATION)),
                    ..Role::default()
                };
                objects.push(object(Kind::Role, &role));
            }
            objects.extend(cluster_wide(
                store,
                vec![
                    rule(RBAC, &["rolebindings"], &["list"]),
                    token_reviews(),
                    rule("", &["namespaces"], READ),
                    rule(RBAC, &["clusterroles"], &["get", "list"]),
                    rule(RBAC, &["clusterrolebindings"], &["get", "list"]),
                ],
            ));
        }
        Authorization::Oidc(_) => objects.extend(cluster_wide(store, vec![token_reviews()])),
    }
    if let Some(driver) = store
        .batch_engine
        .as_ref()
        .and_then(|it| it.driver.as_ref())
    {
        let servers = vec![
            rule("", &["configmaps"], &["create", "delete"]),
            rule(
                "sparkoperator.k8s.io",
                &["sparkapplications"],
                &["create", "get", "delete"],
            ),
            rule("", &["pods"], &["list"]),
            rule("", &["pods/log"], &["get"]),
        ];
        let name = names::batch_engine(&store.name);
        objects.extend(role_and_binding(
            store,
            &name,
            "batch-engine",
            servers,
            &main,
        ));
        let executors = vec![
            rule("", &["pods"], RUN),
            rule(
                "",
                &["services", "configmaps", "persistentvolumeclaims"],
                RUN,
            ),
        ];
        let name = names::batch_driver(&store.name);
        let account = &driver.service_account;
        objects.extend(role_and_binding(
            store,
            &name,
            "batch-driver",
            executors,
            account,
        ));
    }
    objects
}

const AUTHORIZATION: &str = "authorization";

fn token_reviews() -> PolicyRule {
    rule("authentication.k8s.io", &["tokenreviews"], &["create"])
}

/// Returns a Role, and a RoleBinding of the same name for a ServiceAccount.
pub(super) fn role_and_binding(
    store: &Store,
    name: &str,
    service_type: &str,
    rules: Vec<PolicyRule>,
    account: &str,
) -> [(Key, Json); 2] {
    let metadata = metadata::object(store, name.to_owned(), Some(service_type));
    let role = Role {
        metadata: metadata.clone(),
        rules: Some(rules),
    };
    let binding = RoleBinding {
        metadata,
        role_ref: role_ref("Role", name),
        subjects: Some(vec![subject(store, account)]),
    };
    [
        object(Kind::Role, &role),
        object(Kind::RoleBinding, &binding),
    ]
}

/// Returns a ClusterRole with these rules, and a ClusterRoleBinding for the ServiceAccount of the servers.
fn cluster_wide(store: &Store, rules: Vec<PolicyRule>) -> [(Key, Json); 2] {
    let name = names::token_review(&store.name, &store.namespace);
    let metadata = metadata::cluster_object(store, name.clone(), AUTHORIZATION);
    let role = ClusterRole {
        metadata: metadata.clone(),
        rules: Some(rules),
        ..ClusterRole::default()
    };
    let binding = ClusterRoleBinding {
        metadata,
        role_ref: role_ref("ClusterRole", &name),
        subjects: Some(vec![subject(store, &names::main(&store.name))]),
    };
    [
        object(Kind::ClusterRole, &role),
        object(Kind::ClusterRoleBinding, &binding),
    ]
}

pub(super) fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> PolicyRule {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(words(resources)),
        verbs: words(verbs),
        ..PolicyRule::default()
    }
}

fn role_ref(kind: &str, name: &str) -> RoleRef {
    RoleRef {
        api_group: Some(RBAC.to_owned()),
        kind: kind.to_owned(),
        name: name.to_owned(),
    }
}

fn subject(store: &Store, account: &str) -> Subject {
    Subject {
        kind: "ServiceAccount".to_owned(),
        name: account.to_owned(),
        namespace: Some(store.namespace.clone()),
        ..Subject::default()
    }
}
