//! Applies of whole configurations, and the plans and refreshes after them, against the rules of Terraform core.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::test_provider::{TestProvider, errors};
use super::*;
use crate::feast::ownership::Ownership;
use crate::provider::resources::feature_store::private_state::RolloutProgress;

/// The valid configurations, without a rollout to wait for.
fn valid(provider: &TestProvider) -> Vec<Value> {
    let configs = configurations().into_iter().filter_map(|mut json| {
        json["waitForRollout"] = json!(false);
        let config = provider.config(&json);
        errors(&validate(&provider.feast, &config))
            .is_empty()
            .then_some(config)
    });
    configs.collect()
}

#[test]
fn core_accepts_the_results_of_create_and_update() {
    let provider = TestProvider::new();
    let configs = valid(&provider);
    assert!(configs.len() >= 7, "{}", configs.len());
    for config in configs {
        let name = config.attribute("name").as_str().unwrap();
        let (state, private) = provider.create(&config);
        let refreshed = provider.read(&state, &private);
        assert_eq!(
            errors(&refreshed.diagnostics),
            Vec::<String>::new(),
            "{name}"
        );
        assert!(refreshed.state.is_wholly_known());

        let labels = Value::Map([("team".to_owned(), Value::string("b"))].into());
        let mut changed = config.clone();
        changed.set("labels", labels);
        let prior = refreshed.state;
        let planned = provider.plan(&prior, &refreshed.private, &changed);
        assert_eq!(errors(&planned.diagnostics), Vec::<String>::new(), "{name}");
        let applied = provider.apply(&prior, &planned, &changed);
        assert_eq!(errors(&applied.diagnostics), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_failed_create_is_recorded_so_that_another_configuration_can_adopt_it() {
    let provider = TestProvider::new();
    let deployment = "/apis/apps/v1/namespaces/ns/deployments/feast-demo";
    let store = |project: &str| {
        provider.config(&json!({"name": "demo", "namespace": "ns", "feastProject": project, "waitForRollout": false}))
    };
    provider.server.reject_writes(deployment, 401);
    let first = store("p");
    let planned = provider.plan(&Value::Null, &[], &first);
    let failed = provider.apply(&Value::Null, &planned, &first);
    let messages = errors(&failed.diagnostics);
    let [error] = messages.as_slice() else {
        panic!("{messages:?}");
    };
    assert!(
        error.ends_with(
            "\n\nThe state records the objects that exist. Terraform marks a resource whose create failed as tainted: its \
             next apply destroys the feature store and creates it again. To keep it, correct the cause, run `terraform \
             untaint <address>` and apply again. Pulumi records no state: correct the cause and run `pulumi up` again, \
             which adopts the objects that exist."
        ),
        "{error}"
    );
    let path = "/api/v1/namespaces/ns/secrets/feast-demo";
    let ownership = || Ownership::of(provider.server.get(path).as_ref());
    let owner_id = ownership().owner_id().unwrap().to_owned();
    let before = Ownership::Failed { owner_id };
    assert_eq!(ownership(), before);

    // An update resumes.
    let updated = provider.plan(&failed.state, &failed.private, &first);
    let again = provider.apply(&failed.state, &updated, &first);
    let messages = errors(&again.diagnostics);
    assert!(
        messages[0].ends_with(
            "\n\nThe state records the objects that exist. The next plan is not empty; applying it resumes the update. Pulumi keeps the state before it: `pulumi up` resumes the update, and to go back to the previous configuration, run `pulumi refresh` first."
        ),
        "{messages:?}"
    );

    // Without a state, as Pulumi leaves it.
    provider.server.set_ownership(path, &before);
    provider.server.reject(deployment, false);
    provider.create(&store("q"));
    let after = ownership();
    assert!(matches!(after, Ownership::Complete { .. }), "{after:?}");
    assert_ne!(after.owner_id(), before.owner_id());
}

/// After `terraform untaint`, or an import. Otherwise, a create of another state could adopt the feature store.
#[test]
fn the_next_update_completes_a_failed_create() {
    let provider = TestProvider::new();
    let path = "/api/v1/namespaces/ns/secrets/feast-demo";
    let config = provider.config(
        &json!({"name": "demo", "namespace": "ns", "feastProject": "p", "waitForRollout": false}),
    );
    let untainted = provider.create(&config);
    let ownership = || Ownership::of(provider.server.get(path).as_ref());
    let complete = ownership();
    let owner_id = complete.owner_id().unwrap().to_owned();
    let record = |ownership: &Ownership| provider.server.set_ownership(path, ownership);
    let rollout = |state: &Value, private: &[u8]| provider.private(state, private).rollout;

    let failed = Ownership::Failed {
        owner_id: owner_id.clone(),
    };
    record(&failed);
    let mut imported = provider.import("ns/demo").resources;
    let imported = imported.remove(0);
    let imported = (imported.state, imported.private);
    assert_eq!(rollout(&imported.0, &imported.1), RolloutProgress::Pending);

    let running = Ownership::Creating {
        owner_id,
        deadline: Some(i64::from(u32::MAX)),
    };
    for (ownership_before, (state, private)) in [
        (&failed, &untainted),
        (&running, &untainted),
        (&failed, &imported),
    ] {
        record(ownership_before);
        let refreshed = provider.read(state, private);
        assert_eq!(errors(&refreshed.diagnostics), [""; 0]);
        let refreshed = provider.read(&refreshed.state, &refreshed.private);
        let (state, private) = (refreshed.state, refreshed.private);
        assert_eq!(rollout(&state, &private), RolloutProgress::Pending);
        let planned = provider.plan(&state, &private, &config);
        assert!(planned.state.attribute("scaling_status").is_unknown());
        let applied = provider.apply(&state, &planned, &config);
        assert_eq!(errors(&applied.diagnostics), [""; 0]);
        assert_eq!(ownership(), complete);

        let refreshed = provider.read(&applied.state, &applied.private);
        let (state, private) = (refreshed.state, refreshed.private);
        assert_eq!(rollout(&state, &private), RolloutProgress::Complete);
        assert_eq!(provider.plan(&state, &private, &config).state, state);
    }

    // The create of another resource instance.
    record(&Ownership::Failed {
        owner_id: "another".to_owned(),
    });
    let (state, private) = &untainted;
    let refreshed = provider.read(state, private);
    assert_eq!(
        rollout(&refreshed.state, &refreshed.private),
        RolloutProgress::Complete
    );
}

/// The other configuration has no ScaledObject and no ClusterRole, and a create of it would not look for them.
#[test]
fn suggests_commands_that_delete_every_object_of_an_unfinished_create() {
    let provider = TestProvider::new();
    let database = |kind: &str| json!({"store": {"type": kind, "secretRef": {"name": "s"}}});
    let mut store = json!({
        "name": "demo", "namespace": "ns", "feastProject": "p", "waitForRollout": false,
        "authz": {"oidc": {"issuerUrl": "https://idp"}},
        "services": {
            "feastApply": "none",
            "scaling": {"keda": {"maxReplicas": 3, "triggers": [{"type": "redis", "metadata": {}}]}},
            "onlineStore": {"persistence": database("postgres")},
            "registry": {"local": {"persistence": database("sql")}},
        },
    });
    provider.create(&provider.config(&store));
    provider
        .server
        .edit("/api/v1/namespaces/ns/secrets/feast-demo", |secret| {
            let running = json!({"id": "a", "complete": false, "deadline": i64::from(u32::MAX)});
            secret["data"]["creation.json"] = json!(BASE64.encode(running.to_string()));
        });
    store["authz"] = Json::Null;
    store["services"]["scaling"] = Json::Null;
    let other = provider.config(&store);
    let planned = provider.plan(&Value::Null, &[], &other);
    let messages = errors(&provider.apply(&Value::Null, &planned, &other).diagnostics);
    let [error] = messages.as_slice() else {
        panic!("{messages:?}");
    };
    let (_, command) = error
        .split_once("- Delete the objects: `kubectl delete ")
        .unwrap();
    let (kinds, rest) = command.split_once(' ').unwrap();
    let kinds: Vec<&str> = kinds.split(',').collect();
    for kind in [
        "secrets",
        "services",
        "deployments",
        "scaledobjects.keda.sh",
    ] {
        assert!(kinds.contains(&kind), "{kind}: {error}");
    }
    let outside = "`kubectl delete clusterroles/feast:ns:demo:token-review \
                   clusterrolebindings/feast:ns:demo:token-review --ignore-not-found`";
    assert!(rest.contains(outside), "{error}");
}
