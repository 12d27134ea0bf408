use serde_json::json;
use tokio::sync::mpsc;

use super::*;
use crate::cluster::scripted::{self, Act, Asked};

fn object(kind: Kind, name: &str) -> (Key, Json) {
    let key = Key::new(kind, name);
    let labels = json!({"feast.dev/name": "x", "app.kubernetes.io/managed-by": "feast"});
    let json = json!({
        "apiVersion": kind.api_version(),
        "kind": kind.as_str(),
        "metadata": {"name": name, "namespace": "ns", "labels": labels},
    });
    (key, json)
}

fn secret() -> (Key, Json) {
    object(Kind::Secret, "feast-x")
}

fn refused(asked: &Asked) -> Act {
    let message = format!("{} {}", asked.line, asked.body);
    Act::Answer(422, json!({"kind": "Status", "message": message}))
}

/// An apply of a Secret alone, from `live`.
async fn apply_secret(
    cluster: &Cluster,
    live: BTreeMap<Key, Json>,
    cancel: &CancellationToken,
) -> Outcome {
    let plan = Plan {
        store: &scripted::store("x"),
        wanted: &[secret()].into(),
        known: &BTreeMap::new(),
        claims: &Claims::default(),
        repair_drift: false,
        wait_for_job: None,
    };
    cluster.apply(live, &plan, cancel).await.unwrap()
}

fn said(outcome: &Outcome) -> Vec<String> {
    let errors = outcome.errors.iter();
    errors.map(|error| error.to_string()).collect()
}

/// It may have been done, and the next refresh tells.
#[tokio::test]
async fn an_interrupted_write_is_not_forgotten() {
    let (asked, mut was_asked) = mpsc::unbounded_channel();
    let cluster = scripted::cluster(move |_| {
        asked.send(()).unwrap();
        Act::Hang
    });
    let cluster = cluster.await;
    let cancel = CancellationToken::new();
    let interrupt = async {
        scripted::time_passes(&mut was_asked).await;
        cancel.cancel();
    };
    let apply = apply_secret(&cluster, BTreeMap::new(), &cancel);
    let (outcome, ()) = tokio::join!(apply, interrupt);
    assert_eq!(outcome.exists, [secret()].into());
    assert_eq!(outcome.changed, BTreeSet::new());
    let place = format!("in namespace \"ns\" of the cluster at {}", cluster.server());
    assert_eq!(
        said(&outcome),
        [format!("cannot apply Secret/feast-x {place}")]
    );
}

/// Nothing has been deleted, so there is nothing to wait for.
#[tokio::test]
async fn after_a_failure_the_job_of_before_is_left_alone() {
    let cluster = scripted::cluster(refused).await;
    let job = object(Kind::Job, "feast-x-apply-1");
    let cancel = CancellationToken::new();
    let outcome = apply_secret(&cluster, [job.clone()].into(), &cancel).await;
    assert_eq!(outcome.exists, [job].into());
    let place = format!("in namespace \"ns\" of the cluster at {}", cluster.server());
    assert_eq!(
        said(&outcome),
        [format!("cannot apply Secret/feast-x {place}")]
    );
}

/// A Job that could not be deleted.
#[tokio::test]
async fn a_job_that_stays_is_not_waited_for() {
    let cluster = scripted::cluster(|asked| match asked.line.split(' ').next() {
        Some("PATCH") => Act::Answer(200, secret().1),
        _ => refused(asked),
    });
    let cluster = cluster.await;
    let job = object(Kind::Job, "feast-x-apply-1");
    let cancel = CancellationToken::new();
    let outcome = apply_secret(&cluster, [job.clone()].into(), &cancel).await;
    assert_eq!(outcome.exists, [job, secret()].into());
    let place = format!("in namespace \"ns\" of the cluster at {}", cluster.server());
    assert_eq!(
        said(&outcome),
        [format!("cannot delete Job/feast-x-apply-1 {place}")]
    );
}

mod take_over {
    use super::*;

    fn operated(version: &str) -> Json {
        let (_, mut live) = object(Kind::Service, "feast-x-online");
        live["metadata"]["resourceVersion"] = json!(version);
        live["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("feast-operator");
        live["metadata"]["managedFields"] = json!([{"manager": "feast-operator", "operation": "Apply",
            "apiVersion": "v1", "fieldsV1": {"f:spec": {"f:type": {}}}}]);
        live
    }

    fn released() -> Json {
        let mut live = operated("2");
        live["metadata"]["managedFields"][0]["manager"] = json!("terraform-provider-feast");
        live
    }

    /// What is known of the object after these acts.
    async fn taken_over(acts: impl IntoIterator<Item = Act>) -> Outcome {
        let mut acts = acts.into_iter().collect::<Vec<_>>().into_iter();
        let cluster = scripted::cluster(move |_| acts.next().unwrap()).await;
        let key = Key::new(Kind::Service, "feast-x-online");
        let cancel = CancellationToken::new();
        let mut run = Run {
            cluster: &cluster,
            plan: &Plan {
                store: &scripted::store("x"),
                wanted: &BTreeMap::new(),
                known: &BTreeMap::new(),
                claims: &Claims::default(),
                repair_drift: true,
                wait_for_job: None,
            },
            cancel: &cancel,
            outcome: Outcome {
                exists: [(key, operated("1"))].into(),
                ..Outcome::default()
            },
        };
        run.take_over().await;
        assert_eq!(said(&run.outcome), [""; 0]);
        run.outcome
    }

    fn stale() -> Act {
        Act::Answer(409, json!({"kind": "Status", "message": "modified"}))
    }

    #[tokio::test]
    async fn of_a_lost_answer_the_object_as_it_is_then_is_known() {
        let key = Key::new(Kind::Service, "feast-x-online");
        let outcome = taken_over([Act::Lose, stale(), Act::Answer(200, released())]).await;
        assert_eq!(outcome.exists, [(key.clone(), released())].into());
        assert_eq!(outcome.taken_over, [key].into());
    }

    #[tokio::test]
    async fn what_has_gone_meanwhile_is_not_there() {
        let gone = Act::Answer(404, json!({"kind": "Status", "message": "not found"}));
        let outcome = taken_over([stale(), gone]).await;
        assert_eq!(outcome.exists, BTreeMap::new());
        assert_eq!(outcome.taken_over, BTreeSet::new());
    }
}
