//! Runs the scripts with a real bash and a real git.

mod ssh;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value as Json, json};

use super::*;
use crate::feast::spec::Defaults;

/// A temporary directory with a git repository `origin` and a home directory for the project.
struct Lab(PathBuf);

impl Lab {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("feast-{name}-{}", std::process::id()));
        fs::remove_dir_all(&directory).ok();
        for inner in ["home", "bin", "origin/feature_repo", "origin/else where"] {
            fs::create_dir_all(directory.join(inner)).unwrap();
        }
        let lab = Self(directory);
        lab.git(&["init", "--quiet", "--initial-branch=main"]);
        lab.commit("one");
        lab
    }

    fn path(&self, inner: &str) -> PathBuf {
        self.0.join(inner)
    }

    /// Returns a command without the variables and the git settings of the developer and of the machine.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .env("HOME", self.path("home"))
            .env("GIT_CONFIG_NOSYSTEM", "1");
        command
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut git = self.command("git");
        git.arg("-C").arg(self.path("origin"));
        git.args([
            "-c",
            "user.name=test",
            "-c",
            "user.email=test@example.invalid",
        ]);
        let output = git.args(arguments).output().unwrap();
        succeeded(&output);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Adds a program to the front of the search path.
    fn program(&self, name: &str, body: &str) {
        let program = self.path("bin").join(name);
        fs::write(&program, format!("#!/bin/bash\n{body}")).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&program, executable).unwrap();
    }

    /// Commits `text` in both directories.
    fn commit(&self, text: &str) {
        for directory in ["feature_repo", "else where"] {
            fs::write(
                self.path("origin").join(directory).join("features.py"),
                text,
            )
            .unwrap();
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", text]);
    }

    /// Runs the script of a feature store whose project is in this directory.
    fn run(&self, project_dir: Json, environment: &[(&str, &str)]) -> Output {
        let script = script(&self.store(project_dir));
        let script = script.replace(
            names::SSH_DIRECTORY,
            &self.path("ssh").display().to_string(),
        );
        let path = std::env::var("PATH").unwrap();
        self.command("bash")
            .args(["-c", &kubernetes(&script)])
            .current_dir(self.path("home"))
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .envs(environment.iter().copied())
            .output()
            .unwrap()
    }

    fn store(&self, project_dir: Json) -> Store {
        let mount = self.path("home").display().to_string();
        let store = json!({
            "name": "demo",
            "feastProject": "p",
            "feastProjectDir": project_dir,
            "services": {"offlineStore": {"persistence": {"file": {"pvc": {"ref": {"name": "c"}, "mountPath": mount}}}}},
        });
        Store::new(
            &serde_json::from_value(store).unwrap(),
            &Defaults::default(),
        )
    }

    fn url(&self) -> String {
        format!("file://{}", self.path("origin").display())
    }

    /// Returns the definitions in the project.
    fn features(&self, directory: &str) -> String {
        fs::read_to_string(self.path("home/p").join(directory).join("features.py")).unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Expands an argument as the kubelet does for a container without variables.
fn kubernetes(argument: &str) -> String {
    argument.replace("$$", "$")
}

fn succeeded(output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

fn failed(output: &Output, message: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{stderr}");
    assert!(stderr.contains(message), "{stderr}");
}

/// Returns every file in a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.symlink_metadata().unwrap() {
            it if it.is_dir() => files(&path),
            it if it.is_file() => vec![path],
            _ => Vec::new(),
        })
        .collect()
}

fn link(repository: &Path) -> PathBuf {
    fs::read_link(repository.join("feature_store.yaml")).unwrap()
}

#[test]
fn quotes_single_words() {
    assert_eq!(quote("/a b/$(x)'; y"), r"'/a b/$$(x)'\''; y'");
    assert_eq!(
        expanded(r#"a'${TOKEN}b$c$$d$(e)${not a name}"#),
        r#"'a'\'''"${TOKEN}"'b$c$$$d$$(e)${not a name}'"#
    );
    assert_eq!(expanded(""), "''");
}

#[test]
fn a_clone_follows_its_reference() {
    let lab = Lab::new("clone");
    lab.git(&["tag", "v1"]);
    lab.commit("two");
    let git = |reference: Json| json!({"git": {"url": lab.url(), "ref": reference}});
    succeeded(&lab.run(git(json!("v1")), &[]));
    assert_eq!(lab.features("feature_repo"), "one");
    assert_eq!(
        link(&lab.path("home/p/feature_repo")),
        Path::new("/etc/feast/feature_store.yaml")
    );
    // On a PVC, the clone already exists, and untracked files are kept.
    fs::write(lab.path("home/p/kept"), "").unwrap();
    succeeded(&lab.run(git(json!("main")), &[]));
    assert_eq!(lab.features("feature_repo"), "two");
    lab.commit("three");
    succeeded(&lab.run(git(Json::Null), &[]));
    assert_eq!(lab.features("feature_repo"), "three");
    assert!(lab.path("home/p/kept").exists());
}

#[test]
fn references_that_can_move_are_fetched_at_each_start() {
    let lab = Lab::new("moves");
    lab.git(&["branch", "team"]);
    lab.git(&["tag", "newest"]);
    let start = |reference: Json, features: &str| {
        let git = json!({"git": {"url": lab.url(), "ref": reference}});
        succeeded(&lab.run(git, &[]));
        assert_eq!(lab.features("feature_repo"), features);
    };
    for (reference, features) in [
        (Json::Null, "two"),
        (json!("HEAD"), "three"),
        (json!("main"), "four"),
        (json!("newest"), "five"),
        (json!("team"), "six"),
    ] {
        start(
            reference.clone(),
            &fs::read_to_string(lab.path("origin/feature_repo/features.py")).unwrap(),
        );
        lab.commit(features);
        lab.git(&["tag", "--force", "newest"]);
        lab.git(&["branch", "--force", "team"]);
        start(reference, features);
    }
    // A deleted branch is not used anymore, and does not conflict with another.
    lab.git(&["branch", "--delete", "--force", "team"]);
    lab.git(&["branch", "team/one"]);
    let gone = json!({"git": {"url": lab.url(), "ref": "team"}});
    failed(&lab.run(gone, &[]), "has no branch, tag or commit team");
    start(json!("team/one"), "six");
}

#[test]
fn locks_of_a_killed_pod_are_removed() {
    let lab = Lab::new("killed");
    let git = json!({"git": {"url": lab.url()}});
    succeeded(&lab.run(git.clone(), &[]));
    for lock in ["index.lock", "HEAD.lock", "refs/feast/HEAD.lock"] {
        fs::write(lab.path(&format!("home/p/.git/{lock}")), "").unwrap();
    }
    lab.commit("two");
    succeeded(&lab.run(git, &[]));
    assert_eq!(lab.features("feature_repo"), "two");
}

#[test]
fn a_full_commit_hash_is_fetched_once() {
    let lab = Lab::new("commit");
    let commit = lab.git(&["rev-parse", "HEAD"]);
    let commit = commit.trim();
    lab.commit("two");
    let git = |reference: &str| json!({"git": {"url": lab.url(), "ref": reference}});
    succeeded(&lab.run(git(commit), &[]));
    assert_eq!(lab.features("feature_repo"), "one");
    fs::rename(lab.path("origin"), lab.path("away")).unwrap();
    succeeded(&lab.run(git(commit), &[]));
    assert_eq!(lab.features("feature_repo"), "one");
    // References that could have moved fail, even if the clone has them.
    for reference in ["main", &commit[..8]] {
        failed(
            &lab.run(git(reference), &[]),
            "The feature repository cannot be fetched.",
        );
    }
}

#[test]
fn the_url_is_not_stored() {
    let lab = Lab::new("address");
    let git = |reference: &str| json!({"git": {"url": "file://${PLACE}", "ref": reference}});
    let place = lab.path("origin").display().to_string();
    let environment = [("PLACE", place.as_str())];
    succeeded(&lab.run(git("main"), &environment));
    // As `git clone` would write it.
    let config = lab.path("home/p/.git/config");
    let mut text = fs::read_to_string(&config).unwrap();
    text.push_str(&format!("[remote \"origin\"]\n\turl = file://{place}\n"));
    fs::write(&config, text).unwrap();
    lab.commit("two");
    succeeded(&lab.run(git("main"), &environment));
    assert_eq!(lab.features("feature_repo"), "two");
    for file in files(&lab.path("home/p")) {
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        assert!(!text.contains(&place), "{}: {text}", file.display());
    }
}

#[test]
fn pods_that_share_a_pvc_wait_for_each_other() {
    let lab = Lab::new("shared");
    // A git that records for each call whether another process holds the lock.
    let lock = "\
import fcntl, sys
try:
    fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)
    print(\"free\")
except BlockingIOError:
    print(\"held\")
except FileNotFoundError:
    print(\"free\")
";
    let path = std::env::var("PATH").unwrap();
    lab.program(
        "git",
        &format!(
            "python3 -c '{lock}' \"$HOME/p.lock\" >> \"$HOME/calls\"\nPATH='{path}' exec git \"$@\"\n"
        ),
    );
    let mut calls = 0;
    for reference in ["main", "HEAD"] {
        let git = json!({"git": {"url": lab.url(), "ref": reference}});
        succeeded(&lab.run(git, &[]));
        let text = fs::read_to_string(lab.path("home/calls")).unwrap();
        let locks: Vec<&str> = text.lines().collect();
        assert!(locks.len() > calls, "the second start calls git, too");
        assert!(locks.iter().all(|lock| *lock == "held"), "{locks:?}");
        calls = locks.len();
    }
}

#[test]
fn failures_are_repeatable() {
    let lab = Lab::new("failures");
    let nowhere = json!({"git": {"url": format!("{}x", lab.url())}});
    assert!(!lab.run(nowhere, &[]).status.success());
    assert!(!lab.path("home/p").exists());
    let missing = json!({"git": {"url": lab.url(), "ref": "nope"}});
    for _ in 0..2 {
        assert!(!lab.run(missing.clone(), &[]).status.success());
    }
    let elsewhere = json!({"git": {"url": lab.url(), "featureRepoPath": "nope"}});
    failed(&lab.run(elsewhere, &[]), "has no directory");
}

#[test]
fn values_cannot_inject_commands() {
    let lab = Lab::new("hostile");
    let hostile = "main; touch pwned; it's $(touch pwned) `touch pwned` $(HOME) \"";
    for git in [
        json!({"url": lab.url(), "ref": hostile}),
        json!({"url": hostile}),
        json!({"url": lab.url(), "configs": {"a.b": hostile}, "ref": "nope"}),
        json!({"url": lab.url(), "configs": {hostile: "b"}}),
        json!({"url": lab.url(), "featureRepoPath": hostile}),
    ] {
        assert!(!lab.run(json!({"git": git}), &[]).status.success(), "{git}");
    }
    succeeded(&lab.run(
        json!({"git": {"url": lab.url(), "configs": {"a.b": hostile}, "featureRepoPath": "else where"}}),
        &[],
    ));
    assert_eq!(lab.features("else where"), "one");
    for place in ["home", "home/p", "origin"] {
        assert!(!lab.path(place).join("pwned").exists(), "{place}");
    }
}

#[test]
fn tokens_come_from_the_environment() {
    let lab = Lab::new("token");
    let git = json!({"git": {
        "url": "https://example.invalid/features",
        "configs": {r#"url."file://${PLACE}".insteadOf"#: "https://example.invalid/features"},
    }});
    let place = lab.path("origin").display().to_string();
    assert!(
        !lab.run(git.clone(), &[]).status.success(),
        "the variable is not set"
    );
    succeeded(&lab.run(git, &[("PLACE", &place)]));
    assert_eq!(lab.features("feature_repo"), "one");
}

#[test]
fn configs_are_sorted() {
    let lab = Lab::new("order");
    let configs = json!({"b.b": "2", "a.a": "1", "c.c": "3", "a.b": "4"});
    let git = json!({"git": {"url": "u", "configs": configs}});
    let text = script(&lab.store(git.clone()));
    assert!(
        text.contains("-c 'a.a=1' -c 'a.b=4' -c 'b.b=2' -c 'c.c=3'"),
        "{text}"
    );
    assert_eq!(text, script(&lab.store(git)));
}

#[test]
fn a_packaged_repository_is_copied_at_each_start() {
    let lab = Lab::new("packaged");
    let path = lab.path("origin/feature_repo").display().to_string();
    let packaged = json!({"packaged": {"featureRepoPath": path}});
    fs::create_dir_all(lab.path("home/p/feature_repo")).unwrap();
    fs::write(lab.path("home/p/feature_repo/old.py"), "").unwrap();
    for _ in 0..2 {
        succeeded(&lab.run(packaged.clone(), &[]));
        assert_eq!(lab.features("feature_repo"), "one");
        assert!(!lab.path("home/p/feature_repo/old.py").exists());
    }
    let missing = json!({"packaged": {"featureRepoPath": format!("{path}/nope")}});
    assert!(!lab.run(missing, &[]).status.success());
}

#[test]
fn feast_init_runs_once() {
    let lab = Lab::new("init");
    lab.program(
        "feast",
        "echo \"$@\" >> \"$HOME/calls\"\nmkdir -p \"${@: -1}/feature_repo\"\n",
    );
    let init = json!({"init": {"minimal": true, "template": "aws"}});
    for _ in 0..2 {
        succeeded(&lab.run(init.clone(), &[]));
    }
    let calls = fs::read_to_string(lab.path("home/calls")).unwrap();
    assert_eq!(calls, "init -m -t aws p\n");
}
