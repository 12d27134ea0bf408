//! The feature store that an action is about, and the limits of its run.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;

use crate::cluster::report::Reporter;
use crate::cluster::rollout::Wait;
use crate::cluster::{CancellationToken, Cluster, StoreName};
use crate::feast::config::FeatureStore;
use crate::feast::names;
use crate::feast::secrets::redaction::Redaction;
use crate::feast::secrets::store_secret;
use crate::provider::diagnostics;
use crate::provider::resources::feature_store::desired_store::DesiredStore;
use crate::provider::settings::Settings;
use crate::schema::Diagnostic;

/// One run of an action.
pub struct Invocation {
    pub cluster: Arc<Cluster>,
    pub name: StoreName,
    /// The feature store by the configuration of its last apply.
    pub desired: DesiredStore,
    /// True if a database is a file in its pods, which only the Secret tells.
    pub has_file: bool,
    /// The UID of its Secret.
    pub secret_uid: Option<String>,
    pub limits: Limits,
    pub reporter: Reporter,
    redaction: Redaction,
}

/// The limits of a run. All its waits share the timeout.
pub struct Limits {
    pub started: Instant,
    pub timeout: Duration,
    pub stop: CancellationToken,
}

impl Invocation {
    /// Finds the feature store by its Secret, which has its configuration. The objects in the cluster can belong to a
    /// newer apply, which has not ended.
    ///
    /// # Errors
    ///
    /// There is no such feature store of this provider, or it cannot be read.
    pub async fn open(
        settings: &Settings,
        name: &str,
        namespace: Option<&str>,
        limits: Limits,
        reporter: Reporter,
    ) -> Result<Self, Diagnostic> {
        let stop = &limits.stop;
        let namespace = namespace.or_else(|| settings.namespace());
        let name = StoreName {
            namespace: namespace.unwrap_or(names::DEFAULT_NAMESPACE).to_owned(),
            name: name.to_owned(),
        };
        let cluster = settings.cluster().await?;
        let key = store_secret::key(&name.name);
        let secret = cluster.get(&name.namespace, &key, stop).await;
        let secret = secret
            .map_err(|error| diagnostics::cluster_error("Cannot read the feature store", &error))?;
        let configuration = secret.as_ref().and_then(store_secret::configuration);
        let (Some(secret), Some(configuration)) = (secret, configuration) else {
            return Err(diagnostics::no_store_for_action(&name, cluster.server()));
        };
        let config: FeatureStore = serde_json::from_value(configuration).map_err(|error| {
            let advice = "Apply the feature store with this version of the provider, then invoke the action again.";
            diagnostics::unreadable_configuration(&name, &[format!("{error}.")], advice)
        })?;
        let desired = DesiredStore::new(&config, &name.namespace, false);
        let redaction = redaction(&cluster, &desired, &secret, stop).await;
        Ok(Self {
            cluster,
            has_file: store_secret::has_file(&secret, &desired.objects),
            secret_uid: secret["metadata"]["uid"].as_str().map(str::to_owned),
            name,
            desired,
            limits,
            reporter,
            redaction,
        })
    }

    /// Returns the options of a wait.
    pub fn wait(&self) -> Wait<'_> {
        Wait {
            reporter: Some(&self.reporter),
            ..Wait::since(self.limits.started, self.limits.timeout, &self.redaction)
        }
    }
}

/// Returns the values that no message may contain: those of the user's Secrets. If they cannot be read, these are all
/// values in `feature_store.yaml`.
async fn redaction(
    cluster: &Cluster,
    desired: &DesiredStore,
    secret: &Json,
    stop: &CancellationToken,
) -> Redaction {
    let sources = desired.objects.sources();
    match cluster
        .contents(&desired.store.namespace, &sources, stop)
        .await
    {
        Ok(contents) => Redaction::of(&contents),
        Err(_) => store_secret::redaction(secret),
    }
}
