//! The first steps of an update, whose pods keep running until the rollout replaces them.
//!
//! # Guarantees
//!
//! - Before the Job has succeeded, clients reach the running pods as before: the ports of a Service, the ports that a
//!   NetworkPolicy permits and the configuration of clients change after it. So do the files of the running pods.
//! - Permissions that an update only removes stay until the rollout is complete.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{Applier, Written};
use crate::feast::secrets::store_secret;
use crate::kubernetes::diff::project;
use crate::kubernetes::kind::{Key, Kind, Tier};

impl Applier<'_> {
    /// Applies the prerequisites, and runs the Job before those of them that clients or the running pods depend on.
    pub(super) async fn prepare_update(&mut self) {
        self.request_certificates().await;
        let select = |selected: &dyn Fn(&Key, &Json) -> bool| -> BTreeSet<Key> {
            let manifests = self.manifests().iter();
            let selected = manifests.filter(|(key, manifest)| selected(key, manifest));
            selected.map(|(key, _)| key.clone()).collect()
        };
        let mut later = select(&|key, manifest| self.redirects_clients(key, manifest));
        let shrinking = select(&|key, manifest| self.only_removes_rules(key, manifest));
        let secret = self.secret_of_job();
        later.extend(secret.iter().map(|(key, _)| key.clone()));
        self.apply_matching(|key| {
            let is_later = later.contains(key) || shrinking.contains(key);
            key.kind.tier() == Tier::Prerequisites && !is_later
        })
        .await;
        if let Some((key, secret)) = secret {
            self.apply_secret_of_job(&key, &secret).await;
        }
        self.run_due_jobs().await;
        self.apply_matching(|key| later.contains(key)).await;
        self.outcome.deferred = shrinking;
    }

    /// Returns the Secret with the new file of a due Job and the previous files of the running pods, which would read
    /// new ones after a restart of a container. `None` if it is the desired one. If the Job fails, the Secret still
    /// counts as that of the last apply, so it has the metadata of that.
    fn secret_of_job(&self) -> Option<(Key, Json)> {
        self.due_jobs().next()?;
        let key = store_secret::key(&self.desired.store.name);
        let (manifest, live) = (self.manifests().get(&key)?, self.outcome.objects.get(&key)?);
        let mut secret = store_secret::with_running_files(manifest, live);
        if let Some(applied) = self.desired.prior.get(&key) {
            secret["metadata"] = applied["metadata"].clone();
        }
        (secret != *manifest).then_some((key, secret))
    }

    /// Applies the Secret. It has not got its desired state yet, so it does not count as changed.
    async fn apply_secret_of_job(&mut self, key: &Key, secret: &Json) {
        if !self.ok_so_far() {
            return;
        }
        let live = self.outcome.objects.get(key);
        let written = self.apply_object(key, secret, live).await;
        match written {
            Ok(Written::Unchanged) => {}
            Ok(Written::Changed(live) | Written::Created(live)) => {
                self.outcome.objects.insert(key.clone(), live);
            }
            Err(error) => self.note_failure(key, error),
        }
    }

    /// Returns whether the update changes how clients reach the pods by this object.
    fn redirects_clients(&self, key: &Key, manifest: &Json) -> bool {
        let live = self.outcome.objects.get(key);
        let is_changed = |field: &str| {
            live.is_some_and(|live| {
                let applied = self.desired.prior.get(key);
                // A port that is no longer desired shows only in what was applied.
                applied.is_some_and(|applied| applied[field] != manifest[field])
                    || project(manifest, live)[field] != manifest[field]
            })
        };
        match key.kind {
            Kind::Service | Kind::Route => is_changed("spec"),
            // Clients read their configuration from it; pods do not.
            Kind::ConfigMap => is_changed("data"),
            // A new one denies what it does not permit, such as the ports of the running pods.
            Kind::NetworkPolicy => {
                (live.is_none() || is_changed("spec")) && !self.selects_jobs(manifest)
            }
            _ => false,
        }
    }

    /// Returns whether the NetworkPolicy is about pods of a Job, which needs it.
    fn selects_jobs(&self, policy: &Json) -> bool {
        let selector = policy["spec"]["podSelector"]["matchLabels"].as_object();
        let mut jobs = (self.manifests().iter()).filter(|(key, _)| key.kind == Kind::Job);
        jobs.any(|(_, job)| {
            let labels = &job["spec"]["template"]["metadata"]["labels"];
            let mut selector = selector.into_iter().flatten();
            selector.all(|(name, value)| labels[name.as_str()] == *value)
        })
    }

    /// Returns whether the update removes rules of a Role or ClusterRole and adds none.
    fn only_removes_rules(&self, key: &Key, manifest: &Json) -> bool {
        let live = self.outcome.objects.get(key);
        let live = live.and_then(|live| live["rules"].as_array());
        let (Some(wanted), Some(live)) = (manifest["rules"].as_array(), live) else {
            return false;
        };
        matches!(key.kind, Kind::Role | Kind::ClusterRole)
            && wanted.iter().all(|rule| live.contains(rule))
            && !live.iter().all(|rule| wanted.contains(rule))
    }
}
