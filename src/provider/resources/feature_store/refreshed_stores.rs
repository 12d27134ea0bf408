//! The feature stores that this process has refreshed.
//!
//! Terraform plans a tainted feature store with the request of a create: without its prior state and its private data.
//! Only the refresh before the plan shows that the feature store that exists is in the state.
//!
//! With `-debug`, the records of earlier runs remain: a preflight can then warn where it should report an error, and the
//! create fails.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use crate::cluster::StoreName;
use crate::feast::ownership::{Ownership, OwnershipEvent};

/// The refreshed feature stores, each with the id of the create that the resource instance owns.
#[derive(Default)]
pub struct RefreshedStores(RwLock<BTreeMap<StoreName, Option<String>>>);

impl RefreshedStores {
    /// Records a refreshed feature store, with the id of the create that its resource instance owns.
    pub fn record(&self, store: StoreName, owner_id: Option<String>) {
        let mut stores = self.0.write().unwrap_or_else(PoisonError::into_inner);
        stores.insert(store, owner_id);
    }

    /// Returns whether a destroy of the refreshed feature store would delete the one that exists.
    pub fn owns(&self, store: &StoreName, ownership: &Ownership) -> bool {
        let stores = self.0.read().unwrap_or_else(PoisonError::into_inner);
        stores.get(store).is_some_and(|owner_id| {
            let owner_id = owner_id.as_deref();
            let destroy = OwnershipEvent::DestroyStarts { owner_id };
            ownership.after(destroy).is_ok()
        })
    }
}
