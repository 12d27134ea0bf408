//! The source of the feature definitions, and what applies them.

use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar};

use super::{CaCert, Store, join};
use crate::feast::config::{self, FeastApply, FeastProjectDir};
use crate::feast::names::{self, FEATURE_REPOSITORY};

/// The Feast project, and how its feature repository gets into the pods.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    pub name: String,
    pub source: ProjectSource,
    /// The image of the init containers.
    pub init_image: Option<String>,
    /// True if the pods start without init containers.
    pub without_init: bool,
    pub protected: bool,
    pub feast_apply: FeastApplyMode,
}

/// The source of the feature repository.
#[derive(Debug, Clone, PartialEq)]
pub enum ProjectSource {
    /// Created by `feast init`.
    Init {
        minimal: bool,
        template: Option<&'static str>,
    },
    Git(Box<Git>),
    /// In the image, at this path.
    Packaged {
        image: Option<String>,
        path: String,
    },
}

/// A git repository that the first init container clones.
#[derive(Debug, Clone, PartialEq)]
pub struct Git {
    pub url: String,
    /// `None` for the default branch.
    pub reference: Option<String>,
    /// The settings of `git -c`, in order of their names.
    pub configs: Vec<(String, String)>,
    /// The directory of the definitions in the repository.
    pub directory: String,
    pub ssh: Option<Ssh>,
    /// `None` for the CA certificates of the image.
    pub ca_cert: Option<CaCert>,
    pub env: Vec<EnvVar>,
    pub env_from: Vec<EnvFromSource>,
}

/// The user's Secret with the SSH key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssh {
    pub secret: String,
    pub private_key: String,
    /// `None` if any host key is accepted.
    pub known_hosts: Option<String>,
}

/// The way in which `feast apply` is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeastApplyMode {
    /// A Job for each configuration, before the rollout.
    Job,
    /// Every pod, before its servers start.
    InitContainer,
    None,
}

/// Returns the configured value, if there is one.
pub(in crate::feast) fn configured_apply(
    apply: Option<FeastApply>,
    on_init: Option<bool>,
) -> Option<FeastApplyMode> {
    match (apply, on_init) {
        (Some(FeastApply::Job), _) => Some(FeastApplyMode::Job),
        (Some(FeastApply::InitContainer), _) | (None, Some(true)) => {
            Some(FeastApplyMode::InitContainer)
        }
        (Some(FeastApply::None), _) | (None, Some(false)) => Some(FeastApplyMode::None),
        (None, None) => None,
    }
}

impl Project {
    pub(super) fn new(
        name: &str,
        directory: Option<&FeastProjectDir>,
        init_image: Option<String>,
        without_init: bool,
        protected: bool,
    ) -> Self {
        Self {
            name: name.to_owned(),
            source: ProjectSource::new(directory),
            init_image,
            without_init,
            protected,
            feast_apply: FeastApplyMode::None,
        }
    }

    /// Returns the default image of the servers.
    pub(super) fn server_image(&self) -> String {
        match &self.source {
            ProjectSource::Packaged {
                image: Some(image), ..
            } => image.clone(),
            _ => names::DEFAULT_IMAGE.to_owned(),
        }
    }

    /// Returns the image of the init containers and of `feast apply`.
    pub fn init_image(&self) -> String {
        self.init_image
            .clone()
            .unwrap_or_else(|| self.server_image())
    }
}

impl Project {
    /// Returns the repository that the first init container clones, if there is one.
    pub fn cloned(&self) -> Option<&Git> {
        match &self.source {
            ProjectSource::Git(git) if !self.without_init => Some(git),
            ProjectSource::Git(_) | ProjectSource::Init { .. } | ProjectSource::Packaged { .. } => {
                None
            }
        }
    }
}

impl ProjectSource {
    fn new(directory: Option<&FeastProjectDir>) -> Self {
        let FeastProjectDir {
            init,
            git,
            packaged,
        } = directory.cloned().unwrap_or_default();
        match (git, packaged) {
            (Some(git), _) => Self::Git(Box::new(Git::new(git))),
            (
                None,
                Some(config::Packaged {
                    image,
                    feature_repo_path,
                }),
            ) => Self::Packaged {
                image,
                path: join("/", &feature_repo_path),
            },
            (None, None) => {
                let config::Init { minimal, template } = init.unwrap_or_default();
                Self::Init {
                    minimal: minimal.unwrap_or(false),
                    template: template.map(config::Template::as_str),
                }
            }
        }
    }
}

impl Git {
    fn new(git: config::Git) -> Self {
        let config::Git {
            url,
            r#ref,
            configs,
            feature_repo_path,
            ssh,
            ca_cert_config_map,
            env,
            env_from,
        } = git;
        Self {
            ssh: ssh.map(Ssh::new),
            ca_cert: ca_cert_config_map.map(CaCert::new),
            url,
            reference: r#ref,
            configs: configs
                .unwrap_or_default()
                .into_iter()
                .map(|(name, value)| (unquoted(&name), value))
                .collect(),
            directory: feature_repo_path.unwrap_or_else(|| FEATURE_REPOSITORY.to_owned()),
            env: env.unwrap_or_default(),
            env_from: env_from.unwrap_or_default(),
        }
    }
}

impl Ssh {
    fn new(ssh: config::GitSsh) -> Self {
        let config::GitSsh {
            secret_ref,
            secret_key_names,
            strict_host_key_checking,
        } = ssh;
        let config::GitSshKeyNames {
            private_key,
            known_hosts,
        } = secret_key_names.unwrap_or_default();
        let known_hosts = known_hosts.unwrap_or_else(|| names::SSH_KNOWN_HOSTS_KEY.to_owned());
        Self {
            secret: secret_ref.name,
            private_key: private_key.unwrap_or_else(|| names::SSH_PRIVATE_KEY_KEY.to_owned()),
            known_hosts: strict_host_key_checking
                .unwrap_or(true)
                .then_some(known_hosts),
        }
    }
}

/// Removes the quotes of `section."subsection".key`, the notation of configuration files of git. On the command line,
/// quotes would be a part of the name.
fn unquoted(name: &str) -> String {
    let parts = name.split_once(".\"").and_then(|(section, rest)| {
        let (sub, key) = rest.rsplit_once("\".")?;
        Some((section, sub, key))
    });
    match parts {
        Some((section, sub, key)) => format!("{section}.{sub}.{key}"),
        None => name.to_owned(),
    }
}

impl Store {
    /// Returns the directory of the project: the clone, or what `feast init` creates.
    pub fn project_directory(&self) -> String {
        join(self.base_directory(), &self.project.name)
    }

    /// Returns the directory of the feature repository, in which every Feast command runs.
    pub fn repository(&self) -> String {
        match &self.project.source {
            ProjectSource::Packaged { path, .. } if self.project.without_init => path.clone(),
            ProjectSource::Git(git) => join(&self.project_directory(), &git.directory),
            _ => join(&self.project_directory(), FEATURE_REPOSITORY),
        }
    }

    /// Returns the default. A Job has its own pod and files, so it can run `feast apply` only if no store is in the
    /// servers' pods.
    pub(super) fn default_apply(&self) -> FeastApplyMode {
        if self.project.without_init {
            // As with the Feast operator, nothing runs before the servers.
            FeastApplyMode::None
        } else if self.jobs_reach_data() {
            FeastApplyMode::Job
        } else {
            FeastApplyMode::InitContainer
        }
    }

    /// Returns whether a pod of a Job reaches the online store and the registry. It has its own files, so it does not
    /// if one of them is in the servers' pods, or if the pods share the files of a PVC.
    pub fn jobs_reach_data(&self) -> bool {
        self.online.is_shared() && self.registry.is_shared() && self.pvcs().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::feast::spec::Defaults;

    fn store(services: Json) -> Store {
        let store = json!({"name": "demo", "feastProject": "p", "services": services});
        Store::new(
            &serde_json::from_value(store).unwrap(),
            &Defaults::default(),
        )
    }

    #[test]
    fn the_default_is_a_job_if_no_store_is_in_the_pods() {
        let database = |kind: &str| json!({"store": {"type": kind, "secretRef": {"name": "s"}}});
        let apply = |services: Json| store(services).project.feast_apply;
        let online = json!({"persistence": database("postgres")});
        let sql = json!({"local": {"persistence": database("sql")}});
        let remote = json!({"remote": {"hostname": "r:80"}});
        let object = json!({"local": {"persistence": {"file": {"path": "s3://b/r.db"}}}});
        for registry in [&sql, &remote, &object] {
            let services = json!({"onlineStore": online, "registry": registry});
            assert_eq!(apply(services), FeastApplyMode::Job, "{registry}");
        }
        let off = json!({"disabled": true});
        assert_eq!(
            apply(json!({"onlineStore": off, "registry": sql})),
            FeastApplyMode::Job
        );
        let pvc = json!({"persistence": {"file": {"pvc": {"create": {}, "mountPath": "/o"}}}});
        for in_the_pod in [
            json!({}),
            json!({"onlineStore": online}),
            json!({"registry": sql}),
            json!({"onlineStore": online, "registry": sql, "offlineStore": pvc}),
        ] {
            assert_eq!(
                apply(in_the_pod.clone()),
                FeastApplyMode::InitContainer,
                "{in_the_pod}"
            );
        }
        assert_eq!(
            apply(json!({"disableInitContainers": true})),
            FeastApplyMode::None
        );
    }

    #[test]
    fn a_configured_value_takes_precedence() {
        let apply = |services: Json| store(services).project.feast_apply;
        assert_eq!(apply(json!({"feastApply": "job"})), FeastApplyMode::Job);
        assert_eq!(apply(json!({"feastApply": "none"})), FeastApplyMode::None);
        assert_eq!(
            apply(json!({"runFeastApplyOnInit": false})),
            FeastApplyMode::None
        );
        assert_eq!(
            apply(json!({"runFeastApplyOnInit": true})),
            FeastApplyMode::InitContainer
        );
    }

    #[test]
    fn quotes_of_a_subsection_are_removed() {
        let same = |name: &str, expected: &str| assert_eq!(unquoted(name), expected);
        same("http.sslVerify", "http.sslVerify");
        same(
            "url.\"https://a.b/\".insteadOf",
            "url.https://a.b/.insteadOf",
        );
        same("a.\"b\".c.\"d\".e", "a.b\".c.\"d.e");
        same("a.\"b", "a.\"b");
    }
}
