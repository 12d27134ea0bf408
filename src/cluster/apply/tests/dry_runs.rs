use super::super::replace::dry_run_name;
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

/// The Deployment would get the same answer, after the other objects are written.
#[tokio::test]
async fn a_webhook_that_does_not_respond_ends_an_update_before_its_first_write() {
    let webhook = "Internal error occurred: failed calling webhook \"w\": no endpoints available";
    // With the retries of an internal error.
    let replies = std::iter::repeat_with(|| failed(500, webhook)).take(6);
    let (refused, methods) = applied(&[object(Kind::Secret, "y")].into(), replies).await;
    let errors = refused.unwrap_err();
    let [error] = errors.as_slice() else {
        panic!("{errors:?}");
    };
    assert!(
        matches!(&error.reason, Reason::Rejected { code: 500, message, .. } if message == webhook),
        "{errors:?}"
    );
    assert_eq!(methods, ["DRY-RUN"; 6]);
}

/// Updates a Service, of which a field is immutable. The dry run of the new one has this reply. Returns the result,
/// and each request with its body.
async fn recreated(reply: Reply) -> (Result<Outcome, Vec<Error>>, Vec<(String, Json)>) {
    let (sender, mut received) = mpsc::unbounded_channel();
    let (mut reply, mut is_listed) = (Some(reply), false);
    let cluster = fake_api::cluster(move |it| {
        let line = format!("{} {}", method(it), it.line);
        sender.send((line, it.body.clone())).unwrap();
        match it.line.split(' ').next() {
            Some("POST") => reply.take().unwrap(),
            // The watch that follows the list.
            Some("GET") if std::mem::replace(&mut is_listed, true) => Reply::Hang,
            Some("GET") => Reply::Answer(
                200,
                json!({"metadata": {"resourceVersion": "1"}, "items": []}),
            ),
            _ => Reply::Answer(200, it.body.clone()),
        }
    });
    let cluster = cluster.await;
    let service = |family: &str, balancer: &str| {
        let (key, mut service) = object(Kind::Service, "feast-x-online");
        service["spec"] = json!({
            "type": "LoadBalancer",
            "ipFamilies": [family],
            "loadBalancerIP": balancer,
            "healthCheckNodePort": 30001,
            "ports": [{"port": 80, "nodePort": 30002}, {"port": 81, "nodePort": 30003}],
        });
        (key, service)
    };
    let (key, mut live) = service("IPv4", "192.0.2.1");
    live["spec"]["clusterIP"] = json!("10.0.0.1");
    live["spec"]["ports"][1]["nodePort"] = json!(30004);
    let desired = DesiredState {
        store: &fake_api::store("x"),
        objects: &Objects::without_secrets("ns", [service("IPv6", "192.0.2.1")].into()),
        prior: &[secret()].into(),
        pvc_policy: &PvcPolicy::default(),
        deadline: tokio::time::Instant::now(),
        wait_for_job: None,
    };
    let cancel = CancellationToken::new();
    let live = [(key, live)].into();
    let outcome = cluster.apply(live, &desired, None, &cancel).await;
    let requests = std::iter::from_fn(|| received.try_recv().ok());
    let requests = requests.filter(|(line, _)| !line.contains(" GET "));
    (outcome, requests.collect())
}

#[tokio::test]
async fn a_service_is_deleted_only_if_the_new_one_is_accepted() {
    let created = |name: &str| {
        let (_, mut service) = object(Kind::Service, name);
        service["spec"] = json!({
            "type": "LoadBalancer",
            "ipFamilies": ["IPv6"],
            "ports": [{"port": 80}, {"port": 81, "nodePort": 30003}],
        });
        service
    };
    let dry_run = (
        "DRY-RUN POST /api/v1/namespaces/ns/services".to_owned(),
        created("feast-x-online-dry-run"),
    );
    let message = "Service \"feast-x-online-dry-run\" is invalid: spec.ipFamilies";
    let (refused, requests) = recreated(failed(422, message)).await;
    let refused = refused.unwrap_err();
    assert_eq!(requests, std::slice::from_ref(&dry_run));
    let [error] = refused.as_slice() else {
        panic!("{refused:?}");
    };
    assert_eq!(
        error.to_string().split(" of the cluster").next(),
        Some("cannot apply Service/feast-x-online in namespace \"ns\"")
    );
    assert_eq!(
        error.reason.to_string(),
        "the API server rejects the object as invalid: Service \"feast-x-online\" is invalid: spec.ipFamilies"
    );

    let quota = "services \"feast-x-online-dry-run\" is forbidden: exceeded quota: q";
    for reply in [accepted(), failed(403, quota)] {
        let (applied, requests) = recreated(reply).await;
        assert_eq!(errors(&applied.unwrap()), [""; 0]);
        let lines: Vec<&str> = requests.iter().map(|(line, _)| line.as_str()).collect();
        let service = "/api/v1/namespaces/ns/services/feast-x-online";
        assert_eq!(
            lines,
            [
                &dry_run.0,
                &format!("DELETE DELETE {service}"),
                &format!("PATCH PATCH {service}"),
            ]
        );
        assert_eq!(requests[0], dry_run);
    }
}

#[test]
fn the_name_of_a_dry_run_fits() {
    assert_eq!(dry_run_name("feast-x"), "feast-x-dry-run");
    let longest = dry_run_name(&"x".repeat(63));
    assert_eq!(longest, format!("{}-dry-run", "x".repeat(55)));
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
