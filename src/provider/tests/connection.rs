//! The provider block: invalid attributes, empty attributes, and the diagnostic of a connection that fails.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::schema::provider::ReadDataSourceRequest;

/// A provider block with these attributes and an optional `exec` block.
fn config(attributes: Json, exec: Option<Json>) -> Value {
    let feast = Feast::new();
    let block = &feast.schema().block;
    let mut value = encode(&block.attributes, &attributes);
    let inner = &block.blocks["exec"].attributes;
    let exec = exec.map(|exec| encode(inner, &exec));
    value.set("exec", Value::List(exec.into_iter().collect()));
    value
}

fn configure(config: &Value) -> (Feast, Vec<Diagnostic>) {
    let feast = Feast::new();
    let request = ConfigureProviderRequest {
        config: config.clone(),
        ..ConfigureProviderRequest::default()
    };
    let diagnostics = wait(feast.configure(request));
    (feast, diagnostics)
}

/// The attribute and the detail of each diagnostic. Validation and configuration return the same ones.
fn rejected(config: &Value) -> Vec<(String, String)> {
    let said = |diagnostics: Vec<Diagnostic>| -> Vec<(String, String)> {
        let each = diagnostics.into_iter();
        each.map(|it| (it.path.unwrap().to_string(), it.detail))
            .collect()
    };
    let validated = said(Feast::new().validate_config(config.clone()));
    assert_eq!(validated, said(configure(config).1));
    validated
}

#[test]
fn rejects_invalid_namespaces_at_the_provider_block() {
    let pattern = "`namespace` must match `^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`, but is";
    for (namespace, expected) in [
        ("Team_A", format!("{pattern} \"Team_A\".")),
        ("a b", format!("{pattern} \"a b\".")),
        ("-a", format!("{pattern} \"-a\".")),
        ("a.b", format!("{pattern} \"a.b\".")),
        ("a\n", format!("{pattern} \"a\\n\".")),
        (
            &"a".repeat(70),
            "`namespace` must have at most 63 characters, but has 70.".to_owned(),
        ),
    ] {
        let config = config(json!({"namespace": namespace}), None);
        assert_eq!(rejected(&config), [("namespace".to_owned(), expected)]);
    }
}

fn store(feast: &Feast, namespace: Option<&str>) -> Value {
    let mut store = json!({"name": "a", "feastProject": "p"});
    if let Some(namespace) = namespace {
        store["namespace"] = json!(namespace);
    }
    encode(&block(feast).attributes, &store)
}

/// A variable that is not set must not destroy an existing feature store.
#[test]
fn a_missing_namespace_never_replaces() {
    let (before, diagnostics) = configure(&config(json!({"namespace": "prod"}), None));
    assert_eq!(diagnostics, []);
    let created = plan(&before, &Value::Null, &store(&before, None)).state;
    assert_eq!(created.attribute("namespace"), &Value::string("prod"));

    let detail = "The feature store has no `namespace`, and the one of the provider block is null or an empty string, so \
                  the default \"default\" applies. But the feature store \"a\" is in the namespace \"prod\": the plan would \
                  destroy it and create another one. Check the variable that the namespace comes from. To move the \
                  feature store, set `namespace = \"default\"`. To destroy it, run `terraform destroy -refresh=false`.";
    let error =
        Diagnostic::error("The namespace is not configured", detail).at(Path::of("namespace"));
    for attributes in [json!({"namespace": ""}), json!({})] {
        let (missing, diagnostics) = configure(&config(attributes, None));
        assert_eq!(diagnostics, []);
        let inherits = store(&missing, None);
        let planned = plan(&missing, &created, &inherits);
        assert_eq!(
            (planned.state, planned.requires_replace, planned.diagnostics),
            (created.clone(), vec![], vec![error.clone()])
        );

        // Feature stores with a namespace, in the default namespace, and a new one.
        let in_default = plan(&missing, &Value::Null, &inherits).state;
        for (prior, namespace) in [
            (&created, Some("prod")),
            (&in_default, None),
            (&in_default, Some("default")),
            (&Value::Null, None),
        ] {
            let planned = plan(&missing, prior, &store(&missing, namespace));
            assert_eq!(
                (planned.diagnostics, planned.requires_replace),
                (vec![], vec![])
            );
        }
        // An explicit namespace still moves the feature store.
        let moved = plan(&missing, &created, &store(&missing, Some("default")));
        assert_eq!(moved.requires_replace, [Path::of("namespace")]);
    }
    let (default, _) = configure(&config(json!({"namespace": "default"}), None));
    let moved = plan(&default, &created, &store(&default, None));
    assert_eq!(moved.requires_replace, [Path::of("namespace")]);
}

#[test]
fn an_invalid_namespace_of_a_resource_is_an_error_and_no_replacement() {
    let (feast, _) = configure(&config(json!({"namespace": "prod"}), None));
    let created = plan(&feast, &Value::Null, &store(&feast, None)).state;
    for namespace in ["", "Team_A", "a b", &"a".repeat(70)] {
        let planned = plan(&feast, &created, &store(&feast, Some(namespace)));
        let paths: Vec<_> = planned.diagnostics.iter().map(|it| &it.path).collect();
        assert!(
            !paths.is_empty()
                && paths
                    .iter()
                    .all(|path| **path == Some(Path::of("namespace"))),
            "{:?}",
            planned.diagnostics
        );
        assert_eq!(planned.requires_replace, []);
    }
}

#[test]
fn an_empty_string_counts_as_absent_in_every_attribute() {
    let feast = Feast::new();
    let attributes = &feast.schema().block.attributes;
    let mut empty = serde_json::Map::new();
    for (name, attribute) in attributes {
        let value = match attribute.kind.clone() {
            crate::schema::Kind::Plain(crate::schema::Type::String) => json!(""),
            crate::schema::Kind::Plain(crate::schema::Type::List(_)) => json!(["", ""]),
            _ => continue,
        };
        empty.insert(name.clone(), value);
    }
    assert_eq!(empty.len(), 17);
    let without = config(json!({}), None);
    let said = |config: &Value| {
        let (feast, diagnostics) = configure(config);
        assert_eq!(diagnostics, []);
        let found = read(&feast);
        found.into_iter().map(|it| it.detail).collect::<Vec<_>>()
    };
    let absent = said(&without);
    assert!(absent[0].starts_with("No Kubernetes cluster is configured"));
    let exec = json!({"api_version": "", "command": ""});
    let empty = Json::Object(empty);
    assert_eq!(said(&config(empty.clone(), None)), absent);
    assert_eq!(said(&config(empty, Some(exec))), absent);
    // An `exec` block with one of both attributes is an error.
    let half = json!({"api_version": "client.authentication.k8s.io/v1", "command": ""});
    assert_eq!(
        rejected(&config(json!({}), Some(half))),
        [(
            "exec[0].command".to_owned(),
            "`exec[0].command` is required, but it is null or absent. Give it a value.".to_owned()
        )]
    );
}

#[test]
fn rejects_invalid_values_at_their_attributes() {
    let trim = "Remove the surrounding whitespace with trimspace(), as in trimspace(file(…)).";
    let wrong = json!({
        "host": "https://h",
        "token": "abc\n",
        "password": "secret\n",
        "tls_server_name": "a b",
        "proxy_url": "proxy:3128",
        "cluster_ca_certificate": "LS0tLS1CRUdJTg==",
    });
    let mut found = rejected(&config(wrong, None));
    found.sort();
    let at = |attribute: &str, problem: &str| {
        let detail = format!("`{attribute}` in the provider block is not valid: {problem}");
        (attribute.to_owned(), detail)
    };
    assert_eq!(
        found,
        [
            at(
                "cluster_ca_certificate",
                "it must be PEM text (\"-----BEGIN …\"); decode it with base64decode() if it comes from a kubeconfig or a cloud API."
            ),
            at("password", &format!("it ends with a line break. {trim}")),
            at(
                "proxy_url",
                "it must be a URL such as http://proxy.example.com:3128, with the scheme http, https or socks5."
            ),
            at("tls_server_name", "it must be a DNS name or an IP address."),
            at("token", &format!("it ends with a line break. {trim}")),
        ]
    );
}

/// Reads the data source.
fn read(feast: &Feast) -> Vec<Diagnostic> {
    let lookup = &feast.registry().data_sources[FEATURE_STORE].schema().block;
    let request = ReadDataSourceRequest {
        config: encode(&lookup.attributes, &json!({"name": "a", "namespace": "b"})),
        ..ReadDataSourceRequest::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime
        .block_on(feast.registry().data_sources[FEATURE_STORE].read(request))
        .diagnostics
}

/// A proxy whose tunnels end at a server without TLS.
fn proxy() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        wait_with_io(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let answer = b"HTTP/1.1 200 OK\r\n\r\n";
                stream.write_all(answer).await.unwrap();
                // The client's greeting.
                stream.read_u8().await.unwrap();
                stream.write_all(answer).await.unwrap();
            }
        });
    });
    address.to_string()
}

fn wait_with_io<T>(answer: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(answer)
}

#[test]
fn a_connection_that_fails_names_the_proxy_without_its_password() {
    let address = proxy();
    let attributes = json!({
        "host": "https://k8s.example.com:6443",
        "proxy_url": format!("http://me:hunter2@{address}"),
    });
    let (feast, diagnostics) = configure(&config(attributes, None));
    assert_eq!(diagnostics, []);
    let diagnostics = read(&feast);
    let [diagnostic] = diagnostics.as_slice() else {
        panic!("{diagnostics:?}");
    };
    assert_eq!(diagnostic.summary, "Cannot read the feature store");
    let expected = format!(
        "The connection is configured by `host` in the provider block (host https://k8s.example.com:6443).\nRequests go \
         through the proxy http://{address} (`proxy_url` in the provider block).\n\nCheck the address, the network and \
         the proxy; the API server may also be restarting."
    );
    assert!(diagnostic.detail.ends_with(&expected), "{diagnostic:?}");
    assert!(
        diagnostic.detail.starts_with(
            "Cannot get Deployment/feast-a in namespace \"b\" of the cluster at https://k8s.example.com:6443/.\nCaused by: \
             The API server could not be reached."
        ),
        "{diagnostic:?}"
    );
    assert!(!diagnostic.detail.contains("hunter2"));
}
