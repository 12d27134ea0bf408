//! Monitoring with the Prometheus Operator.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMapKeySelector, SecretKeySelector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::string_enum::string_enum;

/// Settings of the `ServiceMonitor` of the Prometheus Operator, which scrapes the metrics of the online server from
/// every pod.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceMonitor {
    /// Labels of the ServiceMonitor, in addition to `labels` of the feature store. A Prometheus selects ServiceMonitors
    /// by their labels, such as `release = "kube-prometheus-stack"`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,

    /// Annotations of the ServiceMonitor, in addition to `annotations` of the feature store. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,

    /// Interval of the scrapes as a duration of Prometheus, such as `30s` or `1m30s`. Default: that of the Prometheus.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 2),
        regex(pattern = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$")
    )]
    pub interval: Option<String>,

    /// Time limit of a scrape as a duration of Prometheus, at most `interval`. Default: that of the Prometheus.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 2),
        regex(pattern = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$")
    )]
    pub scrape_timeout: Option<String>,

    /// Labels of the Service that become labels of the metrics. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_labels: Option<Vec<String>>,

    /// Protocol of the scrapes: `http` or `https`. Feast serves metrics without TLS, also when the server has TLS:
    /// `https` is for a sidecar that adds it, such as that of a service mesh. Default: `http`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "http"))]
    pub scheme: Option<ScrapeScheme>,

    /// TLS of the scrapes. Only for the `scheme` `https`. Default: the certificate authorities of the Prometheus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_config: Option<ScrapeTls>,

    /// Changes of the labels of the targets before the scrape, such as the removal of a label. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relabelings: Option<Vec<Relabeling>>,

    /// Changes of the labels of the metrics after the scrape, such as the removal of metrics. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_relabelings: Option<Vec<Relabeling>>,
}

/// TLS of scrapes. All Secrets and ConfigMaps are in the namespace of the feature store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScrapeTls {
    /// Name that the certificate of the server must have. Default: the address of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub server_name: Option<String>,

    /// Whether any certificate is accepted. Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub insecure_skip_verify: Option<bool>,

    /// Key of a ConfigMap with the certificate of the CA (Kubernetes `ConfigMapKeySelector`). Default: the certificate
    /// authorities of the Prometheus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_config_map: Option<ConfigMapKeySelector>,

    /// Key of a Secret with the certificate that Prometheus presents (Kubernetes `SecretKeySelector`). Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_secret: Option<SecretKeySelector>,

    /// Key of a Secret with the private key of that certificate (Kubernetes `SecretKeySelector`). Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_secret: Option<SecretKeySelector>,
}

/// A change of labels (`relabel_config` of Prometheus).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Relabeling {
    /// The change. Default: `replace`, set by Prometheus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<RelabelAction>,

    /// Labels whose values, joined with `separator`, are matched. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_labels: Option<Vec<String>>,

    /// Text between the values of `source_labels`. Default: `;`, set by Prometheus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,

    /// Regular expression for the values. Default: any value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,

    /// Label to write, for the actions that write one. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_label: Option<String>,

    /// New value, in which `$1` is the first group of `regex`. Default: `$1`, set by Prometheus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,

    /// Divisor of the hash, for the action `hashmod`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub modulus: Option<i64>,
}

string_enum! {
    /// The protocol of a scrape.
    pub enum ScrapeScheme {
        Http = "http",
        Https = "https",
    }
}

string_enum! {
    /// The action of a relabeling.
    pub enum RelabelAction {
        Replace = "replace",
        Keep = "keep",
        Drop = "drop",
        Hashmod = "hashmod",
        Labelmap = "labelmap",
        Labeldrop = "labeldrop",
        Labelkeep = "labelkeep",
        Lowercase = "lowercase",
        Uppercase = "uppercase",
        Keepequal = "keepequal",
        Dropequal = "dropequal",
    }
}
