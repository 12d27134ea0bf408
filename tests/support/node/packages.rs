//! runc, iptables and conntrack: this machine's own, or those of Debian, unpacked into the user's cache.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::testbed::cache;
use crate::support::testbed::error::{Doing, Result};
use crate::support::testbed::process::{output, quoted};
use crate::support::testbed::progress::Progress;
use crate::support::testbed::tools::on_path;

const PROGRAMS: [&str; 3] = ["runc", "iptables", "conntrack"];
/// The packages of the programs, with the libraries that a minimal Debian or Ubuntu lacks.
const PACKAGES: [&str; 10] = [
    "conntrack",
    "iptables",
    "libip4tc2",
    "libip6tc2",
    "libmnl0",
    "libnetfilter-conntrack3",
    "libnfnetlink0",
    "libnftnl11",
    "libxtables12",
    "runc",
];
/// iptables is one program under several names.
const WRAPPED: [(&str, &str); 7] = [
    ("conntrack", "conntrack"),
    ("iptables", "xtables-nft-multi iptables"),
    ("iptables-restore", "xtables-nft-multi iptables-restore"),
    ("iptables-save", "xtables-nft-multi iptables-save"),
    ("ip6tables", "xtables-nft-multi ip6tables"),
    ("ip6tables-restore", "xtables-nft-multi ip6tables-restore"),
    ("ip6tables-save", "xtables-nft-multi ip6tables-save"),
];

pub struct Packages {
    programs: PathBuf,
    runc: PathBuf,
}

impl Packages {
    /// Finds the programs, or downloads and unpacks their packages with apt-get and dpkg-deb.
    pub fn ensure(progress: Progress) -> Result<Self> {
        if PROGRAMS.iter().all(|program| on_path(program).is_some()) {
            return Ok(Self {
                programs: PathBuf::from("/usr/sbin"),
                runc: PathBuf::from("runc"),
            });
        }
        let folder = cache::root()?.join("node").join("packages");
        let packages = Self {
            programs: folder.join("programs"),
            runc: folder.join("root/usr/sbin/runc"),
        };
        let _lock = cache::lock(&folder, progress)?;
        let complete = folder.join("complete");
        if !complete.is_file() {
            let step = progress.step("Downloading runc, iptables and conntrack");
            download(&folder)?;
            packages.wrap(&folder.join("root"))?;
            fs::write(&complete, "").doing(|| format!("writing {}", complete.display()))?;
            step.done();
        }
        Ok(packages)
    }

    pub fn programs(&self) -> &Path {
        &self.programs
    }

    pub fn runc(&self) -> &Path {
        &self.runc
    }

    /// Writes scripts that run the programs with the libraries beside them.
    fn wrap(&self, root: &Path) -> Result<()> {
        let doing = || format!("writing scripts into {}", self.programs.display());
        fs::create_dir_all(&self.programs).doing(doing)?;
        let libraries = root.join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH));
        let tables = quoted(&libraries.join("xtables"));
        let libraries = quoted(&libraries);
        let folder = quoted(&root.join("usr/sbin"));
        for (name, command) in WRAPPED {
            let script = format!(
                "#!/bin/sh\nLD_LIBRARY_PATH={libraries} XTABLES_LIBDIR={tables} \
                 exec {folder}/{command} \"$@\"\n"
            );
            let path = self.programs.join(name);
            fs::write(&path, script).doing(doing)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).doing(doing)?;
        }
        Ok(())
    }
}

fn download(folder: &Path) -> Result<()> {
    let (archives, root) = (folder.join("archives"), folder.join("root"));
    for path in [&archives, &root] {
        fs::create_dir_all(path).doing(|| format!("creating {}", path.display()))?;
    }
    let help = "Install them yourself: runc, iptables and conntrack.";
    let mut apt = Command::new("apt-get");
    apt.arg("download").args(PACKAGES).current_dir(&archives);
    output(&mut apt, "downloading packages").map_err(|error| error.help(help))?;
    let entries = fs::read_dir(&archives).doing(|| format!("reading {}", archives.display()))?;
    for archive in entries.flatten() {
        let mut dpkg = Command::new("dpkg-deb");
        dpkg.arg("--extract").arg(archive.path()).arg(&root);
        output(&mut dpkg, "unpacking a package").map_err(|error| error.help(help))?;
    }
    Ok(())
}
