//! Plan: what will be, from the configuration and the prior state alone. No cluster is asked; a plan that replaces is
//! checked against the cluster by [`replacement`](super::replacement).

use crate::feast::config::{Drift, DriftKind, DriftPolicy};
use crate::feast::names;
use crate::feast::objects::{Key, Kind};
use crate::provider::diagnostics;
use crate::schema::provider::{
    Deferred, PlanResourceChangeRequest, PlanResourceChangeResponse, Private,
};
use crate::schema::{Block, Diagnostics, Path, Value, keep_prior};

use super::computed::{self, Desired};
use super::conflicts;
use super::data_loss;
use super::manifests::{self, Manifests};
use super::parse::parse_over;
use super::private_state::PrivateState;
use super::{drift, ignored};

/// Plans a create, an update or a destroy.
///
/// `default_namespace` is the provider block's, `None` while that is unknown; `force` says that fields which
/// others have applied are taken. `written` is the configuration as the user wrote it, without `ignore_changes`.
pub fn plan(
    block: &Block,
    default_namespace: Option<&str>,
    force: bool,
    written: &Value,
    request: &PlanResourceChangeRequest,
) -> PlanResourceChangeResponse {
    if request.proposed_new_state.is_null() {
        return PlanResourceChangeResponse {
            private: request.prior_private.clone(),
            identity: request.prior_identity.clone(),
            diagnostics: data_loss::of_destroy(block, &request.prior_state),
            ..PlanResourceChangeResponse::default()
        };
    }
    let parsed = match parse_over(block, &request.config, &request.prior_state) {
        Ok(parsed) => parsed,
        Err(diagnostics) => {
            return PlanResourceChangeResponse {
                state: request.proposed_new_state.clone(),
                diagnostics,
                ..PlanResourceChangeResponse::default()
            };
        }
    };
    let refused = data_loss::refused(block, &request.prior_state, &parsed);
    if !refused.is_empty() {
        return PlanResourceChangeResponse {
            state: request.proposed_new_state.clone(),
            diagnostics: refused,
            ..PlanResourceChangeResponse::default()
        };
    }
    let mut state = request.config.clone();
    keep_prior(&block.attributes, &mut state, &request.prior_state);
    fill_namespace(&mut state, default_namespace, &request.prior_state);
    let impossible = impossible_namespace(block, &request.config, &state);
    if !impossible.is_empty() {
        return PlanResourceChangeResponse {
            state: request.proposed_new_state.clone(),
            diagnostics: impossible,
            ..PlanResourceChangeResponse::default()
        };
    }
    let private_state = PrivateState::decode(&request.prior_private);
    let seen = manifests::of(block, &request.prior_state, &private_state);
    let namespace = state.attribute("namespace").as_str();
    let mut desired = namespace.and_then(|namespace| Desired::of(&parsed, namespace));
    let ignored = ignored::paths(written, &request.config, &request.prior_state);
    let mut kept = Manifests::new();
    if let Some(desired) = desired.as_mut().filter(|_| !ignored.is_empty()) {
        let planned = &mut desired.objects.manifests;
        kept = ignored::keep_live(block, &request.prior_state, &ignored, &seen, planned);
    }
    let prior = Prior {
        state: &request.prior_state,
        manifests: &seen,
        private_state,
    };
    match &desired {
        Some(desired) => fill_computed(block, &mut state, desired, &prior),
        None => computed::write_unknown(block, &mut state, &parsed),
    }
    let requires_replace = requires_replace(block, &request.prior_state, &state);
    let mut diagnostics = match (&desired, requires_replace.is_empty()) {
        (_, false) => data_loss::of_replacement(block, &request.prior_state),
        (Some(desired), true) => data_loss::of_update(block, &request.prior_state, &desired.store),
        // What is unknown may use them still; the apply says what became of them.
        (None, true) => Vec::new(),
    };
    if let Some(desired) = desired.filter(|_| !force && requires_replace.is_empty()) {
        let planned = &desired.objects.manifests;
        let predicted = conflicts::predict(block, &request.prior_state, &state, &seen, planned);
        diagnostics.extend(predicted);
    }
    diagnostics.extend(parsed.tolerated);
    PlanResourceChangeResponse {
        requires_replace,
        identity: computed::identity(&state),
        deferred: deferred(default_namespace, request),
        private: keep_planned(request.prior_private.clone(), &kept),
        state,
        diagnostics,
    }
}

/// The private state with the planned manifests that keep live values.
fn keep_planned(private: Private, kept: &Manifests) -> Private {
    let planned = manifests::by_name(kept);
    let private_state = PrivateState::decode(&private);
    if private_state.planned == planned {
        return private;
    }
    PrivateState {
        planned,
        ..private_state
    }
    .encode()
}

/// A provider block that is not known yet (a cluster made in the same run) is no reason to fail: a client
/// that can put a plan off is asked to; any other gets the plan that the configuration gives.
fn deferred(
    default_namespace: Option<&str>,
    request: &PlanResourceChangeRequest,
) -> Option<Deferred> {
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
    invalid.map(diagnostics::impossible_namespace).collect()
}

/// What a plan starts from.
struct Prior<'a> {
    state: &'a Value,
    /// The objects that the state shows.
    manifests: &'a Manifests,
    private_state: PrivateState,
}

fn fill_computed(block: &Block, state: &mut Value, desired: &Desired, prior: &Prior<'_>) {
    let Prior {
        state: before,
        manifests,
        private_state,
    } = prior;
    computed::write(block, state, &desired.observed());
    let planned = &desired.objects.manifests;
    let secret = Key::new(Kind::Secret, names::main(&desired.store.name));
    let rerendered = planned.get(&secret) != manifests.get(&secret);
    let hash = before.attribute("configuration_hash");
    state.set(
        "configuration_hash",
        if hash.is_null() || rerendered || private_state.secrets_changed {
            Value::Unknown
        } else {
            hash.clone()
        },
    );
    if desired.store.drift_policy == DriftPolicy::Strict {
        state.set("drift", drift::added(before.attribute("drift")));
    }
    let listed = conflicts::listed(before);
    let changes_pods = moves_pods(&desired.store.name, manifests, planned)
        || (listed.iter()).any(|drift| drift.change == DriftKind::Leftover)
        || state.attribute("configuration_hash").is_unknown()
        || private_state.rollout_incomplete
        || private_state.apply_failed;
    state.set(
        "scaling_status",
        if changes_pods {
            Value::Unknown
        } else {
            before.attribute("scaling_status").clone()
        },
    );
    if is_settled(block, before, state, planned, &listed) {
        state.set("drift", before.attribute("drift").clone());
    }
}

/// Whether the drift of the prior state is what the configuration asks for, by `ignore_changes` or because the user
/// has written the live values into it. Then there is nothing to do but to forget the drift, which is no reason for a
/// plan: the next apply forgets it.
fn is_settled(
    block: &Block,
    prior: &Value,
    planned: &Value,
    manifests: &Manifests,
    listed: &[Drift],
) -> bool {
    let is_same = |name: &String| prior.attribute(name) == planned.attribute(name);
    let mut others = block.attributes.keys().filter(|name| *name != "drift");
    let is_kept = |drift: &Drift| match drift.change {
        DriftKind::Added => true,
        DriftKind::Changed | DriftKind::Removed => {
            let is_shown = drift.wanted.is_some() || drift.live.is_some();
            // A value that `objects` does not show can only be compared at the attribute that sets it.
            is_shown || drift::sets_field(block, prior, manifests, drift)
        }
        DriftKind::Deleted | DriftKind::Rotated | DriftKind::Leftover => false,
    };
    others.all(is_same) && listed.iter().all(is_kept)
}

/// Whether an object changes that decides how many pods there are, or of what kind.
fn moves_pods(store: &str, prior: &Manifests, planned: &Manifests) -> bool {
    let main = names::main(store);
    let deciding = |manifests: &Manifests| {
        let mut manifests = manifests.clone();
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
