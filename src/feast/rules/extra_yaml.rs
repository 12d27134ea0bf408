//! Settings of `feature_store.yaml` without an attribute (`extra_yaml`).

mod reserved;

use serde_json::Value as Json;

use super::Violation;
use super::accessors::{REMOTE, block, local, offline, online, registry};
use crate::feast::config::FeatureStore;
use crate::feast::feature_store_yaml::{
    has_environment_reference, is_environment_reference, value,
};
use crate::feast::names::FeastService;
use crate::schema::Path;
use reserved::{BOTH, BY_PROVIDER, CLIENTS, DATABASES, FILES, Reserved, SERVERS};

/// Sections that are mappings. Feast has other top-level settings, too.
const SECTIONS: [&str; 11] = [
    "auth",
    "batch_engine",
    "data_quality_monitoring",
    "embedding_model",
    "feature_server",
    "materialization",
    "mlflow",
    "offline_store",
    "online_store",
    "openlineage",
    "registry",
];

/// Parts of the names of settings that hold secrets, and ends of names that do not.
const SECRET_PARTS: [&str; 11] = [
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "access_key",
    "private_key",
    "credential",
    "pwd",
    "accountkey",
];
const PUBLIC_ENDS: [&str; 7] = ["_env_var", "_file", "_id", "_name", "_path", "_ttl", "_url"];

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let mut violations = Vec::new();
    if let Some(text) = &store.extra_yaml {
        let path = Path::of("extra_yaml");
        violations.extend(document(&path, text, |section, name| {
            servers(store, section, name)
        }));
    }
    let client = store.client.as_ref();
    if let Some(text) = client.and_then(|client| client.extra_yaml.as_deref()) {
        let path = Path::of("client.extra_yaml");
        violations.extend(document(&path, text, |section, name| {
            let tables = [BOTH, CLIENTS];
            Some((find(&tables, section, name)?, Vec::new()))
        }));
    }
    violations
}

/// Returns the attribute of a setting of the servers, and the absent attributes that decide that it counts.
fn servers(store: &FeatureStore, section: &str, name: &str) -> Option<(&'static str, Vec<Path>)> {
    if let Some(attribute) = attribute(section, name) {
        return Some((attribute, Vec::new()));
    }
    if section == "batch_engine" && store.batch_engine.is_some() {
        return Some(("batch_engine.config_map_ref", Vec::new()));
    }
    if registry(store).is_some_and(|it| it.remote.is_some()) && section == "registry" {
        return (name == "path").then(|| (REMOTE, Vec::new()));
    }
    let registry = local(store).and_then(|it| it.persistence.as_ref());
    let online = online(store).and_then(|it| it.persistence.as_ref());
    let offline = offline(store).and_then(|it| it.persistence.as_ref());
    let in_file = [
        (
            FeastService::Registry,
            registry.is_none_or(|it| it.store.is_none()),
        ),
        (
            FeastService::Online,
            online.is_none_or(|it| it.store.is_none()),
        ),
        (
            FeastService::Offline,
            offline.is_none_or(|it| it.store.is_none()),
        ),
    ];
    let tables = FILES.into_iter().zip(DATABASES);
    (in_file.into_iter().zip(tables)).find_map(|((service, in_file), (files, databases))| {
        let table = if in_file { files } else { databases };
        let attribute = find(&[table], section, name)?;
        let store = block(service).attribute("persistence.store");
        Some((attribute, vec![store, Path::of(REMOTE)]))
    })
}

/// Returns the attribute of a setting that servers always have; empty if the provider sets it.
pub(super) fn attribute(section: &str, name: &str) -> Option<&'static str> {
    find(&[BOTH, SERVERS], section, name)
}

fn find(tables: &[&[Reserved]], section: &str, name: &str) -> Option<&'static str> {
    let mut reserved = tables.iter().copied().flatten();
    reserved.find_map(|(its_section, its_name, attribute)| {
        let matches = match its_name.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == *its_name,
        };
        (section == *its_section && matches).then_some(*attribute)
    })
}

fn document(
    path: &Path,
    text: &str,
    reserved: impl Fn(&str, &str) -> Option<(&'static str, Vec<Path>)>,
) -> Vec<Violation> {
    let settings = match value(text) {
        Ok(Json::Object(settings)) => settings,
        Ok(_) => {
            return vec![Violation::at(
                path.clone(),
                "The settings are not a mapping",
                "Set a mapping of sections of `feature_store.yaml` and their settings, such as \
                 `yamlencode({ registry = { sqlalchemy_config_kwargs = { pool_size = 10 } } })`.",
            )];
        }
        Err(_) => {
            return vec![Violation::at(
                path.clone(),
                "The settings are not valid YAML",
                "Use `yamlencode` or `jsonencode` of Terraform, which write valid YAML.",
            )];
        }
    };
    let mut violations = Vec::new();
    let mut reject = |section: &str, name: &str| {
        let Some((attribute, mut reads)) = reserved(section, name) else {
            return;
        };
        let setting = if section.is_empty() {
            name.to_owned()
        } else {
            format!("{section}.{name}")
        };
        reads.push(path.clone());
        violations.push(if attribute == BY_PROVIDER {
            Violation::new(
                path.clone(),
                reads,
                format!("{setting:?} is set by this provider"),
                "Remove it.",
            )
        } else {
            Violation::new(
                path.clone(),
                reads,
                format!("{setting:?} has its own attribute"),
                format!("Remove it, and set `{attribute}` instead."),
            )
        });
    };
    let mut scalars = Vec::new();
    for (section, settings) in &settings {
        match settings {
            Json::Object(settings) if SECTIONS.contains(&section.as_str()) => {
                settings.keys().for_each(|name| reject(section, name));
            }
            _ if SECTIONS.contains(&section.as_str()) => scalars.push(section),
            _ => reject("", section),
        }
    }
    violations.extend(scalars.into_iter().map(|section| {
        Violation::at(
            path.clone(),
            format!("The section {section:?} is not a mapping"),
            "Set a mapping of the settings of the section.",
        )
    }));
    for (section, settings) in &settings {
        secrets(path, section, section, settings, &mut violations);
    }
    violations
}

/// Reports settings whose values are in the plan, the state and the manifests, and should not be. `key` is the name of
/// the setting at `place`; the elements of a list have that of the list.
fn secrets(path: &Path, place: &str, key: &str, value: &Json, found: &mut Vec<Violation>) {
    match value {
        Json::Object(settings) => {
            for (key, value) in settings {
                secrets(path, &format!("{place}.{key}"), key, value, found);
            }
        }
        Json::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                secrets(path, &format!("{place}[{index}]"), key, element, found);
            }
        }
        Json::String(text) if is_secret(key, text) => found.push(Violation::at(
            path.clone(),
            format!("{place:?} can be a secret"),
            "Its value would be in the Terraform state and in plans. Put it into the Secret of the store, or set \
             `${NAME}` for an environment variable of the servers that has it (`env` with `value_from`).",
        )),
        _ => {}
    }
}

/// Returns whether a text is a URL or a connection string with a password that is not an environment variable.
fn holds_credentials(text: &str) -> bool {
    let is_plain = |secret: &str| !secret.is_empty() && !has_environment_reference(secret);
    let url = text.split_once("://").and_then(|(scheme, rest)| {
        let (user, _) = rest.split('/').next()?.rsplit_once('@')?;
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        let is_http = scheme.ends_with("http") || scheme.ends_with("https");
        // A token can be the user name.
        Some(if is_http && password.is_empty() {
            name
        } else {
            password
        })
    });
    let pairs = text.split([',', ';', '&', '?', ' ']);
    url.is_some_and(is_plain)
        || (pairs.filter_map(|pair| pair.split_once('=')))
            .any(|(key, value)| names_secret(key) && is_plain(value))
}

/// Returns whether a setting of this name holds a secret.
fn names_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    SECRET_PARTS.iter().any(|part| key.contains(part))
        && !PUBLIC_ENDS.iter().any(|end| key.ends_with(end))
}

fn is_secret(key: &str, text: &str) -> bool {
    let is_plain = !text.is_empty() && !is_environment_reference(text);
    (names_secret(key) && is_plain) || holds_credentials(text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::rejects_store;

    fn check(more: Json, expected: &[(&str, &str)]) {
        let mut store = json!({"name": "demo", "feastProject": "p"});
        if let (Json::Object(store), Json::Object(more)) = (&mut store, more) {
            store.extend(more);
        }
        rejects_store("extra-yaml", store, expected);
    }

    fn servers(settings: &Json) -> Json {
        json!({"extraYaml": settings.to_string()})
    }

    fn rejected(settings: &Json, summary: &str) {
        check(servers(settings), &[("extra_yaml", summary)]);
    }

    #[test]
    fn accepts_settings_without_an_attribute() {
        check(
            servers(&json!({
                "flags": null,
                "registry": {"sqlalchemy_config_kwargs": {"pool_size": 10}},
                "online_store": {"key_ttl_seconds": 60, "password": "${PASSWORD}"},
                "offline_store": {"token_env_var": "TOKEN", "blob_export_location": "s3://b/p"},
                "materialization": {"pull_latest_features": true},
                "batch_engine": {"type": "local"},
            })),
            &[],
        );
        check(
            json!({"client": {"extraYaml": "registry: {cache_ttl_seconds: 5}"}}),
            &[],
        );
    }

    #[test]
    fn rejects_settings_with_an_attribute() {
        for (setting, section, name) in [
            ("registry.mcp", "registry", "mcp"),
            (
                "feature_server.mcp_enabled",
                "feature_server",
                "mcp_enabled",
            ),
            ("openlineage.api_key", "openlineage", "api_key"),
        ] {
            rejected(
                &json!({section: {name: true}}),
                &format!("{setting:?} has its own attribute"),
            );
        }
        rejected(
            &json!({"project": "p"}),
            "\"project\" has its own attribute",
        );
        rejected(
            &json!({"provider": "aws"}),
            "\"provider\" is set by this provider",
        );
        check(
            json!({"client": {"extraYaml": "online_store: {path: 'http://x'}"}}),
            &[(
                "client.extra_yaml",
                "\"online_store.path\" is set by this provider",
            )],
        );
        let mut engine = servers(&json!({"batch_engine": {"type": "local"}}));
        engine["batchEngine"] = json!({"configMapRef": {"name": "engine"}});
        check(
            engine,
            &[("extra_yaml", "\"batch_engine.type\" has its own attribute")],
        );
    }

    #[test]
    fn parameters_of_a_database_have_no_attribute() {
        let settings =
            json!({"registry": {"cache_mode": "thread"}, "online_store": {"similarity": "l2"}});
        let database = |kind: &str| json!({"persistence": {"store": {"type": kind, "secretRef": {"name": "s"}}}});
        check(
            servers(&settings),
            &[
                (
                    "extra_yaml",
                    "\"online_store.similarity\" has its own attribute",
                ),
                (
                    "extra_yaml",
                    "\"registry.cache_mode\" has its own attribute",
                ),
            ],
        );
        let in_databases = |settings: &Json| {
            let mut store = servers(settings);
            store["services"] =
                json!({"onlineStore": database("milvus"), "registry": {"local": database("sql")}});
            store
        };
        check(in_databases(&settings), &[]);
        // The apply checks in the Secret whether the store is a file.
        check(
            in_databases(
                &json!({"registry": {"path": "sqlite:///r.db"}, "online_store": {"path": "m.db", "uri": "m.db"}}),
            ),
            &[
                ("extra_yaml", "\"online_store.path\" has its own attribute"),
                ("extra_yaml", "\"online_store.uri\" has its own attribute"),
                ("extra_yaml", "\"registry.path\" has its own attribute"),
            ],
        );
    }

    #[test]
    fn rejects_secrets() {
        for (settings, place) in [
            (
                json!({"online_store": {"password": "hunter2"}}),
                "online_store.password",
            ),
            (
                json!({"a": {"b": {"aws_secret_access_key": "x"}}}),
                "a.b.aws_secret_access_key",
            ),
            (
                json!({"offline_store": {"url": "trino://me:hunter2@host/db"}}),
                "offline_store.url",
            ),
            (
                json!({"offline_store": {"url": "https://hunter2@host/db"}}),
                "offline_store.url",
            ),
            (
                json!({"online_store": {"connection_string": "redis:6379,password=hunter2,ssl=true"}}),
                "online_store.connection_string",
            ),
            (
                json!({"offline_store": {"dsn": "host=db password=hunter2"}}),
                "offline_store.dsn",
            ),
            (
                json!({"offline_store": {"hosts": [{"port": 1}, {"password": "hunter2"}]}}),
                "offline_store.hosts[1].password",
            ),
            (
                json!({"offline_store": {"access_tokens": ["hunter2"]}}),
                "offline_store.access_tokens[0]",
            ),
        ] {
            rejected(&settings, &format!("{place:?} can be a secret"));
        }
        check(
            servers(
                &json!({"offline_store": {"url": "trino://me:${PASSWORD}@host/db", "token_env_var": "T"},
                    "online_store": {"connection_string": "redis:6379,password=${PASSWORD},ssl=true"}}),
            ),
            &[],
        );
    }

    #[test]
    fn rejects_other_texts() {
        let text = |text: &str| json!({"extraYaml": text});
        check(
            text("a: [1"),
            &[("extra_yaml", "The settings are not valid YAML")],
        );
        check(
            text("- a"),
            &[("extra_yaml", "The settings are not a mapping")],
        );
        rejected(
            &json!({"registry": "data/registry.db"}),
            "The section \"registry\" is not a mapping",
        );
    }
}
