//! The provider's verdict on a configuration: validate's errors, or the objects to apply.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use terraform_provider_feast::cluster::apply::to_apply_body;
use terraform_provider_feast::feast::config::FeatureStore;
use terraform_provider_feast::feast::render::render;
use terraform_provider_feast::feast::rules;
use terraform_provider_feast::feast::secrets::resolve::Secrets;
use terraform_provider_feast::feast::secrets::source::Contents;
use terraform_provider_feast::feast::spec::{Defaults, Store};
use terraform_provider_feast::kubernetes::kind::{Key, Kind};
use terraform_provider_feast::schema::{Block, Value, decode};

/// Contents of Secrets and ConfigMaps, one of which fits every use.
const CONTENTS: [&str; 3] = ["host: database", "type: local", "type: spark.engine"];

/// The objects to apply, as bodies of requests.
pub type Bodies = BTreeMap<Key, Json>;

pub enum Outcome {
    /// Validate rejects the configuration with this message.
    Rejected {
        message: String,
    },
    /// The apply rejects the content of a Secret before it writes anything.
    Unresolved {
        message: String,
    },
    Objects(Bodies),
}

/// Validates and renders a configuration. `strict` is false to render what only the rules reject.
pub fn outcome(block: &Block, value: &Value, namespace: &str, strict: bool) -> Outcome {
    let decoded = decode(block, value);
    let mut rejected = None;
    if let Some(first) = decoded.diagnostics.into_iter().next() {
        rejected = Some(first.detail);
    }
    let config: FeatureStore = match serde_json::from_value(decoded.json) {
        Ok(config) => config,
        Err(error) => {
            let message = rejected.unwrap_or_else(|| format!("DEFECT: {error}"));
            return Outcome::Rejected { message };
        }
    };
    let mut violations = rules::check(&config).into_iter();
    let violation = violations.next();
    let rejected = rejected.or(violation.map(|it| format!("{}: {}", it.path, it.summary)));
    if let Some(message) = rejected.filter(|_| strict) {
        return Outcome::Rejected { message };
    }
    let defaults = Defaults {
        namespace: Some(namespace.to_owned()),
        ..Defaults::default()
    };
    let store = Store::new(&config, &defaults);
    let mut message = String::new();
    for content in CONTENTS {
        let rendered = render(&store);
        let contents: Contents = (rendered.sources().into_iter())
            .map(|source| {
                let key = source.key().unwrap_or("auth_discovery_url").to_owned();
                let text = match source.kind {
                    Kind::ConfigMap => content,
                    _ => CONTENTS[0],
                };
                (source, BTreeMap::from([(key, text.to_owned())]))
            })
            .collect();
        let resolved = rendered.resolve_secrets(&Secrets {
            contents: &contents,
            hash_key: b"key",
            configuration: "{}",
        });
        match resolved {
            Ok(objects) => {
                let bodies = objects.manifests.into_iter().map(|(key, manifest)| {
                    let body = to_apply_body(&key, &manifest);
                    (key, body)
                });
                return Outcome::Objects(bodies.collect());
            }
            Err(errors) => message = errors.iter().map(|it| format!("{it}; ")).collect(),
        }
    }
    Outcome::Unresolved { message }
}
