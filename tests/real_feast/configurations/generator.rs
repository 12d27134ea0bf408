//! Random configurations, most of which are valid. Stores whose packages are not installed here are left out.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::random::Random;
use crate::support::feast::Secrets;

/// Texts that YAML must quote, and plain ones.
const TEXTS: [&str; 14] = [
    "plain",
    "it's",
    "a: b",
    "yes",
    "012",
    "#x",
    "ünï",
    "two\nlines",
    "{a}",
    "1e3",
    "null",
    " lead",
    "\"q\"",
    "- a",
];

/// Returns the Secrets and ConfigMaps to which the configurations refer.
pub fn secrets() -> Secrets {
    let secret = |entries: &[(&str, &str)]| -> BTreeMap<String, String> {
        let entries = entries.iter();
        entries
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    };
    Secrets::from([
        (
            "stores".to_owned(),
            secret(&[
                ("redis", "connection_string: 127.0.0.1:6379,password=p"),
                (
                    "postgres",
                    "host: h\nport: 5432\ndatabase: d\nuser: u\npassword: 'p: #w'\n",
                ),
                (
                    "json",
                    r#"{"host": "h", "database": "d", "user": "u", "password": "p"}"#,
                ),
                (
                    "sql",
                    "path: postgresql+psycopg://u:p@h/d\nsqlalchemy_config_kwargs:\n  pool_pre_ping: true\n",
                ),
            ]),
        ),
        (
            "idp".to_owned(),
            secret(&[
                (
                    "auth_discovery_url",
                    "https://idp/.well-known/openid-configuration",
                ),
                ("client_id", "feast"),
                ("client_secret", "s"),
            ]),
        ),
        (
            "keys".to_owned(),
            secret(&[
                ("api_key", "k"),
                ("connection_string", "postgresql+psycopg://u:p@h/lineage"),
            ]),
        ),
        ("engine".to_owned(), secret(&[("config", "type: local\n")])),
        ("ca".to_owned(), secret(&[("ca.crt", "certificate")])),
        (
            "tls".to_owned(),
            secret(&[("tls.crt", "certificate"), ("tls.key", "key")]),
        ),
    ])
}

/// An object whose members are added by chance.
struct Object<'a> {
    members: Map<String, Json>,
    random: &'a mut Random,
}

impl<'a> Object<'a> {
    fn new(random: &'a mut Random) -> Self {
        Self {
            members: Map::new(),
            random,
        }
    }

    fn always(mut self, key: &str, value: impl FnOnce(&mut Random) -> Json) -> Self {
        self.members.insert(key.to_owned(), value(self.random));
        self
    }

    fn maybe(self, key: &str, value: impl FnOnce(&mut Random) -> Json) -> Self {
        if self.random.coin() {
            self.always(key, value)
        } else {
            self
        }
    }

    fn json(self) -> Json {
        Json::Object(self.members)
    }
}

fn boolean(random: &mut Random) -> Json {
    json!(random.coin())
}

fn text(random: &mut Random) -> Json {
    json!(random.pick(&TEXTS))
}

fn number(random: &mut Random) -> Json {
    json!(random.number(1, 5000))
}

fn one_of<'a>(words: &'a [&'a str]) -> impl Fn(&mut Random) -> Json + 'a {
    move |random| json!(random.pick(words))
}

pub fn feature_store(random: &mut Random) -> Json {
    Object::new(random)
        .always("name", |_| json!("demo"))
        .always("feastProject", one_of(&["demo", "my_project", "9lives"]))
        .maybe("projectDescription", text)
        .maybe("coerceTzAware", boolean)
        .maybe("embeddingModel", embedding_model)
        .maybe("materialization", |random| {
            Object::new(random)
                .maybe("onlineWriteBatchSize", number)
                .maybe(
                    "extraConfig",
                    |random| json!({"pull_latest_features": random.pick(&["true", "false"])}),
                )
                .json()
        })
        .maybe("dataQualityMonitoring", |random| {
            Object::new(random).maybe("autoBaseline", boolean).json()
        })
        .maybe("mlflow", mlflow)
        .maybe("openlineage", openlineage)
        .maybe("authz", authz)
        .maybe(
            "batchEngine",
            |_| json!({"configMapRef": {"name": "engine"}}),
        )
        .maybe("extraYaml", extra_yaml)
        .maybe("client", client)
        .always("services", services)
        .json()
}

fn embedding_model(random: &mut Random) -> Json {
    Object::new(random)
        .always("model", text)
        .maybe("provider", |_| json!("sentence_transformers"))
        .json()
}

/// Settings that these sections always accept.
fn extra_yaml(random: &mut Random) -> Json {
    json!(random.pick(&[
        "flags: {alpha: true}",
        "{}",
        "{\"flags\": null}",
        "mlflow: {ca_bundle: '/etc/ca.pem', retry_backoff_factor: 0.5}",
        "materialization: {pull_latest_features: true}",
    ]))
}

fn client(random: &mut Random) -> Json {
    Object::new(random)
        .maybe("onlineStore", |random| {
            Object::new(random)
                .maybe("connectionPoolSize", number)
                .maybe("connectionIdleTimeout", number)
                .maybe("connectionRetries", number)
                .json()
        })
        .maybe("offlineStore", |random| {
            Object::new(random)
                .maybe("connectionRetries", number)
                .json()
        })
        .maybe("extraYaml", |_| json!("flags: {beta: true}"))
        .json()
}

fn mlflow(random: &mut Random) -> Json {
    Object::new(random)
        .always("enabled", boolean)
        .maybe("trackingUri", |_| json!("http://mlflow:5000"))
        .maybe("uiUrl", |_| json!("https://mlflow.example.com"))
        .maybe("autoLog", boolean)
        .maybe("autoLogEntityDf", boolean)
        .maybe("entityDfMaxRows", number)
        .maybe("logOperations", boolean)
        .maybe("opsExperimentSuffix", text)
        .maybe("supportedArtifactFormats", |_| json!(["parquet", "csv"]))
        .maybe("datasetSync", |random| {
            Object::new(random)
                .maybe(
                    "defaultFieldMapping",
                    |random| json!({"inputs.q": text(random)}),
                )
                .maybe("watermarkKey", text)
                .maybe("defaultBatchSize", number)
                .json()
        })
        .maybe(
            "extraConfig",
            |_| json!({"max_retries": "2", "request_timeout": "9", "ca_bundle": "/c"}),
        )
        .json()
}

fn openlineage(random: &mut Random) -> Json {
    Object::new(random)
        .always("enabled", boolean)
        .maybe("transportType", one_of(&["http", "console", "file"]))
        .maybe("transportUrl", |_| json!("http://marquez:5000"))
        .maybe("transportEndpoint", |_| json!("events/here"))
        .maybe("apiKeySecretRef", |_| json!({"name": "keys"}))
        .maybe(
            "extraConfig",
            |random| json!({"namespace": text(random), "emit_on_apply": "false"}),
        )
        .maybe("consumer", |random| {
            Object::new(random)
                .always("enabled", boolean)
                .maybe("connectionStringSecretRef", |_| json!({"name": "keys"}))
                .maybe("apiKeySecretRef", |_| json!({"name": "keys"}))
                .maybe(
                    "namespaceMapping",
                    |random| json!({"spark://a": text(random)}),
                )
                .maybe("retentionDays", number)
                .maybe("retentionCheckIntervalHours", number)
                .maybe("lineageServer", |_| json!({}))
                .json()
        })
        .json()
}

fn authz(random: &mut Random) -> Json {
    match random.number(0, 3) {
        0 => json!({"noAuth": true}),
        1 => json!({"kubernetes": {"roles": ["feast-reader"]}}),
        2 => json!({"oidc": {"secretRef": {"name": "idp"}}}),
        _ => {
            let oidc = Object::new(random)
                .always("issuerUrl", |_| json!("https://idp.example.com"))
                .maybe("secretRef", |_| json!({"name": "idp"}))
                .maybe("tokenEnvVar", |_| json!("TOKEN"))
                .maybe("verifySSL", boolean)
                .maybe(
                    "caCertConfigMap",
                    |_| json!({"name": "ca", "key": "ca.crt"}),
                )
                .maybe("jwksCacheLifespanSeconds", number)
                .maybe("jwksRequestTimeoutSeconds", number)
                .json();
            json!({"oidc": oidc})
        }
    }
}

fn services(random: &mut Random) -> Json {
    Object::new(random)
        .maybe("onlineStore", online_store)
        .maybe("offlineStore", offline_store)
        .maybe("registry", registry)
        .maybe("ui", |_| json!({}))
        .maybe("ipv6", boolean)
        .json()
}

fn database(random: &mut Random, types: &[&str]) -> Json {
    let kind = *random.pick(&types.iter().collect::<Vec<_>>());
    let mut store = json!({"type": kind, "secretRef": {"name": "stores"}});
    if kind == "postgres" && random.coin() {
        store["secretKeyName"] = json!("json");
    }
    json!({"store": store})
}

fn server(random: &mut Random) -> Json {
    Object::new(random)
        .maybe("tls", |_| json!({"secretRef": {"name": "tls"}}))
        .maybe("logLevel", one_of(&["debug", "info"]))
        .json()
}

fn online_store(random: &mut Random) -> Json {
    Object::new(random)
        .maybe("persistence", |random| match random.coin() {
            true => database(random, &["redis", "postgres"]),
            false => json!({"file": Object::new(random)
                .maybe("path", |_| json!("/feast-data/o.db"))
                .maybe("vectorEnabled", boolean)
                .maybe("similarity", |_| json!("l2"))
                .maybe("textSearchEnabled", boolean)
                .maybe("enableOpenaiCompatibleStore", boolean)
                .json()}),
        })
        .maybe("server", server)
        .maybe("serving", serving)
        .json()
}

fn serving(random: &mut Random) -> Json {
    Object::new(random)
        .maybe("metrics", |random| {
            Object::new(random)
                .always("enabled", boolean)
                .maybe(
                    "categories",
                    |random| json!({"push": random.coin(), "audit_logging": random.coin()}),
                )
                .maybe("featureCountBins", |_| json!([5, 10, 100]))
                .json()
        })
        .maybe("offlinePushBatching", |random| {
            Object::new(random)
                .always("enabled", boolean)
                .maybe("batchSize", number)
                .maybe("batchIntervalSeconds", number)
                .json()
        })
        .maybe("mcp", |random| {
            Object::new(random)
                .always("enabled", boolean)
                .maybe("serverName", text)
                .maybe("serverVersion", text)
                .maybe("transport", one_of(&["sse", "http"]))
                .json()
        })
        .maybe("auditLogging", |random| {
            Object::new(random)
                .always("enabled", boolean)
                .maybe("sink", one_of(&["stdout", "file", "logger"]))
                .maybe("filePath", text)
                .maybe("logSuccessfulReads", boolean)
                .json()
        })
        .maybe("featureLogging", |random| {
            Object::new(random)
                .always("enabled", boolean)
                .maybe("flushIntervalSecs", number)
                .maybe("writeToDiskIntervalSecs", number)
                .maybe("queueCapacity", number)
                .maybe("emitTimeoutMicroSecs", number)
                .json()
        })
        .json()
}

fn offline_store(random: &mut Random) -> Json {
    Object::new(random)
        .maybe("persistence", |random| match random.number(0, 2) {
            0 => database(random, &["postgres"]),
            1 => json!({"file": {"type": random.pick(&["file", "dask"])}}),
            _ => json!({"file": Object::new(random)
                .always("type", |_| json!("duckdb"))
                .maybe("stagingLocation", |_| json!("s3://bucket/staging"))
                .maybe("stagingLocationEndpointOverride", |_| json!("https://s3.example.com"))
                .json()}),
        })
        .maybe("server", server)
        .json()
}

fn registry(random: &mut Random) -> Json {
    let registry = Object::new(random)
        .maybe("serveFeaturesWhileMaterializing", boolean)
        .maybe("enableOnlineFeatureViewVersioning", boolean);
    if registry.random.coin() {
        registry.always("local", local_registry).json()
    } else {
        registry.always("remote", remote_registry).json()
    }
}

fn local_registry(random: &mut Random) -> Json {
    Object::new(random)
        .maybe("persistence", |random| match random.number(0, 2) {
            0 => database(random, &["sql"]),
            1 => json!({"file": {
                "path": "s3://bucket/r.db", "s3_additional_kwargs": {"ServerSideEncryption": "AES256"},
            }}),
            _ => json!({"file": Object::new(random)
                .maybe("cache_ttl_seconds", number)
                .maybe("cache_mode", one_of(&["none", "sync", "thread"]))
                .json()}),
        })
        .maybe("purgeFeastMetadata", boolean)
        .maybe("server", |random| {
            Object::new(random)
                .maybe("restAPI", |_| json!(true))
                .maybe("mcp", |random| json!({"enabled": random.coin()}))
                .maybe("tls", |_| json!({"secretRef": {"name": "tls"}}))
                .json()
        })
        .json()
}

fn remote_registry(random: &mut Random) -> Json {
    let mut remote = match random.coin() {
        true => json!({"hostname": "registry.example.com:443"}),
        false => json!({"feastRef": {"name": "other"}}),
    };
    if random.coin() {
        remote["tls"] = json!({"configMapRef": {"name": "ca"}, "certName": "ca.crt"});
        if random.coin() {
            remote["clientCert"] = json!("/c/tls.crt");
            remote["clientKey"] = json!("/c/tls.key");
            remote["authority"] = json!("registry");
        }
    } else if random.coin() {
        remote["isTls"] = json!(true);
    }
    remote
}
