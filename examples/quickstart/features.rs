//! Features of the sample data that `feast init` creates, requested from the feature server. Only a real node runs one.

use std::process::Command;

use serde_json::{Value as Json, json};

use crate::show;
use crate::support::testbed::Namespace;
use crate::support::testbed::error::{Doing, Error, Result};
use crate::support::testbed::process::output;

const MATERIALIZE: &str = "feast materialize-incremental $(date -u +%Y-%m-%dT%H:%M:%S)";

/// Copies the newest sample data to the online store.
pub fn materialize(namespace: &Namespace) -> Result<()> {
    let exec = ["exec", "deployment/feast-quickstart", "--container=online"];
    let shell = ["--", "bash", "-c", MATERIALIZE];
    show::kubectl(namespace, &[&exec[..], &shell[..]].concat())
}

/// Requests the features of two drivers, and shows the response.
///
/// # Errors
///
/// A feature has no value.
pub fn request(namespace: &Namespace) -> Result<()> {
    let mut curl = request_command(namespace)?;
    let line = show::line(&curl);
    println!("$ {line}");
    let text = output(&mut curl, &line)?;
    println!("{text}");
    let response: Json = serde_json::from_str(&text).doing(|| "reading the response".to_owned())?;
    let results = response["results"].as_array().cloned().unwrap_or_default();
    let mut statuses = results.iter().map(|result| &result["statuses"]);
    if !results.is_empty() && statuses.all(|all| *all == json!(["PRESENT", "PRESENT"])) {
        Ok(())
    } else {
        Err(Error::new(
            "requesting features",
            "features are missing in the response",
        ))
    }
}

/// Returns the command that requests features.
pub fn request_command(namespace: &Namespace) -> Result<Command> {
    let mut curl = Command::new("curl");
    curl.arg("--no-progress-meter")
        .args(["--header", "content-type: application/json", "--data"])
        .arg(body().to_string())
        .arg(url(namespace)?);
    Ok(curl)
}

/// Returns the command that requests features all the time, with a new connection for each request, so that all pods
/// receive requests.
pub fn load_command(namespace: &Namespace) -> Result<Command> {
    let mut curl = Command::new("curl");
    curl.args(["--no-progress-meter", "--output", "/dev/null", "--parallel"])
        .args(["--parallel-max", "4", "--header", "connection: close"])
        .args(["--header", "content-type: application/json", "--data"])
        .arg(body().to_string())
        .arg(format!("{}?[1-1000000]", url(namespace)?));
    Ok(curl)
}

fn body() -> Json {
    json!({
        "features": ["driver_hourly_stats:conv_rate", "driver_hourly_stats:avg_daily_trips"],
        "entities": {"driver_id": [1001, 1002]},
    })
}

/// Returns the URL at the cluster IP of the Service, which this machine reaches. In the cluster, the Service has a DNS
/// name: the output `endpoint` of the configuration.
fn url(namespace: &Namespace) -> Result<String> {
    let address = "--output=jsonpath={.spec.clusterIP}";
    let address = namespace.kubectl(&["get", "service", "feast-quickstart-online", address])?;
    Ok(format!("http://{address}/get-online-features"))
}
