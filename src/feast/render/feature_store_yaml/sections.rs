//! The optional sections of `feature_store.yaml`.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{leaf, option, section};
use crate::feast::config::{
    AuditLogging, EmbeddingModel, FeatureLogging, LineageStoreType, LocalObjectReference,
    Materialization, Mcp, Mlflow, MlflowDatasetSync, OfflinePushBatching, Openlineage,
    OpenlineageConsumer, Serving, ServingMetrics, Transport,
};
use crate::feast::feature_store_yaml::{KeyValue, Mapping, Node, Placeholder, Purpose, Section};
use crate::feast::names::{self, Endpoint, ServerKind};
use crate::feast::secrets::source::Source;
use crate::feast::spec::{BatchEngine, Store};

/// Returns the sections for the servers.
pub(super) fn server(store: &Store) -> Vec<Section> {
    let mut parts = Vec::new();
    if let Some(engine) = &store.batch_engine {
        let BatchEngine { source, driver } = engine;
        parts.push(Section::Placeholder(Placeholder {
            purpose: Purpose::BatchEngine {
                driver: (driver.as_ref()).map(|driver| driver.service_account.clone()),
                has_token: store.has_token(),
            },
            source: source.clone(),
        }));
    }
    if let Some(settings) = &store.online.serving {
        parts.push(section("feature_server", feature_server(settings)));
    }
    if let Some(settings) = &store.materialization {
        parts.push(section("materialization", materialization(settings)));
    }
    if let Some(settings) = &store.openlineage {
        let transport = match &store.lineage {
            Some(_) if sends_to_lineage_server(settings) => to_lineage_server(store, settings),
            _ => transport(settings),
        };
        parts.push(section("openlineage", openlineage(settings, transport)));
    }
    parts.extend(client(store));
    if let Some(model) = &store.settings.embedding_model {
        let EmbeddingModel { model, provider } = model;
        let mut lines = vec![leaf("model", model.as_str())];
        option(&mut lines, "provider", provider.as_deref());
        parts.push(section("embedding_model", lines));
    }
    if let Some(auto_baseline) = store.auto_baseline {
        let lines = vec![leaf("auto_baseline", auto_baseline)];
        parts.push(section("data_quality_monitoring", lines));
    }
    parts
}

/// Returns the section for the lineage server, which sends no events.
pub(super) fn lineage(store: &Store) -> Option<Section> {
    let settings = store.openlineage.as_ref()?;
    Some(section("openlineage", openlineage(settings, Vec::new())))
}

/// Returns the section for clients, which log to MLflow too.
pub(super) fn client(store: &Store) -> Option<Section> {
    let settings = store.mlflow.as_ref()?;
    Some(section("mlflow", mlflow(settings)))
}

fn feature_server(settings: &Serving) -> Vec<KeyValue> {
    let Serving {
        metrics,
        offline_push_batching,
        mcp,
        audit_logging,
        feature_logging,
    } = settings;
    let mcp = mcp.as_ref().filter(|mcp| mcp.enabled);
    let kind = if mcp.is_some() { "mcp" } else { "local" };
    let mut lines = vec![leaf("type", kind)];
    if let Some(ServingMetrics {
        enabled,
        categories,
        feature_count_bins,
    }) = metrics
    {
        let mut inner = vec![leaf("enabled", *enabled)];
        for (category, on) in categories.iter().flatten() {
            inner.push((category.clone().into(), Node::Leaf(json!(on))));
        }
        let bins = feature_count_bins.as_ref().map(|bins| json!(bins));
        option(&mut inner, "feature_count_bins", bins);
        lines.push(branch("metrics", inner));
    }
    if let Some(OfflinePushBatching {
        enabled,
        batch_size,
        batch_interval_seconds,
    }) = offline_push_batching
    {
        let key = "offline_push_batching_batch_size";
        lines.push(leaf("offline_push_batching_enabled", *enabled));
        option(&mut lines, key, *batch_size);
        let key = "offline_push_batching_batch_interval_seconds";
        option(&mut lines, key, *batch_interval_seconds);
    }
    if let Some(Mcp {
        enabled,
        server_name,
        server_version,
        transport,
    }) = mcp
    {
        lines.push(leaf("mcp_enabled", *enabled));
        option(&mut lines, "mcp_server_name", server_name.as_deref());
        option(&mut lines, "mcp_server_version", server_version.as_deref());
        let transport = transport.map(|transport| transport.as_str());
        option(&mut lines, "mcp_transport", transport);
    }
    let logging = audit_logging.as_ref().map(self::audit_logging);
    lines.extend(logging.map(|inner| branch("audit_logging", inner)));
    let logging = feature_logging.as_ref().map(self::feature_logging);
    lines.extend(logging.map(|inner| branch("feature_logging", inner)));
    lines
}

fn audit_logging(settings: &AuditLogging) -> Vec<KeyValue> {
    let AuditLogging {
        enabled,
        sink,
        file_path,
        log_successful_reads,
    } = settings;
    let mut lines = vec![leaf("enabled", *enabled)];
    option(&mut lines, "sink", sink.map(|sink| sink.as_str()));
    option(&mut lines, "file_path", file_path.as_deref());
    option(&mut lines, "log_successful_reads", *log_successful_reads);
    lines
}

fn feature_logging(settings: &FeatureLogging) -> Vec<KeyValue> {
    let FeatureLogging {
        enabled,
        flush_interval_secs,
        write_to_disk_interval_secs,
        queue_capacity,
        emit_timeout_micro_secs,
    } = settings;
    let mut lines = vec![leaf("enabled", *enabled)];
    option(&mut lines, "flush_interval_secs", *flush_interval_secs);
    let key = "write_to_disk_interval_secs";
    option(&mut lines, key, *write_to_disk_interval_secs);
    option(&mut lines, "queue_capacity", *queue_capacity);
    option(
        &mut lines,
        "emit_timeout_micro_secs",
        *emit_timeout_micro_secs,
    );
    lines
}

fn branch(key: &'static str, lines: Vec<KeyValue>) -> KeyValue {
    (key.into(), Node::Branch(Mapping(lines)))
}

fn materialization(settings: &Materialization) -> Vec<KeyValue> {
    let Materialization {
        online_write_batch_size,
        extra_config,
    } = settings;
    let mut lines = Vec::new();
    option(
        &mut lines,
        "online_write_batch_size",
        *online_write_batch_size,
    );
    lines.extend(extra(extra_config.as_ref()));
    lines
}

/// Returns whether events go to the lineage server of the feature store.
fn sends_to_lineage_server(settings: &Openlineage) -> bool {
    settings.transport_url.is_none()
        && matches!(settings.transport_type, None | Some(Transport::Http))
}

fn to_lineage_server(store: &Store, settings: &Openlineage) -> Vec<KeyValue> {
    let tls = store.tls(ServerKind::Lineage).is_some();
    let scheme = names::service_port_name(tls);
    let address = store.address(Endpoint::Lineage);
    let endpoint = settings.transport_endpoint.as_deref();
    let mut lines = vec![
        leaf("transport_type", Transport::Http.as_str()),
        leaf("transport_url", format!("{scheme}://{address}")),
        leaf(
            "transport_endpoint",
            endpoint.unwrap_or(names::LINEAGE_PATH),
        ),
    ];
    let consumer_key = settings.consumer.as_ref();
    let consumer_key = consumer_key.and_then(|consumer| consumer.api_key_secret_ref.as_ref());
    let key = match &settings.api_key_secret_ref {
        Some(key) => secret(Purpose::LineageApiKey, names::API_KEY, Some(key)),
        None => secret(Purpose::ConsumerApiKey, names::API_KEY, consumer_key),
    };
    lines.extend(key);
    lines
}

fn transport(settings: &Openlineage) -> Vec<KeyValue> {
    let mut lines = Vec::new();
    option(
        &mut lines,
        "transport_type",
        settings.transport_type.map(|kind| kind.as_str()),
    );
    option(
        &mut lines,
        "transport_url",
        settings.transport_url.as_deref(),
    );
    option(
        &mut lines,
        "transport_endpoint",
        settings.transport_endpoint.as_deref(),
    );
    lines.extend(secret(
        Purpose::LineageApiKey,
        names::API_KEY,
        settings.api_key_secret_ref.as_ref(),
    ));
    lines
}

fn openlineage(settings: &Openlineage, transport: Vec<KeyValue>) -> Vec<KeyValue> {
    let Openlineage {
        enabled,
        // These are in `transport`.
        transport_type: _,
        transport_url: _,
        transport_endpoint: _,
        api_key_secret_ref: _,
        extra_config,
        consumer,
    } = settings;
    let mut lines = vec![leaf("enabled", *enabled)];
    lines.extend(transport);
    lines.extend(extra(extra_config.as_ref()));
    if let Some(settings) = consumer {
        lines.push(branch("consumer", consumer_section(settings)));
    }
    lines
}

fn consumer_section(settings: &OpenlineageConsumer) -> Vec<KeyValue> {
    let OpenlineageConsumer {
        enabled,
        store_type,
        connection_string_secret_ref,
        api_key_secret_ref,
        namespace_mapping,
        retention_days,
        retention_check_interval_hours,
        lineage_server,
    } = settings;
    let store_type = store_type.unwrap_or(LineageStoreType::Sql).as_str();
    let mut lines = vec![leaf("enabled", *enabled), leaf("store_type", store_type)];
    lines.extend(secret(
        Purpose::ConsumerConnectionString,
        names::CONNECTION_STRING,
        connection_string_secret_ref.as_ref(),
    ));
    lines.extend(secret(
        Purpose::ConsumerApiKey,
        names::API_KEY,
        api_key_secret_ref.as_ref(),
    ));
    option(
        &mut lines,
        "namespace_mapping",
        namespace_mapping.as_ref().map(|map| json!(map)),
    );
    lines.push(leaf("retention_days", retention_days.unwrap_or(30)));
    let hours = retention_check_interval_hours.unwrap_or(6);
    lines.push(leaf("retention_check_interval_hours", hours));
    if lineage_server.is_some() {
        // With this setting, only the lineage server deletes old events.
        lines.push(leaf("standalone_server", true));
    }
    lines
}

fn mlflow(settings: &Mlflow) -> Vec<KeyValue> {
    let Mlflow {
        enabled,
        tracking_uri,
        ui_url,
        auto_log,
        auto_log_entity_df,
        entity_df_max_rows,
        log_operations,
        ops_experiment_suffix,
        // An environment variable of the servers, not a setting of Feast.
        tracking_auth: _,
        dataset_sync,
        supported_artifact_formats,
        extra_config,
    } = settings;
    let mut lines = vec![leaf("enabled", *enabled)];
    option(&mut lines, "tracking_uri", tracking_uri.as_deref());
    option(&mut lines, "ui_url", ui_url.as_deref());
    option(&mut lines, "auto_log", *auto_log);
    option(&mut lines, "auto_log_entity_df", *auto_log_entity_df);
    option(&mut lines, "entity_df_max_rows", *entity_df_max_rows);
    option(&mut lines, "log_operations", *log_operations);
    option(
        &mut lines,
        "ops_experiment_suffix",
        ops_experiment_suffix.as_deref(),
    );
    if let Some(settings) = dataset_sync {
        lines.push(branch("dataset_sync", self::dataset_sync(settings)));
    }
    let formats = supported_artifact_formats.as_ref().map(|it| json!(it));
    option(&mut lines, "supported_artifact_formats", formats);
    lines.extend(extra(extra_config.as_ref()).into_iter().map(number));
    lines
}

fn dataset_sync(settings: &MlflowDatasetSync) -> Vec<KeyValue> {
    let MlflowDatasetSync {
        default_field_mapping,
        watermark_key,
        default_batch_size,
    } = settings;
    let mut lines = Vec::new();
    let mapping = default_field_mapping.as_ref().map(|it| json!(it));
    option(&mut lines, "default_field_mapping", mapping);
    option(&mut lines, "watermark_key", watermark_key.as_deref());
    option(&mut lines, "default_batch_size", *default_batch_size);
    lines
}

/// Converts the settings of MLflow that must be numbers.
fn number((key, node): KeyValue) -> KeyValue {
    let known = names::MLFLOW_NUMBERS.contains(&key.as_ref());
    match &node {
        Node::Leaf(Json::String(text)) if known => {
            let number = text.parse::<i32>().ok();
            (key, number.map_or(node, |number| Node::Leaf(json!(number))))
        }
        _ => (key, node),
    }
}

fn secret(
    purpose: Purpose,
    key: &'static str,
    secret: Option<&LocalObjectReference>,
) -> Option<KeyValue> {
    let source = Source::secret(&secret?.name, key);
    Some((
        key.into(),
        Node::Placeholder(Placeholder { purpose, source }),
    ))
}

/// Returns other settings. Feast accepts neither strings for booleans, nor numbers for strings.
fn extra(settings: Option<&BTreeMap<String, String>>) -> Vec<KeyValue> {
    let line = |(key, value): (&String, &String)| {
        let value = match value.as_str() {
            "true" => json!(true),
            "false" => json!(false),
            text => json!(text),
        };
        (key.clone().into(), Node::Leaf(value))
    };
    settings.into_iter().flatten().map(line).collect()
}
