//! The sources of volumes (`VolumeSource`). File modes are in [`file_mode`](super::file_mode), projected volumes in
//! [`projected_volume`](super::projected_volume).

use k8s_openapi::api::core::v1::{
    CSIVolumeSource, DownwardAPIVolumeFile, EmptyDirVolumeSource, FCVolumeSource,
    HostPathVolumeSource, ISCSIVolumeSource, ImageVolumeSource, KeyToPath, NFSVolumeSource, Volume,
};

use super::field_ref::{self, Target};
use super::metadata::{DNS_LABEL_LENGTH, is_dns_subdomain, object_name};
use super::security_context::user_id;
use super::{
    Violation, below, each, exactly_one, file_path, persistent_volume_claim, projected_volume,
    required, supported,
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
        ("iscsi", volume.iscsi.is_some()),
        ("fc", volume.fc.is_some()),
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
        add(path, persistent_volume_claim::validate(&template.spec));
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
    if let Some(it) = &volume.iscsi {
        add(Path::of("iscsi"), iscsi(&volume.name, it));
    }
    if let Some(it) = &volume.fc {
        add(Path::of("fc"), fc(it));
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

/// The longest name of an iSCSI interface.
const ISCSI_INTERFACE_LENGTH: usize = 64;

fn iscsi(volume: &str, source: &ISCSIVolumeSource) -> Vec<Violation> {
    let ISCSIVolumeSource {
        chap_auth_discovery,
        chap_auth_session,
        fs_type: _,
        initiator_name,
        iqn,
        iscsi_interface: _,
        lun,
        portals: _,
        read_only: _,
        secret_ref,
        target_portal,
    } = source;
    let mut violations = Vec::from_iter(required(Path::of("target_portal"), target_portal));
    violations.extend(iscsi_name("iqn", iqn));
    let initiator = initiator_name.as_deref();
    violations.extend(initiator.and_then(|name| iscsi_name("initiator_name", name)));
    // The name of the interface that the node makes for the initiator.
    if initiator.is_some() && volume.len() + 1 + target_portal.len() > ISCSI_INTERFACE_LENGTH {
        violations.push(Violation::at(
            Path::of("target_portal"),
            "The target portal is too long",
            format!(
                "With `initiator_name`, the target portal and the name of the volume have at most {} characters \
                 together.",
                ISCSI_INTERFACE_LENGTH - 1
            ),
        ));
    }
    violations.extend(logical_unit(Some(*lun)));
    let uses_chap = *chap_auth_discovery == Some(true) || *chap_auth_session == Some(true);
    if uses_chap && secret_ref.is_none() {
        violations.push(Violation::at(
            Path::of("secret_ref"),
            "CHAP authentication requires a Secret",
            "Set `secret_ref` to a Secret with the credentials, or remove `chap_auth_discovery` and `chap_auth_session`.",
        ));
    }
    violations
}

/// Validates the name of an iSCSI node (`iscsiInitiatorIqnRegex`, `iscsiInitiatorEuiRegex`, `iscsiInitiatorNaaRegex`).
fn iscsi_name(attribute: &str, name: &str) -> Option<Violation> {
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let alphanumeric = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric());
    // iqn.2015-02.example.com:storage
    let is_iqn = |rest: &str| {
        let (authority, identifier) = rest.split_once(':')?;
        let (date, domain) = authority.split_once('.')?;
        let (year, month) = date.split_once('-')?;
        let domain_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        let excluded = |c: char| ",;*&$|".contains(c) || c.is_whitespace();
        Some(
            year.len() == 4
                && digits(year)
                && month.len() == 2
                && digits(month)
                && !domain.is_empty()
                && domain.chars().all(domain_char)
                && !identifier.is_empty()
                && !identifier.contains(excluded),
        )
    };
    let is_valid = match name.split_once('.') {
        Some(("iqn", rest)) => is_iqn(rest).unwrap_or(false),
        Some(("eui", rest)) => rest.len() == 16 && alphanumeric(rest),
        Some(("naa", rest)) => rest.len() == 32 && alphanumeric(rest),
        _ => false,
    };
    (!is_valid).then(|| {
        Violation::at(
            Path::of(attribute),
            format!("{name:?} is not a valid iSCSI name"),
            "Set a name that begins with `iqn.`, `eui.` or `naa.`, such as `iqn.2015-02.example.com:storage`.",
        )
    })
}

/// Validates the number of a disk behind a target (`lun`).
fn logical_unit(lun: Option<i32>) -> Option<Violation> {
    let lun = lun.filter(|lun| !(0..=255).contains(lun))?;
    Some(Violation::at(
        Path::of("lun"),
        format!("{lun} is not a valid logical unit number"),
        "Set a number from 0 to 255.",
    ))
}

fn fc(source: &FCVolumeSource) -> Vec<Violation> {
    let FCVolumeSource {
        fs_type: _,
        lun,
        read_only: _,
        target_wwns,
        wwids,
    } = source;
    let is_set = |names: &Option<Vec<String>>| names.as_ref().is_some_and(|it| !it.is_empty());
    let names = [
        ("target_wwns", is_set(target_wwns)),
        ("wwids", is_set(wwids)),
    ];
    let hint = "A disk has a target and a `lun`, or a world wide identifier.";
    let mut violations = Vec::from_iter(exactly_one(&Path::root(), &names, hint));
    if is_set(target_wwns) && lun.is_none() {
        violations.push(Violation::new(
            Path::of("target_wwns"),
            [Path::of("lun")],
            "`target_wwns` requires `lun`",
            "Set the number of the disk behind the target.",
        ));
    }
    violations.extend(logical_unit(*lun));
    violations
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
    fn disks_of_a_storage_network() {
        let iscsi = |iqn: &str, lun: i32| json!({"iscsi": {"targetPortal": "10.0.0.1:3260", "iqn": iqn, "lun": lun}});
        for name in [
            "iqn.2015-02.example.com:storage",
            "eui.0123456789ABCDEF",
            "naa.0123456789ABCDEF0123456789ABCDEF",
        ] {
            check(iscsi(name, 255), &[]);
        }
        for name in [
            "",
            "iqn",
            "iqn.2015-02.example.com",
            "iqn.2015-02.example.com:a b",
            "iqn.15-02.example.com:a",
            "eui.0123",
            "x.2015-02.example.com:a",
        ] {
            let summary = format!("{name:?} is not a valid iSCSI name");
            check(iscsi(name, 0), &[("iscsi.iqn", &summary)]);
        }
        check(
            json!({"iscsi": {"targetPortal": "", "iqn": "eui.0123456789ABCDEF", "lun": 256, "chapAuthSession": true}}),
            &[
                ("iscsi.target_portal", "The value is required"),
                ("iscsi.lun", "256 is not a valid logical unit number"),
                ("iscsi.secret_ref", "CHAP authentication requires a Secret"),
            ],
        );
        let with_initiator = |portal: &str| {
            let mut volume = iscsi("eui.0123456789ABCDEF", 0);
            volume["iscsi"]["initiatorName"] = json!("eui.0123456789ABCDEF");
            volume["iscsi"]["targetPortal"] = json!(portal);
            volume
        };
        check(with_initiator(&"a".repeat(62)), &[]);
        check(
            with_initiator(&"a".repeat(63)),
            &[("iscsi.target_portal", "The target portal is too long")],
        );
        check(json!({"fc": {"wwids": ["3600508b400105e21"]}}), &[]);
        check(json!({"fc": {"targetWWNs": ["500a"], "lun": 2}}), &[]);
        check(
            json!({"fc": {"targetWWNs": ["500a"], "wwids": ["1"], "lun": -1}}),
            &[
                ("fc", "Exactly one of `target_wwns`, `wwids` must be set"),
                ("fc.lun", "-1 is not a valid logical unit number"),
            ],
        );
        check(
            json!({"fc": {"targetWWNs": ["500a"]}}),
            &[("fc.target_wwns", "`target_wwns` requires `lun`")],
        );
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
