use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
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
fn several_kubeconfigs_are_merged() {
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
            "`cluster_ca_certificate` in the provider block is not valid: it must be PEM"
        ),
        "{base64}"
    );
    assert_eq!(
        host(|block| block.host = some("ftp://h")),
        "`host` in the provider block is not valid: it must be a URL such as https://192.0.2.1:6443"
    );
    assert!(
        host(|block| block.client_key = some(KEY))
            .ends_with("client_certificate and client_key belong together")
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

/// A kubeconfig with one cluster and one user.
fn kubeconfig(cluster: &str, user: &str) -> File {
    let text = format!(
        "{{current-context: x, contexts: [{{name: x, context: {{cluster: c, user: u}}}}], \
         clusters: [{{name: c, cluster: {{server: 'https://one.example', {cluster}}}}}], \
         users: [{{name: u, user: {{{user}}}}}]}}"
    );
    File::new("one", &text)
}

#[test]
fn errors_name_the_invalid_field_of_a_kubeconfig() {
    for (cluster, user, expected) in [
        (
            "",
            "token: \"abc\\n\"",
            "`token` of the user \"u\" in the kubeconfig is not valid: it ends with a line break",
        ),
        (
            "",
            "username: admin, password: \"secret\\r\\n\"",
            "`password` of the user \"u\" in the kubeconfig is not valid: it ends with a line break",
        ),
        (
            "",
            "token: abc, as: \"jane\\n\"",
            "`as` of the user \"u\" in the kubeconfig is not valid: it ends with a line break",
        ),
        (
            "",
            "token: abc, as-groups: [a, \"b\\nc\"]",
            "`as-groups` of the user \"u\" in the kubeconfig is not valid: it contains a line break",
        ),
        (
            "tls-server-name: \"kubernetes\\n\"",
            "",
            "`tls-server-name` of the cluster \"c\" in the kubeconfig is not valid: it ends with a line break",
        ),
        (
            "proxy-url: \"proxy:3128\"",
            "",
            "`proxy-url` of the cluster \"c\" in the kubeconfig is not valid: it must be a URL such as http://proxy.example.com:3128, with the scheme http, https or socks5",
        ),
        (
            "certificate-authority-data: \"%\"",
            "",
            "`certificate-authority-data` of the cluster \"c\" in the kubeconfig is not valid: it is not base64",
        ),
        (
            "certificate-authority: /does/not/exist",
            "",
            "the file of the cluster's root certificates could not be read: `certificate-authority` of the cluster \"c\" in the kubeconfig (file /does/not/exist)",
        ),
        (
            "",
            "auth-provider: {name: azure, config: {}}",
            "the auth-provider \"azure\" cannot be used (`auth-provider` of the user \"u\" in the kubeconfig): it holds no access-token. Terraform does not renew tokens of an auth-provider. Convert the kubeconfig with `kubelogin convert-kubeconfig`, which uses the program kubelogin.",
        ),
    ] {
        let file = kubeconfig(cluster, user);
        assert_eq!(refused(&file.connection()), expected);
    }
}

#[test]
fn empty_strings_of_a_kubeconfig_count_as_absent() {
    let data = STANDARD.encode(PEM);
    let (start, end) = data.split_at(20);
    let file = kubeconfig(
        &format!(
            "certificate-authority-data: \"{start}\\n{end}\\n\", certificate-authority: '', tls-server-name: '', proxy-url: ''"
        ),
        "username: '', password: '', token: '', tokenFile: '', as: '', client-certificate: '', client-key: '', client-certificate-data: '', client-key-data: ''",
    );
    let endpoint = run(&file.connection());
    assert_eq!(endpoint.config.root_cert, Some(vec![b"MII".to_vec()]));
    assert_eq!(endpoint.config.tls_server_name, None);
    assert!(endpoint.proxy.is_none());
    assert!(matches!(endpoint.credentials, Credentials::None));
    assert_eq!(endpoint.credentials_info, CredentialsInfo::Anonymous);
    let user = endpoint.config.auth_info;
    assert_eq!(
        (user.impersonate, user.client_certificate, user.client_key),
        (None, None, None)
    );
    let file = File::new("empty", "{current-context: '', contexts: []}");
    let text = refused(&file.connection());
    assert!(text.contains("it has no current context"), "{text}");
}

#[test]
fn a_selected_user_or_cluster_must_exist() {
    let file = File::new("kubeconfig", KUBECONFIG);
    let user = Connection {
        config_context_auth_info: some("nobody"),
        ..file.connection()
    };
    assert_eq!(
        refused(&user),
        "`config_context_auth_info` in the provider block is not valid: the kubeconfig has no user \"nobody\""
    );
    let cluster = Connection {
        config_context_cluster: some("nowhere"),
        from_environment: ["config_context_cluster"].into(),
        ..file.connection()
    };
    assert_eq!(
        refused(&cluster),
        "the environment variable KUBE_CTX_CLUSTER is not valid: the kubeconfig has no cluster \"nowhere\""
    );
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
