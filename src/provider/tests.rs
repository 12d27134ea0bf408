//! Plans of configurations that reach each part of the schema: against the acceptance rules of Terraform core, and with
//! each value unknown in turn.

mod api_server;
mod api_warnings;
mod applied;
mod configurations;
mod connection;
pub mod core;
mod import_ids;
mod live_values;
mod new_objects;
mod openshift;
mod preflight;
mod reattached;
mod replacement;
mod saved_states;
mod stored_shapes;
pub mod test_provider;
mod unknown_provider;
mod without_refresh;

use serde_json::{Value as Json, json};

use super::{FEATURE_STORE, Feast};
use crate::feast::spec::{self, Defaults, Store, computed_inputs};
use crate::schema::provider::{
    ApplyResourceChangeRequest, ConfigureProviderRequest, PlanResourceChangeRequest,
    PlanResourceChangeResponse, Resource, UpgradeResourceStateRequest,
    ValidateResourceConfigRequest,
};
use crate::schema::{Block, Diagnostic, Path, Provider, Severity, Step, Value, decode, encode};
use configurations::configurations;

/// The resource `feast_feature_store` of a provider.
fn resource(feast: &Feast) -> &dyn Resource {
    &*feast.registry().resources[FEATURE_STORE]
}

fn block(feast: &Feast) -> &Block {
    &resource(feast).schema().block
}

/// Adds every path of a configuration that is not null: leaves, and the objects above them.
fn paths(value: &Value, at: &Path, found: &mut Vec<Path>) {
    let inner: Vec<(Path, &Value)> = match value {
        Value::Null | Value::Unknown => return,
        Value::Object(items) => items
            .iter()
            .map(|(name, item)| (at.attribute(name), item))
            .collect(),
        Value::Map(items) => items
            .iter()
            .map(|(key, item)| (at.key(key), item))
            .collect(),
        Value::List(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| (at.index(index), item))
            .collect(),
        _ => Vec::new(),
    };
    if !at.steps().is_empty() {
        found.push(at.clone());
    }
    for (path, item) in inner {
        paths(item, &path, found);
    }
}

fn with_unknown(value: &Value, steps: &[Step]) -> Value {
    with(value, steps, Value::Unknown)
}

/// Returns the value with another one at a path.
fn with(value: &Value, steps: &[Step], other: Value) -> Value {
    let Some((step, rest)) = steps.split_first() else {
        return other;
    };
    let mut value = value.clone();
    match (&mut value, step) {
        (Value::Object(items), Step::Attribute(name)) | (Value::Map(items), Step::Key(name)) => {
            let inner = with(&items[name], rest, other);
            items.insert(name.clone(), inner);
        }
        (Value::List(items), Step::Index(index)) => {
            items[*index] = with(&items[*index], rest, other)
        }
        _ => unreachable!("the path is one of this value"),
    }
    value
}

fn validate(feast: &Feast, config: &Value) -> Vec<Diagnostic> {
    resource(feast).validate_config(ValidateResourceConfigRequest {
        config: config.clone(),
        ..ValidateResourceConfigRequest::default()
    })
}

fn plan(feast: &Feast, prior: &Value, config: &Value) -> PlanResourceChangeResponse {
    let request = PlanResourceChangeRequest {
        prior_state: prior.clone(),
        proposed_new_state: config.clone(),
        config: config.clone(),
        ..PlanResourceChangeRequest::default()
    };
    wait(core::plan(feast, request))
}

fn wait<T>(answer: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(answer)
}

/// Returns whether both are elements of one list, in this order.
fn are_elements(one: &Path, other: &Path) -> bool {
    match (one.steps().split_last(), other.steps().split_last()) {
        (Some((Step::Index(one), list)), Some((Step::Index(other), same))) => {
            list == same && one < other
        }
        _ => false,
    }
}

/// Checks each configuration: without a change, with each of its values unknown in turn, and with two elements of a
/// list unknown.
fn every_case(feast: &Feast, mut check: impl FnMut(&Value, Option<&Path>, &Value)) {
    for json in configurations() {
        let whole = encode(&block(feast).attributes, &json);
        check(&whole, None, &whole);
        let mut all = Vec::new();
        paths(&whole, &Path::root(), &mut all);
        for path in &all {
            let changed = with_unknown(&whole, path.steps());
            check(&whole, Some(path), &changed);
            for other in all.iter().filter(|other| are_elements(path, other)) {
                check(&whole, Some(path), &with_unknown(&changed, other.steps()));
            }
        }
    }
}

#[test]
fn making_a_value_unknown_never_adds_a_diagnostic() {
    let feast = Feast::new();
    // The detail may name fewer reasons. No path and summary may be new.
    let said = |config: &Value| -> Vec<_> {
        let diagnostics = validate(&feast, config).into_iter();
        diagnostics
            .map(|diagnostic| (diagnostic.path, diagnostic.summary))
            .collect()
    };
    every_case(&feast, |whole, path, config| {
        let before = said(whole);
        for diagnostic in said(config) {
            assert!(
                before.contains(&diagnostic),
                "{path:?} unknown adds {diagnostic:#?}"
            );
        }
    });
}

/// Returns the state after an apply of a wholly known plan.
fn applied(planned: &PlanResourceChangeResponse) -> Option<Value> {
    let mut state = planned.state.clone();
    if state.attribute("objects").is_null() {
        return None;
    }
    state.set("configuration_hash", Value::string("abc"));
    state.set("scaling_status", Value::Null);
    state.is_wholly_known().then_some(state)
}

/// The plan of a create, and the plan of an update to the same configuration if all of it is known.
struct Plans {
    config: Value,
    create: PlanResourceChangeResponse,
    update: Option<(Value, PlanResourceChangeResponse)>,
}

impl Plans {
    fn of(feast: &Feast, config: &Value) -> Self {
        let create = plan(feast, &Value::Null, config);
        let update = applied(&create).map(|state| {
            let planned = plan(feast, &state, config);
            (state, planned)
        });
        Self {
            config: config.clone(),
            create,
            update,
        }
    }
}

/// Terraform plans again during an apply, when more is known. What was known before must stay the same.
#[track_caller]
fn expect_completion(
    block: &Block,
    first: &PlanResourceChangeResponse,
    last: &PlanResourceChangeResponse,
    path: Option<&Path>,
) {
    let has_error = |planned: &PlanResourceChangeResponse| {
        let mut diagnostics = planned.diagnostics.iter();
        diagnostics.any(|diagnostic| diagnostic.severity == Severity::Error)
    };
    if !has_error(first) && !has_error(last) {
        let found = core::incompatibilities(block, &first.state, &last.state);
        assert_eq!(found, Vec::<String>::new(), "{path:?} unknown");
    }
}

#[test]
fn core_accepts_plans_and_their_completions() {
    let feast = Feast::new();
    let block = block(&feast);
    let mut last: Option<Plans> = None;
    every_case(&feast, |whole, path, config| {
        let known = last.take().filter(|plans| plans.config == *whole);
        let known = known.unwrap_or_else(|| Plans::of(&feast, whole));
        let first = plan(&feast, &Value::Null, config);
        expect_completion(block, &first, &known.create, path);
        if let Some((state, update)) = &known.update {
            expect_completion(block, &plan(&feast, state, config), update, path);
        }
        last = Some(known);
    });
}

#[test]
fn a_plan_over_its_own_result_changes_nothing() {
    let feast = Feast::new();
    every_case(&feast, |_, _, config| {
        let mut state = plan(&feast, &Value::Null, config).state;
        if !config.is_wholly_known() || state.attribute("objects").is_null() {
            return;
        }
        state.set("configuration_hash", Value::string("abc"));
        state.set("scaling_status", Value::Null);
        assert!(state.is_wholly_known());
        let again = plan(&feast, &state, config);
        assert_eq!((again.state, again.requires_replace), (state, vec![]));
    });
}

/// Every input that changes a computed attribute is in its list, so no plan shows a value that can still change.
#[test]
fn inputs_of_computed_attributes_are_listed() {
    let feast = Feast::new();
    let block = block(&feast);
    let store = |value: &Value| {
        let config = serde_json::from_value(decode(block, value).json).ok()?;
        Some(Store::new(&config, &Defaults::default()))
    };
    let owner = |store: &Store| json!(store.replicas.owner());
    let strategy = |store: &Store| json!(store.strategy.as_str());
    let identity = |store: &Store| json!([store.namespace, store.name]);
    let endpoints = |store: &Store| json!(spec::endpoints(store));
    let pvcs = |store: &Store| {
        json!([
            store.created_pvcs(),
            store.referenced_pvcs(),
            store.delete_data
        ])
    };
    type Read = fn(&Store) -> Json;
    let attributes: [(Read, Vec<Path>); 5] = [
        (identity, computed_inputs::of_identity()),
        (owner, computed_inputs::of_replicas_owner()),
        (strategy, computed_inputs::of_strategy()),
        (endpoints, computed_inputs::of_endpoints()),
        (pvcs, computed_inputs::of_pvcs()),
    ];
    let mut changes = [0; 5];
    for json in configurations() {
        let whole = encode(&block.attributes, &json);
        let before = store(&whole).unwrap();
        let mut all = Vec::new();
        paths(&whole, &Path::root(), &mut all);
        for path in all {
            let others = others(whole.get(&path).unwrap()).chain([Value::Null]);
            for after in others.filter_map(|other| store(&with(&whole, path.steps(), other))) {
                for ((read, computed_inputs), count) in attributes.iter().zip(&mut changes) {
                    if read(&before) != read(&after) {
                        let listed = computed_inputs
                            .iter()
                            .any(|computed_inputs| path.contains(computed_inputs));
                        assert!(listed, "{path}: {} to {}", read(&before), read(&after));
                        *count += 1;
                    }
                }
            }
        }
    }
    assert!(changes.iter().all(|count| *count > 4), "{changes:?}");
}

/// Returns other values of the same type.
fn others(value: &Value) -> impl Iterator<Item = Value> {
    let others = match value {
        Value::Bool(value) => vec![Value::Bool(!value)],
        Value::Number(_) => [1, 2, 7].map(Value::integer).into(),
        Value::String(_) => ["other", "Recreate", "RollingUpdate", "other.example:1"]
            .map(Value::string)
            .into(),
        _ => Vec::new(),
    };
    others.into_iter()
}

#[test]
fn an_unknown_image_makes_only_dependent_attributes_unknown() {
    let feast = Feast::new();
    let attributes = &block(&feast).attributes;
    let json = json!({
        "name": "a", "namespace": "b", "feastProject": "p",
        "services": {"onlineStore": {"server": {"image": "feast:1"}}},
    });
    let whole = encode(attributes, &json);
    let planned = |path: &str| {
        let config = with_unknown(&whole, Path::of(path).steps());
        let state = plan(&feast, &Value::Null, &config).state;
        let names = [
            "id",
            "deployment_name",
            "replicas_owner",
            "strategy",
            "endpoints",
            "configuration_hash",
            "objects",
            "drift",
            "scaling_status",
        ];
        let known = names.into_iter();
        known
            .filter(|name| state.attribute(name).is_wholly_known())
            .collect::<Vec<_>>()
    };
    let identity = ["id", "deployment_name"];
    let decided = ["replicas_owner", "strategy", "endpoints"];
    assert_eq!(
        planned("services.online_store.server.image"),
        [&identity[..], &decided].concat()
    );
    assert_eq!(planned("services"), identity);
    assert_eq!(planned("name"), ["replicas_owner", "strategy"]);
}

#[test]
fn name_and_namespace_replace() {
    let feast = Feast::new();
    let attributes = &block(&feast).attributes;
    let config = |name: &str, namespace: &str| {
        encode(
            attributes,
            &json!({"name": name, "namespace": namespace, "feastProject": "p"}),
        )
    };
    let state = plan(&feast, &Value::Null, &config("a", "b")).state;
    let replaced = |config: &Value| plan(&feast, &state, config).requires_replace;
    assert_eq!(replaced(&config("a", "b")), []);
    assert_eq!(replaced(&config("x", "b")), [Path::of("name")]);
    assert_eq!(replaced(&config("a", "x")), [Path::of("namespace")]);
}

#[test]
fn a_failed_destroy_keeps_state_and_private_state() {
    let feast = Feast::new();
    let config = encode(
        &feast.schema().block.attributes,
        &json!({"config_path": "/nowhere/kubeconfig"}),
    );
    let configured = ConfigureProviderRequest {
        config,
        ..ConfigureProviderRequest::default()
    };
    assert_eq!(wait(feast.configure(configured)), []);
    let config = encode(
        &block(&feast).attributes,
        &json!({"name": "a", "namespace": "b", "feastProject": "p"}),
    );
    let state = applied(&plan(&feast, &Value::Null, &config)).unwrap();
    let applied = wait(core::apply(
        &feast,
        ApplyResourceChangeRequest {
            prior_state: state.clone(),
            planned_private: b"remembered".to_vec(),
            ..ApplyResourceChangeRequest::default()
        },
    ));
    let said: Vec<&str> = (applied.diagnostics.iter())
        .map(|diagnostic| diagnostic.summary.as_str())
        .collect();
    assert_eq!(said, ["Cannot connect to the cluster"]);
    assert_eq!(
        (applied.state, applied.private),
        (state, b"remembered".to_vec())
    );
}

#[test]
fn an_unreadable_state_names_the_attribute() {
    let upgraded = resource(&Feast::new()).upgrade_state(UpgradeResourceStateRequest {
        version: 0,
        state: Err("`services.scaling` is a number".to_owned()),
    });
    let said: Vec<&str> = (upgraded.diagnostics.iter())
        .map(|diagnostic| diagnostic.detail.as_str())
        .collect();
    assert_eq!(
        said,
        [
            "The stored state of this feature store does not fit the provider's schema. `services.scaling` is a number. \
             Restore it from a backup, or remove the feature store from the state (`terraform state rm`, `pulumi state \
             delete`) and import it again."
        ]
    );
}
