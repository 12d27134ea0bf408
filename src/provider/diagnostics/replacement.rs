//! Diagnostics about feature stores that are replaced, and about names that are in use.

use crate::cluster::StoreName;
use crate::feast::names::{MANAGED_BY, MANAGED_BY_LABEL, NAME_LABEL};
use crate::feast::objects::Kind;
use crate::feast::ownership::Occupied;
use crate::kubernetes::kind::Scope;
use crate::schema::{Diagnostic, Path};

/// The default namespace cannot be the name of a namespace.
pub fn invalid_namespace(invalid: Diagnostic) -> Diagnostic {
    Diagnostic {
        detail: format!(
            "The feature store has no `namespace` of its own, and the one of the provider block cannot be used: {} \
             Correct `namespace` in the provider block, or the variable that it comes from.",
            invalid.detail
        ),
        summary: "The namespace of the provider block cannot be used".to_owned(),
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
        "\n\nThis plan replaces {replacement}. The replacement destroys the old feature store first, and the new one \
         could not be created, so the plan stops here and nothing was changed. What the same run would create, such as \
         a namespace or a Secret, has to be applied before: `-target` does that. If the old one is only to be \
         destroyed, `terraform destroy -refresh=false` does not look at the new name."
    ));
    reason
}

/// A replacement that could not be checked against the cluster.
pub fn replacement_unchecked(new: &StoreName, reason: &Diagnostic) -> Diagnostic {
    let StoreName { namespace, name } = new;
    Diagnostic::warning(
        NOT_CHECKED,
        format!(
            "This plan destroys the feature store and creates {namespace}/{name}. Whether that one can be created could \
             not be checked: {}\n\n{}",
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
            "This plan destroys the feature store{old} and creates another one, whose name or namespace will be known \
             only after apply. Whether that one can be created could not be checked.\n\n{CHECK_YOURSELF}"
        ),
    )
}

const NOT_CHECKED: &str = "The replacement was not checked";

const CHECK_YOURSELF: &str = "If it cannot, the old feature store is gone and the apply ends with an error. Before you apply, check that the namespace exists, that the name is free there, that the Secrets of the configuration are there, and that this account may create the objects.";

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

/// A PVC of a feature store that is replaced.
pub fn pvc_left_behind_by_replacement(name: &str, deleted: bool) -> Diagnostic {
    if !deleted {
        return super::pvc_left_behind(name, deleted);
    }
    Diagnostic::warning(
        "Data will be deleted",
        format!(
            "This plan replaces the feature store. When the old one is destroyed, the persistent volume claim {name:?} \
             is deleted with everything in it, because `delete_data` is true. There is no way back. It stays only if \
             the old feature store is not destroyed (`lifecycle {{ destroy = false }}`)."
        ),
    )
}

/// A create of a feature store whose name is in use.
pub fn already_exists(store: &StoreName, occupied: Occupied) -> Diagnostic {
    let StoreName { namespace, name } = store;
    let detail = match occupied {
        Occupied::DifferentConfig { minutes } => unfinished(store, minutes),
        Occupied::Complete => format!(
            "Namespace {namespace:?} already contains the feature store {name:?}, which this provider created and whose \
             creation is complete. It was not changed.\n\n{}",
            ways_out(store)
        ),
        Occupied::AnotherOwner => format!(
            "Namespace {namespace:?} already contains the feature store {name:?}, which another create has made, or \
             taken up, at the same moment. It was not changed.\n\n{}",
            ways_out(store)
        ),
    };
    Diagnostic::error("The feature store exists already", detail).at(Path::of("name"))
}

fn ways_out(store: &StoreName) -> String {
    let import = import(store);
    format!(
        "If another resource block, or this one before it was renamed, stands for it: write a `moved` block, or destroy \
         that one first. If it is this resource that is to be replaced: leave out `create_before_destroy`, because two \
         feature stores cannot have one name; what is only tainted, `terraform untaint` keeps. Otherwise import it: \
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
                "- Wait: after {minutes} {}, a create takes over what a create that ended has left.\n",
                if minutes == 1 { "minute" } else { "minutes" }
            ),
        ),
        None => (
            "They carry no record of how that create ended",
            String::new(),
        ),
    };
    format!(
        "Namespace {namespace:?} already contains objects of the feature store {name:?}, which this provider created \
         with another configuration. {state}, so they were not changed. Choose one way out:\n\n\
         {wait}\
         - Apply the configuration that they were created with: its create goes on from what exists.\n\
         - Import the feature store, and apply the new configuration to it: {import}.\n\
         - Delete the objects: `{cleanup}`. This leaves persistent volume claims and their data alone.\n\
         - Choose another name."
    )
}

/// How a feature store gets into a state, for each tool.
pub fn import(store: &StoreName) -> String {
    let StoreName { namespace, name } = store;
    format!(
        "`terraform import <address> {namespace}/{name}`, or `pulumi import feast:index/featureStore:FeatureStore \
         <name> {namespace}/{name}`"
    )
}

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
    fn names_every_way_out_of_an_unfinished_create() {
        let diagnostic = already_exists(&store(), Occupied::DifferentConfig { minutes: Some(7) });
        assert_eq!(
            diagnostic.detail,
            "Namespace \"shop\" already contains objects of the feature store \"demo\", which this provider created with \
             another configuration. That create is not complete, and it can still be running, so they were not changed. \
             Choose one way out:\n\n\
             - Wait: after 7 minutes, a create takes over what a create that ended has left.\n\
             - Apply the configuration that they were created with: its create goes on from what exists.\n\
             - Import the feature store, and apply the new configuration to it: `terraform import <address> shop/demo`, or \
             `pulumi import feast:index/featureStore:FeatureStore <name> shop/demo`.\n\
             - Delete the objects: `kubectl delete serviceaccounts,roles,rolebindings,secrets,configmaps,services,jobs,\
             deployments,cronjobs,poddisruptionbudgets,horizontalpodautoscalers --namespace shop --selector \
             feast.dev/name=demo,app.kubernetes.io/managed-by=feast`. This leaves persistent volume claims and their data \
             alone.\n\
             - Choose another name."
        );
        let unrecorded = already_exists(&store(), Occupied::DifferentConfig { minutes: None });
        assert!(!unrecorded.detail.contains("Wait"), "{}", unrecorded.detail);
    }

    #[test]
    fn says_what_a_refused_replacement_would_have_done() {
        let reason = || Diagnostic::error("Cannot replace the feature store", "Because.");
        let moved = replacement_rejected(Some(&store()), &store(), reason());
        let text = |replaced: &str| {
            format!(
                "Because.\n\nThis plan replaces {replaced}. The replacement destroys the old feature store first, and \
                 the new one could not be created, so the plan stops here and nothing was changed. What the same run \
                 would create, such as a namespace or a Secret, has to be applied before: `-target` does that. If the old \
                 one is only to be destroyed, `terraform destroy -refresh=false` does not look at the new name."
            )
        };
        assert_eq!(
            moved.detail,
            text("the feature store shop/demo with shop/demo")
        );
        let anew = replacement_rejected(None, &store(), reason());
        assert_eq!(
            anew.detail,
            text("the feature store shop/demo with a new one of the same name")
        );
    }
}
