//! `ignore_changes`: fields that the user leaves to other clients keep their live values.
//!
//! Terraform validates the configuration as the user wrote it, and then plans with one in which the values that
//! `ignore_changes` names are those of the prior state. The difference between both tells what is ignored. A value of
//! the prior state is the live value of one object. Where an attribute sets fields of several objects, such as
//! `labels`, the other objects must not get that value.

use crate::kubernetes::diff::changes;
use crate::schema::{Path, Value};

use super::drift::attributes;
use super::manifests::Manifests;
use super::prior_state::PriorState;

/// Returns the paths at which `config`, which Terraform plans with, has the values of the prior state instead of those
/// in `validated_config`. Returns none if `config` was not made from `validated_config`.
pub fn paths(validated_config: &Value, config: &Value, prior: &Value) -> Vec<Path> {
    let mut paths = Vec::new();
    differences(&Path::root(), validated_config, config, &mut paths);
    let is_prior = |path: &Path| config.get(path) == prior.get(path);
    match paths.iter().all(is_prior) {
        true => paths,
        false => Vec::new(),
    }
}

fn differences(path: &Path, validated: &Value, config: &Value, paths: &mut Vec<Path>) {
    if validated == config {
        return;
    }
    match (validated, config) {
        (Value::Object(validated), Value::Object(config)) => {
            for (name, validated) in validated {
                let config = config.get(name).unwrap_or(&Value::Null);
                differences(&path.attribute(name), validated, config, paths);
            }
        }
        (Value::Map(validated), Value::Map(config)) => {
            let added = config.keys().filter(|key| !validated.contains_key(*key));
            for key in validated.keys().chain(added) {
                let [validated, config] =
                    [validated, config].map(|items| items.get(key).unwrap_or(&Value::Null));
                differences(&path.key(key), validated, config, paths);
            }
        }
        (Value::List(validated), Value::List(config)) if validated.len() == config.len() => {
            for (index, (validated, config)) in validated.iter().zip(config).enumerate() {
                differences(&path.index(index), validated, config, paths);
            }
        }
        _ => paths.push(path.clone()),
    }
}

/// Puts the live values into the planned manifests wherever an ignored attribute sets a field. Returns the manifests
/// that this changes.
pub fn keep_live(prior: &PriorState<'_>, ignored: &[Path], planned: &mut Manifests) -> Manifests {
    let mut kept = Manifests::new();
    for (key, manifest) in planned.iter_mut() {
        let Some(live) = prior.observed.get(key) else {
            continue;
        };
        let is_ignored = |place: &attributes::AttributeRef<'_>| {
            ignored.iter().any(|path| path.overlaps(&place.path))
        };
        let before = manifest.clone();
        // Fields that are planned, and fields that only the live object has.
        let planned_fields = changes(&before, live, "");
        let live_fields = changes(live, &before, "");
        for change in planned_fields.into_iter().chain(live_fields) {
            let places = attributes::of(prior.block, prior.value, key, &change.field);
            if places.iter().any(is_ignored) {
                change.field.replace(manifest, change.field.get(live));
            }
        }
        if *manifest != before {
            kept.insert(key.clone(), manifest.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::kubernetes::{Key, Kind};
    use crate::provider::resources::feature_store::FeatureStoreResource;
    use crate::provider::resources::feature_store::private_state::PrivateState;
    use crate::provider::resources::feature_store::testing;
    use crate::schema::provider::{Resource as _, ValidateResourceConfigRequest};

    fn state(labels: &Json, replicas: i32) -> Value {
        let json = json!({"name": "x", "feastProject": "p", "labels": labels,
            "services": {"scaling": {"replicas": replicas}}});
        testing::value(&testing::block(), &json)
    }

    #[test]
    fn differences_from_the_written_configuration_are_ignored_changes() {
        let validated = state(&json!({"a": "1", "b": "1"}), 3);
        let prior = state(&json!({"a": "2"}), 0);
        let ignored = |config: &Value| {
            let paths = paths(&validated, config, &prior);
            paths.iter().map(Path::to_string).collect::<Vec<_>>()
        };
        assert_eq!(ignored(&validated), [""; 0]);
        assert_eq!(
            ignored(&prior),
            [
                "labels[\"a\"]",
                "labels[\"b\"]",
                "services.scaling.replicas"
            ]
        );
        assert_eq!(ignored(&state(&json!({"a": "3"}), 3)), [""; 0]);
    }

    /// With `ignore_changes = all`, Terraform plans with the namespace of the prior state, which can be that of the
    /// provider block.
    #[test]
    fn finds_a_written_configuration_without_a_namespace() {
        let resource = FeatureStoreResource::new(&Arc::default());
        let validate = |config: &Value| {
            resource.validate_config(ValidateResourceConfigRequest {
                config: config.clone(),
                ..ValidateResourceConfigRequest::default()
            })
        };
        let in_namespace = |mut config: Value| {
            config.set("namespace", Value::string("ns"));
            config
        };
        let config = in_namespace(state(&json!({"a": "2"}), 1));
        assert_eq!(resource.validated_config(&config), config);
        let validated = state(&json!({"a": "1"}), 1);
        validate(&validated);
        assert_eq!(resource.validated_config(&config), validated);
        let other = in_namespace(validated);
        validate(&other);
        assert_eq!(resource.validated_config(&config), other);
    }

    /// The planned manifests of a Service and a Deployment once the changes of the label `a` are ignored, and the keys
    /// of those that this changes.
    fn keep(labels: &Json, live: [Json; 2], planned: [Json; 2]) -> ([Json; 2], Vec<Kind>) {
        let keys = [Kind::Service, Kind::Deployment].map(|kind| Key::new(kind, "feast-x"));
        let manifests = |values| Manifests::from_iter(keys.clone().into_iter().zip(values));
        let private = PrivateState {
            last_applied: manifests(live),
            ..PrivateState::default()
        };
        let (block, state) = (testing::block(), state(labels, 1));
        let prior = PriorState::decode(&block, &state, &private.encode());
        let mut planned = manifests(planned);
        let kept = keep_live(&prior, &[Path::of("labels").key("a")], &mut planned);
        let kept = kept.keys().map(|key| key.kind).collect();
        (keys.map(|key| planned[&key].clone()), kept)
    }

    #[test]
    fn other_objects_keep_their_values() {
        let object =
            |a: &str, image: &str| json!({"metadata": {"labels": {"a": a}}, "image": image});
        assert_eq!(
            keep(
                &json!({"a": "2"}),
                [object("1", "old"), object("2", "old")],
                [object("2", "new"), object("2", "new")],
            ),
            (
                [object("1", "new"), object("2", "new")],
                vec![Kind::Service]
            )
        );
    }

    #[test]
    fn a_label_that_only_a_live_object_has_is_kept() {
        let labels = |labels: Json| json!({"metadata": {"labels": labels}});
        let live = [labels(json!({"a": "1"})), labels(json!({}))];
        let planned = [labels(json!({})), labels(json!({}))];
        assert_eq!(
            keep(&json!({}), live.clone(), planned),
            (live, vec![Kind::Service])
        );
    }
}
