use std::collections::HashMap;

use kube::config::{AuthProviderConfig, ExecConfig};
use secrecy::SecretString;
use serde_json::json;

use super::*;
use crate::cluster::clock::format_time;

fn taken(mut user: AuthInfo) -> Result<(Credentials, CredentialsInfo), String> {
    let origin_of = |field: &str| format!("`{field}`");
    Credentials::take(&mut user, origin_of).map_err(|error| error.to_string())
}

/// Returns the header of a request, or the error.
async fn authorization(credentials: &Credentials) -> Result<String, String> {
    let mut request = Request::new(());
    let added = credentials.authorize(&mut request).await;
    added.map_err(|error| error.to_string())?;
    let value = request.headers().get(AUTHORIZATION);
    Ok(value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned()))
}

fn program(script: &str) -> Credentials {
    let exec = ExecConfig {
        command: Some("sh".to_owned()),
        args: Some(vec!["-c".to_owned(), script.to_owned()]),
        ..ExecConfig::default()
    };
    let user = AuthInfo {
        exec: Some(exec),
        ..AuthInfo::default()
    };
    taken(user).unwrap().0
}

fn token(claims: &Json) -> String {
    let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("e30.{payload}.signature")
}

#[tokio::test]
async fn a_token_file_is_trimmed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let user = AuthInfo {
        token_file: Some(path.display().to_string()),
        ..AuthInfo::default()
    };
    let (credentials, identity) = taken(user).unwrap();
    let origin = format!("`tokenFile` (file {})", path.display());
    assert_eq!(
        identity,
        CredentialsInfo::Configured {
            origin: origin.clone(),
            expires: None,
            from_plugin: false,
        }
    );
    assert_eq!(
        authorization(&credentials).await,
        Err(format!("the token file could not be read: {origin}"))
    );
    std::fs::write(&path, "a\nb").unwrap();
    assert_eq!(
        authorization(&credentials).await,
        Err(format!("{origin} is not valid: it contains a line break"))
    );
    std::fs::write(&path, "\n").unwrap();
    assert_eq!(
        authorization(&credentials).await,
        Err(format!("{origin} is not valid: it is empty"))
    );
    std::fs::write(&path, " abc\r\n").unwrap();
    let header = Ok("Bearer abc".to_owned());
    assert_eq!(authorization(&credentials).await, header);
    // The last token is used while the file does not exist.
    std::fs::remove_file(&path).unwrap();
    if let Credentials::TokenFile(file) = &credentials {
        let mut last = file.last.lock().await;
        let (value, read_at) = last.clone().unwrap();
        *last = Some((value, read_at.checked_sub(TOKEN_FILE_AGE).unwrap()));
    }
    assert_eq!(authorization(&credentials).await, header);
}

#[tokio::test]
async fn a_token_file_takes_precedence_over_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let user = AuthInfo {
        token: Some(SecretString::from("stale".to_owned())),
        token_file: Some(path.display().to_string()),
        ..AuthInfo::default()
    };
    let (credentials, info) = taken(user).unwrap();
    assert_eq!(
        info,
        CredentialsInfo::Configured {
            origin: format!("`tokenFile` (file {})", path.display()),
            expires: None,
            from_plugin: false,
        }
    );
    let header = |token: &str| -> Result<String, String> { Ok(format!("Bearer {token}")) };
    assert_eq!(authorization(&credentials).await, header("stale"));
    std::fs::write(&path, "\n").unwrap();
    assert_eq!(authorization(&credentials).await, header("stale"));
    std::fs::write(&path, "fresh\n").unwrap();
    assert_eq!(authorization(&credentials).await, header("fresh"));
}

/// A program that counts its runs.
struct Counted {
    folder: tempfile::TempDir,
    credentials: Credentials,
}

impl Counted {
    /// The program prints this status of an `ExecCredential`, and fails after [`Counted::fail`].
    fn new(status: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let credentials = program(&format!(
            r#"cd {}; echo run >> count; [ -e fail ] && exit 3; echo '{{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {status}}}'"#,
            folder.path().display()
        ));
        Self {
            folder,
            credentials,
        }
    }

    fn fail(&self) {
        std::fs::write(self.folder.path().join("fail"), "").unwrap();
    }

    fn runs(&self) -> usize {
        let count = std::fs::read_to_string(self.folder.path().join("count"));
        count.unwrap_or_default().lines().count()
    }

    async fn printed(&self) -> Arc<PluginCredentials> {
        self.credentials
            .plugin_credentials()
            .await
            .unwrap()
            .unwrap()
    }
}

/// Advances the time until another run of a program can have another result.
async fn pause() {
    tokio::time::pause();
    tokio::time::advance(credential_plugin::PAUSE).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_program_is_run_again_only_when_its_credentials_expire() {
    let header = Ok("Bearer abc".to_owned());
    for (status, expected) in [
        (r#"{"token": "abc"}"#, 1),
        (
            r#"{"token": "abc", "expirationTimestamp": "9999-01-01T00:00:00Z"}"#,
            1,
        ),
        (
            r#"{"token": "abc", "expirationTimestamp": "2000-01-01T00:00:00Z"}"#,
            2,
        ),
    ] {
        let program = Counted::new(status);
        let credentials = &program.credentials;
        // Callers share a run.
        let both = tokio::join!(authorization(credentials), authorization(credentials));
        assert_eq!(both, (header.clone(), header.clone()));
        assert_eq!(authorization(credentials).await, header);
        assert_eq!(program.runs(), expected, "{status}");
    }
    // A certificate is not sent in a header.
    let program = Counted::new(
        r#"{"clientCertificateData": "C", "clientKeyData": "K", "expirationTimestamp": "2000-01-01T00:00:00Z"}"#,
    );
    let printed = program.printed().await;
    let identity = printed.identity.clone().unwrap();
    assert_eq!(
        (identity.certificate, identity.key),
        ("C".into(), "K".into())
    );
    assert_eq!(authorization(&program.credentials).await, Ok(String::new()));
    assert_eq!(program.runs(), 2);
}

#[tokio::test]
async fn valid_credentials_are_used_after_a_failed_renewal() {
    let expires = Timestamp::now() + Duration::from_secs(30);
    let program = Counted::new(&format!(
        r#"{{"token": "abc", "expirationTimestamp": "{expires}"}}"#
    ));
    let header = Ok("Bearer abc".to_owned());
    assert_eq!(authorization(&program.credentials).await, header);
    program.fail();
    pause().await;
    for _ in 0..2 {
        assert_eq!(authorization(&program.credentials).await, header);
        assert_eq!(program.runs(), 2);
    }
}

#[tokio::test]
async fn rejected_credentials_are_printed_again() {
    let program = Counted::new(r#"{"token": "abc"}"#);
    let first = program.printed().await;
    assert!(!program.credentials.discard(&first), "just printed");
    pause().await;
    // Two requests had the token.
    assert!(program.credentials.discard(&first));
    assert!(program.credentials.discard(&first));
    let second = program.printed().await;
    assert!(program.credentials.discard(&first));
    assert!(Arc::ptr_eq(&second, &program.printed().await));
    assert_eq!(program.runs(), 2);
}

#[tokio::test]
async fn the_output_of_a_program_must_be_credentials() {
    let invalid = "the credential plugin `sh` printed no valid credentials";
    let line_break =
        "the token that the credential plugin `sh` printed is not valid: it ends with a line break";
    for (script, expected) in [
        (r#"printf %s '{"status": {"token": "abc\n"}}'"#, line_break),
        (r#"echo '{"status": {"token": ""}}'"#, invalid),
        (r#"echo '{"status": {}}'"#, invalid),
        (r#"echo '{}'"#, invalid),
        ("echo hunter2", invalid),
        (
            r#"echo '{"status": {"token": "abc", "expirationTimestamp": "soon"}}'"#,
            invalid,
        ),
        (
            "echo hunter2; echo please log in >&2; exit 3",
            "the credential plugin `sh` failed (exit status: 3): please log in",
        ),
    ] {
        assert_eq!(
            authorization(&program(script)).await,
            Err(expected.to_owned()),
            "{script}"
        );
    }
    // Some programs print YAML.
    let yaml = program("printf 'status:\\n  token: abc\\n'");
    assert_eq!(authorization(&yaml).await, Ok("Bearer abc".to_owned()));
    let absent = AuthInfo {
        exec: Some(ExecConfig {
            command: Some("/does/not/exist".to_owned()),
            install_hint: Some("Install it from example.com.\n".to_owned()),
            ..ExecConfig::default()
        }),
        ..AuthInfo::default()
    };
    assert_eq!(
        authorization(&taken(absent).unwrap().0).await,
        Err("the credential plugin `/does/not/exist` could not be started; the kubeconfig says how to install it: Install it from example.com.".to_owned())
    );
}

#[test]
fn the_expiration_time_of_a_json_web_token_is_read() {
    let expires = |token: &str| {
        let user = AuthInfo {
            token: Some(SecretString::from(token)),
            ..AuthInfo::default()
        };
        match taken(user).unwrap().1 {
            CredentialsInfo::Configured { expires, .. } => expires.map(format_time),
            CredentialsInfo::Anonymous => unreachable!(),
        }
    };
    assert_eq!(expires("opaque"), None);
    assert_eq!(expires("a.b.c"), None);
    assert_eq!(expires(&token(&json!({}))), None);
    assert_eq!(
        expires(&token(&json!({"exp": 946_684_800}))).as_deref(),
        Some("2000-01-01T00:00:00Z")
    );
}

fn legacy(name: &str, config: &[(&str, &str)]) -> Result<(Credentials, CredentialsInfo), String> {
    let config: HashMap<String, String> = (config.iter())
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    taken(AuthInfo {
        auth_provider: Some(AuthProviderConfig {
            name: name.to_owned(),
            config,
            ..AuthProviderConfig::default()
        }),
        ..AuthInfo::default()
    })
}

#[tokio::test]
async fn an_expired_token_of_an_auth_provider_names_the_alternative() {
    let refused = |name: &str, problem: &str, instead: &str| {
        format!(
            "the auth-provider {name:?} cannot be used (`auth-provider`): {problem}. Terraform does not renew tokens of an auth-provider. {instead}"
        )
    };
    let log_in = "Log in again with the program that wrote the kubeconfig, or replace the auth-provider with an exec section, for example with `kubectl oidc-login get-token`.";
    let gcloud = "Regenerate the kubeconfig with `gcloud container clusters get-credentials`, which uses the program gke-gcloud-auth-plugin.";
    let kubelogin = "Convert the kubeconfig with `kubelogin convert-kubeconfig`, which uses the program kubelogin.";
    let old = token(&json!({"exp": 946_684_800}));
    let expired = "expired at 2000-01-01T00:00:00Z";
    let secret = ("client-secret", "hunter2");
    for (name, config, expected) in [
        (
            "oidc",
            vec![secret, ("refresh-token", "r")],
            refused("oidc", "it holds no id-token", log_in),
        ),
        (
            "oidc",
            vec![secret, ("id-token", "")],
            refused("oidc", "it holds no id-token", log_in),
        ),
        (
            "oidc",
            vec![secret, ("id-token", old.as_str())],
            refused("oidc", &format!("its id-token {expired}"), log_in),
        ),
        (
            "gcp",
            vec![("access-token", "t"), ("expiry", "2000-01-01T00:00:00Z")],
            refused("gcp", &format!("its access-token {expired}"), gcloud),
        ),
        (
            "gcp",
            vec![],
            refused("gcp", "it holds no access-token", gcloud),
        ),
        (
            "azure",
            vec![("access-token", "t"), ("expires-on", "946684800")],
            refused("azure", &format!("its access-token {expired}"), kubelogin),
        ),
        (
            "openstack",
            vec![],
            refused(
                "openstack",
                "this provider does not know it",
                "Replace it with an exec section, or set `exec` or `token` in the provider block.",
            ),
        ),
        (
            "oidc",
            vec![("id-token", "abc\n")],
            "the id-token in `auth-provider` is not valid: it ends with a line break".to_owned(),
        ),
    ] {
        assert_eq!(legacy(name, &config).err(), Some(expected));
    }
    let valid = token(&json!({"exp": 253_370_764_800_i64}));
    let (credentials, identity) = legacy("oidc", &[("id-token", &valid)]).unwrap();
    assert_eq!(
        authorization(&credentials).await,
        Ok(format!("Bearer {valid}"))
    );
    let CredentialsInfo::Configured {
        origin,
        expires,
        from_plugin,
    } = identity
    else {
        unreachable!()
    };
    assert_eq!((origin.as_str(), from_plugin), ("`auth-provider`", false));
    assert_eq!(
        expires.map(format_time).as_deref(),
        Some("9999-01-01T00:00:00Z")
    );
}

/// The output of gcloud ends with a line break.
#[tokio::test]
async fn the_command_of_the_auth_provider_gcp_is_run() {
    for (config, expected) in [
        (
            vec![("cmd-path", "echo"), ("cmd-args", "abc")],
            "Bearer abc",
        ),
        (
            vec![
                ("access-token", "old"),
                ("expiry", "2000-01-01T00:00:00Z"),
                ("cmd-path", "echo"),
                (
                    "cmd-args",
                    r#"{"credential":{"access_token":"new","token_expiry":"9999-01-01T00:00:00Z"}}"#,
                ),
                ("token-key", "{.credential.access_token}"),
                ("expiry-key", "{.credential.token_expiry}"),
            ],
            "Bearer new",
        ),
        (
            vec![
                ("access-token", "cached"),
                ("expiry", "9999-01-01T00:00:00Z"),
                ("cmd-path", "/does/not/exist"),
            ],
            "Bearer cached",
        ),
    ] {
        let (credentials, _) = legacy("gcp", &config).unwrap();
        assert_eq!(authorization(&credentials).await, Ok(expected.to_owned()));
    }
}
