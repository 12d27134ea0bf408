//! Diagnostics about feature stores that are replaced, and about names that are in use.

use crate::cluster::StoreName;
use crate::feast::names::{MANAGED_BY, MANAGED_BY_LABEL, NAME_LABEL};
use crate::feast::ownership::Occupied;
use crate::kubernetes::Kind;
use crate::kubernetes::kind::Scope;
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
    let StoreName { namespace, name } = new;
    Diagnostic::warning(
        NOT_CHECKED,
        format!(
            "This plan destroys the feature store and creates {namespace}/{name}. The provider could not check whether \
             {namespace}/{name} can be created: {}\n\n{}",
            reason.detail, CHECK_YOURSELF
        ),
    )
}

/// A replacement whose new name or namespace is unknown.
pub fn replacement_unknown(old: Option<&StoreName>) -> Diagnostic {
    let old = old.map_or_else(String::new, |old| {
        format!(" {}/{}", old.namespace, old.name)
    });
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
    let StoreName { namespace, name } = new;
    match old {
        Some(old) => format!(
            "the feature store {}/{} with {namespace}/{name}",
            old.namespace, old.name
        ),
        None => format!("the feature store {namespace}/{name} with a new one of the same name"),
    }
}

/// A create of a feature store whose name is in use.
pub fn already_exists(store: &StoreName, occupied: Occupied) -> Diagnostic {
    let StoreName { namespace, name } = store;
    let detail = match occupied {
        Occupied::DifferentConfig { minutes } => unfinished(store, minutes),
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

fn unfinished(store: &StoreName, minutes: Option<i64>) -> String {
    let StoreName { namespace, name } = store;
    let import = import(store);
    let cleanup = cleanup(store);
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
         - Delete the objects: `{cleanup}`. This keeps PersistentVolumeClaims and their data.\n\
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
    let StoreName { namespace, name } = store;
    format!(
        "`terraform import <address> {namespace}/{name}`, or `pulumi import feast:index/featureStore:FeatureStore \
         <name> {namespace}/{name}`"
    )
}

/// The command that deletes all objects of a feature store without its data.
fn cleanup(store: &StoreName) -> String {
    let StoreName { namespace, name } = store;
    let kinds = Kind::ALL.iter().copied().filter(|kind| {
        kind.scope() == Scope::Namespace
            && !kind.is_custom()
            && *kind != Kind::PersistentVolumeClaim
    });
    let kinds: Vec<&str> = kinds.map(Kind::plural).collect();
    format!(
        "kubectl delete {} --namespace {namespace} --selector {NAME_LABEL}={name},{MANAGED_BY_LABEL}={MANAGED_BY}",
        kinds.join(",")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> StoreName {
        StoreName {
            namespace: "shop".to_owned(),
            name: "demo".to_owned(),
        }
    }

    #[test]
    fn an_unfinished_create_has_several_remedies() {
        let diagnostic = already_exists(&store(), Occupied::DifferentConfig { minutes: Some(7) });
        assert_eq!(
            diagnostic.detail,
            "Namespace \"shop\" already contains objects of the feature store \"demo\", which this provider created with \
             another configuration. That create is not complete, and it can still be running, so they were not changed. \
             Choose one of these ways:\n\n\
             - Wait: after 7 minutes, a new create adopts the existing objects.\n\
             - Apply the configuration that they were created with. Its create resumes.\n\
             - Import the feature store, and apply the new configuration to it: `terraform import <address> shop/demo`, or \
             `pulumi import feast:index/featureStore:FeatureStore <name> shop/demo`.\n\
             - Delete the objects: `kubectl delete serviceaccounts,roles,rolebindings,secrets,configmaps,services,\
             networkpolicies,jobs,deployments,cronjobs,poddisruptionbudgets,horizontalpodautoscalers --namespace shop --selector \
             feast.dev/name=demo,app.kubernetes.io/managed-by=feast`. This keeps PersistentVolumeClaims and their data.\n\
             - Choose another name."
        );
        let unrecorded = already_exists(&store(), Occupied::DifferentConfig { minutes: None });
        assert!(!unrecorded.detail.contains("Wait"), "{}", unrecorded.detail);
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
