//! Clones over SSH, with a real git and a replacement for ssh.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::{Lab, failed, files, succeeded};

/// A replacement for ssh, which records its arguments and its key, and needs no server.
const SSH: &str = r#"
printf '%s\n' "$@" > "$HOME/ssh.arguments"
stat -c %a "$2" > "$HOME/ssh.mode"
cp "$2" "$HOME/ssh.key"
dirname "$2" > "$HOME/ssh.directory"
exec bash -c "${@: -1}"
"#;

#[test]
fn a_clone_over_ssh_uses_the_key_and_the_known_hosts() {
    let lab = Lab::new("ssh");
    lab.program("ssh", SSH);
    fs::create_dir(lab.path("ssh")).unwrap();
    // Line ends of Windows, and none at the end.
    fs::write(lab.path("ssh/private_key"), "-----BEGIN\r\nkey\r\n-----END").unwrap();
    fs::write(lab.path("ssh/known_hosts"), "git.example ssh-ed25519 AAAA").unwrap();
    let url = format!("ssh://git@git.example{}", lab.path("origin").display());
    let start = |strict: Json, features: &str| {
        let ssh = json!({"secretRef": {"name": "deploy-key"}, "strictHostKeyChecking": strict});
        succeeded(&lab.run(json!({"git": {"url": url, "ssh": ssh}}), &[]));
        assert_eq!(lab.features("feature_repo"), features);
        let home = |file: &str| fs::read_to_string(lab.path("home").join(file)).unwrap();
        assert_eq!(home("ssh.key"), "-----BEGIN\nkey\n-----END\n");
        assert_eq!(home("ssh.mode"), "600\n");
        let directory = home("ssh.directory");
        let directory = directory.trim();
        assert!(!Path::new(directory).exists(), "{directory} is left");
        for file in files(&lab.path("home/p")) {
            let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
            assert!(!text.contains("-----BEGIN"), "{}", file.display());
        }
        let arguments = home("ssh.arguments").replace(directory, "<private>");
        let arguments = arguments.replace(&lab.path("").display().to_string(), "<lab>/");
        arguments.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let arguments = |host_keys: [&str; 2]| -> Vec<String> {
        let before = [
            "-i",
            "<private>/key",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "BatchMode=yes",
        ];
        let hosts = [
            "-o",
            "GlobalKnownHostsFile=/dev/null",
            "-o",
            host_keys[0],
            "-o",
            host_keys[1],
        ];
        let after = [
            "-o",
            "SendEnv=GIT_PROTOCOL",
            "git@git.example",
            "git-upload-pack '<lab>/origin'",
        ];
        [&before[..], &hosts[..], &after[..]]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(
        start(json!(true), "one"),
        arguments([
            "StrictHostKeyChecking=yes",
            "UserKnownHostsFile=<lab>/ssh/known_hosts"
        ])
    );
    lab.commit("two");
    assert_eq!(
        start(json!(false), "two"),
        arguments(["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"])
    );
}

#[test]
fn a_clone_over_ssh_reports_what_the_image_lacks() {
    let lab = Lab::new("ssh-lacks");
    let ssh = json!({"secretRef": {"name": "deploy-key"}});
    let git = json!({"git": {"url": "ssh://git@git.example/x", "ssh": ssh}});
    lab.program("ssh", SSH);
    lab.program("python3", "exit 1");
    failed(
        &lab.run(git, &[]),
        "Set run_as_user in services.security_context to a user of the image.",
    );
}
