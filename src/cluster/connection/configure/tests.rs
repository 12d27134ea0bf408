use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::cluster::connection::Exec;
use crate::cluster::connection::kubeconfig::expand;

const PEM: &str = "-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n";

const KEY: &str = "-----BEGIN PRIVATE KEY-----\nTUlJ\n-----END PRIVATE KEY-----\n";

const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
current-context: one
clusters:
- {name: c1, cluster: {server: 'https://one.example:6443', insecure-skip-tls-verify: true}}
- {name: c2, cluster: {server: 'https://two.example:6443', tls-server-name: two}}
users:
- {name: u1, user: {token: token-of-one, client-certificate: /one.crt, client-key: /one.key}}
- {name: u2, user: {token: token-of-two}}
contexts:
- {name: one, context: {cluster: c1, user: u1}}
- {name: two, context: {cluster: c2, user: u2}}
";

/// A file that is removed when the test ends.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        // Tests run in parallel.
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = format!("feast-{name}-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(path);
        std::fs::write(&path, text).expect("a temporary file");
        Self(path)
    }

    fn connection(&self) -> Connection {
        Connection {
            config_path: Some(self.0.display().to_string()),
            ..Connection::default()
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).expect("the temporary file is removed");
    }
}

fn refused(connection: &Connection) -> String {
    configure(connection).err().expect("refused").to_string()
}

fn run(connection: &Connection) -> Endpoint {
    configure(connection).expect("valid")
}

/// Returns the value of the header `Authorization`.
fn authorization(endpoint: &Endpoint) -> Option<String> {
    match &endpoint.credentials {
        Credentials::Header(value) => Some(value.to_str().expect("text").to_owned()),
        _ => None,
    }
}

/// Returns server, token and client certificate.
fn essence(connection: &Connection) -> (String, Option<String>, Option<String>) {
    let endpoint = run(connection);
    let header = authorization(&endpoint);
    let user = endpoint.config.auth_info;
    (
        endpoint.config.cluster_url.to_string(),
        header.map(|header| header.trim_start_matches("Bearer ").to_owned()),
        user.client_certificate.or(user.client_certificate_data),
    )
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn there_are_no_fallbacks() {
    assert_eq!(
        refused(&Connection {
            token: some("t"),
            config_context: some("one"),
            ..Connection::default()
        }),
        "no Kubernetes cluster is configured: set host, config_path, config_paths or in_cluster_config in the provider block, or one of the environment variables KUBE_HOST, KUBE_CONFIG_PATH, KUBE_CONFIG_PATHS, KUBE_IN_CLUSTER_CONFIG; ~/.kube/config, KUBECONFIG and a pod's own account are not used unless they are named"
    );
}

#[test]
fn a_block_needs_no_kubeconfig() {
    let host = Connection {
        host: some("192.0.2.1:6443"),
        cluster_ca_certificate: some(PEM),
        token: some("t"),
        ..Connection::default()
    };
    assert_eq!(
        essence(&host),
        ("https://192.0.2.1:6443/".into(), some("t"), None)
    );
    let endpoint = run(&host);
    assert_eq!(endpoint.config.root_cert, Some(vec![b"MII".to_vec()]));
    assert!(endpoint.proxy.is_none());
    assert_eq!(
        endpoint.origin.to_string(),
        "`host` in the provider block (host 192.0.2.1:6443), `token` in the provider block"
    );
}

#[test]
fn the_origin_names_the_context() {
    let file = File::new("kubeconfig", KUBECONFIG);
    let base = file.connection();
    let path = base.config_path.clone().expect("a path");
    let said = |connection: &Connection| run(connection).origin.to_string();
    let file = format!("`config_path` in the provider block (file {path})");
    assert_eq!(said(&base), format!("{file}, its current context one"));
    let second = Connection {
        config_context: some("two"),
        from_environment: ["config_context"].into(),
        ..base.clone()
    };
    assert_eq!(
        said(&second),
        format!("{file}, the environment variable KUBE_CTX (context two)")
    );
}

#[test]
fn the_block_overrides_a_kubeconfig() {
    let file = File::new("kubeconfig", KUBECONFIG);
    let base = file.connection();
    assert_eq!(
        essence(&base),
        (
            "https://one.example:6443/".into(),
            some("token-of-one"),
            some("/one.crt")
        )
    );
    let second = Connection {
        config_context: some("two"),
        ..base.clone()
    };
    assert_eq!(
        essence(&second),
        (
            "https://two.example:6443/".into(),
            some("token-of-two"),
            None
        )
    );
    let mixed = Connection {
        config_context_auth_info: some("u2"),
        host: some("https://three.example"),
        ..base.clone()
    };
    assert_eq!(
        essence(&mixed),
        ("https://three.example/".into(), some("token-of-two"), None)
    );
    let own_token = Connection {
        token: some("mine"),
        ..base
    };
    assert_eq!(
        essence(&own_token),
        ("https://one.example:6443/".into(), some("mine"), None)
    );
}

#[test]
fn errors_name_the_origin_and_quote_no_secret() {
    let broken = File::new(
        "broken",
        "users:\n- {name: u, user: {token: hunter2}\nclusters: 7\n",
    );
    let path = broken.0.display().to_string();
    let error = configure(&broken.connection()).err().expect("malformed");
    assert!(
        !format!("{error} {error:?}").contains("hunter2"),
        "{error:?}"
    );
    let text = error.to_string();
    let expected = format!(
        "the kubeconfig {path} (`config_path` in the provider block) is not valid at line "
    );
    assert!(text.starts_with(&expected), "{text}");

    let mut missing = Connection {
        config_path: some("/does/not/exist"),
        ..Connection::default()
    };
    missing.from_environment.insert("config_path");
    assert_eq!(
        refused(&missing),
        "the kubeconfig /does/not/exist (the environment variable KUBE_CONFIG_PATH) could not be read"
    );

    let host = |change: fn(&mut Connection)| {
        let mut connection = Connection {
            host: some("https://h"),
            ..Connection::default()
        };
        change(&mut connection);
        refused(&connection)
    };
    let base64 = host(|block| block.cluster_ca_certificate = some("LS0tLS1CRUdJTg=="));
    assert!(
        base64.starts_with(
            "`cluster_ca_certificate` in the provider block is not valid: it must be PEM"
        ),
        "{base64}"
    );
    assert_eq!(
        host(|block| block.host = some("ftp://h")),
        "`host` in the provider block is not valid: it must be a URL such as https://192.0.2.1:6443"
    );
    assert_eq!(
        host(|block| block.client_key = some(KEY)),
        "`client_key` in the provider block is not valid: client_certificate is not set; set both or neither"
    );
    assert_eq!(
        host(|block| block.client_certificate = some(PEM)),
        "`client_certificate` in the provider block is not valid: client_key is not set; set both or neither"
    );
    assert!(host(|block| block.in_cluster_config = Some(true)).contains("excludes host"));
}

#[test]
fn a_tilde_is_the_home_directory() {
    let home = std::env::home_dir().expect("a home directory");
    assert_eq!(expand("~/.kube/config"), home.join(".kube/config"));
    assert_eq!(expand("~"), home);
    assert_eq!(expand("~other/config"), PathBuf::from("~other/config"));
    assert_eq!(expand("/a/~b"), PathBuf::from("/a/~b"));
}

#[test]
fn the_block_sets_nothing_that_has_no_effect_in_a_cluster() {
    let in_cluster = |change: fn(&mut Connection)| {
        let mut connection = Connection {
            in_cluster_config: Some(true),
            ..Connection::default()
        };
        change(&mut connection);
        connection
    };
    type Change = fn(&mut Connection);
    let changes: [(&str, Change); 13] = [
        ("username", |block| block.username = some("u")),
        ("password", |block| block.password = some("p")),
        ("token", |block| block.token = some("t")),
        ("insecure", |block| block.insecure = Some(true)),
        ("tls_server_name", |block| block.tls_server_name = some("n")),
        ("client_certificate", |block| {
            block.client_certificate = some(PEM);
        }),
        ("client_key", |block| block.client_key = some(KEY)),
        ("cluster_ca_certificate", |block| {
            block.cluster_ca_certificate = some(PEM);
        }),
        ("config_context", |block| block.config_context = some("x")),
        ("config_context_auth_info", |block| {
            block.config_context_auth_info = some("x");
        }),
        ("config_context_cluster", |block| {
            block.config_context_cluster = some("x");
        }),
        ("proxy_url", |block| block.proxy_url = some("http://p")),
        ("exec", |block| block.exec = Some(Exec::default())),
    ];
    for (attribute, change) in changes {
        let connection = in_cluster(change);
        assert_eq!(
            refused(&connection),
            format!(
                "`{attribute}` in the provider block is not valid: `in_cluster_config` in the provider block uses the service account of the pod, so this attribute has no effect; remove one of the two"
            )
        );
        // In a variable, it is ignored.
        let connection = Connection {
            from_environment: [attribute].into(),
            ..connection
        };
        assert_eq!(connection.ineffective_in_cluster(), None);
        // If `in_cluster_config` is a variable, the block can be used outside of a cluster, too.
        let connection = Connection {
            from_environment: ["in_cluster_config"].into(),
            ..connection
        };
        let is_credential = connection.has_credentials()
            || connection.password.is_some()
            || connection.client_key.is_some();
        let expected = is_credential.then_some(attribute);
        assert_eq!(connection.ineffective_in_cluster(), expected);
    }
    let inherited = in_cluster(|block| {
        block.token = some("t");
        block.from_environment = ["in_cluster_config", "token"].into();
    });
    assert_eq!(
        inherited.describe().to_string(),
        "the environment variable KUBE_IN_CLUSTER_CONFIG"
    );
    let secure = in_cluster(|block| block.insecure = Some(false));
    assert_eq!(secure.ineffective_in_cluster(), None);
}

#[test]
fn the_credentials_info_has_their_origin() {
    let file = File::new("kubeconfig", KUBECONFIG);
    let info = |connection: Connection| run(&connection).credentials_info;
    let configured = |origin: &str| CredentialsInfo::Configured {
        origin: origin.to_owned(),
        expires: None,
        from_plugin: false,
    };
    assert_eq!(
        info(file.connection()),
        configured(
            &["client-certificate", "token"]
                .map(|it| format!("`{it}` of the user \"u1\" in the kubeconfig"))
                .join(" and ")
        )
    );
    let host = Connection {
        host: some("https://h"),
        ..Connection::default()
    };
    assert_eq!(info(host.clone()), CredentialsInfo::Anonymous);
    let with_token = |token: &str| Connection {
        token: some(token),
        from_environment: ["token"].into(),
        ..host.clone()
    };
    assert_eq!(
        info(with_token("t")),
        configured("the environment variable KUBE_TOKEN")
    );
    assert_eq!(
        refused(&with_token("t\n")),
        "the environment variable KUBE_TOKEN is not valid: it ends with a line break"
    );
    // As in kubectl, a user without a password is not anonymous.
    let basic = Connection {
        username: some("admin"),
        ..host.clone()
    };
    assert_eq!(
        authorization(&run(&basic)).as_deref(),
        Some("Basic YWRtaW46")
    );
    assert_eq!(info(basic), configured("`username` in the provider block"));
}

mod kubeconfig;
