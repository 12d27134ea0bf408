//! `ignore_changes`: fields that the user leaves to others stay as they are.
//!
//! Terraform validates the configuration as the user wrote it, and then plans with one that has the values of the prior
//! state in place of those that `ignore_changes` names. Their difference says what is ignored. A prior value is the
//! live one of some object; where an attribute sets fields of several objects (`labels`, for one), the others must not
//! be changed to it.

use crate::cluster::drift::changes::changes;
use crate::cluster::drift::project;
use crate::schema::{Block, Path, Value};

use super::drift::attributes;
use super::manifests::Manifests;

/// The paths at which `config`, which Terraform plans with, has the values of the prior state instead of those that
/// the user wrote. Empty where `written` is not the configuration that this one was made from.
pub fn paths(written: &Value, config: &Value, prior: &Value) -> Vec<Path> {
    let mut found = Vec::new();
    differences(&Path::root(), written, config, &mut found);
    let is_prior = |path: &Path| config.get(path) == prior.get(path);
    match found.iter().all(is_prior) {
        true => found,
        false => Vec::new(),
    }
}

fn differences(at: &Path, written: &Value, config: &Value, found: &mut Vec<Path>) {
    if written == config {
        return;
    }
    match (written, config) {
        (Value::Object(written), Value::Object(config)) => {
            for (name, written) in written {
                let config = config.get(name).unwrap_or(&Value::Null);
                differences(&at.attribute(name), written, config, found);
            }
        }
        (Value::Map(written), Value::Map(config)) => {
            let keys = written
                .keys()
                .chain(config.keys().filter(|key| !written.contains_key(*key)));
            for key in keys {
                let [written, config] =
                    [written, config].map(|items| items.get(key).unwrap_or(&Value::Null));
                differences(&at.key(key), written, config, found);
            }
        }
        (Value::List(written), Value::List(config)) if written.len() == config.len() => {
            for (index, (written, config)) in written.iter().zip(config).enumerate() {
                differences(&at.index(index), written, config, found);
            }
        }
        _ => found.push(at.clone()),
    }
}

/// Puts the live values into the planned manifests wherever an ignored attribute sets a field. Returns the keys of the
/// manifests that have become others.
pub fn keep_live(
    block: &Block,
    prior: &Value,
    ignored: &[Path],
    live: &Manifests,
    planned: &mut Manifests,
) -> Manifests {
    let mut kept = Manifests::new();
    for (key, manifest) in planned.iter_mut() {
        let Some(live) = live.get(key) else {
            continue;
        };
        let is_ignored =
            |place: &attributes::Place<'_>| ignored.iter().any(|path| path.overlaps(&place.path));
        let before = manifest.clone();
        // Fields that are planned, and fields that only the live object has.
        let planned_fields = changes(&before, &project(&before, live), live, "");
        let live_fields = changes(live, &project(live, &before), live, "");
        for change in planned_fields.into_iter().chain(live_fields) {
            let places = attributes::of(block, prior, key, &change.field);
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
    use serde_json::json;

    use super::*;
    use crate::feast::objects::{Key, Kind};
    use crate::provider::resources::feature_store::block;
    use crate::schema::encode;

    fn store(labels: serde_json::Value, replicas: i32) -> (Block, Value) {
        let block = block();
        let value = encode(
            &block.attributes,
            &json!({"name": "x", "feastProject": "p", "labels": labels,
                "services": {"scaling": {"replicas": replicas}}}),
        );
        (block, value)
    }

    #[test]
    fn differences_from_what_the_user_wrote_are_ignored_changes() {
        let (_, written) = store(json!({"a": "1", "b": "1"}), 3);
        let (_, prior) = store(json!({"a": "2"}), 0);
        let told = |config: &Value| {
            let paths = paths(&written, config, &prior);
            paths.iter().map(Path::to_string).collect::<Vec<_>>()
        };
        assert_eq!(told(&written), [""; 0]);
        assert_eq!(
            told(&prior),
            [
                "labels[\"a\"]",
                "labels[\"b\"]",
                "services.scaling.replicas"
            ]
        );
        let (_, another) = store(json!({"a": "3"}), 3);
        assert_eq!(told(&another), [""; 0]);
    }

    #[test]
    fn other_objects_keep_their_values() {
        let (block, prior) = store(json!({"a": "2"}), 1);
        let object =
            |a: &str, image: &str| json!({"metadata": {"labels": {"a": a}}, "image": image});
        let keys = [Kind::Service, Kind::Deployment].map(|kind| Key::new(kind, "feast-x"));
        let manifests = |values: [serde_json::Value; 2]| {
            Manifests::from_iter(keys.clone().into_iter().zip(values))
        };
        let live = manifests([object("1", "old"), object("2", "old")]);
        let mut planned = manifests([object("2", "new"), object("2", "new")]);
        let kept = keep_live(
            &block,
            &prior,
            &[Path::of("labels").key("a")],
            &live,
            &mut planned,
        );
        assert_eq!(planned, manifests([object("1", "new"), object("2", "new")]));
        assert_eq!(kept.keys().collect::<Vec<_>>(), [&keys[0]]);
        // A label that only the others have.
        let (block, prior) = store(json!({}), 1);
        let mut planned = manifests([
            json!({"metadata": {"labels": {}}}),
            json!({"metadata": {"labels": {}}}),
        ]);
        let live = manifests([
            json!({"metadata": {"labels": {"a": "1"}}}),
            json!({"metadata": {"labels": {}}}),
        ]);
        keep_live(
            &block,
            &prior,
            &[Path::of("labels").key("a")],
            &live,
            &mut planned,
        );
        assert_eq!(planned, live);
    }
}
