//! The environment variables of the hashicorp/kubernetes provider, and those of `in_cluster_config` and
//! `expected_cluster_uid`.

use super::{Connection, ConnectionError};

/// Attributes and their variables, in the order of the documentation.
pub(super) const VARIABLES: [(&str, &str); 17] = [
    ("host", "KUBE_HOST"),
    ("username", "KUBE_USER"),
    ("password", "KUBE_PASSWORD"),
    ("insecure", "KUBE_INSECURE"),
    ("tls_server_name", "KUBE_TLS_SERVER_NAME"),
    ("client_certificate", "KUBE_CLIENT_CERT_DATA"),
    ("client_key", "KUBE_CLIENT_KEY_DATA"),
    ("cluster_ca_certificate", "KUBE_CLUSTER_CA_CERT_DATA"),
    ("config_path", "KUBE_CONFIG_PATH"),
    ("config_paths", "KUBE_CONFIG_PATHS"),
    ("config_context", "KUBE_CTX"),
    ("config_context_auth_info", "KUBE_CTX_AUTH_INFO"),
    ("config_context_cluster", "KUBE_CTX_CLUSTER"),
    ("token", "KUBE_TOKEN"),
    ("proxy_url", "KUBE_PROXY_URL"),
    ("in_cluster_config", "KUBE_IN_CLUSTER_CONFIG"),
    ("expected_cluster_uid", "KUBE_EXPECTED_CLUSTER_UID"),
];

/// Returns the variable of an attribute.
pub(super) fn variable(attribute: &str) -> &'static str {
    VARIABLES
        .into_iter()
        .find(|(name, _)| *name == attribute)
        .map_or("", |(_, variable)| variable)
}

/// Returns the value of a variable that is a boolean in Go's notation.
pub fn parse_boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

impl Connection {
    /// Sets the attributes that the block leaves out from the environment.
    ///
    /// If the block identifies the cluster (`host`, `config_path`, `config_paths` or `in_cluster_config`), the
    /// variables of these attributes are ignored. Otherwise the credentials of a forgotten `KUBE_CONFIG_PATH` would be
    /// sent to the host in the block.
    ///
    /// If the block has credentials, variables only complete them, by the password of its user or the key of its
    /// certificate. Otherwise the API server would get credentials that the block does not name.
    pub fn with_environment(
        mut self,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConnectionError> {
        let names_cluster = self.names_cluster();
        let has_credentials = self.has_credentials();
        let read = |attribute: &str| lookup(variable(attribute)).filter(|value| !value.is_empty());
        let flag = |attribute: &str| match read(attribute) {
            None => Ok(None),
            Some(text) => match parse_boolean(&text) {
                Some(value) => Ok(Some(value)),
                None => Err(ConnectionError::NotABoolean {
                    variable: variable(attribute),
                }),
            },
        };
        let mut attributes_set = Vec::new();
        {
            let mut set = |attribute: &'static str, slot: &mut Option<String>| {
                if slot.is_none()
                    && let Some(value) = read(attribute)
                {
                    *slot = Some(value);
                    attributes_set.push(attribute);
                }
            };
            if !names_cluster {
                set("host", &mut self.host);
                set("config_path", &mut self.config_path);
            }
            if !has_credentials {
                set("username", &mut self.username);
                set("client_certificate", &mut self.client_certificate);
                set("token", &mut self.token);
            }
            if !has_credentials || self.username.is_some() {
                set("password", &mut self.password);
            }
            if !has_credentials || self.client_certificate.is_some() {
                set("client_key", &mut self.client_key);
            }
            set("tls_server_name", &mut self.tls_server_name);
            set("cluster_ca_certificate", &mut self.cluster_ca_certificate);
            set("config_context", &mut self.config_context);
            set(
                "config_context_auth_info",
                &mut self.config_context_auth_info,
            );
            set("config_context_cluster", &mut self.config_context_cluster);
            set("proxy_url", &mut self.proxy_url);
            set("expected_cluster_uid", &mut self.expected_cluster_uid);
        }
        if !names_cluster {
            if self.config_path.is_none()
                && let Some(list) = read("config_paths")
            {
                let paths = std::env::split_paths(&list)
                    .map(|path| path.to_string_lossy().into_owned())
                    .filter(|path| !path.is_empty())
                    .collect();
                self.config_paths = Some(paths);
                attributes_set.push("config_paths");
            }
            if self.in_cluster_config.is_none()
                && let Some(value) = flag("in_cluster_config")?
            {
                self.in_cluster_config = Some(value);
                attributes_set.push("in_cluster_config");
            }
        }
        if self.insecure.is_none()
            && let Some(value) = flag("insecure")?
        {
            self.insecure = Some(value);
            attributes_set.push("insecure");
        }
        self.from_environment.extend(attributes_set);
        Ok(self)
    }

    /// Returns whether it identifies a cluster.
    pub(super) fn names_cluster(&self) -> bool {
        self.host.is_some()
            || self.config_path.is_some()
            || self
                .config_paths
                .as_ref()
                .is_some_and(|paths| !paths.is_empty())
            || self.in_cluster_config == Some(true)
    }

    /// Returns whether it has credentials, not counting those of a kubeconfig. A password and a key are only parts of
    /// them.
    pub(super) fn has_credentials(&self) -> bool {
        self.token.is_some()
            || self.username.is_some()
            || self.exec.is_some()
            || self.client_certificate.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::connection::Exec;

    fn environment(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        move |name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn sets_attributes_that_the_block_leaves_out() {
        let block = Connection {
            token: Some("mine".into()),
            ..Connection::default()
        };
        let merged = block
            .with_environment(environment(&[
                ("KUBE_HOST", "https://h"),
                ("KUBE_TOKEN", "theirs"),
                ("KUBE_INSECURE", "true"),
                ("KUBE_CTX", ""),
            ]))
            .expect("valid");
        let expected = Connection {
            host: Some("https://h".into()),
            token: Some("mine".into()),
            insecure: Some(true),
            from_environment: ["host", "insecure"].into(),
            ..Connection::default()
        };
        assert!(merged == expected, "{merged:?}");
    }

    #[test]
    fn paths_are_split() {
        let merged = Connection::default()
            .with_environment(environment(&[("KUBE_CONFIG_PATHS", "/a:/b")]))
            .expect("valid");
        assert_eq!(merged.config_paths, Some(vec!["/a".into(), "/b".into()]));
    }

    #[test]
    fn the_block_alone_identifies_the_cluster() {
        let block = Connection {
            host: Some("https://mine".into()),
            ..Connection::default()
        };
        let merged = block
            .clone()
            .with_environment(environment(&[
                ("KUBE_CONFIG_PATH", "/other"),
                ("KUBE_IN_CLUSTER_CONFIG", "true"),
            ]))
            .expect("valid");
        assert!(merged == block, "{merged:?}");
    }

    #[test]
    fn credentials_of_the_block_replace_those_of_the_environment() {
        let all = environment(&[
            ("KUBE_USER", "theirs"),
            ("KUBE_PASSWORD", "theirs"),
            ("KUBE_TOKEN", "theirs"),
            ("KUBE_CLIENT_CERT_DATA", "theirs"),
            ("KUBE_CLIENT_KEY_DATA", "theirs"),
        ]);
        let mine = || Some("mine".to_owned());
        let empty = Connection::default;
        let with_exec = Connection {
            exec: Some(Exec::default()),
            ..empty()
        };
        let with_token = Connection {
            token: mine(),
            ..empty()
        };
        let with_username = Connection {
            username: mine(),
            ..empty()
        };
        let with_certificate = Connection {
            client_certificate: mine(),
            ..empty()
        };
        let with_password = Connection {
            password: mine(),
            ..empty()
        };
        let with_key = Connection {
            client_key: mine(),
            ..empty()
        };
        for (block, completed) in [
            (
                empty(),
                "client_certificate client_key password token username",
            ),
            (with_exec, ""),
            (with_token, ""),
            (with_username, "password"),
            (with_certificate, "client_key"),
            // These are not credentials alone.
            (
                with_password,
                "client_certificate client_key token username",
            ),
            (with_key, "client_certificate password token username"),
        ] {
            let merged = block.with_environment(&all).expect("valid");
            let attributes = Vec::from_iter(merged.from_environment);
            assert_eq!(attributes.join(" "), completed);
        }
    }

    /// A flag that is false does not identify a cluster.
    #[test]
    fn a_flag_of_the_block_overrides_the_environment() {
        let block = Connection {
            insecure: Some(false),
            in_cluster_config: Some(false),
            ..Connection::default()
        };
        let merged = block
            .clone()
            .with_environment(environment(&[
                ("KUBE_INSECURE", "true"),
                ("KUBE_IN_CLUSTER_CONFIG", "true"),
                ("KUBE_HOST", "https://h"),
            ]))
            .expect("valid");
        let expected = Connection {
            host: Some("https://h".into()),
            from_environment: ["host"].into(),
            ..block
        };
        assert!(merged == expected, "{merged:?}");
    }

    #[test]
    fn a_flag_must_be_a_boolean() {
        let error = Connection::default()
            .with_environment(environment(&[("KUBE_INSECURE", "perhaps")]))
            .expect_err("not a boolean");
        assert_eq!(
            error.to_string(),
            "the environment variable KUBE_INSECURE must be \"true\" or \"false\""
        );
    }
}
