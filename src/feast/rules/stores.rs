//! The persistence of each service, and the paths of files.

use super::Violation;
use super::accessors::{
    LOCAL, ServerConfig, all_servers, block, git, local, offline, online, persistence, pod_servers,
    pvcs, services,
};
use super::pvcs::inside;
use crate::feast::config::{FeatureStore, OfflineFileType};
use crate::feast::names::{self, FeastService, ServerKind};
use crate::feast::spec::{FeastApplyMode, Location, configured_apply, join};
use crate::kubernetes::validation::exactly_one;
use crate::schema::Path;

pub(super) fn one_persistence(store: &FeatureStore) -> Vec<Violation> {
    let hint = "Remove `persistence` to use the default, a file in the pod.";
    (persistence(store).into_iter())
        .filter_map(|it| {
            let path = block(it.service).attribute("persistence");
            let alternatives = [("file", it.has_file), ("store", it.database.is_some())];
            exactly_one(&path, &alternatives, hint)
        })
        .collect()
}

/// `shared` declares whether several pods can use a store that the provider does not know.
pub(super) fn shared(store: &FeatureStore) -> Vec<Violation> {
    (persistence(store).into_iter())
        .filter(|it| {
            let database = it.database.as_ref();
            database.is_some_and(|it| it.shared.is_some() && !it.is_class)
        })
        .map(|it| {
            let path = block(it.service).attribute("persistence.store");
            Violation::new(
                path.attribute("shared"),
                [path.attribute("shared"), path.attribute("type")],
                "`shared` is only for a store with the path of a class",
                "The provider knows whether several pods can use this type of store. Remove `shared`.",
            )
        })
        .collect()
}

/// Other engines have no such setting, and Feast does not start with it.
pub(super) fn staging(store: &FeatureStore) -> Vec<Violation> {
    let file = offline(store).and_then(|it| it.persistence.as_ref()?.file.as_ref());
    let Some(file) = file.filter(|file| file.r#type != Some(OfflineFileType::Duckdb)) else {
        return Vec::new();
    };
    let path = block(FeastService::Offline).attribute("persistence.file");
    [
        ("staging_location", file.staging_location.is_some()),
        (
            "staging_location_endpoint_override",
            file.staging_location_endpoint_override.is_some(),
        ),
    ]
    .into_iter()
    .filter(|(_, is_set)| *is_set)
    .map(|(name, _)| {
        Violation::new(
            path.attribute(name),
            [path.attribute(name), path.attribute("type")],
            format!("`{name}` requires the type `duckdb`"),
            "Feast does not start with this setting of another type. Set `type = \"duckdb\"`, or remove it.",
        )
    })
    .collect()
}

/// The path of a file, and whether the file is on a PVC.
struct File<'a> {
    service: FeastService,
    path: &'a str,
    on_pvc: bool,
}

fn files(store: &FeatureStore) -> Vec<File<'_>> {
    let online = online(store)
        .and_then(|online| online.persistence.as_ref()?.file.as_ref())
        .and_then(|file| {
            Some((
                FeastService::Online,
                file.path.as_deref()?,
                file.pvc.is_some(),
            ))
        });
    let registry = local(store)
        .and_then(|local| local.persistence.as_ref()?.file.as_ref())
        .and_then(|file| {
            Some((
                FeastService::Registry,
                file.path.as_deref()?,
                file.pvc.is_some(),
            ))
        });
    [online, registry]
        .into_iter()
        .flatten()
        .map(|(service, path, on_pvc)| File {
            service,
            path,
            on_pvc,
        })
        .collect()
}

pub(super) fn paths(store: &FeatureStore) -> Vec<Violation> {
    files(store).iter().filter_map(validate_path).collect()
}

/// Warns about a file that `feast apply` writes in its init container and the servers do not see.
pub(super) fn shared_files(store: &FeatureStore) -> Vec<Violation> {
    let Some(settings) = services(store) else {
        return Vec::new();
    };
    let configured = configured_apply(settings.feast_apply, settings.run_feast_apply_on_init);
    let is_applied = configured.is_none_or(|apply| apply == FeastApplyMode::InitContainer);
    if !is_applied || settings.disable_init_containers == Some(true) {
        return Vec::new();
    }
    let pvcs = pvcs(store);
    let mounted = pvcs.iter().map(|it| it.config.mount_path.as_str());
    let security = settings.container_security_context.as_ref();
    let has_scratch = security.and_then(|it| it.read_only_root_filesystem) == Some(true);
    let scratch = has_scratch.then_some(names::SCRATCH_DIRECTORY);
    let volumes: Vec<&str> = [names::DATA_DIRECTORY]
        .into_iter()
        .chain(mounted)
        .chain(scratch)
        .collect();
    (files(store).iter())
        .filter(|file| !file.on_pvc && file.path.starts_with('/'))
        .filter_map(|file| not_shared(store, file, &volumes))
        .collect()
}

/// Returns a warning unless the file is in one of the volumes, or in a volume that each of its servers mounts.
fn not_shared(store: &FeatureStore, file: &File<'_>, volumes: &[&str]) -> Option<Violation> {
    let File { service, path, .. } = file;
    let place = join("/", path);
    let is_in = |directory: &str| inside(&place, &join("/", directory));
    let mut servers = pod_servers(store);
    servers.retain(|it| *service == FeastService::Registry || it.kind == ServerKind::Online);
    let mounts = |server: &ServerConfig<'_>| {
        let mounts = server.settings.map_or(&[][..], |it| it.volume_mounts);
        mounts.iter().any(|mount| is_in(&mount.mount_path))
    };
    if volumes.iter().any(|volume| is_in(volume)) || servers.iter().all(mounts) {
        return None;
    }
    let at = block(*service).attribute("persistence.file.path");
    let mut reads = vec![
        at.clone(),
        Path::of("services.feast_apply"),
        Path::of("services.run_feast_apply_on_init"),
        Path::of("services.disable_init_containers"),
        Path::of("services.container_security_context"),
    ];
    let all = [
        FeastService::Online,
        FeastService::Offline,
        FeastService::Registry,
    ];
    reads.extend(all.map(|service| block(service).attribute("persistence.file.pvc")));
    for server in servers {
        reads.push(server.path.attribute("volume_mounts"));
        reads.extend(server.reads);
    }
    Some(Violation::new(
        at,
        reads,
        format!("{path:?} is not in a volume that the containers share"),
        format!(
            "`feast apply` writes the {} in an init container, and the servers do not see its file. Set a path in \
             `{}`, add `pvc`, or mount one of `services.volumes` in every server.",
            service.display_name(),
            names::DATA_DIRECTORY
        ),
    ))
}

fn validate_path(file: &File<'_>) -> Option<Violation> {
    let File {
        service,
        path,
        on_pvc,
    } = file;
    let block = block(*service).attribute("persistence.file");
    let at = block.attribute("path");
    let location = Location::of(path);
    let reject = |read_pvc: bool, summary: String, detail: &str| {
        let mut reads = vec![at.clone()];
        if read_pvc {
            reads.push(block.attribute("pvc"));
        }
        Some(Violation::new(at.clone(), reads, summary, detail))
    };
    if let Location::Other { scheme, rest } = location {
        if scheme.eq_ignore_ascii_case("file") {
            return reject(
                false,
                format!("{path:?} is a URI, not a path"),
                &format!("Set the path alone: `{}`.", join("/", rest)),
            );
        }
        if *service == FeastService::Registry {
            return reject(
                false,
                format!("This provider does not support the registry location {path:?}"),
                "This provider supports only registry files in Amazon S3 (`s3://bucket/registry.db`), in Google Cloud \
                 Storage (`gs://bucket/registry.db`) and at paths that begin with `/`. Instead of other storage, such as \
                 HDFS or Azure Blob Storage, use a database: replace `file` with `store`.",
            );
        }
    }
    match (service, location != Location::Path, on_pvc) {
        (FeastService::Registry, true, false) if is_object(path) => None,
        (FeastService::Registry, true, false) => reject(
            false,
            format!("{path:?} is not an object in a bucket"),
            "Set bucket and object, such as `s3://example/registry.db`.",
        ),
        (FeastService::Registry, true, true) => reject(
            false,
            "A file in an object store cannot be on a PVC".to_owned(),
            "Remove `pvc`, or set a path relative to its `mount_path`.",
        ),
        (_, true, _) => reject(
            false,
            "The online store does not support object stores".to_owned(),
            "SQLite needs a local file. Set an absolute path, or replace `file` with `store`.",
        ),
        (_, false, false) if !path.starts_with('/') => reject(
            true,
            format!("{path:?} is not an absolute path"),
            match service {
                FeastService::Registry => {
                    "Set a path that begins with `/`, an object (`s3://…`, `gs://…`), or a `pvc` that the path is \
                     relative to."
                }
                _ => "Set a path that begins with `/`, or a `pvc` that the path is relative to.",
            },
        ),
        (_, false, true) if path.starts_with('/') => reject(
            false,
            format!("{path:?} must be relative to the mount path of the PVC"),
            "Set a path without a leading `/`, such as a file name.",
        ),
        (_, false, true) if escapes_directory(path) => reject(
            false,
            format!("{path:?} is outside the PVC"),
            "The file would be lost with the pod. Set a path without `..`.",
        ),
        (_, false, true) if join("/", path) == "/" => reject(
            false,
            format!("{path:?} is a directory, not a file"),
            "Set a file name, such as `data.db`.",
        ),
        (_, false, _) => None,
    }
}

/// Returns whether a URI has a bucket and an object.
fn is_object(uri: &str) -> bool {
    let place = uri
        .split_once("://")
        .and_then(|(_, place)| place.split_once('/'));
    place.is_some_and(|(bucket, object)| !bucket.is_empty() && !object.is_empty())
}

/// Returns whether a relative path leaves the directory that it starts in.
pub(super) fn escapes_directory(path: &str) -> bool {
    let mut depth = 0_i32;
    for part in path.split('/') {
        depth += match part {
            "" | "." => 0,
            ".." => -1,
            _ => 1,
        };
        if depth < 0 {
            return true;
        }
    }
    false
}

pub(super) fn s3_arguments(store: &FeatureStore) -> Vec<Violation> {
    let Some(file) = local(store).and_then(|local| local.persistence.as_ref()?.file.as_ref())
    else {
        return Vec::new();
    };
    let on_s3 = file.path.as_deref().is_some_and(|path| {
        // The rule `file-paths` rejects URIs that the registry does not support.
        path.starts_with("s3://") || matches!(Location::of(path), Location::Other { .. })
    });
    if file.s3_additional_kwargs.is_none() || on_s3 {
        return Vec::new();
    }
    let block = Path::of(LOCAL).attribute("persistence.file");
    vec![Violation::new(
        block.attribute("s3_additional_kwargs"),
        [block.attribute("path")],
        "`s3_additional_kwargs` requires a file in Amazon S3",
        "They are arguments of each write to Amazon S3. Set a `path` that begins with `s3://`, or remove them.",
    )]
}

pub(super) fn own_secret(store: &FeatureStore) -> Vec<Violation> {
    let databases = persistence(store).into_iter().filter_map(|it| {
        let path = block(it.service).attribute("persistence.store.secret_ref");
        Some((path, it.database?.secret_ref))
    });
    let oidc = (store.authz.as_ref())
        .and_then(|authz| authz.oidc.as_ref()?.secret_ref.as_ref())
        .map(|secret| (Path::of("authz.oidc.secret_ref"), secret));
    let lineage = store.openlineage.as_ref();
    let sender = lineage
        .and_then(|lineage| lineage.api_key_secret_ref.as_ref())
        .map(|secret| (Path::of("openlineage.api_key_secret_ref"), secret));
    let consumer = lineage.and_then(|lineage| lineage.consumer.as_ref());
    let receiver = consumer
        .and_then(|consumer| consumer.api_key_secret_ref.as_ref())
        .map(|secret| (Path::of("openlineage.consumer.api_key_secret_ref"), secret));
    let events = consumer
        .and_then(|consumer| consumer.connection_string_secret_ref.as_ref())
        .map(|secret| {
            let path = "openlineage.consumer.connection_string_secret_ref";
            (Path::of(path), secret)
        });
    let ssh = git(store).and_then(|git| git.ssh.as_ref()).map(|ssh| {
        (
            Path::of("feast_project_dir.git.ssh.secret_ref"),
            &ssh.secret_ref,
        )
    });
    let servers = all_servers(store);
    let certificates = servers.iter().filter_map(|container| {
        let secret = container.settings?.tls?.secret_ref.as_ref()?;
        Some((container.path.attribute("tls.secret_ref"), secret))
    });
    let own = names::main(&store.name);
    let others = [oidc, sender, receiver, events, ssh].into_iter().flatten();
    (databases.chain(others).chain(certificates))
        .filter(|(_, secret)| secret.name == own)
        .map(|(path, _)| {
            let at = path.attribute("name");
            Violation::new(
                at.clone(),
                [at, Path::of("name")],
                format!("The Secret {own:?} is reserved for the provider"),
                "The provider writes the resolved `feature_store.yaml` into it and would overwrite other content. Use \
                 a Secret of another name.",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::{rejects, rejects_store, warns};

    #[test]
    fn only_the_path_of_a_class_is_declared_as_shared() {
        let check = |kind: &str, expected: &[(&str, &str)]| {
            let store = json!({"type": kind, "shared": true, "secretRef": {"name": "s"}});
            let services = json!({"onlineStore": {"persistence": {"store": store}}});
            rejects("shared-store", services, expected);
        };
        check("ours.OurOnlineStore", &[]);
        check(
            "redis",
            &[(
                "services.online_store.persistence.store.shared",
                "`shared` is only for a store with the path of a class",
            )],
        );
    }

    #[test]
    fn only_duckdb_has_a_staging_location() {
        let check = |kind: &str, expected: &[(&str, &str)]| {
            let file = json!({"type": kind, "stagingLocation": "s3://bucket/staging"});
            let services = json!({"offlineStore": {"persistence": {"file": file}}});
            rejects("staging-location", services, expected);
        };
        check("duckdb", &[]);
        check(
            "dask",
            &[(
                "services.offline_store.persistence.file.staging_location",
                "`staging_location` requires the type `duckdb`",
            )],
        );
    }

    #[test]
    fn exactly_one_kind_of_persistence() {
        let store = json!({"type": "postgres", "secretRef": {"name": "s"}});
        rejects(
            "one-store",
            json!({
                "onlineStore": {"persistence": {}},
                "offlineStore": {"persistence": {"file": {}, "store": store}},
                "registry": {"local": {"persistence": {"file": {}}}},
            }),
            &[
                (
                    "services.online_store.persistence",
                    "Exactly one of `file`, `store` must be set",
                ),
                (
                    "services.offline_store.persistence",
                    "Exactly one of `file`, `store` must be set",
                ),
            ],
        );
    }

    fn path(path: &str, on_pvc: bool, online: Option<&str>, registry: Option<&str>) {
        let mut file = json!({"path": path});
        if on_pvc {
            file["pvc"] = json!({"create": {}, "mountPath": "/data"});
        }
        let persistence: Json = json!({"persistence": {"file": file}});
        let at = |message: Option<&'static str>, path| message.map(|message| (path, message));
        let leak =
            |message: Option<&str>| message.map(|m| &*Box::leak(m.to_owned().into_boxed_str()));
        let expected: Vec<_> = [
            at(leak(online), "services.online_store.persistence.file.path"),
            at(
                leak(registry),
                "services.registry.local.persistence.file.path",
            ),
        ]
        .into_iter()
        .flatten()
        .collect();
        rejects(
            "file-paths",
            json!({"onlineStore": persistence, "registry": {"local": persistence}}),
            &expected,
        );
    }

    #[test]
    fn paths_on_and_off_pvcs() {
        let bucket = Some("The online store does not support object stores");
        path("/tmp/o.db", false, None, None);
        for none in ["s3://", "s3:///r.db", "gs://b", "gs://b/"] {
            let nowhere = format!("{none:?} is not an object in a bucket");
            path(none, false, bucket, Some(&nowhere));
        }
        path("a/b/../o.db", true, None, None);
        path("s3://b/o.db", false, bucket, None);
        path(
            "gs://b/o.db",
            true,
            bucket,
            Some("A file in an object store cannot be on a PVC"),
        );
        for uri in [
            "az://b/o.db",
            "abfss://c@a.dfs.core.windows.net/o.db",
            "hdfs://n/o.db",
            "S3://b/o.db",
        ] {
            let elsewhere = format!("This provider does not support the registry location {uri:?}");
            for on_pvc in [false, true] {
                path(uri, on_pvc, bucket, Some(&elsewhere));
            }
        }
        let file = Some("\"file:///a/o.db\" is a URI, not a path");
        path("file:///a/o.db", false, file, file);
        path("file:///a/o.db", true, file, file);
        let relative = Some("\"a/o.db\" is not an absolute path");
        path("a/o.db", false, relative, relative);
        let absolute = Some("\"/o.db\" must be relative to the mount path of the PVC");
        path("/o.db", true, absolute, absolute);
        let escapes = Some("\"../../etc/o.db\" is outside the PVC");
        path("../../etc/o.db", true, escapes, escapes);
        let itself = Some("\"a/..\" is a directory, not a file");
        path("a/..", true, itself, itself);
    }

    #[test]
    fn warns_about_files_that_the_containers_do_not_share() {
        let at = "services.registry.local.persistence.file.path";
        let check = |path: &str, more: Json, warned: bool| {
            let mut services =
                json!({"registry": {"local": {"persistence": {"file": {"path": path}}}}});
            for (name, value) in more.as_object().unwrap() {
                services[name] = value.clone();
            }
            let summary = format!("{path:?} is not in a volume that the containers share");
            let expected = [(at, summary.as_str())];
            warns("shared-files", services, &expected[..usize::from(warned)]);
        };
        check("/tmp/r.db", json!({}), true);
        check("/feast-data/../tmp/r.db", json!({}), true);
        for shared in ["/feast-data/a/r.db", "s3://b/r.db"] {
            check(shared, json!({}), false);
        }
        for apply in [
            json!({"feastApply": "none"}),
            json!({"runFeastApplyOnInit": false}),
            json!({"disableInitContainers": true}),
        ] {
            check("/tmp/r.db", apply, false);
        }
        let read_only = json!({"containerSecurityContext": {"readOnlyRootFilesystem": true}});
        check("/tmp/r.db", read_only.clone(), false);
        check("/data/r.db", read_only, true);
        let pvc = json!({"create": {}, "mountPath": "/data"});
        let mounted = json!({"onlineStore": {"persistence": {"file": {"pvc": pvc}}}});
        check("/data/r.db", mounted, false);
        let mut mounted = json!({
            "volumes": [{"name": "v", "emptyDir": {}}],
            "onlineStore": {"server": {"volumeMounts": [{"name": "v", "mountPath": "/mnt/"}]}},
        });
        check("/mnt/r.db", mounted.clone(), false);
        mounted["ui"] = json!({});
        check("/mnt/r.db", mounted, true);
        let online = |services: Json, expected: &[(&str, &str)]| {
            let mut online = json!({"persistence": {"file": {"path": "/tmp/o.db"}}});
            online["disabled"] = services["disabled"].clone();
            let services = json!({"onlineStore": online, "offlineStore": {"server": {}}});
            warns("shared-files", services, expected);
        };
        let summary = "\"/tmp/o.db\" is not in a volume that the containers share";
        let path = "services.online_store.persistence.file.path";
        online(json!({"disabled": false}), &[(path, summary)]);
        online(json!({"disabled": true}), &[]);
    }

    #[test]
    fn one_cause_has_one_violation() {
        let database =
            json!({"persistence": {"store": {"type": "postgres", "secretRef": {"name": "s"}}}});
        let store = json!({
            "name": "demo",
            "feastProject": "p",
            "services": {
                "scaling": {"replicas": 2},
                "feastApply": "job",
                "onlineStore": database,
                "registry": {"local": {"persistence": {"file": {"path": "az://b/registry.db"}}}},
            },
        });
        let found = crate::feast::rules::check(&serde_json::from_value(store).unwrap());
        let summaries: Vec<_> = found.iter().map(|it| it.summary.as_str()).collect();
        assert_eq!(
            summaries,
            ["This provider does not support the registry location \"az://b/registry.db\""]
        );
    }

    #[test]
    fn s3_arguments_require_s3() {
        let registry = |path: Json| {
            let mut file = json!({"s3_additional_kwargs": {"ACL": "private"}});
            if !path.is_null() {
                file["path"] = path;
            }
            json!({"registry": {"local": {"persistence": {"file": file}}}})
        };
        let refusal = [(
            "services.registry.local.persistence.file.s3_additional_kwargs",
            "`s3_additional_kwargs` requires a file in Amazon S3",
        )];
        rejects("s3-arguments", registry(json!("s3://b/r.db")), &[]);
        rejects("s3-arguments", registry(json!("gs://b/r.db")), &refusal);
        rejects("s3-arguments", registry(json!(null)), &refusal);
    }

    #[test]
    fn rejects_the_secret_of_the_provider() {
        let secret = |name: &str| {
            let store = json!({"type": "postgres", "secretRef": {"name": name}});
            json!({"onlineStore": {"persistence": {"store": store}}})
        };
        rejects("own-secret", secret("feast-data-stores"), &[]);
        rejects(
            "own-secret",
            secret("feast-demo"),
            &[(
                "services.online_store.persistence.store.secret_ref.name",
                "The Secret \"feast-demo\" is reserved for the provider",
            )],
        );
        let certificate = json!({"tls": {"secretRef": {"name": "feast-demo"}}});
        let consumer = json!({
            "enabled": true,
            "connectionStringSecretRef": {"name": "s"},
            "lineageServer": {"server": certificate},
        });
        rejects_store(
            "own-secret",
            json!({
                "name": "demo",
                "feastProject": "demo",
                "openlineage": {"enabled": true, "consumer": consumer},
            }),
            &[(
                "openlineage.consumer.lineage_server.server.tls.secret_ref.name",
                "The Secret \"feast-demo\" is reserved for the provider",
            )],
        );
    }
}
