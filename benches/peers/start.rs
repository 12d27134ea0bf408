//! Measures the start of a provider: the handshake, and its schema.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::measure;
use crate::providers::Provider;
use crate::usage::Usage;

const RUNS: usize = 15;

/// The cookie with which Terraform starts a provider.
const COOKIE: (&str, &str) = (
    "TF_PLUGIN_MAGIC_COOKIE",
    "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2",
);

#[derive(Clone, Debug)]
pub struct Start {
    /// The time until the handshake line on standard output.
    pub handshake: Duration,
    /// The peak memory at that time, in KiB.
    pub memory: u64,
    /// The duration of `terraform providers schema -json`, and the size of its output.
    pub schema: Duration,
    pub schema_size: usize,
    /// The size of the binary, in bytes.
    pub binary: u64,
}

pub fn measure(provider: &Provider, tool: &Path) -> Start {
    let binary = provider.binary.as_ref().unwrap();
    let certificate = certificate();
    let starts: Vec<(Duration, u64)> = (0..RUNS).map(|_| start(binary, &certificate)).collect();
    let terraform = measure::prepare(tool, provider, Path::new("none"), "none");
    provider.configure(&terraform, 1, &[]);
    let mut schema_size = 0;
    let schemas = (0..3).map(|_| {
        let started = Instant::now();
        let run = terraform.run(&["providers", "schema", "-json"]).unwrap();
        schema_size = run.stdout.len();
        assert!(run.succeeded(), "{run}");
        started.elapsed()
    });
    let schema = median(schemas.collect());
    Start {
        handshake: median(starts.iter().map(|(time, _)| *time).collect()),
        memory: median(starts.iter().map(|(_, memory)| *memory).collect()),
        schema,
        schema_size,
        binary: std::fs::metadata(binary).unwrap().len(),
    }
}

fn start(binary: &Path, certificate: &str) -> (Duration, u64) {
    let mut command = Command::new(binary);
    command
        .env(COOKIE.0, COOKIE.1)
        .env("PLUGIN_PROTOCOL_VERSIONS", "5,6")
        .env("PLUGIN_CLIENT_CERT", certificate)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let started = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let time = started.elapsed();
    assert!(line.starts_with("1|"), "{}: {line:?}", binary.display());
    let memory = Usage::of(child.id()).map_or(0, |usage| usage.peak);
    child.kill().unwrap();
    child.wait().unwrap();
    (time, memory)
}

/// Returns a client certificate, as Terraform creates it for each provider that it starts.
fn certificate() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    parameters.self_signed(&key).unwrap().pem()
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort();
    values[values.len() / 2]
}
