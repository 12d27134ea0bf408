//! The sources of a projected volume (`ProjectedVolumeSource`).

use k8s_openapi::api::core::v1::{
    ClusterTrustBundleProjection, PodCertificateProjection, ProjectedVolumeSource,
    ServiceAccountTokenProjection, VolumeProjection,
};

use super::metadata::{is_dns_label, is_dns_subdomain, qualified_name};
use super::security_context::user_id;
use super::selector::label_selector;
use super::volume::{files, key_to_path};
use super::{Violation, below, exactly_one, file_path, required, seconds_in_range, supported};
use crate::schema::Path;

/// In seconds.
const MIN_TOKEN_EXPIRATION: i64 = 600;
const MAX_TOKEN_EXPIRATION: i64 = 1 << 32;
const MIN_CERTIFICATE_EXPIRATION: i64 = 3600;
const MAX_CERTIFICATE_EXPIRATION: i64 = 91 * 24 * 3600;
/// The maximum for signers of Kubernetes itself.
const MAX_KUBERNETES_CERTIFICATE_EXPIRATION: i64 = 24 * 3600;

const KEY_TYPES: [&str; 6] = [
    "RSA3072",
    "RSA4096",
    "ECDSAP256",
    "ECDSAP384",
    "ECDSAP521",
    "ED25519",
];

/// Validates a projected volume (`validateProjectedVolumeSource`).
pub fn source(source: &ProjectedVolumeSource) -> Vec<Violation> {
    let ProjectedVolumeSource {
        default_mode: _,
        default_user,
        sources,
    } = source;
    let mut violations = Vec::from_iter(user_id(Path::of("default_user"), *default_user));
    let list = Path::of("sources");
    let sources = sources.as_deref().unwrap_or_default();
    for (index, source) in sources.iter().enumerate() {
        violations.extend(below(&list.index(index), projection(source)));
    }
    violations.extend(duplicate_files(&list, sources));
    violations
}

fn projection(source: &VolumeProjection) -> Vec<Violation> {
    let VolumeProjection {
        cluster_trust_bundle,
        config_map,
        downward_api,
        pod_certificate,
        secret,
        service_account_token,
    } = source;
    let sources = [
        ("config_map", config_map.is_some()),
        ("secret", secret.is_some()),
        ("downward_api", downward_api.is_some()),
        ("service_account_token", service_account_token.is_some()),
        ("cluster_trust_bundle", cluster_trust_bundle.is_some()),
        ("pod_certificate", pod_certificate.is_some()),
    ];
    let hint = "Use one list element for each source.";
    let mut violations = Vec::from_iter(exactly_one(&Path::root(), &sources, hint));
    let mut add = |path: &str, found: Vec<Violation>| {
        violations.extend(below(&Path::of(path), found));
    };
    if let Some(it) = config_map {
        add(
            "config_map",
            Vec::from_iter(required(Path::of("name"), &it.name)),
        );
        add("config_map", key_to_path(it.items.as_deref()));
    }
    if let Some(it) = secret {
        add(
            "secret",
            Vec::from_iter(required(Path::of("name"), &it.name)),
        );
        add("secret", key_to_path(it.items.as_deref()));
    }
    if let Some(it) = downward_api {
        add("downward_api", files(it.items.as_deref()));
    }
    if let Some(it) = service_account_token {
        add("service_account_token", token(it));
    }
    if let Some(it) = cluster_trust_bundle {
        add("cluster_trust_bundle", trust_bundle(it));
    }
    if let Some(it) = pod_certificate {
        add("pod_certificate", certificate(it));
    }
    violations
}

fn token(token: &ServiceAccountTokenProjection) -> Vec<Violation> {
    let ServiceAccountTokenProjection {
        audience: _,
        expiration_seconds,
        path,
        user,
    } = token;
    let mut violations = Vec::from_iter(file_path::of_file(Path::of("path"), path));
    violations.extend(user_id(Path::of("user"), *user));
    if let Some(seconds) = expiration_seconds {
        let path = Path::of("expiration_seconds");
        let found = seconds_in_range(path, *seconds, MIN_TOKEN_EXPIRATION, MAX_TOKEN_EXPIRATION);
        violations.extend(found);
    }
    violations
}

fn trust_bundle(bundle: &ClusterTrustBundleProjection) -> Vec<Violation> {
    let ClusterTrustBundleProjection {
        label_selector: selector,
        name,
        optional: _,
        path,
        signer_name,
        user,
    } = bundle;
    let sources = [
        ("name", name.is_some()),
        ("signer_name", signer_name.is_some()),
    ];
    let hint = "A bundle has a name, or a signer and labels.";
    let mut violations = Vec::from_iter(exactly_one(&Path::root(), &sources, hint));
    violations.extend(name.as_deref().and_then(bundle_name));
    if name.is_some() && selector.is_some() {
        violations.push(Violation::at(
            Path::of("label_selector"),
            "`label_selector` conflicts with `name`",
            "Remove `label_selector`, or set `signer_name` instead of `name`.",
        ));
    }
    if let Some(name) = signer_name {
        violations.extend(self::signer_name(name));
        violations.extend(label_selector(
            &Path::of("label_selector"),
            selector.as_ref(),
        ));
    }
    violations.extend(file_path::of_file(Path::of("path"), path));
    violations.extend(user_id(Path::of("user"), *user));
    violations
}

/// The bundles of a signer are named `<domain>:<signer>:<name>` (`ValidateClusterTrustBundleName`).
fn bundle_name(name: &str) -> Option<Violation> {
    let own = name.rsplit_once(':').map_or(name, |(_, own)| own);
    (!is_dns_subdomain(own)).then(|| {
        Violation::at(
            Path::of("name"),
            format!("{name:?} is not a valid name of a ClusterTrustBundle"),
            "The name has lower-case letters, digits, `-` and `.`. It can have a signer as a prefix: \
             `example.com:signer:name`.",
        )
    })
}

fn signer_name(name: &str) -> Option<Violation> {
    let is_valid = name.split_once('/').is_some_and(|(domain, signer)| {
        domain.contains('.')
            && domain.len() <= 253
            && domain.split('.').all(is_dns_label)
            && signer.split('.').all(is_dns_subdomain)
            && signer.len() <= 253
    });
    (!is_valid).then(|| {
        Violation::at(
            Path::of("signer_name"),
            format!("{name:?} is not a valid name of a signer"),
            "The name is a domain and a path, such as `example.com/signer`.",
        )
    })
}

fn certificate(certificate: &PodCertificateProjection) -> Vec<Violation> {
    let PodCertificateProjection {
        certificate_chain_path,
        credential_bundle_path,
        key_path,
        key_type,
        max_expiration_seconds,
        signer_name,
        user,
        user_annotations,
    } = certificate;
    let mut violations = Vec::from_iter(self::signer_name(signer_name));
    violations.extend(supported(Path::of("key_type"), key_type, &KEY_TYPES));
    violations.extend(user_id(Path::of("user"), *user));
    if let Some(seconds) = max_expiration_seconds {
        let domain = signer_name.split('/').next().unwrap_or_default();
        let max = match domain == "kubernetes.io" || domain.ends_with(".kubernetes.io") {
            true => MAX_KUBERNETES_CERTIFICATE_EXPIRATION,
            false => MAX_CERTIFICATE_EXPIRATION,
        };
        let path = Path::of("max_expiration_seconds");
        let found = seconds_in_range(path, (*seconds).into(), MIN_CERTIFICATE_EXPIRATION, max);
        violations.extend(found.map(|it| it.reading(&[Path::of("signer_name")])));
    }
    let names = [
        "credential_bundle_path",
        "key_path",
        "certificate_chain_path",
    ];
    let paths = [credential_bundle_path, key_path, certificate_chain_path];
    let paths = paths.map(|path| path.as_deref().filter(|path| !path.is_empty()));
    if paths.iter().all(Option::is_none) {
        violations.push(Violation::new(
            Path::root(),
            names.map(Path::of),
            "The certificate has no file",
            "Set `credential_bundle_path`, or `key_path` and `certificate_chain_path`.",
        ));
    }
    for (name, path) in names.into_iter().zip(paths) {
        violations.extend(path.and_then(|path| file_path::of_file(Path::of(name), path)));
    }
    for key in user_annotations.iter().flatten().map(|(key, _)| key) {
        let path = Path::of("user_annotations").key(key);
        if key.contains('/') {
            violations.extend(qualified_name(path, &key.to_lowercase(), "key"));
        } else {
            violations.push(Violation::at(
                path,
                format!("The key {key:?} has no domain"),
                "Set a key with a domain, such as `example.com/team`.",
            ));
        }
    }
    violations
}

/// Returns the path of each file with its attribute.
fn paths(source: &VolumeProjection) -> Vec<(Path, &str)> {
    let mut paths: Vec<(Path, &str)> = Vec::new();
    let keys = [
        (
            "config_map",
            source.config_map.as_ref().and_then(|it| it.items.as_ref()),
        ),
        (
            "secret",
            source.secret.as_ref().and_then(|it| it.items.as_ref()),
        ),
    ];
    for (name, items) in keys {
        let list = Path::of(name).attribute("items");
        for (index, item) in items.into_iter().flatten().enumerate() {
            paths.push((list.index(index).attribute("path"), &item.path));
        }
    }
    let facts = source
        .downward_api
        .as_ref()
        .and_then(|it| it.items.as_ref());
    let list = Path::of("downward_api.items");
    for (index, file) in facts.into_iter().flatten().enumerate() {
        paths.push((list.index(index).attribute("path"), &file.path));
    }
    if let Some(it) = &source.cluster_trust_bundle {
        paths.push((Path::of("cluster_trust_bundle.path"), &it.path));
    }
    if let Some(it) = &source.pod_certificate {
        for (name, path) in [
            ("credential_bundle_path", &it.credential_bundle_path),
            ("key_path", &it.key_path),
            ("certificate_chain_path", &it.certificate_chain_path),
        ] {
            let attribute = Path::of("pod_certificate").attribute(name);
            paths.extend(path.as_deref().map(|path| (attribute, path)));
        }
    }
    paths.retain(|(_, path)| !path.is_empty());
    paths
}

fn duplicate_files(list: &Path, sources: &[VolumeProjection]) -> Vec<Violation> {
    let mut seen: Vec<(Path, &str)> = Vec::new();
    let mut violations = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        for (path, file) in paths(source) {
            let steps = path.steps().iter().cloned();
            let path = steps.fold(list.index(index), |path, step| path.with(step));
            if let Some((first, _)) = seen.iter().find(|(_, other)| *other == file) {
                violations.push(Violation::new(
                    path.clone(),
                    [path.clone(), first.clone()],
                    format!("Two sources write the file {file:?}"),
                    "Each path in the volume can be used only once. Use another path.",
                ));
            }
            seen.push((path, file));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::kubernetes::validation::testing;

    fn check(sources: Json, expected: &[(&str, &str)]) {
        testing::check(&json!({"sources": sources}), super::source, expected);
    }

    #[test]
    fn each_source_has_its_own_files() {
        check(
            json!([
                {"configMap": {"name": "c", "items": [{"key": "a", "path": "a"}]}},
                {"serviceAccountToken": {"path": "token"}},
            ]),
            &[],
        );
        check(
            json!([
                {},
                {"secret": {"name": "", "items": [{"key": "a", "path": "a"}]}},
                {"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.name"}}]}},
            ]),
            &[
                (
                    "sources[0]",
                    "Exactly one of `config_map`, `secret`, `downward_api`, `service_account_token`, \
                     `cluster_trust_bundle`, `pod_certificate` must be set",
                ),
                ("sources[1].secret.name", "The value is required"),
                (
                    "sources[2].downward_api.items[0].path",
                    "Two sources write the file \"a\"",
                ),
            ],
        );
    }

    #[test]
    fn tokens() {
        let token = |seconds: i64| json!([{"serviceAccountToken": {"path": "a", "expirationSeconds": seconds}}]);
        check(token(600), &[]);
        check(
            token(599),
            &[(
                "sources[0].service_account_token.expiration_seconds",
                "599 seconds is out of range",
            )],
        );
    }

    #[test]
    fn trust_bundles() {
        check(
            json!([{"clusterTrustBundle": {"name": "example.com:a:b", "path": "a"}}]),
            &[],
        );
        let path = |name: &str| format!("sources[0].cluster_trust_bundle.{name}");
        check(
            json!([{"clusterTrustBundle": {"name": "A", "labelSelector": {}, "path": ""}}]),
            &[
                (
                    &path("name"),
                    "\"A\" is not a valid name of a ClusterTrustBundle",
                ),
                (
                    &path("label_selector"),
                    "`label_selector` conflicts with `name`",
                ),
                (&path("path"), "\"\" is not the path of a file in a volume"),
            ],
        );
        check(
            json!([{"clusterTrustBundle": {"signerName": "a/b", "path": "a"}}]),
            &[(
                &path("signer_name"),
                "\"a/b\" is not a valid name of a signer",
            )],
        );
    }

    #[test]
    fn certificates() {
        let certificate = |more: Json| {
            let mut certificate = json!({"signerName": "example.com/a", "keyType": "ED25519"});
            for (key, value) in more.as_object().unwrap() {
                certificate[key] = value.clone();
            }
            json!([{"podCertificate": certificate}])
        };
        check(
            certificate(json!({"keyPath": "a", "maxExpirationSeconds": 7_862_400})),
            &[],
        );
        let path = |name: &str| format!("sources[0].pod_certificate{name}");
        check(
            certificate(
                json!({"maxExpirationSeconds": 86_401, "signerName": "a.kubernetes.io/a", "keyPath": "/a"}),
            ),
            &[
                (
                    &path(".max_expiration_seconds"),
                    "86401 seconds is out of range",
                ),
                (
                    &path(".key_path"),
                    "\"/a\" is not the path of a file in a volume",
                ),
            ],
        );
        check(
            certificate(json!({"keyType": "RSA", "userAnnotations": {"a": "b"}})),
            &[
                (&path(".key_type"), "Unsupported value \"RSA\""),
                (&path(""), "The certificate has no file"),
                (
                    &path(".user_annotations[\"a\"]"),
                    "The key \"a\" has no domain",
                ),
            ],
        );
    }
}
