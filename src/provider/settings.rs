//! The settings of the provider block, and the connection to the cluster, which is made when it is first needed.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::cluster::connection::{self, Connection, ConnectionError};
use crate::cluster::{Cluster, Options, Warnings};
use crate::feast::names;
use crate::schema::{Block, Diagnostic, Diagnostics, Path, Value};

use super::config::{Exec, ProviderConfig};
use super::{decode_as, diagnostics};

/// The environment variable of the attribute `preflight`.
const PREFLIGHT_VARIABLE: &str = "FEAST_PREFLIGHT";

/// The environment variables that stand for attributes of the provider block. The default has none, so that a test
/// cannot contact the cluster of the developer. Those of proxies and of a pod are read from the process
/// (`cluster::connection`).
#[derive(Clone)]
pub struct EnvironmentVariables(Arc<Lookup>);

/// Returns the value of a variable.
type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

impl EnvironmentVariables {
    fn new(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }

    /// Returns the variables of this process.
    pub fn of_this_process() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }

    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name)
    }
}

impl Default for EnvironmentVariables {
    fn default() -> Self {
        Self::new(|_| None)
    }
}

/// The settings of the provider block. All clones share the connection.
#[derive(Clone, Default)]
pub struct Settings {
    config: ProviderConfig,
    environment: EnvironmentVariables,
    /// The paths of the values that are not known before apply.
    unknown: BTreeSet<Path>,
    /// True if plans check what the cluster would refuse.
    preflight: bool,
    cluster: Arc<OnceCell<Cluster>>,
    /// The warnings of the API server in one operation.
    warnings: Warnings,
}

impl Settings {
    /// Reads a provider block. An empty string counts as absent in every attribute.
    ///
    /// # Errors
    ///
    /// One diagnostic for each value that does not fit the schema. If all fit, one for each that cannot be used.
    pub fn read(
        block: &Block,
        value: &Value,
        environment: &EnvironmentVariables,
    ) -> Result<Self, Diagnostics> {
        let (config, unknown) = decode_as::<ProviderConfig>(block, &without_empty_strings(value))?;
        let preflight = preflight(&config, &unknown, environment);
        let settings = Self {
            config,
            environment: environment.clone(),
            unknown,
            preflight: matches!(preflight, Ok(true)),
            cluster: Arc::default(),
            warnings: Warnings::default(),
        };
        let problems = settings.connection().problems();
        let mut errors: Diagnostics = problems.iter().map(diagnostics::provider_problem).collect();
        errors.extend(preflight.err());
        match errors.is_empty() {
            true => Ok(settings),
            false => Err(errors),
        }
    }

    /// Returns true if `namespace` is null or an empty string, so that the default applies. For an existing feature
    /// store this is seldom intended: the value can come from a variable that is not set.
    pub fn namespace_is_default(&self) -> bool {
        !self.namespace_is_unknown() && self.config.namespace.is_none()
    }

    fn namespace_is_unknown(&self) -> bool {
        self.unknown.contains(&Path::of("namespace"))
    }

    /// Returns the namespace of feature stores without one of their own; `None` while it is unknown.
    pub fn namespace(&self) -> Option<&str> {
        if self.namespace_is_unknown() {
            return None;
        }
        Some(
            self.config
                .namespace
                .as_deref()
                .unwrap_or(names::DEFAULT_NAMESPACE),
        )
    }

    /// Returns whether the values that identify the cluster are known.
    pub fn cluster_is_known(&self) -> bool {
        self.unknown_of_cluster().next().is_none()
    }

    /// Returns the attributes that a connection needs and whose values are unknown.
    fn unknown_of_cluster(&self) -> impl Iterator<Item = &Path> {
        // Terraform applies only with values that are known.
        let others = [
            "force_conflicts",
            "namespace",
            "preflight",
            "show_new_objects",
        ];
        let others = others.map(Path::of);
        self.unknown
            .iter()
            .filter(move |path| !others.contains(path))
    }

    /// Returns whether plans check what the cluster would refuse.
    pub fn preflight(&self) -> bool {
        self.preflight
    }

    /// Makes the following plans omit the preflight.
    pub fn skip_preflight(&mut self) {
        self.preflight = false;
    }

    /// Returns whether the plan of a new feature store shows its objects. An unknown value counts as false: the plan
    /// that Terraform repeats when it is known can show more, and not less.
    pub fn shows_new_objects(&self) -> bool {
        let is_known = !self.unknown.contains(&Path::of("show_new_objects"));
        is_known && self.config.show_new_objects.unwrap_or(true)
    }

    /// Returns the cluster. Connects to it on first use.
    ///
    /// # Errors
    ///
    /// The provider block is incomplete or invalid, or the client cannot be made.
    pub async fn cluster(&self) -> Result<Arc<Cluster>, Diagnostic> {
        if !self.cluster_is_known() {
            return Err(diagnostics::unknown_cluster(self.unknown_of_cluster()));
        }
        let cluster = self.cluster.get_or_try_init(|| async {
            let lookup = |name: &str| self.environment.get(name);
            let connection = self.connection().with_environment(lookup)?;
            Cluster::new(&connection, self.options())
        });
        let cluster = (cluster.await).map_err(|error| diagnostics::connection_error(&error))?;
        Ok(Arc::new(cluster.with_warnings(self.warnings.clone())))
    }

    /// Returns the settings for one operation, which has its own warnings.
    pub fn for_operation(&self) -> Self {
        Self {
            warnings: Warnings::default(),
            ..self.clone()
        }
    }

    /// Returns the warnings of the API server in this operation since the last call.
    pub fn warnings(&self) -> Diagnostics {
        diagnostics::api_warnings(&self.warnings.take())
    }

    /// Returns the options for writing objects.
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
            preflight: _,
            show_new_objects: _,
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
            // [`Connection::with_environment`] sets it.
            from_environment: BTreeSet::new(),
        }
    }
}

/// Returns whether plans check what the cluster would refuse. An unknown value counts as false.
///
/// # Errors
///
/// The environment variable is not a boolean.
fn preflight(
    config: &ProviderConfig,
    unknown: &BTreeSet<Path>,
    environment: &EnvironmentVariables,
) -> Result<bool, Diagnostic> {
    if unknown.contains(&Path::of("preflight")) {
        return Ok(false);
    }
    if let Some(configured) = config.preflight {
        return Ok(configured);
    }
    let text = environment.get(PREFLIGHT_VARIABLE).unwrap_or_default();
    match text.is_empty() {
        true => Ok(false),
        false => connection::parse_boolean(&text).ok_or_else(|| {
            diagnostics::connection_error(&ConnectionError::NotABoolean {
                variable: PREFLIGHT_VARIABLE,
            })
        }),
    }
}

/// Removes the empty strings of a provider block, because modules pass them for values that are not set. Empty
/// environment variables are treated in the same way. An `exec` block without a command and a version is removed; the
/// arguments and variables of its command are kept.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::provider::lowered;
    use crate::schema::encode;

    #[test]
    fn the_preflight_comes_from_the_block_or_the_environment() {
        let block = lowered::<ProviderConfig>();
        for (configured, variable, expected) in [
            (Value::Null, "", Some(false)),
            (Value::Null, "true", Some(true)),
            (Value::Bool(true), "", Some(true)),
            (Value::Bool(false), "true", Some(false)),
            (Value::Bool(true), "perhaps", Some(true)),
            (Value::Unknown, "true", Some(false)),
            (Value::Null, "perhaps", None),
        ] {
            let mut value = encode(&block.attributes, &json!({}));
            value.set("preflight", configured);
            let environment = EnvironmentVariables::new(move |name| {
                assert_eq!(name, "FEAST_PREFLIGHT");
                Some(variable.to_owned())
            });
            match Settings::read(&block, &value, &environment) {
                Ok(settings) => assert_eq!(Some(settings.preflight()), expected, "{variable}"),
                Err(errors) => {
                    let detail =
                        "The environment variable FEAST_PREFLIGHT must be \"true\" or \"false\".";
                    assert_eq!(errors, [Diagnostic::error("Invalid value", detail)]);
                    assert_eq!(expected, None);
                }
            }
        }
    }

    #[tokio::test]
    async fn the_connection_comes_from_the_given_environment() {
        let block = lowered::<ProviderConfig>();
        let mut value = encode(&block.attributes, &json!({}));
        value.set("exec", Value::List(Vec::new()));
        let error = async |environment: EnvironmentVariables| {
            let settings = Settings::read(&block, &value, &environment).unwrap();
            settings.cluster().await.err().unwrap()
        };
        let insecure = EnvironmentVariables::new(|name| match name {
            "KUBE_HOST" => Some("https://127.0.0.1:1".to_owned()),
            "KUBE_INSECURE" => Some("perhaps".to_owned()),
            _ => None,
        });
        let detail = "The environment variable KUBE_INSECURE must be \"true\" or \"false\".";
        assert_eq!(
            error(insecure).await,
            Diagnostic::error("Invalid value", detail)
        );
        let missing = diagnostics::connection_error(&ConnectionError::NothingConfigured);
        assert_eq!(error(EnvironmentVariables::default()).await, missing);
    }
}
