//! Plan: the planned state, from the configuration and the prior state alone.
//!
//! No cluster is contacted, unless the plan replaces the feature store: then
//! [`replacement`](super::replacement) checks whether the new one can be created.

use crate::cluster::CancellationToken;
use crate::feast::config::{Drift, DriftKind, DriftPolicy};
use crate::feast::names;
use crate::feast::objects::{Key, Kind};
use crate::provider::diagnostics;
use crate::provider::settings::Settings;
use crate::schema::provider::{Deferred, Plan, Planned, Private};
use crate::schema::{Block, Diagnostics, Path, Value, keep_prior};

use super::computed::{self, Desired};
use super::data_loss::{self, Change};
use super::manifests::Manifests;
use super::parse::parse_over;
use super::prior_state::{PriorState, store_name};
use super::private_state::{PrivateState, Rollout};
use super::replacement::{Old, Replacement};
use super::{conflicts, drift, ignored};

/// Plans a create, an update, a replacement or a destroy.
///
/// `written` is the configuration as the user wrote it, without `ignore_changes`.
pub async fn plan(
    block: &Block,
    settings: &Settings,
    stop: &CancellationToken,
    written: &Value,
    request: Plan,
) -> Planned {
    let force = settings.options().force_conflicts;
    let (mut planned, replacement) =
        plan_offline(block, settings.namespace(), force, written, &request);
    if settings.namespace_is_empty() && is_moved_by_default(&request.config, &planned) {
        return Planned {
            diagnostics: vec![diagnostics::empty_namespace(&request.prior_state)],
            state: request.prior_state,
            ..Planned::default()
        };
    }
    if let Some(replacement) = replacement {
        let diagnostics = replacement.check(settings, stop).await;
        planned.diagnostics.extend(diagnostics);
    }
    planned
}

/// Plans without a cluster. Returns the replacement to check, if the plan replaces the feature store.
///
/// `default_namespace` is the one of the provider block, `None` while it is unknown. With `force`, an apply takes fields
/// that other field managers have applied.
pub fn plan_offline(
    block: &Block,
    default_namespace: Option<&str>,
    force: bool,
    written: &Value,
    request: &Plan,
) -> (Planned, Option<Replacement>) {
    let prior = PriorState::decode(block, &request.prior_state, &request.prior_private);
    if request.proposed_new_state.is_null() {
        let planned = Planned {
            private: request.prior_private.clone(),
            identity: request.prior_identity.clone(),
            diagnostics: data_loss::warnings(&prior, &Change::Destroy),
            ..Planned::default()
        };
        return (planned, None);
    }
    plan_change(&prior, default_namespace, force, written, request).unwrap_or_else(|diagnostics| {
        let planned = Planned {
            state: request.proposed_new_state.clone(),
            diagnostics,
            ..Planned::default()
        };
        (planned, None)
    })
}

/// # Errors
///
/// The configuration is not valid, or the API server would reject a change of it in the middle of an update.
fn plan_change(
    prior: &PriorState<'_>,
    default_namespace: Option<&str>,
    force: bool,
    written: &Value,
    request: &Plan,
) -> Result<(Planned, Option<Replacement>), Diagnostics> {
    let block = prior.block;
    let parsed = parse_over(block, &request.config, prior.value)?;
    let mut state = request.config.clone();
    keep_prior(&block.attributes, &mut state, prior.value);
    set_namespace(&mut state, default_namespace, prior.value);
    let requires_replace = requires_replace(block, prior.value, &state);
    let is_update = requires_replace.is_empty();
    let mut errors = check_default_namespace(block, &request.config, &state);
    if is_update {
        errors.extend(data_loss::forbidden_changes(prior, &parsed));
    }
    if !errors.is_empty() {
        return Err(errors);
    }

    let namespace = state.attribute("namespace").as_str();
    let mut desired = namespace.and_then(|namespace| Desired::of(&parsed, namespace));
    let ignored = ignored::paths(written, &request.config, prior.value);
    let kept = match &mut desired {
        Some(desired) if is_update && !ignored.is_empty() => {
            ignored::keep_live(prior, &ignored, &mut desired.objects.manifests)
        }
        _ => Manifests::new(),
    };
    match &desired {
        Some(desired) => set_computed(&mut state, desired, prior),
        None => computed::write_unknown(block, &mut state, &parsed),
    }

    let store = desired.as_ref().map(|desired| &desired.store);
    let change = match is_update {
        true => Change::Update(store),
        false => Change::Replace,
    };
    let mut diagnostics = data_loss::warnings(prior, &change);
    if let Some(desired) = desired.as_ref().filter(|_| is_update && !force) {
        let manifests = &desired.objects.manifests;
        diagnostics.extend(conflicts::predict(prior, &state, manifests));
    }
    diagnostics.extend(parsed.tolerated);

    let is_requested = prior.value.is_null() && !request.prior_private.is_empty();
    let replacement = (!is_update || is_requested).then(|| Replacement {
        old: Old::of(prior),
        new: store_name(&state),
        configuration: parsed.json,
        attribute: match is_requested || requires_replace.contains(&Path::of("name")) {
            true => Path::of("name"),
            false => Path::of("namespace"),
        },
        owner_id: prior.private.owner_id.clone(),
        desired,
    });
    let planned = Planned {
        identity: computed::identity(&state),
        deferred: deferred(default_namespace, request),
        private: match &replacement {
            Some(_) => Private::new(),
            None => planned_private(prior, kept, &request.prior_private),
        },
        requires_replace,
        state,
        diagnostics,
    };
    Ok((planned, replacement))
}

/// Returns the private state with the planned manifests that keep live values.
fn planned_private(prior: &PriorState<'_>, kept: Manifests, encoded: &Private) -> Private {
    if prior.private.planned == kept {
        return encoded.clone();
    }
    let planned = PrivateState {
        planned: kept,
        ..prior.private.clone()
    };
    planned.encode()
}

/// Defers the plan while the provider block is unknown, because the cluster is created in the same run. A client without
/// deferrals gets the plan that the configuration determines.
fn deferred(default_namespace: Option<&str>, request: &Plan) -> Option<Deferred> {
    (default_namespace.is_none() && request.client.deferral_allowed)
        .then_some(Deferred::ProviderConfigUnknown)
}

fn set_namespace(state: &mut Value, default: Option<&str>, prior: &Value) {
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

/// Rejects a namespace of the provider block that cannot be the name of a namespace. A namespace in the configuration of
/// the feature store was checked with the rest of the configuration.
fn check_default_namespace(block: &Block, config: &Value, state: &Value) -> Diagnostics {
    if !config.attribute("namespace").is_null() {
        return Vec::new();
    }
    let invalid = block.check("namespace", state.attribute("namespace"));
    let invalid = invalid.into_iter();
    invalid.map(diagnostics::invalid_namespace).collect()
}

/// Returns whether the plan replaces the feature store because the namespace of the provider block changed.
fn is_moved_by_default(config: &Value, planned: &Planned) -> bool {
    let namespace = Path::of("namespace");
    planned.requires_replace.contains(&namespace) && config.attribute("namespace").is_null()
}

/// Sets the computed attributes of a plan in which all values are known.
fn set_computed(state: &mut Value, desired: &Desired, prior: &PriorState<'_>) {
    let (block, value) = (prior.block, prior.value);
    let planned = &desired.objects.manifests;
    computed::write(block, state, &desired.computed());
    let secret = Key::new(Kind::Secret, names::main(&desired.store.name));
    let is_secret_changed =
        planned.get(&secret) != prior.observed.get(&secret) || prior.private.secrets_changed;
    let prior_or_unknown = |name: &str, is_unknown: bool| match is_unknown {
        true => Value::Unknown,
        false => value.attribute(name).clone(),
    };
    let hash = value.attribute("configuration_hash");
    let hash = prior_or_unknown("configuration_hash", is_secret_changed || hash.is_null());
    let is_pod_change = hash.is_unknown()
        || changes_pods(&desired.store.name, &prior.observed, planned)
        || (prior.drift.iter()).any(|drift| drift.change == DriftKind::Leftover)
        || prior.private.rollout != Rollout::Complete;
    state.set("configuration_hash", hash);
    state.set(
        "scaling_status",
        prior_or_unknown("scaling_status", is_pod_change),
    );
    if desired.store.drift_policy == DriftPolicy::Strict {
        state.set("drift", drift::added(value.attribute("drift")));
    }
    if is_settled(prior, state, planned) {
        state.set("drift", value.attribute("drift").clone());
    }
}

/// Returns whether the configuration asks for the drift in the prior state: by `ignore_changes`, or because the user
/// wrote the live values into it. The next apply removes such drift from the state, which is no reason for a plan.
fn is_settled(prior: &PriorState<'_>, planned: &Value, manifests: &Manifests) -> bool {
    let is_same = |name: &String| prior.value.attribute(name) == planned.attribute(name);
    let mut others = (prior.block.attributes.keys()).filter(|name| *name != "drift");
    let is_kept = |drift: &Drift| match drift.change {
        DriftKind::Added => true,
        DriftKind::Changed | DriftKind::Removed => {
            let is_shown = drift.wanted.is_some() || drift.live.is_some();
            // A value that `objects` does not show can only be compared at the attribute that sets it.
            is_shown || drift::is_set_by_attribute(prior.block, prior.value, manifests, drift)
        }
        DriftKind::Deleted | DriftKind::Rotated | DriftKind::Leftover => false,
    };
    others.all(is_same) && prior.drift.iter().all(is_kept)
}

/// Returns whether an object changes that determines the pods or their number.
fn changes_pods(store: &str, prior: &Manifests, planned: &Manifests) -> bool {
    let main = names::main(store);
    let determines_pods = |key: &&Key| match key.kind {
        Kind::Deployment => key.name == main,
        kind => matches!(kind, Kind::HorizontalPodAutoscaler | Kind::Job),
    };
    let keys = prior.keys().chain(planned.keys());
    let mut keys = keys.filter(determines_pods);
    keys.any(|key| prior.get(key) != planned.get(key))
}

/// Returns the attributes whose change requires a replacement.
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
