//! The images of the node's containers. That of Feast is a root directory in which the container runtime mounts this
//! machine's programs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::feast::Python;
use crate::support::testbed::cache::sha256;
use crate::support::testbed::error::{Doing, Result};
use crate::support::testbed::process::output;
use serde_json::{Value as Json, json};

/// The user of the Feast image, which is no root.
const USER: u32 = 1001;
const HOME: &str = "/opt/app-root/src";
/// The folders of this machine that every container sees.
const PROGRAMS: [&str; 5] = ["/usr", "/bin", "/lib", "/lib64", "/sbin"];

/// An image in the format of `docker save`.
pub struct Image {
    tags: Vec<String>,
    configuration: Json,
    /// A program in the root directory, in place of this machine's.
    program: Option<PathBuf>,
}

impl Image {
    /// The image of the container that holds a pod's namespaces: the one program, and nothing else.
    pub fn pause(tags: &[&str], program: &Path) -> Self {
        Self::new(tags, json!({"Entrypoint": ["/pause"]}), Some(program))
    }

    /// The image of the feature server, as Feast publishes it: user, home and working directory.
    pub fn feast(tags: &[&str], python: &Python) -> Self {
        let path = format!("PATH={}:/usr/bin:/bin", python.programs().display());
        let configuration = json!({
            "User": USER.to_string(),
            "WorkingDir": HOME,
            "Env": [path, format!("HOME={HOME}"), "LANG=C.UTF-8"],
        });
        Self::new(tags, configuration, None)
    }

    fn new(tags: &[&str], configuration: Json, program: Option<&Path>) -> Self {
        Self {
            tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
            configuration,
            program: program.map(Path::to_owned),
        }
    }

    /// Writes the archive into a folder, and returns its path.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        let doing = || format!("writing the image {}", self.tags[0]);
        let parts = tempfile::TempDir::new_in(folder).doing(doing)?;
        let root = parts.path().join("root");
        match &self.program {
            Some(program) => {
                fs::create_dir(&root).doing(doing)?;
                let name = program.file_name().unwrap_or_default();
                fs::copy(program, root.join(name)).doing(doing)?;
            }
            None => write_root(&root).doing(doing)?,
        }
        let layer = parts.path().join("layer.tar");
        tar(&layer, &root, &["."])?;
        fs::remove_dir_all(&root).doing(doing)?;

        let digest = sha256(&fs::read(&layer).doing(doing)?);
        let configuration = json!({
            "architecture": if std::env::consts::ARCH == "aarch64" { "arm64" } else { "amd64" },
            "os": "linux",
            "config": self.configuration,
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
        });
        let configuration = configuration.to_string();
        let name = format!("{}.json", sha256(configuration.as_bytes()));
        let manifest = json!([{"Config": name, "RepoTags": self.tags, "Layers": ["layer.tar"]}]);
        fs::write(parts.path().join(&name), &configuration).doing(doing)?;
        fs::write(parts.path().join("manifest.json"), manifest.to_string()).doing(doing)?;
        let archive = folder.join(format!("{name}.tar"));
        tar(
            &archive,
            parts.path(),
            &["manifest.json", &name, "layer.tar"],
        )?;
        Ok(archive)
    }
}

/// Makes the root directory: links as this machine has them, users, and a home that the image's group may write.
fn write_root(root: &Path) -> std::io::Result<()> {
    for folder in ["etc", "tmp", "opt/app-root/src"] {
        fs::create_dir_all(root.join(folder))?;
    }
    for folder in PROGRAMS {
        let place = root.join(folder.trim_start_matches('/'));
        match fs::read_link(folder) {
            Ok(target) => symlink(target, place)?,
            Err(_) if Path::new(folder).is_dir() => fs::create_dir_all(place)?,
            Err(_) => {}
        }
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    for folder in ["opt/app-root", "opt/app-root/src"] {
        chown(root.join(folder), Some(USER), Some(0))?;
        fs::set_permissions(root.join(folder), fs::Permissions::from_mode(0o775))?;
    }
    for file in ["ld.so.cache", "nsswitch.conf"] {
        fs::copy(Path::new("/etc").join(file), root.join("etc").join(file))?;
    }
    fs::write(
        root.join("etc/passwd"),
        format!("root:x:0:0::/root:/bin/bash\ndefault:x:{USER}:0::{HOME}:/bin/bash\n"),
    )?;
    fs::write(root.join("etc/group"), "root:x:0:\n")
}

/// Writes what every container starts from: the runtime's own defaults, with this machine's programs and the Python
/// environment mounted read-only, and `further` folders, each with the place where containers see it.
pub fn write_runtime_specification(
    ctr: &Path,
    python: &Python,
    further: &[(PathBuf, PathBuf)],
    file: &Path,
) -> Result<()> {
    let doing = || format!("writing {}", file.display());
    let defaults = output(
        Command::new(ctr).args(["oci", "spec"]),
        "asking ctr for its defaults",
    )?;
    let mut specification: Json = serde_json::from_str(&defaults).doing(doing)?;
    let programs = PROGRAMS
        .map(Path::new)
        .into_iter()
        .filter(|it| it.is_dir() && !it.is_symlink());
    if let Some(mounts) = specification["mounts"].as_array_mut() {
        let same = programs
            .chain(python.folders())
            .map(|folder| (folder, folder));
        mounts.extend(same.chain(further.iter().map(|(from, to)| (from.as_path(), to.as_path()))).map(|(source, destination)| {
            json!({"destination": destination, "type": "bind", "source": source, "options": ["rbind", "ro"]})
        }));
    }
    fs::write(file, specification.to_string()).doing(doing)
}

fn tar(archive: &Path, folder: &Path, members: &[&str]) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.args(["--create", "--numeric-owner"])
        .arg("--file")
        .arg(archive)
        .arg("--directory")
        .arg(folder)
        .args(members);
    output(&mut tar, &format!("writing {}", archive.display())).map(drop)
}
