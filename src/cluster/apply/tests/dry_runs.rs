use super::*;

/// Applies a Service, a Job and a Deployment. The n-th dry run of the Deployment has the n-th of these replies, and
/// every other request succeeds. Returns the result and the methods of the requests about the Deployment.
async fn applied(
    prior: &BTreeMap<Key, Json>,
    replies: impl IntoIterator<Item = Reply>,
) -> (Result<Outcome, Vec<Error>>, Vec<String>) {
    let mut replies = replies.into_iter().collect::<Vec<_>>().into_iter();
    let (sender, mut lines) = mpsc::unbounded_channel();
    let cluster = fake_api::cluster(move |it| {
        if !it.line.contains("/deployments") {
            return Reply::Answer(200, it.body.clone());
        }
        sender.send(method(it)).unwrap();
        match it.dry_run {
            true => replies.next().unwrap(),
            false => Reply::Answer(200, it.body.clone()),
        }
    });
    let cluster = cluster.await;
    let manifests = BTreeMap::from([
        object(Kind::Service, "feast-x-online"),
        object(Kind::Job, "feast-x-apply-1"),
        object(Kind::Deployment, "feast-x"),
    ]);
    let desired = DesiredState {
        store: &fake_api::store("x"),
        objects: &Objects::without_secrets("ns", manifests),
        prior,
        pvc_policy: &PvcPolicy::default(),
        repair_drift: true,
        deadline: tokio::time::Instant::now(),
        wait_for_job: None,
    };
    let cancel = CancellationToken::new();
    let outcome = cluster
        .apply(BTreeMap::new(), &desired, None, &cancel)
        .await;
    lines.close();
    let mut methods = Vec::new();
    while let Some(method) = lines.recv().await {
        methods.push(method);
    }
    (outcome, methods)
}

fn failed(code: u16, message: &str) -> Reply {
    Reply::Answer(
        code,
        json!({"kind": "Status", "code": code, "message": message}),
    )
}

fn denied() -> Reply {
    failed(403, "admission webhook \"w\" denied the request: no")
}

fn accepted() -> Reply {
    Reply::Answer(200, json!({}))
}

#[tokio::test]
async fn an_update_that_is_refused_writes_nothing() {
    let (refused, methods) = applied(&[object(Kind::Secret, "y")].into(), [denied()]).await;
    let errors = refused.unwrap_err();
    assert!(
        matches!(errors[0].reason, Reason::Denied { .. }),
        "{errors:?}"
    );
    assert_eq!(methods, ["DRY-RUN"]);
}

#[tokio::test]
async fn a_webhook_without_dry_runs_does_not_stop_an_update() {
    let webhook = "admission webhook \"w\" does not support dry run";
    let replies = [failed(400, webhook)];
    let (applied, methods) = applied(&[object(Kind::Secret, "y")].into(), replies).await;
    assert_eq!(errors(&applied.unwrap()), [""; 0]);
    assert_eq!(methods, ["DRY-RUN", "PATCH"]);
}

#[tokio::test]
async fn a_create_is_checked_again_when_the_prerequisites_exist() {
    let (created, methods) = applied(&BTreeMap::new(), [denied(), accepted()]).await;
    let created = created.unwrap();
    assert_eq!(errors(&created), [""; 0]);
    assert_eq!(created.created.len(), 3);
    assert_eq!(methods, ["DRY-RUN", "DRY-RUN", "PATCH"]);
    let (refused, methods) = applied(&BTreeMap::new(), [denied(), denied()]).await;
    let refused = refused.unwrap();
    assert!(refused.can_undo());
    let service = Key::new(Kind::Service, "feast-x-online");
    assert_eq!(refused.created, [service].into(), "the Job does not run");
    assert_eq!(methods, ["DRY-RUN", "DRY-RUN"]);
}

#[tokio::test]
async fn a_create_applies_what_needs_no_deployment_first() {
    let (sender, mut lines) = mpsc::unbounded_channel();
    let cluster = fake_api::cluster(move |it| {
        let name = it.line.rsplit('/').nth(1).unwrap();
        sender.send(format!("{} {name}", method(it))).unwrap();
        match name {
            "cronjobs" => denied(),
            _ => Reply::Answer(200, it.body.clone()),
        }
    });
    let manifests = [
        object(Kind::Service, "feast-x-online"),
        object(Kind::Deployment, "feast-x"),
        object(Kind::CronJob, "feast-x"),
        object(Kind::HorizontalPodAutoscaler, "feast-x"),
    ];
    let cancel = CancellationToken::new();
    let outcome = apply(&cluster.await, BTreeMap::new(), manifests, &cancel).await;
    assert!(outcome.can_undo());
    lines.close();
    let mut requests = BTreeSet::new();
    while let Some(request) = lines.recv().await {
        requests.insert(request);
    }
    let expected = [
        "PATCH cronjobs",
        "PATCH horizontalpodautoscalers",
        "PATCH services",
    ];
    assert_eq!(requests, expected.map(str::to_owned).into());
}
