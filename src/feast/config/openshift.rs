//! Integration with OpenShift.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LocalObjectReference;
use super::string_enum::string_enum;

/// Integration with OpenShift. With it, also if it is `{}`, the pods have no user and no group by default, so that
/// OpenShift assigns them from the range of the namespace (SecurityContextConstraints `restricted-v2`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Openshift {
    /// Whether every server without `tls` has TLS with a certificate that the service CA of OpenShift issues and renews
    /// (service serving certificates), in the Secret `<name of the Service>-tls`. The ConfigMap
    /// `feast-<name>-service-ca` then has the certificate of the CA for clients, under the key `service-ca.crt`. Set
    /// `tls = { disable = true }` for a server without TLS. Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub serving_certificates: Option<bool>,

    /// Routes at which servers are reachable from outside the cluster, by the name of the endpoint: `online_store`,
    /// `offline_store`, `registry`, `registry_rest`, `ui` or `lineage`. Set `{}` for a Route with the defaults.
    /// Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routes: Option<BTreeMap<String, Route>>,
}

/// A Route of OpenShift.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// Host name. To set it, an account needs the verb `create` on `routes/custom-host`, and `update` to change it.
    /// Default: a name of the cluster's domain, chosen by OpenShift.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(
            pattern = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$"
        )
    )]
    pub host: Option<String>,

    /// Where TLS ends: `edge` (at the router; for a server without TLS), `reencrypt` (at the router, which opens
    /// another TLS connection to the server) or `passthrough` (at the server). Default: `edge` for a server without TLS,
    /// `reencrypt` for a certificate of `openshift.serving_certificates`, which routers trust, or else `passthrough`.
    /// For gRPC (the offline server and the gRPC API of the registry), it is `passthrough`: with `reencrypt`, gRPC
    /// needs routers with HTTP/2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination: Option<RouteTermination>,

    /// What happens to requests without TLS: `Redirect` (to HTTPS), `Allow` or `None` (they are refused). `Allow`
    /// conflicts with the termination `passthrough`. Default: `Redirect`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "Redirect"))]
    pub insecure_edge_termination_policy: Option<InsecureEdgeTerminationPolicy>,

    /// Certificate of the CA of the server, in PEM format. Only for the termination `reencrypt`. Default: the service
    /// CA of OpenShift.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub destination_ca_certificate: Option<String>,

    /// Secret of type `kubernetes.io/tls` in the namespace of the feature store, with the certificate that the router
    /// presents. Not for the termination `passthrough`. The router must be permitted to read it. Default: the
    /// certificate of the router.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_certificate: Option<LocalObjectReference>,

    /// Labels of the Route, in addition to `labels` of the feature store. Routers can select Routes by them. Default:
    /// none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,

    /// Annotations of the Route, in addition to `annotations` of the feature store, such as
    /// `haproxy.router.openshift.io/timeout`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

string_enum! {
    /// The place where the TLS connection of a client of a Route ends.
    pub enum RouteTermination {
        Edge = "edge",
        Reencrypt = "reencrypt",
        Passthrough = "passthrough",
    }
}

string_enum! {
    /// What a Route does with requests without TLS.
    pub enum InsecureEdgeTerminationPolicy {
        None = "None",
        Allow = "Allow",
        Redirect = "Redirect",
    }
}
