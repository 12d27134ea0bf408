//! An upgrade of Feast from 0.66 to 0.67, and back, with the data in PostgreSQL.

use serde_json::{Value as Json, json};

use crate::real_feast::feature_repository as repository;
use crate::real_feast::lab;
use crate::real_feast::stores::MATERIALIZE;
use crate::real_feast::three_replicas;
use crate::support::feast::features::{expected_response, features_request, values};
use crate::support::feast::{Pod, Python};

const URL: &str = "http://127.0.0.1:6566/get-online-features";

/// Each version serves what the other has materialized, also while both run, and materializes again.
pub fn data_survives_an_upgrade_and_a_rollback() {
    let postgres = lab::postgres();
    postgres.create_database("upgrade").unwrap();
    repository::fill_table(postgres, "upgrade");
    let mut configuration = three_replicas::configuration();
    configuration["services"]["scaling"] = json!({"replicas": 1});
    let secrets = three_replicas::secrets("upgrade");
    let store = |python: &'static Python| {
        let mut store = lab::feature_store(&configuration, &secrets, Some(postgres));
        store.environment.python = python;
        store
    };
    let [old, new] = [lab::previous_feast(), lab::python()].map(store);

    let before = started(&old);
    assert_eq!(version(&before), "0.66.0");
    before.exec("online", &MATERIALIZE).unwrap().success();
    assert_eq!(features(&before), expected_response());

    let upgraded = started(&new);
    assert_eq!(version(&upgraded), "0.67.0");
    assert_eq!(features(&upgraded), expected_response());
    // During a rolling update, the old pod still serves.
    assert_eq!(features(&before), expected_response());
    upgraded.exec("online", &MATERIALIZE).unwrap().success();
    assert_eq!(features(&upgraded), expected_response());
    assert_eq!(features(&before), expected_response());

    let back = started(&old);
    assert_eq!(features(&back), expected_response());
    back.exec("online", &MATERIALIZE).unwrap().success();
    assert_eq!(features(&back), expected_response());
}

/// Runs `feast apply` as the Job does, and starts the online server of a new pod.
fn started(store: &lab::FeatureStoreInCluster) -> Pod<'_> {
    let job = store.job();
    let mut pod = store.pod();
    for pod in [&job, &pod] {
        pod.run("feast-init").unwrap().success();
        repository::from_a_table(pod, "/feast-data");
    }
    job.run("feast-apply").unwrap().success();
    pod.start("online").unwrap();
    pod.wait_until_ready("online").unwrap();
    pod
}

fn version(pod: &Pod<'_>) -> String {
    let program = "import importlib.metadata; print(importlib.metadata.version('feast'))";
    let output = pod.exec("online", &["python", "-c", program]).unwrap();
    output.success().trim().to_owned()
}

fn features(pod: &Pod<'_>) -> Json {
    values(&pod.post(URL, &features_request()).unwrap())
}
