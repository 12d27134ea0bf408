//! Applies of whole configurations, and the plans and refreshes after them, against the rules of Terraform core.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::test_provider::{TestProvider, errors};
use super::*;
use crate::feast::ownership::Ownership;

/// The valid configurations, without a rollout to wait for.
fn valid(run: &TestProvider) -> Vec<Value> {
    let configs = configurations().into_iter().filter_map(|mut json| {
        json["waitForRollout"] = json!(false);
        let config = run.config(&json);
        errors(&validate(&run.feast, &config))
            .is_empty()
            .then_some(config)
    });
    configs.collect()
}

#[test]
fn core_accepts_the_results_of_create_and_update() {
    let run = TestProvider::new();
    let configs = valid(&run);
    assert!(configs.len() >= 7, "{}", configs.len());
    for config in configs {
        let name = config.attribute("name").as_str().unwrap();
        let (state, private) = run.create(&config);
        let refreshed = run.read(&state, &private);
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
        let planned = run.plan(&prior, &refreshed.private, &changed);
        assert_eq!(errors(&planned.diagnostics), Vec::<String>::new(), "{name}");
        let applied = run.apply(&prior, &planned, &changed);
        assert_eq!(errors(&applied.diagnostics), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_failed_create_is_recorded_so_that_another_configuration_can_adopt_it() {
    let run = TestProvider::new();
    let deployment = "/apis/apps/v1/namespaces/ns/deployments/feast-demo";
    let store = |project: &str| {
        run.config(&json!({"name": "demo", "namespace": "ns", "feastProject": project, "waitForRollout": false}))
    };
    run.server.reject(deployment, true);
    let first = store("p");
    let planned = run.plan(&Value::Null, &[], &first);
    let failed = run.apply(&Value::Null, &planned, &first);
    let found = errors(&failed.diagnostics);
    let [error] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert!(
        error.ends_with(
            "\n\nWhat exists is in the state. Terraform marks a resource whose create has failed as tainted: its next \
             apply destroys the feature store and creates it again. To keep it, correct the cause, remove the mark \
             (`terraform untaint <address>`) and apply again. Pulumi has no state of it: correct the cause and run \
             `pulumi up` again, which takes over what exists."
        ),
        "{error}"
    );
    let path = "/api/v1/namespaces/ns/secrets/feast-demo";
    let ownership = || Ownership::of(run.server.get(path).as_ref());
    let owner_id = ownership().owner_id().unwrap().to_owned();
    let before = Ownership::Failed { owner_id };
    assert_eq!(ownership(), before);

    // An update goes on from there.
    let updated = run.plan(&failed.state, &failed.private, &first);
    let again = run.apply(&failed.state, &updated, &first);
    let found = errors(&again.diagnostics);
    assert!(
        found[0].ends_with(
            "\n\nWhat exists is in the state. The next plan is not empty, and applying it goes on from there."
        ),
        "{found:?}"
    );

    // Without a state, as Pulumi leaves it.
    let mut secret = run.server.get(path).unwrap();
    let record = before.record().unwrap().to_string();
    secret["data"]["creation.json"] = json!(BASE64.encode(record));
    run.server.put(path, secret);
    run.server.reject(deployment, false);
    run.create(&store("q"));
    let after = ownership();
    assert!(matches!(after, Ownership::Complete { .. }), "{after:?}");
    assert_ne!(after.owner_id(), before.owner_id());
}
