//! Golden objects: the rendered objects of each configuration in `tests/render/`.
//!
//! `NAME.json` is a configuration as `feast::config` reads it, and `NAME.yaml` has its objects, without the connection
//! parameters. After an intended change, run `UPDATE_EXPECT=1 cargo test --test render` and review the difference.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::path::Path;

use expect_test::expect_file;
use serde_json::{Value as Json, json};
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

/// Otherwise `extra_yaml` could silently replace a value of the provider or of an attribute.
#[test]
fn extra_yaml_cannot_have_a_setting_that_is_rendered() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/render");
    let inputs = fs::read_dir(directory).unwrap();
    let inputs = inputs.map(|entry| entry.unwrap().path());
    let mut checked = 0;
    for input in inputs.filter(|path| path.extension().is_some_and(|it| it == "json")) {
        let mut configuration: Json =
            serde_json::from_str(&fs::read_to_string(&input).unwrap()).unwrap();
        // The settings without an attribute are those of the user.
        for (block, attribute) in [
            ("", "extraYaml"),
            ("/client", "extraYaml"),
            ("/materialization", "extraConfig"),
            ("/openlineage", "extraConfig"),
            ("/mlflow", "extraConfig"),
        ] {
            if let Some(Json::Object(block)) = configuration.pointer_mut(block) {
                block.remove(attribute);
            }
        }
        let objects = render(&Store::new(&read(&configuration), &Defaults::default()));
        for (object, attribute) in [("stringData", "extra_yaml"), ("data", "client.extra_yaml")] {
            let texts = objects.manifests.values();
            let texts = texts.filter_map(|it| it[object]["feature_store.yaml"].as_str());
            for text in texts {
                let sections: Json = serde_saphyr::from_str(text).unwrap();
                for (setting, extra) in settings(&sections) {
                    let mut changed = configuration.clone();
                    match attribute {
                        "extra_yaml" => changed["extraYaml"] = extra,
                        _ => changed["client"]["extraYaml"] = extra,
                    }
                    let violations = rules::check(&read(&changed));
                    let mut found = violations.iter();
                    let start = format!("{setting:?} ");
                    assert!(
                        found
                            .any(|it| it.path.to_string() == attribute
                                && it.summary.starts_with(&start)),
                        "{attribute} can set {setting} of {}: {violations:?}",
                        input.display()
                    );
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 500, "{checked}");
}

fn read(configuration: &Json) -> FeatureStore {
    serde_json::from_value(configuration.clone()).unwrap()
}

/// Returns the name of each setting, with an `extra_yaml` that sets it.
fn settings(sections: &Json) -> Vec<(String, Json)> {
    let sections = sections.as_object().unwrap().iter();
    let settings = sections.flat_map(|(section, value)| match value {
        Json::Object(settings) => (settings.keys())
            .map(|name| (format!("{section}.{name}"), json!({section: {name: 1}})))
            .collect(),
        // All of its settings are those of a ConfigMap.
        Json::Null => vec![(format!("{section}.type"), json!({section: {"type": 1}}))],
        _ => vec![(section.clone(), json!({section: 1}))],
    });
    settings
        .map(|(name, extra)| (name, Json::from(extra.to_string())))
        .collect()
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
