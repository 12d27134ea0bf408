//! Warnings about PersistentVolumeClaims (PVCs) and the data on them.

use crate::cluster::StoreName;
use crate::kubernetes::Key;
use crate::schema::Diagnostic;

/// A PVC of the feature store that nothing uses after a plan.
pub fn pvc_left_behind(name: &str, is_deleted: bool) -> Diagnostic {
    if is_deleted {
        return Diagnostic::warning(
            "Data will be deleted",
            format!(
                "The PersistentVolumeClaim {name:?} will be deleted with all its data, because `delete_data` is true. This \
                 cannot be undone."
            ),
        );
    }
    Diagnostic::warning(
        "Data will be left unused",
        format!(
            "The PersistentVolumeClaim {name:?} will no longer be part of a feature store. It is kept with its \
             data, and a feature store of the same name can use it again. `delete_data = true` would delete it."
        ),
    )
}

/// A PVC of a feature store that is replaced.
pub fn pvc_left_behind_by_replacement(name: &str, is_deleted: bool) -> Diagnostic {
    if !is_deleted {
        return pvc_left_behind(name, is_deleted);
    }
    Diagnostic::warning(
        "Data will be deleted",
        format!(
            "This plan replaces the feature store. When the old one is destroyed, the PersistentVolumeClaim {name:?} is \
             deleted with all its data, because `delete_data` is true. This cannot be undone. It stays only if the old \
             feature store is not destroyed (`lifecycle {{ destroy = false }}`)."
        ),
    )
}

/// A PVC that the user created and that a plan no longer mounts.
pub fn referenced_pvc_unused(name: &str) -> Diagnostic {
    Diagnostic::warning(
        "Data will be left unused",
        format!(
            "The PersistentVolumeClaim {name:?} will no longer be mounted. This provider did not create it, so it is \
             kept with its data, whatever the value of `delete_data` is."
        ),
    )
}

/// A file on a PVC that a plan no longer uses.
pub fn file_unused(pvc: &str, before: &str, after: &str) -> Diagnostic {
    Diagnostic::warning(
        "Data will be left unused",
        format!(
            "On the PersistentVolumeClaim {pvc:?} Feast will use the file {after:?}, which is empty at first unless it \
             exists. The current data stays in {before:?}."
        ),
    )
}

/// A PVC that an apply deleted.
pub fn pvc_deleted(store: &StoreName, key: &Key) -> Diagnostic {
    let name = &key.name;
    let namespace = &store.namespace;
    Diagnostic::warning(
        "Data was deleted",
        format!(
            "The PersistentVolumeClaim {name:?} in namespace {namespace:?} is no longer part of the feature store. It was \
             deleted with all its data, because `delete_data` is true."
        ),
    )
}

/// A PVC with the labels of the feature store that no plan has named, so that an apply or a destroy did not delete it.
pub fn unrecorded_pvc_kept(store: &StoreName, key: &Key) -> Diagnostic {
    let name = &key.name;
    let StoreName {
        namespace,
        name: store,
    } = store;
    Diagnostic::warning(
        "Data was kept",
        format!(
            "The PersistentVolumeClaim {name:?} in namespace {namespace:?} has the labels of the feature store {store:?}, \
             and the state does not record it: it can be that of an earlier feature store of this name. It was not \
             deleted, whatever the value of `delete_data` is, because no plan has named it. To use it, name it in \
             `pvc.ref`. To delete it with its data, run `kubectl delete pvc {name} --namespace {namespace}`."
        ),
    )
}

/// A PVC that an apply or a destroy did not delete.
pub fn pvc_kept(store: &StoreName, key: &Key) -> Diagnostic {
    let name = &key.name;
    let namespace = &store.namespace;
    Diagnostic::warning(
        "Data was kept",
        format!(
            "The PersistentVolumeClaim {name:?} in namespace {namespace:?} is no longer part of the feature store. It was \
             not deleted, because its data would be lost. A feature store of the same name uses it again. To delete it \
             with its data, run `kubectl delete pvc {name} --namespace {namespace}`. To let the provider delete \
             PersistentVolumeClaims, apply `delete_data = true` before the change or the destroy."
        ),
    )
}
