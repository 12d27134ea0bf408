//! Options of the pods: a real API server accepts each option, and none is drift afterwards.

use serde_json::{Value as Json, json};

use crate::lifecycle::lab;
use crate::lifecycle::store::{DATABASES, StoreUnderTest};

/// A value for each option of the pods and of the servers' volume mounts.
const OPTIONS: &str = r#"
    scaling = { replicas = 2 }
    volumes = [
      { name = "settings", config_map = { name = "settings", optional = true, items = [{ key = "a", path = "a.toml" }] } },
      { name = "login", secret = { secret_name = "feast-data-stores" } },
      { name = "scratch", empty_dir = { medium = "Memory", size_limit = "64Mi" } },
      { name = "node", host_path = { path = "/var/log" } },
      { name = "shared", nfs = { server = "nfs.example.com", path = "/shared" } },
      { name = "vault", csi = { driver = "secrets-store.csi.k8s.io", read_only = true } },
      { name = "work", ephemeral = { volume_claim_template = { spec = {
        access_modes = ["ReadWriteOnce"]
        resources    = { requests = { storage = "1Gi" } }
      } } } },
      { name = "facts", downward_api = { items = [{ path = "name", field_ref = { field_path = "metadata.name" } }] } },
      { name = "identity", projected = { sources = [
        { service_account_token = { path = "token", audience = "store" } },
        { config_map = { name = "settings", optional = true } },
      ] } },
    ]
    node_selector = { "kubernetes.io/os" = "linux" }
    tolerations   = [{ key = "dedicated", operator = "Exists", effect = "NoExecute", toleration_seconds = 300 }]
    priority_class_name = "system-cluster-critical"
    affinity = {
      node_affinity = { preferred_during_scheduling_ignored_during_execution = [{
        weight     = 10
        preference = { match_expressions = [{ key = "gpu", operator = "DoesNotExist" }] }
      }] }
      pod_anti_affinity = { preferred_during_scheduling_ignored_during_execution = [{
        weight            = 20
        pod_affinity_term = { topology_key = "kubernetes.io/hostname", label_selector = { match_labels = { a = "b" } } }
      }] }
    }
    topology_spread_constraints = [{
      max_skew           = 1
      topology_key       = "topology.kubernetes.io/zone"
      when_unsatisfiable = "ScheduleAnyway"
      label_selector     = { match_labels = { "feast.dev/name" = "demo" } }
    }]
    security_context = {
      run_as_non_root = true
      run_as_user     = 1000
      fs_group        = 2000
      seccomp_profile = { type = "RuntimeDefault" }
    }
    pod_annotations    = { "linkerd.io/inject" = "enabled" }
    image_pull_secrets = [{ name = "mirror" }]
    online_store = {
      persistence = { store = { type = "postgres", secret_ref = { name = "feast-data-stores" } } }
      server = {
        metrics        = true
        worker_configs = { workers = -1, max_requests = 0, registry_ttl_seconds = 5 }
        resources      = { requests = { cpu = "100m" } }
        volume_mounts = [
          { name = "settings", mount_path = "/etc/shop", read_only = true, recursive_read_only = "IfPossible" },
          { name = "scratch", mount_path = "/scratch", sub_path = "online" },
          { name = "identity", mount_path = "/var/run/identity" },
        ]
      }
      serving = {
        metrics               = { enabled = true, categories = { push = false } }
        offline_push_batching = { enabled = true, batch_size = 100 }
        mcp                   = { enabled = true, transport = "http" }
      }
    }
    registry = {
      local = { persistence = { store = { type = "sql", secret_ref = { name = "feast-data-stores" } } } }
    }
"#;

pub fn applies_and_removes_every_option() {
    let test = StoreUnderTest::new("pods");
    // Kubernetes 1.31 has this field.
    let newest = ", recursive_read_only = \"IfPossible\"";
    let options = match lab::has_kubernetes(31) {
        true => OPTIONS.to_owned(),
        false => OPTIONS.replace(newest, ""),
    };
    test.configure(&options);
    test.apply();
    let deployment = test.deployment();
    let pod = &deployment["spec"]["template"]["spec"];
    let names = |list: &Json| -> Vec<String> {
        let names = list.as_array().unwrap().iter();
        names
            .map(|it| it["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names(&pod["volumes"]),
        [
            "feature-store-yaml",
            "feast-data",
            "settings",
            "login",
            "scratch",
            "node",
            "shared",
            "vault",
            "work",
            "facts",
            "identity",
        ]
    );
    assert_eq!(pod["nodeSelector"], json!({"kubernetes.io/os": "linux"}));
    assert_eq!(pod["priorityClassName"], "system-cluster-critical");
    let service = test
        .namespace
        .json(&["get", "service", "feast-demo-online"])
        .unwrap();
    assert_eq!(names(&service["spec"]["ports"]), ["http", "metrics"]);

    // Each option is removed with its attribute, and the default spread is restored.
    test.configure(&format!("scaling = {{ replicas = 2 }}\n{DATABASES}"));
    test.apply();
    let deployment = test.deployment();
    let template = &deployment["spec"]["template"];
    let pod = &template["spec"];
    assert_eq!(names(&pod["volumes"]), ["feature-store-yaml", "feast-data"]);
    assert_eq!(
        pod["securityContext"],
        json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}})
    );
    let gone = [
        "nodeSelector",
        "tolerations",
        "priorityClassName",
        "imagePullSecrets",
    ];
    assert_eq!(
        gone.map(|field| pod.get(field).cloned()),
        [None, None, None, None]
    );
    let weights =
        "/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/0/weight";
    assert_eq!(pod.pointer(weights), Some(&json!(100)));
    let annotations = template["metadata"]["annotations"].as_object().unwrap();
    assert_eq!(
        annotations.keys().collect::<Vec<_>>(),
        ["feast.dev/configuration-hash"]
    );

    // Empty values disable both defaults.
    let nowhere = "affinity = {}\ntopology_spread_constraints = []";
    test.configure(&format!(
        "scaling = {{ replicas = 2 }}\n{nowhere}\n{DATABASES}"
    ));
    test.apply();
    let deployment = test.deployment();
    let pod = &deployment["spec"]["template"]["spec"];
    let spread = ["affinity", "topologySpreadConstraints"];
    assert_eq!(spread.map(|field| pod.get(field).cloned()), [None, None]);
    test.destroy();
}

pub fn warnings_do_not_stop_the_apply() {
    let test = StoreUnderTest::new("advice");
    test.configure(
        "node_selector = { pool = \"a\" }
         online_store = { server = { node_selector = { pool = \"b\" } } }
         offline_store = { server = { metrics = true } }",
    );
    let plan = test.plan_with_changes();
    for part in [
        "Another value of the node label \"pool\" applies",
        "metrics has no effect here",
    ] {
        assert!(plan.run.stdout.contains(part), "{}", plan.run);
    }
}
