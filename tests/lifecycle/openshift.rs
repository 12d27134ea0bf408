//! Feature stores on OpenShift: the API server has OpenShift's real custom resource definitions, and controllers of
//! this test do what the service CA and the admission of pods do. Each test has its own control plane, because the API
//! groups change how the provider treats a cluster.

#[path = "openshift/controllers.rs"]
mod controllers;

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::lifecycle::store::{StoreUnderTest, until, with_preflight};
use crate::lifecycle::{import, lab};
use crate::support::terraform::Run;
use crate::support::testbed::{ControlPlane, Crd, Tool};
use controllers::{FIRST_USER, ServiceCa, constrain_pods};

/// An OpenShift cluster, and a store in a project of it.
fn openshift() -> (ControlPlane, StoreUnderTest) {
    let control_plane = lab::own_control_plane();
    let namespace = control_plane.namespace("openshift").unwrap();
    let crds = [
        Crd::Route,
        Crd::SecurityContextConstraints,
        Crd::ServiceMonitor,
    ];
    namespace.cluster().install(&crds).unwrap();
    let test = StoreUnderTest::on(lab::terraform(Tool::Terraform), namespace);
    (control_plane, test)
}

fn get(test: &StoreUnderTest, object: &str) -> Json {
    test.namespace.json(&["get", object]).unwrap()
}

fn annotations(object: &Json) -> &Json {
    &object["metadata"]["annotations"]
}

fn port_names(service: &Json) -> Vec<String> {
    let ports = service["spec"]["ports"].as_array().unwrap().iter();
    ports
        .map(|port| format!("{} {}", port["name"].as_str().unwrap(), port["port"]))
        .collect()
}

/// Returns the text of an error without its line breaks.
fn message(run: &Run) -> String {
    assert_eq!(run.status, Some(1), "{run}");
    run.error_messages()
}

/// Plans with a preflight, which must find nothing: the certificates are missing only until the apply.
fn expect_no_findings(test: &StoreUnderTest, text: &str) {
    let checked = with_preflight(text);
    test.terraform.write("main.tf", &checked).unwrap();
    let run = test.terraform.run(&["plan", "-input=false"]).unwrap();
    assert_eq!(run.status, Some(0), "{run}");
    // Terraform warns of the provider that is under development.
    assert_eq!(run.stdout.matches("Warning:").count(), 1, "{run}");
    test.terraform.write("main.tf", text).unwrap();
}

/// Returns the endpoints of `sample` as the data source reads them.
fn data_source_endpoints(test: &StoreUnderTest) -> Json {
    let configuration = "data \"feast_feature_store\" \"sample\" {\n  name = \"sample\"\n}\n\
                         output \"live\" {\n  value = data.feast_feature_store.sample.endpoints\n}\n";
    test.terraform.write("data.tf", configuration).unwrap();
    test.terraform.apply().unwrap().expect_success();
    let endpoints = test.terraform.output("live").unwrap();
    test.terraform.write("data.tf", "").unwrap();
    endpoints
}

/// Applies `examples/openshift` in an empty project.
pub fn example_is_applied() {
    let (_control_plane, test) = openshift();
    constrain_pods(&test.namespace);
    let _service_ca = ServiceCa::start(&test.namespace);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/openshift/main.tf");
    expect_no_findings(&test, &fs::read_to_string(example).unwrap());
    test.apply();
    test.expect_no_resource_drift();

    let namespace = test.namespace.name();
    let host = |service: &str, port: u16| {
        json!(format!(
            "feast-sample-{service}.{namespace}.svc.cluster.local:{port}"
        ))
    };
    let endpoints = json!({
        "online_store": host("online", 443),
        "offline_store": null,
        "registry": host("registry", 443),
        // The certificate has the names of the Service of the gRPC API only.
        "registry_rest": host("registry", 6573),
        "ui": host("ui", 443),
        "lineage": null,
    });
    assert_eq!(test.state()["endpoints"], endpoints);
    assert_eq!(data_source_endpoints(&test), endpoints);
    for (service, ports) in [
        ("online", &["https 443", "metrics 8000"][..]),
        ("registry", &["https 443", "https-rest 6573"]),
        ("registry-rest", &["https 443"]),
        ("ui", &["https 443"]),
    ] {
        let service_object = get(&test, &format!("service/feast-sample-{service}"));
        assert_eq!(port_names(&service_object), ports);
        let secret = format!("feast-sample-{service}-tls");
        let expected = (service != "registry-rest").then_some(secret.as_str());
        let name =
            &annotations(&service_object)["service.beta.openshift.io/serving-cert-secret-name"];
        assert_eq!(name.as_str(), expected);
    }
    let ca = get(&test, "configmap/feast-sample-service-ca");
    let ca = ca["data"]["service-ca.crt"].as_str().unwrap();
    assert!(ca.starts_with("-----BEGIN CERTIFICATE-----"), "{ca}");
    let client = get(&test, "configmap/feast-sample-client");
    let client = client["data"]["feature_store.yaml"].as_str().unwrap();
    for server in ["online", "registry"] {
        let certificate = format!("cert: /tls/{server}/service-ca.crt");
        assert!(client.contains(&certificate), "{client}");
    }

    let route = |name: &str| get(&test, &format!("route/feast-sample-{name}"))["spec"].clone();
    let tls = json!({"termination": "reencrypt", "insecureEdgeTerminationPolicy": "Redirect"});
    let spec = |service: &str, port: &str| {
        json!({
            "to": {"kind": "Service", "name": service, "weight": 100},
            "port": {"targetPort": port},
            "tls": tls,
            "wildcardPolicy": "None",
        })
    };
    assert_eq!(route("ui"), spec("feast-sample-ui", "https"));
    assert_eq!(
        route("registry-rest"),
        spec("feast-sample-registry", "https-rest")
    );
    let monitor = get(&test, "servicemonitor/feast-sample-online");
    assert_eq!(
        monitor["spec"],
        json!({
            "endpoints": [{"port": "metrics", "path": "/metrics", "honorLabels": true}],
            "selector": {"matchLabels": {"feast.dev/name": "sample", "feast.dev/service-type": "online"}},
        })
    );

    // OpenShift chooses the users of all pods.
    let run = ["create", "job", "now", "--from=cronjob/feast-sample"];
    test.namespace.kubectl(&run).unwrap();
    until("the pods of the servers and of the CronJob", 60, || {
        let pods = get(&test, "pods");
        let pods = pods["items"].as_array()?;
        let users = pods.iter();
        let mut users = users.map(|pod| pod["spec"]["securityContext"]["runAsUser"].as_u64());
        let is_assigned = users.all(|user| user == Some(FIRST_USER));
        let has_job = pods.iter().any(|pod| {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            name.starts_with("now-")
        });
        (is_assigned && has_job && pods.len() >= 3).then_some(())
    });

    test.destroy();
    for kind in ["routes", "servicemonitors"] {
        assert_eq!(get(&test, kind)["items"], json!([]));
    }
}

/// Enables certificates in a feature store that serves, while the service CA does not run, and then while it does. A
/// certificate that is issued again rolls the pods.
pub fn certificates_are_issued_before_an_update_changes_anything() {
    let (_control_plane, test) = openshift();
    test.configure("");
    test.apply();
    let secured = "openshift = { serving_certificates = true }";
    test.configure_all(secured, r#"timeouts = { update = "20s" }"#);
    let error = message(&test.terraform.apply().unwrap());
    for part in [
        "Cannot wait for Secret/feast-demo-online-tls",
        "The service CA of OpenShift has not issued the certificate that Service/feast-demo-online asks for",
        "oc get clusteroperator service-ca",
    ] {
        assert!(error.contains(part), "{part:?} is not in {error}");
    }
    let service = || get(&test, "service/feast-demo-online");
    assert_eq!(port_names(&service()), ["http 80"]);
    assert_eq!(test.deployment()["metadata"]["generation"], 1);

    let service_ca = ServiceCa::start(&test.namespace);
    // What the service CA writes is no drift, whatever the policy.
    test.configure_all(secured, r#"drift_policy = "strict""#);
    test.apply();
    test.expect_no_resource_drift();
    assert_eq!(test.state()["drift"], json!([]));
    let signed = "service.beta.openshift.io/serving-cert-signed-by";
    assert!(annotations(&service())[signed].is_string());
    assert_eq!(port_names(&service()), ["https 443"]);
    let hash = || {
        let template = test.deployment()["spec"]["template"].clone();
        annotations(&template)["feast.dev/certificates-hash"].clone()
    };
    let (first, generation) = (hash(), test.deployment()["metadata"]["generation"].clone());
    assert!(first.is_string());
    assert_eq!(generation, 2);

    let secret = ["delete", "secret", "feast-demo-online-tls"];
    test.namespace.kubectl(&secret).unwrap();
    until("another certificate", 120, || {
        let secret = ["get", "secret", "feast-demo-online-tls"];
        test.namespace.kubectl(&secret).ok()
    });
    test.plan_with_changes();
    test.apply();
    assert_ne!(hash(), first);

    test.configure(secured);
    test.apply();
    import::expect_import_to_be_empty(&test, secured);

    // A Service that is lost takes its certificate with it.
    drop(service_ca);
    test.namespace
        .kubectl(&[
            "delete",
            "service/feast-demo-online",
            "secret/feast-demo-online-tls",
            "--ignore-not-found",
        ])
        .unwrap();
    let _service_ca = ServiceCa::start(&test.namespace);
    test.apply();

    // Without TLS again, the Service is not annotated.
    test.configure("openshift = {}");
    test.apply();
    assert_eq!(port_names(&service()), ["http 80"]);
    let annotation = "service.beta.openshift.io/serving-cert-secret-name";
    assert_eq!(annotations(&service())[annotation], Json::Null);
    test.destroy();
}

/// A create whose certificates are not issued leaves nothing.
pub fn a_create_without_the_service_ca_is_undone() {
    let (_control_plane, test) = openshift();
    test.configure_all(
        "openshift = { serving_certificates = true }",
        r#"timeouts = { create = "20s" }"#,
    );
    let error = message(&test.terraform.apply().unwrap());
    assert!(error.contains("were deleted again"), "{error}");
    assert_eq!(test.objects(), Vec::<String>::new());
}

/// A cluster without OpenShift's APIs.
pub fn requires_openshift() {
    let test = StoreUnderTest::new("no-openshift");
    for (services, part) in [
        (
            "openshift = { serving_certificates = true }",
            "This cluster issues no certificates for Services",
        ),
        (
            "ui = {}\nopenshift = { routes = { ui = {} } }",
            "Routes exist only in OpenShift.",
        ),
        (
            "online_store = { server = { metrics = true } }\nservice_monitor = {}",
            "Install the Prometheus Operator",
        ),
    ] {
        test.configure(services);
        test.plan_with_changes();
        let error = message(&test.terraform.apply().unwrap());
        assert!(error.contains(part), "{part:?} is not in {error}");
        assert_eq!(test.objects(), Vec::<String>::new());
    }
}
