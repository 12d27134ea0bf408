//! A real tracking server of MLflow: each attribute of `mlflow` has the effect that its description promises, as the
//! API of MLflow shows it.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value as Json, json};

use crate::real_feast::feature_repository as repository;
use crate::real_feast::lab::{self, FeatureStoreInCluster};
use crate::support::feast::features::{expected_response, features_request, values};
use crate::support::feast::{Mlflow, Pod, Secrets};

const BASE: &str = "/feast-data";
const DEFINITIONS: &str = concat!(
    include_str!("repository/from_a_file.py"),
    include_str!("mlflow/definitions.py")
);
const MATERIALIZE: &str =
    "feast materialize-incremental --views driver_stats $(date -u +'%Y-%m-%dT%H:%M:%S')";
/// The experiment of the operations, and that of the runs.
const OPERATIONS: &str = "demo-ops";
const PROJECT: &str = "demo";

fn store(mlflow: Json) -> FeatureStoreInCluster {
    let configuration = json!({
        "name": "demo",
        "feastProject": PROJECT,
        "mlflow": mlflow,
        "services": {
            "offlineStore": {"server": {}},
            "registry": {"local": {"server": {}}},
            "ui": {},
        },
    });
    let mut store = lab::feature_store(&configuration, &Secrets::new(), None);
    store.environment.python = lab::mlflow();
    store
}

fn settings() -> Json {
    json!({
        "enabled": true,
        "trackingUri": Mlflow::URL,
        "uiUrl": "https://mlflow.example.com",
        "autoLogEntityDf": true,
        "entityDfMaxRows": 3,
        "logOperations": true,
        "opsExperimentSuffix": "-ops",
        "datasetSync": {
            "defaultFieldMapping": {"inputs.q": "question", "expectations.expected_response": "answer"},
            "watermarkKey": "synchronized",
            "defaultBatchSize": 2,
        },
    })
}

pub fn each_option_has_its_effect() {
    let store = store(settings());
    let mut pod = store.pod();
    Mlflow::start(&mut pod, &[]).unwrap();
    pod.make_services(&store.services()).unwrap();
    pod.run("feast-init").unwrap().success();
    repository::define(&pod, BASE, DEFINITIONS);
    pod.run("feast-apply").unwrap().success();
    let words = ["bash", "-c", MATERIALIZE];
    pod.exec("online", &words).unwrap().success();
    operations_are_logged(&pod);

    for server in pod.servers() {
        pod.start(&server).unwrap();
    }
    for server in pod.servers() {
        pod.wait_until_ready(&server).unwrap();
    }
    let url = "http://127.0.0.1:6566/get-online-features";
    let features = pod.post(url, &features_request()).unwrap();
    assert_eq!(values(&features), expected_response());
    // Servers have no active run, so they log no retrievals, and create no experiment for them.
    let experiments: Vec<_> = Mlflow::experiments(&pod).unwrap().into_keys().collect();
    assert_eq!(experiments, ["Default", OPERATIONS]);

    retrievals_are_logged(&pod, &store);
    the_web_ui_links_to_mlflow(&pod);
    retrievals_can_be_omitted(&pod);
    datasets_are_synchronized(&pod);
    plain_servers_reject_workspaces(&pod);
}

/// Returns the `n`th run with this name in an experiment. Lists in tags are sorted.
fn run(pod: &Pod<'_>, experiment: &str, name: &str, n: usize) -> Json {
    let runs = Mlflow::runs(pod, experiment).unwrap();
    let mut named = runs.iter().filter(|(found, _)| found == name);
    let Some((_, run)) = named.nth(n) else {
        panic!("{name}: {runs:#?}");
    };
    let mut run = run.clone();
    for tag in run["tags"].as_object_mut().unwrap().values_mut() {
        let mut words: Vec<&str> = tag.as_str().unwrap().split(',').collect();
        words.sort_unstable();
        *tag = json!(words.join(","));
    }
    run
}

/// By `feast apply` and materialization, in the experiment with the suffix.
fn operations_are_logged(pod: &Pod<'_>) {
    assert_eq!(
        run(pod, OPERATIONS, "apply_demo", 0),
        json!({
            "tags": {
                "feast.operation": "apply",
                "feast.project": PROJECT,
                "feast.entities_changed": "driver,question",
                "feast.entities_created": "driver,question",
                "feast.feature_services_changed": "trips",
                "feast.feature_services_created": "trips",
                "feast.feature_views_changed": "answers,driver_stats",
                "feast.feature_views_created": "answers,driver_stats",
            },
            "params": {},
            "metrics": [
                "feast.apply.entities_count",
                "feast.apply.feature_services_count",
                "feast.apply.feature_views_count",
            ],
            "artifacts": [],
        })
    );
    let materialization = run(pod, OPERATIONS, "materialize_incremental_demo", 0);
    assert_eq!(
        materialization["tags"],
        json!({
            "feast.operation": "materialize_incremental",
            "feast.project": PROJECT,
            "feast.materialize.feature_views": "driver_stats",
        })
    );
}

/// Runs a program with the configuration of clients, in a new folder.
fn run_client(pod: &Pod<'_>, name: &str, store: &FeatureStoreInCluster) {
    let folder = pod.path("online", BASE).join(name);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("feature_store.yaml"), store.client_yaml()).unwrap();
    let directory = format!("--chdir={BASE}/{name}");
    let program = include_str!("mlflow/retrievals.py");
    let words = ["env", &directory, "python", "-W", "ignore", "-c", program];
    pod.exec("online", &words).unwrap().success();
}

/// The tags that a historical retrieval with a data frame adds.
fn historical(rows: usize) -> Json {
    json!({
        "feast.project": PROJECT,
        "feast.retrieval_type": "historical",
        "feast.feature_service": "trips",
        "feast.feature_views": "driver_stats",
        "feast.feature_refs": "driver_stats:trips",
        "feast.feature_count": "1",
        "feast.entity_count": rows.to_string(),
        "feast.entity_df_type": "dataframe",
        "feast.entity_df_rows": rows.to_string(),
        "feast.entity_df_columns": "driver_id,event_timestamp",
    })
}

/// By clients, with the entity data frame if it is not too long.
fn retrievals_are_logged(pod: &Pod<'_>, store: &FeatureStoreInCluster) {
    run_client(pod, "training", store);
    for (name, rows, artifacts) in [
        ("2 rows", 2, json!(["entity_df.parquet"])),
        ("4 rows", 4, json!([])),
    ] {
        let run = run(pod, PROJECT, name, 0);
        let expected = (
            historical(rows),
            json!(["feast.job_submission_sec"]),
            artifacts,
        );
        let found = (&run["tags"], &run["metrics"], &run["artifacts"]);
        assert_eq!(found, (&expected.0, &expected.1, &expected.2), "{name}");
    }
    let online = run(pod, PROJECT, "online", 0);
    assert_eq!(
        online["tags"],
        json!({
            "feast.project": PROJECT,
            "feast.retrieval_type": "online",
            "feast.feature_service": "trips",
            "feast.feature_views": "driver_stats",
            "feast.feature_refs": "driver_stats:trips",
            "feast.feature_count": "1",
            "feast.entity_count": "3",
        })
    );
}

fn the_web_ui_links_to_mlflow(pod: &Pod<'_>) {
    let answer = pod.get("http://127.0.0.1:8888/api/mlflow-runs").unwrap();
    assert_eq!(
        answer["mlflow_uri"], "https://mlflow.example.com",
        "{answer:#}"
    );
    let runs = answer["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 3, "{answer:#}");
    let link = runs[0]["mlflow_url"].as_str().unwrap();
    assert!(
        link.starts_with("https://mlflow.example.com/#/experiments/"),
        "{link}"
    );
}

/// With `auto_log = false`, and with the defaults, by which no data frame is stored.
fn retrievals_can_be_omitted(pod: &Pod<'_>) {
    let enabled = json!({"enabled": true, "trackingUri": Mlflow::URL});
    let mut silent = enabled.clone();
    silent["autoLog"] = json!(false);
    silent["autoLogEntityDf"] = json!(true);
    for (n, name, settings, tags) in [
        (1, "silent", silent, json!({"feast.project": PROJECT})),
        (2, "defaults", enabled, historical(2)),
    ] {
        run_client(pod, name, &store(settings));
        let run = run(pod, PROJECT, "2 rows", n);
        assert_eq!(
            (&run["tags"], &run["artifacts"]),
            (&tags, &json!([])),
            "{name}"
        );
    }
    // None of the other feature stores logs its operations.
    assert_eq!(Mlflow::runs(pod, OPERATIONS).unwrap().len(), 2);
}

fn datasets_are_synchronized(pod: &Pod<'_>) {
    let words = [
        "python",
        "-W",
        "ignore",
        "-c",
        include_str!("mlflow/dataset.py"),
    ];
    let output = pod.exec("online", &words).unwrap().success();
    let last = output.lines().rfind(|line| line.starts_with('{')).unwrap();
    let written: Json = serde_json::from_str(last).unwrap();
    assert_eq!(
        written,
        json!({
            "batches": [2, 1],
            "tags": ["synchronized"],
            "answers": ["answer 0", "answer 1", "answer 2"],
        })
    );
}

/// MLflow answers 500, which its client repeats for minutes, so `tracking_auth` has no default.
fn plain_servers_reject_workspaces(pod: &Pod<'_>) {
    let program = "\
import sys, urllib.request, urllib.error
request = urllib.request.Request(sys.argv[1], headers={'X-MLFLOW-WORKSPACE': 'team'})
try:
    print(urllib.request.urlopen(request).status)
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
";
    let url = format!(
        "{}/api/2.0/mlflow/experiments/get?experiment_id=0",
        Mlflow::URL
    );
    let words = ["python", "-W", "ignore", "-c", program, &url];
    let output = pod.exec("online", &words).unwrap().success();
    let rejected = "workspaces are not enabled on this server";
    assert!(
        output.starts_with("500 ") && output.contains(rejected),
        "{output}"
    );
}

/// If this check fails, change the rule `mlflow-unused` and the descriptions of these settings.
pub fn some_settings_have_no_effect() {
    let unused = lab::python()
        .run(include_str!("mlflow/unused.py"), &[])
        .unwrap();
    assert_eq!(
        unused.trim(),
        "ca_bundle max_retries request_timeout retry_backoff_factor supported_artifact_formats"
    );
}

/// With `kubernetes-namespaced`, the namespace of the pod is the workspace of the server.
pub fn the_namespace_is_the_workspace() {
    let mut settings = settings();
    settings["trackingAuth"] = json!("kubernetes-namespaced");
    let mut store = store(settings);
    let pod_spec = store.deployment.spec.template.spec.as_ref().unwrap();
    assert_eq!(pod_spec.automount_service_account_token, Some(true));
    mount_token(&mut store, "team");
    let mut pod = store.pod();
    Mlflow::start(&mut pod, &["--enable-workspaces"]).unwrap();
    let workspaces = format!("{}/api/3.0/mlflow/workspaces", Mlflow::URL);
    pod.post(&workspaces, &json!({"name": "team"})).unwrap();
    pod.run("feast-init").unwrap().success();
    repository::define(&pod, BASE, DEFINITIONS);
    pod.run("feast-apply").unwrap().success();

    // A request without the header is for the default workspace.
    let experiments: Vec<_> = Mlflow::experiments(&pod).unwrap().into_keys().collect();
    assert_eq!(experiments, ["Default"]);
    let program = "import mlflow; mlflow.set_workspace('team'); \
         print([it.name for it in mlflow.search_experiments(filter_string=\"name = 'demo-ops'\")])";
    let uri = format!("MLFLOW_TRACKING_URI={}", Mlflow::URL);
    let words = ["env", &uri, "python", "-W", "ignore", "-c", program];
    let output = pod.exec("online", &words).unwrap().success();
    assert!(output.contains("['demo-ops']"), "{output}");
}

/// Mounts a token and the namespace as the kubelet does.
fn mount_token(store: &mut FeatureStoreInCluster, namespace: &str) {
    let token = BTreeMap::from([
        ("namespace".to_owned(), namespace.to_owned()),
        ("token".to_owned(), "the-token".to_owned()),
    ]);
    store.environment.secrets.insert("token".to_owned(), token);
    let pod = store.deployment.spec.template.spec.as_mut().unwrap();
    let volume = json!({"name": "token", "secret": {"secretName": "token"}});
    let volumes = pod.volumes.get_or_insert_default();
    volumes.push(serde_json::from_value(volume).unwrap());
    let path = "/var/run/secrets/kubernetes.io/serviceaccount";
    let mount = json!({"name": "token", "mountPath": path, "readOnly": true});
    for container in pod
        .init_containers
        .iter_mut()
        .flatten()
        .chain(&mut pod.containers)
    {
        let mounts = container.volume_mounts.get_or_insert_default();
        mounts.push(serde_json::from_value(mount.clone()).unwrap());
    }
}
