//! What the provider block says, and the connection made from it when it is first needed.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::cluster::connection::{self, Connection};
use crate::cluster::{Cluster, Options};
use crate::feast::names;
use crate::schema::{Block, Diagnostic, Diagnostics, Path, Value, decode};

use super::config::{Exec, ProviderConfig};
use super::diagnostics;

/// The provider block, ready to be used.
#[derive(Default)]
pub struct Settings {
    config: ProviderConfig,
    /// What of it is not known before apply.
    unknown: BTreeSet<Path>,
    /// True if `namespace` is an empty string, which counts as absent.
    namespace_is_empty: bool,
    cluster: OnceCell<Arc<Cluster>>,
}

impl Settings {
    /// Reads a provider block. An empty string counts as absent in every attribute.
    ///
    /// # Errors
    ///
    /// One diagnostic for each value that does not fit the schema, or else for each that cannot be used.
    pub fn read(block: &Block, value: &Value) -> Result<Self, Diagnostics> {
        let decoded = decode(block, &without_empty_strings(value));
        if !decoded.diagnostics.is_empty() {
            return Err(decoded.diagnostics);
        }
        let config = serde_json::from_value(decoded.json).map_err(|error| {
            vec![Diagnostic::error(
                "The provider cannot read its configuration",
                format!("The provider block fits the schema, but not the type that the schema is made from: {error}. This is a defect of the provider; please report it."),
            )]
        })?;
        let settings = Self {
            config,
            unknown: decoded.unknown,
            namespace_is_empty: value.attribute("namespace").as_str() == Some(""),
            cluster: OnceCell::new(),
        };
        let problems = settings.connection().problems();
        match problems.is_empty() {
            true => Ok(settings),
            false => Err(problems.iter().map(diagnostics::provider_problem).collect()),
        }
    }

    /// Returns true if `namespace` is an empty string. It counts as absent, but it is seldom meant: a variable that is not
    /// set leads to it.
    pub fn namespace_is_empty(&self) -> bool {
        self.namespace_is_empty
    }

    /// Namespace of feature stores that name none; `None` while it is not known.
    pub fn namespace(&self) -> Option<&str> {
        if self.unknown.contains(&Path::of("namespace")) {
            return None;
        }
        Some(
            self.config
                .namespace
                .as_deref()
                .unwrap_or(names::DEFAULT_NAMESPACE),
        )
    }

    /// Whether the cluster can be told from the provider block yet.
    pub fn cluster_is_known(&self) -> bool {
        let namespace = Path::of("namespace");
        self.unknown.iter().all(|path| *path == namespace)
    }

    /// The cluster, connected on first use.
    ///
    /// # Errors
    ///
    /// What is missing or wrong in the provider block, or why the client could not be made.
    pub async fn cluster(&self) -> Result<Arc<Cluster>, Diagnostic> {
        if !self.cluster_is_known() {
            return Err(diagnostics::unknown_cluster(&self.unknown));
        }
        let made = self.cluster.get_or_try_init(|| async {
            let connection =
                (self.connection()).with_environment(|name| std::env::var(name).ok())?;
            Cluster::connect(&connection, self.options())
                .await
                .map(Arc::new)
        });
        made.await
            .cloned()
            .map_err(|error| diagnostics::connection_error(&error))
    }

    /// How this provider writes.
    pub fn options(&self) -> Options {
        Options {
            field_manager: (self.config.field_manager.clone())
                .unwrap_or_else(|| Options::default().field_manager),
            force_conflicts: self.config.force_conflicts.unwrap_or(false),
        }
    }

    fn connection(&self) -> Connection {
        let ProviderConfig {
            host,
            username,
            password,
            token,
            insecure,
            tls_server_name,
            client_certificate,
            client_key,
            cluster_ca_certificate,
            config_path,
            config_paths,
            config_context,
            config_context_auth_info,
            config_context_cluster,
            in_cluster_config,
            proxy_url,
            expected_cluster_uid,
            exec,
            namespace: _,
            field_manager: _,
            force_conflicts: _,
        } = self.config.clone();
        let exec = exec.map(
            |Exec {
                 api_version,
                 command,
                 args,
                 env,
             }| connection::Exec {
                api_version,
                command,
                args: args.unwrap_or_default(),
                env: env.unwrap_or_default(),
            },
        );
        Connection {
            host,
            username,
            password,
            token,
            insecure,
            tls_server_name,
            client_certificate,
            client_key,
            cluster_ca_certificate,
            config_path,
            config_paths,
            config_context,
            config_context_auth_info,
            config_context_cluster,
            proxy_url,
            exec,
            in_cluster_config,
            expected_cluster_uid,
            // [`Connection::with_environment`] notes it.
            from_environment: BTreeSet::new(),
        }
    }
}

/// Leaves out the empty strings of a provider block, as environment variables that are empty are left out: modules
/// pass them for what is not set. An `exec` block without a command and a version is left out as a whole; what it
/// passes on to its command stays as it is.
fn without_empty_strings(value: &Value) -> Value {
    let mut value = value.clone();
    if let Value::Object(attributes) = &mut value {
        for attribute in attributes.values_mut() {
            unset_empty(attribute);
            if let Value::List(items) = attribute {
                items.retain(|item| item.as_str() != Some(""));
            }
        }
    }
    if let Some(Value::List(items)) = value.get_mut(&Path::of("exec")) {
        for attribute in items.iter_mut() {
            if let Value::Object(attributes) = attribute {
                attributes.values_mut().for_each(unset_empty);
            }
        }
        items.retain(|item| {
            let is_absent =
                |name| matches!(item, Value::Object(_)) && item.attribute(name).is_null();
            !(is_absent("command") && is_absent("api_version"))
        });
    }
    value
}

fn unset_empty(value: &mut Value) {
    if value.as_str() == Some("") {
        *value = Value::Null;
    }
}
