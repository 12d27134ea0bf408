use serde_json::json;
use tokio::sync::mpsc;

use super::*;
use crate::cluster::fake_api::{self, Received, Reply};

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

fn refused(asked: &Received) -> Reply {
    let message = format!("{} {}", asked.line, asked.body);
    Reply::Answer(422, json!({"kind": "Status", "message": message}))
}

/// An apply of a Secret alone, from `live`.
async fn apply_secret(
    cluster: &Cluster,
    live: BTreeMap<Key, Json>,
    cancel: &CancellationToken,
) -> Outcome {
    let plan = Plan {
        store: &fake_api::store("x"),
        wanted: &[secret()].into(),
        known: &BTreeMap::new(),
        claims: &PvcPolicy::default(),
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
    let cluster = fake_api::cluster(move |_| {
        asked.send(()).unwrap();
        Reply::Hang
    });
    let cluster = cluster.await;
    let cancel = CancellationToken::new();
    let interrupt = async {
        fake_api::time_passes(&mut was_asked).await;
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
    let cluster = fake_api::cluster(refused).await;
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
    let cluster = fake_api::cluster(|asked| match asked.line.split(' ').next() {
        Some("PATCH") => Reply::Answer(200, secret().1),
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
    async fn taken_over(acts: impl IntoIterator<Item = Reply>) -> Outcome {
        let mut acts = acts.into_iter().collect::<Vec<_>>().into_iter();
        let cluster = fake_api::cluster(move |_| acts.next().unwrap()).await;
        let key = Key::new(Kind::Service, "feast-x-online");
        let cancel = CancellationToken::new();
        let mut run = Run {
            cluster: &cluster,
            plan: &Plan {
                store: &fake_api::store("x"),
                wanted: &BTreeMap::new(),
                known: &BTreeMap::new(),
                claims: &PvcPolicy::default(),
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

    fn stale() -> Reply {
        Reply::Answer(409, json!({"kind": "Status", "message": "modified"}))
    }

    #[tokio::test]
    async fn of_a_lost_answer_the_object_as_it_is_then_is_known() {
        let key = Key::new(Kind::Service, "feast-x-online");
        let outcome = taken_over([Reply::Lose, stale(), Reply::Answer(200, released())]).await;
        assert_eq!(outcome.exists, [(key.clone(), released())].into());
        assert_eq!(outcome.taken_over, [key].into());
    }

    #[tokio::test]
    async fn what_has_gone_meanwhile_is_not_there() {
        let gone = Reply::Answer(404, json!({"kind": "Status", "message": "not found"}));
        let outcome = taken_over([stale(), gone]).await;
        assert_eq!(outcome.exists, BTreeMap::new());
        assert_eq!(outcome.taken_over, BTreeSet::new());
    }
}

mod settle {
    use super::*;

    fn deployment(replicas: i32, observed: bool) -> Json {
        let (_, mut live) = object(Kind::Deployment, "feast-x");
        live["metadata"]["resourceVersion"] = json!("1");
        live["metadata"]["generation"] = json!(2);
        live["spec"] = json!({"replicas": replicas});
        live["status"] = json!({"observedGeneration": if observed { 2 } else { 1 }});
        live
    }

    /// The requests of an apply of three replicas over an autoscaler, where the n-th listing shows the n-th of these
    /// objects, and a watch shows nothing more.
    async fn applied(shown: impl IntoIterator<Item = Json>) -> (Vec<String>, Outcome) {
        let mut shown = shown.into_iter().collect::<Vec<_>>().into_iter();
        let (asked, mut lines) = mpsc::unbounded_channel();
        let cluster = fake_api::cluster(move |it| {
            let method = it.line.split(' ').next().unwrap().to_owned();
            asked.send(method.clone()).unwrap();
            match (method.as_str(), shown.len()) {
                ("DELETE", _) => Reply::Answer(200, json!({"kind": "Status"})),
                ("PATCH", _) => Reply::Answer(200, deployment(3, false)),
                (_, 0) => Reply::Hang,
                _ => {
                    let items = [shown.next().unwrap()];
                    Reply::Answer(
                        200,
                        json!({"metadata": {"resourceVersion": "1"}, "items": items}),
                    )
                }
            }
        });
        let cluster = cluster.await;
        let (key, mut wanted) = object(Kind::Deployment, "feast-x");
        wanted["spec"] = json!({"replicas": 3});
        let plan = Plan {
            store: &fake_api::store("x"),
            wanted: &[(key.clone(), wanted)].into(),
            known: &BTreeMap::new(),
            claims: &PvcPolicy::default(),
            repair_drift: true,
            wait_for_job: None,
        };
        let autoscaler = object(Kind::HorizontalPodAutoscaler, "feast-x");
        let live = [(key, deployment(5, true)), autoscaler].into();
        let cancel = CancellationToken::new();
        let outcome = cluster.apply(live, &plan, &cancel).await.unwrap();
        assert_eq!(said(&outcome), [""; 0]);
        lines.close();
        let mut methods = Vec::new();
        while let Some(method) = lines.recv().await {
            methods.push(method);
        }
        (methods, outcome)
    }

    #[tokio::test]
    async fn the_number_that_a_deleted_autoscaler_moves_is_set_again() {
        let moved = [deployment(7, true), deployment(3, true)];
        let (methods, outcome) = applied(moved).await;
        assert_eq!(methods, ["DELETE", "PATCH", "GET", "PATCH", "GET"]);
        let live = outcome.exists.values().next().unwrap();
        assert_eq!(live["spec"]["replicas"], 3);
    }

    #[tokio::test]
    async fn a_number_that_the_deployment_controller_has_observed_is_settled() {
        let (methods, _) = applied([deployment(3, true)]).await;
        assert_eq!(methods, ["DELETE", "PATCH", "GET"]);
    }
}

/// The name is still taken when the time for that is over.
#[tokio::test]
async fn a_name_that_stays_taken_names_its_finalizers() {
    let (key, mut live) = object(Kind::Service, "feast-x-online");
    live["metadata"]["uid"] = json!("1");
    live["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    live["metadata"]["finalizers"] = json!(["example.com/held"]);
    let (asked, mut was_asked) = mpsc::unbounded_channel();
    let held = live.clone();
    let mut lists = 0;
    let cluster = fake_api::cluster(move |it| {
        if it.line.ends_with("/feast-x-online") {
            return Reply::Answer(200, held.clone());
        }
        lists += 1;
        if lists == 1 {
            return Reply::Answer(
                200,
                json!({"metadata": {"resourceVersion": "1"}, "items": [held]}),
            );
        }
        asked.send(()).unwrap();
        Reply::Hang
    });
    let cluster = cluster.await;
    let (_, wanted) = object(Kind::Service, "feast-x-online");
    let plan = Plan {
        store: &fake_api::store("x"),
        wanted: &[(key.clone(), wanted)].into(),
        known: &BTreeMap::new(),
        claims: &PvcPolicy::default(),
        repair_drift: false,
        wait_for_job: None,
    };
    let cancel = CancellationToken::new();
    let apply = cluster.apply([(key, live)].into(), &plan, &cancel);
    let (outcome, ()) = tokio::join!(apply, fake_api::time_passes(&mut was_asked));
    let outcome = outcome.unwrap();
    let place = format!("in namespace \"ns\" of the cluster at {}", cluster.server());
    assert_eq!(
        said(&outcome),
        [format!("cannot apply Service/feast-x-online {place}")]
    );
    assert_eq!(
        outcome.errors[0].reason.to_string(),
        "the object is still being deleted after 60 s. Its finalizers keep it:\n  \
         example.com/held: the controller that it is named after removes it; check that it runs, and its log\n\
         Only if that controller no longer exists, as a last resort, remove the finalizers by hand: \
         `kubectl patch service/feast-x-online --namespace ns --type merge --patch '{\"metadata\":{\"finalizers\":null}}'`"
    );
}
