//! The script of the first init container: it creates the feature repository and links the mounted configuration into
//! it, so that no configuration is left on a PVC.
//!
//! The script exits with an error if any command fails, it can run again after an earlier run, and it passes every
//! value of the user to the shell as a single word.

use std::borrow::Cow;

use super::references::escape;
use super::{git_ca, ssh};
use crate::feast::names;
use crate::feast::spec::{Git, ProjectSource, Store, join};

/// The text before and after the settings of `git -c` in the script.
const SETTINGS: [&str; 2] = [r#" -c remote.origin.url="$url""#, r#" "$@"; }"#];

/// Replaces the settings of git in a script with a note, because they often contain a token.
pub(in crate::feast) fn without_git_settings<'a>(text: &'a str, note: &str) -> Cow<'a, str> {
    let [before, after] = SETTINGS;
    let parts = text.split_once(before).and_then(|(head, rest)| {
        let (settings, tail) = rest.split_once(after)?;
        (!settings.is_empty()).then_some((head, tail))
    });
    match parts {
        Some((head, tail)) => Cow::Owned(format!("{head}{before} {note}{after}{tail}")),
        None => Cow::Borrowed(text),
    }
}

pub(super) fn script(store: &Store) -> String {
    let repository = store.repository();
    let made = match &store.project.source {
        ProjectSource::Init { minimal, template } => init(store, *minimal, *template),
        ProjectSource::Git(git) => clone(store, git),
        ProjectSource::Packaged { path, .. } => copy(store, path),
    };
    format!(
        r#"set -euo pipefail
{made}ln -sf {source} {target}
echo "The feature repository is ready."
"#,
        source = quote(&join(
            names::CONFIGURATION_DIRECTORY,
            names::FEATURE_STORE_YAML
        )),
        target = quote(&join(&repository, names::FEATURE_STORE_YAML)),
    )
}

fn init(store: &Store, minimal: bool, template: Option<&str>) -> String {
    let mut options = String::new();
    if minimal {
        options.push_str("-m ");
    }
    if let Some(template) = template {
        options.push_str(&format!("-t {template} "));
    }
    format!(
        r#"if [[ ! -d {directory} ]]; then
  echo "Creating the feature repository..."
  feast init {options}{project}
fi
"#,
        directory = quote(&store.repository()),
        project = quote(&store.project.name),
    )
}

/// A new clone is moved to its directory when it is complete. An existing one (on a PVC, or after a restart) is
/// updated, and files that git does not track are kept. A full commit hash is fetched only once, and everything else at
/// each start. Pods that share a PVC run one after the other, so locks of git remain only if a pod was killed. The
/// URL, which can contain a token, is passed to git with each command and not stored.
fn clone(store: &Store, git: &Git) -> String {
    let Git {
        url,
        reference,
        configs,
        directory: _,
        ssh,
        ca_cert,
        env: _,
        env_from: _,
    } = git;
    let ssh = ssh.as_ref().map(ssh::script).unwrap_or_default();
    let ca_cert = ca_cert
        .as_ref()
        .map(|_| git_ca::script())
        .unwrap_or_default();
    let project = store.project_directory();
    let options: String = configs
        .iter()
        .map(|(name, value)| format!(" -c {}", expanded(&format!("{name}={value}"))))
        .collect();
    let branches = "'+refs/heads/*:refs/remotes/origin/*'";
    let (reference, refspecs) = match reference.as_deref() {
        None | Some("HEAD") => (
            quote("refs/feast/HEAD"),
            format!("{branches} '+HEAD:refs/feast/HEAD'"),
        ),
        Some(reference) => (expanded(reference), branches.to_owned()),
    };
    format!(
        r#"export GIT_TERMINAL_PROMPT=0
{ssh}{ca_cert}project={project}
repository={repository}
url={url}
reference={reference}
configured_git() {{ git -C "$clone" -c safe.directory="$clone"{before_settings}{options}{after_settings}
commit_of() {{ configured_git rev-parse --verify --quiet "$1^{{commit}}" || true; }}
exec 9> "$project.lock"
if ! python3 -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'; then
  echo "The volume does not support locks: pods that share it can update the repository at the same time." >&2
elif [[ -d "$project/.git" ]]; then
  (shopt -s globstar nullglob; rm -f -- "$project"/.git/**/*.lock)
fi
clone="$project"
if [[ ! -e "$project" ]]; then
  echo "Cloning the feature repository..."
  clone="$project.clone"
  rm -rf -- "$clone"
  git init --quiet "$clone"
elif [[ ! -d "$project/.git" ]]; then
  echo "$project already exists and is not a git repository. Move it out of the volume." >&2
  exit 1
fi
if [[ "$(commit_of HEAD)" != "$reference" ]]; then
  echo "Fetching the feature repository..."
  git config --file "$clone/.git/config" --unset-all remote.origin.url || true
  if ! configured_git fetch --force --prune --tags --no-write-fetch-head origin {refspecs}; then
    echo "The feature repository cannot be fetched. A copy from an earlier start is not used, because it may be outdated." >&2
    exit 1
  fi
  commit="$reference"
  if [[ -n "$(commit_of "refs/remotes/origin/$reference")" ]]; then
    commit="refs/remotes/origin/$reference"
  fi
  if [[ -z "$(commit_of "$commit")" ]]; then
    echo "The feature repository has no branch, tag or commit $reference." >&2
    exit 1
  fi
  if [[ "$(commit_of HEAD)" != "$(commit_of "$commit")" ]]; then
    configured_git checkout --force --detach "$commit" --
  fi
fi
if [[ "$clone" != "$project" ]]; then
  mv -- "$clone" "$project"
fi
if [[ ! -d "$repository" ]]; then
  echo "The clone has no directory $repository." >&2
  exit 1
fi
"#,
        project = quote(&project),
        repository = quote(&store.repository()),
        url = expanded(url),
        before_settings = SETTINGS[0],
        after_settings = SETTINGS[1],
    )
}

fn copy(store: &Store, path: &str) -> String {
    format!(
        r#"packaged={packaged}
repository={repository}
if [[ ! -d "$packaged" ]]; then
  echo "The image has no directory $packaged." >&2
  exit 1
fi
echo "Copying the feature repository..."
rm -rf -- "$repository"
mkdir -p -- "$repository"
cp -a -- "$packaged/." "$repository/"
"#,
        packaged = quote(path),
        repository = quote(&store.repository()),
    )
}

/// Quotes a text as a single word for bash.
fn quote(word: &str) -> String {
    format!("'{}'", literal(word))
}

/// Quotes a text as a single word for bash in which only `${NAME}` is replaced with an environment variable.
fn expanded(word: &str) -> String {
    let mut quoted = "'".to_owned();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once("${") {
        match after.split_once('}') {
            Some((name, after)) if is_variable(name) => {
                quoted.push_str(&format!("{}'\"${{{name}}}\"'", literal(before)));
                rest = after;
            }
            _ => {
                quoted.push_str(&format!("{}${{", literal(before)));
                rest = after;
            }
        }
    }
    quoted.push_str(&literal(rest));
    quoted.push('\'');
    quoted
}

fn is_variable(name: &str) -> bool {
    let start = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(start) && name.chars().all(|c| start(c) || c.is_ascii_digit())
}

/// Escapes text between single quotes, for bash and for Kubernetes.
fn literal(text: &str) -> String {
    escape(&text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
