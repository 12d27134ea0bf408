//! The files in `dist/`: names, checksums, signature, and the programs in the zips.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Completion;
use serde_json::Value as Json;

use super::dist::{self, NAME, ROOT, VERSION};
use super::program::{Format, Header, PLATFORMS, Platform};
use crate::support::testbed::process::output;
use crate::support::testbed::tools::on_path;

/// The registries find the files by these names:
/// <https://developer.hashicorp.com/terraform/registry/providers/publishing>.
pub fn names_are_those_of_the_registries() {
    let mut expected: Vec<_> = PLATFORMS
        .iter()
        .flat_map(|platform| {
            let zip = dist::file_name(&format!("{}.zip", platform.name));
            [format!("{zip}.cdx.json"), zip]
        })
        .collect();
    expected.push(dist::file_name("manifest.json"));
    expected.sort();
    let listed = dist::checksums().into_iter().map(|(file, _)| file);
    assert_eq!(listed.collect::<Vec<_>>(), expected);

    for platform in PLATFORMS {
        let exe = match platform.format {
            Format::Pe => ".exe",
            Format::Elf | Format::MachO => "",
        };
        let program = format!("{NAME}_v{VERSION}{exe}");
        let entries = dist::unzip(platform.name);
        let names: Vec<_> = entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry.mode))
            .collect();
        assert_eq!(
            names,
            [("LICENSE", Some(0o644)), (program.as_str(), Some(0o755))],
            "{}",
            platform.name
        );
        assert_eq!(
            entries[0].content,
            fs::read(Path::new(ROOT).join("LICENSE")).unwrap()
        );
    }
}

pub fn checksums_and_signature_are_valid() {
    for (file, sum) in dist::checksums() {
        // The release has the manifest under another name.
        let path = match file.ends_with("_manifest.json") {
            true => Path::new(ROOT).join("terraform-registry-manifest.json"),
            false => dist::path(&file),
        };
        assert_eq!(dist::sha256(&path), sum, "{file}");
    }
    let home = tempfile::tempdir().unwrap();
    let gpg = |arguments: &[&Path]| {
        let mut gpg = Command::new("gpg");
        gpg.arg("--batch")
            .env("GNUPGHOME", home.path())
            .args(arguments);
        output(&mut gpg, "checking the signature").unwrap();
    };
    gpg(&["--import".as_ref(), &dist::path("key.asc")]);
    let sums = dist::file_name("SHA256SUMS");
    let signature = dist::path(&format!("{sums}.sig"));
    gpg(&["--verify".as_ref(), &signature, &dist::path(&sums)]);
}

pub fn programs_are_for_their_platforms() {
    for platform in PLATFORMS {
        let header = Header::parse(&dist::program(platform.name));
        assert_eq!(
            (header.format, header.processor),
            (platform.format, platform.processor),
            "{}",
            platform.name
        );
    }
}

/// Every library is a part of the operating system. The programs for Linux are static.
pub fn programs_need_no_library_that_a_user_installs() {
    let libraries: Vec<_> = PLATFORMS
        .iter()
        .map(|platform| {
            let header = Header::parse(&dist::program(platform.name));
            format!("{}: {}", platform.name, header.libraries.join(" "))
        })
        .collect();
    expect_test::expect_file!["libraries.txt"].assert_eq(&(libraries.join("\n") + "\n"));
}

/// The SBOM of each zip is the list of packages that cargo-auditable has written into the program. It has every package
/// that `cargo tree` prints for the platform, and those of the build.
pub fn programs_list_their_dependencies() {
    for Platform { name, target, .. } in PLATFORMS {
        let file = dist::file_name(&format!("{name}.zip.cdx.json"));
        let sbom: Json = serde_json::from_slice(&fs::read(dist::path(&file)).unwrap()).unwrap();
        let own = &sbom["metadata"]["component"];
        let components = sbom["components"].as_array().unwrap();
        let listed: BTreeSet<_> = components
            .iter()
            .chain([own])
            .map(|component| {
                let part = |name: &str| component[name].as_str().unwrap().to_owned();
                format!("{} v{}", part("name"), part("version"))
            })
            .collect();
        let missing: Vec<_> = dependencies(target).difference(&listed).cloned().collect();
        assert_eq!(missing, Vec::<String>::new(), "{name}");
    }
}

/// Returns the packages that a program for `target` contains, with their versions.
fn dependencies(target: &str) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args([
            "tree",
            "--locked",
            "--prefix=none",
            "--edges=normal,no-proc-macro",
        ])
        .args(["--format={p}", "--target", target])
        .current_dir(ROOT);
    let tree = output(&mut cargo, "listing the dependencies").unwrap();
    // A line is the name, the version, and the folder of a local package.
    tree.lines()
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .filter(|package| !package.is_empty())
        .collect()
}

/// The program for Linux on arm64 runs in an emulator, where one is installed. The workflow installs one.
pub fn arm64_program_runs() -> Completion {
    let emulators = ["qemu-aarch64", "qemu-aarch64-static"];
    let Some(emulator) = emulators.iter().find_map(|name| on_path(name)) else {
        let missing = "qemu-aarch64 is not installed";
        assert!(std::env::var_os("GITHUB_ACTIONS").is_none(), "{missing}");
        return Completion::ignored_with(missing);
    };
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    fs::write(&program, dist::program("linux_arm64")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut emulator = Command::new(emulator);
    let printed = output(
        emulator.arg(&program).arg("--version"),
        "running the program",
    );
    assert_eq!(printed.unwrap(), format!("{NAME} {VERSION}\n"));
    Completion::Completed
}
