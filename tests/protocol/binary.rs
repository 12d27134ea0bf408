//! The program: started by Terraform, by a user, and by an incompatible host.

use std::path::Path;
#[cfg(target_os = "linux")]
use std::time::Duration;

use terraform_provider_feast::provider::{FEATURE_STORE, Feast};
use terraform_provider_feast::schema::{Block, Provider as _, Value, encode};
use terraform_provider_feast::tfplugin::codec;
use terraform_provider_feast::tfplugin::proto::tfplugin6::{
    DynamicValue, apply_resource_change, configure_provider, get_metadata, get_provider_schema,
    plan_resource_change,
};
use tokio::io::AsyncBufReadExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::plugin_client::{
    COOKIE, Identity, Process, TIMEOUT, command, connect_without_tls, provider, shut_down, signal,
};
use super::values::summaries;

const BINARY: &str = env!("CARGO_BIN_EXE_terraform-provider-feast");

/// Returns exit code, stdout and stderr of a run that exits by itself.
async fn run(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = command(BINARY);
    command.args(arguments).envs(variables.iter().copied());
    let output = timeout(TIMEOUT, command.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[tokio::test]
async fn prints_usage_when_started_by_a_user() {
    let expected = "This program is a provider for Terraform and OpenTofu, which start it by themselves: \
                    name it in required_providers as `feast = { source = \"feast-dev/feast\" }` and run \
                    `terraform init` or `tofu init` (see `-version`; `-debug` keeps it running for a \
                    debugger).\n";
    for arguments in [&[][..], &["--help"], &["anything"]] {
        let (code, stdout, stderr) = run(arguments, &[]).await;
        assert_eq!(
            (code, stdout.as_str(), stderr.as_str()),
            (Some(1), "", expected)
        );
    }
}

#[tokio::test]
async fn prints_its_version() {
    for flag in ["-version", "--version"] {
        let (code, stdout, stderr) = run(&[flag], &[]).await;
        let expected = concat!("terraform-provider-feast ", env!("CARGO_PKG_VERSION"), "\n");
        assert_eq!(
            (code, stdout.as_str(), stderr.as_str()),
            (Some(0), expected, "")
        );
    }
}

#[tokio::test]
async fn explains_why_a_host_cannot_be_served() {
    let identity = Identity::new().pem();
    let certificate = ("PLUGIN_CLIENT_CERT", identity.as_str());
    let versions = |versions| ("PLUGIN_PROTOCOL_VERSIONS", versions);
    let broken = "-----BEGIN CERTIFICATE-----\n";
    for (variables, expected) in [
        (vec![COOKIE, certificate], "version \"\""),
        (
            vec![COOKIE, certificate, versions("x;;,5")],
            "version \"x;;,5\"",
        ),
        (vec![COOKIE, versions("6")], "no client certificate"),
        (
            vec![COOKIE, versions("6"), ("PLUGIN_CLIENT_CERT", broken)],
            "not a PEM certificate",
        ),
        (
            vec![
                COOKIE,
                versions("6"),
                certificate,
                ("PLUGIN_UNIX_SOCKET_DIR", "/nowhere"),
            ],
            "cannot create a directory for the socket in /nowhere: No such file",
        ),
    ] {
        let (code, stdout, stderr) = run(&[], &variables).await;
        assert_eq!((code, stdout.as_str()), (Some(1), ""));
        assert!(
            stderr.starts_with("terraform-provider-feast: cannot "),
            "{stderr}"
        );
        assert!(stderr.contains(expected), "{stderr}");
    }
}

#[tokio::test]
async fn serves_until_the_host_shuts_it_down() {
    let mut process = Process::start(BINARY).await;
    let metadata = process
        .provider()
        .get_metadata(get_metadata::Request {})
        .await;
    assert_eq!(metadata.unwrap().into_inner().diagnostics, []);
    shut_down(process.channel.clone()).await;
    assert_eq!(process.exited().await.code(), Some(0));
    assert!(!process.handshake.socket.parent().unwrap().exists());
    assert_eq!(process.stdout().await, "");
    assert_eq!(process.stderr().await, "");
}

#[tokio::test]
async fn ctrl_c_stops_calls_and_keeps_the_process() {
    let mut process = Process::start(BINARY).await;
    let apply = hanging_apply(&process).await;
    process.signal("INT");
    let response = timeout(TIMEOUT, apply).await.unwrap().unwrap();
    assert_eq!(
        summaries(&response.diagnostics),
        ["Error Cannot prepare the feature store"]
    );
    let metadata = process
        .provider()
        .get_metadata(get_metadata::Request {})
        .await;
    assert!(metadata.is_ok(), "the host decides when the process ends");
    shut_down(process.channel.clone()).await;
    assert_eq!(process.exited().await.code(), Some(0));
}

#[tokio::test]
async fn sigterm_stops_calls_and_exits_after_their_responses() {
    let mut process = Process::start(BINARY).await;
    let apply = hanging_apply(&process).await;
    process.signal("TERM");
    let response = timeout(TIMEOUT, apply).await.unwrap().unwrap();
    assert_eq!(
        summaries(&response.diagnostics),
        ["Error Cannot prepare the feature store"]
    );
    assert_eq!(process.exited().await.code(), Some(0));
}

/// The terminal of an apply is closed. `nohup` keeps the process. Only on Linux can a process see that.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn sighup_stops_calls_unless_it_is_ignored() {
    let start = async |action: &str| {
        let mut command = command("env");
        command.args([action, BINARY]);
        let process = Process::spawn(command).await;
        let apply = hanging_apply(&process).await;
        process.signal("HUP");
        (process, apply)
    };
    let (mut process, apply) = start("--default-signal=HUP").await;
    let response = timeout(TIMEOUT, apply).await.unwrap().unwrap();
    assert_eq!(
        summaries(&response.diagnostics),
        ["Error Cannot prepare the feature store"]
    );
    assert_eq!(process.exited().await.code(), Some(0));
    assert!(!process.handshake.socket.parent().unwrap().exists());

    let (mut process, mut apply) = start("--ignore-signal=HUP").await;
    let stopped = timeout(Duration::from_millis(300), &mut apply).await;
    assert!(stopped.is_err(), "the apply must go on");
    process.signal("TERM");
    timeout(TIMEOUT, apply).await.unwrap().unwrap();
    assert_eq!(process.exited().await.code(), Some(0));
}

#[tokio::test]
async fn exits_when_its_host_leaves() {
    let Process {
        mut child,
        handshake,
        channel,
        ..
    } = Process::start(BINARY).await;
    let mut provider = provider(channel);
    provider
        .get_metadata(get_metadata::Request {})
        .await
        .unwrap();
    drop(provider);
    let exited = timeout(TIMEOUT, child.wait()).await;
    assert_eq!(
        exited.expect("the provider has not exited").unwrap().code(),
        Some(0)
    );
    assert!(!handshake.socket.parent().unwrap().exists());
}

#[tokio::test]
async fn debug_prints_reattach_and_serves_until_ctrl_c() {
    let mut child = command(BINARY).arg("-debug").spawn().unwrap();
    let mut lines = tokio::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let reattach = loop {
        let line = timeout(TIMEOUT, lines.next_line())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        if let Some(reattach) = line.trim().strip_prefix("TF_REATTACH_PROVIDERS='") {
            break reattach.strip_suffix('\'').unwrap().to_owned();
        }
    };
    let mut reattach: serde_json::Value = serde_json::from_str(&reattach).unwrap();
    let socket = &mut reattach["feast-dev/feast"]["Addr"]["String"];
    let socket = socket.take().as_str().unwrap().to_owned();
    assert_eq!(
        reattach,
        serde_json::json!({
            "feast-dev/feast": {
                "Protocol": "grpc",
                "ProtocolVersion": 6,
                "Pid": child.id(),
                "Test": true,
                "Addr": { "Network": "unix", "String": null },
            }
        })
    );
    for _ in 0..2 {
        let mut provider = provider(connect_without_tls(Path::new(&socket)).await);
        assert!(
            provider
                .get_metadata(get_metadata::Request {})
                .await
                .is_ok()
        );
    }
    signal(&child, "INT");
    let exited = timeout(TIMEOUT, child.wait())
        .await
        .expect("the provider has not exited");
    assert_eq!(exited.unwrap().code(), Some(0));
    assert!(!Path::new(&socket).exists());
}

/// Encodes a block with these attributes; the others are null.
fn wire(block: &Block, attributes: &serde_json::Value) -> Option<DynamicValue> {
    let mut value = encode(&block.attributes, attributes);
    for name in block.blocks.keys() {
        value.set(name, Value::List(Vec::new()));
    }
    Some(codec::write(&value, &block.value_type()).unwrap())
}

/// Starts to create a feature store at an API server that accepts the request and never responds.
async fn hanging_apply(process: &Process) -> JoinHandle<apply_resource_change::Response> {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let feast = Feast::new();
    let block = &feast.registry().resources[FEATURE_STORE].schema().block;
    let mut provider = process.provider();
    let configured = provider.configure_provider(configure_provider::Request {
        config: wire(
            &feast.schema().block,
            &serde_json::json!({"host": format!("http://{address}")}),
        ),
        ..Default::default()
    });
    assert_eq!(configured.await.unwrap().into_inner().diagnostics, []);
    let null = || Some(codec::write(&Value::Null, &block.value_type()).unwrap());
    let config = wire(
        block,
        &serde_json::json!({"name": "a", "feastProject": "b"}),
    );
    let planned = provider.plan_resource_change(plan_resource_change::Request {
        type_name: FEATURE_STORE.to_owned(),
        prior_state: null(),
        proposed_new_state: config.clone(),
        config: config.clone(),
        ..Default::default()
    });
    let planned = planned.await.unwrap().into_inner();
    assert_eq!(planned.diagnostics, []);
    let request = apply_resource_change::Request {
        type_name: FEATURE_STORE.to_owned(),
        prior_state: null(),
        planned_state: planned.planned_state,
        config,
        ..Default::default()
    };
    let apply = tokio::spawn(async move {
        let response = provider.apply_resource_change(request).await;
        response.unwrap().into_inner()
    });
    let (connection, _) = timeout(TIMEOUT, server.accept()).await.unwrap().unwrap();
    // Keep both open for as long as the test runs.
    std::mem::forget((server, connection));
    apply
}

#[tokio::test]
async fn serves_the_schema_of_the_resource() {
    let mut process = Process::start(BINARY).await;
    let mut provider = process.provider();
    let schema = provider.get_provider_schema(get_provider_schema::Request {});
    let schema = schema.await.unwrap().into_inner();
    let resources: Vec<&str> = schema.resource_schemas.keys().map(String::as_str).collect();
    assert_eq!(
        (schema.diagnostics, resources),
        (vec![], vec![FEATURE_STORE])
    );
    shut_down(process.channel.clone()).await;
    assert_eq!(process.exited().await.code(), Some(0));
}
