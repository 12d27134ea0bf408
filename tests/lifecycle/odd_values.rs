//! Odd values for every attribute: validate rejects what the API server rejects.
//!
//! The scan walks the schema, so it includes every attribute. It sets each attribute of the valid configurations in
//! [`bases`] to each of the odd [`values`] for its type, and validates the configuration as the provider does. The
//! accepted values are rendered and applied to a real API server, as dry runs. A value that only the API server rejects
//! is a failure.
//!
//! A dry run checks several values of different attributes at once. If the API server rejects them, each half is
//! checked again, down to single values.
//!
//! The scan takes a quarter of the values; with `FEAST_ODD_VALUES_ALL=1`, as in `.ci/extended`, it takes all, and also
//! finds attributes of which no value is accepted.
//!
//! `FEAST_ODD_VALUES=<text>` restricts the scan to attributes whose path contains the text. With
//! `FEAST_ODD_VALUES_STRICT=1`, the scan also prints for which attributes validate rejects values that the API server
//! accepts.

#[path = "odd_values/api_server.rs"]
mod api_server;
#[path = "odd_values/bases.rs"]
mod bases;
#[path = "odd_values/cases.rs"]
mod cases;
#[path = "odd_values/exposed.rs"]
mod exposed;
#[path = "odd_values/outcome.rs"]
mod outcome;
#[path = "odd_values/scan.rs"]
mod scan;
#[path = "odd_values/slots.rs"]
mod slots;
#[path = "odd_values/values.rs"]
mod values;

use std::sync::OnceLock;

use kube::config::Kubeconfig;
use terraform_provider_feast::provider::Feast;
use terraform_provider_feast::schema::{Block, Provider};

use crate::lifecycle::lab;
use crate::support::testbed::Crd;
use api_server::ApiServer;
use scan::Scan;

/// Attributes that the scan omits, with the reason. The attributes of a block are omitted with it.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("namespace", "the namespace must exist in the cluster"),
    (
        "cron_job.container_configs.env.value_from.file_key_ref",
        "no value is valid: the CronJob's pods have no volumes",
    ),
    (
        "cron_job.container_configs.resources.claims",
        "no value is valid: the CronJob's pods have no resource claims",
    ),
    (
        "services.init_resources.claims",
        "no value is valid: init containers have no resource claims",
    ),
];

/// Attributes of which no value is valid: their type is shared with other metrics, or with stores that have them. An
/// entry for an attribute that has a valid value, or that the schema does not have, fails the scan.
const WITHOUT_VALUE: &[&str] = &[
    "services.registry.local.persistence.store.shared",
    "services.scaling.autoscaling.metrics.container_resource.target.value",
    "services.scaling.autoscaling.metrics.external.target.average_utilization",
    "services.scaling.autoscaling.metrics.object.target.average_utilization",
    "services.scaling.autoscaling.metrics.pods.target.average_utilization",
    "services.scaling.autoscaling.metrics.pods.target.value",
    "services.scaling.autoscaling.metrics.resource.target.value",
];

/// The last names of attributes that the scan omits: the range of the ports of nodes is a setting of the cluster.
const NODE_PORTS: [&str; 2] = [".node_port", ".health_check_node_port"];

/// Returns whether an attribute or its block is an exception.
fn is_exception(attribute: &str) -> bool {
    if NODE_PORTS.iter().any(|name| attribute.ends_with(name)) {
        return true;
    }
    EXCEPTIONS.iter().any(|(exception, _)| {
        (attribute.strip_prefix(exception))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// Returns the schema of the resource.
fn block() -> &'static Block {
    static FEAST: OnceLock<Feast> = OnceLock::new();
    let feast = FEAST.get_or_init(Feast::new);
    let resource = &feast.registry().resources["feast_feature_store"];
    &resource.schema().block
}

pub fn validate_rejects_what_the_api_server_rejects() {
    let control_plane = lab::own_control_plane();
    let namespace = control_plane.namespace("odd").unwrap();
    let crds = [Crd::ScaledObject, Crd::Route, Crd::ServiceMonitor];
    namespace.cluster().install(&crds).unwrap();
    let kubeconfig = Kubeconfig::read_from(namespace.cluster().kubeconfig()).unwrap();
    let only = std::env::var("FEAST_ODD_VALUES").unwrap_or_default();
    let all = !only.is_empty() || std::env::var_os("FEAST_ODD_VALUES_ALL").is_some();
    let is_strict = std::env::var_os("FEAST_ODD_VALUES_STRICT").is_some();
    let report = (tokio::runtime::Runtime::new().unwrap()).block_on(async {
        let options = Default::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options);
        let client = kube::Client::try_from(config.await.unwrap()).unwrap();
        let api_server = ApiServer::new(client, namespace.name());
        Scan::new(api_server, is_strict).await.run(&only, all).await
    });
    report.print();
    let failures = report.failures;
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
