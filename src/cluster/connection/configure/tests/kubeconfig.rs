//! Kubeconfig files: what is selected from them, and what is wrong in them.

use super::*;

/// Returns a connection with both files.
fn connection_of(files: [&File; 2]) -> Connection {
    Connection {
        config_paths: Some(files.map(|file| file.0.display().to_string()).into()),
        ..Connection::default()
    }
}

#[test]
fn several_kubeconfigs_are_merged() {
    let first = File::new(
        "first",
        "{clusters: [{name: c2, cluster: {server: 'https://first.example'}}], current-context: two}",
    );
    let second = File::new("second", KUBECONFIG);
    let connection = connection_of([&first, &second]);
    assert_eq!(
        essence(&connection),
        ("https://first.example/".into(), some("token-of-two"), None)
    );
}

#[test]
fn an_empty_current_context_does_not_hide_that_of_the_next_file() {
    let first = File::new("first", "{current-context: ''}");
    let second = File::new("second", KUBECONFIG);
    let connection = Connection {
        config_context_auth_info: some("u2"),
        ..connection_of([&first, &second])
    };
    assert_eq!(
        essence(&connection),
        (
            "https://one.example:6443/".into(),
            some("token-of-two"),
            None
        )
    );
}

#[test]
fn a_missing_context_is_reported_with_those_that_exist() {
    let file = File::new("context", KUBECONFIG);
    let unknown = Connection {
        config_context: some("three"),
        ..file.connection()
    };
    assert_eq!(
        refused(&unknown),
        "`config_context` in the provider block is not valid: the kubeconfig has no context \"three\" (it has: one, two)"
    );
    let unknown = Connection {
        from_environment: ["config_context"].into(),
        ..unknown
    };
    assert_eq!(
        refused(&unknown),
        "the environment variable KUBE_CTX is not valid: the kubeconfig has no context \"three\" (it has: one, two)"
    );
    let current = |contexts: &str| {
        let text = format!("{{current-context: gone, contexts: [{contexts}]}}");
        refused(&File::new("current", &text).connection())
    };
    let gone = "`config_path` in the provider block is not valid: the kubeconfig has no context \"gone\", which is its current context";
    assert_eq!(current(""), format!("{gone} (it has none)"));
    let contexts = |count: usize| {
        let all: Vec<String> = (0..count)
            .map(|n| format!("{{name: c{n}, context: {{cluster: c, user: u}}}}"))
            .collect();
        all.join(", ")
    };
    let ten = "it has: c0, c1, c2, c3, c4, c5, c6, c7, c8, c9";
    assert_eq!(current(&contexts(10)), format!("{gone} ({ten})"));
    assert_eq!(current(&contexts(12)), format!("{gone} ({ten} and 2 more)"));
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
    assert_eq!(
        refused(&file.connection()),
        "`config_path` in the provider block is not valid: it has no current context; set config_context (KUBE_CTX)"
    );
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
