//! Golden objects: the rendered objects of each configuration in `tests/render/`.
//!
//! `NAME.json` is a configuration as `feast::config` reads it, and `NAME.yaml` has its objects, without the connection
//! parameters. After an intended change, run `UPDATE_EXPECT=1 cargo test --test render` and review the difference.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::path::Path;

use expect_test::expect_file;
use terraform_provider_feast::feast::config::FeatureStore;
use terraform_provider_feast::feast::render::render;
use terraform_provider_feast::feast::rules;
use terraform_provider_feast::feast::spec::{Defaults, Store};

/// Checks that the rules accept the configuration, and that its objects equal the golden objects.
fn check(name: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/render");
    let text = fs::read_to_string(directory.join(format!("{name}.json"))).unwrap();
    let configuration: FeatureStore = serde_json::from_str(&text).unwrap();
    assert_eq!(rules::check(&configuration), Vec::new());

    let objects = render(&Store::new(&configuration, &Defaults::default()));
    let mut written = String::new();
    for (key, manifest) in &objects.manifests {
        let manifest = serde_saphyr::to_string(manifest).unwrap();
        written.push_str(&format!("--- # {key}\n{manifest}"));
    }
    if let Some(job) = objects.feast_apply_job() {
        let job = serde_saphyr::to_string(job).unwrap();
        written.push_str(&format!(
            "--- # Job, named when its Secrets are resolved\n{job}"
        ));
    }
    expect_file![directory.join(format!("{name}.yaml"))].assert_eq(&written);
}

#[test]
fn minimal() {
    check("minimal");
}

#[test]
fn static_replicas() {
    check("static_replicas");
}

#[test]
fn autoscaled() {
    check("autoscaled");
}

#[test]
fn external_autoscaler() {
    check("external_autoscaler");
}

#[test]
fn restricted() {
    check("restricted");
}

#[test]
fn openshift() {
    check("openshift");
}

#[test]
fn services() {
    check("services");
}

#[test]
fn tls() {
    check("tls");
}

#[test]
fn pvcs() {
    check("pvcs");
}

#[test]
fn offline_server() {
    check("offline_server");
}

#[test]
fn registry_server() {
    check("registry_server");
}

#[test]
fn remote_registry() {
    check("remote_registry");
}

#[test]
fn project_git() {
    check("project_git");
}

#[test]
fn project_git_ssh() {
    check("project_git_ssh");
}

#[test]
fn project_packaged() {
    check("project_packaged");
}

#[test]
fn project_packaged_no_init() {
    check("project_packaged_no_init");
}

#[test]
fn cron_job() {
    check("cron_job");
}

#[test]
fn feast_apply_job() {
    check("feast_apply_job");
}

#[test]
fn authz_kubernetes() {
    check("authz_kubernetes");
}

#[test]
fn authz_oidc() {
    check("authz_oidc");
}

#[test]
fn spark() {
    check("spark");
}

#[test]
fn integrations() {
    check("integrations");
}

#[test]
fn keda() {
    check("keda");
}

#[test]
fn pods() {
    check("pods");
}

#[test]
fn every_configuration_is_checked() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/render");
    let source = include_str!("render.rs");
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(
            source.contains(&format!("check(\"{name}\")")),
            "tests/render.rs does not check tests/render/{name}.json"
        );
    }
}

#[test]
fn lineage() {
    check("lineage");
}

#[test]
fn settings_files() {
    check("settings_files");
}

#[test]
fn settings_databases() {
    check("settings_databases");
}

#[test]
fn settings_remote_registry() {
    check("settings_remote_registry");
}
