//! One test for each outcome of each rule.

use serde_json::{Value as Json, json};

use crate::feast::rules::testing::{advised_whole, refused, refused_whole};

fn directory(rule: &str, directory: Json, expected: &[(&str, &str)]) {
    let store = json!({"name": "demo", "feastProject": "p", "feastProjectDir": directory});
    refused_whole(rule, store, expected);
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
        &[(at, "The feature repository comes from nowhere")],
    );
    one(
        json!({"git": {"url": "u"}, "init": {}}),
        &[(at, "The feature repository comes from several places")],
    );
}

#[test]
fn what_git_is_told() {
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
            ("url", "\"--upload-pack=x\" would be an option of git"),
            ("ref", "\"-f\" would be an option of git"),
            ("feature_repo_path", "\"a\\nb\" is not one line of text"),
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
        let message = format!("{outside:?} is not inside the clone");
        git(
            json!({"url": "u", "featureRepoPath": outside}),
            &[("feature_repo_path", &message)],
        );
    }
    for name in ["nosection", "a.b=c", "a.", ".a", "a b.c", "a.1"] {
        let (place, message) = (
            format!("configs[{name:?}]"),
            format!("{name:?} is not the name of a setting of git"),
        );
        git(
            json!({"url": "u", "configs": {name: "v"}}),
            &[(&place, &message)],
        );
    }
    git(
        json!({"url": "u", "configs": {"a.b": "v\nw"}}),
        &[("configs[\"a.b\"]", "\"v\\nw\" is not one line of text")],
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
        let summary = format!("{url:?} is not read over SSH, so the key would not be used");
        git(url, json!({}), &[("feast_project_dir.git.ssh", &summary)]);
        git(
            url,
            json!({"URL.ssh://git@github.com/.insteadOf": "https://github.com/"}),
            &[],
        );
    }
}

#[test]
fn warns_of_an_ssh_url_without_a_key() {
    let git = |git: Json, warned: bool| {
        let store = json!({"name": "demo", "feastProject": "p", "feastProjectDir": {"git": git}});
        let summary = "The repository is read over SSH, but no key is configured";
        let expected = [("feast_project_dir.git.url", summary)];
        advised_whole("git-ssh-key", store, if warned { &expected } else { &[] });
    };
    let url = "git@github.com:acme/features.git";
    git(json!({"url": url}), true);
    git(
        json!({"url": "ssh://github.com/acme/features", "configs": {"a.b": "c"}}),
        true,
    );
    for settled in [
        json!({"url": "https://github.com/acme/features"}),
        json!({"url": "${URL}"}),
        json!({"url": url, "ssh": {"secretRef": {"name": "deploy-key"}}}),
        json!({"url": url, "env": [{"name": "GIT_SSH_COMMAND", "value": "ssh -i /key"}]}),
        json!({"url": url, "envFrom": [{"secretRef": {"name": "git"}}]}),
        json!({"url": url, "configs": {"core.sshCommand": "ssh -i /key"}}),
        json!({"url": url, "configs": {"url.https://github.com/.insteadOf": "git@github.com:"}}),
    ] {
        git(settled, false);
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
        refused_whole("packaged-path", store, &expected);
    };
    let claim = json!({"offlineStore": {"persistence": {"file": {"pvc": {"create": {}, "mountPath": "/opt/data/"}}}}});
    packaged("/opt/feast/feature_repo", json!({}), None);
    packaged("/opt/feast", claim.clone(), None);
    packaged(
        "/a/../b",
        json!({}),
        Some("\"/a/../b\" is not a canonical path"),
    );
    for (path, mount, services) in [
        ("/feast-data/my_project", "/feast-data", json!({})),
        ("/etc/feast", "/etc/feast", json!({})),
        ("/opt/data/x", "/opt/data", claim.clone()),
        ("/opt", "/opt/data", claim),
    ] {
        let message = format!("{path:?} overlaps {mount:?}, where a volume is mounted");
        packaged(path, services, Some(&message));
    }
}

#[test]
fn who_applies() {
    let at = "services.feast_apply";
    let database =
        |kind: &str| json!({"persistence": {"store": {"type": kind, "secretRef": {"name": "s"}}}});
    let outside = |mut services: Json| {
        services["onlineStore"] = database("postgres");
        services["registry"] = json!({"local": database("sql")});
        services
    };
    refused("feast-apply", outside(json!({"feastApply": "job"})), &[]);
    refused("feast-apply", json!({"runFeastApplyOnInit": true}), &[]);
    let off = json!({"feastApply": "job", "onlineStore": {"disabled": true}, "registry": {"remote": {"hostname": "r"}}});
    refused("feast-apply", off, &[]);
    refused(
        "feast-apply",
        json!({"feastApply": "none", "runFeastApplyOnInit": false}),
        &[(
            at,
            "feast_apply and run_feast_apply_on_init say the same thing",
        )],
    );
    refused(
        "feast-apply",
        json!({"feastApply": "init_container", "disableInitContainers": true}),
        &[(at, "There is no init container that could run feast apply")],
    );
    refused(
        "feast-apply",
        json!({"feastApply": "job"}),
        &[
            (
                at,
                "A Job cannot reach the online store, which is in the pods",
            ),
            (at, "A Job cannot reach the registry, which is in the pods"),
        ],
    );
    let mut claimed = outside(json!({"feastApply": "job"}));
    claimed["offlineStore"] =
        json!({"persistence": {"file": {"pvc": {"create": {}, "mountPath": "/o"}}}});
    refused(
        "feast-apply",
        claimed,
        &[(
            at,
            "A Job cannot reach the claim of the offline store, which is in the pods",
        )],
    );
}
