//! Plans that replace a feature store, which are the only ones that contact the cluster.

use super::api_server::ApiServer;
use super::test_provider::{TestProvider, errors, texts};
use super::*;
use crate::provider::resources::feature_store;

fn store(name: &str, namespace: &str) -> Json {
    json!({"name": name, "namespace": namespace, "feastProject": "p", "waitForRollout": false})
}

/// An error of a replacement that was rejected.
fn rejected(replaced: &str, reason: &str) -> String {
    format!(
        "{reason}\n\nThis plan replaces the feature store {replaced}. A replacement destroys the old feature store first, \
         and then the new one could not be created, so the plan stops here. Nothing was changed. Apply first what the same \
         run would create, such as a namespace or a Secret (`-target`). To destroy the old one alone, `terraform destroy \
         -refresh=false` ignores the new name."
    )
}

fn diagnostics_of(planned: &PlanResourceChangeResponse) -> Vec<String> {
    texts(&planned.diagnostics)
}

#[test]
fn only_replacements_contact_the_cluster() {
    let provider = TestProvider::new();
    let config = provider.config(&store("demo", "ns"));
    let (state, private) = provider.create(&config);
    provider.server.requests();
    let mut changed = config.clone();
    changed.set("wait_for_rollout", Value::Bool(false));
    for (prior, private, config) in [
        (&Value::Null, &[][..], &config),
        (&state, &private, &config),
        (&state, &private, &changed),
    ] {
        assert_eq!(
            diagnostics_of(&provider.plan(prior, private, config)),
            Vec::<String>::new()
        );
    }
    assert_eq!(provider.server.requests(), Vec::<String>::new());

    let renamed = provider.config(&store("other", "ns"));
    let planned = provider.plan(&state, &private, &renamed);
    assert_eq!(diagnostics_of(&planned), Vec::<String>::new());
    assert_eq!(planned.requires_replace, [Path::of("name")]);
    let requests = provider.server.requests();
    assert_eq!(requests[0], "GET /api/v1/namespaces/ns");
    let written = requests
        .iter()
        .filter(|request| request.starts_with("PATCH "));
    assert!(
        written
            .clone()
            .all(|request| request.ends_with("?dryRun=All")),
        "{requests:?}"
    );
    assert_eq!(written.count(), 5, "{requests:?}");
    // The second request of the same replacement.
    let checked = provider.private(&Value::Null, &planned.private);
    assert!(checked.is_checked);
    let again = provider.plan(&Value::Null, &planned.private, &renamed);
    assert_eq!(
        (diagnostics_of(&again), provider.server.requests()),
        (vec![], vec![])
    );
    assert_eq!(again.private, b"");
}

#[test]
fn rejects_a_namespace_that_does_not_exist() {
    let provider = TestProvider::new();
    let (state, private) = provider.create(&provider.config(&store("demo", "ns")));
    let planned = provider.plan(
        &state,
        &private,
        &provider.config(&store("demo", "nowhere")),
    );
    let diagnostics = diagnostics_of(&planned);
    let [diagnostics] = diagnostics.as_slice() else {
        panic!("{diagnostics:?}");
    };
    let start = format!(
        "namespace: Cannot replace the feature store: Cannot get Namespace/nowhere of the cluster at {}/.\nCaused by: There \
         is no namespace \"nowhere\".\n",
        provider.server.host
    );
    let end = rejected(
        "ns/demo with nowhere/demo",
        "Create the namespace first; this provider does not create namespaces.",
    );
    assert!(
        diagnostics.starts_with(&start) && diagnostics.ends_with(&end),
        "{diagnostics}"
    );
}

#[test]
fn reports_all_reasons_at_once() {
    let provider = TestProvider::new();
    let (state, private) = provider.create(&provider.config(&store("demo", "ns")));
    let mut config = store("demo", "b");
    config["services"] = json!({
        "feastApply": "init_container",
        "onlineStore": {"persistence": {"store": {"type": "redis", "secretRef": {"name": "feast-missing"}}}},
        "registry": {"local": {"persistence": {"store": {"type": "sql", "secretRef": {"name": "feast-absent"}}}}},
    });
    provider
        .server
        .reject("/apis/apps/v1/namespaces/b/deployments/feast-demo", true);
    provider
        .server
        .reject("/api/v1/namespaces/b/services/feast-demo-online", true);
    let planned = provider.plan(&state, &private, &provider.config(&config));
    let diagnostics = errors(&planned.diagnostics);
    let mut start: Vec<&str> = diagnostics
        .iter()
        .filter_map(|error| error.split(" in namespace").next())
        .collect();
    start.sort_unstable();
    assert_eq!(
        start,
        [
            "namespace: Cannot replace the feature store: Cannot apply Deployment/feast-demo",
            "namespace: Cannot replace the feature store: Cannot apply Service/feast-demo-online",
            "services.online_store.persistence.store.secret_ref: Cannot prepare the feature store: Cannot get \
             Secret/feast-missing",
            "services.registry.local.persistence.store.secret_ref: Cannot prepare the feature store: Cannot get \
             Secret/feast-absent",
        ]
    );
    let explained = rejected("ns/demo with b/demo", "");
    assert!(
        diagnostics.iter().all(|error| error.ends_with(&explained)),
        "{diagnostics:#?}"
    );
}

#[test]
fn warns_of_data_that_the_destroy_deletes_or_leaves_unused() {
    let provider = TestProvider::new();
    let mut config = store("demo", "ns");
    config["services"] = json!({"onlineStore": {"persistence": {"file": {
        "path": "online.db", "pvc": {"create": {}, "mountPath": "/data"},
    }}}});
    for (delete_data, expected) in [
        (
            true,
            "Data will be deleted: This plan replaces the feature store. When the old one is destroyed, the \
             PersistentVolumeClaim \"feast-demo-online\" is deleted with all its data, because `delete_data` is true. This \
             cannot be undone. It stays only if the old feature store is not destroyed (`lifecycle { destroy = false }`).",
        ),
        (
            false,
            "Data will be left unused: The PersistentVolumeClaim \"feast-demo-online\" will no longer be part of a \
             feature store. It is kept with its data, and a feature store of the same name can use it again. \
             `delete_data = true` would delete it.",
        ),
    ] {
        config["deleteData"] = json!(delete_data);
        let planned = provider.plan(&Value::Null, &[], &provider.config(&config));
        config["name"] = json!("other");
        let replaced = provider.plan(&planned.state, b"{}", &provider.config(&config));
        config["name"] = json!("demo");
        assert_eq!(diagnostics_of(&replaced), [expected]);
    }
}

#[test]
fn rejects_a_requested_replacement_that_cannot_be_created() {
    let provider = TestProvider::new();
    let config = provider.config(&store("demo", "ns"));
    let (state, private) = provider.create(&config);
    // `-replace`: a plan without a change, and then one without a prior state.
    let first = provider.plan(&state, &private, &config);
    assert_eq!(first.requires_replace, []);
    let second = |config: &Value| provider.plan(&Value::Null, &first.private, config);
    assert_eq!(diagnostics_of(&second(&config)), Vec::<String>::new());
    let leaving = json!({"metadata": {"name": "ns"}, "status": {"phase": "Terminating"}});
    provider.server.put("/api/v1/namespaces/ns", leaving);
    let diagnostics = errors(&second(&config).diagnostics);
    let [diagnostics] = diagnostics.as_slice() else {
        panic!("{diagnostics:?}");
    };
    assert!(
        diagnostics
            .starts_with("namespace: Cannot replace the feature store: Cannot get Namespace/ns "),
        "{diagnostics}"
    );
    assert!(
        diagnostics.contains("The namespace \"ns\" is being deleted."),
        "{diagnostics}"
    );
    provider
        .server
        .put("/api/v1/namespaces/ns", json!({"metadata": {"name": "ns"}}));
    // A foreign object with the name of a deleted one.
    let service = "/api/v1/namespaces/ns/services/feast-demo-online";
    let foreign = json!({"metadata": {"name": "feast-demo-online", "namespace": "ns", "uid": "f"}});
    provider.server.put(service, foreign);
    let taken = errors(&second(&config).diagnostics);
    assert!(
        taken.len() == 1
            && taken[0].contains("It exists already and does not belong to this feature store"),
        "{taken:?}"
    );
    let anew = "This plan replaces the feature store ns/demo with a new one of the same name.";
    assert!(diagnostics.contains(anew), "{diagnostics}");
}

/// Terraform sends this request before it destroys a tainted feature store.
#[test]
fn does_not_check_a_tainted_store() {
    let provider = TestProvider::new();
    let config = provider.config(&store("demo", "nowhere"));
    assert_eq!(
        diagnostics_of(&provider.plan(&Value::Null, &[], &config)),
        Vec::<String>::new()
    );
    assert_eq!(provider.server.requests(), Vec::<String>::new());
}

#[test]
fn rejects_an_invalid_namespace_of_the_provider_block() {
    let server = ApiServer::start(&["default"]);
    for namespace in ["Team_A", "a b", "-a", &"a".repeat(70)] {
        let provider = TestProvider::on(&server, json!({}));
        let mut config = json!({"name": "demo", "feastProject": "p", "waitForRollout": false});
        let state = provider
            .plan(&Value::Null, &[], &provider.config(&config))
            .state;
        server.requests();
        let block = block(&provider.feast);
        let planned = |prior: &Value, config: &Value| {
            let request = PlanResourceChangeRequest {
                prior_state: prior.clone(),
                proposed_new_state: config.clone(),
                config: config.clone(),
                ..PlanResourceChangeRequest::default()
            };
            feature_store::testing::plan_request(block, Some(namespace), config, &request).0
        };
        let summary = "The namespace of the provider block is not valid";
        for prior in [&Value::Null, &state] {
            let planned = planned(prior, &provider.config(&config));
            assert!(!planned.diagnostics.is_empty(), "{namespace}");
            for diagnostic in &planned.diagnostics {
                assert_eq!(diagnostic.summary, summary);
                assert_eq!(diagnostic.path, Some(Path::of("namespace")));
            }
            assert_eq!(planned.requires_replace, []);
        }
        // The namespace of the feature store takes precedence.
        config["namespace"] = json!("ns");
        assert_eq!(
            planned(&Value::Null, &provider.config(&config)).diagnostics,
            []
        );
    }
}

#[test]
fn warns_if_the_cluster_is_unreachable() {
    let provider = TestProvider::new();
    let (state, private) = provider.create(&provider.config(&store("demo", "ns")));
    let mut gone = provider.server.clone();
    gone.host = "http://127.0.0.1:1".to_owned();
    let unreachable = TestProvider::on(&gone, json!({}));
    let renamed = unreachable.config(&store("other", "ns"));
    let planned = unreachable.plan(&state, &private, &renamed);
    assert_eq!(errors(&planned.diagnostics), Vec::<String>::new());
    let diagnostics = diagnostics_of(&planned);
    let [warning] = diagnostics.as_slice() else {
        panic!("{diagnostics:?}");
    };
    assert!(
        warning.starts_with(
            "The replacement was not checked: This plan destroys the feature store and creates ns/other. The provider \
             could not check whether ns/other can be created: Cannot get Namespace/ns "
        ),
        "{warning}"
    );
    let mut unknown = renamed.clone();
    unknown.set("name", Value::Unknown);
    let diagnostics = diagnostics_of(&unreachable.plan(&state, &private, &unknown));
    let [warning] = diagnostics.as_slice() else {
        panic!("{diagnostics:?}");
    };
    assert!(
        warning.starts_with(
            "The replacement was not checked: This plan destroys the feature store ns/demo and creates another one. Its name \
             or namespace will be known only after apply, so the provider could not check whether it can be created."
        ),
        "{warning}"
    );
}

#[test]
fn rejects_names_that_are_in_use() {
    let provider = TestProvider::new();
    let (state, private) = provider.create(&provider.config(&store("demo", "ns")));
    provider.create(&provider.config(&store("taken", "ns")));
    let diagnostics =
        diagnostics_of(&provider.plan(&state, &private, &provider.config(&store("taken", "ns"))));
    assert_eq!(diagnostics.len(), 1, "{diagnostics:#?}");
    assert!(
        diagnostics[0].starts_with(
            "name: The feature store already exists: Namespace \"ns\" already contains the feature store \"taken\", created \
             by this provider. It was not changed."
        ),
        "{diagnostics:?}"
    );
    provider.create(&provider.config(&store("demo", "b")));
    let diagnostics =
        diagnostics_of(&provider.plan(&state, &private, &provider.config(&store("demo", "b"))));
    assert!(
        diagnostics[0].starts_with("namespace: The feature store already exists: "),
        "{diagnostics:?}"
    );

    let foreign = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "feast-free", "namespace": "ns", "uid": "f", "resourceVersion": "1"},
    });
    provider.server.put(
        "/apis/apps/v1/namespaces/ns/deployments/feast-free",
        foreign,
    );
    let diagnostics =
        diagnostics_of(&provider.plan(&state, &private, &provider.config(&store("free", "ns"))));
    let place = format!(
        "in namespace \"ns\" of the cluster at {}/",
        provider.server.host
    );
    let reason = format!(
        "name: Cannot replace the feature store: Cannot apply Deployment/feast-free {place}.\nCaused by: It exists already \
         and does not belong to this feature store.\n\nChoose another name for the feature store, or delete that \
         object. It was not changed."
    );
    assert_eq!(diagnostics, [rejected("ns/demo with ns/free", &reason)]);
    // The same with an unknown value.
    let mut unknown = provider.config(&store("free", "ns"));
    unknown.set("services", Value::Unknown);
    assert_eq!(
        diagnostics_of(&provider.plan(&state, &private, &unknown)),
        [rejected("ns/demo with ns/free", &reason)]
    );
}
