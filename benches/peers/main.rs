//! Compares this provider with other providers: the same twelve objects for each feature store, with the same
//! `terraform` and the same real API server. The runs of the providers alternate.
//!
//! `cargo bench --bench peers` builds the release binary, starts the testbed and measures. Two parts of the work are
//! measured by themselves, because no provider can be faster: Terraform with a provider that does nothing ([`idle`]),
//! and the API server with a bare client ([`alone`]). Another provider is measured if the path of its binary is set:
//!
//! | variable | provider |
//! |---|---|
//! | `FEAST_BENCH_KUBERNETES` | hashicorp/kubernetes, typed resources and `kubernetes_manifest` |
//! | `FEAST_BENCH_KUBECTL` | gavinbunney/kubectl |
//! | `FEAST_BENCH_HELM` | hashicorp/helm |
//!
//! `FEAST_BENCH_FEAST` sets another binary of this provider. `FEAST_BENCH_OTHER_FEAST` is the binary of another
//! version, whose runs alternate with those of the first one.
//!
//! `FEAST_BENCH_STORES=1,10,50,200` sets the numbers of stores, `FEAST_BENCH_PEERS_UP_TO=50` the maximum number for
//! other providers, and `FEAST_BENCH_ROUNDS=3` the number of rounds for up to ten stores, whose medians are printed;
//! larger numbers are measured once. `FEAST_BENCH_WRITE=1` writes the tables and the plot of `docs/performance.md`.
//! Because it is slow, `kubernetes_manifest` is measured once, and with at most ten stores. The benchmark takes about
//! a quarter of an hour on an idle machine.
//!
//! `cargo bench --bench peers -- fleets` measures only this provider, with many stores in one state ([`fleets`]):
//! `FEAST_BENCH_FLEETS=200,1000` sets the numbers of stores, and `FEAST_BENCH_PARALLELISM=10,50` Terraform's
//! parallelism.
#![allow(clippy::unwrap_used, reason = "a panic is how a measurement fails")]
#![allow(clippy::print_stdout, reason = "it talks to the person who runs it")]

mod alone;
mod fleets;
mod idle;
mod measure;
mod providers;
mod report;
mod start;

#[path = "../../tests/support/measured.rs"]
mod measured;
#[path = "../../tests/support/terraform.rs"]
mod terraform;
#[path = "../../tests/support/testbed.rs"]
mod testbed;
#[path = "../../tests/support/usage.rs"]
mod usage;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use alone::Alone;
use measure::{Bench, DEFAULT_PARALLELISM, Operation, Sample};
use providers::{Kind, Provider};
use report::Report;
use testbed::{ControlPlane, Options, Progress, Tool, tools};

/// The samples of each operation, by number of stores and provider.
type Samples = BTreeMap<(usize, Kind), BTreeMap<Operation, Vec<Sample>>>;

fn main() {
    // The default for TLS connections. No other default can be installed before.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    if idle::is_started_by_terraform() {
        return idle::serve();
    }
    // `cargo bench` passes `--bench`. `cargo test --benches` does not, and must not measure.
    let is_argument = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    if !is_argument("--bench") {
        return;
    }
    testbed::stop_on_signal().unwrap();
    let progress = Progress::stderr();
    let wanted = [Tool::CONTROL_PLANE, &[Tool::Terraform]].concat();
    let tools = tools::ensure(&wanted, progress).unwrap();
    let options = Options {
        audit: true,
        ..Options::default()
    };
    let control_plane = ControlPlane::start(&tools, &options, progress).unwrap();
    let terraform = tools.path(Tool::Terraform).unwrap();
    match is_argument("fleets") {
        true => fleets::measure(&control_plane, terraform),
        false => compare(&control_plane, terraform),
    }
    control_plane.stop();
}

/// Measures all providers.
fn compare(control_plane: &ControlPlane, terraform: &Path) {
    let providers = providers::all();
    let starts = (providers.iter().filter(|it| it.kind.is_started()))
        .map(|provider| (provider.kind, start::measure(provider, terraform)))
        .collect();

    let limit = number("FEAST_BENCH_PEERS_UP_TO", 50);
    let mut samples = Samples::new();
    for stores in numbers("FEAST_BENCH_STORES", &[1, 10, 50, 200]) {
        let rounds = match stores {
            ..=10 => number("FEAST_BENCH_ROUNDS", 3),
            _ => 1,
        };
        for round in 1..=rounds {
            for provider in &providers {
                let again = provider.kind == Kind::Manifest && round > 1;
                if again || !is_measured(provider, stores, limit) {
                    continue;
                }
                println!(
                    "{stores} stores, round {round} of {rounds}: {}",
                    provider.kind
                );
                let measured = match provider.kind {
                    Kind::ApiServerAlone => {
                        let objects = |namespace: &str| measure::manifests(terraform, namespace);
                        Alone::new(control_plane, stores, objects).run()
                    }
                    _ => {
                        let parallelism = DEFAULT_PARALLELISM;
                        let bench =
                            Bench::new(control_plane, terraform, provider, stores, parallelism);
                        bench.run()
                    }
                };
                let all = samples.entry((stores, provider.kind)).or_default();
                for (operation, sample) in measured {
                    println!("  {operation:<22} {sample}");
                    all.entry(operation).or_default().push(sample);
                }
            }
        }
        measure::remove_recorded_state(stores);
    }
    let report = Report::new(starts, samples);
    println!("\n{report}");
    if std::env::var_os("FEAST_BENCH_WRITE").is_some() {
        report.write(&docs());
    }
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

fn is_measured(provider: &Provider, stores: usize, limit: usize) -> bool {
    match provider.kind {
        // This takes a minute for ten stores.
        Kind::Manifest => stores <= limit.min(10),
        Kind::Typed | Kind::Kubectl | Kind::Helm => stores <= limit,
        Kind::Feast
        | Kind::OtherFeast
        | Kind::TerraformAlone
        | Kind::ApiServerAlone
        | Kind::TerraformData => true,
    }
}

fn number(variable: &str, default: usize) -> usize {
    numbers(variable, &[default])[0]
}

fn numbers(variable: &str, default: &[usize]) -> Vec<usize> {
    match std::env::var(variable) {
        Ok(text) => (text.split(','))
            .map(|part| part.trim().parse().unwrap())
            .collect(),
        Err(_) => default.to_vec(),
    }
}

/// Returns the path in an environment variable.
fn path(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}
