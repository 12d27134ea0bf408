//! The user's cache of built or installed programs, each named by a hash of the files that pin it.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::{Doing, Error, Result};
use super::progress::Progress;

/// Returns `~/.cache/terraform-provider-feast`, or the folder in `XDG_CACHE_HOME`.
pub fn root() -> Result<PathBuf> {
    let absolute = |variable| {
        std::env::var_os(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("terraform-provider-feast"))
        .ok_or_else(|| {
            Error::new("finding the user's cache folder", "HOME is not set")
                .help("Set XDG_CACHE_HOME to a folder for the programs that the tests need.")
        })
}

/// Returns the folder of the testbed's programs and runs.
pub fn testbed() -> Result<PathBuf> {
    Ok(root()?.join("testbed"))
}

/// Returns a name that depends on the content of these files, and on other settings.
pub fn key(pins: &[PathBuf], settings: &str) -> Result<String> {
    let mut content = settings.as_bytes().to_vec();
    for path in pins {
        content.extend(fs::read(path).doing(|| format!("reading {}", path.display()))?);
    }
    Ok(sha256(&content)[..16].to_owned())
}

/// Returns the SHA-256 checksum in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Creates `folder`, and prevents other processes from filling it as long as the result exists.
pub fn lock(folder: &Path, progress: Progress) -> Result<File> {
    fs::create_dir_all(folder).doing(|| format!("creating {}", folder.display()))?;
    let path = folder.with_extension("lock");
    let doing = || format!("locking {}", path.display());
    let file = File::create(&path).doing(doing)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let step = progress.step("Waiting for another process that builds the same programs");
            file.lock().doing(doing)?;
            step.done();
        }
        Err(TryLockError::Error(error)) => return Err(Error::new(doing(), error)),
    }
    Ok(file)
}
