//! One test for each outcome of each rule.

use serde_json::{Value as Json, json};

use crate::feast::config::FeatureStore;
use crate::feast::rules::testing::{rejects, rejects_store, warns_store};
use crate::feast::spec::{Defaults, Store};

fn directory(rule: &str, directory: Json, expected: &[(&str, &str)]) {
    let store = json!({"name": "demo", "feastProject": "p", "feastProjectDir": directory});
    rejects_store(rule, store, expected);
}

#[test]
fn warns_about_a_hyphen_in_the_project() {
    let check = |project: &str, expected: &[(&str, &str)]| {
        let store = json!({"name": "demo-1", "feastProject": project});
        warns_store("project-hyphen", store, expected);
    };
    check("my_project", &[]);
    check(
        "my-project",
        &[(
            "feast_project",
            "Feast does not load a project with a hyphen",
        )],
    );
}

#[test]
fn one_source() {
    let one =
        |sources: Json, expected: &[(&str, &str)]| directory("project-source", sources, expected);
    one(json!({"init": {}}), &[]);
    one(json!({"git": {"url": "u"}}), &[]);
    one(json!({"packaged": {"featureRepoPath": "/a"}}), &[]);
    let at = "feast_project_dir";
    one(
        json!({}),
        &[(at, "Exactly one of `init`, `git`, `packaged` must be set")],
    );
    one(
        json!({"git": {"url": "u"}, "init": {}}),
        &[(at, "Exactly one of `init`, `git`, `packaged` must be set")],
    );
}

#[test]
fn rejects_a_template_that_feast_does_not_have() {
    let template = |template: &str, expected: &[(&str, &str)]| {
        let init = json!({"init": {"template": template}});
        directory("init-template", init, expected);
    };
    template("rag", &[]);
    template(
        "clickhouse",
        &[(
            "feast_project_dir.init.template",
            "Feast has no template `clickhouse`",
        )],
    );
}

#[test]
fn arguments_of_git() {
    let git = |git: Json, expected: &[(&str, &str)]| {
        let expected: Vec<_> = expected
            .iter()
            .map(|(place, summary)| (format!("feast_project_dir.git.{place}"), *summary))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(path, s)| (path.as_str(), *s))
            .collect();
        directory("git-source", json!({"git": git}), &expected);
    };
    git(
        json!({
            "url": "https://github.com/acme/features", "ref": "v1.2.3", "featureRepoPath": "a/../feature repo",
            "configs": {"http.sslVerify": "false", r#"url."https://api:${TOKEN}@github.com/".insteadOf"#: "x"},
        }),
        &[],
    );
    git(
        json!({"url": "--upload-pack=x", "ref": "-f", "featureRepoPath": "a\nb"}),
        &[
            (
                "url",
                "\"--upload-pack=x\" would be parsed as an option of git",
            ),
            ("ref", "\"-f\" would be parsed as an option of git"),
            (
                "feature_repo_path",
                "`feature_repo_path` has more than one line",
            ),
        ],
    );
    for uri in ["az://b/repo", "s3://b/repo", "file:///repo"] {
        let message = format!("{uri:?} is a URI, not a path");
        git(
            json!({"url": "u", "featureRepoPath": uri}),
            &[("feature_repo_path", &message)],
        );
    }
    for outside in ["/abs", "../../x", "a/../../x"] {
        let message = format!("{outside:?} is outside the repository");
        git(
            json!({"url": "u", "featureRepoPath": outside}),
            &[("feature_repo_path", &message)],
        );
    }
    for name in ["nosection", "a.b=c", "a.", ".a", "a b.c", "a.1"] {
        let (place, message) = (
            format!("configs[{name:?}]"),
            format!("{name:?} is not a valid name of a git setting"),
        );
        git(
            json!({"url": "u", "configs": {name: "v"}}),
            &[(&place, &message)],
        );
    }
    git(
        json!({"url": "u", "configs": {"a.b": "hunter2\n"}}),
        &[("configs[\"a.b\"]", "The setting has more than one line")],
    );
}

#[test]
fn rejects_an_ssh_key_without_an_ssh_url() {
    let git = |url: &str, configs: Json, expected: &[(&str, &str)]| {
        let ssh = json!({"secretRef": {"name": "deploy-key"}});
        let git = json!({"url": url, "configs": configs, "ssh": ssh});
        directory("git-source", json!({"git": git}), expected);
    };
    for url in [
        "git@github.com:acme/features.git",
        "github.com:acme/features",
        "ssh://git@github.com:22/acme/features",
        "git+ssh://github.com/acme/features",
        "${USER_AND_HOST}:acme/features",
    ] {
        git(url, json!({}), &[]);
    }
    for url in [
        "https://github.com/acme/features",
        "http://github.com/acme/features",
        "git://github.com/acme/features",
        "/srv/features",
        "./a:b",
    ] {
        let summary = "`ssh` requires an SSH URL, and `url` is not one";
        git(url, json!({}), &[("feast_project_dir.git.ssh", summary)]);
        git(
            url,
            json!({"URL.ssh://git@github.com/.insteadOf": "https://github.com/"}),
            &[],
        );
    }
}

#[test]
fn rejects_a_ca_certificate_without_an_https_url() {
    let git = |url: &str, configs: Json, expected: &[(&str, &str)]| {
        let git = json!({"url": url, "configs": configs, "caCertConfigMap": {"name": "ca"}});
        directory("git-source", json!({"git": git}), expected);
    };
    for url in ["https://git.example.com/features", "${GIT_URL}"] {
        git(url, json!({}), &[]);
    }
    for url in [
        "http://git.example.com/features",
        "git@git.example.com:features",
        "ssh://git@git.example.com/features",
        "/srv/features",
    ] {
        let summary = "`ca_cert_config_map` requires an HTTPS URL, and `url` is not one";
        git(
            url,
            json!({}),
            &[("feast_project_dir.git.ca_cert_config_map", summary)],
        );
        git(
            url,
            json!({"url.https://git.example.com/.insteadOf": url}),
            &[],
        );
    }
}

#[test]
fn warns_about_an_ssh_url_without_a_key() {
    let git = |git: Json, warned: bool| {
        let store = json!({"name": "demo", "feastProject": "p", "feastProjectDir": {"git": git}});
        let summary = "The repository has an SSH URL, but no key is configured";
        let expected = [("feast_project_dir.git.url", summary)];
        warns_store("git-ssh-key", store, if warned { &expected } else { &[] });
    };
    let url = "git@github.com:acme/features.git";
    git(json!({"url": url}), true);
    git(
        json!({"url": "ssh://github.com/acme/features", "configs": {"a.b": "c"}}),
        true,
    );
    for with_key in [
        json!({"url": "https://github.com/acme/features"}),
        json!({"url": "${URL}"}),
        json!({"url": url, "ssh": {"secretRef": {"name": "deploy-key"}}}),
        json!({"url": url, "env": [{"name": "GIT_SSH_COMMAND", "value": "ssh -i /key"}]}),
        json!({"url": url, "envFrom": [{"secretRef": {"name": "git"}}]}),
        json!({"url": url, "configs": {"core.sshCommand": "ssh -i /key"}}),
        json!({"url": url, "configs": {"url.https://github.com/.insteadOf": "git@github.com:"}}),
    ] {
        git(with_key, false);
    }
}

#[test]
fn packaged_paths() {
    let packaged = |path: &str, services: Json, summary: Option<&str>| {
        let store = json!({
            "name": "demo", "feastProject": "p", "services": services,
            "feastProjectDir": {"packaged": {"featureRepoPath": path}},
        });
        let at = "feast_project_dir.packaged.feature_repo_path";
        let expected: Vec<_> = summary.iter().map(|summary| (at, *summary)).collect();
        rejects_store("packaged-path", store, &expected);
    };
    let pvc = json!({"offlineStore": {"persistence": {"file": {"pvc": {"create": {}, "mountPath": "/opt/data/"}}}}});
    packaged("/opt/feast/feature_repo", json!({}), None);
    packaged("/opt/feast", pvc.clone(), None);
    packaged(
        "/a/../b",
        json!({}),
        Some("\"/a/../b\" is not a canonical path"),
    );
    for (path, mount, services) in [
        ("/feast-data/my_project", "/feast-data", json!({})),
        ("/etc/feast", "/etc/feast", json!({})),
        ("/opt/data/x", "/opt/data", pvc.clone()),
        ("/opt", "/opt/data", pvc),
    ] {
        let message = format!("{path:?} overlaps the volume that is mounted at {mount:?}");
        packaged(path, services, Some(&message));
    }
}

#[test]
fn feast_apply() {
    let at = "services.feast_apply";
    let database =
        |kind: &str| json!({"persistence": {"store": {"type": kind, "secretRef": {"name": "s"}}}});
    let outside = |mut services: Json| {
        services["onlineStore"] = database("postgres");
        services["registry"] = json!({"local": database("sql")});
        services
    };
    let rejects = |services: Json, expected: &[(&str, &str)]| {
        let store = json!({"name": "demo", "feastProject": "demo", "services": services});
        let store: FeatureStore = serde_json::from_value(store).unwrap();
        let reaches_data = Store::new(&store, &Defaults::default()).jobs_reach_data();
        assert_eq!(super::pod_local_data(&store).is_empty(), reaches_data);
        rejects("feast-apply", services, expected);
    };
    rejects(outside(json!({"feastApply": "job"})), &[]);
    rejects(json!({"runFeastApplyOnInit": true}), &[]);
    let off = json!({"feastApply": "job", "onlineStore": {"disabled": true}, "registry": {"remote": {"hostname": "r"}}});
    rejects(off, &[]);
    rejects(
        json!({"feastApply": "none", "runFeastApplyOnInit": false}),
        &[(
            at,
            "`feast_apply` and `run_feast_apply_on_init` are mutually exclusive",
        )],
    );
    rejects(
        json!({"feastApply": "init_container", "disableInitContainers": true}),
        &[(
            at,
            "`feast_apply = \"init_container\"` conflicts with `disable_init_containers`",
        )],
    );
    rejects(
        json!({"feastApply": "job"}),
        &[
            (
                at,
                "The `feast apply` Job cannot use the online store in the pods",
            ),
            (
                at,
                "The `feast apply` Job cannot use the registry in the pods",
            ),
        ],
    );
    let mut with_pvc = outside(json!({"feastApply": "job"}));
    with_pvc["offlineStore"] =
        json!({"persistence": {"file": {"pvc": {"create": {}, "mountPath": "/o"}}}});
    rejects(
        with_pvc,
        &[(
            at,
            "The `feast apply` Job cannot use the PVC of the offline store in the pods",
        )],
    );
    let mut class = outside(json!({"feastApply": "job"}));
    class["onlineStore"] = database("ours.OurOnlineStore");
    rejects(
        class.clone(),
        &[(
            at,
            "The `feast apply` Job cannot use the online store in the pods",
        )],
    );
    class["onlineStore"]["persistence"]["store"]["shared"] = json!(true);
    rejects(class, &[]);
}
