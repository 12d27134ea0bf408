//! Operations on a state that was not refreshed: `-refresh=false`, and `-minimal-refresh` since Terraform 1.17, which
//! plans first, and refreshes and plans again only what would change.

use super::test_provider::{TestProvider, texts};
use super::*;

fn config(provider: &TestProvider, team: &str) -> Value {
    provider.config(&json!({
        "name": "x", "namespace": "ns", "feastProject": "p", "waitForRollout": false,
        "labels": {"team": team},
        "services": {"scaling": {"replicas": 1}},
    }))
}

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/ns/deployments/feast-x";

#[test]
fn plans_and_applies_without_a_refresh() {
    let provider = TestProvider::new();
    let first = config(&provider, "a");
    let (state, private) = provider.create(&first);
    let planned = provider.plan(&state, &private, &first);
    assert_eq!(
        (&planned.state, texts(&planned.diagnostics)),
        (&state, vec![])
    );

    let second = config(&provider, "b");
    let planned = provider.plan(&state, &private, &second);
    assert_ne!(planned.state, state);
    let applied = provider.apply(&state, &planned, &second);
    assert_eq!(texts(&applied.diagnostics), [""; 0]);
    let live = provider.server.get(DEPLOYMENT).unwrap();
    assert_eq!(live["metadata"]["labels"]["team"], "b");
    let planned = provider.plan(&applied.state, &applied.private, &second);
    assert_eq!(planned.state, applied.state);
}

#[test]
fn a_refresh_between_two_plans_gives_the_plan_of_a_usual_run() {
    let provider = TestProvider::new();
    let first = config(&provider, "a");
    let (state, private) = provider.create(&first);
    provider
        .server
        .edit(DEPLOYMENT, |live| live["spec"]["replicas"] = json!(3));

    // Without a change of the configuration, nothing is refreshed, and the drift is not seen.
    let planned = provider.plan(&state, &private, &first);
    assert_eq!(planned.state, state);

    let second = config(&provider, "b");
    let planned = provider.plan(&state, &private, &second);
    assert_eq!(texts(&planned.diagnostics), [""; 0]);
    let refreshed = provider.read(&state, &private);
    let again = provider.plan(&refreshed.state, &refreshed.private, &second);
    let usual = provider.read(&state, &private);
    let usual = provider.plan(&usual.state, &usual.private, &second);
    assert_eq!(again, usual);
    let replicas = |state: &Value| state.attribute("services.scaling.replicas").clone();
    assert_eq!(
        [&refreshed.state, &again.state].map(replicas),
        [3, 1].map(Value::integer)
    );
}

#[test]
fn destroys_without_a_refresh() {
    let provider = TestProvider::new();
    let before = provider.server.paths();
    let (state, private) = provider.create(&config(&provider, "a"));
    // Somebody has deleted an object since.
    provider.server.remove(DEPLOYMENT);
    let destroyed = provider.destroy(&state, &private);
    assert_eq!(
        (texts(&destroyed.diagnostics), destroyed.state),
        (vec![], Value::Null)
    );
    assert_eq!(provider.server.paths(), before);
}
