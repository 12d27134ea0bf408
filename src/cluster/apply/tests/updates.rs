//! The order of the writes of an update.

use super::*;

/// Starts an API server that accepts everything except the writes that `reply` answers, and sends each write, such as
/// `PATCH services/feast-x-online`, to the receiver.
async fn server(
    mut reply: impl FnMut(&str) -> Option<Reply> + Send + 'static,
) -> (Cluster, mpsc::UnboundedReceiver<String>) {
    let (sender, writes) = mpsc::unbounded_channel();
    let cluster = fake_api::cluster(move |it| {
        let accepted = Reply::Answer(200, it.body.clone());
        if it.dry_run {
            return accepted;
        }
        let mut path = it.line.rsplit('/');
        let (name, resource) = (path.next().unwrap(), path.next().unwrap());
        let write = format!("{} {resource}/{name}", method(it));
        sender.send(write.clone()).unwrap();
        reply(&write).unwrap_or(accepted)
    });
    (cluster.await, writes)
}

/// Returns the writes since the last call.
fn since(writes: &mut mpsc::UnboundedReceiver<String>) -> Vec<String> {
    std::iter::from_fn(|| writes.try_recv().ok()).collect()
}

fn with(kind: Kind, name: &str, field: &str, value: Json) -> (Key, Json) {
    let (key, mut manifest) = object(kind, name);
    manifest[field] = value;
    (key, manifest)
}

fn service(ports: Json) -> (Key, Json) {
    with(
        Kind::Service,
        "feast-x-online",
        "spec",
        json!({"ports": ports}),
    )
}

fn http() -> Json {
    json!({"name": "http", "port": 80, "targetPort": 6566})
}

fn https() -> Json {
    json!({"name": "https", "port": 443, "targetPort": 6567})
}

fn metrics() -> Json {
    json!({"name": "metrics", "port": 8000, "targetPort": 8000})
}

/// A NetworkPolicy for the pods with this label.
fn policy(name: &str, label: &str, port: u16) -> (Key, Json) {
    let spec = json!({
        "podSelector": {"matchLabels": {label: "x"}},
        "ingress": [{"ports": [{"port": port}]}],
    });
    with(Kind::NetworkPolicy, name, "spec", spec)
}

fn job() -> (Key, Json) {
    let labels = json!({"feast.dev/job-of": "x", "app.kubernetes.io/managed-by": "feast"});
    let spec = json!({"template": {"metadata": {"labels": labels}}});
    with(Kind::Job, "feast-x-apply-1", "spec", spec)
}

fn role(rules: Json) -> (Key, Json) {
    with(Kind::Role, "feast-x", "rules", rules)
}

struct Update {
    objects: Objects<Resolved>,
    prior: BTreeMap<Key, Json>,
    pvc_policy: PvcPolicy,
    store: StoreName,
}

impl Update {
    fn new(
        prior: impl IntoIterator<Item = (Key, Json)>,
        manifests: impl Into<BTreeMap<Key, Json>>,
    ) -> Self {
        Self {
            objects: Objects::without_secrets("ns", manifests.into()),
            // Not empty, so that it is an update.
            prior: prior.into_iter().chain([secret()]).collect(),
            pvc_policy: PvcPolicy {
                deletable: ["feast-x-online".to_owned()].into(),
                ..PvcPolicy::default()
            },
            store: fake_api::store("x"),
        }
    }

    fn desired(&self) -> DesiredState<'_> {
        DesiredState {
            store: &self.store,
            objects: &self.objects,
            prior: &self.prior,
            pvc_policy: &self.pvc_policy,
            deadline: tokio::time::Instant::now(),
            wait_for_job: None,
        }
    }

    async fn apply(&self, cluster: &Cluster, live: impl Into<BTreeMap<Key, Json>>) -> Outcome {
        let cancel = CancellationToken::new();
        let desired = self.desired();
        let applied = cluster.apply(live.into(), &desired, None, &cancel);
        applied.await.unwrap()
    }
}

#[tokio::test]
async fn what_clients_use_changes_after_the_job_and_before_the_pods() {
    let (cluster, mut writes) = server(|_| None).await;
    let update = Update::new(
        [],
        [
            secret(),
            service(json!([https()])),
            job(),
            object(Kind::Deployment, "feast-x"),
        ],
    );
    let outcome = update.apply(&cluster, [service(json!([http()]))]).await;
    assert_eq!(errors(&outcome), [""; 0]);
    assert_eq!(
        since(&mut writes),
        [
            "PATCH secrets/feast-x",
            "PATCH jobs/feast-x-apply-1",
            "PATCH services/feast-x-online",
            "PATCH deployments/feast-x",
        ]
    );
}

#[tokio::test]
async fn a_failed_job_leaves_what_clients_use() {
    let client = |url: &str| {
        let data = json!({"feature_store.yaml": url});
        with(Kind::ConfigMap, "feast-x-client", "data", data)
    };
    for (prior, before, after) in [
        // TLS is turned on.
        (
            vec![],
            vec![
                service(json!([http()])),
                policy("feast-x", "feast.dev/name", 6566),
                client("http://h:80"),
            ],
            vec![
                service(json!([https()])),
                policy("feast-x", "feast.dev/name", 6567),
                client("https://h:443"),
            ],
        ),
        // A new policy does not permit the port of the running pods.
        (
            vec![],
            vec![],
            vec![policy("feast-x", "feast.dev/name", 6567)],
        ),
        // A port is removed.
        (
            vec![service(json!([http(), metrics()]))],
            vec![service(json!([http(), metrics()]))],
            vec![service(json!([http()]))],
        ),
    ] {
        let (cluster, mut writes) = server(|write| {
            let failed = json!({"kind": "Status", "message": "no"});
            write
                .contains("jobs/")
                .then_some(Reply::Answer(422, failed))
        })
        .await;
        // The pods of the Job need this policy.
        let of_jobs = |port| policy("feast-x-jobs", "feast.dev/job-of", port);
        let mut live = BTreeMap::from_iter(before);
        live.extend([of_jobs(1)]);
        let mut manifests = BTreeMap::from_iter(after);
        manifests.extend([of_jobs(2), job(), object(Kind::Deployment, "feast-x")]);
        let outcome = Update::new(prior, manifests).apply(&cluster, live).await;
        let place = format!("in namespace \"ns\" of the cluster at {}", cluster.server());
        assert_eq!(
            errors(&outcome),
            [format!("cannot apply Job/feast-x-apply-1 {place}")]
        );
        assert_eq!(
            since(&mut writes),
            [
                "PATCH networkpolicies/feast-x-jobs",
                "PATCH jobs/feast-x-apply-1",
            ]
        );
    }
}

/// The live Secret and the desired one.
fn secrets() -> [(Key, Json); 2] {
    [("b2xk", "b2xk"), ("bmV3", "bmV3")].map(|(file, apply)| {
        let data = json!({"feature_store.yaml": file, "apply_feature_store.yaml": apply});
        with(Kind::Secret, "feast-x", "data", data)
    })
}

#[tokio::test]
async fn running_pods_keep_their_files_until_the_job_has_succeeded() {
    for job_fails in [true, false] {
        let (cluster, mut writes) = server(move |write| {
            let failed = json!({"kind": "Status", "message": "no"});
            (job_fails && write.contains("jobs/")).then_some(Reply::Answer(422, failed))
        })
        .await;
        let [live, desired] = secrets();
        let key = live.0.clone();
        let update = Update::new([], [desired, job()]);
        let outcome = update.apply(&cluster, [live]).await;
        let first = ["PATCH secrets/feast-x", "PATCH jobs/feast-x-apply-1"];
        let file = &outcome.objects[&key]["data"]["feature_store.yaml"];
        let apply = &outcome.objects[&key]["data"]["apply_feature_store.yaml"];
        assert_eq!(apply, "bmV3");
        assert_eq!(outcome.changed.contains(&key), !job_fails);
        if job_fails {
            assert_eq!(since(&mut writes), first);
            assert_eq!(file, "b2xk");
        } else {
            let last = ["PATCH secrets/feast-x"];
            assert_eq!(since(&mut writes), [&first[..], &last[..]].concat());
            assert_eq!(file, "bmV3");
        }
    }
}

#[tokio::test]
async fn files_change_at_once_without_a_due_job() {
    let (cluster, mut writes) = server(|_| None).await;
    let [live, desired] = secrets();
    let update = Update::new([], [desired]);
    let outcome = update.apply(&cluster, [live]).await;
    assert_eq!(errors(&outcome), [""; 0]);
    assert_eq!(since(&mut writes), ["PATCH secrets/feast-x"]);
}

#[tokio::test]
async fn what_the_previous_pods_use_is_removed_after_the_rollout() {
    let (cluster, mut writes) = server(|_| None).await;
    let update = Update::new([], [role(json!([{"verbs": ["get"]}]))]);
    let pvc = |name: &str| object(Kind::PersistentVolumeClaim, name);
    let (deleted, kept) = (pvc("feast-x-online"), pvc("feast-x-registry"));
    let live = [
        role(json!([{"verbs": ["get"]}, {"verbs": ["list"]}])),
        object(Kind::RoleBinding, "feast-x"),
        deleted.clone(),
        kept.clone(),
        policy("feast-x", "feast.dev/name", 6566),
        object(Kind::CronJob, "feast-x"),
    ];
    let mut outcome = update.apply(&cluster, live).await;
    assert_eq!(errors(&outcome), [""; 0]);
    let mut before = since(&mut writes);
    // The deletions are sent in parallel.
    before.sort();
    assert_eq!(
        before,
        ["DELETE cronjobs/feast-x", "DELETE networkpolicies/feast-x"]
    );
    let role = Key::new(Kind::Role, "feast-x");
    let binding = Key::new(Kind::RoleBinding, "feast-x");
    assert_eq!(
        outcome.deferred,
        [role.clone(), binding.clone(), deleted.0.clone()].into()
    );
    assert_eq!(outcome.retained_pvcs, std::slice::from_ref(&kept.0));
    assert!(outcome.objects.contains_key(&deleted.0));

    let cancel = CancellationToken::new();
    cluster
        .prune_after_rollout(&mut outcome, &update.desired(), &cancel)
        .await;
    assert_eq!(errors(&outcome), [""; 0]);
    let mut after = since(&mut writes);
    after[1..].sort();
    assert_eq!(
        after,
        [
            "PATCH roles/feast-x",
            "DELETE persistentvolumeclaims/feast-x-online",
            "DELETE rolebindings/feast-x",
        ]
    );
    assert_eq!(outcome.deferred, BTreeSet::new());
    let left: Vec<&Key> = outcome.objects.keys().collect();
    assert_eq!(left, [&role, &kept.0]);
    assert!(outcome.changed.contains(&role) && outcome.changed.contains(&binding));
}

#[tokio::test]
async fn new_rules_precede_the_pods() {
    let (cluster, mut writes) = server(|_| None).await;
    let (get, list) = (json!({"verbs": ["get"]}), json!({"verbs": ["list"]}));
    let manifests = [
        role(json!([get, list])),
        object(Kind::Deployment, "feast-x"),
    ];
    let update = Update::new([], manifests);
    for live in [json!([get]), json!([get, {"verbs": ["watch"]}])] {
        let outcome = update.apply(&cluster, [role(live)]).await;
        assert_eq!(errors(&outcome), [""; 0]);
        assert_eq!(outcome.deferred, BTreeSet::new());
        assert_eq!(
            since(&mut writes),
            ["PATCH roles/feast-x", "PATCH deployments/feast-x"]
        );
    }
}

#[tokio::test]
async fn a_refused_deletion_after_the_rollout_keeps_the_object() {
    let (cluster, _writes) = server(|write| {
        let refused = json!({"kind": "Status", "message": "no"});
        (write.starts_with("DELETE")).then_some(Reply::Answer(422, refused))
    })
    .await;
    let update = Update::new([], BTreeMap::new());
    let binding = object(Kind::RoleBinding, "feast-x");
    let mut outcome = update.apply(&cluster, [binding.clone()]).await;
    let cancel = CancellationToken::new();
    cluster
        .prune_after_rollout(&mut outcome, &update.desired(), &cancel)
        .await;
    let place = format!("in namespace \"ns\" of the cluster at {}", cluster.server());
    assert_eq!(
        errors(&outcome),
        [format!("cannot delete RoleBinding/feast-x {place}")]
    );
    assert_eq!(outcome.objects, [binding].into());
}
