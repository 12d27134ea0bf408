use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};

use super::*;
use crate::provider::tests::test_provider::{TestProvider, summaries, texts};
use crate::schema::encode;
use crate::schema::provider::{ClientCapabilities, StreamClosed};

const JOBS: &str = "/apis/batch/v1/namespaces/ns/jobs";

fn action(provider: &TestProvider, name: &str) -> Arc<dyn Action> {
    let registry = crate::schema::Provider::registry(&provider.feast);
    Arc::clone(&registry.actions[name])
}

fn config(action: &dyn Action, json: &Json) -> Value {
    encode(&action.schema().block.attributes, json)
}

/// Keeps the messages, and calls `react` with each of them.
struct Messages<F> {
    texts: Mutex<Vec<String>>,
    react: F,
}

#[async_trait]
impl<F: Fn(&str) + Send + Sync> EventSink<String> for Messages<F> {
    async fn send(&self, text: String) -> Result<(), StreamClosed> {
        (self.react)(&text);
        self.texts.lock().unwrap().push(text);
        Ok(())
    }
}

/// Invokes an action. Returns its messages and its diagnostics.
fn invoke(
    provider: &TestProvider,
    name: &str,
    json: &Json,
    react: impl Fn(&str) + Send + Sync,
) -> (Vec<String>, Diagnostics) {
    let action = action(provider, name);
    let request = InvokeActionRequest {
        config: config(action.as_ref(), json),
        ..InvokeActionRequest::default()
    };
    let messages = Messages {
        texts: Mutex::default(),
        react,
    };
    let diagnostics = provider.block_on(action.invoke(request, &messages));
    (messages.texts.into_inner().unwrap(), diagnostics)
}

/// Creates a feature store with databases.
fn store(provider: &TestProvider, more: &Json) {
    let secret = json!({"name": "s"});
    let mut store = json!({
        "name": "x", "namespace": "ns", "feastProject": "p", "waitForRollout": false,
        "services": {
            "feastApply": "none",
            "onlineStore": {"persistence": {"store": {"type": "postgres", "secretRef": secret}}},
            "registry": {"local": {"persistence": {"store": {"type": "sql", "secretRef": secret}}}},
        },
    });
    for (name, value) in more.as_object().unwrap() {
        store[name] = value.clone();
    }
    provider.create(&provider.config(&store));
}

#[test]
fn rejects_invalid_configurations_also_at_plan_and_invoke() {
    let provider = TestProvider::new();
    let time = "2026-01-01T00:00:00Z";
    for (name, more, expected) in [
        ("feast_restart", json!({}), ""),
        (
            "feast_restart",
            json!({"timeout": "25h"}),
            "timeout: Invalid time limit",
        ),
        (
            "feast_apply",
            json!({"timeout": "0s"}),
            "timeout: Invalid time limit",
        ),
        (
            "feast_apply",
            json!({"namespace": ""}),
            "namespace: Invalid value",
        ),
        (
            "feast_apply",
            json!({"namespace": "Team_A"}),
            "namespace: Invalid value",
        ),
        (
            "feast_apply",
            json!({"name": "n".repeat(58)}),
            "name: Invalid value",
        ),
        (
            "feast_materialize",
            json!({"namespace": "n".repeat(64)}),
            "namespace: Invalid value",
        ),
        (
            "feast_materialize",
            json!({"name": "ns/x"}),
            "name: Invalid value",
        ),
        (
            "feast_restart",
            json!({"namespace": "a.b"}),
            "namespace: Invalid value",
        ),
        ("feast_restart", json!({"name": "X"}), "name: Invalid value"),
        (
            "feast_materialize",
            json!({"views": []}),
            "views: Invalid value",
        ),
        (
            "feast_materialize",
            json!({"views": [""]}),
            "views[0]: Invalid value",
        ),
        (
            "feast_materialize",
            json!({"from": "2026-01-01"}),
            "from: Invalid value",
        ),
        (
            "feast_materialize",
            json!({"from": time}),
            "from: `from` and `to` require each other",
        ),
        (
            "feast_materialize",
            json!({"to": time}),
            "to: `from` and `to` require each other",
        ),
        (
            "feast_materialize",
            json!({"from": "2026-02-30T00:00:00Z", "to": time}),
            "from: Invalid time",
        ),
        (
            "feast_materialize",
            json!({"from": time, "to": "2026-01-01T00:30:00+01:00"}),
            "to: The period is empty",
        ),
        (
            "feast_materialize",
            json!({"from": time, "to": "2026-01-01T00:30:00-01:00", "views": ["v"]}),
            "",
        ),
    ] {
        let action = action(&provider, name);
        let mut json = json!({"name": "x"});
        for (name, value) in more.as_object().unwrap() {
            json[name] = value.clone();
        }
        let config = config(action.as_ref(), &json);
        let found = action.validate_config(config.clone());
        let all: Vec<String> = found
            .iter()
            .map(|found| format!("{}: {}", found.path.clone().unwrap(), found.summary))
            .collect();
        assert_eq!(all.join("; "), expected, "{json}");
        let plan = PlanActionRequest {
            config,
            client: ClientCapabilities {
                deferral_allowed: true,
                ..ClientCapabilities::default()
            },
        };
        let planned = provider.block_on(action.plan(plan));
        assert_eq!((&planned.diagnostics, planned.deferred), (&found, None));
        let (messages, invoked) = invoke(&provider, name, &json, |_| {});
        assert_eq!(messages, [""; 0]);
        match expected {
            "" => assert_eq!(summaries(&invoked), ["There is no such feature store"]),
            _ => assert_eq!(invoked, found),
        }
    }
}

#[test]
fn unknown_values_are_no_problem_until_the_invocation() {
    let provider = TestProvider::new();
    let action = action(&provider, "feast_materialize");
    let time = "2026-01-01T00:00:00Z";
    let mut config = config(action.as_ref(), &json!({"name": "x", "to": time}));
    for name in ["from", "views", "namespace", "timeout", "name"] {
        config.set(name, Value::Unknown);
        if name != "from" {
            assert_eq!(action.validate_config(config.clone()), [], "{name}");
        }
    }
    let request = InvokeActionRequest {
        config,
        ..InvokeActionRequest::default()
    };
    let messages = Messages {
        texts: Mutex::default(),
        react: |_: &str| {},
    };
    let diagnostics = provider.block_on(action.invoke(request, &messages));
    assert_eq!(summaries(&diagnostics), ["Values are unknown at apply"]);
}

#[test]
fn needs_a_place_that_reaches_the_data() {
    let provider = TestProvider::new();
    let store =
        json!({"name": "x", "namespace": "ns", "feastProject": "p", "waitForRollout": false});
    provider.create(&provider.config(&store));
    provider.server.requests();
    let target = json!({"name": "x", "namespace": "ns"});
    let (messages, diagnostics) = invoke(&provider, "feast_apply", &target, |_| {});
    assert_eq!(messages, [""; 0]);
    let [text] = texts(&diagnostics).try_into().unwrap();
    for part in [
        "Cannot apply the feature definitions: The online store or the registry of the feature store ns/x is a file",
        "`kubectl exec deploy/feast-x -c online -n ns -- feast apply`",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let requests = provider.server.requests();
    assert!(
        requests.iter().all(|request| request.starts_with("GET ")),
        "{requests:?}"
    );
}

#[test]
fn a_cancelled_run_deletes_its_job() {
    let provider = TestProvider::new();
    store(&provider, &json!({}));
    provider.server.requests();
    let target = json!({"name": "x", "namespace": "ns", "views": ["v"]});
    let (messages, diagnostics) = invoke(&provider, "feast_materialize", &target, |_| {
        crate::schema::Provider::stop(&provider.feast);
    });
    let [created] = messages.as_slice() else {
        panic!("{messages:?}");
    };
    let (job, rest) = created.split_once(' ').unwrap();
    assert_eq!(rest, "in namespace ns runs `feast materialize-incremental`");
    let job = job.strip_prefix("Job/").unwrap();
    assert!(job.starts_with("feast-x-run-materialize-"), "{job}");
    let [text] = texts(&diagnostics).try_into().unwrap();
    for part in [
        "Cannot materialize features: ",
        "Caused by: The operation was canceled.",
        "The Job was deleted with its pods, so that nothing of this run continues.",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let requests = provider.server.requests();
    for method in ["PATCH", "DELETE"] {
        let request = format!("{method} {JOBS}/{job}");
        assert!(requests.contains(&request), "{request}: {requests:?}");
    }
    let left = provider.server.paths().into_iter();
    assert_eq!(left.filter(|path| path.starts_with(JOBS)).count(), 0);
}

#[test]
fn a_failed_run_keeps_its_job() {
    let provider = TestProvider::new();
    store(&provider, &json!({}));
    let target = json!({"name": "x", "namespace": "ns"});
    provider.server.fail_jobs();
    let (messages, diagnostics) = invoke(&provider, "feast_apply", &target, |_| {});
    assert_eq!(messages.len(), 1);
    let [text] = texts(&diagnostics).try_into().unwrap();
    for part in [
        "Caused by: `feast apply` failed: BackoffLimitExceeded: m.",
        "Fix the problem in the log of the pod, then invoke the action again.",
        "The Job is kept for one day: `kubectl logs job/feast-x-run-apply-",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let left = provider.server.paths().into_iter();
    assert_eq!(left.filter(|path| path.starts_with(JOBS)).count(), 1);
}

#[test]
fn a_restart_that_ends_half_way_names_what_was_restarted() {
    let provider = TestProvider::new();
    let consumer = json!({"enabled": true, "lineageServer": {}});
    store(
        &provider,
        &json!({"openlineage": {"enabled": true, "consumer": consumer}}),
    );
    let deployments = "/apis/apps/v1/namespaces/ns/deployments";
    provider
        .server
        .remove(&format!("{deployments}/feast-x-lineage"));
    let target = json!({"name": "x", "namespace": "ns", "timeout": "1s"});
    let (messages, diagnostics) = invoke(&provider, "feast_restart", &target, |_| {});
    assert!(
        messages[0].starts_with("Restarting Deployment/feast-x in"),
        "{messages:?}"
    );
    let found = texts(&diagnostics);
    let [refused, ..] = found.as_slice() else {
        panic!("{diagnostics:?}");
    };
    for part in [
        "/feast-x-lineage",
        "Deployment/feast-x was restarted before.",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }

    // Nothing was restarted.
    provider.server.remove(&format!("{deployments}/feast-x"));
    let (messages, diagnostics) = invoke(&provider, "feast_restart", &target, |_| {});
    assert_eq!(messages, [""; 0]);
    let [refused] = texts(&diagnostics).try_into().unwrap();
    assert!(!refused.contains("restarted before"), "{refused}");
}
