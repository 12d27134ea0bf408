//! One container of a pod: the parts of its specification that the kubelet and the container runtime implement.

use std::collections::BTreeMap;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, EnvVar};

/// The user's Secrets: from a Secret's name to its keys and values.
pub type Secrets = BTreeMap<String, BTreeMap<String, String>>;

/// The result of a command in a container.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub output: String,
    pub took: Duration,
}

impl Finished {
    /// Returns the output. Panics if the command has failed.
    #[track_caller]
    pub fn success(self) -> String {
        assert!(self.status.success(), "{}\n{}", self.status, self.output);
        self.output
    }
}

/// Returns the container's environment: `envFrom` first, then `env`, in which `$(NAME)` references an earlier
/// variable.
pub(super) fn environment(container: &Container, secrets: &Secrets) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for source in container.env_from.iter().flatten() {
        let secret = source.secret_ref.as_ref();
        let secret = secret.unwrap_or_else(|| panic!("only Secrets are known: {source:?}"));
        for (key, value) in secret_named(secrets, &secret.name) {
            let prefix = source.prefix.as_deref().unwrap_or_default();
            all.insert(format!("{prefix}{key}"), value.clone());
        }
    }
    for variable in container.env.iter().flatten() {
        let value = value(variable, secrets);
        let value = expand(&value, &all);
        all.insert(variable.name.clone(), value);
    }
    all
}

fn value(variable: &EnvVar, secrets: &Secrets) -> String {
    let Some(source) = &variable.value_from else {
        return variable.value.clone().unwrap_or_default();
    };
    let reference = source.secret_key_ref.as_ref();
    let reference = reference.unwrap_or_else(|| panic!("only Secrets are known: {variable:?}"));
    let secret = secret_named(secrets, &reference.name);
    let value = secret.get(&reference.key);
    value
        .unwrap_or_else(|| panic!("no key {:?} in Secret {:?}", reference.key, reference.name))
        .clone()
}

fn secret_named<'a>(secrets: &'a Secrets, name: &str) -> &'a BTreeMap<String, String> {
    secrets
        .get(name)
        .unwrap_or_else(|| panic!("no Secret {name:?}"))
}

/// Returns the command and the arguments.
pub(super) fn command_line(
    container: &Container,
    environment: &BTreeMap<String, String>,
) -> Vec<String> {
    let words = container.command.iter().chain(&container.args).flatten();
    let words: Vec<_> = words.map(|word| expand(word, environment)).collect();
    assert!(
        !words.is_empty(),
        "{}: the image's own command is not known",
        container.name
    );
    words
}

/// Expands Kubernetes' `$(NAME)`. `$$` is a dollar sign, and a reference to an undefined variable is unchanged.
fn expand(text: &str, environment: &BTreeMap<String, String>) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        rest = &rest[at..];
        let name = rest
            .strip_prefix("$(")
            .and_then(|rest| rest.split_once(')'));
        if let Some(after) = rest.strip_prefix("$$") {
            result.push('$');
            rest = after;
        } else if let Some((value, after)) =
            name.and_then(|(name, after)| Some((environment.get(name)?, after)))
        {
            result.push_str(value);
            rest = after;
        } else {
            result.push('$');
            rest = &rest[1..];
        }
    }
    result + rest
}

/// Sets only these variables, and those of the image.
pub(super) fn set_environment(
    command: &mut Command,
    image: &BTreeMap<&str, String>,
    own: &BTreeMap<String, String>,
) {
    command.env_clear().envs(image).envs(own);
}
