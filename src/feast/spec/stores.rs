//! The online and the offline store.

use super::{OfflineStorage, OnlineServer, OnlineStorage, Server};
use crate::feast::config;

/// The online store. Feast always has one, but it can be without a server.
#[derive(Debug, Clone, PartialEq)]
pub struct Online {
    pub storage: OnlineStorage,
    pub server: Option<OnlineServer>,
    pub serving: Option<config::Serving>,
}

/// The offline store. Without one, Feast uses Dask with local files.
#[derive(Debug, Clone, PartialEq)]
pub struct Offline {
    pub storage: OfflineStorage,
    pub server: Option<Server>,
}

impl Online {
    /// Returns whether several pods can use it. Without a server, its storage is not used by the pods.
    pub(super) fn is_shared(&self) -> bool {
        self.server.is_none()
            || matches!(&self.storage, OnlineStorage::Database(database) if database.shared)
    }

    pub(super) fn new(online: &config::OnlineStore, image: &str) -> Self {
        let config::OnlineStore {
            disabled,
            persistence,
            server,
            serving,
        } = online;
        if disabled.unwrap_or(false) {
            // Its file is ignored too: Feast uses a default file that nothing reads. A database is kept, because
            // another feature store can serve what this one materializes.
            let database = persistence.as_ref().filter(|it| it.store.is_some());
            return Self {
                storage: OnlineStorage::new(database),
                server: None,
                serving: serving.clone(),
            };
        }
        let server = server.clone().unwrap_or_default();
        let storage = OnlineStorage::new(persistence.as_ref());
        Self {
            server: Some(OnlineServer::new(
                server.settings(),
                serving.as_ref(),
                &storage,
                image,
            )),
            storage,
            serving: serving.clone(),
        }
    }
}

impl Offline {
    /// Returns whether several pods can use it.
    pub(super) fn is_shared(&self) -> bool {
        matches!(&self.storage, OfflineStorage::Database(database) if database.shared)
    }

    pub(super) fn new(offline: &config::OfflineStore, image: &str) -> Self {
        let config::OfflineStore {
            persistence,
            server,
        } = offline;
        Self {
            storage: OfflineStorage::new(persistence.as_ref()),
            server: server
                .as_ref()
                .map(|server| Server::new(server.settings(), image)),
        }
    }
}
