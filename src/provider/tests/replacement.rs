//! Plans that replace: the only ones that ask the cluster.

use super::api_server::ApiServer;
use super::applied::{Run, errors, text};
use super::*;
use crate::provider::resources::feature_store;

fn store(name: &str, namespace: &str) -> Json {
    json!({"name": name, "namespace": namespace, "feastProject": "p", "waitForRollout": false})
}

/// What follows each error of a refused replacement.
fn refused(replaced: &str, reason: &str) -> String {
    format!(
        "{reason}\n\nThis plan replaces the feature store {replaced}. The replacement destroys the old feature store \
         first, and the new one could not be created, so the plan stops here and nothing was changed. What the same \
         run would create, such as a namespace or a Secret, has to be applied before: `-target` does that. If the old \
         one is only to be destroyed, `terraform destroy -refresh=false` does not look at the new name."
    )
}

fn said(planned: &PlanResourceChangeResponse) -> Vec<String> {
    planned.diagnostics.iter().map(text).collect()
}

#[test]
fn asks_the_cluster_for_replacements_only() {
    let run = Run::new();
    let config = run.config(&store("demo", "ns"));
    let (state, private) = run.create(&config);
    run.server.requests();
    let mut changed = config.clone();
    changed.set("feast_project", Value::string("q"));
    for (prior, private, config) in [
        (&Value::Null, &[][..], &config),
        (&state, &private, &config),
        (&state, &private, &changed),
    ] {
        assert_eq!(
            said(&run.plan(prior, private, config)),
            Vec::<String>::new()
        );
    }
    assert_eq!(run.server.requests(), Vec::<String>::new());

    let renamed = run.config(&store("other", "ns"));
    let planned = run.plan(&state, &private, &renamed);
    assert_eq!(said(&planned), Vec::<String>::new());
    assert_eq!(planned.requires_replace, [Path::of("name")]);
    let asked = run.server.requests();
    assert_eq!(asked[0], "GET /api/v1/namespaces/ns");
    let written = asked.iter().filter(|request| request.starts_with("PATCH "));
    assert!(
        written
            .clone()
            .all(|request| request.ends_with("?dryRun=All")),
        "{asked:?}"
    );
    assert_eq!(written.count(), 5, "{asked:?}");
    // The second request of the same replacement.
    assert_eq!(planned.private, b"");
    let again = run.plan(&Value::Null, &planned.private, &renamed);
    assert_eq!((said(&again), run.server.requests()), (vec![], vec![]));
}

#[test]
fn refuses_a_namespace_that_does_not_exist() {
    let run = Run::new();
    let (state, private) = run.create(&run.config(&store("demo", "ns")));
    let planned = run.plan(&state, &private, &run.config(&store("demo", "nowhere")));
    let found = said(&planned);
    let [found] = found.as_slice() else {
        panic!("{found:?}");
    };
    let begins = format!(
        "namespace: Cannot replace the feature store: Cannot get Namespace/nowhere of the cluster at {}/.\nBecause: There \
         is no namespace \"nowhere\".\n",
        run.server.host
    );
    let ends = refused(
        "ns/demo with nowhere/demo",
        "Create the namespace first; this provider does not create namespaces.",
    );
    assert!(
        found.starts_with(&begins) && found.ends_with(&ends),
        "{found}"
    );
}

#[test]
fn reports_all_reasons_at_once() {
    let run = Run::new();
    let (state, private) = run.create(&run.config(&store("demo", "ns")));
    let mut config = store("demo", "b");
    config["services"] = json!({
        "feastApply": "init_container",
        "onlineStore": {"persistence": {"store": {"type": "redis", "secretRef": {"name": "feast-missing"}}}},
        "registry": {"local": {"persistence": {"store": {"type": "sql", "secretRef": {"name": "feast-absent"}}}}},
    });
    run.server
        .reject("/apis/apps/v1/namespaces/b/deployments/feast-demo", true);
    run.server
        .reject("/api/v1/namespaces/b/services/feast-demo-online", true);
    let planned = run.plan(&state, &private, &run.config(&config));
    let found = errors(&planned.diagnostics);
    let mut begins: Vec<&str> = found
        .iter()
        .filter_map(|it| it.split(" in namespace").next())
        .collect();
    begins.sort_unstable();
    assert_eq!(
        begins,
        [
            "namespace: Cannot replace the feature store: Cannot apply Deployment/feast-demo",
            "namespace: Cannot replace the feature store: Cannot apply Service/feast-demo-online",
            "services.online_store.persistence.store.secret_ref: Cannot prepare the feature store: Cannot get \
             Secret/feast-missing",
            "services.registry.local.persistence.store.secret_ref: Cannot prepare the feature store: Cannot get \
             Secret/feast-absent",
        ]
    );
    let explained = refused("ns/demo with b/demo", "");
    assert!(
        found.iter().all(|error| error.ends_with(&explained)),
        "{found:#?}"
    );
}

#[test]
fn says_what_becomes_of_data_only_if_the_old_store_is_destroyed() {
    let run = Run::new();
    let mut config = store("demo", "ns");
    config["services"] = json!({"onlineStore": {"persistence": {"file": {
        "path": "online.db", "pvc": {"create": {}, "mountPath": "/data"},
    }}}});
    for (delete_data, expected) in [
        (
            true,
            "Data will be deleted: This plan replaces the feature store. When the old one is destroyed, the persistent \
             volume claim \"feast-demo-online\" is deleted with everything in it, because `delete_data` is true. There is \
             no way back. It stays only if the old feature store is not destroyed (`lifecycle { destroy = false }`).",
        ),
        (
            false,
            "Data will be left unused: The persistent volume claim \"feast-demo-online\" will not be part of a feature \
             store any more. It stays with its data, and a feature store of the same name that creates it takes it up \
             again; `delete_data = true` would delete it.",
        ),
    ] {
        config["deleteData"] = json!(delete_data);
        let planned = run.plan(&Value::Null, &[], &run.config(&config));
        config["name"] = json!("other");
        let replaced = run.plan(&planned.state, b"{}", &run.config(&config));
        config["name"] = json!("demo");
        assert_eq!(said(&replaced), [expected]);
    }
}

#[test]
fn refuses_what_a_requested_replacement_could_not_create() {
    let run = Run::new();
    let config = run.config(&store("demo", "ns"));
    let (state, private) = run.create(&config);
    // `-replace`: a plan without a change, and then one without a prior state.
    let first = run.plan(&state, &private, &config);
    assert_eq!(first.requires_replace, []);
    let second = |config: &Value| run.plan(&Value::Null, &first.private, config);
    assert_eq!(said(&second(&config)), Vec::<String>::new());
    let leaving = json!({"metadata": {"name": "ns"}, "status": {"phase": "Terminating"}});
    run.server.put("/api/v1/namespaces/ns", leaving);
    let found = errors(&second(&config).diagnostics);
    let [found] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert!(
        found.starts_with("namespace: Cannot replace the feature store: Cannot get Namespace/ns "),
        "{found}"
    );
    assert!(
        found.contains("The namespace \"ns\" is being deleted."),
        "{found}"
    );
    run.server
        .put("/api/v1/namespaces/ns", json!({"metadata": {"name": "ns"}}));
    // An object of somebody else in the place of one that is gone.
    let service = "/api/v1/namespaces/ns/services/feast-demo-online";
    let foreign = json!({"metadata": {"name": "feast-demo-online", "namespace": "ns", "uid": "f"}});
    run.server.put(service, foreign);
    let taken = errors(&second(&config).diagnostics);
    assert!(
        taken.len() == 1
            && taken[0].contains("It exists already and does not belong to this feature store"),
        "{taken:?}"
    );
    let anew = "This plan replaces the feature store ns/demo with a new one of the same name.";
    assert!(found.contains(anew), "{found}");
}

/// Terraform plans a tainted feature store like this before it destroys it.
#[test]
fn does_not_check_a_tainted_store() {
    let run = Run::new();
    let config = run.config(&store("demo", "nowhere"));
    assert_eq!(
        said(&run.plan(&Value::Null, &[], &config)),
        Vec::<String>::new()
    );
    assert_eq!(run.server.requests(), Vec::<String>::new());
}

#[test]
fn refuses_a_namespace_that_the_provider_block_cannot_have() {
    let server = ApiServer::start(&["default"]);
    for namespace in ["Tool_116", "a b", "-a", &"a".repeat(70)] {
        let run = Run::on(&server, json!({}));
        let mut config = json!({"name": "demo", "feastProject": "p", "waitForRollout": false});
        let state = run.plan(&Value::Null, &[], &run.config(&config)).state;
        server.requests();
        let block = block(&run.feast);
        let planned = |prior: &Value, config: &Value| {
            let request = PlanResourceChangeRequest {
                prior_state: prior.clone(),
                proposed_new_state: config.clone(),
                config: config.clone(),
                ..PlanResourceChangeRequest::default()
            };
            feature_store::plan::plan(block, Some(namespace), false, config, &request)
        };
        let summary = "The namespace of the provider block cannot be used";
        for prior in [&Value::Null, &state] {
            let planned = planned(prior, &run.config(&config));
            assert!(!planned.diagnostics.is_empty(), "{namespace}");
            for diagnostic in &planned.diagnostics {
                assert_eq!(diagnostic.summary, summary);
                assert_eq!(diagnostic.path, Some(Path::of("namespace")));
            }
            assert_eq!(planned.requires_replace, []);
        }
        // The namespace of the feature store itself is another matter.
        config["namespace"] = json!("ns");
        assert_eq!(planned(&Value::Null, &run.config(&config)).diagnostics, []);
    }
}

#[test]
fn warns_where_the_cluster_cannot_be_asked() {
    let run = Run::new();
    let (state, private) = run.create(&run.config(&store("demo", "ns")));
    let mut gone = run.server.clone();
    gone.host = "http://127.0.0.1:1".to_owned();
    let unreachable = Run::on(&gone, json!({}));
    let renamed = unreachable.config(&store("other", "ns"));
    let planned = unreachable.plan(&state, &private, &renamed);
    assert_eq!(errors(&planned.diagnostics), Vec::<String>::new());
    let found = said(&planned);
    let [warning] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert!(
        warning.starts_with(
            "The replacement was not checked: This plan destroys the feature store and creates ns/other. Whether that \
             one can be created could not be checked: Cannot get Namespace/ns "
        ),
        "{warning}"
    );
    let mut unknown = renamed.clone();
    unknown.set("name", Value::Unknown);
    let found = said(&unreachable.plan(&state, &private, &unknown));
    let [warning] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert!(
        warning.starts_with(
            "The replacement was not checked: This plan destroys the feature store ns/demo and creates another one, whose \
             name or namespace will be known only after apply."
        ),
        "{warning}"
    );
}

#[test]
fn refuses_names_that_are_in_use() {
    let run = Run::new();
    let (state, private) = run.create(&run.config(&store("demo", "ns")));
    run.create(&run.config(&store("taken", "ns")));
    let found = said(&run.plan(&state, &private, &run.config(&store("taken", "ns"))));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].starts_with(
            "name: The feature store exists already: Namespace \"ns\" already contains the feature store \"taken\", which \
             this provider created and whose creation is complete."
        ),
        "{found:?}"
    );
    run.create(&run.config(&store("demo", "b")));
    let found = said(&run.plan(&state, &private, &run.config(&store("demo", "b"))));
    assert!(
        found[0].starts_with("namespace: The feature store exists already: "),
        "{found:?}"
    );

    let foreign = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "feast-free", "namespace": "ns", "uid": "f", "resourceVersion": "1"},
    });
    run.server.put(
        "/apis/apps/v1/namespaces/ns/deployments/feast-free",
        foreign,
    );
    let found = said(&run.plan(&state, &private, &run.config(&store("free", "ns"))));
    let place = format!("in namespace \"ns\" of the cluster at {}/", run.server.host);
    let reason = format!(
        "name: Cannot replace the feature store: Cannot apply Deployment/feast-free {place}.\nBecause: It exists already \
         and does not belong to this feature store.\n\nChoose another name for the feature store, or delete or rename \
         that object. It is not overwritten."
    );
    assert_eq!(found, [refused("ns/demo with ns/free", &reason)]);
    // Also while something else is unknown.
    let mut unknown = run.config(&store("free", "ns"));
    unknown.set("services", Value::Unknown);
    assert_eq!(
        said(&run.plan(&state, &private, &unknown)),
        [refused("ns/demo with ns/free", &reason)]
    );
}
