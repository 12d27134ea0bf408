//! Takes over the objects of the Feast operator, before anything else is written.
//!
//! Each object of the operator is released: the custom resource no longer owns it, so that it stays when the custom
//! resource is deleted, and the configured field manager owns its fields, so that the next apply removes those that are
//! not desired. The order of steps:
//!
//! 1. A PersistentVolumeClaim that is being deleted stops the apply: only the user can save its data.
//! 2. One object is released and watched. A running operator takes it back, which stops the apply before anything is
//!    lost.
//! 3. The PersistentVolumeClaims. From here on the data does not depend on the custom resource.
//! 4. The other objects. The next apply resumes an interrupted take-over.

use std::borrow::Cow;
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value as Json;
use tokio::time::Instant;

use super::super::delete::StalledDeletion;
use super::super::error::{Reason, Verb};
use super::super::operator::{
    is_managed_by_operator, is_owned_by_custom_resource, take_over_patch,
};
use super::super::resource::Resource;
use super::super::watch::{Selection, Unfinished};
use super::{Applier, is_terminating};
use crate::kubernetes::kind::{Key, Kind};

/// The time for a running operator to take back an object; it does so within 3 seconds.
const WATCH_TIMEOUT: Duration = Duration::from_secs(5);

impl Applier<'_> {
    /// Takes over all objects of the operator.
    pub(super) async fn take_over(&mut self) {
        let store = self.desired.store;
        let operated = |(_, live): &(&Key, &Json)| is_managed_by_operator(live, store);
        let objects = self.outcome.objects.iter().filter(operated);
        let keys: Vec<Key> = objects.map(|(key, _)| key.clone()).collect();
        let is_lost = |key: &&Key| is_pvc(key) && is_terminating(&self.outcome.objects[*key]);
        if let Some(key) = keys.iter().find(is_lost) {
            let live = &self.outcome.objects[key];
            let stalled = StalledDeletion::new(key, &store.namespace, live, None, None);
            let reason = Reason::Terminating(Box::new(stalled));
            let error = (self.cluster).object_error(Verb::TakeOver, store, key, reason);
            return self.outcome.errors.push(error);
        }
        let owned = |key: &&Key| is_owned_by_custom_resource(&self.outcome.objects[*key], store);
        let canary = (keys.iter())
            .filter(owned)
            .min_by_key(|key| (is_pvc(key), (*key).clone()));
        if let Some(canary) = canary.cloned() {
            self.take_over_objects([canary.clone()]).await;
            self.check_operator(&canary).await;
        }
        let (pvcs, rest): (Vec<Key>, Vec<Key>) = keys.into_iter().partition(is_pvc);
        self.take_over_objects(pvcs).await;
        self.take_over_objects(rest).await;
    }

    /// Watches a released object. Notes an error if the operator takes it back.
    async fn check_operator(&mut self, key: &Key) {
        if !self.ok_so_far() {
            return;
        }
        let store = self.desired.store;
        let taken_back = self.cluster.watch_until(
            Resource::from(key.kind),
            &store.namespace,
            Selection::Named(&key.name),
            Instant::now() + WATCH_TIMEOUT,
            self.cancel,
            |objects| {
                let mut objects = objects.values();
                objects
                    .any(|live| is_owned_by_custom_resource(live, store))
                    .then_some(())
            },
        );
        match taken_back.await {
            Err(Unfinished::TimedOut { interruption: None }) => {}
            Err(Unfinished::TimedOut {
                interruption: Some(interruption),
            }) => {
                let reason = Reason::OperatorUnknown { interruption };
                let error = (self.cluster).object_error(Verb::TakeOver, store, key, reason);
                self.outcome.errors.push(error);
            }
            Err(Unfinished::Failed(error)) => self.outcome.errors.push(error),
            Ok(()) => {
                let reason = Reason::OperatorRunning;
                let error = (self.cluster).object_error(Verb::TakeOver, store, key, reason);
                self.outcome.errors.push(error);
            }
        }
    }

    /// Takes over these objects in parallel, unless something has failed.
    async fn take_over_objects(&mut self, keys: impl IntoIterator<Item = Key>) {
        if !self.ok_so_far() {
            return;
        }
        let (applier, store) = (&*self, self.desired.store);
        let manager = &self.cluster.options().field_manager;
        let patch = |live: &Json| take_over_patch(live, store, manager);
        let released = join_all(keys.into_iter().map(|key| async move {
            let live = &applier.outcome.objects[&key];
            let released = applier
                .writer
                .patch_current(Verb::TakeOver, &key, live, patch);
            let released = released.await.map(|live| live.map(Cow::into_owned));
            (key, released)
        }));
        for (key, result) in released.await {
            match result {
                Ok(Some(live)) => {
                    self.outcome.taken_over.insert(key.clone());
                    self.outcome.objects.insert(key, live);
                }
                Ok(None) => {
                    self.outcome.objects.remove(&key);
                }
                Err(error) => self.outcome.errors.push(error),
            }
        }
    }
}

fn is_pvc(key: &Key) -> bool {
    key.kind == Kind::PersistentVolumeClaim
}
