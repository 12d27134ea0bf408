//! The attributes under `services`, with the defaults that do not depend on other attributes.

use std::collections::BTreeMap;

use super::project::configured_apply;
use super::{
    DisruptionBudget, FeastApplyMode, NetworkPolicy, Pods, Replicas, Strategy, Termination,
};
use crate::feast::config;
use crate::feast::names::Endpoint;

/// The attributes under `services`, from which [`Store::new`](super::Store::new) takes its fields.
pub(super) struct Services {
    /// `None` if not configured.
    pub feast_apply: Option<FeastApplyMode>,
    pub init_image: Option<String>,
    pub without_init: bool,
    /// Without the node selectors of the servers.
    pub pods: Pods,
    pub replicas: Replicas,
    pub strategy: Strategy,
    pub disruption_budget: Option<DisruptionBudget>,
    pub min_ready_seconds: Option<i32>,
    pre_stop_sleep_seconds: Option<i32>,
    termination_grace_period_seconds: Option<i32>,
    pub network_policy: Option<NetworkPolicy>,
    pub service_monitor: Option<config::ServiceMonitor>,
    pub serving_certificates: bool,
    pub routes: BTreeMap<Endpoint, config::Route>,
    pub ipv6: bool,
    // As configured: the defaults of these depend on the image and the namespace.
    pub online_store: config::OnlineStore,
    pub offline_store: Option<config::OfflineStore>,
    pub registry: Option<config::Registry>,
    pub ui: Option<config::Server>,
}

impl Services {
    pub fn new(services: config::Services, was_scaled: bool) -> Self {
        let pods = Pods::new(&services);
        let config::Services {
            scaling,
            pod_disruption_budgets,
            deployment_strategy,
            pre_stop_sleep_seconds,
            termination_grace_period_seconds,
            min_ready_seconds,
            online_store,
            offline_store,
            registry,
            ui,
            feast_apply,
            run_feast_apply_on_init,
            ipv6,
            init_image,
            disable_init_containers,
            network_policy,
            service_monitor,
            openshift,
            // `Pods` has these.
            volumes: _,
            node_selector: _,
            tolerations: _,
            affinity: _,
            priority_class_name: _,
            runtime_class_name: _,
            topology_spread_constraints: _,
            security_context: _,
            container_security_context: _,
            init_resources: _,
            pod_labels: _,
            pod_annotations: _,
            feast_apply_job: _,
            enable_service_links: _,
            resource_claims: _,
            automount_service_account_token: _,
            image_pull_secrets: _,
        } = services;
        let config::Openshift {
            serving_certificates,
            routes,
        } = openshift.unwrap_or_default();
        let replicas = Replicas::new(scaling.as_ref(), was_scaled);
        Self {
            feast_apply: configured_apply(feast_apply, run_feast_apply_on_init),
            init_image,
            without_init: disable_init_containers.unwrap_or(false),
            pods,
            strategy: Strategy::new(deployment_strategy.as_ref(), &replicas),
            disruption_budget: DisruptionBudget::new(pod_disruption_budgets, &replicas),
            replicas,
            min_ready_seconds,
            pre_stop_sleep_seconds,
            termination_grace_period_seconds,
            network_policy: network_policy.as_ref().map(NetworkPolicy::new),
            service_monitor,
            serving_certificates: serving_certificates.unwrap_or(false),
            routes: (routes.into_iter().flatten())
                .filter_map(|(name, route)| Some((Endpoint::of_attribute(&name)?, route)))
                .collect(),
            ipv6: ipv6.unwrap_or(false),
            online_store: online_store.unwrap_or_default(),
            offline_store,
            registry,
            ui,
        }
    }

    /// Returns the termination of pods. `several_pods` is true if several of them can run at the same time.
    pub fn termination(&self, several_pods: bool) -> Termination {
        Termination::new(
            self.pre_stop_sleep_seconds,
            self.termination_grace_period_seconds,
            several_pods,
        )
    }
}
