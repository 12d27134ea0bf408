//! Where the feature definitions come from, and who applies them.

use std::collections::BTreeMap;

use super::accessors::{
    LOCAL, ONLINE, PROJECT_DIR, REGISTRY, claims, git as written, local, offline, online,
    online_disabled, registry, services,
};
use super::stores::leaves;
use super::{Violation, tls};
use crate::feast::config::{FeastApply, FeastProjectDir, FeatureStore, Git};
use crate::feast::names::{CONFIGURATION_DIRECTORY, DATA_DIRECTORY, Service};
use crate::feast::spec::{Location, join};
use crate::schema::Path;

pub(super) fn one_source(store: &FeatureStore) -> Vec<Violation> {
    let Some(FeastProjectDir {
        init,
        git,
        packaged,
    }) = &store.feast_project_dir
    else {
        return Vec::new();
    };
    let written = [init.is_some(), git.is_some(), packaged.is_some()];
    let written = written.into_iter().filter(|written| *written).count();
    let path = Path::of(PROJECT_DIR);
    let (reads, summary) = match written {
        1 => return Vec::new(),
        0 => (
            ["init", "git", "packaged"]
                .map(|source| path.attribute(source))
                .to_vec(),
            "The feature repository comes from nowhere",
        ),
        _ => (
            Vec::new(),
            "The feature repository comes from several places",
        ),
    };
    vec![Violation::new(
        path,
        reads,
        summary,
        "Write one of `init`, `git` and `packaged`, or leave `feast_project_dir` out for Feast's example.",
    )]
}

pub(super) fn git(store: &FeatureStore) -> Vec<Violation> {
    let Some(Git {
        url,
        r#ref,
        configs,
        feature_repo_path,
        ssh,
        env: _,
        env_from: _,
    }) = written(store)
    else {
        return Vec::new();
    };
    let path = Path::of(PROJECT_DIR).attribute("git");
    let mut violations = Vec::new();
    let mut refuse = |at: Path, summary: String, detail: &str| {
        violations.push(Violation::new(at.clone(), [at], summary, detail));
    };
    let directory = feature_repo_path.as_deref();
    for (attribute, text) in [
        ("url", Some(url.as_str())),
        ("ref", r#ref.as_deref()),
        ("feature_repo_path", directory),
    ] {
        let Some(text) = text else { continue };
        let at = path.attribute(attribute);
        if text.chars().any(char::is_control) {
            refuse(
                at,
                format!("{text:?} is not one line of text"),
                "Remove the line breaks.",
            );
        } else if text.starts_with('-') {
            refuse(
                at,
                format!("{text:?} would be an option of git"),
                "Write a text that does not begin with `-`.",
            );
        }
    }
    if let Some(directory) = directory {
        let at = path.attribute("feature_repo_path");
        if let Location::Object | Location::Other { .. } = Location::of(directory) {
            refuse(
                at,
                format!("{directory:?} is a URI, not a path"),
                "Write a path relative to the root of the repository.",
            );
        } else if directory.starts_with('/') || leaves(directory) {
            refuse(
                at,
                format!("{directory:?} is not inside the clone"),
                "Write a path relative to the root of the repository, without `..`.",
            );
        }
    }
    if ssh.is_some() && transport(url) == Transport::Other && !is_rewritten(configs.as_ref()) {
        let at = path.attribute("ssh");
        let reads = ["ssh", "url", "configs"].map(|name| path.attribute(name));
        violations.push(Violation::new(
            at,
            reads,
            format!("{url:?} is not read over SSH, so the key would not be used"),
            "Write an SSH URL, such as `ssh://git@github.com/example/features.git`, or remove `ssh`.",
        ));
    }
    let mut refuse = |at: Path, summary: String, detail: &str| {
        violations.push(Violation::new(at.clone(), [at], summary, detail));
    };
    for (name, value) in configs.iter().flatten() {
        let at = path.attribute("configs").key(name);
        if !is_setting(name) {
            refuse(
                at.clone(),
                format!("{name:?} is not the name of a setting of git"),
                "Write `section.key` or `section.\"sub section\".key`, without `=`.",
            );
        }
        if value.chars().any(char::is_control) {
            refuse(
                at,
                format!("{value:?} is not one line of text"),
                "Remove the line breaks.",
            );
        }
    }
    violations
}

/// How git reads a repository.
#[derive(Debug, PartialEq, Eq)]
enum Transport {
    Ssh,
    /// An environment variable decides.
    Unknown,
    Other,
}

fn transport(url: &str) -> Transport {
    match (url.split_once("://"), url.split_once(':')) {
        _ if url.starts_with("${") => Transport::Unknown,
        (Some(("ssh" | "git+ssh" | "ssh+git", _)), _) => Transport::Ssh,
        (Some(_), _) => Transport::Other,
        // `git@host:path`; with a slash before the colon it is a path.
        (None, Some((host, _))) if !host.contains('/') => Transport::Ssh,
        (None, _) => Transport::Other,
    }
}

/// Whether a setting (`url.….insteadOf`) may give the repository another URL.
fn is_rewritten(configs: Option<&BTreeMap<String, String>>) -> bool {
    let mut names = configs
        .into_iter()
        .flatten()
        .map(|(name, _)| name.to_ascii_lowercase());
    names.any(|name| name.starts_with("url.") && name.ends_with(".insteadof"))
}

/// An SSH URL that nothing is known of a key for.
pub(super) fn ssh_key(store: &FeatureStore) -> Vec<Violation> {
    let Some(git) = written(store) else {
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
    let settled = git.ssh.is_some()
        || env
        || configs
        || git.env_from.is_some()
        || is_rewritten(git.configs.as_ref());
    if settled || transport(&git.url) != Transport::Ssh {
        return Vec::new();
    }
    let reads = ["ssh", "url", "configs", "env", "env_from"].map(|name| path.attribute(name));
    vec![Violation::new(
        path.attribute("url"),
        reads,
        "The repository is read over SSH, but no key is configured",
        "Unless the image has a key and the server's host key, pods will not start. Write `ssh = { secret_ref = { name = \
         \"…\" } }` beside `url`.",
    )]
}

/// As `git -c` takes it: a section, a key, and anything but `=` between them.
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
            "Write the absolute path itself, without `.` and `..`.",
        )];
    }
    let claims = claims(store);
    let offline = claims
        .iter()
        .find(|claim| claim.service == Service::Offline);
    let mut mounts = vec![
        (CONFIGURATION_DIRECTORY.to_owned(), Vec::new(), false),
        (
            DATA_DIRECTORY.to_owned(),
            offline_claim_reads(store),
            offline.is_none(),
        ),
    ];
    let certificates = tls::directories(store).into_iter();
    mounts.extend(certificates.map(|(directory, reads)| (directory, reads, false)));
    mounts.extend(claims.iter().map(|claim| {
        let mount = join(&claim.pvc.mount_path, "");
        let mut reads = vec![claim.path.attribute("mount_path")];
        reads.extend(claim.reads.iter().cloned());
        (mount, reads, claim.service == Service::Offline)
    }));
    let below = |path: &str, directory: &str| {
        path.strip_prefix(directory)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    for (mount, mut reads, home) in mounts {
        // The repository is copied to a place below its home, which must not be below the original.
        let overlaps = below(path, &mount) || (home && below(&mount, path));
        if !overlaps {
            continue;
        }
        reads.push(at.clone());
        return vec![Violation::new(
            at,
            reads,
            format!("{path:?} overlaps {mount:?}, where a volume is mounted"),
            "What the image has there is hidden by the volume, or would be copied into itself. Put the \
             repository somewhere else in the image, such as `/opt/feast/feature_repo`.",
        )];
    }
    Vec::new()
}

/// What it is concluded from that the repository has no claim as its home.
fn offline_claim_reads(store: &FeatureStore) -> Vec<Path> {
    match offline(store) {
        Some(_) => vec![Path::of("services.offline_store.persistence.file.pvc")],
        None => vec![Path::of("services.offline_store")],
    }
}

pub(super) fn apply(store: &FeatureStore) -> Vec<Violation> {
    let Some(services) = services(store) else {
        return Vec::new();
    };
    let at = Path::of("services.feast_apply");
    let mut violations = Vec::new();
    if services.feast_apply.is_some() && services.run_feast_apply_on_init.is_some() {
        violations.push(Violation::new(
            at.clone(),
            [],
            "feast_apply and run_feast_apply_on_init say the same thing",
            "Write `feast_apply` alone.",
        ));
    }
    let without_init = services.disable_init_containers == Some(true);
    if services.feast_apply == Some(FeastApply::InitContainer) && without_init {
        violations.push(Violation::new(
            at.clone(),
            [at.clone(), Path::of("services.disable_init_containers")],
            "There is no init container that could run feast apply",
            "Remove `disable_init_containers`, or write `feast_apply = \"job\"` or `\"none\"`.",
        ));
    }
    if services.feast_apply == Some(FeastApply::Job) {
        violations.extend(in_the_pods(store).into_iter().map(|(what, mut reads)| {
            reads.push(at.clone());
            Violation::new(
                at.clone(),
                reads,
                format!("A Job cannot reach the {what}, which is in the pods"),
                "The Job has a pod, and files, of its own. Write `feast_apply = \"init_container\"`, or keep \
                 online store and registry outside the pods, without claims.",
            )
        }));
    }
    violations
}

/// What only a server's own pod can reach, with what that is concluded from.
fn in_the_pods(store: &FeatureStore) -> Vec<(&'static str, Vec<Path>)> {
    let mut found = Vec::new();
    let disabled = Path::of(ONLINE).attribute("disabled");
    let in_database = |path: &str| Path::of(path).attribute("persistence.store");
    let online_store = online(store).and_then(|it| it.persistence.as_ref()?.store.as_ref());
    if online_store.is_none() && !online_disabled(store) {
        found.push(("online store", vec![disabled.clone(), in_database(ONLINE)]));
    }
    let local = local(store).and_then(|it| it.persistence.as_ref());
    let database = local.and_then(|it| it.store.as_ref());
    let file = local.and_then(|it| it.file.as_ref()?.path.as_deref());
    // A URI that the registry cannot have is refused for itself (`file-paths`).
    let object = file.is_some_and(|path| Location::of(path) != Location::Path);
    let remote = registry(store).and_then(|it| it.remote.as_ref());
    if remote.is_none() && database.is_none() && !object {
        let reads = vec![
            Path::of(REGISTRY).attribute("remote"),
            in_database(LOCAL),
            Path::of(LOCAL).attribute("persistence.file.path"),
        ];
        found.push(("registry", reads));
    }
    let offline = claims(store)
        .into_iter()
        .find(|claim| claim.service == Service::Offline);
    if let Some(claim) = offline {
        found.push(("claim of the offline store", vec![claim.path]));
    }
    found
}

#[cfg(test)]
mod tests;
