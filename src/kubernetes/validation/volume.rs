//! The sources of volumes (`VolumeSource`). File modes are in [`file_mode`](super::file_mode), projected volumes in
//! [`projected_volume`](super::projected_volume).

use k8s_openapi::api::core::v1::{
    CSIVolumeSource, DownwardAPIVolumeFile, EmptyDirVolumeSource, HostPathVolumeSource,
    ImageVolumeSource, KeyToPath, NFSVolumeSource, Volume,
};

use super::field_ref::{self, Target};
use super::metadata::{DNS_LABEL_LENGTH, is_dns_subdomain, object_name};
use super::pod::user_id;
use super::{
    Violation, below, each, exactly_one, file_path, projected_volume, required, supported,
    volume_claim,
};
use crate::kubernetes::quantity::Quantity;
use crate::schema::Path;

/// Validates the source of a volume (`validateVolumeSource`). Sources that cannot be configured are not validated.
pub fn source(volume: &Volume) -> Vec<Violation> {
    let sources = [
        ("config_map", volume.config_map.is_some()),
        ("secret", volume.secret.is_some()),
        ("empty_dir", volume.empty_dir.is_some()),
        (
            "persistent_volume_claim",
            volume.persistent_volume_claim.is_some(),
        ),
        ("projected", volume.projected.is_some()),
        ("downward_api", volume.downward_api.is_some()),
        ("csi", volume.csi.is_some()),
        ("ephemeral", volume.ephemeral.is_some()),
        ("nfs", volume.nfs.is_some()),
        ("host_path", volume.host_path.is_some()),
        ("image", volume.image.is_some()),
    ];
    let hint = "A volume has one source.";
    let mut violations = Vec::from_iter(exactly_one(&Path::root(), &sources, hint));
    let mut add = |path: Path, found: Vec<Violation>| violations.extend(below(&path, found));
    if let Some(it) = &volume.config_map {
        let found = keys("name", &it.name, it.default_user, it.items.as_deref());
        add(Path::of("config_map"), found);
    }
    if let Some(it) = &volume.secret {
        let name = it.secret_name.as_deref().unwrap_or_default();
        let found = keys("secret_name", name, it.default_user, it.items.as_deref());
        add(Path::of("secret"), found);
    }
    if let Some(it) = &volume.empty_dir {
        add(Path::of("empty_dir"), empty_dir(it));
    }
    if let Some(it) = &volume.persistent_volume_claim {
        let name = required(Path::of("claim_name"), &it.claim_name);
        add(Path::of("persistent_volume_claim"), Vec::from_iter(name));
    }
    if let Some(it) = &volume.projected {
        add(Path::of("projected"), projected_volume::source(it));
    }
    if let Some(it) = &volume.downward_api {
        let path = Path::of("downward_api");
        let user = user_id(Path::of("default_user"), it.default_user);
        add(path.clone(), Vec::from_iter(user));
        add(path, files(it.items.as_deref()));
    }
    if let Some(it) = &volume.csi {
        add(Path::of("csi"), csi(it));
    }
    if let Some(template) =
        (volume.ephemeral.as_ref()).and_then(|it| it.volume_claim_template.as_ref())
    {
        let path = Path::of("ephemeral.volume_claim_template.spec");
        add(path, volume_claim::validate(&template.spec));
    }
    if let Some(it) = &volume.nfs {
        add(Path::of("nfs"), nfs(it));
    }
    if let Some(it) = &volume.host_path {
        add(Path::of("host_path"), host_path(it));
    }
    if let Some(it) = &volume.image {
        add(Path::of("image"), image(it));
    }
    violations
}

/// Validates a source with the keys of a ConfigMap or Secret.
fn keys(
    name_attribute: &str,
    name: &str,
    default_user: Option<i64>,
    items: Option<&[KeyToPath]>,
) -> Vec<Violation> {
    let mut violations = Vec::from_iter(required(Path::of(name_attribute), name));
    violations.extend(user_id(Path::of("default_user"), default_user));
    violations.extend(key_to_path(items));
    violations
}

/// Validates the attribute `items` of keys of a ConfigMap or Secret.
pub(super) fn key_to_path(items: Option<&[KeyToPath]>) -> Vec<Violation> {
    each(&Path::of("items"), items.unwrap_or_default(), |item| {
        let KeyToPath {
            key,
            mode: _,
            path,
            user,
        } = item;
        let key = required(Path::of("key"), key);
        let path = file_path::of_file(Path::of("path"), path);
        let user = user_id(Path::of("user"), *user);
        key.into_iter().chain(path).chain(user).collect()
    })
}

/// Validates the attribute `items` of a source with facts about the pod.
pub(super) fn files(items: Option<&[DownwardAPIVolumeFile]>) -> Vec<Violation> {
    each(&Path::of("items"), items.unwrap_or_default(), |file| {
        let DownwardAPIVolumeFile {
            field_ref,
            mode: _,
            path,
            resource_field_ref,
            user,
        } = file;
        let sources = [
            ("field_ref", field_ref.is_some()),
            ("resource_field_ref", resource_field_ref.is_some()),
        ];
        let hint = "A file has one source.";
        let mut violations = Vec::from_iter(exactly_one(&Path::root(), &sources, hint));
        violations.extend(file_path::of_file(Path::of("path"), path));
        violations.extend(user_id(Path::of("user"), *user));
        if let Some(selector) = field_ref {
            let path = Path::of("field_ref");
            violations.extend(field_ref::field(&path, selector, Target::File));
        }
        if let Some(selector) = resource_field_ref {
            let path = Path::of("resource_field_ref");
            violations.extend(field_ref::resource(&path, selector, Target::File));
        }
        violations
    })
}

fn empty_dir(source: &EmptyDirVolumeSource) -> Vec<Violation> {
    let EmptyDirVolumeSource {
        medium,
        mode: _,
        size_limit,
    } = source;
    let mut violations = Vec::new();
    if let Some(limit) = size_limit
        && Quantity::parse(&limit.0).is_none_or(|it| it < Quantity::ZERO)
    {
        violations.push(Violation::at(
            Path::of("size_limit"),
            format!("{:?} is not a valid size", limit.0),
            "Set a number of bytes that is not negative, with an optional unit, such as `512Mi`.",
        ));
    }
    if let Some(medium) = medium.as_deref()
        && !["", "Memory", "HugePages"].contains(&medium)
        && !medium.starts_with("HugePages-")
    {
        let path = Path::of("medium");
        violations.extend(supported(path, medium, &["Memory", "HugePages"]));
    }
    violations
}

fn csi(source: &CSIVolumeSource) -> Vec<Violation> {
    let CSIVolumeSource {
        driver,
        fs_type: _,
        node_publish_secret_ref,
        read_only: _,
        volume_attributes: _,
    } = source;
    let is_valid = driver.len() <= DNS_LABEL_LENGTH && is_dns_subdomain(&driver.to_lowercase());
    let driver = (!is_valid).then(|| {
        Violation::at(
            Path::of("driver"),
            format!("{driver:?} is not a valid name of a CSI driver"),
            format!(
                "The name has at most {DNS_LABEL_LENGTH} letters, digits, `-` and `.`, such as \
                 `secrets-store.csi.k8s.io`."
            ),
        )
    });
    let secret = node_publish_secret_ref.as_ref();
    let secret =
        secret.and_then(|it| object_name(Path::of("node_publish_secret_ref.name"), &it.name));
    driver.into_iter().chain(secret).collect()
}

fn nfs(source: &NFSVolumeSource) -> Vec<Violation> {
    let NFSVolumeSource {
        path,
        read_only: _,
        server,
    } = source;
    let path = (!path.starts_with('/')).then(|| {
        Violation::at(
            Path::of("path"),
            format!("{path:?} is not an absolute path"),
            "Set the path that the NFS server exports, such as `/models`.",
        )
    });
    let server = required(Path::of("server"), server);
    path.into_iter().chain(server).collect()
}

fn host_path(source: &HostPathVolumeSource) -> Vec<Violation> {
    let HostPathVolumeSource { path, type_ } = source;
    let types = [
        "DirectoryOrCreate",
        "Directory",
        "FileOrCreate",
        "File",
        "Socket",
        "CharDevice",
        "BlockDevice",
    ];
    let type_ = type_.as_deref().filter(|word| !word.is_empty());
    let type_ = type_.and_then(|word| supported(Path::of("type"), word, &types));
    let path = required(Path::of("path"), path)
        .or_else(|| file_path::without_backsteps(Path::of("path"), path));
    path.into_iter().chain(type_).collect()
}

fn image(source: &ImageVolumeSource) -> Vec<Violation> {
    let ImageVolumeSource {
        pull_policy,
        reference,
    } = source;
    let reference = required(
        Path::of("reference"),
        reference.as_deref().unwrap_or_default(),
    );
    let policies = ["Always", "IfNotPresent", "Never"];
    let policy = pull_policy.as_deref().filter(|policy| !policy.is_empty());
    let policy = policy.and_then(|it| supported(Path::of("pull_policy"), it, &policies));
    reference.into_iter().chain(policy).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::kubernetes::validation::testing;

    fn check(volume: Json, expected: &[(&str, &str)]) {
        let mut volume = volume;
        volume["name"] = json!("a");
        testing::check(&volume, super::source, expected);
    }

    #[test]
    fn keys_as_files() {
        check(
            json!({"configMap": {"name": "c", "items": [{"key": "a", "path": "a/b"}]}}),
            &[],
        );
        check(
            json!({"configMap": {"name": "", "defaultUser": -1, "items": [{"key": "", "path": "../x", "user": -1}]}}),
            &[
                ("config_map.name", "The value is required"),
                ("config_map.default_user", "-1 is not a valid UID"),
                ("config_map.items[0].key", "The value is required"),
                (
                    "config_map.items[0].path",
                    "\"../x\" is not the path of a file in a volume",
                ),
                ("config_map.items[0].user", "-1 is not a valid UID"),
            ],
        );
        check(
            json!({"secret": {"items": [{"key": "a", "path": "/x"}]}}),
            &[
                ("secret.secret_name", "The value is required"),
                (
                    "secret.items[0].path",
                    "\"/x\" is not the path of a file in a volume",
                ),
            ],
        );
    }

    #[test]
    fn facts_as_files() {
        check(
            json!({"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.labels"}}]}}),
            &[],
        );
        check(
            json!({"downwardAPI": {"items": [
                {"path": "..a"},
                {"path": "b", "resourceFieldRef": {"containerName": "online", "resource": "cpu"}},
            ]}}),
            &[
                (
                    "downward_api.items[0]",
                    "Exactly one of `field_ref`, `resource_field_ref` must be set",
                ),
                (
                    "downward_api.items[0].path",
                    "\"..a\" is not the path of a file in a volume",
                ),
                (
                    "downward_api.items[1].resource_field_ref.resource",
                    "Unsupported value \"cpu\"",
                ),
            ],
        );
    }

    #[test]
    fn directories() {
        check(
            json!({"emptyDir": {"medium": "HugePages-2Mi", "sizeLimit": "1Gi"}}),
            &[],
        );
        check(
            json!({"emptyDir": {"medium": "memory", "sizeLimit": "abc"}}),
            &[
                ("empty_dir.size_limit", "\"abc\" is not a valid size"),
                ("empty_dir.medium", "Unsupported value \"memory\""),
            ],
        );
        check(json!({"hostPath": {"path": "/a", "type": ""}}), &[]);
        check(
            json!({"hostPath": {"path": "/a/../b", "type": "Dir"}}),
            &[
                ("host_path.path", "\"/a/../b\" contains `..`"),
                ("host_path.type", "Unsupported value \"Dir\""),
            ],
        );
        check(
            json!({"nfs": {"server": "", "path": "a"}}),
            &[
                ("nfs.path", "\"a\" is not an absolute path"),
                ("nfs.server", "The value is required"),
            ],
        );
    }

    #[test]
    fn other_sources() {
        check(
            json!({"csi": {"driver": "Secrets-Store.csi.k8s.io", "nodePublishSecretRef": {"name": "s"}}}),
            &[],
        );
        check(
            json!({"csi": {"driver": "a/b", "nodePublishSecretRef": {"name": "X_y"}}}),
            &[
                ("csi.driver", "\"a/b\" is not a valid name of a CSI driver"),
                (
                    "csi.node_publish_secret_ref.name",
                    "\"X_y\" is not a valid object name",
                ),
            ],
        );
        check(
            json!({"image": {"pullPolicy": "Sometimes"}}),
            &[
                ("image.reference", "The value is required"),
                ("image.pull_policy", "Unsupported value \"Sometimes\""),
            ],
        );
        check(
            json!({"persistentVolumeClaim": {"claimName": ""}}),
            &[(
                "persistent_volume_claim.claim_name",
                "The value is required",
            )],
        );
        check(
            json!({"ephemeral": {"volumeClaimTemplate": {"spec": {
                "accessModes": ["RWO"], "resources": {"requests": {"storage": "1Gi"}},
            }}}}),
            &[(
                "ephemeral.volume_claim_template.spec.access_modes[0]",
                "Unsupported value \"RWO\"",
            )],
        );
    }
}
