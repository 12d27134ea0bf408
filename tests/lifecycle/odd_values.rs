//! Odd values for every attribute: validate rejects what the API server rejects.
//!
//! The scan walks the schema, so it includes every attribute. It sets each attribute of the valid configurations in
//! [`bases`] to each of the [`values`] for its type. What the provider's validation accepts is rendered and applied to a
//! real API server as a dry run. A value that only the API server rejects is a failure.
//!
//! `FEAST_ODD_VALUES=<text>` restricts the scan to attributes whose path contains the text. With
//! `FEAST_ODD_VALUES_STRICT=1`, the scan also prints for which attributes validate rejects values that the API server
//! accepts.

#[path = "odd_values/api_server.rs"]
mod api_server;
#[path = "odd_values/bases.rs"]
mod bases;
#[path = "odd_values/outcome.rs"]
mod outcome;
#[path = "odd_values/slots.rs"]
mod slots;
#[path = "odd_values/values.rs"]
mod values;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use futures::StreamExt;
use kube::config::Kubeconfig;
use terraform_provider_feast::provider::Feast;
use terraform_provider_feast::schema::{Block, Path, Provider, Value, encode};

use crate::lifecycle::{keda, lab};
use api_server::ApiServer;
use bases::{Base, bases};
use outcome::{Bodies, Outcome, outcome};
use slots::{attribute_paths, slots};
use values::odd_values;

/// Attributes that validate cannot judge, with the reason.
const EXCEPTIONS: &[(&str, &str)] = &[("namespace", "the namespace must exist in the cluster")];

/// A value for one attribute of a base.
struct Case {
    base: usize,
    attribute: String,
    path: Path,
    value: Value,
}

enum Verdict {
    Accepted,
    RejectedByValidate { message: String, by_server: bool },
    RejectedBySecrets { message: String },
    RejectedByServer { message: String },
}

struct Scan {
    bases: Vec<Base>,
    configs: Vec<Value>,
    bodies: Vec<Bodies>,
    api_server: ApiServer,
    /// Objects that the API server has accepted.
    accepted: Mutex<HashSet<u64>>,
    is_strict: bool,
}

fn block() -> &'static Block {
    static FEAST: OnceLock<Feast> = OnceLock::new();
    let feast = FEAST.get_or_init(Feast::new);
    &feast.registry().resources["feast_feature_store"]
        .schema()
        .block
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Scan {
    async fn new(api_server: ApiServer) -> Self {
        let bases = bases();
        let mut scan = Self {
            configs: Vec::new(),
            bodies: Vec::new(),
            api_server,
            accepted: Mutex::default(),
            is_strict: std::env::var_os("FEAST_ODD_VALUES_STRICT").is_some(),
            bases: Vec::new(),
        };
        for base in &bases {
            let config = encode(&block().attributes, &base.config);
            let bodies = match outcome(block(), &config, &scan.api_server.namespace, true) {
                Outcome::Objects(bodies) => bodies,
                Outcome::Rejected { message } | Outcome::Unresolved { message } => {
                    panic!("{}: {message}", base.name)
                }
            };
            let result = scan.dry_run(&bodies, &Bodies::new()).await;
            assert_eq!(result, Ok(()), "{}", base.name);
            scan.configs.push(config);
            scan.bodies.push(bodies);
        }
        scan.bases = bases;
        scan
    }

    /// Returns the cases of each attribute that the text `only` selects. An attribute that no base sets has the cases of
    /// the first base that has its block.
    fn cases(&self, only: &str) -> Vec<Case> {
        let mut found: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for (base, config) in self.configs.iter().enumerate() {
            for slot in slots(&block().attributes, config) {
                let of_attribute = found.entry(slot.attribute_path.clone()).or_default();
                of_attribute.push((base, slot));
            }
        }
        let missing: Vec<String> = (attribute_paths(&block().attributes).into_iter())
            .filter(|path| !found.contains_key(path))
            .collect();
        assert_eq!(
            missing,
            Vec::<String>::new(),
            "tests/lifecycle/odd_values/bases.rs has no block for these attributes"
        );
        let mut cases = Vec::new();
        for (attribute, mut places) in found {
            let is_exception = EXCEPTIONS.iter().any(|(path, _)| *path == attribute);
            if is_exception || !attribute.contains(only) {
                continue;
            }
            if places.iter().any(|(_, slot)| !slot.current.is_null()) {
                places.retain(|(_, slot)| !slot.current.is_null());
            } else {
                places.truncate(1);
            }
            let mut distinct = HashSet::new();
            for (base, slot) in places {
                if !distinct.insert(format!("{:?}", slot.current)) {
                    continue;
                }
                for value in odd_values(slot.attribute, &slot.current) {
                    cases.push(Case {
                        base,
                        attribute: attribute.clone(),
                        path: slot.path.clone(),
                        value,
                    });
                }
            }
        }
        cases
    }

    async fn verdict(&self, case: &Case) -> Verdict {
        let namespace = &self.api_server.namespace;
        let mut config = self.configs[case.base].clone();
        *config.get_mut(&case.path).unwrap() = case.value.clone();
        let base = &self.bodies[case.base];
        match outcome(block(), &config, namespace, true) {
            Outcome::Objects(bodies) => match self.dry_run(&bodies, base).await {
                Ok(()) => Verdict::Accepted,
                Err(message) => Verdict::RejectedByServer { message },
            },
            Outcome::Unresolved { message } => Verdict::RejectedBySecrets { message },
            Outcome::Rejected { message } => {
                let lenient = || outcome(block(), &config, namespace, false);
                let lenient = self
                    .is_strict
                    .then(|| catch_unwind(AssertUnwindSafe(lenient)));
                let by_server = match lenient {
                    Some(Ok(Outcome::Objects(bodies))) => {
                        self.dry_run(&bodies, base).await.is_err()
                    }
                    _ => true,
                };
                Verdict::RejectedByValidate { message, by_server }
            }
        }
    }

    /// Applies the objects that are not in `known` as a dry run.
    async fn dry_run(&self, bodies: &Bodies, known: &Bodies) -> Result<(), String> {
        for (key, body) in bodies {
            if known.get(key) == Some(body) {
                continue;
            }
            let object = hash(&(key, body.to_string()));
            if self.accepted.lock().unwrap().contains(&object) {
                continue;
            }
            let result = self.api_server.dry_run(key, body).await;
            result.map_err(|message| format!("{key}: {message}"))?;
            self.accepted.lock().unwrap().insert(object);
        }
        Ok(())
    }
}

pub fn validate_rejects_what_the_api_server_rejects() {
    let control_plane = lab::own_control_plane();
    let namespace = control_plane.namespace("odd").unwrap();
    keda::install(namespace.cluster());
    let kubeconfig = Kubeconfig::read_from(namespace.cluster().kubeconfig()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = Default::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options);
        let client = kube::Client::try_from(config.await.unwrap()).unwrap();
        let namespace = namespace.name().to_owned();
        scan(ApiServer { client, namespace }).await;
    });
}

async fn scan(api_server: ApiServer) {
    let started = Instant::now();
    let only = std::env::var("FEAST_ODD_VALUES").unwrap_or_default();
    let scan = Arc::new(Scan::new(api_server).await);
    let cases = scan.cases(&only);
    let attributes: BTreeSet<&str> = cases.iter().map(|case| case.attribute.as_str()).collect();
    let attributes: BTreeSet<String> = attributes.into_iter().map(str::to_owned).collect();
    let total = cases.len();
    let verdicts: Vec<(Case, Verdict)> = futures::stream::iter(cases)
        .map(|case| {
            let scan = Arc::clone(&scan);
            tokio::spawn(async move {
                let verdict = scan.verdict(&case).await;
                (case, verdict)
            })
        })
        .buffer_unordered(16)
        .map(Result::unwrap)
        .collect()
        .await;

    let mut rejected = 0;
    let mut accepted = 0;
    let mut untested = attributes.clone();
    let mut failures = Vec::new();
    let mut stricter: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (case, verdict) in &verdicts {
        let Case {
            base,
            attribute,
            path,
            value,
        } = case;
        let base = scan.bases[*base].name;
        match verdict {
            Verdict::Accepted => {
                accepted += 1;
                untested.remove(attribute);
            }
            Verdict::RejectedByValidate { message, by_server } => {
                rejected += 1;
                if message.starts_with("DEFECT") {
                    failures.push(format!("{path} of {base} = {value:?}: {message}"));
                }
                if !by_server {
                    let values = stricter.entry(attribute).or_default();
                    values.push(format!("{value:?}: {message}"));
                }
            }
            Verdict::RejectedBySecrets { message } => {
                failures.push(format!("{path} of {base} = {value:?}: SECRET {message}"));
            }
            Verdict::RejectedByServer { message } => {
                untested.remove(attribute);
                failures.push(format!("{path} of {base} = {value:?}: {message}"));
            }
        }
    }
    failures.extend(
        untested
            .iter()
            .map(|path| format!("{path}: no value is accepted")),
    );
    eprintln!(
        "odd values: {} attributes, {total} values: {rejected} rejected by validate, {accepted} accepted by both, {} \
         objects, {:.0} s",
        attributes.len(),
        scan.accepted.lock().unwrap().len(),
        started.elapsed().as_secs_f64(),
    );
    for (attribute, values) in stricter {
        eprintln!(
            "stricter than the API server: {attribute}: {}",
            values.len()
        );
        for value in values {
            eprintln!("    {value}");
        }
    }
    failures.sort();
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
