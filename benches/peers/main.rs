//! This provider beside its peers: the same twelve objects for each feature store, by the same `terraform`, on
//! the same real API server, in turn.
//!
//! `cargo bench --bench peers` builds the release binary, starts the testbed and measures. A peer takes part
//! when the path of its binary is given:
//!
//! | variable | peer |
//! |---|---|
//! | `FEAST_BENCH_KUBERNETES` | hashicorp/kubernetes, typed resources and `kubernetes_manifest` |
//! | `FEAST_BENCH_KUBECTL` | gavinbunney/kubectl |
//! | `FEAST_BENCH_HELM` | hashicorp/helm |
//!
//! `FEAST_BENCH_FEAST` names another binary of this provider than the one just built, to compare two versions.
//!
//! `FEAST_BENCH_STORES=1,10,50,200` says how many stores, `FEAST_BENCH_PEERS_UP_TO=50` up to which number the
//! peers are measured, `FEAST_BENCH_ROUNDS=3` how often for up to ten stores (medians are printed; more stores are
//! measured once), and `FEAST_BENCH_WRITE=1` writes the tables and the plot of `docs/performance.md`. Slow as it is,
//! `kubernetes_manifest` is measured once, and with no more than ten stores. Everything takes about a quarter of an
//! hour on a quiet machine.
#![allow(clippy::unwrap_used, reason = "a panic is how a measurement fails")]
#![allow(clippy::print_stdout, reason = "it talks to the person who runs it")]

mod contestants;
mod measure;
mod report;
mod start;

#[path = "../../tests/support/terraform.rs"]
mod terraform;
#[path = "../../tests/support/testbed.rs"]
mod testbed;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use contestants::{Contestant, Kind};
use measure::{Bench, Operation, Sample};
use report::Report;
use testbed::{ControlPlane, Options, Progress, Tool, tools};

/// The samples of each operation, by number of stores and contestant.
type Samples = BTreeMap<(usize, Kind), BTreeMap<Operation, Vec<Sample>>>;

fn main() {
    // `cargo bench` hands on `--bench`; `cargo test --benches` does not, and must not measure.
    if !std::env::args().any(|argument| argument == "--bench") {
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
    let contestants = contestants::all();

    let starts = (contestants.iter().filter(|it| it.kind.has_a_process()))
        .map(|contestant| (contestant.kind, start::measure(contestant, terraform)))
        .collect();

    let limit = number("FEAST_BENCH_PEERS_UP_TO", 50);
    let mut samples = Samples::new();
    for stores in numbers("FEAST_BENCH_STORES", &[1, 10, 50, 200]) {
        let rounds = match stores {
            ..=10 => number("FEAST_BENCH_ROUNDS", 3),
            _ => 1,
        };
        for round in 1..=rounds {
            for contestant in &contestants {
                let again = contestant.kind == Kind::Manifest && round > 1;
                if again || !takes_part(contestant, stores, limit) {
                    continue;
                }
                println!(
                    "{stores} stores, round {round} of {rounds}: {}",
                    contestant.kind
                );
                let bench = Bench::new(&control_plane, terraform, contestant, stores);
                let all = samples.entry((stores, contestant.kind)).or_default();
                for (operation, sample) in bench.run() {
                    println!("  {operation:<22} {sample}");
                    all.entry(operation).or_default().push(sample);
                }
            }
        }
    }
    control_plane.stop();
    let report = Report::new(starts, samples);
    println!("\n{report}");
    if std::env::var_os("FEAST_BENCH_WRITE").is_some() {
        report.write(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs"));
    }
}

fn takes_part(contestant: &Contestant, stores: usize, limit: usize) -> bool {
    match contestant.kind {
        Kind::Feast | Kind::Trivial => true,
        // A minute for ten stores.
        Kind::Manifest => stores <= limit.min(10),
        Kind::Typed | Kind::Kubectl | Kind::Helm => stores <= limit,
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

/// A path that a variable names.
fn path(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}
