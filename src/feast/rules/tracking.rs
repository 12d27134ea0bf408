//! OpenLineage, MLflow, and settings that are copied to `feature_store.yaml`.

use std::collections::BTreeMap;

use super::accessors::lineage;
use super::{Violation, extra_yaml};
use crate::feast::config::{FeatureStore, Transport};
use crate::feast::names;
use crate::schema::Path;

/// Rejects settings of `extra_config` that have an attribute.
pub(super) fn extra_config(store: &FeatureStore) -> Vec<Violation> {
    let materialization = store.materialization.as_ref();
    let openlineage = store.openlineage.as_ref();
    let mlflow = store.mlflow.as_ref();
    [
        (
            "materialization",
            materialization.and_then(|it| it.extra_config.as_ref()),
        ),
        (
            "openlineage",
            openlineage.and_then(|it| it.extra_config.as_ref()),
        ),
        ("mlflow", mlflow.and_then(|it| it.extra_config.as_ref())),
    ]
    .into_iter()
    .flat_map(|(block, settings)| duplicates(block, settings))
    .collect()
}

fn duplicates(block: &str, settings: Option<&BTreeMap<String, String>>) -> Vec<Violation> {
    let settings = settings.into_iter().flatten();
    settings
        .filter_map(|(key, _)| {
            let attribute = match (block, key.as_str()) {
                // It is not a setting of Feast: it sets an environment variable.
                ("mlflow", "tracking_auth") => "mlflow.tracking_auth",
                _ => extra_yaml::attribute(block, key)?,
            };
            Some(Violation::new(
                Path::of(block).attribute("extra_config").key(key),
                [],
                format!("{key:?} has its own attribute"),
                format!("Remove it from `extra_config`, and set `{attribute}` instead."),
            ))
        })
        .collect()
}

/// With another value, Feast logs a warning and does not use MLflow.
pub(super) fn extra_numbers(store: &FeatureStore) -> Vec<Violation> {
    let settings = store
        .mlflow
        .as_ref()
        .and_then(|it| it.extra_config.as_ref());
    let path = Path::of("mlflow.extra_config");
    (settings.into_iter().flatten())
        .filter(|(key, _)| names::MLFLOW_NUMBERS.contains(&key.as_str()))
        .filter(|(_, text)| text.parse::<i32>().is_err())
        .map(|(key, text)| {
            let at = path.key(key);
            Violation::new(
                at.clone(),
                [at],
                format!("{text:?} is not a whole number"),
                format!("Feast accepts only a whole number as {key:?}. Set one."),
            )
        })
        .collect()
}

/// Settings of MLflow that Feast 0.67 reads and does not use (`tests/real_feast/mlflow.rs` verifies this), and the
/// environment variable of MLflow that has the effect.
const UNUSED: &[(&str, &str)] = &[
    ("ca_bundle", "MLFLOW_TRACKING_SERVER_CERT_PATH"),
    ("request_timeout", "MLFLOW_HTTP_REQUEST_TIMEOUT"),
    ("max_retries", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"),
    ("retry_backoff_factor", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR"),
];

/// Warns about settings without an effect.
pub(super) fn unused(store: &FeatureStore) -> Vec<Violation> {
    let Some(mlflow) = store.mlflow.as_ref().filter(|it| it.enabled) else {
        return Vec::new();
    };
    let path = Path::of("mlflow");
    let warning = |at: Path, instead: String| {
        let summary = "Feast 0.67 does not use this setting of MLflow";
        Violation::new(at.clone(), [at], summary, instead)
    };
    let formats = (mlflow.supported_artifact_formats.is_some()).then(|| {
        let instead = "Feast reads Parquet and CSV files, whatever the setting is. Remove it.";
        warning(
            path.attribute("supported_artifact_formats"),
            instead.to_owned(),
        )
    });
    let extra = mlflow.extra_config.as_ref();
    let others = UNUSED.iter().filter_map(|(key, variable)| {
        extra?.get(*key)?;
        Some(warning(
            path.attribute("extra_config").key(key),
            format!(
                "Set the environment variable `{variable}` in the `env` of the servers instead."
            ),
        ))
    });
    formats.into_iter().chain(others).collect()
}

/// Without a URL, Feast logs an error and sends no events.
pub(super) fn transport_url(store: &FeatureStore) -> Vec<Violation> {
    let Some(settings) = &store.openlineage else {
        return Vec::new();
    };
    let path = Path::of("openlineage");
    let http = settings.transport_type == Some(Transport::Http);
    let has_destination = settings.transport_url.is_some() || lineage(store).is_some();
    if !settings.enabled || !http || has_destination {
        return Vec::new();
    }
    let read = ["enabled", "transport_type", "transport_url", "consumer"];
    vec![Violation::new(
        path.attribute("transport_type"),
        read.map(|name| path.attribute(name)),
        "The transport type `http` requires `transport_url`",
        "Without a URL, Feast sends no events. Set `transport_url`, or remove `transport_type` to let the OpenLineage \
         client use its environment variables (`OPENLINEAGE_URL`).",
    )]
}

/// Feast has no settings for the brokers and the topic.
pub(super) fn kafka(store: &FeatureStore) -> Vec<Violation> {
    let Some(settings) = store.openlineage.as_ref().filter(|it| it.enabled) else {
        return Vec::new();
    };
    if settings.transport_type != Some(Transport::Kafka) {
        return Vec::new();
    }
    let path = Path::of("openlineage");
    let at = path.attribute("transport_type");
    vec![Violation::new(
        at.clone(),
        [at, path.attribute("enabled")],
        "The transport type `kafka` sends no events",
        "Feast passes no brokers and no topic to the OpenLineage client, so the client does not start. Remove \
         `transport_type`, and set the environment variables of the client in the `env` of the servers: \
         `OPENLINEAGE__TRANSPORT__TYPE`, `OPENLINEAGE__TRANSPORT__TOPIC` and `OPENLINEAGE__TRANSPORT__CONFIG`.",
    )]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::{rejects_store, warns_store};

    fn check(rule: &str, more: Json, expected: &[(&str, &str)]) {
        let mut store = json!({"name": "demo", "feastProject": "p"});
        if let (Json::Object(store), Json::Object(more)) = (&mut store, more) {
            store.extend(more);
        }
        rejects_store(rule, store, expected);
    }

    #[test]
    fn rejects_extra_settings_that_have_an_attribute() {
        check(
            "extra-config",
            json!({
                "materialization": {"extraConfig": {"pull_latest_features": "true"}},
                "openlineage": {"enabled": true, "extraConfig": {"namespace": "n", "api_key": "k"}},
                "mlflow": {"enabled": true, "extraConfig": {"tracking_uri": "x", "y": "z"}},
            }),
            &[
                (
                    "openlineage.extra_config[\"api_key\"]",
                    "\"api_key\" has its own attribute",
                ),
                (
                    "mlflow.extra_config[\"tracking_uri\"]",
                    "\"tracking_uri\" has its own attribute",
                ),
            ],
        );
    }

    #[test]
    fn warns_about_kafka() {
        let check = |settings: Json, expected: &[(&str, &str)]| {
            let store = json!({"name": "demo", "feastProject": "p", "openlineage": settings});
            warns_store("lineage-kafka", store, expected);
        };
        check(json!({"enabled": true}), &[]);
        check(json!({"enabled": false, "transportType": "kafka"}), &[]);
        check(
            json!({"enabled": true, "transportType": "kafka"}),
            &[(
                "openlineage.transport_type",
                "The transport type `kafka` sends no events",
            )],
        );
    }

    #[test]
    fn warns_about_settings_of_mlflow_without_an_effect() {
        let check = |settings: Json, expected: &[&str]| {
            let summary = "Feast 0.67 does not use this setting of MLflow";
            let expected: Vec<_> = expected.iter().map(|path| (*path, summary)).collect();
            let store = json!({"name": "demo", "feastProject": "p", "mlflow": settings});
            warns_store("mlflow-unused", store, &expected);
        };
        let settings = |enabled: bool| {
            json!({
                "enabled": enabled,
                "supportedArtifactFormats": ["csv"],
                "extraConfig": {"ca_bundle": "/c", "max_retries": "1", "other": "x"},
            })
        };
        check(
            settings(true),
            &[
                "mlflow.supported_artifact_formats",
                "mlflow.extra_config[\"ca_bundle\"]",
                "mlflow.extra_config[\"max_retries\"]",
            ],
        );
        check(settings(false), &[]);
        check(json!({"enabled": true, "autoLog": true}), &[]);
    }

    #[test]
    fn rejects_numbers_that_are_not_whole() {
        let mlflow = |timeout: &str| json!({"mlflow": {"enabled": true, "extraConfig": {"request_timeout": timeout}}});
        check("extra-numbers", mlflow("60"), &[]);
        check(
            "extra-numbers",
            mlflow("1m"),
            &[(
                "mlflow.extra_config[\"request_timeout\"]",
                "\"1m\" is not a whole number",
            )],
        );
    }

    #[test]
    fn http_requires_a_url() {
        let lineage = |settings: Json| json!({"openlineage": settings});
        let url = "transport-url";
        check(url, lineage(json!({"enabled": true})), &[]);
        check(
            url,
            lineage(json!({"enabled": false, "transportType": "http"})),
            &[],
        );
        check(
            url,
            lineage(json!({"enabled": true, "transportType": "http", "transportUrl": "http://x"})),
            &[],
        );
        check(
            url,
            lineage(json!({"enabled": true, "transportType": "http"})),
            &[(
                "openlineage.transport_type",
                "The transport type `http` requires `transport_url`",
            )],
        );
    }
}
