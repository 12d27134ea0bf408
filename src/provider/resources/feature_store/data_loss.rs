//! What a plan does to data: what it must not do, and what the user must hear before it is done.

use std::collections::BTreeMap;

use crate::feast::config::FeatureStore;
use crate::feast::names::Service;
use crate::feast::rules::changes;
use crate::feast::spec::{Defaults, OnlineStorage, Registry, RegistryStorage, Store};
use crate::provider::diagnostics;
use crate::schema::{Block, Diagnostic, Diagnostics, Value, decode};

use super::parse::{Parsed, judged};

/// Changes of claims that the API server would refuse halfway.
pub fn refused(block: &Block, prior: &Value, parsed: &Parsed) -> Diagnostics {
    let Some(before) = configuration(block, prior) else {
        return Vec::new();
    };
    let same = |one: &Option<String>, other: &Option<String>| other.is_none() || one == other;
    let after = &parsed.config;
    if before.name != after.name || !same(&before.namespace, &after.namespace) {
        // A new feature store, with claims of its own.
        return Vec::new();
    }
    judged(changes::check(&before, after), &parsed.unknown)
}

/// What becomes of claims when the feature store goes.
pub fn of_destroy(block: &Block, prior: &Value) -> Diagnostics {
    left(block, prior, diagnostics::claim_left)
}

/// What becomes of claims when the feature store is replaced. Terraform can keep the old one (`destroy = false` under
/// `lifecycle`), which a plan does not see.
pub fn of_replacement(block: &Block, prior: &Value) -> Diagnostics {
    left(block, prior, diagnostics::claim_left_by_replacement)
}

fn left(block: &Block, prior: &Value, word: fn(&str, bool) -> Diagnostic) -> Diagnostics {
    let Some(before) = store(block, prior) else {
        return Vec::new();
    };
    let claims = before.created_claims();
    (claims.iter())
        .map(|claim| word(claim, before.delete_data))
        .collect()
}

/// What becomes of claims, and of files on them, that the feature store uses no longer.
pub fn of_update(block: &Block, prior: &Value, after: &Store) -> Diagnostics {
    let Some(before) = store(block, prior) else {
        return Vec::new();
    };
    let (created, referenced) = (after.created_claims(), after.referenced_claims());
    let used = |claim: &&String| created.contains(*claim) || referenced.contains(*claim);
    let mut warnings = Diagnostics::new();
    for claim in before.created_claims().iter().filter(|it| !used(it)) {
        warnings.push(diagnostics::claim_left(claim, after.delete_data));
    }
    for claim in before.referenced_claims().iter().filter(|it| !used(it)) {
        warnings.push(diagnostics::claim_unused(claim));
    }
    let files = files(after);
    for (place, file) in self::files(&before) {
        if let Some(new) = files.get(&place).filter(|new| **new != file) {
            warnings.push(diagnostics::file_left(&place.1, &file, new));
        }
    }
    warnings
}

/// The file of each service that stands on a claim, from the claim's root.
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
    for (service, claim) in store.claims() {
        let path = match service {
            Service::Online => online,
            Service::Registry => registry,
            Service::Offline => None,
        };
        let mount = claim.mount_path.trim_end_matches('/');
        if let Some(file) = path.and_then(|path| path.strip_prefix(mount)) {
            let file = file.trim_start_matches('/').to_owned();
            files.insert((service, claim.name(&store.name, service)), file);
        }
    }
    files
}

fn store(block: &Block, state: &Value) -> Option<Store> {
    let config = configuration(block, state)?;
    Some(Store::new(&config, &Defaults::default()))
}

/// `None` for no state, and for one of another version of the provider.
fn configuration(block: &Block, state: &Value) -> Option<FeatureStore> {
    if state.is_null() {
        return None;
    }
    serde_json::from_value(decode(block, state).json).ok()
}
