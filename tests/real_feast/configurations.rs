//! Feast accepts every valid configuration: random configurations are rendered, and the real Feast loads each
//! `feature_store.yaml`, that of the servers, of the lineage server and of clients, without a key that it does not
//! know.
//!
//! `FEAST_CONFIGURATIONS=<number>` sets the number of valid configurations (default: 100), and
//! `FEAST_CONFIGURATIONS_SEED=<number>` repeats a run.

#[path = "configurations/generator.rs"]
mod generator;
#[path = "configurations/random.rs"]
mod random;

use std::env;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;
use terraform_provider_feast::feast::config::FeatureStore;
use terraform_provider_feast::feast::rules;
use terraform_provider_feast::kubernetes::{Key, Kind};

use crate::real_feast::lab;
use random::Random;

const LOAD: &str = include_str!("configurations/load.py");

pub fn feast_loads_every_rendered_file() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let wanted = number("FEAST_CONFIGURATIONS").unwrap_or(100);
    let seed = number("FEAST_CONFIGURATIONS_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        u64::from(now.subsec_nanos()) + 1
    });
    let folder = lab::folder("configurations");
    let mut random = Random::new(seed);
    let (mut valid, mut tried) = (0, 0);
    while valid < wanted {
        let configuration = generator::feature_store(&mut random);
        tried += 1;
        assert!(
            tried < 10 * wanted,
            "seed {seed}: too few configurations are valid: {configuration}"
        );
        let store: FeatureStore = serde_json::from_value(configuration.clone()).unwrap();
        if rules::check(&store).is_empty() {
            for (name, text) in files(&configuration) {
                fs::write(folder.join(format!("{valid}-{name}.yaml")), text).unwrap();
            }
            let text = configuration.to_string();
            fs::write(folder.join(format!("{valid}.json")), text).unwrap();
            valid += 1;
        }
    }
    let output = lab::python()
        .run(LOAD, &[&folder.to_string_lossy()])
        .unwrap();
    let output: Json = serde_json::from_str(output.trim()).unwrap();
    let loaded = output["loaded"].as_u64().unwrap();
    assert!(
        loaded > wanted,
        "seed {seed}: only {loaded} files were loaded"
    );
    let failed = output["failed"].as_array().unwrap();
    if let Some(first) = failed.first() {
        let file = first["file"].as_str().unwrap();
        let number = file.split('-').next().unwrap();
        let read = |name: String| fs::read_to_string(folder.join(name)).unwrap();
        panic!(
            "seed {seed}: Feast does not load {} of {loaded} files.\nThe first: {}\n{}\n{}",
            failed.len(),
            first["problem"].as_str().unwrap(),
            read(file.to_owned()),
            read(format!("{number}.json"))
        );
    }
}

/// Returns the files for the servers, the lineage server and clients, as an apply writes them.
fn files(configuration: &Json) -> Vec<(&'static str, String)> {
    let (_, objects) = lab::resolve(configuration, &generator::secrets());
    let secret = lab::decoded(&objects.manifests[&Key::new(Kind::Secret, "feast-demo")]);
    let client = &objects.manifests[&Key::new(Kind::ConfigMap, "feast-demo-client")];
    let client = client["data"]["feature_store.yaml"].as_str().unwrap();
    let mut files = vec![("servers", secret["feature_store.yaml"].clone())];
    let lineage = secret.get("lineage_feature_store.yaml");
    files.extend(lineage.map(|text| ("lineage", text.clone())));
    // Without a registry server, clients must add a registry, without which Feast loads no configuration.
    if client.contains("\nregistry:") {
        files.push(("client", client.to_owned()));
    }
    files
}
