//! Accounts with limited permissions, and the permissions that the guide "Access to the cluster" documents.

use serde_json::{Value as Json, json};

use crate::lifecycle::store::until;
use crate::support::testbed::Namespace;

const GUIDE: &str = include_str!("../../docs/guides/cluster-access.md");

/// Returns the YAML block of the guide that contains `mark`. There must be exactly one.
pub fn block(mark: &str) -> &'static str {
    let blocks = GUIDE.split("```yaml\n").skip(1);
    let blocks: Vec<&str> = blocks
        .filter_map(|rest| Some(rest.split_once("```")?.0))
        .filter(|block| block.contains(mark))
        .collect();
    let [block] = blocks.as_slice() else {
        panic!("{} blocks of the guide have {mark:?}", blocks.len());
    };
    block
}

/// Returns the rules of the Role with this name in the guide.
pub fn rules_of(role: &str) -> Json {
    let documents: Vec<Json> =
        serde_saphyr::from_multiple(block(&format!("kind: Role\nmetadata:\n  name: {role}\n")))
            .unwrap();
    documents[0]["rules"].clone()
}

/// Returns the rules of the minimal Role in the guide.
pub fn minimal_rules() -> Json {
    rules_of("terraform-provider-feast")
}

/// Returns the manifests of an account that has these permissions in the namespace and none elsewhere. Account, Role
/// and binding have the same name.
pub fn manifests(namespace: &str, name: &str, rules: &Json) -> [Json; 3] {
    let metadata = json!({"name": name, "namespace": namespace});
    let rbac = "rbac.authorization.k8s.io";
    let version = format!("{rbac}/v1");
    [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}),
        json!({"apiVersion": version, "kind": "Role", "metadata": metadata, "rules": rules}),
        json!({
            "apiVersion": version,
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name}],
        }),
    ]
}

/// Creates the account, waits until its permissions are effective, and returns a kubeconfig for it.
pub fn make(namespace: &Namespace, name: &str, rules: &Json) -> String {
    let items = manifests(namespace.name(), name, rules);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    namespace.cluster().apply(&list.to_string()).unwrap();
    let account = format!("--as=system:serviceaccount:{}:{name}", namespace.name());
    let word = |value: &Json| value.as_str().unwrap().to_owned();
    let rule = &rules[0];
    let resource = [&rule["resources"][0], &rule["apiGroups"][0]].map(word);
    // All rules of a Role become effective at the same time.
    let ask = [
        "auth",
        "can-i",
        &word(&rule["verbs"][0]),
        &resource.join("."),
        &account,
    ];
    until("the permissions to be effective", 120, || {
        namespace.kubectl(&ask).ok()
    });
    kubeconfig(namespace, name)
}

/// Returns a kubeconfig for an existing account.
pub fn kubeconfig(namespace: &Namespace, name: &str) -> String {
    let token = namespace.kubectl(&["create", "token", name]).unwrap();
    let admin = namespace
        .cluster()
        .kubectl(&["config", "view", "--raw", "--flatten", "-o=json"])
        .unwrap();
    let mut config: Json = serde_json::from_str(&admin).unwrap();
    config["users"][0]["user"] = json!({"token": token.trim()});
    config.to_string()
}
