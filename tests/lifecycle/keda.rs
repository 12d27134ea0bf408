//! KEDA as part of a feature store. The API server has KEDA's real definition of `ScaledObject`. The KEDA operator runs
//! in the tests of [`real`] only.

#[path = "keda/queue.rs"]
mod queue;
#[path = "keda/real.rs"]
pub mod real;

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::lifecycle::store::{DATABASES, StoreUnderTest};
use crate::lifecycle::{import, lab};
use crate::support::testbed::Crd;

fn scaled(max: u32) -> String {
    format!(
        "scaling = {{ keda = {{
           max_replicas     = {max}
           polling_interval = 15
           fallback         = {{ failure_threshold = 3, replicas = 2, behavior = \"currentReplicas\" }}
           hpa_name         = \"ours\"
           behavior         = {{ scale_down = {{ stabilization_window_seconds = 60 }} }}
           triggers = [{{
             type               = \"redis\"
             name               = \"queue\"
             metadata           = {{ address = \"redis:6379\", listName = \"pushes\", listLength = \"50\" }}
             authentication_ref = {{ name = \"redis\" }}
           }}]
         }} }}
         pod_disruption_budgets = {{ max_unavailable = 1 }}
         {DATABASES}"
    )
}

/// A cluster without KEDA and then with KEDA. This is one test because the tests share their cluster.
pub fn requires_keda_and_creates_a_scaled_object() {
    let test = StoreUnderTest::new("keda");
    test.configure(&scaled(5));
    // A plan does not contact the cluster.
    test.plan_with_changes();
    let run = test.terraform.apply().unwrap();
    assert_eq!(run.status, Some(1), "{run}");
    let messages = run.error_messages();
    for part in [
        "Cannot apply ScaledObject/feast-demo in namespace",
        "has no API keda.sh/v1alpha1",
        "helm install keda kedacore/keda",
        "services.scaling.autoscaling",
    ] {
        assert!(messages.contains(part), "{part:?} is not in {messages}");
    }
    assert_eq!(test.objects(), Vec::<String>::new());

    let cluster = test.namespace.cluster();
    cluster.install(&[Crd::ScaledObject]).unwrap();
    test.apply();
    let name = "scaledobject.keda.sh/feast-demo".to_owned();
    assert!(test.objects().contains(&name));
    let scaled_object = || {
        (test.namespace)
            .json(&["get", "scaledobject", "feast-demo"])
            .unwrap()
    };
    assert_eq!(
        scaled_object()["spec"],
        json!({
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "feast-demo"},
            "minReplicaCount": 1,
            "maxReplicaCount": 5,
            "pollingInterval": 15,
            "fallback": {"failureThreshold": 3, "replicas": 2, "behavior": "currentReplicas"},
            "advanced": {"horizontalPodAutoscalerConfig": {
                "name": "ours",
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}},
            }},
            "triggers": [{
                "type": "redis",
                "name": "queue",
                "metadata": {"address": "redis:6379", "listName": "pushes", "listLength": "50"},
                "authenticationRef": {"name": "redis"},
            }],
        })
    );
    let budget = || {
        let budgets = test.namespace.json(&["get", "pdb"]).unwrap();
        budgets["items"][0]["spec"]["maxUnavailable"].clone()
    };
    assert_eq!(
        (test.strategy().as_str(), budget()),
        ("RollingUpdate", json!(1))
    );
    assert_eq!(test.state()["replicas_owner"], json!("external"));
    import::expect_import_to_be_empty(&test, &scaled(5));

    // A change of the Deployment by KEDA is not drift, and a change of the ScaledObject is.
    let scale = ["scale", "deployment/feast-demo", "--replicas=4"];
    test.namespace.kubectl(&scale).unwrap();
    test.expect_empty_plan();
    test.expect_no_resource_drift();
    let patch = r#"{"spec": {"maxReplicaCount": 50}}"#;
    test.patch("scaledobject/feast-demo", patch);
    test.plan_with_changes();
    test.apply();
    assert_eq!(scaled_object()["spec"]["maxReplicaCount"], json!(5));
    assert_eq!(test.replicas(), 4);

    // To the other kind of autoscaler and back. The two never exist at the same time.
    test.configure(&format!(
        "scaling = {{ autoscaling = {{ min_replicas = 2, max_replicas = 6 }} }}\n{DATABASES}"
    ));
    test.apply();
    let scaled_objects = || {
        let list = test.namespace.json(&["get", "scaledobjects"]).unwrap();
        list["items"].as_array().unwrap().len()
    };
    assert_eq!((scaled_objects(), test.autoscaler()), (0, Some((2, 6))));
    assert_eq!(budget(), Json::Null);
    test.configure(&scaled(7));
    test.apply();
    assert_eq!((scaled_objects(), test.autoscaler()), (1, None));

    test.configure(&format!("scaling = {{ replicas = 2 }}\n{DATABASES}"));
    test.apply();
    assert_eq!((scaled_objects(), test.replicas()), (0, 2));
    test.configure(&scaled(7));
    test.apply();
    assert_eq!(test.replicas(), 2);

    example();

    // When KEDA is uninstalled, its objects are deleted. This is drift that an apply cannot revert.
    cluster.uninstall(Crd::ScaledObject).unwrap();
    test.plan_with_changes();
    let run = test.terraform.apply().unwrap();
    assert!(
        run.error_messages().contains("has no API keda.sh/v1alpha1"),
        "{run}"
    );
    test.destroy();
}

fn example() {
    lab::with_each_tool(|terraform| {
        let test = StoreUnderTest::with(terraform, "keda-example");
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/keda/main.tf");
        let text = fs::read_to_string(example).unwrap();
        test.terraform.write("main.tf", &text).unwrap();
        test.terraform.validate().unwrap().expect_success();
        test.apply();
        let scaled = test.namespace.json(&["get", "scaledobjects"]).unwrap();
        let target = &scaled["items"][0]["spec"]["scaleTargetRef"]["name"];
        assert_eq!(target, &json!("feast-sample-events"));
        test.destroy();
    });
}
