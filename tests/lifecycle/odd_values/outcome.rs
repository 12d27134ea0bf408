//! The provider's part: validation and rendering, without a cluster.

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
const CONTENTS: [&str; 3] = ["host: database", "type: local", "type: spark_application"];

/// The objects to apply, as bodies of requests.
pub type Bodies = BTreeMap<Key, Json>;

/// Returns the configuration of a value.
///
/// # Errors
///
/// The first message of validate. With `is_validated = false`, only that the value is not a configuration.
pub fn validate(block: &Block, value: &Value, is_validated: bool) -> Result<FeatureStore, String> {
    let decoded = decode(block, value);
    let mut diagnostics = decoded.diagnostics.into_iter();
    if let Some(diagnostic) = diagnostics.next().filter(|_| is_validated) {
        return Err(diagnostic.detail);
    }
    let config: FeatureStore =
        serde_json::from_value(decoded.json).map_err(|error| error.to_string())?;
    let mut violations = rules::check(&config).into_iter();
    match violations.next().filter(|_| is_validated) {
        Some(violation) => Err(format!("{}: {}", violation.path, violation.summary)),
        None => Ok(config),
    }
}

/// Returns the objects of a valid configuration.
///
/// # Errors
///
/// The error of an apply about the content of Secrets, before it writes anything.
pub fn bodies(config: &FeatureStore, namespace: &str) -> Result<Bodies, String> {
    let defaults = Defaults {
        namespace: Some(namespace.to_owned()),
        ..Defaults::default()
    };
    let store = Store::new(config, &defaults);
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
                    let body = to_apply_body(&key, &manifest).into_owned();
                    (key, body)
                });
                return Ok(bodies.collect());
            }
            Err(errors) => message = errors.iter().map(|it| format!("{it}; ")).collect(),
        }
    }
    Err(message)
}
