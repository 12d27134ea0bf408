//! The ServiceMonitor of the Prometheus Operator.

use k8s_openapi::api::core::v1::{ConfigMapKeySelector, SecretKeySelector};
use serde_json::{Map, Value as Json, json};

use super::{metadata, object};
use crate::feast::config::{RelabelAction, Relabeling, ScrapeScheme, ScrapeTls, ServiceMonitor};
use crate::feast::names::{self, Endpoint, SERVICE_TYPE_LABEL, ServerKind};
use crate::feast::spec::Store;
use crate::kubernetes::{Key, Kind};

pub(super) fn render(store: &Store) -> Option<(Key, Json)> {
    let ServiceMonitor {
        labels,
        annotations,
        interval,
        scrape_timeout,
        target_labels,
        scheme,
        tls_config,
        relabelings,
        metric_relabelings,
    } = store.service_monitor.as_ref()?;
    let name = names::service(&store.name, Endpoint::Online);
    let metadata = metadata::object(store, name, Some(ServerKind::Online.as_str()));
    let mut selector = metadata::selector(store);
    let service_type = ServerKind::Online.as_str().to_owned();
    selector.insert(SERVICE_TYPE_LABEL.to_owned(), service_type);
    let list = |rules: &Option<Vec<Relabeling>>| {
        let rules = rules.as_ref()?;
        Some(json!(rules.iter().map(relabeling).collect::<Vec<_>>()))
    };
    let endpoint = fields([
        ("port", Some(json!(names::METRICS_PORT_NAME))),
        ("path", Some(json!(names::METRICS_PATH))),
        // Otherwise, Prometheus would rename Feast's label `endpoint`, because the target has one of the Prometheus
        // Operator.
        ("honorLabels", Some(json!(true))),
        ("interval", interval.as_ref().map(|it| json!(it))),
        ("scrapeTimeout", scrape_timeout.as_ref().map(|it| json!(it))),
        (
            "scheme",
            scheme.map(ScrapeScheme::as_str).map(|it| json!(it)),
        ),
        ("tlsConfig", tls_config.as_ref().map(tls)),
        ("relabelings", list(relabelings)),
        ("metricRelabelings", list(metric_relabelings)),
    ]);
    let spec = fields([
        ("endpoints", Some(json!([endpoint]))),
        ("selector", Some(json!({"matchLabels": selector}))),
        ("targetLabels", target_labels.as_ref().map(|it| json!(it))),
    ]);
    let monitor = json!({
        "apiVersion": Kind::ServiceMonitor.api_version(),
        "kind": Kind::ServiceMonitor.as_str(),
        "metadata": metadata::with_own(metadata, labels.as_ref(), annotations.as_ref()),
        "spec": spec,
    });
    Some(object(Kind::ServiceMonitor, &monitor))
}

fn tls(tls: &ScrapeTls) -> Json {
    let ScrapeTls {
        server_name,
        insecure_skip_verify,
        ca_config_map,
        cert_secret,
        key_secret,
    } = tls;
    let config_map = |it: &ConfigMapKeySelector| json!({"configMap": it});
    let secret = |it: &SecretKeySelector| json!({"secret": it});
    fields([
        ("serverName", server_name.as_ref().map(|it| json!(it))),
        (
            "insecureSkipVerify",
            insecure_skip_verify.map(|it| json!(it)),
        ),
        ("ca", ca_config_map.as_ref().map(config_map)),
        ("cert", cert_secret.as_ref().map(secret)),
        ("keySecret", key_secret.as_ref().map(|it| json!(it))),
    ])
}

fn relabeling(rule: &Relabeling) -> Json {
    let Relabeling {
        action,
        source_labels,
        separator,
        regex,
        target_label,
        replacement,
        modulus,
    } = rule;
    let text = |text: &Option<String>| text.as_ref().map(|it| json!(it));
    fields([
        (
            "action",
            action.map(RelabelAction::as_str).map(|it| json!(it)),
        ),
        ("sourceLabels", source_labels.as_ref().map(|it| json!(it))),
        ("separator", text(separator)),
        ("regex", text(regex)),
        ("targetLabel", text(target_label)),
        ("replacement", text(replacement)),
        ("modulus", modulus.map(|it| json!(it))),
    ])
}

/// Returns an object of the fields that are set.
fn fields<const N: usize>(fields: [(&str, Option<Json>); N]) -> Json {
    let set = fields.into_iter();
    let set = set.filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Json::Object(set.collect::<Map<_, _>>())
}
