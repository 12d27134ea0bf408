//! The first steps of a create, in an order in which a refusal can be undone ([`undo`](super::undo)).

use super::{Applier, Writes, is_autoscaler, push_error};
use crate::kubernetes::kind::{Key, Kind, Tier};

impl Applier<'_> {
    /// Applies the objects of a create that can exist without its Deployments, and runs the Job.
    pub(super) async fn apply_before_deployment(&mut self) {
        // A create usually finds no objects.
        let found = self.outcome.objects.clone();
        let writes = &self.desired.writes(&found);
        // The Secret decides between concurrent creates.
        self.apply_matching(|key| key.kind == Kind::Secret).await;
        let is_prerequisite = |key: &Key| key.kind.tier() == Tier::Prerequisites;
        let keys = writes.live.keys();
        let autoscalers: Vec<&Key> = keys.filter(|key| is_autoscaler(key)).collect();
        let is_independent = |key: &Key| match key.kind.tier() {
            Tier::Workload => key.kind != Kind::Deployment,
            // A custom resource can be refused without its Deployment, and a second autoscaler, too.
            Tier::Autoscaler => !key.kind.is_custom() && autoscalers.iter().all(|it| *it == key),
            Tier::Prerequisites | Tier::Preparation => false,
        };
        if !writes.manifests.keys().any(|key| key.kind == Kind::Job) {
            self.apply_matching(|key| is_prerequisite(key) || is_independent(key))
                .await;
            self.await_certificates().await;
            return self.run_due_jobs().await;
        }
        self.apply_checked_prerequisites(writes).await;
        self.await_certificates().await;
        self.run_due_jobs().await;
        self.apply_matching(is_independent).await;
    }

    /// Applies the prerequisites of a create, and checks the Deployments by dry runs at the same time, so that the Job
    /// does not run for Deployments that are refused.
    ///
    /// A policy can depend on a prerequisite. So what was refused is checked again when the prerequisites exist.
    async fn apply_checked_prerequisites(&mut self, writes: &Writes<'_>) {
        if !self.ok_so_far() {
            return;
        }
        let (cluster, cancel) = (self.cluster, self.cancel);
        let is_deployment = |key: &Key| key.kind == Kind::Deployment;
        let checked = cluster.check_selected(writes, is_deployment, cancel);
        let ((), mut checked) = tokio::join!(self.apply_tier(Tier::Prerequisites), checked);
        if self.ok_so_far() && !checked.refused.is_empty() {
            checked = cluster.check_selected(writes, is_deployment, cancel).await;
        }
        for error in checked.refused {
            push_error(&mut self.outcome.errors, error);
        }
    }
}
