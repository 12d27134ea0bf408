//! Settings of Windows containers (`WindowsSecurityContextOptions`).

use k8s_openapi::api::core::v1::WindowsSecurityContextOptions;

use super::Violation;
use super::metadata::{is_dns_subdomain, object_name};
use crate::schema::Path;

/// In bytes.
const MAX_CREDENTIAL_SPEC: usize = 64 * 1024;
const MAX_DOMAIN: usize = 255;
const MAX_NET_BIOS_DOMAIN: usize = 15;
const MAX_USER: usize = 104;

/// Validates the options of a pod (`validateWindowsSecurityContextOptions`).
pub fn options(options: &WindowsSecurityContextOptions) -> Vec<Violation> {
    let WindowsSecurityContextOptions {
        gmsa_credential_spec,
        gmsa_credential_spec_name,
        host_process,
        run_as_user_name,
    } = options;
    let mut violations = Vec::new();
    if gmsa_credential_spec
        .as_ref()
        .is_some_and(|spec| !(1..=MAX_CREDENTIAL_SPEC).contains(&spec.len()))
    {
        violations.push(Violation::at(
            Path::of("gmsa_credential_spec"),
            "The credential spec must not be empty or larger than 64 KiB",
            "Set the content of the credential spec, or remove the attribute.",
        ));
    }
    let name = gmsa_credential_spec_name.as_deref();
    violations.extend(name.and_then(|it| object_name(Path::of("gmsa_credential_spec_name"), it)));
    if *host_process == Some(true) {
        violations.push(Violation::at(
            Path::of("host_process"),
            "The pods cannot be HostProcess pods",
            "Such pods need the network of the host, which these pods do not use. Remove \
             `host_process`.",
        ));
    }
    let user = run_as_user_name.as_deref();
    if let Some(user) = user.filter(|user| !is_user(user)) {
        violations.push(Violation::at(
            Path::of("run_as_user_name"),
            format!("{user:?} is not a valid Windows user"),
            format!(
                "Set `USER` or `DOMAIN\\USER`. The user has at most {MAX_USER} characters, none of them one of \
                 `\"/\\:;|=,+*?<>@[]`."
            ),
        ));
    }
    violations
}

fn is_user(text: &str) -> bool {
    let (domain, user) = match text.split_once('\\') {
        Some((domain, user)) => (Some(domain), user),
        None => (None, text),
    };
    (1..=MAX_USER).contains(&user.len())
        && !text.contains(|c: char| c.is_ascii_control())
        && !user.contains(|c| "\"/\\:;|=,+*?<>@[]".contains(c))
        && !user.chars().all(|c| ". ".contains(c))
        && domain.is_none_or(is_domain)
}

fn is_domain(domain: &str) -> bool {
    let is_net_bios = (1..=MAX_NET_BIOS_DOMAIN).contains(&domain.chars().count())
        && !domain.starts_with('.')
        && !domain.contains(|c| "\\/:*?\"<>|".contains(c));
    domain.len() <= MAX_DOMAIN && (is_net_bios || is_dns_subdomain(&domain.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::kubernetes::validation::testing;

    fn check(options: Json, expected: &[(&str, &str)]) {
        testing::check(&options, super::options, expected);
    }

    #[test]
    fn users() {
        let long = format!("{}\\a", "a".repeat(16));
        for user in [
            "User",
            "NT AUTHORITY\\Local Service",
            "a.example.com\\a",
            "é",
            &long,
        ] {
            check(json!({"runAsUserName": user}), &[]);
        }
        let too_long = "a".repeat(105);
        for user in [
            "",
            " ",
            "a\\",
            "\\a",
            "a\\b\\c",
            "a/b",
            "a\nb",
            ".a\\b",
            "a b c d e f g h i\\a",
            &too_long,
        ] {
            let summary = format!("{user:?} is not a valid Windows user");
            check(
                json!({"runAsUserName": user}),
                &[("run_as_user_name", &summary)],
            );
        }
    }

    #[test]
    fn other_options() {
        check(
            json!({"gmsaCredentialSpec": "", "gmsaCredentialSpecName": "A", "hostProcess": true}),
            &[
                (
                    "gmsa_credential_spec",
                    "The credential spec must not be empty or larger than 64 KiB",
                ),
                (
                    "gmsa_credential_spec_name",
                    "\"A\" is not a valid object name",
                ),
                ("host_process", "The pods cannot be HostProcess pods"),
            ],
        );
    }
}
