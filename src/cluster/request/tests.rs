use std::collections::BTreeMap;
use std::error::Error as _;

use serde_json::json;
use tokio::sync::mpsc;

use super::*;
use crate::cluster::connection::{Connection, Exec};
use crate::cluster::fake_api::{self, Reply};
use crate::cluster::watch::Selection;
use crate::cluster::{Options, resource};
use crate::kubernetes::kind::Kind;

fn request(verb: Verb) -> Request<'static> {
    let get = Request::get(Resource::from(Kind::Service), "ns", "feast-x");
    match verb.writes() {
        true => Request {
            verb,
            call: Call::Patch(PatchParams::apply("m"), Patch::Apply(json!({}))),
            ..get
        },
        false => get,
    }
}

fn uri(request: &Request<'_>) -> String {
    request
        .to_http("application/json")
        .unwrap()
        .uri()
        .to_string()
}

#[test]
fn urls_escape_names_and_namespaces() {
    let key = Key::new(Kind::Deployment, "feast-x");
    let params = PatchParams::apply("a b").force();
    assert_eq!(
        uri(&Request::apply("ns", &key, params, json!({}))),
        "/apis/apps/v1/namespaces/ns/deployments/feast-x?&force=true&fieldManager=a+b"
    );
    let secrets = Resource::from(Kind::Secret);
    let selector = ListParams::default().labels("feast.dev/name=x,a=b");
    assert_eq!(
        uri(&Request::list(secrets, "../kube-system", selector)),
        "/api/v1/namespaces/..%2Fkube-system/secrets?&labelSelector=feast.dev%2Fname%3Dx%2Ca%3Db"
    );
    let roles = Resource::from(Kind::ClusterRole);
    assert_eq!(
        uri(&Request::get(roles, "ns", "feast:ns:../x")),
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/feast%3Ans%3A..%2Fx"
    );
}

/// Sends a request to an API server with these replies. An error has its reason and whether the write can be done.
async fn send(
    verb: Verb,
    replies: impl IntoIterator<Item = Reply>,
) -> Result<Json, (String, bool)> {
    let mut replies = replies.into_iter().collect::<Vec<_>>().into_iter();
    let cluster = fake_api::cluster(move |_| replies.next().expect("one more reply")).await;
    let answer = cluster.send(request(verb), &CancellationToken::new()).await;
    answer.map_err(|error| (error.reason.to_string(), error.maybe_done))
}

fn status(code: u16, message: &str, kind: &str) -> Reply {
    Reply::Answer(
        code,
        json!({"kind": "Status", "code": code, "reason": "R", "message": message, "details": {"kind": kind}}),
    )
}

fn done() -> Reply {
    Reply::Answer(200, json!({"kind": "Service"}))
}

#[tokio::test]
async fn temporary_failures_are_retried() {
    let quota = || status(409, "the quota has been modified", "resourcequotas");
    for failures in [
        vec![Reply::Lose],
        vec![status(503, "restarting", ""), Reply::Lose],
        vec![quota(), quota()],
    ] {
        let replies = failures.into_iter().chain([done()]);
        assert_eq!(
            send(Verb::Apply, replies).await,
            Ok(json!({"kind": "Service"}))
        );
    }
}

#[tokio::test]
async fn a_write_with_a_lost_response_is_maybe_done() {
    let forbidden = || status(403, "no", "");
    let expected = |maybe_done| {
        let reason = "the API server does not permit this: no".to_owned();
        Err((reason, maybe_done))
    };
    assert_eq!(send(Verb::Apply, [forbidden()]).await, expected(false));
    assert_eq!(
        send(Verb::Apply, [Reply::Lose, forbidden()]).await,
        expected(true)
    );
    assert_eq!(
        send(Verb::Get, [Reply::Lose, forbidden()]).await,
        expected(false)
    );
    for (code, maybe_done) in [(429, false), (504, true)] {
        let replies = [status(code, "later", ""), forbidden()];
        assert_eq!(
            send(Verb::Apply, replies).await,
            expected(maybe_done),
            "{code}"
        );
    }
}

/// The request is in flight, or waits for the next attempt.
#[tokio::test]
async fn an_interrupted_write_is_maybe_done() {
    for reply in [|| Reply::Hang, || Reply::Lose] {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let cluster = fake_api::cluster(move |_| {
            sender.send(()).unwrap();
            reply()
        });
        let cluster = cluster.await;
        let cancel = CancellationToken::new();
        let interrupt = async {
            fake_api::time_passes(&mut receiver).await;
            cancel.cancel();
        };
        let (answer, ()) = tokio::join!(cluster.send(request(Verb::Apply), &cancel), interrupt);
        let error = answer.unwrap_err();
        assert_eq!(error.reason.to_string(), "the operation was canceled");
        assert!(error.maybe_done);
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_write_without_a_connection_is_not_done() {
    let connection = Connection {
        host: Some("http://127.0.0.1:9".to_owned()),
        ..Connection::default()
    };
    let cluster = Cluster::new(&connection, Options::default()).unwrap();
    tokio::time::pause();
    let cancel = CancellationToken::new();
    let answer = cluster.send(request(Verb::Apply), &cancel).await;
    let error = answer.unwrap_err();
    assert_eq!(
        error.reason.to_string(),
        "the API server could not be reached"
    );
    assert!(!error.maybe_done);
}

/// The API server has accepted the token before.
#[tokio::test]
async fn a_rejected_token_of_a_program_is_renewed_once() {
    let unauthorized = || status(401, "Unauthorized", "");
    let rejected = "the API server rejects the credentials: Unauthorized";
    for (replies, expected) in [
        ([unauthorized(), done()], Ok(json!({"kind": "Service"}))),
        ([unauthorized(), unauthorized()], Err(rejected.to_owned())),
    ] {
        let mut replies = replies.into_iter();
        let host = fake_api::server(move |_| replies.next().expect("one more reply"));
        let connection = Connection {
            host: Some(host.await),
            exec: Some(Exec {
                api_version: "client.authentication.k8s.io/v1".to_owned(),
                command: "echo".to_owned(),
                args: vec![r#"{"status": {"token": "t"}}"#.to_owned()],
                env: BTreeMap::new(),
            }),
            ..Connection::default()
        };
        let cluster = Cluster::new(&connection, Options::default()).unwrap();
        cluster.client().await.unwrap();
        // A token that has just been printed is not printed again.
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(10)).await;
        tokio::time::resume();
        let cancel = CancellationToken::new();
        let answer = cluster.send(request(Verb::Get), &cancel).await;
        let answer = answer.map_err(|error| error.reason.to_string());
        assert_eq!(answer, expected);
    }
}

/// The program prints a token that has expired, and then fails.
#[tokio::test]
async fn failed_renewal_of_credentials_is_reported_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
        if [ -e "$FOLDER/ended" ]; then echo "$SECRET"; echo please log in again >&2; exit 3; fi
        echo '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
            "status": {"token": "'"$SECRET"'", "expirationTimestamp": "2000-01-01T00:00:00Z"}}'"#;
    let connection = Connection {
        host: Some("http://127.0.0.1:9".to_owned()),
        exec: Some(Exec {
            api_version: "client.authentication.k8s.io/v1".to_owned(),
            command: "sh".to_owned(),
            args: vec!["-c".to_owned(), script.to_owned()],
            env: BTreeMap::from([
                ("SECRET".to_owned(), "hunter2".to_owned()),
                ("FOLDER".to_owned(), folder.path().display().to_string()),
            ]),
        }),
        ..Connection::default()
    };
    let cluster = Cluster::new(&connection, Options::default()).unwrap();
    cluster.client().await.unwrap();
    std::fs::write(folder.path().join("ended"), "").unwrap();
    let error = cluster
        .send(request(Verb::Get), &CancellationToken::new())
        .await
        .unwrap_err();
    let mut watched = cluster
        .watch(resource::PODS, "ns", Selection::Named("p"))
        .await
        .unwrap();
    for reason in [error.reason, watched.changed().await.unwrap_err()] {
        assert!(matches!(reason, Reason::Credentials(_)), "{reason:?}");
        assert_eq!(
            reason.source().unwrap().to_string(),
            "the credential plugin `sh` failed (exit status: 3): please log in again"
        );
        assert!(!format!("{reason:?}").contains("hunter2"), "{reason:?}");
    }
}
