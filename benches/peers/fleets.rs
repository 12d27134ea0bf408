//! Many feature stores in one state: the seconds, the memory and the requests of each operation, for several values of
//! Terraform's `-parallelism`.

use std::fmt::Write;
use std::path::Path;

use crate::measure::{Bench, Operation, Sample};
use crate::providers;
use crate::report::{self, megabytes};
use crate::testbed::ControlPlane;
use crate::{docs, measured, numbers};

/// The line in docs/performance.md after which the table is written.
const BEGIN: &str =
    "<!-- Written by `FEAST_BENCH_WRITE=1 cargo bench --bench peers -- fleets`. -->";

const OPERATIONS: [Operation; 5] = [
    Operation::FirstPlan,
    Operation::Apply,
    Operation::NoOpPlan,
    Operation::OneChange,
    Operation::Destroy,
];

/// The nodes of the testbed have no room for the pods of 1,000 stores.
const LARGE_NODE: &str = r#"{
  "apiVersion": "v1", "kind": "Node",
  "metadata": {
    "name": "node-large",
    "annotations": {
      "kwok.x-k8s.io/node": "fake",
      "metrics.k8s.io/resource-metrics-path": "/metrics/nodes/node-large/metrics/resource"
    },
    "labels": {"kubernetes.io/hostname": "node-large", "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
  },
  "status": {
    "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": "localhost"}],
    "capacity": {"cpu": "10000", "memory": "100Ti", "ephemeral-storage": "100Ti", "pods": "20000"},
    "allocatable": {"cpu": "10000", "memory": "100Ti", "ephemeral-storage": "100Ti", "pods": "20000"}
  }
}"#;

/// Measures this provider with each number of stores, and prints a table for each.
pub fn measure(control_plane: &ControlPlane, terraform: &Path) {
    let feast = &providers::all()[0];
    control_plane.apply(LARGE_NODE).unwrap();
    let mut text = format!("{}\n", report::machine());
    for stores in numbers("FEAST_BENCH_FLEETS", &[200, 1000]) {
        for parallelism in numbers("FEAST_BENCH_PARALLELISM", &[10, 50]) {
            println!("{stores} stores, -parallelism={parallelism}");
            let bench = Bench::new(control_plane, terraform, feast, stores, parallelism);
            let samples = bench.run();
            for (operation, sample) in &samples {
                println!("  {operation:<22} {sample}");
            }
            write!(text, "\n{}", table(stores, parallelism, &samples)).unwrap();
        }
        crate::measure::remove_recorded_state(stores);
    }
    println!("\n{text}");
    if std::env::var_os("FEAST_BENCH_WRITE").is_some() {
        measured::write_section(&docs().join("performance.md"), BEGIN, &text);
    }
}

fn table(stores: usize, parallelism: usize, samples: &[(Operation, Sample)]) -> String {
    let mut text = format!(
        "{stores} stores, `-parallelism={parallelism}`:\n\n\
         | operation | seconds | ms for each store | provider: CPU seconds, peak memory | Terraform: peak memory | requests |\n\
         |---|---|---|---|---|---|\n"
    );
    for (operation, sample) in samples.iter().filter(|(it, _)| OPERATIONS.contains(it)) {
        let seconds = sample.wall.as_secs_f64();
        writeln!(
            text,
            "| {operation} | {seconds:.1} | {:.0} | {:.1} s, {:.0} MB | {:.0} MB | {} |",
            seconds * 1e3 / stores as f64,
            sample.cpu.as_secs_f64(),
            megabytes(sample.memory),
            megabytes(sample.terraform_memory),
            report::requests(sample, None),
        )
        .unwrap();
    }
    text
}
