//! Waiting for a rollout: a loop over [`progress`], fed by a watch of the one Deployment.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::Value as Json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Progress, progress, troubles};
use crate::cluster::error::{Error, PodTrouble, Reason, Verb};
use crate::cluster::resource::Resource;
use crate::cluster::watch::{Selection, Unfinished};
use crate::cluster::{Cluster, StoreName};
use crate::feast::objects::Kind;

impl Cluster {
    /// Waits until the Deployment runs what its spec says, and answers it as it is then. See
    /// [`progress`] for `minimum`.
    pub async fn wait_for_rollout(
        &self,
        store: &StoreName,
        deployment: &str,
        minimum: Option<i32>,
        timeout: Duration,
        cancel: &CancellationToken,
    ) -> Result<Json, Error> {
        let mut missing = "the Deployment has not been seen".to_owned();
        let waited = self
            .watch_until(
                Resource::from(Kind::Deployment),
                &store.namespace,
                Selection::Named(deployment),
                Instant::now() + timeout,
                cancel,
                |objects| {
                    let live = objects.get(deployment);
                    let state = live.map_or_else(
                        || Progress::Failed("the Deployment does not exist".into()),
                        |live| judge(live, minimum),
                    );
                    match state {
                        Progress::Done => live.map(|live| Ok(live.clone())),
                        Progress::Failed(message) => Some(Err(message)),
                        Progress::Waiting(text) => {
                            if text != missing {
                                tracing::info!(
                                    "waiting for Deployment/{deployment} in namespace {}: {text}",
                                    store.namespace
                                );
                                missing = text;
                            }
                            None
                        }
                    }
                },
            )
            .await;
        let reason = match waited {
            Ok(Ok(live)) => return Ok(live),
            Ok(Err(message)) => Reason::RolloutFailed {
                message,
                pods: self.pod_troubles(store).await,
            },
            Err(Unfinished::TimedOut) => Reason::TimedOut {
                seconds: timeout.as_secs(),
                waiting_for: missing,
                pods: self.pod_troubles(store).await,
            },
            Err(Unfinished::Failed(error)) => return Err(error),
        };
        Err(self.error(
            Verb::Wait,
            Resource::from(Kind::Deployment),
            &store.namespace,
            Some(deployment),
            reason,
        ))
    }

    /// An explanation is worth an attempt; without it the error stands all the same.
    async fn pod_troubles(&self, store: &StoreName) -> Vec<PodTrouble> {
        match self.pods(store, &CancellationToken::new()).await {
            Ok(pods) => troubles(&pods),
            Err(error) => {
                tracing::debug!("the pods could not be looked at: {error}");
                Vec::new()
            }
        }
    }
}

fn judge(live: &Json, minimum: Option<i32>) -> Progress {
    match serde_json::from_value::<Deployment>(live.clone()) {
        Ok(deployment) => progress(&deployment, minimum),
        Err(_) => Progress::Waiting("the Deployment could not be read".into()),
    }
}
