//! The settings of Services: what an API server with two address families makes of them, and of their changes.

use serde_json::{Value as Json, json};

use crate::lifecycle::store::StoreUnderTest;
use crate::lifecycle::{import, lab};

fn service(test: &StoreUnderTest) -> Json {
    test.namespace
        .json(&["get", "service", "feast-demo-online"])
        .unwrap()
}

/// Applies these settings of the online server's Service. Returns the Service.
fn apply(test: &StoreUnderTest, settings: &str) -> Json {
    test.configure(&configured(settings));
    test.apply();
    test.expect_no_resource_drift();
    service(test)
}

fn configured(settings: &str) -> String {
    format!("online_store = {{ server = {{ metrics = true, service = {{ {settings} }} }} }}")
}

fn spec<'a>(service: &'a Json, fields: &[&str]) -> Vec<&'a Json> {
    fields
        .iter()
        .map(|field| &service["spec"][*field])
        .collect()
}

pub fn the_type_changes_in_place() {
    let test = StoreUnderTest::new("service-types");
    let first = apply(&test, "");
    assert_eq!(first["spec"]["type"], "ClusterIP");
    // Kubernetes 1.34 has this value.
    let distribution = lab::has_kubernetes(34).then_some("PreferSameZone");
    let distributed = distribution.map(|it| format!("traffic_distribution = {it:?}"));
    let balanced = r#"
        type                        = "LoadBalancer"
        annotations                 = { "example.com/scheme" = "internal" }
        labels                      = { tier = "edge" }
        load_balancer_class         = "example.com/a"
        load_balancer_source_ranges = ["10.0.0.0/8"]
        external_traffic_policy     = "Local"
        session_affinity            = "ClientIP"
    "#;
    let balanced = format!("{balanced}{}", distributed.unwrap_or_default());
    let second = apply(&test, &balanced);
    let fields = [
        "type",
        "loadBalancerClass",
        "externalTrafficPolicy",
        "sessionAffinity",
        "trafficDistribution",
    ];
    assert_eq!(
        spec(&second, &fields),
        [
            &json!("LoadBalancer"),
            &json!("example.com/a"),
            &json!("Local"),
            &json!("ClientIP"),
            &json!(distribution)
        ]
    );
    assert_eq!(
        second["metadata"]["annotations"],
        json!({"example.com/scheme": "internal"})
    );
    assert_eq!(second["metadata"]["labels"]["tier"], "edge");
    import::expect_import_to_be_empty(&test, &configured(&balanced));

    // A class is immutable, so the Service is replaced.
    let third = apply(&test, &balanced.replace("example.com/a", "example.com/b"));
    assert_eq!(third["spec"]["loadBalancerClass"], "example.com/b");
    assert_ne!(third["metadata"]["uid"], second["metadata"]["uid"]);

    let fourth = apply(&test, "type = \"NodePort\"\nnode_port = 30123");
    assert_eq!(fourth["metadata"]["uid"], third["metadata"]["uid"]);
    assert_eq!(fourth["spec"]["ports"][0]["nodePort"], 30123);
    assert!(fourth["spec"]["ports"][1]["nodePort"].is_number());

    let last = apply(&test, "");
    assert_eq!(last["metadata"]["uid"], third["metadata"]["uid"]);
    assert_eq!(
        spec(
            &last,
            &[
                "type",
                "sessionAffinity",
                "externalTrafficPolicy",
                "trafficDistribution"
            ]
        ),
        [
            &json!("ClusterIP"),
            &json!("None"),
            &Json::Null,
            &Json::Null
        ]
    );
    let ports = last["spec"]["ports"].as_array().unwrap();
    assert!(ports.iter().all(|port| port["nodePort"].is_null()));
    test.destroy();
}

pub fn address_families_change_or_replace_the_service() {
    let test = StoreUnderTest::new("service-families");
    let families = |service: &Json| {
        let spec = &service["spec"];
        (spec["ipFamilyPolicy"].clone(), spec["ipFamilies"].clone())
    };
    let first = apply(&test, "");
    assert_eq!(families(&first), (json!("SingleStack"), json!(["IPv4"])));
    let dual = apply(&test, "ip_family_policy = \"RequireDualStack\"");
    assert_eq!(
        families(&dual),
        (json!("RequireDualStack"), json!(["IPv4", "IPv6"]))
    );
    let single = apply(&test, "ip_family_policy = \"SingleStack\"");
    assert_eq!(families(&single), (json!("SingleStack"), json!(["IPv4"])));
    assert_eq!(single["metadata"]["uid"], first["metadata"]["uid"]);

    // The primary family is immutable, so the Service is replaced.
    let other = apply(&test, "ip_families = [\"IPv6\"]");
    assert_eq!(families(&other), (json!("SingleStack"), json!(["IPv6"])));
    assert_ne!(other["metadata"]["uid"], first["metadata"]["uid"]);
    let both = apply(
        &test,
        "ip_families = [\"IPv6\", \"IPv4\"]\nip_family_policy = \"PreferDualStack\"",
    );
    assert_eq!(
        families(&both),
        (json!("PreferDualStack"), json!(["IPv6", "IPv4"]))
    );
    assert_eq!(both["metadata"]["uid"], other["metadata"]["uid"]);

    // Another client's change is drift at its attribute.
    let patch = r#"{"spec": {"sessionAffinity": "ClientIP"}}"#;
    let affinity =
        "session_affinity = \"None\"\nip_families = [\"IPv6\"]\nip_family_policy = \"SingleStack\"";
    apply(&test, affinity);
    test.patch("service/feast-demo-online", patch);
    let plan = test.plan_with_changes();
    let drift = plan.json["resource_drift"].to_string();
    assert!(drift.contains("session_affinity"), "{drift}");
    test.apply();
    assert_eq!(service(&test)["spec"]["sessionAffinity"], "None");
    test.destroy();
}
