//! The objects that this provider creates for a custom resource.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value as Json;
use terraform_provider_feast::cluster::apply::to_apply_body;
use terraform_provider_feast::feast::config::FeatureStore;
use terraform_provider_feast::feast::render::render;
use terraform_provider_feast::feast::rules;
use terraform_provider_feast::feast::secrets::resolve::Secrets;
use terraform_provider_feast::feast::secrets::source::{Contents, Source};
use terraform_provider_feast::feast::spec::{
    Defaults, Registry, RemoteRegistry, RemoteStore, Store,
};
use terraform_provider_feast::provider::Feast;
use terraform_provider_feast::schema::{Block, Path, Provider, Value, coerce, decode};

use super::differences::Objects;

/// The phase that rejected a custom resource, with its messages: one line for each, starting with the attribute.
#[derive(Debug)]
pub enum Rejection {
    /// `from_manifest` cannot read the custom resource.
    Reading(String),
    /// Validate and plan reject attributes, each with its messages.
    Plan(Vec<(Path, String)>),
    /// The apply rejects attributes before it writes anything.
    Apply(Vec<(Path, String)>),
}

impl Rejection {
    pub fn text(&self) -> String {
        match self {
            Self::Reading(text) => text.clone(),
            Self::Plan(found) | Self::Apply(found) => {
                let lines: Vec<String> = (found.iter())
                    .map(|(path, text)| format!("{path}: {text}"))
                    .collect();
                lines.join("\n")
            }
        }
    }

    /// Returns whether every message has an attribute.
    pub fn has_attribute(&self) -> bool {
        match self {
            Self::Reading(text) => text.contains('`'),
            Self::Plan(found) | Self::Apply(found) => {
                found.iter().all(|(path, _)| !path.steps().is_empty())
            }
        }
    }
}

fn feast() -> &'static Feast {
    static FEAST: OnceLock<Feast> = OnceLock::new();
    FEAST.get_or_init(Feast::new)
}

fn block() -> &'static Block {
    &feast().registry().resources["feast_feature_store"]
        .schema()
        .block
}

/// Calls a function of the provider.
pub fn call(name: &str, argument: Value) -> Result<Value, String> {
    feast().registry().functions[name]
        .call(&[argument])
        .map_err(|error| error.text)
}

/// Returns the objects of the FeatureStore in `manifest`. `others` has the Secrets that it uses.
pub fn objects(manifest: &str, others: &[Json]) -> Result<Objects, Rejection> {
    let object = call("from_manifest", Value::string(manifest)).map_err(Rejection::Reading)?;
    let value = coerce(&block().attributes, &object).map_err(|diagnostics| {
        Rejection::Reading(diagnostics.into_iter().map(|it| it.detail).collect())
    })?;
    let decoded = decode(block(), &value);
    if !decoded.diagnostics.is_empty() {
        let found = decoded.diagnostics.into_iter();
        return Err(Rejection::Plan(
            found
                .map(|it| (it.path.unwrap_or_default(), it.detail))
                .collect(),
        ));
    }
    let config: FeatureStore = serde_json::from_value(decoded.json.clone())
        .map_err(|error| Rejection::Reading(format!("the schema and the types differ: {error}")))?;
    let violations = rules::check(&config);
    if !violations.is_empty() {
        let found = violations.into_iter();
        return Err(Rejection::Plan(
            found
                .map(|it| (it.path, format!("{}. {}", it.summary, it.detail)))
                .collect(),
        ));
    }
    // The function `render` must accept every configuration that can be rendered.
    call("render", object).unwrap();
    let store = Store::new(&config, &Defaults::default());
    if let Registry::Remote(RemoteRegistry {
        store: Some(remote),
        ..
    }) = &store.registry
    {
        let result = remote.check_service(service(remote, others).as_ref());
        result.map_err(|error| Rejection::Apply(vec![(RemoteStore::path(), error.to_string())]))?;
    }
    let rendered = render(&store);
    let contents: Contents = (rendered.sources().into_iter())
        .filter_map(|source| Some((source.clone(), content(&source, others)?)))
        .collect();
    let resolved = rendered.resolve_secrets(&Secrets {
        contents: &contents,
        hash_key: b"key",
        configuration: "{}",
    });
    match resolved {
        Ok(resolved) => Ok(resolved
            .manifests
            .into_iter()
            .map(|(key, manifest)| (key.to_string(), to_apply_body(&key, &manifest).into_owned()))
            .collect()),
        Err(errors) => Err(Rejection::Apply(
            errors
                .iter()
                .map(|error| (error.path.clone(), error.to_string()))
                .collect(),
        )),
    }
}

/// Returns the Service of another feature store's registry, either from `others` or rendered from its custom resource.
fn service(remote: &RemoteStore, others: &[Json]) -> Option<Json> {
    let find = |kind: &str, name: &str| {
        let found = others
            .iter()
            .find(|it| it["kind"] == kind && it["metadata"]["name"] == name);
        found.cloned()
    };
    let from_custom_resource = || {
        let store = find("FeatureStore", &remote.name)?;
        let manifest = serde_saphyr::to_string(&store).unwrap();
        let mut objects = objects(&manifest, others).unwrap();
        objects.remove(&format!("Service/{}", remote.service()))
    };
    find("Service", &remote.service()).or_else(from_custom_resource)
}

/// Returns the documents of a YAML text.
pub fn documents(text: &str) -> Vec<Json> {
    serde_saphyr::from_multiple(text).unwrap()
}

/// Returns the content of `source` in the other documents, or `None` if it does not exist.
fn content(source: &Source, others: &[Json]) -> Option<BTreeMap<String, String>> {
    let object = others.iter().find(|it| {
        it["kind"] == source.kind.as_str() && it["metadata"]["name"] == source.name.as_str()
    })?;
    let entries = |field: &str| object[field].as_object().into_iter().flatten();
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let plain = entries("stringData").map(|(key, value)| (key.clone(), text(value)));
    let data = entries("data").map(|(key, value)| {
        let value = text(value);
        let decoded = match object["kind"].as_str() {
            Some("Secret") => String::from_utf8(BASE64.decode(value).unwrap()).unwrap(),
            _ => value,
        };
        (key.clone(), decoded)
    });
    let mut all: BTreeMap<String, String> = plain.chain(data).collect();
    if let Some(key) = source.key() {
        all.retain(|name, _| name == key);
        if all.is_empty() {
            return None;
        }
    }
    Some(all)
}
