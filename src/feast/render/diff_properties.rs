//! Property tests: rendered manifests against live objects that mean the same, and against live objects that do not.

use proptest::prelude::*;
use proptest::test_runner::TestRng;
use serde_json::{Map, Value as Json, json};

use crate::feast::config::FeatureStore;
use crate::feast::render::render;
use crate::feast::spec::{Defaults, Store};
use crate::kubernetes::diff::{changes, project};
use crate::kubernetes::field_path::{FieldPath, FieldStep};
use crate::kubernetes::list_keys::list_keys;
use crate::kubernetes::quantity::Quantity;

/// The manifests of feature stores that use most of the configuration.
fn manifests() -> Vec<Json> {
    let store = |kind: &str| json!({"store": {"type": kind, "secretRef": {"name": "stores"}}});
    let server = json!({
        "env": [{"name": "A", "value": "1000m"}, {"name": "B", "value": "2"}, {"name": "C", "value": "3"}],
        "resources": {"requests": {"cpu": "1000m", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "0.5Ti"}},
    });
    let metric = |name: &str| json!({"type": "Resource", "resource": {"name": name, "target": {"type": "AverageValue", "averageValue": "1500m"}}});
    let pvc =
        json!({"create": {"resources": {"requests": {"storage": "1024Mi"}}}, "mountPath": "/data"});
    let configurations = [
        json!({"name": "scaled", "feastProject": "p", "labels": {"team": "a"}, "services": {
            "scaling": {"autoscaling": {"maxReplicas": 5, "metrics": [metric("cpu"), metric("memory")],
                "behavior": {"scaleDown": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}}}},
            "deploymentStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "1", "maxUnavailable": "25%"}},
            "onlineStore": {"persistence": store("postgres"), "server": server},
            "offlineStore": {"persistence": store("postgres"), "server": server},
            "registry": {"local": {"persistence": store("sql"), "server": {"restAPI": true}}},
        }}),
        json!({"name": "files", "feastProject": "p", "authz": {"kubernetes": {"roles": ["reader"]}},
            "cronJob": {"schedule": "@daily"}, "services": {
                "onlineStore": {"persistence": {"file": {"path": "online.db", "pvc": pvc}}},
        }}),
    ];
    let stores = configurations.into_iter().map(|configuration| {
        let configuration: FeatureStore = serde_json::from_value(configuration).unwrap();
        render(&Store::new(&configuration, &Defaults::default())).manifests
    });
    stores.flat_map(|store| store.into_values()).collect()
}

/// Fields of the manifests above that are quantities, and fields that are numbers or percentages.
const QUANTITIES: [&str; 4] = ["cpu", "memory", "storage", "averageValue"];
const PERCENTAGES: [&str; 2] = ["maxSurge", "maxUnavailable"];

fn field<'a>(path: &[&'a str]) -> &'a str {
    path.last().copied().unwrap_or_default()
}

/// Returns the same quantity in another spelling.
fn respelled(text: &str, rng: &mut TestRng) -> Option<String> {
    let quantity = Quantity::parse(text)?;
    let spellings = [
        text.parse::<u64>()
            .map(|number| format!("{}m", number * 1000)),
        text.trim_end_matches('m')
            .parse::<u64>()
            .map(|number| format!("{number}000u")),
        text.trim_end_matches("Gi")
            .parse::<u64>()
            .map(|number| format!("{}Mi", number * 1024)),
        text.trim_end_matches("Mi")
            .parse::<u64>()
            .map(|number| format!("{}Ki", number * 1024)),
    ];
    let same: Vec<String> = (spellings.into_iter().flatten())
        .filter(|spelling| Quantity::parse(spelling) == Some(quantity))
        .collect();
    let chosen = rng.random_range(0..=same.len());
    same.get(chosen).cloned()
}

/// Changes a manifest in ways of the API server, of webhooks and of users that keep its meaning.
fn disturbed(path: &[&str], manifest: &Json, rng: &mut TestRng) -> Json {
    match manifest {
        Json::Object(members) => {
            let mut live: Map<String, Json> = (members.iter())
                .map(|(name, inner)| {
                    let path = [path, &[name.as_str()]].concat();
                    (name.clone(), disturbed(&path, inner, rng))
                })
                .collect();
            if rng.random_bool(0.3) {
                live.insert("foreignField".to_owned(), json!({"a": [1]}));
            }
            Json::Object(live)
        }
        Json::Array(elements) => {
            let field = field(path);
            let mut live: Vec<Json> = (elements.iter())
                .map(|element| disturbed(path, element, rng))
                .collect();
            let keys = list_keys(None, field, elements);
            if let Some(keys) = &keys
                && rng.random_bool(0.5)
            {
                let named = keys.iter().map(|key| ((*key).to_owned(), json!("foreign")));
                live.push(Json::Object(named.collect()));
            }
            if keys.is_some() || field == "metrics" {
                for position in (1..live.len()).rev() {
                    live.swap(position, rng.random_range(0..=position));
                }
            }
            Json::Array(live)
        }
        Json::String(text) if QUANTITIES.contains(&field(path)) => {
            respelled(text, rng).map_or(manifest.clone(), Json::from)
        }
        Json::Number(number) if PERCENTAGES.contains(&field(path)) => {
            Json::from(number.to_string())
        }
        _ => manifest.clone(),
    }
}

/// Collects the paths of all scalars.
fn leaves(at: &FieldPath, name: &str, value: &Json, found: &mut Vec<FieldPath>) {
    match value {
        Json::Object(members) => {
            for (name, inner) in members {
                leaves(&at.with(FieldStep::Name(name.clone())), name, inner, found);
            }
        }
        Json::Array(elements) => {
            for (step, element) in FieldStep::elements(name, elements) {
                leaves(&at.with(step), name, element, found);
            }
        }
        _ => found.push(at.clone()),
    }
}

/// Changes the value at the path.
fn change(object: &mut Json, steps: &[FieldStep], value: Json) {
    let Some((step, rest)) = steps.split_first() else {
        *object = value;
        return;
    };
    // The address identifies the member or element that the step leads to.
    let found: *const Json = step.get(object).unwrap();
    let inner = match object {
        Json::Object(members) => members
            .values_mut()
            .find(|inner| std::ptr::eq(*inner, found)),
        Json::Array(elements) => elements
            .iter_mut()
            .find(|inner| std::ptr::eq(*inner, found)),
        _ => None,
    };
    change(inner.unwrap(), rest, value);
}

/// Returns whether the field is a key of a list element. With another key it would be another element.
fn is_key(path: &FieldPath) -> bool {
    let steps = path.steps();
    let above = steps.len().checked_sub(2).map(|above| &steps[above]);
    match (above, steps.last()) {
        (Some(FieldStep::Keys(keys)), Some(FieldStep::Name(name))) => {
            keys.iter().any(|(key, _)| key == name)
        }
        _ => false,
    }
}

fn any_manifest() -> impl Strategy<Value = Json> {
    prop::sample::select(manifests())
}

fn pair() -> impl Strategy<Value = (Json, Json)> {
    any_manifest().prop_perturb(|manifest, mut rng| {
        let live = disturbed(&[], &manifest, &mut rng);
        (manifest, live)
    })
}

proptest! {
    #[test]
    fn an_equivalent_object_has_no_drift((manifest, live) in pair()) {
        prop_assert_eq!(changes(&manifest, &live, "ours"), []);
        prop_assert_eq!(project(&manifest, &live), manifest);
    }

    #[test]
    fn one_changed_field_is_one_change((manifest, live) in pair(), chosen: prop::sample::Index) {
        let mut paths = Vec::new();
        leaves(&FieldPath::default(), "", &manifest, &mut paths);
        paths.retain(|path| !is_key(path) && !path.to_string().contains(".metrics"));
        let path = chosen.get(&paths);
        let mut live = live;
        change(&mut live, path.steps(), json!("something else"));
        let changes = changes(&manifest, &live, "ours");
        prop_assert_eq!(changes.len(), 1);
        // A change in an atomic list can be a change of the whole list.
        let field = changes[0].field.to_string();
        prop_assert!(path.to_string().starts_with(&field), "{field} for {path}");
        prop_assert_eq!(changes[0].field.get(&live).is_some(), true);
        let wanted = changes[0].wanted.as_ref();
        prop_assert_eq!(wanted, changes[0].field.get(&manifest));
    }
}
