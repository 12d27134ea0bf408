//! Settings of a volume mount that do not depend on the pod (`VolumeMount`).

use k8s_openapi::api::core::v1::VolumeMount;

use super::{Violation, file_path, supported, unique};
use crate::schema::Path;

/// Validates everything but `name` and `mount_path`, which depend on the pod's volumes and on the other mounts.
pub fn validate(mount: &VolumeMount) -> Vec<Violation> {
    let VolumeMount {
        bind_mount_options,
        mount_path: _,
        mount_propagation,
        name: _,
        read_only,
        recursive_read_only,
        sub_path,
        sub_path_expr,
    } = mount;
    let mut violations = Vec::new();
    let paths = [("sub_path", sub_path), ("sub_path_expr", sub_path_expr)];
    let paths = paths.map(|(name, path)| (name, path.as_deref().unwrap_or_default()));
    for (name, path) in paths {
        violations.extend(file_path::descending(Path::of(name), path));
    }
    if paths.iter().all(|(_, path)| !path.is_empty()) {
        violations.push(Violation::at(
            Path::of("sub_path_expr"),
            "`sub_path` and `sub_path_expr` are mutually exclusive",
            "Remove one of them.",
        ));
    }
    let options = bind_mount_options.as_deref().unwrap_or_default();
    let list = Path::of("bind_mount_options");
    for (index, option) in options.iter().enumerate() {
        let path = list.index(index);
        violations.extend(supported(path, option, &["noexec", "nodev", "nosuid"]));
    }
    let names = options.iter().map(|option| Some(option.as_str()));
    violations.extend(unique(&list, "", "option", names));
    // `Bidirectional` needs a privileged container.
    if let Some(propagation) = mount_propagation {
        let path = Path::of("mount_propagation");
        violations.extend(supported(path, propagation, &["None", "HostToContainer"]));
    }
    if let Some(mode) = recursive_read_only {
        let path = Path::of("recursive_read_only");
        let modes = ["Disabled", "IfPossible", "Enabled"];
        if let Some(violation) = supported(path.clone(), mode, &modes) {
            violations.push(violation);
        } else if mode != "Disabled" && *read_only != Some(true) {
            violations.push(Violation::new(
                path.clone(),
                [path, Path::of("read_only")],
                "`recursive_read_only` requires `read_only`",
                "Set `read_only = true`, or remove `recursive_read_only`.",
            ));
        }
        let propagation = mount_propagation.as_deref().unwrap_or("None");
        if mode != "Disabled" && propagation != "None" {
            let path = Path::of("mount_propagation");
            violations.push(Violation::at(
                path,
                format!("`mount_propagation` conflicts with `recursive_read_only = {mode:?}`"),
                "Remove one of them.",
            ));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::kubernetes::validation::testing::check;

    #[test]
    fn single_settings() {
        for (mount, expected) in [
            (
                json!({"name": "a", "mountPath": "/a", "readOnly": true, "recursiveReadOnly": "IfPossible", "subPath": "models"}),
                &[][..],
            ),
            (
                json!({"name": "a", "mountPath": "/a", "subPath": "../b", "subPathExpr": "$(A)"}),
                &[
                    ("sub_path", "\"../b\" is not a relative path without `..`"),
                    (
                        "sub_path_expr",
                        "`sub_path` and `sub_path_expr` are mutually exclusive",
                    ),
                ],
            ),
            (
                json!({"name": "a", "mountPath": "/b", "mountPropagation": "Bidirectional"}),
                &[("mount_propagation", "Unsupported value \"Bidirectional\"")],
            ),
            (
                json!({"name": "a", "mountPath": "/c", "recursiveReadOnly": "Enabled"}),
                &[(
                    "recursive_read_only",
                    "`recursive_read_only` requires `read_only`",
                )],
            ),
            (
                json!({
                    "name": "a", "mountPath": "/c", "recursiveReadOnly": "Enabled", "readOnly": true,
                    "mountPropagation": "HostToContainer", "bindMountOptions": ["noexec", "exec", "noexec"],
                }),
                &[
                    ("bind_mount_options[1]", "Unsupported value \"exec\""),
                    ("bind_mount_options[2]", "Duplicate option \"noexec\""),
                    (
                        "mount_propagation",
                        "`mount_propagation` conflicts with `recursive_read_only = \"Enabled\"`",
                    ),
                ],
            ),
            (
                json!({"name": "a", "mountPath": "/d", "recursiveReadOnly": "Perhaps"}),
                &[("recursive_read_only", "Unsupported value \"Perhaps\"")],
            ),
        ] {
            check(&mount, super::validate, expected);
        }
    }
}
