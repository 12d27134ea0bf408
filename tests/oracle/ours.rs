//! What this provider makes of a custom resource, and sends to the API server.

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

/// When something was refused, and what was said: one line each, beginning with the place.
#[derive(Debug)]
pub enum Refused {
    /// By `from_manifest`: the custom resource itself cannot be read.
    Reading(String),
    /// By validate and plan: each attribute, and what is wrong with it.
    Plan(Vec<(Path, String)>),
    /// At apply, before anything is written.
    Filling(Vec<(Path, String)>),
}

impl Refused {
    pub fn text(&self) -> String {
        match self {
            Self::Reading(text) => text.clone(),
            Self::Plan(found) | Self::Filling(found) => {
                let lines: Vec<String> = (found.iter())
                    .map(|(path, text)| format!("{path}: {text}"))
                    .collect();
                lines.join("\n")
            }
        }
    }

    /// Whether all that is said is said of an attribute.
    pub fn is_placed(&self) -> bool {
        match self {
            Self::Reading(text) => text.contains('`'),
            Self::Plan(found) | Self::Filling(found) => {
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

/// The objects of the one FeatureStore in `manifest`; `others` has the Secrets that it uses.
pub fn objects(manifest: &str, others: &[Json]) -> Result<Objects, Refused> {
    let object = call("from_manifest", Value::string(manifest)).map_err(Refused::Reading)?;
    let value = coerce(&block().attributes, &object).map_err(|diagnostics| {
        Refused::Reading(diagnostics.into_iter().map(|it| it.detail).collect())
    })?;
    let decoded = decode(block(), &value);
    if !decoded.diagnostics.is_empty() {
        let found = decoded.diagnostics.into_iter();
        return Err(Refused::Plan(
            found
                .map(|it| (it.path.unwrap_or_default(), it.detail))
                .collect(),
        ));
    }
    let config: FeatureStore = serde_json::from_value(decoded.json.clone())
        .map_err(|error| Refused::Reading(format!("the schema and the types differ: {error}")))?;
    let violations = rules::check(&config);
    if !violations.is_empty() {
        let found = violations.into_iter();
        return Err(Refused::Plan(
            found
                .map(|it| (it.path, format!("{}. {}", it.summary, it.detail)))
                .collect(),
        ));
    }
    // What can be rendered can be shown.
    call("render", object).unwrap();
    let store = Store::new(&config, &Defaults::default());
    if let Registry::Remote(RemoteRegistry {
        peer: Some(peer), ..
    }) = &store.registry
    {
        let judged = peer.check_service(service(peer, others).as_ref());
        judged.map_err(|error| Refused::Filling(vec![(RemoteStore::path(), error.to_string())]))?;
    }
    let prepared = render(&store);
    let contents: Contents = (prepared.sources().into_iter())
        .filter_map(|source| Some((source.clone(), content(&source, others)?)))
        .collect();
    let filled = prepared.resolve_secrets(&Secrets {
        contents: &contents,
        hash_key: b"key",
        configuration: "{}",
    });
    match filled {
        Ok(filled) => Ok(filled
            .manifests
            .into_iter()
            .map(|(key, manifest)| (key.to_string(), to_apply_body(&key, &manifest)))
            .collect()),
        Err(errors) => Err(Refused::Filling(
            errors
                .iter()
                .map(|error| (error.path.clone(), error.to_string()))
                .collect(),
        )),
    }
}

/// The Service of another feature store's registry: written out, or what is made of its custom resource.
fn service(peer: &RemoteStore, others: &[Json]) -> Option<Json> {
    let named = |kind: &str, name: &str| {
        let found = others
            .iter()
            .find(|it| it["kind"] == kind && it["metadata"]["name"] == name);
        found.cloned()
    };
    let made = || {
        let store = named("FeatureStore", &peer.name)?;
        let manifest = serde_saphyr::to_string(&store).unwrap();
        let mut made = objects(&manifest, others).unwrap();
        made.remove(&format!("Service/{}", peer.service()))
    };
    named("Service", &peer.service()).or_else(made)
}

/// The documents of a YAML text.
pub fn documents(text: &str) -> Vec<Json> {
    serde_saphyr::from_multiple(text).unwrap()
}

/// What of the other documents stands at `source`; nothing when it is not there.
fn content(source: &Source, others: &[Json]) -> Option<BTreeMap<String, String>> {
    let object = others.iter().find(|it| {
        it["kind"] == source.kind.as_str() && it["metadata"]["name"] == source.name.as_str()
    })?;
    let of = |field: &str| object[field].as_object().into_iter().flatten();
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let plain = of("stringData").map(|(key, value)| (key.clone(), text(value)));
    let data = of("data").map(|(key, value)| {
        let value = text(value);
        let decoded = match object["kind"].as_str() {
            Some("Secret") => String::from_utf8(BASE64.decode(value).unwrap()).unwrap(),
            _ => value,
        };
        (key.clone(), decoded)
    });
    let mut all: BTreeMap<String, String> = plain.chain(data).collect();
    if let Some(key) = source.key() {
        all.retain(|it, _| it == key);
        if all.is_empty() {
            return None;
        }
    }
    Some(all)
}
