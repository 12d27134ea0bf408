use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const PEM: &str = "-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n";

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
        // Tests of this file run side by side.
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

fn run(connection: &Connection) -> Result<(Config, Origin), ConnectionError> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(configure(connection))
}

fn refused(connection: &Connection) -> String {
    run(connection).expect_err("refused").to_string()
}

/// Server, token, client certificate.
fn essence(connection: &Connection) -> (String, Option<String>, Option<String>) {
    use secrecy::ExposeSecret;
    let (config, _) = run(connection).expect("valid");
    let user = config.auth_info;
    (
        config.cluster_url.to_string(),
        user.token.map(|token| token.expose_secret().to_owned()),
        user.client_certificate.or(user.client_certificate_data),
    )
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn nothing_is_fallen_back_on() {
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
fn a_block_without_a_kubeconfig() {
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
    let (config, origin) = run(&host).expect("valid");
    assert!(config.root_cert.is_some() && config.proxy_url.is_none());
    assert_eq!(
        origin.to_string(),
        "host in the provider block (host 192.0.2.1:6443), token in the provider block"
    );
}

#[test]
fn the_context_is_named_whoever_chose_it() {
    let file = File::new("kubeconfig", KUBECONFIG);
    let base = file.connection();
    let path = base.config_path.clone().expect("a path");
    let said = |connection: &Connection| run(connection).expect("valid").1.to_string();
    let file = format!("config_path in the provider block (file {path})");
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
fn a_kubeconfig_and_what_overrides_it() {
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
fn several_kubeconfigs() {
    let first = File::new(
        "first",
        "{clusters: [{name: c2, cluster: {server: 'https://first.example'}}], current-context: two}",
    );
    let second = File::new("second", KUBECONFIG);
    let connection = Connection {
        config_paths: Some(
            [&first, &second]
                .map(|file| file.0.display().to_string())
                .into(),
        ),
        ..Connection::default()
    };
    assert_eq!(
        essence(&connection),
        ("https://first.example/".into(), some("token-of-two"), None)
    );
}

#[test]
fn errors_name_the_place_and_quote_no_secret() {
    let broken = File::new(
        "broken",
        "users:\n- {name: u, user: {token: hunter2}\nclusters: 7\n",
    );
    let path = broken.0.display().to_string();
    let error = run(&broken.connection()).expect_err("malformed");
    assert!(
        !format!("{error} {error:?}").contains("hunter2"),
        "{error:?}"
    );
    let text = error.to_string();
    let expected =
        format!("the kubeconfig {path} (config_path in the provider block) is not valid at line ");
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

    let file = File::new("context", KUBECONFIG);
    let unknown = Connection {
        config_context: some("three"),
        ..file.connection()
    };
    assert!(refused(&unknown).contains("config_context (KUBE_CTX)"));

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
            "cluster_ca_certificate in the provider block is not valid: it must be PEM"
        ),
        "{base64}"
    );
    assert_eq!(
        host(|block| block.host = some("ftp://h")),
        "host in the provider block is not valid: it must be a URL such as https://192.0.2.1:6443"
    );
    assert!(
        host(|block| block.client_key = some(PEM))
            .ends_with("client_certificate and client_key belong together")
    );
    assert!(host(|block| block.in_cluster_config = Some(true)).contains("excludes host"));
}

#[test]
fn the_home_directory() {
    let home = std::env::home_dir().expect("a home directory");
    assert_eq!(expand("~/.kube/config"), home.join(".kube/config"));
    assert_eq!(expand("~"), home);
    assert_eq!(expand("~other/config"), PathBuf::from("~other/config"));
    assert_eq!(expand("/a/~b"), PathBuf::from("/a/~b"));
}
