//! The PersistentVolumeClaims of a feature store in a plan: forbidden changes, and warnings about data that will be
//! deleted or unused.

use std::collections::BTreeMap;

use crate::feast::names::Service;
use crate::feast::rules::changes;
use crate::feast::spec::{OnlineStorage, Registry, RegistryStorage, Store};
use crate::provider::diagnostics;
use crate::schema::Diagnostics;

use super::parse::{Parsed, judged};
use super::prior_state::PriorState;

/// What a plan does with the feature store of the prior state.
pub enum Change<'a> {
    Destroy,
    /// Terraform destroys it and creates another one. With `lifecycle { destroy = false }` Terraform keeps it, which no
    /// plan shows.
    Replace,
    /// The specification after the update; `None` while any value of it is unknown.
    Update(Option<&'a Store>),
}

/// Returns an error for each change of a PVC that the API server would reject in the middle of an update.
pub fn forbidden_changes(prior: &PriorState<'_>, parsed: &Parsed) -> Diagnostics {
    match prior.config() {
        Ok(before) => judged(changes::check(before, &parsed.config), &parsed.unknown),
        Err(_) => Vec::new(),
    }
}

/// Returns a warning for each PVC, and each file on one, that the change deletes or that nothing uses after it.
pub fn warnings(prior: &PriorState<'_>, change: &Change<'_>) -> Diagnostics {
    let Some(before) = prior.spec() else {
        return Vec::new();
    };
    let created = before.created_claims();
    let left_behind = created.iter();
    match change {
        Change::Destroy => left_behind
            .map(|pvc| diagnostics::pvc_left_behind(pvc, before.delete_data))
            .collect(),
        Change::Replace => left_behind
            .map(|pvc| diagnostics::pvc_left_behind_by_replacement(pvc, before.delete_data))
            .collect(),
        // The unknown values can decide that the PVCs stay in use. The apply reports what became of them.
        Change::Update(None) => Vec::new(),
        Change::Update(Some(after)) => of_update(&before, after),
    }
}

fn of_update(before: &Store, after: &Store) -> Diagnostics {
    let (created, referenced) = (after.created_claims(), after.referenced_claims());
    let is_unused = |pvc: &&String| !created.contains(*pvc) && !referenced.contains(*pvc);
    let mut warnings = Diagnostics::new();
    for pvc in before.created_claims().iter().filter(is_unused) {
        warnings.push(diagnostics::pvc_left_behind(pvc, after.delete_data));
    }
    for pvc in before.referenced_claims().iter().filter(is_unused) {
        warnings.push(diagnostics::referenced_pvc_unused(pvc));
    }
    let files = files(after);
    for (place, file) in self::files(before) {
        if let Some(new) = files.get(&place).filter(|new| **new != file) {
            warnings.push(diagnostics::file_unused(&place.1, &file, new));
        }
    }
    warnings
}

/// Returns the file of each service on each PVC, relative to the root of the PVC.
fn files(store: &Store) -> BTreeMap<(Service, String), String> {
    let online = match &store.online.storage {
        OnlineStorage::File { path, .. } => Some(path),
        OnlineStorage::Database(_) => None,
    };
    let registry = match &store.registry {
        Registry::Local(local) => match &local.storage {
            RegistryStorage::File(file) => Some(&file.path),
            RegistryStorage::Database(_) => None,
        },
        Registry::Remote(_) => None,
    };
    let mut files = BTreeMap::new();
    for (service, pvc) in store.claims() {
        let path = match service {
            Service::Online => online,
            Service::Registry => registry,
            Service::Offline => None,
        };
        let mount = pvc.mount_path.trim_end_matches('/');
        if let Some(file) = path.and_then(|path| path.strip_prefix(mount)) {
            let file = file.trim_start_matches('/').to_owned();
            files.insert((service, pvc.name(&store.name, service)), file);
        }
    }
    files
}
