//! Diagnostics about feature stores that are replaced, and about names that are in use.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::cluster::StoreName;
use crate::feast::names::{MANAGED_BY, MANAGED_BY_LABEL, NAME_LABEL};
use crate::feast::ownership::Occupied;
use crate::feast::secrets::store_secret;
use crate::kubernetes::kind::Scope;
use crate::kubernetes::{Key, Kind};
use crate::schema::{Diagnostic, Path};

/// A namespace of the provider block that cannot be the name of a namespace.
pub fn invalid_namespace(invalid: Diagnostic) -> Diagnostic {
    Diagnostic {
        detail: format!(
            "The feature store has no `namespace`, and the one of the provider block is not valid: {} Correct `namespace` \
             in the provider block, or the variable that it comes from.",
            invalid.detail
        ),
        summary: "The namespace of the provider block is not valid".to_owned(),
        ..invalid
    }
}

/// A reason why the new feature store of a replacement cannot be created.
pub fn replacement_rejected(
    old: Option<&StoreName>,
    new: &StoreName,
    mut reason: Diagnostic,
) -> Diagnostic {
    let replacement = replacement(old, new);
    reason.detail.push_str(&format!(
        "\n\nThis plan replaces {replacement}. A replacement destroys the old feature store first, and then the new one \
         could not be created, so the plan stops here. Nothing was changed. Apply first what the same run would create, \
         such as a namespace or a Secret (`-target`). To destroy the old one alone, `terraform destroy -refresh=false` \
         ignores the new name."
    ));
    reason
}

/// A replacement that could not be checked against the cluster.
pub fn replacement_unchecked(new: &StoreName, reason: &Diagnostic) -> Diagnostic {
    Diagnostic::warning(
        NOT_CHECKED,
        format!(
            "This plan destroys the feature store and creates {new}. The provider could not check whether \
             {new} can be created: {}\n\n{}",
            reason.detail, CHECK_YOURSELF
        ),
    )
}

/// A replacement whose new name or namespace is unknown.
pub fn replacement_unknown(old: Option<&StoreName>) -> Diagnostic {
    let old = old.map_or_else(String::new, |old| format!(" {old}"));
    Diagnostic::warning(
        NOT_CHECKED,
        format!(
            "This plan destroys the feature store{old} and creates another one. Its name or namespace will be known only \
             after apply, so the provider could not check whether it can be created.\n\n{CHECK_YOURSELF}"
        ),
    )
}

const NOT_CHECKED: &str = "The replacement was not checked";

const CHECK_YOURSELF: &str = "If it cannot, the apply destroys the old feature store and then ends with an error. Before you apply, check that the namespace exists, that the name is free in it, that the Secrets of the configuration exist, and that this account may create the objects.";

fn replacement(old: Option<&StoreName>, new: &StoreName) -> String {
    match old {
        Some(old) => format!("the feature store {old} with {new}"),
        None => format!("the feature store {new} with a new one of the same name"),
    }
}

/// A create of a feature store whose name is in use. `live` are its objects.
pub fn already_exists(
    store: &StoreName,
    occupied: Occupied,
    live: &BTreeMap<Key, Json>,
) -> Diagnostic {
    let StoreName { namespace, name } = store;
    let detail = match occupied {
        Occupied::DifferentConfig { minutes } => unfinished(store, minutes, live),
        Occupied::Complete => format!(
            "Namespace {namespace:?} already contains the feature store {name:?}, created by this provider. It was not \
             changed.\n\n{}",
            remedies(store)
        ),
        Occupied::AnotherOwner => format!(
            "Namespace {namespace:?} already contains the feature store {name:?}, which another create made or adopted at \
             the same time. It was not changed.\n\n{}",
            remedies(store)
        ),
    };
    Diagnostic::error("The feature store already exists", detail).at(Path::of("name"))
}

fn remedies(store: &StoreName) -> String {
    let import = import(store);
    format!(
        "If another resource block manages it, or this one did under its former address: write a `moved` block, or destroy \
         that resource first. If this resource is to be replaced: remove `create_before_destroy`, because two feature \
         stores cannot have the same name (in Pulumi: set `deleteBeforeReplace`); if it is only tainted, `terraform \
         untaint` keeps it. Otherwise import it: \
         {import}. Or choose another name."
    )
}

fn unfinished(store: &StoreName, minutes: Option<i64>, live: &BTreeMap<Key, Json>) -> String {
    let StoreName { namespace, name } = store;
    let import = import(store);
    let cleanup = cleanup(store, live);
    let (state, wait) = match minutes {
        Some(minutes) => (
            "That create is not complete, and it can still be running",
            format!(
                "- Wait: after {minutes} {}, a new create adopts the existing objects.\n",
                if minutes == 1 { "minute" } else { "minutes" }
            ),
        ),
        None => (
            "They have no record of how that create ended",
            String::new(),
        ),
    };
    format!(
        "Namespace {namespace:?} already contains objects of the feature store {name:?}, which this provider created \
         with another configuration. {state}, so they were not changed. Choose one of these ways:\n\n\
         {wait}\
         - Apply the configuration that they were created with. Its create resumes.\n\
         - Import the feature store, and apply the new configuration to it: {import}.\n\
         - Delete the objects: {cleanup}. This keeps PersistentVolumeClaims and their data.\n\
         - Choose another name."
    )
}

/// An update of a feature store that another create has completed.
pub fn not_updated(store: &StoreName) -> Diagnostic {
    let StoreName { namespace, name } = store;
    Diagnostic::error(
        "Feature store not updated: another resource owns it",
        format!(
            "The feature store {name:?} in namespace {namespace:?} was deleted and created again since this resource \
             instance created it. Nothing was changed. Remove this instance from the state (`terraform state rm \
             <address>`, `pulumi state delete <urn>`), and its block if another resource manages the feature store. \
             Otherwise import the feature store again: {}.",
            import(store)
        ),
    )
}

/// A destroy of a feature store that another create owns.
pub fn owned_by_another(store: &StoreName) -> Diagnostic {
    let StoreName { namespace, name } = store;
    Diagnostic::warning(
        "Feature store not destroyed: another resource owns it",
        format!(
            "Another create has adopted the feature store {name:?} in namespace {namespace:?} since this resource instance \
             created it, as a replacement with `create_before_destroy` does. Its objects were not deleted, and this \
             instance was removed from the state. If no other resource manages the feature store, import it and destroy \
             it then: {}.",
            import(store)
        ),
    )
}

/// The command that imports a feature store, for each tool.
fn import(store: &StoreName) -> String {
    format!(
        "`terraform import <address> {store}`, or `pulumi import feast:index/featureStore:FeatureStore <name> {store}`"
    )
}

/// The commands that delete all objects of a feature store without its data: the live ones, and those that its Secret
/// lists. kubectl deletes nothing if the cluster has no API of a custom resource, so that of a listed one is not named.
fn cleanup(store: &StoreName, live: &BTreeMap<Key, Json>) -> String {
    let StoreName { namespace, name } = store;
    let secret = live.get(&store_secret::key(name));
    let listed = secret.map(store_secret::objects).unwrap_or_default();
    let listed = listed.iter().filter(|key| !key.kind.is_custom());
    let objects: BTreeSet<&Key> = (live.keys().chain(listed))
        .filter(|key| key.kind != Kind::PersistentVolumeClaim)
        .collect();
    let (namespaced, cluster_scoped): (Vec<&Key>, Vec<&Key>) =
        (objects.into_iter()).partition(|key| key.kind.scope() == Scope::Namespace);
    let kinds: BTreeSet<Kind> = namespaced.iter().map(|key| key.kind).collect();
    let kinds: Vec<String> = kinds.into_iter().map(resource).collect();
    let in_namespace = format!(
        "`kubectl delete {} --namespace {namespace} --selector {NAME_LABEL}={name},{MANAGED_BY_LABEL}={MANAGED_BY}`",
        kinds.join(",")
    );
    // By name, which needs no permission to list them.
    let names = cluster_scoped.iter();
    let names: Vec<String> = names
        .map(|key| format!("{}/{}", resource(key.kind), key.name))
        .collect();
    match names.as_slice() {
        [] => in_namespace,
        names => format!(
            "{in_namespace}, and then, outside of the namespace, `kubectl delete {} --ignore-not-found`",
            names.join(" ")
        ),
    }
}

/// The resource of a kind for kubectl. Custom resources of several groups can have the same name.
fn resource(kind: Kind) -> String {
    match kind.is_custom() {
        true => format!("{}.{}", kind.plural(), kind.info().group),
        false => kind.plural().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use serde_json::json;

    use super::*;
    use crate::feast::names::OBJECTS_JSON;

    fn store() -> StoreName {
        StoreName {
            namespace: "shop".to_owned(),
            name: "demo".to_owned(),
        }
    }

    #[test]
    fn an_unfinished_create_has_several_remedies() {
        let live = |keys: &[(Kind, &str)], listed: &[&str]| {
            let mut live: BTreeMap<Key, Json> = (keys.iter())
                .map(|(kind, name)| (Key::new(*kind, *name), Json::Null))
                .collect();
            let listed = BASE64.encode(json!(listed).to_string());
            let secret = json!({"data": {OBJECTS_JSON: listed}});
            live.insert(store_secret::key("demo"), secret);
            live
        };
        let exists = |minutes: Option<i64>, live: &BTreeMap<Key, Json>| {
            already_exists(&store(), Occupied::DifferentConfig { minutes }, live)
        };
        let found = live(
            &[
                (Kind::Job, "feast-demo-apply-1"),
                (Kind::PersistentVolumeClaim, "feast-demo-online"),
                (Kind::ScaledObject, "feast-demo"),
            ],
            &["Deployment/feast-demo", "Secret/feast-demo"],
        );
        let diagnostic = exists(Some(7), &found);
        assert_eq!(
            diagnostic.detail,
            "Namespace \"shop\" already contains objects of the feature store \"demo\", which this provider created with \
             another configuration. That create is not complete, and it can still be running, so they were not changed. \
             Choose one of these ways:\n\n\
             - Wait: after 7 minutes, a new create adopts the existing objects.\n\
             - Apply the configuration that they were created with. Its create resumes.\n\
             - Import the feature store, and apply the new configuration to it: `terraform import <address> shop/demo`, or \
             `pulumi import feast:index/featureStore:FeatureStore <name> shop/demo`.\n\
             - Delete the objects: `kubectl delete secrets,jobs,deployments,scaledobjects.keda.sh --namespace shop --selector \
             feast.dev/name=demo,app.kubernetes.io/managed-by=feast`. This keeps PersistentVolumeClaims and their data.\n\
             - Choose another name."
        );
        let review = "feast:shop:demo:token-review";
        let listed = [
            format!("ClusterRole/{review}"),
            format!("ClusterRoleBinding/{review}"),
        ];
        let found = live(
            &[(Kind::ClusterRole, review)],
            &listed.each_ref().map(String::as_str),
        );
        let unrecorded = exists(None, &found).detail;
        assert!(!unrecorded.contains("Wait"), "{unrecorded}");
        let command = "- Delete the objects: `kubectl delete secrets --namespace shop --selector \
             feast.dev/name=demo,app.kubernetes.io/managed-by=feast`, and then, outside of the namespace, `kubectl delete \
             clusterroles/feast:shop:demo:token-review clusterrolebindings/feast:shop:demo:token-review \
             --ignore-not-found`. This keeps PersistentVolumeClaims and their data.\n";
        assert!(unrecorded.contains(command), "{unrecorded}");
    }

    #[test]
    fn a_rejected_replacement_names_both_feature_stores() {
        let reason = || Diagnostic::error("Cannot replace the feature store", "Because.");
        let moved = replacement_rejected(Some(&store()), &store(), reason());
        let text = |replaced: &str| {
            format!(
                "Because.\n\nThis plan replaces {replaced}. A replacement destroys the old feature store first, and then \
                 the new one could not be created, so the plan stops here. Nothing was changed. Apply first what the same \
                 run would create, such as a namespace or a Secret (`-target`). To destroy the old one alone, `terraform \
                 destroy -refresh=false` ignores the new name."
            )
        };
        assert_eq!(
            moved.detail,
            text("the feature store shop/demo with shop/demo")
        );
        let recreated = replacement_rejected(None, &store(), reason());
        assert_eq!(
            recreated.detail,
            text("the feature store shop/demo with a new one of the same name")
        );
    }
}
