//! Recordings of the Feast operator: custom resources, and the operator's objects for them.
//!
//! A case is a folder with `cr.yaml` (the custom resource), `prereq.yaml` (the Secrets, ConfigMaps, PVCs and other
//! feature stores that it uses, if any) and the result of the operator. The repository has the result in a compact
//! form, `operator.yaml`. The recorder writes `result.json` and `as_sent.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::differences::Objects;
use super::provider_objects::documents;

/// A custom resource, and the result of the operator.
pub struct Recording {
    pub case: String,
    pub custom_resources: Vec<Json>,
    /// The prerequisites of the custom resources: Secrets, ConfigMaps, PVCs, other FeatureStores.
    pub prerequisites: Vec<Json>,
    pub outcome: Outcome,
}

impl Recording {
    /// Returns the custom resources and the FeatureStores that they reference.
    pub fn stores(&self) -> impl Iterator<Item = &Json> {
        let all = self.custom_resources.iter().chain(&self.prerequisites);
        all.filter(|document| document["kind"] == "FeatureStore")
    }
}

/// The result of the operator.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The status phase of each FeatureStore, such as `Ready` or `Failed`; empty if the API server rejected it.
    pub phases: BTreeMap<String, String>,
    /// The conditions that were not true at the end, as `status/reason: message`, by FeatureStore and type.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_ready: BTreeMap<String, BTreeMap<String, String>>,
    /// The objects by `Kind/name`, as the operator first wrote them.
    pub objects: Objects,
}

impl Outcome {
    /// Returns whether the operator failed to create the feature store.
    pub fn is_failure(&self) -> bool {
        self.phases.is_empty() || self.phases.values().any(|phase| phase == "Failed")
    }
}

/// Returns the folder of the recordings in the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle")
}

/// Returns all cases in `<folder>/cases`, sorted by name.
pub fn read_all(folder: &Path) -> Vec<Recording> {
    let mut folders: Vec<PathBuf> = fs::read_dir(folder.join("cases"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    assert!(
        !folders.is_empty(),
        "there is no case in {}",
        folder.display()
    );
    folders.iter().map(|folder| read(folder)).collect()
}

/// Returns the custom resources in a file, which is a list in JSON.
pub fn list(path: &Path) -> Vec<Json> {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let cases: Vec<Json> = serde_json::from_str(&text).unwrap();
    assert!(!cases.is_empty(), "there is no case in {}", path.display());
    cases
}

fn read(folder: &Path) -> Recording {
    let case = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let text = |file: &str| {
        let path = folder.join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let optional = |file: &str| folder.join(file).exists().then(|| text(file));
    let outcome = match optional("operator.yaml") {
        Some(outcome) => serde_saphyr::from_str(&outcome)
            .unwrap_or_else(|error| panic!("{case}/operator.yaml: {error}")),
        None => from_recorder(&text("result.json"), &text("as_sent.json")),
    };
    Recording {
        custom_resources: documents(&text("cr.yaml")),
        prerequisites: optional("prereq.yaml").map_or(Vec::new(), |text| documents(&text)),
        outcome,
        case,
    }
}

/// Reads a result in the form of the recorder.
fn from_recorder(result: &str, sent: &str) -> Outcome {
    #[derive(Deserialize)]
    struct Result {
        #[serde(default)]
        phase: BTreeMap<String, String>,
        #[serde(default, rename = "notReady")]
        not_ready: BTreeMap<String, BTreeMap<String, String>>,
    }
    #[derive(Deserialize)]
    struct Write {
        object: Json,
    }
    let result: Result = serde_json::from_str(result).unwrap();
    let sent: BTreeMap<String, Write> = serde_json::from_str(sent).unwrap();
    Outcome {
        phases: result.phase,
        not_ready: (result.not_ready.into_iter())
            .filter(|(_, conditions)| !conditions.is_empty())
            .collect(),
        objects: (sent.into_iter())
            .map(|(key, write)| (key, write.object))
            .collect(),
    }
}

/// Writes a recording in the form of the repository.
pub fn write(recording: &Recording) {
    let folder = repository().join("cases").join(&recording.case);
    fs::create_dir_all(&folder).unwrap();
    let all = |documents: &[Json]| {
        let texts = documents
            .iter()
            .map(|it| serde_saphyr::to_string(it).unwrap());
        texts.collect::<Vec<_>>().join("---\n")
    };
    fs::write(folder.join("cr.yaml"), all(&recording.custom_resources)).unwrap();
    if !recording.prerequisites.is_empty() {
        fs::write(folder.join("prereq.yaml"), all(&recording.prerequisites)).unwrap();
    }
    let outcome = serde_saphyr::to_string(&recording.outcome).unwrap();
    fs::write(folder.join("operator.yaml"), outcome).unwrap();
}

/// Imports the recordings of a folder into the repository, cases and lists.
pub fn import(folder: &Path) {
    read_all(folder).iter().for_each(write);
    for (file, kept) in [
        ("rejected.json", &["case", "stage", "error", "cr"]),
        (
            "accepted_though_odd.json",
            &["case", "accepted_phase", "error", "cr"],
        ),
    ] {
        // One line for each case.
        let lines: Vec<String> = (list(&folder.join(file)).iter())
            .map(|case| {
                let fields = kept.iter().filter_map(|key| Some((*key, case.get(key)?)));
                serde_json::to_string(&fields.collect::<BTreeMap<_, _>>()).unwrap()
            })
            .collect();
        let text = format!("[\n{}\n]\n", lines.join(",\n"));
        fs::write(repository().join(file), text).unwrap();
    }
}
