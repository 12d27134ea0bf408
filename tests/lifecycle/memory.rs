//! The memory of the provider with fifty feature stores. It must not grow by a tenth without a decision.
//!
//! # Assumptions
//!
//! The numbers are those of the debug build on Linux and x86_64 with the toolchain of `rust-toolchain.toml`. They
//! exclude the pages of the program file. Two settings make them independent of the machine: the number of worker
//! threads, which is otherwise that of the processors, and one arena of the C library's allocator, which otherwise has
//! up to eight for each processor.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use libtest_mimic::Completion;

use crate::lifecycle::requests::configuration;
use crate::lifecycle::store::StoreUnderTest;
use crate::support::usage::{Usage, Watched};

const STORES: usize = 50;

/// The operations and their flags.
const OPERATIONS: [(&str, &[&str]); 3] = [
    ("apply", &["-auto-approve"]),
    ("plan", &[]),
    ("destroy", &["-auto-approve"]),
];

/// The measurements of a baseline, which is the highest of them, and the attempts to stay within it. A busy machine can have
/// more requests in flight at the same time.
const ROUNDS: usize = 3;

/// The file with the baseline, relative to the package: one line for each operation with its peak in KiB.
const BASELINE: &str = "tests/lifecycle/memory.txt";

/// Peaks of memory in KiB, by operation.
type Peaks = BTreeMap<String, u64>;

pub fn fifty_stores_stay_within_the_baseline() -> Completion {
    if !cfg!(all(
        target_os = "linux",
        target_arch = "x86_64",
        debug_assertions
    )) {
        return Completion::ignored_with("the baseline is for debug builds on Linux and x86_64");
    }
    let mut test = StoreUnderTest::new("memory");
    (test.terraform)
        .environment("TOKIO_WORKER_THREADS", "2")
        .environment("MALLOC_ARENA_MAX", "1");
    let text = configuration(STORES, "100m");
    test.terraform.write("main.tf", &text).unwrap();

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(BASELINE);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let mut highest = measure(&test);
        for _ in 1..ROUNDS {
            merge(&mut highest, measure(&test), u64::max);
        }
        std::fs::write(&file, format(&highest)).unwrap();
        return Completion::Completed;
    }
    let baseline = parse(&std::fs::read_to_string(&file).unwrap());
    let mut lowest = measure(&test);
    for _ in 1..ROUNDS {
        if exceeded(&baseline, &lowest).is_empty() {
            break;
        }
        merge(&mut lowest, measure(&test), u64::min);
    }
    let exceeded = exceeded(&baseline, &lowest);
    assert!(
        exceeded.is_empty(),
        "The provider needs more memory for {STORES} feature stores than {BASELINE} permits:\n{}\nFind the cause. If the \
         growth is intended, write the new numbers: `UPDATE_EXPECT=1 cargo test --test lifecycle memory::`",
        exceeded.join("\n")
    );
    Completion::Completed
}

/// Creates, plans and destroys the stores, and returns the peaks.
fn measure(test: &StoreUnderTest) -> Peaks {
    let measured = OPERATIONS.map(|(operation, flags)| {
        let arguments = [&[operation, "-no-color", "-input=false"], flags].concat();
        let mut command = test.terraform.command(&arguments);
        let mut terraform = command.stdout(Stdio::null()).spawn().unwrap();
        let watched = Watched::wait(&mut terraform);
        assert!(watched.exit.success(), "terraform {arguments:?}");
        let peaks = watched.providers.iter();
        let peak = peaks.map(|Usage { peak, files, .. }| peak.saturating_sub(*files));
        (operation.to_owned(), peak.max().unwrap())
    });
    eprintln!("memory: {measured:?} KiB");
    measured.into()
}

/// Replaces each peak by the one that `choose` returns for both.
fn merge(peaks: &mut Peaks, others: Peaks, choose: fn(u64, u64) -> u64) {
    for (operation, other) in others {
        let peak = peaks.entry(operation).or_insert(other);
        *peak = choose(*peak, other);
    }
}

/// Returns a line for each operation whose peak is a tenth above the baseline.
fn exceeded(baseline: &Peaks, peaks: &Peaks) -> Vec<String> {
    let exceeded = peaks.iter().filter_map(|(operation, peak)| {
        let expected = baseline[operation];
        (*peak * 10 > expected * 11)
            .then(|| format!("{operation}: {peak} KiB, and {expected} KiB in the baseline"))
    });
    exceeded.collect()
}

fn format(peaks: &Peaks) -> String {
    let lines = peaks
        .iter()
        .map(|(operation, peak)| format!("{operation} {peak}\n"));
    lines.collect()
}

fn parse(text: &str) -> Peaks {
    let lines = text.lines().map(|line| {
        let (operation, peak) = line.split_once(' ').unwrap();
        (operation.to_owned(), peak.parse().unwrap())
    });
    lines.collect()
}
