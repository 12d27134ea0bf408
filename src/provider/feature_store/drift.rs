//! Drift where the user looks: the attribute `drift` lists each field that others have changed, and a
//! changed replica count, image, bound or strategy shows at the attribute that set it.

use serde_json::Value as Json;

use crate::cluster::drift::changes::{Author, Change};
use crate::feast::config::Drift;
use crate::feast::names::ServerKind;
use crate::feast::objects::{Key, Kind};
use crate::schema::{Path, Value};

/// One element of the attribute `drift`.
pub fn described(key: &Key, change: &Change) -> Drift {
    let Change {
        field,
        wanted,
        live,
        author,
    } = change;
    let author = author.clone();
    let (manager, operation, time) = match author {
        Some(Author {
            manager,
            operation,
            time,
        }) => (Some(manager), Some(operation.to_owned()), time),
        None => (None, None, None),
    };
    Drift {
        object: key.to_string(),
        field: field.clone(),
        wanted: wanted.as_ref().map(text),
        live: live.as_ref().map(text),
        manager,
        operation,
        time,
    }
}

/// An object that is gone.
pub fn deleted(key: &Key) -> Change {
    Change {
        field: String::new(),
        wanted: Some(Json::from(key.to_string())),
        live: None,
        author: None,
    }
}

fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Writes a changed value to the attribute that set it, where there is one.
pub fn show(state: &mut Value, key: &Key, change: &Change) {
    let Some(live) = change.live.as_ref().and_then(scalar) else {
        return;
    };
    for path in attributes(key, &change.field) {
        state.set_at(&path, live.clone());
    }
}

fn scalar(value: &Json) -> Option<Value> {
    match value {
        Json::String(text) => Some(Value::string(text)),
        Json::Number(number) => number.as_i64().map(Value::integer),
        _ => None,
    }
}

/// The attributes that set a field of an object.
fn attributes(key: &Key, field: &str) -> Vec<Path> {
    let paths: &[&str] = match (key.kind, field) {
        (Kind::Deployment, ".spec.replicas") => &["services.scaling.replicas"],
        (Kind::Deployment, ".spec.strategy.type") => {
            &["strategy", "services.deployment_strategy.type"]
        }
        (Kind::HorizontalPodAutoscaler, ".spec.minReplicas") => {
            &["services.scaling.autoscaling.min_replicas"]
        }
        (Kind::HorizontalPodAutoscaler, ".spec.maxReplicas") => {
            &["services.scaling.autoscaling.max_replicas"]
        }
        (Kind::Deployment, field) => return image(field).into_iter().collect(),
        _ => &[],
    };
    paths.iter().map(|path| Path::of(path)).collect()
}

/// `.spec.template.spec.containers[name="online"].image` is the image of the online server.
fn image(field: &str) -> Option<Path> {
    let container = field
        .strip_prefix(".spec.template.spec.containers[name=\"")?
        .strip_suffix("\"].image")?;
    let server = [
        (ServerKind::Online, "services.online_store.server.image"),
        (ServerKind::Offline, "services.offline_store.server.image"),
        (ServerKind::Registry, "services.registry.local.server.image"),
        (ServerKind::Ui, "services.ui.image"),
    ];
    let (_, path) = server
        .into_iter()
        .find(|(kind, _)| kind.as_str() == container)?;
    Some(Path::of(path))
}
