//! The sources of KEDA without the scalers that no test uses. They need the client libraries of clouds and databases,
//! which are half of all packages.

use std::fs;
use std::path::{Path, PathBuf};

use super::crds::{KEDA, module_folder};
use super::error::{Doing, Result};
use super::go_build::Module;

/// The folders of KEDA that are built.
const FOLDERS: [&str; 5] = ["apis", "cmd", "controllers", "pkg", "version"];
/// The scalers of the triggers `cpu`, `memory`, `cron` and `prometheus`.
const SCALERS: [&str; 3] = [
    "cpu_memory_scaler.go",
    "cron_scaler.go",
    "prometheus_scaler.go",
];

/// Writes the sources into `folder`. Returns the file for `go build -modfile`, which uses them.
pub fn write(folder: &Path) -> Result<PathBuf> {
    let module = module_folder(KEDA)?;
    // An interrupted build can have left this folder.
    fs::remove_dir_all(folder).ok();
    for name in FOLDERS {
        copy(&module.join(name), &folder.join(name))?;
    }
    let scalers = folder.join("pkg/scalers");
    let mut constructors = String::new();
    for file in files(&scalers)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if SCALERS.iter().any(|kept| *kept == name) {
            constructors.push_str(&read(&file)?);
        } else if name.ends_with("_scaler.go") {
            fs::remove_file(&file).doing(|| format!("removing {}", file.display()))?;
        }
    }
    // A constant of a scaler that is removed.
    replace(
        &scalers.join("constants.go"),
        "package scalers\n\nconst externalMetricType = \"External\"\n",
    )?;
    let builder = folder.join("pkg/scaling/scalers_builder.go");
    let remaining = without_cases(&read(&builder)?, &constructors);
    replace(&builder, &remaining)?;

    replace(&folder.join("go.mod"), &read(&module.join("go.mod"))?)?;
    let pins = Module::Keda.folder();
    let replaced = format!(
        "{}\nreplace {KEDA} => {}\n",
        read(&pins.join("go.mod"))?,
        folder.display()
    );
    replace(&folder.join("testbed.mod"), &replaced)?;
    replace(&folder.join("testbed.sum"), &read(&pins.join("go.sum"))?)?;
    Ok(folder.join("testbed.mod"))
}

/// Removes the cases of a `switch` that call a constructor that does not exist: two lines each.
fn without_cases(builder: &str, constructors: &str) -> String {
    let lines: Vec<&str> = builder.lines().collect();
    let is_removed = |position: usize| {
        let call = lines.get(position).copied().unwrap_or_default();
        let name = call.trim().strip_prefix("return scalers.");
        let name = name.and_then(|call| call.split('(').next());
        let is_case = |line: &&str| line.trim().starts_with("case \"");
        let above = position.checked_sub(1).and_then(|above| lines.get(above));
        above.is_some_and(is_case)
            && name.is_some_and(|name| !constructors.contains(&format!("func {name}(")))
    };
    let kept = (0..lines.len()).filter(|line| !is_removed(*line) && !is_removed(line + 1));
    let kept: Vec<&str> = kept.map(|line| lines[line]).collect();
    kept.join("\n")
}

/// Copies a folder without the tests.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).doing(|| format!("creating {}", to.display()))?;
    for file in files(from)? {
        let name = file.file_name().unwrap_or_default();
        let target = to.join(name);
        if file.is_dir() {
            copy(&file, &target)?;
        } else if !name.to_string_lossy().ends_with("_test.go") {
            // The files of the module cache are read-only.
            let content = fs::read(&file).doing(|| format!("reading {}", file.display()))?;
            fs::write(&target, content).doing(|| format!("writing {}", target.display()))?;
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).doing(|| format!("reading {}", folder.display()))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).doing(|| format!("reading {}", file.display()))
}

fn replace(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).doing(|| format!("writing {}", file.display()))
}
