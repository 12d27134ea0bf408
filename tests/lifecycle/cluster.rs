//! The room `cluster` against a real API server, without Terraform.
//!
//! Each test takes the [`Lab`] of a namespace of its own; [`in_namespace`] makes one from a kubeconfig.

#[path = "cluster/lab.rs"]
pub mod lab;
#[path = "cluster/permissions.rs"]
mod permissions;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, Patch, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::{Value as Json, json};
use terraform_provider_feast::cluster::apply::Plan;
use terraform_provider_feast::cluster::connection::Exec;
use terraform_provider_feast::cluster::rollout::{Rollout, Wait};
use terraform_provider_feast::cluster::{
    CancellationToken, Claims, Cluster, Connection, Error, Options, Reason, StoreName,
};
use terraform_provider_feast::feast::objects::{Key, Kind};
use terraform_provider_feast::feast::redaction::Redaction;
use terraform_provider_feast::feast::source::Source;

use crate::lifecycle::account;

pub use lab::{Lab, in_namespace};
use lab::{Scaling, TIMEOUT, deployment_key, object, wanted};
pub use permissions::each_right_is_needed_and_its_lack_is_named;

/// Every transition between one replica, three, an autoscaler and external scaling; a watch records
/// each value of `spec.replicas`.
pub async fn replicas_never_fall_through_any_transition(lab: Lab) {
    use Scaling::{Autoscaler, External, Static};
    let all = [Static(1), Static(3), Autoscaler, External];
    let pairs = all
        .into_iter()
        .flat_map(|from| all.into_iter().map(move |to| (from, to)))
        .filter(|(from, to)| from != to);
    let checks = pairs.enumerate().map(|(number, (from, to))| {
        let lab = &lab;
        async move { transition(lab, &format!("s{number}"), from, to).await }
    });
    futures::stream::iter(checks)
        .buffer_unordered(4)
        .collect::<()>()
        .await;
}

async fn transition(lab: &Lab, store: &str, from: Scaling, to: Scaling) {
    use Scaling::{Autoscaler, External, Static};
    lab.apply(store, &wanted(store, from)).await;
    let start = match from {
        Static(replicas) => replicas,
        // As a busy autoscaler or `kubectl scale` would have it.
        Autoscaler | External => {
            lab.scale(store, 4).await;
            4
        }
    };
    lab.wait(store, &wanted(store, from)).await.expect("scaled");

    let (sender, mut recorded) = tokio::sync::mpsc::unbounded_channel();
    let config = watcher::Config::default().fields(&format!("metadata.name=feast-{store}"));
    let stream = watcher(lab.deployments(), config)
        .default_backoff()
        .applied_objects();
    let recorder = tokio::spawn(async move {
        let mut stream = std::pin::pin!(stream);
        while let Ok(Some(live)) = stream.try_next().await {
            if sender.send(live.spec.replicas).is_err() {
                break;
            }
        }
    });
    let mut seen = vec![recorded.recv().await.flatten()];

    // A change of the pods goes with it, so that a rollout is under way.
    let mut target = wanted(store, to);
    if let Some(deployment) = target.get_mut(&deployment_key(store)) {
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!("feast:2");
    }
    let outcome = lab.apply(store, &target).await;
    // What an autoscaler's controller might still do comes within its next round.
    tokio::time::sleep(Duration::from_secs(3)).await;
    recorder.abort();
    while let Some(replicas) = recorded.recv().await {
        seen.push(replicas);
    }
    seen.dedup();
    let end = match to {
        Static(replicas) => replicas,
        Autoscaler => start.max(2),
        External => start,
    };
    let mut expected = vec![Some(start), Some(end)];
    expected.dedup();
    assert_eq!(seen, expected, "{from:?} -> {to:?}");
    let hpa = Key::new(Kind::HorizontalPodAutoscaler, format!("feast-{store}"));
    assert_eq!(
        outcome.exists.contains_key(&hpa),
        to == Autoscaler,
        "{from:?} -> {to:?}"
    );
    let strategy = &lab.live(store).await["spec"]["strategy"]["type"];
    let wanted_strategy = if to == Static(1) {
        "Recreate"
    } else {
        "RollingUpdate"
    };
    assert_eq!(strategy, wanted_strategy, "{from:?} -> {to:?}");
}

/// The autoscaler's controller scales once more, after its autoscaler has been deleted.
pub async fn a_late_autoscaler_does_not_win(lab: Lab) {
    lab.apply("x", &wanted("x", Scaling::Autoscaler)).await;
    let hpa = Key::new(Kind::HorizontalPodAutoscaler, "feast-x");
    let cancel = CancellationToken::new();
    let late = async {
        while lab
            .cluster
            .get(&lab.namespace, &hpa, &cancel)
            .await
            .expect("readable")
            .is_some()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
        lab.scale("x", 7).await;
    };
    let target = wanted("x", Scaling::Static(3));
    tokio::join!(lab.apply("x", &target), late);
    assert_eq!(lab.live("x").await["spec"]["replicas"], 3);
}

pub async fn what_is_no_longer_wanted_vanishes(lab: Lab) {
    let mut target = wanted("x", Scaling::Static(2));
    lab.apply("x", &target).await;
    let before = lab.live("x").await;
    lab.apply("x", &target).await;
    assert_eq!(
        lab.live("x").await["metadata"]["generation"],
        before["metadata"]["generation"]
    );
    let deployment = target.get_mut(&deployment_key("x")).expect("wanted");
    let pod = &mut deployment["spec"]["template"]["spec"];
    pod["containers"][0]["env"] = json!([{"name": "B", "value": "2"}]);
    pod["containers"][0]["ports"] =
        json!([{"name": "udp", "containerPort": 6566, "protocol": "UDP"}]);
    for field in ["affinity", "topologySpreadConstraints", "tolerations"] {
        pod.as_object_mut().expect("an object").remove(field);
    }
    pod["containers"][0]
        .as_object_mut()
        .expect("an object")
        .remove("resources");
    lab.apply("x", &target).await;
    let live = lab.live("x").await;
    let pod = &live["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(
        json!([
            container["env"],
            container["ports"],
            container["resources"],
            pod["affinity"],
            pod["topologySpreadConstraints"],
            pod["tolerations"]
        ]),
        json!([[{"name": "B", "value": "2"}], [{"name": "udp", "containerPort": 6566, "protocol": "UDP"}],
            {}, null, null, null])
    );
}

pub async fn strategies_change_both_ways(lab: Lab) {
    let strategy = |store: &str, strategy: Json| {
        let mut wanted = wanted(store, Scaling::Static(2));
        let deployment = wanted.get_mut(&deployment_key(store)).expect("wanted");
        deployment["spec"]["strategy"] = strategy;
        wanted
    };
    let rolling = json!({"type": "RollingUpdate"});
    let recreate = json!({"type": "Recreate"});
    lab.apply("x", &strategy("x", rolling.clone())).await;
    for (next, expected) in [
        (&recreate, json!({"type": "Recreate"})),
        (
            &rolling,
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}),
        ),
        (&recreate, json!({"type": "Recreate"})),
        (
            &json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}),
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "25%"}}),
        ),
        (&recreate, json!({"type": "Recreate"})),
    ] {
        let before = lab.live("x").await["metadata"]["generation"].as_i64();
        lab.apply("x", &strategy("x", next.clone())).await;
        let live = lab.live("x").await;
        assert_eq!(live["spec"]["strategy"], expected);
        // One write.
        assert_eq!(
            live["metadata"]["generation"].as_i64(),
            before.map(|before| before + 1)
        );
    }

    // Numbers that are not ours: the server's defaults in an object that someone else made.
    let made = strategy("y", rolling.clone());
    lab.deployments()
        .create(
            &PostParams::default(),
            &serde_json::from_value(made[&deployment_key("y")].clone()).expect("a Deployment"),
        )
        .await
        .expect("created");
    lab.apply("y", &strategy("y", recreate.clone())).await;
    assert_eq!(lab.live("y").await["spec"]["strategy"], recreate);
    lab.apply("y", &strategy("y", rolling.clone())).await;

    // And a number that someone has edited.
    lab.edit(
        "y",
        "kubectl-edit",
        &Patch::Merge(json!({"spec": {"strategy": {"rollingUpdate": {"maxSurge": 3}}}})),
    )
    .await;
    lab.apply("y", &strategy("y", recreate.clone())).await;
    assert_eq!(lab.live("y").await["spec"]["strategy"], recreate);
}

pub async fn conflicts_with_other_managers(lab: Lab) {
    let target = wanted("x", Scaling::Static(1));
    lab.apply("x", &target).await;
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "online", "image": "feast:other"}]}}}});
    lab.edit("x", "kubectl-edit", &Patch::Strategic(image.clone()))
        .await;
    let outcome = lab.try_apply("x", &target, false).await.expect("begun");
    let field =
        "other managers own fields of it:\n  .spec.template.spec.containers[name=\"online\"].image";
    let time = lab.written("x", "kubectl-edit").await;
    let conflict = format!(
        "{field}: set by \"kubectl-edit\" at {time}, to \"feast:other\"; wanted is \"feast:1\""
    );
    assert_eq!(reasons(&outcome.errors), [conflict]);
    assert_eq!(
        outcome.errors[0].to_string(),
        format!(
            "cannot apply Deployment/feast-x in namespace \"{}\" of the cluster at {}",
            lab.namespace,
            lab.cluster.server()
        )
    );
    let outcome = lab.try_apply("x", &target, true).await.expect("begun");
    assert_eq!(reasons(&outcome.errors), [""; 0]);
    lab.apply("x", &target).await;

    let mut applied = image;
    applied["apiVersion"] = json!("apps/v1");
    applied["kind"] = json!("Deployment");
    lab.edit("x", "argocd", &Patch::Apply(applied)).await;
    let outcome = lab.try_apply("x", &target, true).await.expect("begun");
    let time = lab.written("x", "argocd").await;
    let conflict = format!(
        "{field}: applied by \"argocd\" at {time}, to \"feast:other\"; wanted is \"feast:1\""
    );
    assert_eq!(reasons(&outcome.errors), [conflict]);
    let forcing = Lab {
        cluster: Cluster::connect(
            &Connection {
                config_path: Some(lab.kubeconfig.clone()),
                ..Connection::default()
            },
            Options {
                force_conflicts: true,
                ..Options::default()
            },
        )
        .await
        .expect("a connection"),
        ..lab
    };
    forcing.apply("x", &target).await;
    let live = forcing.live("x").await;
    assert_eq!(
        live["spec"]["template"]["spec"]["containers"][0]["image"],
        "feast:1"
    );
}

/// As the hall prints it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn reasons(errors: &[Error]) -> Vec<String> {
    errors
        .iter()
        .map(|error| error.reason.to_string())
        .collect()
}

pub async fn foreign_objects_are_not_overwritten(lab: Lab) {
    let mut foreign = wanted("x", Scaling::Static(1))[&deployment_key("x")].clone();
    foreign["metadata"]["labels"] =
        json!({"app.kubernetes.io/managed-by": "feast-operator", "feast.dev/name": "x"});
    lab.deployments()
        .create(
            &PostParams::default(),
            &serde_json::from_value(foreign).expect("a Deployment"),
        )
        .await
        .expect("created");
    let errors = lab
        .try_apply("x", &wanted("x", Scaling::Static(1)), true)
        .await
        .expect_err("refused");
    assert_eq!(
        reasons(&errors),
        [
            "it exists already and does not belong to this feature store; it belongs to the feature store \"x\", managed by \"feast-operator\""
        ]
    );
    let service = Key::new(Kind::Service, "feast-x-online");
    let found = lab
        .cluster
        .get(&lab.namespace, &service, &CancellationToken::new())
        .await;
    assert_eq!(found.expect("readable"), None, "nothing is written");
}

pub async fn pruning_and_deleting(lab: Lab) {
    let mut target = wanted("x", Scaling::Autoscaler);
    for name in ["feast-x-registry", "feast-x-online"] {
        let (key, claim) = object(
            Kind::PersistentVolumeClaim,
            name,
            "x",
            json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}}),
        );
        target.insert(key, claim);
    }
    lab.apply("x", &target).await;
    let claims: Vec<Key> = ["feast-x-online", "feast-x-registry"]
        .map(|name| Key::new(Kind::PersistentVolumeClaim, name))
        .into();
    let outcome = lab.apply("x", &wanted("x", Scaling::External)).await;
    assert_eq!(outcome.kept, claims);
    let service = Key::new(Kind::Service, "feast-x-online");
    let mut fewer = wanted("x", Scaling::External);
    fewer.remove(&service);
    let outcome = lab.apply("x", &fewer).await;
    assert_eq!(outcome.changed, BTreeSet::from([service.clone()]));
    assert!(!outcome.exists.contains_key(&service));

    let delete = |delete| {
        let lab = &lab;
        async move {
            let known = BTreeSet::new();
            let claims = Claims {
                delete,
                used: BTreeSet::new(),
            };
            let cancel = CancellationToken::new();
            let deletion = lab
                .cluster
                .delete(&lab.store("x"), &known, &claims, TIMEOUT, &cancel)
                .await;
            let deletion = deletion.expect("begun");
            assert!(deletion.errors.is_empty(), "{:?}", deletion.errors);
            assert_eq!(deletion.remaining, BTreeMap::new());
            deletion.kept
        }
    };
    assert_eq!(delete(false).await, claims);
    assert_eq!(delete(false).await, claims, "gone already is fine");
    assert_eq!(delete(true).await, []);
    let keys = target.into_keys().collect();
    let left = lab
        .cluster
        .read(&lab.store("x"), &keys, &CancellationToken::new())
        .await;
    assert_eq!(left.expect("readable"), BTreeMap::new());
}

pub async fn a_failed_apply_says_what_exists(lab: Lab) {
    let mut target = wanted("x", Scaling::Autoscaler);
    let good = target.clone();
    let deployment = target.get_mut(&deployment_key("x")).expect("wanted");
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!("");
    let outcome = lab.try_apply("x", &target, false).await.expect("begun");
    assert!(
        matches!(
            &outcome.errors[..],
            [Error {
                reason: Reason::Invalid { .. },
                ..
            }]
        ),
        "{:?}",
        outcome.errors
    );
    let kinds: Vec<Kind> = outcome.exists.keys().map(|key| key.kind).collect();
    assert_eq!(kinds, [Kind::ServiceAccount, Kind::Secret, Kind::Service]);

    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let plan = Plan {
        store: &lab.store("x"),
        wanted: &good,
        known: &BTreeMap::new(),
        claims: &Claims::default(),
        repair_drift: false,
        wait_for_job: None,
    };
    let errors = lab
        .cluster
        .apply(&plan, &cancelled)
        .await
        .expect_err("cancelled");
    assert_eq!(reasons(&errors), ["the operation was cancelled"]);
    // The next apply goes on from there.
    let outcome = lab.apply("x", &good).await;
    assert_eq!(outcome.exists.len(), 5);

    let elsewhere = Plan {
        store: &StoreName {
            namespace: "does-not-exist".into(),
            name: "x".into(),
        },
        ..plan
    };
    let outcome = lab
        .cluster
        .apply(&elsewhere, &CancellationToken::new())
        .await
        .expect("begun");
    assert_eq!(outcome.exists, BTreeMap::new());
    assert_eq!(
        reasons(&outcome.errors)[0],
        "there is no namespace \"does-not-exist\""
    );
}

/// Needs the testbed's simulated pods. How they fail is told in `rollouts.rs`.
pub async fn a_wait_can_be_cancelled(lab: Lab) {
    let mut target = wanted("x", Scaling::Static(1));
    let deployment = target.get_mut(&deployment_key("x")).expect("wanted");
    deployment["spec"]["template"]["metadata"]["annotations"] =
        json!({"testbed.feast.dev/fail": "never-ready"});
    lab.try_apply("x", &target, false).await.expect("applied");
    let store = lab.store("x");
    let secrets = Redaction::default();
    let wait = Wait::new(TIMEOUT, &secrets);
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    let rollout = Rollout {
        deployment: "feast-x",
        pods: "x",
        minimum: None,
    };
    let (ended, ()) = tokio::join!(
        lab.cluster.wait_for_rollout(&store, &rollout, &wait, &stop),
        async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            stopping.cancel();
        }
    );
    assert!(
        matches!(
            ended,
            Err(Error {
                reason: Reason::Cancelled,
                ..
            })
        ),
        "{ended:?}"
    );
}

pub async fn credentials_of_every_sort(lab: Lab) {
    lab.make_account(&account::manifests(&lab.namespace, "visitor", &json!([])))
        .await;
    let token = lab.token("visitor").await;
    let connect = |connection: Connection| async move {
        let cluster = Cluster::connect(&connection, Options::default())
            .await
            .expect("a connection");
        let store = StoreName {
            namespace: "default".into(),
            name: "x".into(),
        };
        cluster
            .read(&store, &BTreeSet::new(), &CancellationToken::new())
            .await
            .expect_err("refused")
    };
    let base = Connection {
        config_path: Some(lab.kubeconfig.clone()),
        ..Connection::default()
    };

    let host = Connection {
        host: Some(lab.cluster.server().to_owned()),
        insecure: Some(true),
        ..Connection::default()
    };
    let error = connect(Connection {
        token: Some(token.clone()),
        ..host.clone()
    })
    .await;
    let reason = error.reason.to_string();
    assert!(
        reason.contains("system:serviceaccount:") && reason.contains(":visitor"),
        "{reason}"
    );
    assert!(
        matches!(error.reason, Reason::Forbidden { .. }),
        "{error:?}"
    );

    // The token replaces the administrator's client certificate of the kubeconfig.
    let error = connect(Connection {
        token: Some(token.clone()),
        ..base
    })
    .await;
    assert!(
        matches!(error.reason, Reason::Forbidden { .. }),
        "{error:?}"
    );

    let error = connect(Connection {
        token: Some("wrong".into()),
        ..host.clone()
    })
    .await;
    assert!(
        matches!(error.reason, Reason::Unauthorized { .. }),
        "{error:?}"
    );

    // A program that prints the credentials, and one that fails.
    let exec = |script: String| Connection {
        exec: Some(Exec {
            api_version: "client.authentication.k8s.io/v1".into(),
            command: "sh".into(),
            args: vec!["-c".into(), script],
            env: BTreeMap::from([("THE_TOKEN".into(), token.clone())]),
        }),
        ..host.clone()
    };
    let script = r#"echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"'$THE_TOKEN'"}}'"#;
    let error = connect(exec(script.into())).await;
    assert!(
        matches!(error.reason, Reason::Forbidden { .. }),
        "{error:?}"
    );
    let error = connect(exec(
        "echo $THE_TOKEN; echo please log in >&2; exit 3".into(),
    ))
    .await;
    let source = std::error::Error::source(&error.reason)
        .expect("a source")
        .to_string();
    assert_eq!(
        source,
        "the credentials program failed (exit status: 3): please log in"
    );
    assert!(!format!("{error:?}").contains(&token));

    // A server that is not there is given up on soon.
    let nowhere = Connection {
        host: Some("https://127.0.0.1:9".into()),
        ..Connection::default()
    };
    let error = connect(nowhere).await;
    assert!(matches!(error.reason, Reason::Unreachable(_)), "{error:?}");
    let text = chain(&error.reason);
    let expected = "the API server could not be reached: client error (Connect): tcp connect error: Connection refused";
    assert!(text.starts_with(expected), "{text}");
    // A certificate that does not verify is not retried.
    let started = std::time::Instant::now();
    let error = connect(Connection {
        insecure: None,
        token: Some("t".into()),
        ..host.clone()
    })
    .await;
    assert!(matches!(error.reason, Reason::Unreachable(_)), "{error:?}");
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
}

pub async fn secrets_of_the_user(lab: Lab) {
    let secrets: Api<Secret> = Api::namespaced(lab.client.clone(), &lab.namespace);
    let secret: Secret = serde_json::from_value(
        json!({"metadata": {"name": "store"}, "data": {"redis": "aG9zdDogcg==", "bytes": "/w=="}}),
    )
    .expect("valid");
    secrets
        .create(&PostParams::default(), &secret)
        .await
        .expect("created");
    let cancel = CancellationToken::new();
    let found = lab
        .cluster
        .contents(
            &lab.namespace,
            &BTreeSet::from([Source::secret("store", "redis")]),
            &cancel,
        )
        .await;
    assert_eq!(
        found.expect("found"),
        BTreeMap::from([(
            Source::secret("store", "redis"),
            BTreeMap::from([("redis".to_owned(), "host: r".to_owned())])
        )])
    );
    let wanted = BTreeSet::from([
        Source::secret("store", "postgres"),
        Source::secret("gone", "redis"),
        Source::secret("store", "bytes"),
    ]);
    let errors = lab
        .cluster
        .contents(&lab.namespace, &wanted, &cancel)
        .await
        .expect_err("missing");
    let mut texts: Vec<String> = errors
        .iter()
        .map(|error| format!("{}: {}", error.target, error.reason))
        .collect();
    texts.sort();
    assert_eq!(
        texts,
        [
            "Secret/gone: it does not exist",
            "Secret/store: it has no key \"postgres\"",
            "Secret/store: the value of its key \"bytes\" is not UTF-8 text",
        ]
    );
}

/// Stopped at any moment, the outcome holds exactly what is there, and the next apply goes on.
pub async fn an_interrupted_apply_knows_what_exists(lab: Lab) {
    for step in 0..20 {
        let name = format!("s{step}");
        let store = lab.store(&name);
        let wanted = wanted(&name, Scaling::Autoscaler);
        let plan = Plan {
            store: &store,
            wanted: &wanted,
            known: &BTreeMap::new(),
            claims: &Claims::default(),
            repair_drift: false,
            wait_for_job: None,
        };
        let cancel = CancellationToken::new();
        let (outcome, ()) = tokio::join!(lab.cluster.apply(&plan, &cancel), async {
            tokio::time::sleep(Duration::from_millis(step * 3)).await;
            cancel.cancel();
        });
        let claimed: BTreeSet<Key> = match outcome {
            Ok(outcome) => outcome.exists.into_keys().collect(),
            Err(_) => BTreeSet::new(),
        };
        let keys = wanted.keys().cloned().collect();
        let live = lab
            .cluster
            .read(&store, &keys, &CancellationToken::new())
            .await;
        let there: BTreeSet<Key> = live.expect("readable").into_keys().collect();
        assert_eq!(claimed, there, "stopped after {} ms", step * 3);
        let outcome = lab.apply(&name, &wanted).await;
        assert_eq!(outcome.exists.len(), wanted.len());
    }
}

/// `proxy_url`, to a proxy that counts its tunnels.
pub async fn requests_go_through_a_proxy(lab: Lab) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let tunnels = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = tunnels.clone();
    let proxy = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let counted = counted.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(client.read_u8().await.expect("a request"));
                }
                let request = String::from_utf8(request).expect("text");
                let target = request.split(' ').nth(1).expect("a target");
                let mut server = tokio::net::TcpStream::connect(target)
                    .await
                    .expect("the server");
                client
                    .write_all(b"HTTP/1.1 200 OK\r\n\r\n")
                    .await
                    .expect("an answer");
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                // Either side may hang up.
                tokio::io::copy_bidirectional(&mut client, &mut server)
                    .await
                    .ok();
            });
        }
    });
    let connection = Connection {
        config_path: Some(lab.kubeconfig.clone()),
        proxy_url: Some(format!("http://{address}")),
        ..Connection::default()
    };
    let cluster = Cluster::connect(&connection, Options::default())
        .await
        .expect("a connection");
    let read = cluster
        .read(&lab.store("x"), &BTreeSet::new(), &CancellationToken::new())
        .await;
    assert_eq!(read.expect("readable"), BTreeMap::new());
    assert!(tunnels.load(std::sync::atomic::Ordering::Relaxed) > 0);
    proxy.abort();
}
