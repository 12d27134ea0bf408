//! Plan: the planned state, from the configuration and the prior state alone.
//!
//! No cluster is contacted, except by two checks: [`replacement`](super::replacement) checks whether the new feature
//! store can be created if the plan replaces one, and [`preflight`](super::preflight) checks everything if it is
//! configured.

use serde_json::Value as Json;

use crate::cluster::{CancellationToken, StoreName};
use crate::feast::config::{Drift, DriftKind, DriftPolicy};
use crate::feast::names;
use crate::feast::secrets::store_secret;
use crate::kubernetes::{Key, Kind};
use crate::provider::diagnostics;
use crate::provider::settings::Settings;
use crate::schema::provider::{
    Deferred, PlanResourceChangeRequest, PlanResourceChangeResponse, Private,
};
use crate::schema::{Block, Diagnostic, Diagnostics, Path, Severity, Value, keep_prior};

use super::data_loss::{self, PlannedChange};
use super::desired_store::DesiredStore;
use super::manifests::Manifests;
use super::parse::{Parsed, parse_over};
use super::preflight::Preflight;
use super::prior_state::{PriorState, store_name};
use super::private_state::{PrivateState, RolloutProgress};
use super::refreshed_stores::RefreshedStores;
use super::replacement::{Old, Replacement};
use super::{computed, conflicts, drift, identity, ignored, interruption, recreated_services};

/// Plans a create, an update, a replacement or a destroy.
///
/// `validated_config` is the configuration as the user wrote it, without `ignore_changes`.
pub async fn plan(
    block: &Block,
    settings: &Settings,
    stop: &CancellationToken,
    refreshed: &RefreshedStores,
    validated_config: &Value,
    request: PlanResourceChangeRequest,
) -> PlanResourceChangeResponse {
    let force = settings.options().force_conflicts;
    let prior = PriorState::decode(block, &request.prior_state, &request.prior_private);
    let (mut planned, store) = plan_offline(
        &prior,
        settings.namespace(),
        force,
        validated_config,
        &request,
    );
    if settings.namespace_is_default()
        && is_replaced_by_default_namespace(&request.config, &planned)
    {
        return PlanResourceChangeResponse {
            diagnostics: vec![diagnostics::missing_namespace(&request.prior_state)],
            state: request.prior_state,
            ..PlanResourceChangeResponse::default()
        };
    }
    let Some(store) = store else {
        return planned;
    };
    if let Some(replacement) = &store.replacement {
        let diagnostics = replacement.check(&store, settings, stop).await;
        planned.diagnostics.extend(diagnostics);
    }
    if settings.preflight() && planned.state != request.prior_state && !store.is_checked {
        let preflight = Preflight {
            block,
            planned: &planned.state,
            store: &store,
            refreshed,
            prior: (!request.prior_state.is_null()).then_some(&prior.private),
        };
        let diagnostics = preflight.run(settings, stop).await;
        planned.diagnostics.extend(diagnostics);
    }
    if request.prior_state.is_null() && !settings.shows_new_objects() {
        planned.state.set("objects", Value::Unknown);
    }
    planned
}

/// A feature store that a plan creates, updates or replaces.
pub struct PlannedStore {
    /// `None` while its name or namespace is unknown.
    pub store: Option<StoreName>,
    /// `None` while any value of its configuration is unknown.
    pub desired: Option<DesiredStore>,
    /// Its configuration in the serde form, with its namespace, as its apply records it.
    pub configuration: Json,
    /// Set if another feature store is destroyed first, and the plan has to check the replacement.
    pub replacement: Option<Replacement>,
    /// True if the first request for this plan was checked.
    pub is_checked: bool,
}

/// Plans without a cluster. Returns what the cluster can be asked about; `None` for a destroy and an invalid
/// configuration.
///
/// `prior` is the prior state of the request. `default_namespace` is the one of the provider block, `None` while it is
/// unknown. With `force`, an apply takes fields that other field managers have applied.
pub fn plan_offline(
    prior: &PriorState<'_>,
    default_namespace: Option<&str>,
    force: bool,
    validated_config: &Value,
    request: &PlanResourceChangeRequest,
) -> (PlanResourceChangeResponse, Option<PlannedStore>) {
    if request.proposed_new_state.is_null() {
        let planned = PlanResourceChangeResponse {
            private: request.prior_private.clone(),
            identity: request.prior_identity.clone(),
            diagnostics: data_loss::warnings(prior, &PlannedChange::Destroy),
            ..PlanResourceChangeResponse::default()
        };
        return (planned, None);
    }
    match plan_change(prior, default_namespace, force, validated_config, request) {
        Ok((planned, store)) => (planned, Some(store)),
        Err(diagnostics) => {
            let planned = PlanResourceChangeResponse {
                state: request.proposed_new_state.clone(),
                diagnostics,
                ..PlanResourceChangeResponse::default()
            };
            (planned, None)
        }
    }
}

/// Plans a create, an update or a replacement, without a cluster.
///
/// # Errors
///
/// The configuration is not valid, or the API server would reject a change of it in the middle of an update.
fn plan_change(
    prior: &PriorState<'_>,
    default_namespace: Option<&str>,
    force: bool,
    validated_config: &Value,
    request: &PlanResourceChangeRequest,
) -> Result<(PlanResourceChangeResponse, PlannedStore), Diagnostics> {
    let block = prior.block;
    let parsed = parse_over(block, &request.config, prior.value)?;
    let mut state = planned_state(prior, default_namespace, &request.config);
    let requires_replace = requires_replace(block, prior.value, &state);
    let is_update = requires_replace.is_empty();
    let mut errors = check_default_namespace(block, &request.config, &state);
    if is_update {
        errors.extend(data_loss::forbidden_changes(prior, &parsed));
    }
    if !errors.is_empty() {
        return Err(errors);
    }

    let mut desired = (state.attribute("namespace").as_str())
        .and_then(|namespace| DesiredStore::of(&parsed, namespace));
    let ignored = ignored::paths(validated_config, &request.config, prior.value);
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

    let mut diagnostics = warnings(prior, &parsed, desired.as_ref(), &state, is_update, force);
    diagnostics.extend(parsed.tolerated);
    let store = PlannedStore {
        store: store_name(&state),
        desired,
        configuration: configuration(parsed.json, &state),
        replacement: replacement(prior, &requires_replace, request),
        is_checked: is_checked(prior),
    };
    let planned = PlanResourceChangeResponse {
        identity: identity::of(&state),
        deferred: deferred(default_namespace, request),
        private: match is_update {
            true => planned_private(prior, kept, &request.prior_private),
            false => checked_private(prior),
        },
        requires_replace,
        state,
        diagnostics,
    };
    Ok((planned, store))
}

/// Returns the configuration with its namespace, and with equivalent values in the form of the prior state, but without
/// the computed attributes.
fn planned_state(prior: &PriorState<'_>, default_namespace: Option<&str>, config: &Value) -> Value {
    let mut state = config.clone();
    keep_prior(&prior.block.attributes, &mut state, prior.value);
    set_namespace(&mut state, default_namespace, prior.value);
    state
}

/// Returns the warnings about the change.
fn warnings(
    prior: &PriorState<'_>,
    parsed: &Parsed,
    desired: Option<&DesiredStore>,
    state: &Value,
    is_update: bool,
    force: bool,
) -> Diagnostics {
    let mut warnings = data_loss_warnings(prior, parsed, desired, state, is_update);
    // With `-minimal-refresh`, Terraform plans once before the refresh and uses the plan after it, so this is no error.
    let unread = prior.check_was_read().err();
    warnings.extend(unread.map(|error| Diagnostic {
        severity: Severity::Warning,
        ..error
    }));
    if let Some(desired) = desired.filter(|_| is_update) {
        warnings.extend(update_warnings(prior, state, desired, force));
    }
    warnings
}

/// Returns the warnings about data that the update or the replacement deletes.
fn data_loss_warnings(
    prior: &PriorState<'_>,
    parsed: &Parsed,
    desired: Option<&DesiredStore>,
    state: &Value,
    is_update: bool,
) -> Diagnostics {
    // Terraform does not apply a plan without a change.
    if state == prior.value {
        return Vec::new();
    }
    if !is_update {
        return data_loss::warnings(prior, &PlannedChange::Replace);
    }
    let known = match desired {
        Some(_) => None,
        None => data_loss::known_spec(parsed),
    };
    let spec = desired.map(|desired| &desired.store).or(known.as_ref());
    data_loss::warnings(prior, &PlannedChange::Update(spec))
}

/// Returns the warnings about what an update does to the live objects.
fn update_warnings(
    prior: &PriorState<'_>,
    state: &Value,
    desired: &DesiredStore,
    force: bool,
) -> Diagnostics {
    let mut warnings = match force {
        true => Vec::new(),
        false => conflicts::predict(prior, state, &desired.objects.manifests),
    };
    warnings.extend(interruption::warning(prior, desired));
    warnings.extend(recreated_services::warnings(prior, state, desired));
    warnings
}

/// Returns the replacement that the plan has to check. In the second request of a replacement that the user requested,
/// the prior state is null and the private data is that of the old feature store.
fn replacement(
    prior: &PriorState<'_>,
    requires_replace: &[Path],
    request: &PlanResourceChangeRequest,
) -> Option<Replacement> {
    let is_requested =
        prior.value.is_null() && !request.prior_private.is_empty() && !is_checked(prior);
    (is_requested || !requires_replace.is_empty()).then(|| Replacement {
        old: Old::of(prior),
        attribute: match is_requested || requires_replace.contains(&Path::of("name")) {
            true => Path::of("name"),
            false => Path::of("namespace"),
        },
        owner_id: prior.private.owner_id.clone(),
    })
}

/// Returns whether the first request of a replacement checked it.
fn is_checked(prior: &PriorState<'_>) -> bool {
    prior.value.is_null() && prior.private.is_checked
}

/// Returns the private state with the planned manifests that keep live values; empty for a create.
fn planned_private(prior: &PriorState<'_>, kept: Manifests, encoded: &Private) -> Private {
    if prior.value.is_null() {
        return Private::new();
    }
    if prior.private.planned == kept {
        return encoded.clone();
    }
    let planned = PrivateState {
        planned: kept,
        ..prior.private.clone()
    };
    planned.encode()
}

/// Returns the private state for the second request of a replacement.
fn checked_private(prior: &PriorState<'_>) -> Private {
    let checked = PrivateState {
        is_checked: true,
        ..prior.private.clone()
    };
    checked.encode()
}

/// Defers the plan of a feature store without a namespace of its own while that of the provider block is unknown,
/// because the same run determines it. A client without deferrals gets the plan that the configuration determines.
fn deferred(
    default_namespace: Option<&str>,
    request: &PlanResourceChangeRequest,
) -> Option<Deferred> {
    let needs_default = request.config.attribute("namespace").is_null();
    (needs_default && default_namespace.is_none() && request.client.deferral_allowed)
        .then_some(Deferred::ProviderConfigUnknown)
}

/// Returns the configuration with the planned namespace, which can come from the provider block.
fn configuration(mut json: Json, state: &Value) -> Json {
    if let Some(namespace) = state.attribute("namespace").as_str() {
        json["namespace"] = Json::from(namespace);
    }
    json
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

/// Rejects a namespace of the provider block that cannot be the name of a namespace. A namespace in the configuration
/// of the feature store was checked with the rest of the configuration.
fn check_default_namespace(block: &Block, config: &Value, state: &Value) -> Diagnostics {
    if !config.attribute("namespace").is_null() {
        return Vec::new();
    }
    let invalid = block.check("namespace", state.attribute("namespace"));
    let invalid = invalid.into_iter();
    invalid.map(diagnostics::invalid_namespace).collect()
}

/// Returns whether the plan replaces the feature store because the namespace of the provider block changed.
fn is_replaced_by_default_namespace(config: &Value, planned: &PlanResourceChangeResponse) -> bool {
    let namespace = Path::of("namespace");
    planned.requires_replace.contains(&namespace) && config.attribute("namespace").is_null()
}

/// Sets the computed attributes of a plan in which all values are known.
fn set_computed(state: &mut Value, desired: &DesiredStore, prior: &PriorState<'_>) {
    let (block, value) = (prior.block, prior.value);
    let planned = &desired.objects.manifests;
    computed::write(block, state, &desired.computed());
    let secret = store_secret::key(&desired.store.name);
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
        || prior.private.rollout != RolloutProgress::Complete;
    state.set("configuration_hash", hash);
    state.set(
        "scaling_status",
        prior_or_unknown("scaling_status", is_pod_change),
    );
    if desired.store.drift_policy == DriftPolicy::Strict {
        state.set("drift", drift::added(value.attribute("drift")));
    }
    if configuration_accepts_drift(prior, state, planned) {
        state.set("drift", value.attribute("drift").clone());
    }
}

/// Returns whether the configuration asks for the drift in the prior state: by `ignore_changes`, or because the user
/// wrote the live values into it. The next apply removes such drift from the state, which is no reason for a plan.
fn configuration_accepts_drift(
    prior: &PriorState<'_>,
    planned: &Value,
    manifests: &Manifests,
) -> bool {
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
        kind => matches!(
            kind,
            Kind::HorizontalPodAutoscaler | Kind::ScaledObject | Kind::Job
        ),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::provider::resources::feature_store::prior_state::counters::{
        DECODED, PRIVATE_DECODED, RENDERED,
    };
    use crate::provider::resources::feature_store::testing;
    use crate::provider::resources::feature_store::testing::{
        Stored, plan, plan_request, request, stored, value,
    };
    use crate::provider::tests::test_provider::TestProvider;
    use crate::schema::provider::ClientCapabilities;

    fn config(block: &Block, replicas: i32) -> Value {
        scaled(block, &json!({"replicas": replicas}))
    }

    fn scaled(block: &Block, scaling: &Json) -> Value {
        let database = |kind: &str| json!({"store": {"type": kind, "secretRef": {"name": "s"}}});
        let json = json!({
            "name": "x", "namespace": "ns", "feastProject": "p",
            "services": {
                "scaling": scaling,
                "onlineStore": {"persistence": database("postgres")},
                "registry": {"local": {"persistence": database("sql")}},
            },
        });
        value(block, &json)
    }

    /// The attributes that a plan makes unknown.
    fn unknown(planned: &Value) -> Vec<&str> {
        let Value::Object(attributes) = planned else {
            panic!("{planned:?}");
        };
        let unknown = attributes.iter().filter(|(_, value)| value.is_unknown());
        unknown.map(|(name, _)| name.as_str()).collect()
    }

    fn drift(kind: DriftKind, field: &str, wanted: Option<&str>) -> Drift {
        Drift {
            object: "Deployment/feast-x".to_owned(),
            change: kind,
            field: field.to_owned(),
            wanted: wanted.map(str::to_owned),
            live: wanted.map(|_| "5".to_owned()),
            manager: Some("kubectl".to_owned()),
            operation: Some("Update".to_owned()),
            time: None,
        }
    }

    fn deployment() -> Key {
        Key::new(Kind::Deployment, "feast-x")
    }

    #[test]
    fn a_create_leaves_only_what_the_cluster_decides_unknown() {
        let block = testing::block();
        let planned = plan(&block, None, &config(&block, 2));
        assert_eq!(planned.diagnostics, []);
        assert_eq!(
            unknown(&planned.state),
            ["configuration_hash", "scaling_status"]
        );
        assert_eq!(planned.state.attribute("id").as_str(), Some("ns/x"));
        let identity = [("name", "x"), ("namespace", "ns")];
        let identity = identity.map(|(name, text)| (name.to_owned(), Value::string(text)));
        assert_eq!(planned.identity, Some(Value::Object(identity.into())));
    }

    /// What an update with the same configuration plans, by the private state.
    #[test]
    fn an_unfinished_apply_makes_the_plan_not_empty() {
        let block = testing::block();
        let config = config(&block, 2);
        let prior = stored(&block, &config);
        let both = &["configuration_hash", "scaling_status"][..];
        for (rollout, secrets_changed, expected) in [
            (RolloutProgress::Complete, false, &[][..]),
            (RolloutProgress::Pending, false, &["scaling_status"]),
            (RolloutProgress::Failed, false, &["scaling_status"]),
            (RolloutProgress::Complete, true, both),
        ] {
            let mut prior = prior.clone();
            prior.private.rollout = rollout;
            prior.private.secrets_changed = secrets_changed;
            let planned = plan(&block, Some(&prior), &config);
            assert_eq!(unknown(&planned.state), expected, "{rollout:?}");
            assert_eq!(planned.private, prior.private.encode());
            if expected.is_empty() {
                assert_eq!(planned.state, prior.state);
            }
        }
    }

    #[test]
    fn changes_of_pods_make_their_number_unknown() {
        let block = testing::block();
        let prior = stored(&block, &config(&block, 2));
        let scaled = plan(&block, Some(&prior), &config(&block, 3));
        assert_eq!(unknown(&scaled.state), ["scaling_status"]);
        let mut labelled = config(&block, 2);
        let label = [("team".to_owned(), Value::string("a"))];
        labelled.set("labels", Value::Map(label.into()));
        // The labels of the Secret change, too.
        assert_eq!(
            unknown(&plan(&block, Some(&prior), &labelled).state),
            ["configuration_hash", "scaling_status"]
        );
        let mut waiting = config(&block, 2);
        waiting.set("wait_for_rollout", Value::Bool(false));
        assert_eq!(
            unknown(&plan(&block, Some(&prior), &waiting).state),
            [""; 0]
        );
    }

    #[test]
    fn changes_of_a_scaled_object_make_the_number_of_pods_unknown() {
        let block = testing::block();
        let keda = |max: i32| {
            let triggers = json!([{"type": "cron", "metadata": {}}]);
            let keda = json!({"triggers": triggers, "maxReplicas": max});
            scaled(&block, &json!({"keda": keda}))
        };
        let prior = stored(&block, &keda(2));
        for (max, expected) in [(2, &[][..]), (3, &["scaling_status"])] {
            let planned = plan(&block, Some(&prior), &keda(max));
            assert_eq!(unknown(&planned.state), expected, "{max}");
        }
    }

    /// Whether a plan of the applied configuration undoes drift, by the kind of drift.
    #[test]
    fn drift_is_undone_unless_others_added_it_or_the_configuration_asks_for_it() {
        let block = testing::block();
        let replicas = |stored: &Stored, replicas: i32| {
            let mut manifest = stored.private.last_applied[&deployment()].clone();
            manifest["spec"]["replicas"] = json!(replicas);
            Some(manifest)
        };
        let applied = || stored(&block, &config(&block, 2));
        let field = ".spec.replicas";
        for (kind, observed, configured, is_empty) in [
            (DriftKind::Added, replicas(&applied(), 2), 2, true),
            (DriftKind::Changed, replicas(&applied(), 5), 2, false),
            (DriftKind::Changed, replicas(&applied(), 5), 5, true),
            (DriftKind::Deleted, None, 2, false),
            (DriftKind::Leftover, replicas(&applied(), 2), 2, false),
            (DriftKind::Rotated, replicas(&applied(), 2), 2, false),
        ] {
            let mut prior = applied().drifted(&block, &drift(kind, field, Some("2")), observed);
            if kind == DriftKind::Changed {
                let scaling = config(&block, 5).attribute("services").clone();
                prior.state.set("services", scaling);
            }
            let planned = plan(&block, Some(&prior), &config(&block, configured));
            assert_eq!(
                planned.state == prior.state,
                is_empty,
                "{kind:?}, {configured}"
            );
            assert_eq!(planned.diagnostics, []);
        }
    }

    #[test]
    fn the_namespace_is_that_of_the_configuration_or_the_provider_block_or_the_state() {
        let block = testing::block();
        let with = |namespace: Option<&str>| {
            let json = json!({"name": "x", "namespace": namespace, "feastProject": "p"});
            value(&block, &json)
        };
        let prior = stored(&block, &with(Some("old")));
        let name = |text: &str| Value::string(text);
        for (configured, default, prior, expected, replaces) in [
            (Some("a"), Some("b"), None, name("a"), false),
            (None, Some("b"), None, name("b"), false),
            (None, None, None, Value::Unknown, false),
            (None, None, Some(&prior), name("old"), false),
            (None, Some("b"), Some(&prior), name("b"), true),
            (Some("a"), None, Some(&prior), name("a"), true),
        ] {
            let config = with(configured);
            let request = request(prior, &config);
            let (planned, store) = plan_request(&block, default, &config, &request);
            assert_eq!(planned.state.attribute("namespace"), &expected);
            let expected = match replaces {
                true => vec![Path::of("namespace")],
                false => Vec::new(),
            };
            assert_eq!(planned.requires_replace, expected);
            assert_eq!(store.unwrap().replacement.is_some(), replaces);
        }
    }

    #[test]
    fn an_unknown_provider_block_defers_the_plan_if_the_client_can() {
        let block = testing::block();
        let own = config(&block, 2);
        let mut without = own.clone();
        without.set("namespace", Value::Null);
        for (config, default, deferral_allowed, expected) in [
            (&without, Some("ns"), true, None),
            (&without, None, false, None),
            (&without, None, true, Some(Deferred::ProviderConfigUnknown)),
            (&own, None, true, None),
        ] {
            let request = PlanResourceChangeRequest {
                client: ClientCapabilities {
                    deferral_allowed,
                    ..ClientCapabilities::default()
                },
                ..request(None, config)
            };
            let (planned, _) = plan_request(&block, default, config, &request);
            assert_eq!(planned.deferred, expected);
        }
    }

    /// Another client has changed a label of the Service, and `labels` is in `ignore_changes`: so Terraform plans with
    /// the label of the Service, and the other objects must keep theirs.
    #[test]
    fn ignored_changes_keep_live_values_in_the_planned_manifests() {
        let block = testing::block();
        let labelled = |team: &str| {
            let mut config = config(&block, 2);
            let label = [("team".to_owned(), Value::string(team))];
            config.set("labels", Value::Map(label.into()));
            config
        };
        let validated = labelled("a");
        let service = Key::new(Kind::Service, "feast-x-online");
        let drift = Drift {
            object: service.to_string(),
            ..drift(DriftKind::Changed, ".metadata.labels.team", Some("a"))
        };
        let applied = stored(&block, &validated);
        let mut observed = applied.private.last_applied[&service].clone();
        observed["metadata"]["labels"]["team"] = json!("b");
        let mut prior = applied.clone().drifted(&block, &drift, Some(observed));
        let merged = labelled("b");
        prior
            .state
            .set("labels", merged.attribute("labels").clone());
        let request = request(Some(&prior), &merged);
        let (planned, _) = plan_request(&block, Some("ns"), &validated, &request);
        assert_eq!(planned.diagnostics, []);
        assert_eq!(planned.state, prior.state);
        let mut expected = applied.private.last_applied;
        expected.remove(&service);
        let private = PrivateState::decode(&block, &planned.state, &planned.private);
        assert_eq!(private.planned, expected);
    }

    #[test]
    fn a_plan_decodes_the_prior_state_once_and_renders_each_configuration_once() {
        let block = testing::block();
        let pvc = |path: &str, size: &str| {
            let json = json!({
                "name": "x", "namespace": "ns", "feastProject": "p",
                "services": {"onlineStore": {"persistence": {"file": {"path": path, "pvc": {
                    "create": {"resources": {"requests": {"storage": size}}}, "mountPath": "/data",
                }}}}},
            });
            value(&block, &json)
        };
        let prior = stored(&block, &pvc("online.db", "5Gi"));
        let drift = drift(DriftKind::Changed, ".spec.replicas", Some("1"));
        let mut observed = prior.private.last_applied[&deployment()].clone();
        observed["spec"]["replicas"] = json!(3);
        let prior = prior.drifted(&block, &drift, Some(observed));
        let mut renamed = pvc("online.db", "5Gi");
        renamed.set("name", Value::string("y"));
        for (config, rendered) in [
            (pvc("online.db", "5Gi"), 1),
            (pvc("other.db", "6Gi"), 1),
            (renamed, 1),
            // Rejected before it is rendered.
            (pvc("online.db", "1Gi"), 0),
        ] {
            let request = request(Some(&prior), &config);
            DECODED.set(0);
            RENDERED.set(0);
            plan_request(&block, Some("ns"), &config, &request);
            assert_eq!((DECODED.get(), RENDERED.get()), (1, rendered));
        }
        let destroy = PlanResourceChangeRequest {
            proposed_new_state: Value::Null,
            ..request(Some(&prior), &Value::Null)
        };
        DECODED.set(0);
        RENDERED.set(0);
        plan_request(&block, Some("ns"), &Value::Null, &destroy);
        assert_eq!((DECODED.get(), RENDERED.get()), (1, 0));
    }

    #[test]
    fn a_plan_decodes_the_private_state_once() {
        let provider = TestProvider::new();
        let config = |team: &str| {
            provider.config(&json!({
                "name": "x", "namespace": "ns", "feastProject": "p", "waitForRollout": false,
                "labels": {"team": team},
            }))
        };
        let (state, private) = provider.create(&config("a"));
        let with_preflight = TestProvider::on(&provider.server, json!({"preflight": true}));
        for provider in [&provider, &with_preflight] {
            for (team, changes) in [("a", false), ("b", true)] {
                PRIVATE_DECODED.set(0);
                let planned = provider.plan(&state, &private, &config(team));
                assert_eq!(planned.state != state, changes, "{team}");
                assert_eq!(PRIVATE_DECODED.get(), 1, "{team}");
            }
        }
    }

    #[test]
    fn a_destroy_plans_null_and_keeps_the_private_state() {
        let block = testing::block();
        let prior = stored(&block, &config(&block, 2));
        let destroy = PlanResourceChangeRequest {
            proposed_new_state: Value::Null,
            ..request(Some(&prior), &Value::Null)
        };
        let (planned, store) = plan_request(&block, Some("ns"), &Value::Null, &destroy);
        let expected = PlanResourceChangeResponse {
            private: prior.private.encode(),
            ..PlanResourceChangeResponse::default()
        };
        assert_eq!(planned, expected);
        assert!(store.is_none());
    }

    #[test]
    fn an_invalid_configuration_is_planned_as_proposed() {
        let block = testing::block();
        let mut config = config(&block, 2);
        config.set("name", Value::string("not a name"));
        let (planned, store) = plan_request(&block, Some("ns"), &config, &request(None, &config));
        assert_eq!(planned.state, config);
        assert_eq!(planned.diagnostics[0].path, Some(Path::of("name")));
        assert!(store.is_none());
    }
}
