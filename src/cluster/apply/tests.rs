mod dry_runs;
mod updates;

use std::collections::BTreeSet;

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

fn reject(request: &Received) -> Reply {
    let message = format!("{} {}", request.line, request.body);
    Reply::Answer(422, json!({"kind": "Status", "message": message}))
}

async fn apply(
    cluster: &Cluster,
    live: BTreeMap<Key, Json>,
    manifests: impl Into<BTreeMap<Key, Json>>,
    cancel: &CancellationToken,
) -> Outcome {
    let desired = DesiredState {
        store: &fake_api::store("x"),
        objects: &Objects::without_secrets("ns", manifests.into()),
        prior: &BTreeMap::new(),
        pvc_policy: &PvcPolicy::default(),
        deadline: tokio::time::Instant::now(),
        wait_for_job: None,
    };
    cluster.apply(live, &desired, None, cancel).await.unwrap()
}

/// Applies a Secret and nothing else.
async fn apply_secret(
    cluster: &Cluster,
    live: BTreeMap<Key, Json>,
    cancel: &CancellationToken,
) -> Outcome {
    apply(cluster, live, [secret()], cancel).await
}

fn errors(outcome: &Outcome) -> Vec<String> {
    let errors = outcome.errors.iter();
    errors.map(|error| error.to_string()).collect()
}

#[tokio::test]
async fn an_interrupted_write_is_part_of_the_outcome() {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let cluster = fake_api::cluster(move |_| {
        sender.send(()).unwrap();
        Reply::Hang
    });
    let cluster = cluster.await;
    let cancel = CancellationToken::new();
    let interrupt = async {
        fake_api::time_passes(&mut receiver).await;
        cancel.cancel();
    };
    let apply = apply_secret(&cluster, BTreeMap::new(), &cancel);
    let (outcome, ()) = tokio::join!(apply, interrupt);
    assert_eq!(outcome.objects, [secret()].into());
    assert_eq!(outcome.changed, BTreeSet::new());
    let place = format!("in namespace \"ns\" of the cluster at {}", cluster.server());
    assert_eq!(
        errors(&outcome),
        [format!("cannot apply Secret/feast-x {place}")]
    );
}

#[tokio::test]
async fn a_failure_keeps_the_previous_job() {
    let cluster = fake_api::cluster(reject).await;
    let job = object(Kind::Job, "feast-x-apply-1");
    let cancel = CancellationToken::new();
    let outcome = apply_secret(&cluster, [job.clone()].into(), &cancel).await;
    assert_eq!(outcome.objects, [job].into());
    let place = format!("in namespace \"ns\" of the cluster at {}", cluster.server());
    assert_eq!(
        errors(&outcome),
        [format!("cannot apply Secret/feast-x {place}")]
    );
}

#[tokio::test]
async fn a_job_that_cannot_be_deleted_ends_the_apply() {
    let cluster = fake_api::cluster(|request| match request.line.split(' ').next() {
        Some("PATCH") => Reply::Answer(200, secret().1),
        _ => reject(request),
    });
    let cluster = cluster.await;
    let job = object(Kind::Job, "feast-x-apply-1");
    let cancel = CancellationToken::new();
    let outcome = apply_secret(&cluster, [job.clone()].into(), &cancel).await;
    assert_eq!(outcome.objects, [job, secret()].into());
    let place = format!("in namespace \"ns\" of the cluster at {}", cluster.server());
    assert_eq!(
        errors(&outcome),
        [format!("cannot delete Job/feast-x-apply-1 {place}")]
    );
}

/// Returns the method of a request; `DRY-RUN` for a dry run.
fn method(request: &Received) -> String {
    match request.dry_run {
        true => "DRY-RUN".to_owned(),
        false => request.line.split(' ').next().unwrap().to_owned(),
    }
}

/// An earlier apply has deleted the Job, whose pod has not ended yet.
#[tokio::test]
async fn a_job_starts_after_a_terminating_one_is_gone() {
    let (old, mut terminating) = object(Kind::Job, "feast-x-apply-1");
    terminating["metadata"]["uid"] = json!("1");
    terminating["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let (sender, mut lines) = mpsc::unbounded_channel();
    let mut is_listed = false;
    let cluster = fake_api::cluster(move |it| {
        let is_list = it.line.starts_with("GET");
        if is_list && std::mem::replace(&mut is_listed, true) {
            // The watch that follows the list.
            return Reply::Hang;
        }
        let name = it.line.rsplit('/').next().unwrap();
        sender.send(format!("{} {name}", method(it))).unwrap();
        match is_list {
            true => Reply::Answer(
                200,
                json!({"metadata": {"resourceVersion": "1"}, "items": []}),
            ),
            false => Reply::Answer(200, it.body.clone()),
        }
    });
    let job = object(Kind::Job, "feast-x-apply-2");
    let cancel = CancellationToken::new();
    let live = [(old, terminating)].into();
    let outcome = apply(&cluster.await, live, [job], &cancel).await;
    assert_eq!(errors(&outcome), [""; 0]);
    lines.close();
    let mut requests = Vec::new();
    while let Some(request) = lines.recv().await {
        requests.push(request);
    }
    let expected = [
        "DELETE feast-x-apply-1",
        "GET jobs",
        "PATCH feast-x-apply-2",
    ];
    assert_eq!(requests, expected);
}

/// The role is written at the same time as the binding.
#[tokio::test]
async fn a_binding_is_applied_again_after_its_role() {
    let (sender, mut lines) = mpsc::unbounded_channel();
    let mut replies = [404, 200].into_iter();
    let cluster = fake_api::cluster(move |it| {
        if it.line.contains("/rolebindings/") {
            sender.send(method(it)).unwrap();
            if replies.next().unwrap() == 404 {
                let details = json!({"kind": "rolebindings", "name": "feast-x"});
                return Reply::Answer(404, json!({"kind": "Status", "details": details}));
            }
        }
        Reply::Answer(200, it.body.clone())
    });
    let manifests = [
        object(Kind::Role, "feast-x"),
        object(Kind::RoleBinding, "feast-x"),
    ];
    let cancel = CancellationToken::new();
    let outcome = apply(&cluster.await, BTreeMap::new(), manifests, &cancel).await;
    assert_eq!(errors(&outcome), [""; 0]);
    assert_eq!(outcome.created.len(), 2);
    lines.close();
    let mut methods = Vec::new();
    while let Some(method) = lines.recv().await {
        methods.push(method);
    }
    assert_eq!(methods, ["PATCH", "PATCH"]);
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

    /// Takes over an object of the operator, with these replies of the API server.
    async fn taken_over(replies: impl IntoIterator<Item = Reply>) -> Outcome {
        let mut replies = replies.into_iter().collect::<Vec<_>>().into_iter();
        let cluster = fake_api::cluster(move |_| replies.next().unwrap()).await;
        let key = Key::new(Kind::Service, "feast-x-online");
        let cancel = CancellationToken::new();
        let desired = DesiredState {
            store: &fake_api::store("x"),
            objects: &Objects::without_secrets("ns", BTreeMap::new()),
            prior: &BTreeMap::new(),
            pvc_policy: &PvcPolicy::default(),
            deadline: tokio::time::Instant::now(),
            wait_for_job: None,
        };
        let mut applier = Applier {
            cluster: &cluster,
            desired,
            certificates: None,
            writer: desired.writer(&cluster, &cancel),
            cancel: &cancel,
            outcome: Outcome {
                objects: [(key, operated("1"))].into(),
                ..Outcome::default()
            },
        };
        applier.take_over().await;
        assert_eq!(errors(&applier.outcome), [""; 0]);
        applier.outcome
    }

    fn stale() -> Reply {
        Reply::Answer(409, json!({"kind": "Status", "message": "modified"}))
    }

    #[tokio::test]
    async fn a_lost_answer_is_read_again() {
        let key = Key::new(Kind::Service, "feast-x-online");
        let outcome = taken_over([Reply::Lose, stale(), Reply::Answer(200, released())]).await;
        assert_eq!(outcome.objects, [(key.clone(), released())].into());
        assert_eq!(outcome.taken_over, [key].into());
    }

    #[tokio::test]
    async fn an_object_that_is_gone_is_not_part_of_the_outcome() {
        let gone = Reply::Answer(404, json!({"kind": "Status", "message": "not found"}));
        let outcome = taken_over([stale(), gone]).await;
        assert_eq!(outcome.objects, BTreeMap::new());
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

    /// Applies three replicas where an autoscaler exists. The n-th list request returns the n-th of these objects;
    /// watch requests return nothing. Returns the methods of the requests.
    async fn replace_autoscaler(listed: impl IntoIterator<Item = Json>) -> (Vec<String>, Outcome) {
        let mut listed = listed.into_iter().collect::<Vec<_>>().into_iter();
        let (sender, mut lines) = mpsc::unbounded_channel();
        let cluster = fake_api::cluster(move |it| {
            let method = method(it);
            sender.send(method.clone()).unwrap();
            match (method.as_str(), listed.len()) {
                ("DELETE", _) => Reply::Answer(200, json!({"kind": "Status"})),
                ("PATCH", _) => Reply::Answer(200, deployment(3, false)),
                (_, 0) => Reply::Hang,
                _ => {
                    let items = [listed.next().unwrap()];
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
        let autoscaler = object(Kind::HorizontalPodAutoscaler, "feast-x");
        let live = [(key.clone(), deployment(5, true)), autoscaler].into();
        let cancel = CancellationToken::new();
        let outcome = apply(&cluster, live, [(key, wanted)], &cancel).await;
        assert_eq!(errors(&outcome), [""; 0]);
        lines.close();
        let mut methods = Vec::new();
        while let Some(method) = lines.recv().await {
            methods.push(method);
        }
        (methods, outcome)
    }

    #[tokio::test]
    async fn a_replica_count_that_a_deleted_autoscaler_changes_is_applied_again() {
        let listed = [deployment(7, true), deployment(3, true)];
        let (methods, outcome) = replace_autoscaler(listed).await;
        assert_eq!(methods, ["DELETE", "PATCH", "GET", "PATCH", "GET"]);
        let live = outcome.objects.values().next().unwrap();
        assert_eq!(live["spec"]["replicas"], 3);
    }

    #[tokio::test]
    async fn an_observed_replica_count_is_settled() {
        let (methods, _) = replace_autoscaler([deployment(3, true)]).await;
        assert_eq!(methods, ["DELETE", "PATCH", "GET"]);
    }
}

#[tokio::test]
async fn a_stalled_deletion_names_its_finalizers() {
    let (key, mut live) = object(Kind::Service, "feast-x-online");
    live["metadata"]["uid"] = json!("1");
    live["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    live["metadata"]["finalizers"] = json!(["example.com/held"]);
    let (sender, mut receiver) = mpsc::unbounded_channel();
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
        sender.send(()).unwrap();
        Reply::Hang
    });
    let cluster = cluster.await;
    let (_, wanted) = object(Kind::Service, "feast-x-online");
    let cancel = CancellationToken::new();
    let live = [(key.clone(), live)].into();
    let apply = apply(&cluster, live, [(key, wanted)], &cancel);
    let (outcome, ()) = tokio::join!(apply, fake_api::time_passes(&mut receiver));
    let place = format!("in namespace \"ns\" of the cluster at {}", cluster.server());
    assert_eq!(
        errors(&outcome),
        [format!("cannot apply Service/feast-x-online {place}")]
    );
    assert_eq!(
        outcome.errors[0].reason.to_string(),
        "the object is still being deleted after 60 s. It has these finalizers:\n  \
         example.com/held: the controller with this name removes it; check that it runs, and check its log\n\
         Only if that controller no longer exists, as a last resort, remove the finalizers by hand: \
         `kubectl patch service/feast-x-online --namespace ns --type merge --patch '{\"metadata\":{\"finalizers\":null}}'`"
    );
}
