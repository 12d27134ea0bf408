//! What runs before the servers: the feature repository is made, then applied to the registry.

use k8s_openapi::api::core::v1::Container;

use super::containers::joint_environment;
use super::deployment::mounts;
use crate::feast::names;
use crate::feast::spec::{Store, join};

pub(super) fn containers(store: &Store) -> Vec<Container> {
    let (env, env_from) = joint_environment(store);
    vec![
        Container {
            name: names::INIT_CONTAINER.to_owned(),
            image: Some(names::DEFAULT_IMAGE.to_owned()),
            command: Some(vec!["bash".to_owned(), "-c".to_owned()]),
            args: Some(vec![script(store)]),
            working_dir: Some(store.base_directory().to_owned()),
            volume_mounts: Some(mounts(store)),
            ..Container::default()
        },
        Container {
            name: names::APPLY_CONTAINER.to_owned(),
            image: Some(names::DEFAULT_IMAGE.to_owned()),
            command: Some(vec!["feast".to_owned(), "apply".to_owned()]),
            env,
            env_from,
            working_dir: Some(store.repository()),
            volume_mounts: Some(mounts(store)),
            ..Container::default()
        },
    ]
}

/// Makes the repository unless a claim already holds it, and points it at the mounted configuration: a
/// link, so that nothing of the configuration is ever left on a claim.
fn script(store: &Store) -> String {
    let repository = store.repository();
    format!(
        r#"set -euo pipefail
if [[ ! -d {directory} ]]; then
  echo "Creating the feature repository..."
  feast init {project}
fi
ln -sf {source} {target}
echo "The feature repository is ready."
"#,
        directory = quote(&repository),
        project = quote(&store.project),
        source = quote(&join(
            names::CONFIGURATION_DIRECTORY,
            names::FEATURE_STORE_YAML
        )),
        target = quote(&join(&repository, names::FEATURE_STORE_YAML)),
    )
}

/// One word for bash, whatever it holds.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_in_a_path_reaches_the_shell() {
        assert_eq!(super::quote("/a b/$(x)'; y"), r"'/a b/$(x)'\''; y'");
    }
}
