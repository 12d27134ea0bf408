//! The ServiceAccounts of the pods, to which cloud identities can be bound, and of Spark drivers.

use k8s_openapi::api::core::v1::ServiceAccount;
use serde_json::Value as Json;

use super::{metadata, object};
use crate::feast::names;
use crate::feast::spec::Store;
use crate::kubernetes::{Key, Kind};

pub(super) fn render(store: &Store) -> Vec<(Key, Json)> {
    let engine = store.batch_engine.as_ref();
    let driver = engine
        .and_then(|engine| engine.driver.as_ref())
        .filter(|driver| driver.is_created);
    let main = account(store, names::main(&store.name), None);
    let driver =
        driver.map(|driver| account(store, driver.service_account.clone(), Some("batch-driver")));
    [Some(main), driver].into_iter().flatten().collect()
}

pub(super) fn account(store: &Store, name: String, service_type: Option<&str>) -> (Key, Json) {
    let account = ServiceAccount {
        metadata: metadata::object(store, name, service_type),
        ..ServiceAccount::default()
    };
    object(Kind::ServiceAccount, &account)
}
