//! The scan, and its report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures::StreamExt;
use futures::future::BoxFuture;
use terraform_provider_feast::schema::{Value, encode};

use super::api_server::ApiServer;
use super::bases::{Base, bases};
use super::cases::{Case, cases};
use super::outcome::{Bodies, bodies, validate};
use super::slots::attribute_paths;
use super::{WITHOUT_VALUE, block};

/// The number of values in a dry run.
const BATCH: usize = 32;

/// The number of dry runs at the same time.
const CONCURRENT: usize = 8;

pub struct Scan {
    bases: Vec<Base>,
    configs: Vec<Value>,
    /// The objects of each base.
    bodies: Vec<Bodies>,
    api_server: ApiServer,
    is_strict: bool,
}

#[derive(Default)]
pub struct Report {
    summary: String,
    /// For each attribute, the values that validate rejects and the API server accepts.
    stricter: BTreeMap<String, Vec<String>>,
    /// The values that only the API server rejects, the attributes without a valid value, and the entries of
    /// [`WITHOUT_VALUE`] to remove.
    pub failures: Vec<String>,
}

impl Report {
    pub fn print(&self) {
        eprintln!("{}", self.summary);
        for (attribute, values) in &self.stricter {
            let count = values.len();
            eprintln!("validate is stricter than the API server: {attribute}, {count} values:");
            for value in values {
                eprintln!("    {value}");
            }
        }
    }
}

impl Scan {
    /// Reads the bases, and checks that they are valid.
    pub async fn new(api_server: ApiServer, is_strict: bool) -> Self {
        let bases = bases();
        let configs = bases
            .iter()
            .map(|base| encode(&block().attributes, &base.config));
        let mut scan = Self {
            configs: configs.collect(),
            bases,
            bodies: Vec::new(),
            api_server,
            is_strict,
        };
        let mut invalid = Vec::new();
        for (base, config) in scan.bases.iter().zip(&scan.configs) {
            let bodies = validate(block(), config, true)
                .and_then(|config| bodies(&config, scan.api_server.namespace()));
            let result = match bodies {
                Ok(bodies) => {
                    let result = scan.api_server.dry_run(&bodies, &Bodies::new()).await;
                    scan.bodies.push(bodies);
                    result
                }
                Err(message) => Err(message),
            };
            invalid.extend(result.err().map(|it| format!("{}: {it}", base.name)));
        }
        assert_eq!(invalid, Vec::<String>::new());
        scan
    }

    /// Returns the base with the values of these cases, which are for different attributes of one base.
    fn config(&self, cases: &[&Case]) -> Value {
        let mut config = self.configs[cases[0].base].clone();
        for case in cases {
            if let Some(value) = config.get_mut(&case.path) {
                *value = case.value.clone();
            }
        }
        config
    }

    pub async fn run(self, only: &str, all: bool) -> Report {
        let started = Instant::now();
        let cases: Vec<Case> = cases(&self.configs, only, all);
        let scan = Arc::new(self);
        let validated = Arc::clone(&scan).validate_all(&cases).await;
        let validation_time = started.elapsed();

        let mut report = Report::default();
        let mut accepted: Vec<Case> = Vec::new();
        let mut rejected: Vec<(Case, String)> = Vec::new();
        for (case, validated) in cases.iter().cloned().zip(validated) {
            match validated {
                Ok(()) => accepted.push(case),
                Err(message) => rejected.push((case, message)),
            }
        }
        let attributes: BTreeSet<&str> = cases.iter().map(|case| &*case.attribute).collect();
        let with_value: BTreeSet<&str> = (cases.iter().filter(|case| case.is_set))
            .chain(&accepted)
            .map(|case| &*case.attribute)
            .collect();
        let failures = Arc::clone(&scan).check_all(&accepted).await;
        report.summary = format!(
            "odd values: {} attributes, {} values: {} rejected by validate, {} accepted by both, {} rejected only by the \
             API server; {} dry runs, {:.0} + {:.0} s",
            attributes.len(),
            cases.len(),
            rejected.len(),
            accepted.len() - failures.len(),
            failures.len(),
            scan.api_server.count(),
            validation_time.as_secs_f64(),
            (started.elapsed() - validation_time).as_secs_f64(),
        );
        report.failures = failures;
        if all {
            let without_value = attributes.difference(&with_value);
            report.failures.extend(
                without_value
                    .filter(|path| !WITHOUT_VALUE.contains(path))
                    .map(|path| format!("{path}: no value is accepted")),
            );
        }
        report.failures.extend(entries_to_remove(&with_value));
        if scan.is_strict {
            report.stricter = scan.stricter(rejected).await;
        }
        report
    }

    /// Validates each case by itself, on all processors.
    async fn validate_all(self: Arc<Self>, cases: &[Case]) -> Vec<Result<(), String>> {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let size = cases.len().div_ceil(threads * 8).max(1);
        let chunks: Vec<Vec<Case>> = cases.chunks(size).map(<[Case]>::to_vec).collect();
        let validated = futures::stream::iter(chunks).map(|chunk| {
            let scan = Arc::clone(&self);
            tokio::task::spawn_blocking(move || {
                let validate =
                    |case: &Case| validate(block(), &scan.config(&[case]), true).map(drop);
                chunk.iter().map(validate).collect::<Vec<_>>()
            })
        });
        let validated: Vec<_> = validated.buffered(threads).collect().await;
        validated.into_iter().flat_map(Result::unwrap).collect()
    }

    /// Returns a message for each value that the API server rejects.
    async fn check_all(self: Arc<Self>, cases: &[Case]) -> Vec<String> {
        let batches = batches(cases);
        let (total, done) = (batches.len(), AtomicUsize::new(0));
        let results: Vec<Vec<String>> = futures::stream::iter(batches)
            .map(|batch| {
                let scan = Arc::clone(&self);
                tokio::spawn(async move { scan.check(&batch).await })
            })
            .buffer_unordered(CONCURRENT)
            .map(|result| {
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                if done % 500 == 0 {
                    eprintln!("odd values: {done} of {total} batches");
                }
                result.unwrap()
            })
            .collect()
            .await;
        let mut failures: Vec<String> = results.into_iter().flatten().collect();
        failures.sort();
        failures
    }

    /// Checks values that validate accepts, each by itself: together if possible, or else each half.
    fn check<'a>(&'a self, cases: &'a [Case]) -> BoxFuture<'a, Vec<String>> {
        Box::pin(async move {
            let base = cases[0].base;
            let together = self.config(&cases.iter().collect::<Vec<_>>());
            let bodies = validate(block(), &together, true)
                .and_then(|config| bodies(&config, self.api_server.namespace()));
            let message = match bodies {
                // A value that the content of a Secret contradicts is rejected before anything is written.
                Err(_) if cases.len() == 1 => return Vec::new(),
                Err(message) => message,
                Ok(bodies) => match self.api_server.dry_run(&bodies, &self.bodies[base]).await {
                    Ok(()) => return Vec::new(),
                    Err(message) => message,
                },
            };
            if let [case] = cases {
                let failure = format!("{}: {message}", self.describe(case));
                eprintln!("{failure}");
                return vec![failure];
            }
            let (left, right) = cases.split_at(cases.len() / 2);
            [self.check(left).await, self.check(right).await].concat()
        })
    }

    fn describe(&self, case: &Case) -> String {
        let Case {
            base, path, value, ..
        } = case;
        format!("{path} = {value:?} in {:?}", self.bases[*base].name)
    }

    /// Returns the values that validate rejects and the API server accepts, by attribute.
    async fn stricter(&self, rejected: Vec<(Case, String)>) -> BTreeMap<String, Vec<String>> {
        let mut stricter: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (case, message) in rejected {
            let config = validate(block(), &self.config(&[&case]), false);
            let bodies = config.and_then(|config| bodies(&config, self.api_server.namespace()));
            if let Ok(bodies) = bodies
                && (self
                    .api_server
                    .dry_run(&bodies, &self.bodies[case.base])
                    .await)
                    .is_ok()
            {
                let values = stricter.entry(case.attribute.clone()).or_default();
                values.push(format!("{:?}: {message}", case.value));
            }
        }
        stricter
    }
}

/// Returns a message for each entry of [`WITHOUT_VALUE`] that is not an attribute, or that is in `with_value`.
fn entries_to_remove(with_value: &BTreeSet<&str>) -> Vec<String> {
    let known = attribute_paths(&block().attributes);
    let mut messages = Vec::new();
    for &entry in WITHOUT_VALUE {
        let reason = if !known.contains(entry) {
            "the schema has no such attribute"
        } else if with_value.contains(entry) {
            "a value is accepted"
        } else {
            continue;
        };
        messages.push(format!(
            "{entry}: {reason}: remove it from WITHOUT_VALUE in tests/lifecycle/odd_values.rs"
        ));
    }
    messages
}

/// Distributes cases to batches, each with one base and attributes of which none contains another.
fn batches(cases: &[Case]) -> Vec<Vec<Case>> {
    let mut open: Vec<Vec<Case>> = Vec::new();
    let mut full: Vec<Vec<Case>> = Vec::new();
    // Neighbors are values of one attribute, so they go to different batches.
    for case in cases {
        let fits = |batch: &Vec<Case>| {
            batch[0].base == case.base && !batch.iter().any(|it| it.path.overlaps(&case.path))
        };
        match open.iter().position(fits) {
            Some(index) => {
                open[index].push(case.clone());
                if open[index].len() == BATCH {
                    full.push(open.swap_remove(index));
                }
            }
            None => open.push(vec![case.clone()]),
        }
    }
    full.extend(open);
    full
}
