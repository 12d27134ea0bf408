//! Plan: what will be, from the configuration and the prior state alone. No cluster is asked; a plan that replaces is
//! checked against the cluster by [`replacement`](super::replacement).

use crate::feast::config::DriftPolicy;
use crate::feast::names;
use crate::feast::objects::Kind;
use crate::provider::wording;
use crate::schema::provider::{Deferred, Plan, Planned};
use crate::schema::{Block, Diagnostics, Path, Value, keep_prior};

use super::claims;
use super::computed::{self, Desired};
use super::conflicts;
use super::drift;
use super::memory::Memory;
use super::parse::{Parsed, parse};

/// Plans a create, an update or a destroy.
///
/// `default_namespace` is the provider block's, `None` while that is unknown; `force` says that fields which
/// others have applied are taken.
pub fn plan(
    block: &Block,
    default_namespace: Option<&str>,
    force: bool,
    request: &Plan,
) -> Planned {
    if request.proposed_new_state.is_null() {
        return Planned {
            private: request.prior_private.clone(),
            identity: request.prior_identity.clone(),
            diagnostics: claims::of_destroy(block, &request.prior_state),
            ..Planned::default()
        };
    }
    let parsed = match parse(block, &request.config) {
        Ok(parsed) => parsed,
        Err(diagnostics) => {
            return Planned {
                state: request.proposed_new_state.clone(),
                diagnostics,
                ..Planned::default()
            };
        }
    };
    let refused = claims::refused(block, &request.prior_state, &parsed);
    if !refused.is_empty() {
        return Planned {
            state: request.proposed_new_state.clone(),
            diagnostics: refused,
            ..Planned::default()
        };
    }
    let mut state = request.config.clone();
    keep_prior(&block.attributes, &mut state, &request.prior_state);
    fill_namespace(&mut state, default_namespace, &request.prior_state);
    let impossible = impossible_namespace(block, &request.config, &state);
    if !impossible.is_empty() {
        return Planned {
            state: request.proposed_new_state.clone(),
            diagnostics: impossible,
            ..Planned::default()
        };
    }
    let memory = Memory::recall(&request.prior_private);
    fill_computed(block, &mut state, &parsed, &request.prior_state, memory);
    let requires_replace = requires_replace(block, &request.prior_state, &state);
    let namespace = state.attribute("namespace").as_str();
    let desired = namespace.and_then(|namespace| Desired::of(&parsed, namespace));
    let mut diagnostics = match (desired, requires_replace.is_empty()) {
        (_, false) => claims::of_replacement(block, &request.prior_state),
        (Some(desired), true) => claims::of_update(block, &request.prior_state, &desired.store),
        // What is unknown may use them still; the apply says what became of them.
        (None, true) => Vec::new(),
    };
    if !force && requires_replace.is_empty() {
        diagnostics.extend(conflicts::foreseen(block, &request.prior_state, &state));
    }
    Planned {
        requires_replace,
        identity: computed::identity(&state),
        deferred: deferred(default_namespace, request),
        private: request.prior_private.clone(),
        state,
        diagnostics,
    }
}

/// A provider block that is not known yet (a cluster made in the same run) is no reason to fail: a client
/// that can put a plan off is asked to; any other gets the plan that the configuration gives.
fn deferred(default_namespace: Option<&str>, request: &Plan) -> Option<Deferred> {
    (default_namespace.is_none() && request.client.deferral_allowed)
        .then_some(Deferred::ProviderConfigUnknown)
}

fn fill_namespace(state: &mut Value, default: Option<&str>, prior: &Value) {
    if !state.attribute("namespace").is_null() {
        return;
    }
    let namespace = match default {
        Some(namespace) => Value::string(namespace),
        None if prior.is_null() => Value::Unknown,
        None => prior.attribute("namespace").clone(),
    };
    state.set("namespace", namespace);
}

/// Rejects a namespace of the provider block that no namespace can have. A configured one was checked with the rest of
/// the configuration.
fn impossible_namespace(block: &Block, config: &Value, state: &Value) -> Diagnostics {
    let namespace = state.attribute("namespace");
    if !config.attribute("namespace").is_null() {
        return Vec::new();
    }
    let invalid = block.check("namespace", namespace).into_iter();
    invalid.map(wording::impossible_namespace).collect()
}

fn fill_computed(block: &Block, state: &mut Value, parsed: &Parsed, prior: &Value, memory: Memory) {
    let namespace = state.attribute("namespace").as_str().map(str::to_owned);
    let desired = namespace.and_then(|namespace| Desired::of(parsed, &namespace));
    let Some(desired) = desired else {
        computed::write_unknown(block, state, parsed);
        return;
    };
    computed::write(block, state, &desired.observed());
    let secret = Path::of("objects").key(&computed::secret_key(&desired.store.name));
    let rerendered = state.get(&secret) != prior.get(&secret);
    let hash = prior.attribute("configuration_hash");
    state.set(
        "configuration_hash",
        if hash.is_null() || rerendered || memory.secrets_changed {
            Value::Unknown
        } else {
            hash.clone()
        },
    );
    if desired.store.drift_policy == DriftPolicy::Strict {
        state.set("drift", drift::added(prior.attribute("drift")));
    }
    let changes_pods = moves_pods(prior, state)
        || state.attribute("configuration_hash").is_unknown()
        || memory.rollout_incomplete
        || memory.apply_failed;
    state.set(
        "scaling_status",
        if changes_pods {
            Value::Unknown
        } else {
            prior.attribute("scaling_status").clone()
        },
    );
}

/// Whether an object changes that decides how many pods there are, or of what kind.
fn moves_pods(prior: &Value, planned: &Value) -> bool {
    let deciding = |state: &Value| {
        let mut manifests = computed::manifests(state);
        let name = state.attribute("name").as_str().unwrap_or_default();
        let main = names::main(name);
        manifests.retain(|key, _| match key.kind {
            Kind::Deployment => key.name == main,
            kind => matches!(kind, Kind::HorizontalPodAutoscaler | Kind::Job),
        });
        manifests
    };
    deciding(prior) != deciding(planned)
}

/// The attributes whose change makes a new resource.
fn requires_replace(block: &Block, prior: &Value, planned: &Value) -> Vec<Path> {
    if prior.is_null() {
        return Vec::new();
    }
    block
        .attributes
        .iter()
        .filter(|(name, attribute)| {
            attribute.requires_replace && prior.attribute(name) != planned.attribute(name)
        })
        .map(|(name, _)| Path::of(name))
        .collect()
}
