//! The folder of the artifacts, as `.goreleaser.yaml` names them.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::testbed::cache;
use crate::support::testbed::process::output;

/// The folder of the repository.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");
pub const NAME: &str = "terraform-provider-feast";
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Returns the path of an artifact.
#[track_caller]
pub fn path(file: &str) -> PathBuf {
    let path = Path::new(ROOT).join("dist").join(file);
    assert!(
        path.is_file(),
        "{} does not exist; run .ci/release first",
        path.display()
    );
    path
}

/// Returns the name of an artifact: `suffix` follows the version, such as `linux_amd64.zip`.
pub fn file_name(suffix: &str) -> String {
    format!("{NAME}_{VERSION}_{suffix}")
}

/// Returns the lines of `SHA256SUMS`: the name and the checksum of each file.
pub fn checksums() -> Vec<(String, String)> {
    let text = fs::read_to_string(path(&file_name("SHA256SUMS"))).unwrap();
    let mut all: Vec<_> = text
        .lines()
        .map(|line| {
            let (sum, file) = line.split_once("  ").unwrap();
            (file.to_owned(), sum.to_owned())
        })
        .collect();
    all.sort();
    all
}

/// Returns the SHA-256 checksum of a file, in hexadecimal.
pub fn sha256(path: &Path) -> String {
    cache::sha256(&fs::read(path).unwrap())
}

/// A file in a zip.
pub struct Entry {
    pub name: String,
    pub mode: Option<u32>,
    pub content: Vec<u8>,
}

/// Returns the files in the zip of a platform, such as `linux_amd64`, by name.
pub fn unzip(platform: &str) -> Vec<Entry> {
    let file = File::open(path(&file_name(&format!("{platform}.zip")))).unwrap();
    let mut archive = zip::ZipArchive::new(file).unwrap();
    let mut entries: Vec<_> = (0..archive.len())
        .map(|index| {
            let mut file = archive.by_index(index).unwrap();
            let mut content = Vec::new();
            file.read_to_end(&mut content).unwrap();
            Entry {
                name: file.name().unwrap().into_owned(),
                mode: file.unix_mode().map(|mode| mode & 0o777),
                content,
            }
        })
        .collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// Returns the program in the zip of a platform.
pub fn program(platform: &str) -> Vec<u8> {
    let mut entries = unzip(platform).into_iter();
    let program = entries.find(|entry| entry.name.starts_with(NAME));
    program.expect("a program").content
}

/// Returns the ID of the key in `key.asc`, in hexadecimal.
pub fn key_id() -> String {
    let mut gpg = Command::new("gpg");
    gpg.args(["--batch", "--with-colons", "--show-keys"]);
    let keys = output(gpg.arg(path("key.asc")), "reading the key").unwrap();
    let mut lines = keys.lines().map(|line| line.split(':'));
    let fields = lines.find_map(|mut fields| (fields.next() == Some("pub")).then_some(fields));
    let id = fields.and_then(|mut fields| fields.nth(3));
    id.expect("the ID of a public key").to_owned()
}
