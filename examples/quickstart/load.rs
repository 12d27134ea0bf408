//! Load on the feature server, until the autoscaler has added pods.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::features;
use crate::show;
use crate::support::testbed::Namespace;
use crate::support::testbed::error::{Doing, Error, Result};

/// The total CPU usage of the simulated clients' requests, in thousandths of a CPU: with a request of 200 for each pod
/// and a target of 80%, three pods are sufficient.
const SIMULATED_LOAD: usize = 400;
const PODS: u64 = 3;

/// Simulates clients whose load all pods share.
pub fn simulate(namespace: &Namespace) -> Result<()> {
    wait_for_pods(namespace, Duration::from_secs(240), || {
        namespace.share_cpu_load("feast.dev/name=quickstart", SIMULATED_LOAD)
    })
}

/// Requests features as fast as the feature server responds.
pub fn generate(namespace: &Namespace) -> Result<()> {
    let mut curl = features::load_command(namespace)?;
    println!("$ {}", show::line(&curl));
    let mut curl = curl
        .stdout(Stdio::null())
        .spawn()
        .doing(|| "running curl".to_owned())?;
    let scaled = wait_for_pods(namespace, Duration::from_secs(600), || {
        match curl.try_wait().doing(|| "waiting for curl".to_owned())? {
            None => Ok(()),
            Some(status) => Err(Error::new(
                "running curl",
                format!("it ended with {status}"),
            )),
        }
    });
    // An error means that it has ended.
    curl.kill().ok();
    curl.wait().ok();
    scaled
}

/// Repeats the load until the autoscaler has added pods that are ready.
fn wait_for_pods(
    namespace: &Namespace,
    timeout: Duration,
    mut load: impl FnMut() -> Result<()>,
) -> Result<()> {
    let started = Instant::now();
    let mut last_ready = 0;
    while started.elapsed() < timeout {
        load()?;
        let deployment = namespace.json(&["get", "deployment", "feast-quickstart"])?;
        let ready = deployment["status"]["readyReplicas"].as_u64().unwrap_or(0);
        if ready != last_ready {
            println!("{:>4} s: {ready} pods", started.elapsed().as_secs());
            last_ready = ready;
        }
        if ready >= PODS {
            return Ok(());
        }
        std::thread::sleep(Duration::from_secs(2));
    }
    let why = format!(
        "it has not added pods in {} minutes",
        timeout.as_secs() / 60
    );
    Err(Error::new("waiting for the autoscaler", why))
}
