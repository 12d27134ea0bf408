//! What the provider block says, and the connection made from it when it is first needed.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::cluster::connection::{self, Connection};
use crate::cluster::{Cluster, Options};
use crate::feast::names;
use crate::schema::{Block, Diagnostic, Diagnostics, Path, Value, decode};

use super::config::{Exec, ProviderConfig};
use super::wording;

/// The provider block, ready to be used.
#[derive(Default)]
pub struct Settings {
    config: ProviderConfig,
    /// What of it is not known before apply.
    unknown: BTreeSet<Path>,
    cluster: OnceCell<Arc<Cluster>>,
}

impl Settings {
    /// Reads a provider block.
    ///
    /// # Errors
    ///
    /// One diagnostic for each value that does not fit the schema.
    pub fn read(block: &Block, value: &Value) -> Result<Self, Diagnostics> {
        let decoded = decode(block, value);
        if !decoded.diagnostics.is_empty() {
            return Err(decoded.diagnostics);
        }
        let config = serde_json::from_value(decoded.json).map_err(|error| {
            vec![Diagnostic::error(
                "The provider cannot read its configuration",
                format!("The provider block fits the schema, but not the type that the schema is made from: {error}. This is a defect of the provider; please report it."),
            )]
        })?;
        Ok(Self {
            config,
            unknown: decoded.unknown,
            cluster: OnceCell::new(),
        })
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
            return Err(wording::unknown_cluster(&self.unknown));
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
            .map_err(|error| wording::connection_error(&error))
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
