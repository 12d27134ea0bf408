//! Helpers for the tests of the resource.

use std::sync::Arc;

use serde_json::{Value as Json, json};

pub use super::block;
use super::computed;
use super::manifests;
use super::plan::{PlannedStore, plan_offline};
use super::prior_state::PriorState;
use super::private_state::PrivateState;

use crate::cluster::connection::{ApiServer, CredentialsInfo, Origin};
use crate::cluster::{self, Reason, Target, Verb};
use crate::feast::config::{Drift, ScalingStatus};
use crate::kubernetes::{Key, Kind};
use crate::provider::tests::core::check_plan;
use crate::provider::tests::test_provider::{TestProvider, errors};
use crate::schema::provider::{
    ApplyResourceChangeResponse, PlanResourceChangeRequest, PlanResourceChangeResponse,
};
use crate::schema::{Block, Value, encode};

/// The Deployment of the feature store `x` in the namespace `ns`.
pub const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/ns/deployments/feast-x";

/// A feature store with two replicas and a PodDisruptionBudget.
pub fn two_replicas(provider: &TestProvider) -> Value {
    let database = |kind: &str| json!({"store": {"type": kind, "secretRef": {"name": "s"}}});
    provider.config(&json!({
        "name": "x", "namespace": "ns", "feastProject": "p", "waitForRollout": false,
        "services": {
            "feastApply": "none",
            "scaling": {"replicas": 2},
            "podDisruptionBudgets": {"minAvailable": 1},
            "onlineStore": {"persistence": database("postgres")},
            "registry": {"local": {"persistence": database("sql")}},
        },
    }))
}

/// Scales the feature store to zero as another client, and applies another change that keeps it, as `ignore_changes`
/// does.
#[track_caller]
pub fn keep_at_zero(
    provider: &TestProvider,
    mut config: Value,
    state: &Value,
    private: &[u8],
) -> ApplyResourceChangeResponse {
    let scale = |live: &mut Json| live["spec"]["replicas"] = json!(0);
    provider.server.edit(DEPLOYMENT, scale);
    let scaled = provider.read(state, private);
    config.set("services", scaled.state.attribute("services").clone());
    let labels = [("team".to_owned(), Value::string("a"))];
    config.set("labels", Value::Map(labels.into()));
    let planned = provider.plan(&scaled.state, &scaled.private, &config);
    let applied = provider.apply(&scaled.state, &planned, &config);
    assert_eq!(errors(&applied.diagnostics), [""; 0]);
    applied
}

/// A configuration or a state from its serde form.
pub fn value(block: &Block, json: &Json) -> Value {
    encode(&block.attributes, json)
}

/// A state and its private state.
#[derive(Debug, Clone)]
pub struct Stored {
    pub state: Value,
    pub private: PrivateState,
}

/// Plans without a cluster, in the default namespace `ns`.
pub fn plan(block: &Block, prior: Option<&Stored>, config: &Value) -> PlanResourceChangeResponse {
    let request = request(prior, config);
    plan_request(block, Some("ns"), config, &request).0
}

/// Plans without a cluster. The plan must keep the rules of Terraform core.
pub fn plan_request(
    block: &Block,
    default_namespace: Option<&str>,
    written: &Value,
    request: &PlanResourceChangeRequest,
) -> (PlanResourceChangeResponse, Option<PlannedStore>) {
    let prior = PriorState::decode(block, &request.prior_state, &request.prior_private);
    let (planned, store) = plan_offline(&prior, default_namespace, false, written, request);
    check_plan(block, request, &planned);
    (planned, store)
}

/// The request for a plan of this configuration.
pub fn request(prior: Option<&Stored>, config: &Value) -> PlanResourceChangeRequest {
    PlanResourceChangeRequest {
        prior_state: prior.map_or(Value::Null, |prior| prior.state.clone()),
        prior_private: prior.map_or(Vec::new(), |prior| prior.private.encode()),
        proposed_new_state: config.clone(),
        config: config.clone(),
        ..PlanResourceChangeRequest::default()
    }
}

/// The result of a successful apply of this configuration.
pub fn stored(block: &Block, config: &Value) -> Stored {
    let mut state = plan(block, None, config).state;
    state.set("configuration_hash", Value::string("abc"));
    let status = ScalingStatus {
        current_replicas: Some(1),
        desired_replicas: Some(1),
    };
    state.set("scaling_status", computed::scaling_status(status));
    assert!(state.is_wholly_known());
    // Without private data, the objects of the state count as applied.
    let private = PrivateState::decode(block, &state, &[]);
    Stored { state, private }
}

/// The error of a preflight whose dry run of a pod was refused, about the object `feast-x` with the pod.
pub fn refused_pods_error(kind: Kind, message: &str) -> cluster::Error {
    cluster::Error {
        verb: Verb::Check,
        target: Target {
            kind: kind.as_str(),
            resource: kind.plural(),
            group: kind.info().group,
            scope: kind.scope(),
            name: Some("feast-x".to_owned()),
        },
        namespace: "ns".to_owned(),
        server: Arc::new(ApiServer {
            url: "https://h/".to_owned(),
            origin: Origin::default(),
            proxy: None,
            credentials_info: CredentialsInfo::Anonymous,
        }),
        reason: Reason::Forbidden {
            message: message.to_owned(),
        },
        maybe_done: false,
    }
}

impl Stored {
    /// The same after a refresh that found this drift of one object.
    pub fn drifted(mut self, block: &Block, drift: &Drift, observed: Option<Json>) -> Self {
        let mut objects = self.private.observed();
        let key = Key::parse(&drift.object).unwrap();
        match observed {
            Some(observed) => objects.insert(key, observed),
            None => objects.remove(&key),
        };
        self.private.set_observed(&objects);
        self.state.set("objects", manifests::attribute(&objects));
        computed::set_drift(block, &mut self.state, std::slice::from_ref(drift));
        self
    }
}
