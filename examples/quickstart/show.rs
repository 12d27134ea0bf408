//! Shows the commands that the quick start runs, as a user would type them, and their output.

use std::path::Path;
use std::process::Command;

use crate::support::terraform::Terraform;
use crate::support::testbed::Namespace;
use crate::support::testbed::error::{Doing, Error, Result};

/// Runs a Terraform command.
pub fn terraform(terraform: &Terraform, arguments: &[&str]) -> Result<()> {
    let mut command = terraform.command(arguments);
    let line = line(&command);
    println!("$ {line}");
    let status = command.status().doing(|| line.clone())?;
    if status.success() {
        return Ok(());
    }
    Err(Error::new(line, format!("it ended with {status}")))
}

/// Runs kubectl in the namespace.
pub fn kubectl(namespace: &Namespace, arguments: &[&str]) -> Result<()> {
    let namespaced = [&["--namespace", namespace.name()], arguments].concat();
    println!("$ kubectl {}", words(namespaced));
    println!("{}", namespace.kubectl(arguments)?);
    Ok(())
}

/// Returns the command as a line for a shell, with the name of the program in place of its path.
pub fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name();
    let program = program.unwrap_or_default().to_string_lossy();
    let arguments = command.get_args().map(|word| word.to_string_lossy());
    words(std::iter::once(program).chain(arguments))
}

fn words(words: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let words = words.into_iter().map(|word| quoted(word.as_ref()));
    words.collect::<Vec<_>>().join(" ")
}

/// Returns the word as a shell reads it.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@+%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
