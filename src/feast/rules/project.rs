//! The source of the feature definitions, and what applies them.

use std::collections::BTreeMap;

use super::accessors::{
    LOCAL, ONLINE, PROJECT_DIR, REGISTRY, git as git_config, local, offline, online,
    online_disabled, pvcs, registry, services,
};
use super::pvcs::inside;
use super::stores::escapes_directory;
use super::{Violation, tls};
use crate::feast::config::{FeastApply, FeastProjectDir, FeatureStore, Git, Template};
use crate::feast::names::{CONFIGURATION_DIRECTORY, DATA_DIRECTORY, FeastService};
use crate::feast::spec::{Location, join};
use crate::kubernetes::validation::exactly_one;
use crate::schema::Path;

/// Feast has this check for SQLite, but it applies to every online store: Feast validates the name before the store.
pub(super) fn hyphen(store: &FeatureStore) -> Vec<Violation> {
    if !store.feast_project.contains('-') {
        return Vec::new();
    }
    vec![Violation::at(
        Path::of("feast_project"),
        "Feast does not load a project with a hyphen",
        format!(
            "Feast 0.64 to 0.67 ends with \"Project names for SQLite online stores cannot contain hyphens\", whatever the \
             online store is. Replace the hyphens in {:?}, for example with `_`.",
            store.feast_project
        ),
    )]
}

pub(super) fn one_source(store: &FeatureStore) -> Vec<Violation> {
    let Some(FeastProjectDir {
        init,
        git,
        packaged,
    }) = &store.feast_project_dir
    else {
        return Vec::new();
    };
    let sources = [
        ("init", init.is_some()),
        ("git", git.is_some()),
        ("packaged", packaged.is_some()),
    ];
    let hint = "Remove `feast_project_dir` to use the example repository of `feast init`.";
    Vec::from_iter(exactly_one(&Path::of(PROJECT_DIR), &sources, hint))
}

/// The resource of the Feast operator lists a template that Feast does not have.
pub(super) fn init_template(store: &FeatureStore) -> Vec<Violation> {
    let project_dir = store.feast_project_dir.as_ref();
    let template = project_dir.and_then(|it| it.init.as_ref()?.template);
    let without_init = Path::of("services.disable_init_containers");
    let services = store.services.as_ref();
    let runs = services.is_none_or(|services| services.disable_init_containers != Some(true));
    if template != Some(Template::Clickhouse) || !runs {
        return Vec::new();
    }
    let at = Path::of(PROJECT_DIR).attribute("init.template");
    vec![Violation::new(
        at.clone(),
        [at, without_init],
        "Feast has no template `clickhouse`",
        "`feast init` fails with an unknown template, so pods would not start. Set another template, or remove \
         `template` to use `local`.",
    )]
}

pub(super) fn git(store: &FeatureStore) -> Vec<Violation> {
    let Some(Git {
        url,
        r#ref,
        configs,
        feature_repo_path,
        ssh,
        ca_cert_config_map,
        env: _,
        env_from: _,
    }) = git_config(store)
    else {
        return Vec::new();
    };
    let path = Path::of(PROJECT_DIR).attribute("git");
    let directory = feature_repo_path.as_deref();
    let mut violations = Vec::new();
    for (attribute, text) in [
        ("url", Some(url.as_str())),
        ("ref", r#ref.as_deref()),
        ("feature_repo_path", directory),
    ] {
        violations.extend(text.and_then(|text| git_argument(&path, attribute, text)));
    }
    violations.extend(directory.and_then(|directory| git_directory(&path, directory)));
    let is_ssh = matches!(transport(url), Transport::Ssh | Transport::Unknown);
    if ssh.is_some() && !is_ssh && !is_rewritten(configs.as_ref()) {
        violations.push(Violation::new(
            path.attribute("ssh"),
            ["ssh", "url", "configs"].map(|name| path.attribute(name)),
            "`ssh` requires an SSH URL, and `url` is not one",
            "The key would not be used. Set an SSH URL, such as `ssh://git@github.com/example/features.git`, or remove \
             `ssh`.",
        ));
    }
    let is_https = matches!(transport(url), Transport::Https | Transport::Unknown);
    if ca_cert_config_map.is_some() && !is_https && !is_rewritten(configs.as_ref()) {
        violations.push(Violation::new(
            path.attribute("ca_cert_config_map"),
            ["ca_cert_config_map", "url", "configs"].map(|name| path.attribute(name)),
            "`ca_cert_config_map` requires an HTTPS URL, and `url` is not one",
            "The certificate would not be used. Set an HTTPS URL, such as `https://git.example.com/features.git`, or \
             remove `ca_cert_config_map`.",
        ));
    }
    for (name, value) in configs.iter().flatten() {
        violations.extend(git_setting(&path, name, value));
    }
    violations
}

/// Rejects an argument of git that git would misread.
fn git_argument(path: &Path, attribute: &str, text: &str) -> Option<Violation> {
    let at = path.attribute(attribute);
    if text.chars().any(char::is_control) {
        // The text can contain credentials.
        Some(Violation::at(
            at,
            format!("`{attribute}` has more than one line"),
            "Remove line breaks and other control characters.",
        ))
    } else if text.starts_with('-') {
        Some(Violation::at(
            at,
            format!("{text:?} would be parsed as an option of git"),
            "The value must not begin with `-`.",
        ))
    } else {
        None
    }
}

/// Rejects a directory of the definitions that is outside the repository.
fn git_directory(path: &Path, directory: &str) -> Option<Violation> {
    let at = path.attribute("feature_repo_path");
    if let Location::Object | Location::Other { .. } = Location::of(directory) {
        Some(Violation::at(
            at,
            format!("{directory:?} is a URI, not a path"),
            "Set a path relative to the root of the repository.",
        ))
    } else if directory.starts_with('/') || escapes_directory(directory) {
        Some(Violation::at(
            at,
            format!("{directory:?} is outside the repository"),
            "Set a path relative to the root of the repository, without `..`.",
        ))
    } else {
        None
    }
}

fn git_setting(path: &Path, name: &str, value: &str) -> Vec<Violation> {
    let at = path.attribute("configs").key(name);
    let mut violations = Vec::new();
    if !is_setting(name) {
        violations.push(Violation::at(
            at.clone(),
            format!("{name:?} is not a valid name of a git setting"),
            "Set `section.key` or `section.\"subsection\".key`, without `=`.",
        ));
    }
    if value.chars().any(char::is_control) {
        violations.push(Violation::at(
            at,
            "The setting has more than one line",
            "Remove line breaks and other control characters. For the content of a file, use `trimspace`.",
        ));
    }
    violations
}

/// The transport by which git reads a repository.
#[derive(Debug, PartialEq, Eq)]
enum Transport {
    Ssh,
    Https,
    /// Depends on an environment variable.
    Unknown,
    Other,
}

fn transport(url: &str) -> Transport {
    match (url.split_once("://"), url.split_once(':')) {
        _ if url.starts_with("${") => Transport::Unknown,
        (Some(("ssh" | "git+ssh" | "ssh+git", _)), _) => Transport::Ssh,
        (Some(("https", _)), _) => Transport::Https,
        (Some(_), _) => Transport::Other,
        // `git@host:path`; with a slash before the colon it is a path.
        (None, Some((host, _))) if !host.contains('/') => Transport::Ssh,
        (None, _) => Transport::Other,
    }
}

/// Returns whether a setting (`url.….insteadOf`) can change the URL of the repository.
fn is_rewritten(configs: Option<&BTreeMap<String, String>>) -> bool {
    let mut names = configs
        .into_iter()
        .flatten()
        .map(|(name, _)| name.to_ascii_lowercase());
    names.any(|name| name.starts_with("url.") && name.ends_with(".insteadof"))
}

/// Warns about an SSH URL without a known source of a key.
pub(super) fn ssh_key(store: &FeatureStore) -> Vec<Violation> {
    let Some(git) = git_config(store) else {
        return Vec::new();
    };
    let path = Path::of(PROJECT_DIR).attribute("git");
    let own = |name: &str| name == "GIT_SSH_COMMAND" || name == "GIT_SSH";
    let env = git.env.iter().flatten().any(|it| own(&it.name));
    let configs = git
        .configs
        .iter()
        .flatten()
        .any(|(name, _)| name.eq_ignore_ascii_case("core.sshCommand"));
    let has_key_source = git.ssh.is_some()
        || env
        || configs
        || git.env_from.is_some()
        || is_rewritten(git.configs.as_ref());
    if has_key_source || transport(&git.url) != Transport::Ssh {
        return Vec::new();
    }
    let reads = ["ssh", "url", "configs", "env", "env_from"].map(|name| path.attribute(name));
    vec![Violation::new(
        path.attribute("url"),
        reads,
        "The repository has an SSH URL, but no key is configured",
        "Unless the image contains a key and the host key of the server, pods will not start. Set `ssh = { secret_ref \
         = { name = \"…\" } }`.",
    )]
}

/// Returns whether `git -c` accepts the name: a section and a key, with anything but `=` between them.
fn is_setting(name: &str) -> bool {
    let word = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let section = name.split_once('.').map(|(section, _)| section);
    let key = name.rsplit_once('.').map(|(_, key)| key);
    section.is_some_and(word)
        && key.is_some_and(|key| word(key) && key.starts_with(|c: char| c.is_ascii_alphabetic()))
        && !name.contains(|c: char| c == '=' || c.is_control())
}

pub(super) fn packaged(store: &FeatureStore) -> Vec<Violation> {
    let packaged = store
        .feast_project_dir
        .as_ref()
        .and_then(|it| it.packaged.as_ref());
    let Some(packaged) = packaged else {
        return Vec::new();
    };
    let path = packaged.feature_repo_path.as_str();
    let at = Path::of(PROJECT_DIR).attribute("packaged.feature_repo_path");
    if path.split('/').any(|part| part == "." || part == "..") || path.chars().any(char::is_control)
    {
        return vec![Violation::new(
            at.clone(),
            [at],
            format!("{path:?} is not a canonical path"),
            "Set an absolute path without `.` and `..`.",
        )];
    }
    let pvcs = pvcs(store);
    let offline = pvcs.iter().find(|pvc| pvc.service == FeastService::Offline);
    let mut mounts = vec![
        (CONFIGURATION_DIRECTORY.to_owned(), Vec::new(), false),
        (
            DATA_DIRECTORY.to_owned(),
            offline_pvc_reads(store),
            offline.is_none(),
        ),
    ];
    let certificates = tls::directories(store).into_iter();
    mounts.extend(certificates.map(|(directory, reads)| (directory, reads, false)));
    mounts.extend(pvcs.iter().map(|pvc| {
        let mount = join(&pvc.config.mount_path, "");
        let mut reads = vec![pvc.path.attribute("mount_path")];
        reads.extend(pvc.reads.iter().cloned());
        (mount, reads, pvc.service == FeastService::Offline)
    }));
    for (mount, mut reads, is_target) in mounts {
        // The repository is copied into this volume, which must not be inside the repository.
        let overlaps = inside(path, &mount) || (is_target && inside(&mount, path));
        if !overlaps {
            continue;
        }
        reads.push(at.clone());
        return vec![Violation::new(
            at,
            reads,
            format!("{path:?} overlaps the volume that is mounted at {mount:?}"),
            "The volume would hide the repository, or the repository would be copied into itself. Use another \
             directory of the image, such as `/opt/feast/feature_repo`.",
        )];
    }
    Vec::new()
}

/// Returns the attributes that decide whether the offline store has a PVC.
fn offline_pvc_reads(store: &FeatureStore) -> Vec<Path> {
    match offline(store) {
        Some(_) => vec![Path::of("services.offline_store.persistence.file.pvc")],
        None => vec![Path::of("services.offline_store")],
    }
}

pub(super) fn feast_apply(store: &FeatureStore) -> Vec<Violation> {
    let Some(services) = services(store) else {
        return Vec::new();
    };
    let at = Path::of("services.feast_apply");
    let mut violations = Vec::new();
    if services.feast_apply.is_some() && services.run_feast_apply_on_init.is_some() {
        violations.push(Violation::new(
            at.clone(),
            [],
            "`feast_apply` and `run_feast_apply_on_init` are mutually exclusive",
            "Remove `run_feast_apply_on_init`.",
        ));
    }
    let without_init = services.disable_init_containers == Some(true);
    if services.feast_apply == Some(FeastApply::InitContainer) && without_init {
        violations.push(Violation::new(
            at.clone(),
            [at.clone(), Path::of("services.disable_init_containers")],
            "`feast_apply = \"init_container\"` conflicts with `disable_init_containers`",
            "Remove `disable_init_containers`, or set `feast_apply` to `\"job\"` or `\"none\"`.",
        ));
    }
    if services.feast_apply == Some(FeastApply::Job) {
        violations.extend(pod_local_data(store).into_iter().map(|data| {
            let PodLocalData {
                what,
                mut reads,
                detail,
            } = data;
            reads.push(at.clone());
            let summary = format!("The `feast apply` Job cannot use the {what} in the pods");
            Violation::new(at.clone(), reads, summary, detail)
        }));
    }
    violations
}

/// Something that only the servers' pods can use.
struct PodLocalData {
    what: &'static str,
    /// The attributes that it depends on.
    reads: Vec<Path>,
    detail: &'static str,
}

/// Returns what only the servers' pods can use.
fn pod_local_data(store: &FeatureStore) -> Vec<PodLocalData> {
    let mut found = Vec::new();
    let in_database = |path: &str| Path::of(path).attribute("persistence.store");
    let local_data = |what: &'static str, reads: Vec<Path>| PodLocalData {
        what,
        reads,
        detail: "The Job runs in its own pod, with its own files. Set `feast_apply = \"init_container\"`, or use an \
                 online store and a registry outside the pods, and no PVCs.",
    };
    let online_store = online(store).and_then(|it| it.persistence.as_ref()?.store.as_ref());
    if !online_disabled(store) {
        let disabled = Path::of(ONLINE).attribute("disabled");
        let path = in_database(ONLINE);
        match online_store {
            None => found.push(local_data("online store", vec![disabled, path])),
            Some(database) if !database.is_shared() => found.push(PodLocalData {
                what: "online store",
                reads: vec![disabled, path.attribute("type"), path.attribute("shared")],
                detail: "Its type is the path of a class, which can be a file, and the Job runs in its own pod, with \
                         its own files. If it is a database or another service, set `shared = true` beside `type`. \
                         Otherwise, set `feast_apply = \"init_container\"`.",
            }),
            Some(_) => {}
        }
    }
    let local = local(store).and_then(|it| it.persistence.as_ref());
    let database = local.and_then(|it| it.store.as_ref());
    let file = local.and_then(|it| it.file.as_ref()?.path.as_deref());
    // The rule `file-paths` rejects URIs that the registry does not support.
    let object = file.is_some_and(|path| Location::of(path) != Location::Path);
    let remote = registry(store).and_then(|it| it.remote.as_ref());
    if remote.is_none() && database.is_none() && !object {
        let reads = vec![
            Path::of(REGISTRY).attribute("remote"),
            in_database(LOCAL),
            Path::of(LOCAL).attribute("persistence.file.path"),
        ];
        found.push(local_data("registry", reads));
    }
    let offline = pvcs(store)
        .into_iter()
        .find(|pvc| pvc.service == FeastService::Offline);
    if let Some(pvc) = offline {
        found.push(local_data("PVC of the offline store", vec![pvc.path]));
    }
    found
}

#[cfg(test)]
mod tests;
