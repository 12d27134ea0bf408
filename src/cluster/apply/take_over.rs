//! Taking a store over from the Feast operator, before anything else is written.
//!
//! Every object of the operator's is released: it goes out of the custom resource's ownership, so that it stays
//! when that is deleted, and its fields become ours, so that what is not wanted goes with the next apply. The
//! order, and why:
//!
//! 1. A claim that is being deleted stops everything: its data is on the way out, and only a person can save it.
//! 2. One object first, watched for a while. An operator that is still at work puts it back, and that stops
//!    everything too, with nothing lost.
//! 3. The claims: from here on the data is safe, whatever becomes of the custom resource.
//! 4. The rest. An interrupted take-over is taken up again by the next apply, object by object.

use std::time::Duration;

use futures::future::join_all;
use serde_json::Value as Json;
use tokio::time::Instant;

use super::super::delete::StalledDeletion;
use super::super::error::{Error, Reason, Verb};
use super::super::operator::{is_operated, is_owned, release};
use super::super::request::Request;
use super::super::resource::Resource;
use super::super::watch::{Selection, Unfinished};
use super::{ATTEMPTS, Run, is_terminating};
use crate::feast::objects::{Key, Kind};

/// The operator repairs what it owns within 3 seconds.
const ATTENTION: Duration = Duration::from_secs(5);

impl Run<'_> {
    pub(super) async fn take_over(&mut self) {
        let store = self.plan.store;
        let operated = |(_, live): &(&Key, &Json)| is_operated(live, store);
        let objects = self.outcome.exists.iter().filter(operated);
        let keys: Vec<Key> = objects.map(|(key, _)| key.clone()).collect();
        let doomed = |key: &&Key| is_claim(key) && is_terminating(&self.outcome.exists[*key]);
        if let Some(key) = keys.iter().find(doomed) {
            let live = &self.outcome.exists[key];
            let stalled = StalledDeletion::new(key, &store.namespace, live, None, None);
            let reason = Reason::Terminating(Box::new(stalled));
            let error = (self.cluster).object_error(Verb::TakeOver, store, key, reason);
            return self.outcome.errors.push(error);
        }
        let owned = |key: &&Key| is_owned(&self.outcome.exists[*key], store);
        let canary = (keys.iter())
            .filter(owned)
            .min_by_key(|key| (is_claim(key), (*key).clone()));
        if let Some(canary) = canary.cloned() {
            self.release([canary.clone()]).await;
            self.leave_alone(&canary).await;
        }
        let (claims, rest): (Vec<Key>, Vec<Key>) = keys.into_iter().partition(is_claim);
        self.release(claims).await;
        self.release(rest).await;
    }

    /// Watches a released object for a write of the operator.
    async fn leave_alone(&mut self, key: &Key) {
        if !self.goes_on() {
            return;
        }
        let store = self.plan.store;
        let seen = self.cluster.watch_until(
            Resource::from(key.kind),
            &store.namespace,
            Selection::Named(&key.name),
            Instant::now() + ATTENTION,
            self.cancel,
            |objects| {
                let mut objects = objects.values();
                objects.any(|live| is_owned(live, store)).then_some(())
            },
        );
        match seen.await {
            Err(Unfinished::TimedOut) => {}
            Err(Unfinished::Failed(error)) => self.outcome.errors.push(error),
            Ok(()) => {
                let reason = Reason::OperatorAtWork;
                let error = (self.cluster).object_error(Verb::TakeOver, store, key, reason);
                self.outcome.errors.push(error);
            }
        }
    }

    /// Releases these objects, in parallel, unless something has failed.
    async fn release(&mut self, keys: impl IntoIterator<Item = Key>) {
        if !self.goes_on() {
            return;
        }
        let run = &*self;
        let released = join_all(keys.into_iter().map(|key| async move {
            let released = run.release_one(&key, &run.outcome.exists[&key]).await;
            (key, released)
        }));
        for (key, result) in released.await {
            match result {
                Ok(Some(live)) => {
                    self.outcome.taken_over.insert(key.clone());
                    self.outcome.exists.insert(key, live);
                }
                Ok(None) => {
                    self.outcome.exists.remove(&key);
                }
                Err(error) => self.outcome.errors.push(error),
            }
        }
    }

    /// Answers the object as it is then, or `None` when it is gone.
    async fn release_one(&self, key: &Key, live: &Json) -> Result<Option<Json>, Error> {
        let store = self.plan.store;
        let manager = &self.cluster.options().field_manager;
        let mut live = live.clone();
        for _ in 0..ATTEMPTS {
            let Some(patch) = release(&live, store, manager) else {
                return Ok(Some(live));
            };
            let request = Request {
                verb: Verb::TakeOver,
                resource: Resource::from(key.kind),
                namespace: &store.namespace,
                name: Some(&key.name),
                query: vec![("fieldManager", manager)],
                body: Some(patch),
            };
            match self.cluster.send(request, self.cancel).await {
                Ok(released) => return Ok(Some(released)),
                Err(Error {
                    reason: Reason::Stale { .. },
                    ..
                }) => {}
                Err(error) => return Err(error),
            }
            match (self.cluster)
                .get(&store.namespace, key, self.cancel)
                .await?
            {
                Some(now) => live = now,
                None => return Ok(None),
            }
        }
        let reason = Reason::Stale {
            message: "it changes too often to be taken over".to_owned(),
        };
        Err((self.cluster).object_error(Verb::TakeOver, store, key, reason))
    }
}

fn is_claim(key: &Key) -> bool {
    key.kind == Kind::PersistentVolumeClaim
}
