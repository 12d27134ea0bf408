//! The preflight of a plan (`preflight = true` in the provider block): checks what the cluster would refuse.
//!
//! All findings are reported together, at the attribute where there is one. Nothing is written.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::cluster::preflight::permissions::Permission;
use crate::cluster::{self, CancellationToken, Cluster, Reason, StoreName};
use crate::feast::ownership::Ownership;
use crate::feast::secrets::store_secret;
use crate::kubernetes::kind::{Access, Kind};
use crate::kubernetes::quota::{Counted, Shortage};
use crate::provider::diagnostics;
use crate::provider::settings::Settings;
use crate::schema::{Block, Diagnostic, Diagnostics, Path, Value};

use super::attribute_paths::AttributePaths;
use super::cluster_check::{Findings, Freed, check_create, check_update};
use super::manifests::Manifests;
use super::plan::PlannedStore;
use super::private_state::PrivateState;
use super::refreshed_stores::RefreshedStores;
use super::user_sources::{references_errors, sources_errors};

/// A plan with changes.
pub struct Preflight<'a> {
    pub block: &'a Block,
    /// The planned state.
    pub planned: &'a Value,
    pub store: &'a PlannedStore,
    pub refreshed: &'a RefreshedStores,
    /// The private state; `None` for a create.
    pub prior: Option<&'a PrivateState>,
}

impl Preflight<'_> {
    /// Returns the findings.
    pub async fn run(&self, settings: &Settings, stop: &CancellationToken) -> Diagnostics {
        let Some(store) = &self.store.store else {
            return vec![diagnostics::preflight_incomplete(
                "the name or the namespace of the feature store will be known only after apply",
            )];
        };
        let cluster = match settings.cluster().await {
            Ok(cluster) => cluster,
            Err(error) => return vec![diagnostics::preflight_incomplete(&error.detail)],
        };
        let missing = (cluster.missing_permissions(store, &self.kinds(), stop)).await;
        let missing = match missing {
            Ok(missing) => missing,
            Err(error) => return vec![diagnostics::not_checked(&error)],
        };
        let checked = self.check(&cluster, store, stop).await;
        let has_namespace = !matches!(
            &checked,
            Err(error) if matches!(error.reason, Reason::NamespaceMissing(_))
        );
        let permissions = (!missing.is_empty())
            .then(|| diagnostics::missing_permissions(store, &missing, has_namespace));
        let findings = match checked {
            Ok(found) => self.findings(&cluster, store, found, &missing, stop).await,
            Err(error) if error.reason.is_unanswered() => vec![diagnostics::not_checked(&error)],
            Err(error) => Vec::from_iter(self.finding(&error, &Findings::default(), &missing)),
        };
        permissions.into_iter().chain(findings).collect()
    }

    /// Returns the kinds of object that the feature store can have.
    fn kinds(&self) -> BTreeSet<Kind> {
        let always = Kind::ALL.iter().copied();
        let always = always.filter(|kind| kind.access() == Access::Always);
        let desired = self.store.desired.iter();
        let wanted = desired.flat_map(|desired| desired.objects.manifests.keys());
        let prior = self.prior.iter();
        let applied = prior.flat_map(|prior| prior.last_applied.keys());
        always
            .chain(wanted.chain(applied).map(|key| key.kind))
            .collect()
    }

    /// Checks the writes of the planned change.
    ///
    /// # Errors
    ///
    /// The error after which no further request makes sense.
    async fn check(
        &self,
        cluster: &Cluster,
        store: &StoreName,
        stop: &CancellationToken,
    ) -> Result<Findings, cluster::Error> {
        match (&self.store.replacement, self.prior) {
            (None, Some(prior)) => check_update(cluster, self.store, store, prior, stop).await,
            (None, None) => {
                let freed = |_: &_, _: &_| Freed::default();
                check_create(cluster, self.store, store, freed, stop).await
            }
            // The objects were checked with the replacement.
            (Some(replacement), _) => Ok(Findings {
                manifests: (self.store.desired.iter())
                    .flat_map(|desired| desired.objects.manifests.clone())
                    .collect(),
                frees_quota: replacement.frees_quota(store),
                ..Findings::default()
            }),
        }
    }

    /// Returns the findings about the objects, and checks what their pods need.
    async fn findings(
        &self,
        cluster: &Cluster,
        store: &StoreName,
        found: Findings,
        missing: &[Permission],
        stop: &CancellationToken,
    ) -> Diagnostics {
        let namespace = &store.namespace;
        let (pods, quota, (references, unread), metrics) = tokio::join!(
            cluster.check_pods(store, &found.manifests, &found.live, stop),
            async {
                match found.frees_quota {
                    // What is used when the destroy has ended is not known.
                    true => Ok(Vec::new()),
                    false => {
                        let quota =
                            cluster.missing_quota(namespace, &found.manifests, &found.live, stop);
                        quota.await
                    }
                }
            },
            cluster.missing_references(namespace, &found.manifests, stop),
            missing_metrics(cluster, &found.manifests, stop),
        );
        let mut errors: Vec<&cluster::Error> = found.refused.iter().collect();
        let mut unchecked: Vec<&cluster::Error> = found.unchecked.iter().chain(&unread).collect();
        let mut findings = self.before_writes(store, &found);
        findings.extend(metrics);
        match &pods {
            Ok(Some(checked)) => {
                errors.extend(&checked.refused);
                let pods = checked.unchecked.iter();
                unchecked.extend(pods.filter(|error| !found.frees_quota || !is_quota(error)));
            }
            Ok(None) => findings.push(diagnostics::pods_not_checked(namespace)),
            Err(error) => unchecked.push(error),
        }
        findings
            .extend((errors.into_iter()).filter_map(|error| self.finding(error, &found, missing)));
        let references = references_errors(store, &references, self.attributes(), None);
        findings.extend(references.into_iter().map(diagnostics::created_first));
        match &quota {
            Ok(shortages) => findings.extend((shortages.iter()).map(|shortage| {
                diagnostics::at_attribute(
                    diagnostics::quota_exceeded(store, shortage),
                    self.quota_attribute(shortage),
                )
            })),
            Err(error) => unchecked.push(error),
        }
        let unchecked = unchecked
            .into_iter()
            .find(|error| !is_reported(error, missing));
        findings.extend(unchecked.map(diagnostics::not_checked));
        findings
    }

    /// Returns what an apply reports before its first write.
    fn before_writes(&self, store: &StoreName, found: &Findings) -> Diagnostics {
        let occupied = found.occupied.map(|occupied| {
            let error = diagnostics::already_exists(store, occupied, &found.live);
            let secret = found.live.get(&store_secret::key(&store.name));
            match self.refreshed.owns(store, &Ownership::of(secret)) {
                true => diagnostics::destroyed_first(error),
                false => error,
            }
        });
        let remote_store = found.remote_store.as_ref();
        let remote_store = remote_store.map(diagnostics::remote_store_not_ready);
        let desired = self.store.desired.iter();
        let sources = desired.flat_map(|desired| sources_errors(desired, &found.missing, None));
        let sources = (sources.zip(&found.missing))
            .map(|(diagnostic, error)| diagnostics::source_missing(diagnostic, error));
        let values = found.diagnostics.iter().cloned();
        (occupied.into_iter().chain(remote_store))
            .chain(values)
            .chain(sources)
            .collect()
    }

    /// Returns the diagnostic of an error that the apply would have. `None` for an error that is reported in another
    /// way: a missing permission, and a conflict, of which the plan warns after each refresh.
    fn finding(
        &self,
        error: &cluster::Error,
        found: &Findings,
        missing: &[Permission],
    ) -> Option<Diagnostic> {
        let is_conflict = matches!(
            error.reason,
            Reason::Conflict(_) | Reason::ChangedSincePlan(_)
        );
        if is_conflict || is_reported(error, missing) {
            return None;
        }
        let paths = self.attributes().of_error(&found.manifests, error);
        Some(diagnostics::at_attributes(
            diagnostics::would_fail(error),
            paths,
        ))
    }

    fn attributes(&self) -> AttributePaths<'_> {
        AttributePaths {
            block: self.block,
            planned: self.planned,
        }
    }

    /// Returns the attribute with the number of pods, if the quota counts pods.
    fn quota_attribute(&self, shortage: &Shortage) -> Option<Path> {
        if shortage.counted() != Counted::Pods {
            return None;
        }
        let attributes = [
            "services.scaling.replicas",
            "services.scaling.autoscaling.min_replicas",
            "services.scaling.keda.min_replicas",
        ];
        let mut attributes = attributes.into_iter().map(Path::of);
        attributes.find(|path| self.planned.get(path).is_some_and(|value| !value.is_null()))
    }
}

/// Returns a warning if the cluster has no metrics for an autoscaler that scales by CPU and memory usage alone.
async fn missing_metrics(
    cluster: &Cluster,
    manifests: &Manifests,
    stop: &CancellationToken,
) -> Option<Diagnostic> {
    let autoscaler = scales_by_usage(manifests)?;
    let is_missing = cluster.has_metrics_api(stop).await == Some(false);
    is_missing.then(|| diagnostics::at_attribute(diagnostics::no_metrics_api(), Some(autoscaler)))
}

/// Returns the attribute of an autoscaler that scales by CPU and memory usage alone.
fn scales_by_usage(manifests: &Manifests) -> Option<Path> {
    manifests.iter().find_map(|(key, manifest)| {
        let (signals, usage, attribute) = match key.kind {
            Kind::HorizontalPodAutoscaler => (
                "metrics",
                ["Resource", "ContainerResource"],
                "services.scaling.autoscaling",
            ),
            // KEDA passes these triggers on to its HorizontalPodAutoscaler.
            Kind::ScaledObject => ("triggers", ["cpu", "memory"], "services.scaling.keda"),
            _ => return None,
        };
        let signals = manifest["spec"][signals].as_array()?;
        let is_usage = |signal: &Json| usage.iter().any(|kind| signal["type"] == *kind);
        (signals.iter().all(is_usage)).then(|| Path::of(attribute))
    })
}

/// Returns whether the object was refused by a quota.
fn is_quota(error: &cluster::Error) -> bool {
    error.reason.exceeds_quota()
}

/// Returns whether the error is about a missing permission that is reported already.
fn is_reported(error: &cluster::Error, missing: &[Permission]) -> bool {
    error.reason.is_missing_permission()
        && missing
            .iter()
            .any(|it| it.resource == error.target.resource)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubernetes::Key;
    use crate::kubernetes::quantity::Quantity;
    use crate::provider::resources::feature_store::testing;

    #[test]
    fn autoscalers_by_usage_alone_need_metrics() {
        let hpa = |kind: &str| json!({"metrics": [{"type": "Resource"}, {"type": kind}]});
        let keda = |kind: &str| json!({"triggers": [{"type": "cpu"}, {"type": kind}]});
        let autoscaling = Some("services.scaling.autoscaling");
        for (kind, spec, expected) in [
            (
                Kind::HorizontalPodAutoscaler,
                hpa("ContainerResource"),
                autoscaling,
            ),
            (Kind::HorizontalPodAutoscaler, hpa("Pods"), None),
            (
                Kind::ScaledObject,
                keda("memory"),
                Some("services.scaling.keda"),
            ),
            (Kind::ScaledObject, keda("cron"), None),
            (Kind::Deployment, json!({}), None),
        ] {
            let manifests = [(Key::new(kind, "feast-x"), json!({"spec": spec}))].into();
            let found = scales_by_usage(&manifests).map(|path| path.to_string());
            assert_eq!(found.as_deref(), expected, "{spec}");
        }
    }

    #[test]
    fn a_shortage_has_the_attribute_with_the_number_of_pods() {
        let block = testing::block();
        let scaled = |scaling: Json| {
            let database =
                |kind: &str| json!({"store": {"type": kind, "secretRef": {"name": "s"}}});
            let json = json!({"name": "x", "namespace": "ns", "feastProject": "p", "services": {
                "scaling": scaling,
                "onlineStore": {"persistence": database("postgres"),
                    "server": {"resources": {"requests": {"cpu": "1"}}}},
                "registry": {"local": {"persistence": database("sql")}},
            }});
            testing::plan(&block, None, &testing::value(&block, &json)).state
        };
        let store = PlannedStore {
            store: None,
            desired: None,
            configuration: Json::Null,
            replacement: None,
            is_checked: false,
        };
        let refreshed = RefreshedStores::default();
        let fixed = scaled(json!({"replicas": 2}));
        let preflight = |planned| Preflight {
            block: &block,
            planned,
            store: &store,
            refreshed: &refreshed,
            prior: None,
        };
        let autoscaled = scaled(json!({"autoscaling": {"minReplicas": 2, "maxReplicas": 3}}));
        let triggers = json!([{"type": "cron", "metadata": {}}]);
        let keda = json!({"triggers": triggers, "minReplicas": 2, "maxReplicas": 3});
        let keda = scaled(json!({"keda": keda}));
        for (planned, resource, expected) in [
            (&fixed, "pods", Some("services.scaling.replicas")),
            (&fixed, "limits.memory", Some("services.scaling.replicas")),
            (&fixed, "requests.cpu", Some("services.scaling.replicas")),
            (&fixed, "count/pods", Some("services.scaling.replicas")),
            (
                &fixed,
                "ephemeral-storage",
                Some("services.scaling.replicas"),
            ),
            (&fixed, "requests.storage", None),
            (&fixed, "services", None),
            (
                &autoscaled,
                "cpu",
                Some("services.scaling.autoscaling.min_replicas"),
            ),
            (&keda, "pods", Some("services.scaling.keda.min_replicas")),
        ] {
            let shortage = Shortage {
                quota: "q".to_owned(),
                resource: resource.to_owned(),
                needed: Quantity::ONE,
                used: "0".to_owned(),
                hard: "0".to_owned(),
            };
            let attribute = preflight(planned).quota_attribute(&shortage);
            let attribute = attribute.map(|path| path.to_string());
            assert_eq!(attribute.as_deref(), expected, "{resource}");
        }
    }
}
