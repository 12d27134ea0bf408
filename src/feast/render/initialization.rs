//! The init containers: one creates the feature repository, and another runs `feast apply`.

use k8s_openapi::api::core::v1::{Container, EnvFromSource, EnvVar};

use super::containers::{joint_environment, joint_mounts};
use super::volumes::mounts;
use super::{git_ca, repository, ssh};
use crate::feast::names;
use crate::feast::spec::{FeastApplyMode, ProjectSource, Store};

/// Returns the init containers of the servers' pods.
pub(super) fn containers(store: &Store) -> Option<Vec<Container>> {
    let mut containers: Vec<Container> = repository(store).into_iter().collect();
    if store.project.feast_apply == FeastApplyMode::InitContainer && !store.project.without_init {
        containers.push(feast_apply_container(store));
    }
    (!containers.is_empty()).then_some(containers)
}

/// Returns the container that creates the feature repository, unless Feast uses the one in the image.
pub(super) fn repository(store: &Store) -> Option<Container> {
    if store.project.without_init {
        return None;
    }
    let (env, env_from): (&[EnvVar], &[EnvFromSource]) = match &store.project.source {
        ProjectSource::Git(git) => (&git.env, &git.env_from),
        ProjectSource::Init { .. } | ProjectSource::Packaged { .. } => (&[], &[]),
    };
    Some(Container {
        name: names::INIT_CONTAINER.to_owned(),
        image: Some(store.project.init_image()),
        command: Some(vec!["bash".to_owned(), "-c".to_owned()]),
        args: Some(vec![repository::script(store)]),
        env: (!env.is_empty()).then(|| env.to_vec()),
        env_from: (!env_from.is_empty()).then(|| env_from.to_vec()),
        working_dir: Some(store.base_directory().to_owned()),
        resources: store.init_resources(),
        volume_mounts: Some(
            mounts(store, None)
                .into_iter()
                .chain(ssh::mount(store))
                .chain(git_ca::mount(store))
                .collect(),
        ),
        ..Container::default()
    })
}

/// Returns the container that runs `feast apply`.
pub(super) fn feast_apply_container(store: &Store) -> Container {
    command_container(store, names::APPLY_CONTAINER, &["feast", "apply"])
}

/// Returns a container that runs a command in the feature repository, with the environment and the files of the
/// servers.
pub(super) fn command_container(store: &Store, name: &str, command: &[&str]) -> Container {
    let (env, env_from) = joint_environment(store);
    Container {
        name: name.to_owned(),
        image: Some(store.project.init_image()),
        command: Some(command.iter().map(|word| (*word).to_owned()).collect()),
        env: super::containers::with_own_variables(store, env.unwrap_or_default()),
        env_from,
        working_dir: Some(store.repository()),
        resources: store.init_resources(),
        volume_mounts: Some([mounts(store, None), joint_mounts(store)].concat()),
        ..Container::default()
    }
}
