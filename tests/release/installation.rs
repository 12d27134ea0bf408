//! `terraform init` and `tofu init` install the zip for this platform, and the configuration of the quick start is
//! applied with it.

use std::path::Path;

use serde_json::json;

use super::dist::{self, VERSION};
use super::registry;
use super::server::{Content, Files, Server};
use crate::support::terraform::{Exit, PROVIDER, REGISTRIES, Terraform};
use crate::support::testbed::{ControlPlane, Options, Progress, Tool, tools};

const QUICKSTART: &str = include_str!("../../examples/quickstart/main.tf");

/// The packed layout: the zips as they are, in one folder for each provider.
pub fn from_a_filesystem_mirror() {
    let mirror = tempfile::tempdir().unwrap();
    for registry in REGISTRIES {
        let folder = mirror.path().join(registry).join(PROVIDER);
        std::fs::create_dir_all(&folder).unwrap();
        let zip = dist::file_name("linux_amd64.zip");
        std::fs::copy(dist::path(&zip), folder.join(&zip)).unwrap();
    }
    let installation = format!("filesystem_mirror {{\n path = {:?}\n }}", mirror.path());
    apply_quickstart(&installation, PROVIDER, None);
}

pub fn from_a_network_mirror() {
    let server = Server::start(|_| {
        let zip = dist::file_name("linux_amd64.zip");
        let archives = json!({"archives": {"linux_amd64": {"url": format!("/{zip}")}}});
        let mut files = Files::from([(format!("/{zip}"), Content::File(dist::path(&zip)))]);
        for registry in REGISTRIES {
            let folder = format!("/{registry}/{PROVIDER}");
            files.insert(
                format!("{folder}/index.json"),
                Content::Json(json!({"versions": {VERSION: {}}})),
            );
            files.insert(
                format!("{folder}/{VERSION}.json"),
                Content::Json(archives.clone()),
            );
        }
        files
    });
    let installation = format!(
        "network_mirror {{\n url = \"https://{}/\"\n }}",
        server.address
    );
    apply_quickstart(&installation, PROVIDER, Some(&server));
}

/// The tools check the signature of the checksums with the key that the registry names.
pub fn from_a_registry() {
    let server = Server::start(registry::files);
    let source = format!("{}/{PROVIDER}", server.address);
    apply_quickstart("direct {}", &source, Some(&server));
}

/// Installs the provider with each tool, checks the lock file, and applies and destroys the quick start. `installation`
/// is the method in the CLI configuration, `source` the address of the provider, and `server` that of an installation
/// from the network.
fn apply_quickstart(installation: &str, source: &str, server: Option<&Server>) {
    let progress = Progress::stderr();
    let wanted = [Tool::CONTROL_PLANE, &[Tool::Terraform, Tool::Tofu]].concat();
    let tools = tools::ensure(&wanted, progress).unwrap();
    let control_plane = ControlPlane::start(&tools, &Options::default(), progress).unwrap();
    for tool in [Tool::Terraform, Tool::Tofu] {
        let namespace = control_plane.namespace("release").unwrap();
        namespace
            .kubectl(&[
                "create",
                "secret",
                "generic",
                "feast-data-stores",
                "--from-literal=postgres=host: postgres\nport: 5432\ndatabase: feast\nuser: feast\npassword: secret",
                "--from-literal=sql=path: postgresql+psycopg://feast:secret@postgres:5432/feast",
            ])
            .unwrap();
        let mut terraform =
            Terraform::with_installation(tools.path(tool).unwrap(), installation).unwrap();
        if let Some(server) = server {
            let certificate = server.certificate().display().to_string();
            terraform.environment("SSL_CERT_FILE", &certificate);
        }
        terraform
            .environment(
                "TF_VAR_kubeconfig",
                &control_plane.kubeconfig().display().to_string(),
            )
            .environment("TF_VAR_namespace", namespace.name());
        let required = format!("source = {PROVIDER:?}");
        assert!(QUICKSTART.contains(&required));
        terraform
            .write(
                "main.tf",
                &QUICKSTART.replace(&required, &format!("source = {source:?}")),
            )
            .unwrap();

        let init = terraform.init().unwrap().expect_success();
        let installed = format!("Installed {source} v{VERSION}");
        assert!(init.stdout.contains(&installed), "{init}");
        let is_signed = init.stdout.contains("signed, key ID");
        assert_eq!(is_signed, installation.starts_with("direct"), "{init}");
        if let Some(server) = server {
            let zip = format!("/{}", dist::file_name("linux_amd64.zip"));
            assert!(server.take_requests().contains(&zip));
        }
        check_lock_file(terraform.folder(), is_signed);

        terraform.apply().unwrap().expect_success();
        assert_eq!(terraform.plan().unwrap().exit, Exit::NoChanges);
        terraform.destroy().unwrap().expect_success();
    }
}

/// The lock file has the hash of the content of the zip, and, if the checksums are signed, those of the zips for all
/// platforms.
fn check_lock_file(folder: &Path, is_signed: bool) {
    let lock = std::fs::read_to_string(folder.join(".terraform.lock.hcl")).unwrap();
    assert!(lock.contains(&format!("version = {VERSION:?}")), "{lock}");
    assert!(lock.contains("\"h1:"), "{lock}");
    let checksums = dist::checksums().into_iter();
    for (file, checksum) in checksums.filter(|(file, _)| is_signed && file.ends_with(".zip")) {
        assert!(
            lock.contains(&format!("\"zh:{checksum}\"")),
            "{file}: {lock}"
        );
    }
}
