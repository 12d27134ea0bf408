//! Placeholders in a `feature_store.yaml` for content of the user's Secrets and ConfigMaps.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::default_parameters;
use super::environment_references::without_environment_reference_lines;
use super::error::{SecretError, SecretProblem};
use super::mapping::Mapping;
use super::yaml::{embed, scalar, value};
use crate::feast::names::{self, FeastService};
use crate::feast::secrets::source::{Contents, Keys, Source};
use crate::feast::spec::Database;
use crate::schema::Path;

/// A placeholder: what the content is, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    pub purpose: Purpose,
    pub source: Source,
}

/// The property without which Feast cannot use an OpenID Connect provider.
const DISCOVERY_URL: &str = "auth_discovery_url";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// The connection parameters of a store.
    Store {
        service: FeastService,
        /// The type of the store, as in `feature_store.yaml`.
        store_type: String,
    },
    /// The properties of an OpenID Connect provider.
    Oidc {
        /// True if the Secret must have the discovery URL, because the configuration has no issuer URL.
        needs_discovery_url: bool,
    },
    /// The configuration of the batch engine, including its type.
    BatchEngine {
        /// The ServiceAccount of the Spark driver, if the engine must be `spark_application`.
        driver: Option<String>,
        /// True if the pods have a token for the Kubernetes API.
        has_token: bool,
    },
    /// The API key for sending lineage events.
    LineageApiKey,
    /// The API key that senders of lineage events need.
    ConsumerApiKey,
    /// The connection string of the database for lineage events.
    ConsumerConnectionString,
}

impl Placeholder {
    pub(in crate::feast) fn store(service: FeastService, database: &Database) -> Self {
        let Database {
            store_type,
            shared: _,
            secret_name,
            secret_key,
        } = database.clone();
        Self {
            purpose: Purpose::Store {
                service,
                store_type,
            },
            source: Source::secret(secret_name, secret_key),
        }
    }

    /// Returns the top-level key in `feature_store.yaml`.
    pub fn section(&self) -> &'static str {
        match &self.purpose {
            Purpose::Store { service, .. } => match service {
                FeastService::Online => "online_store",
                FeastService::Offline => "offline_store",
                FeastService::Registry => "registry",
            },
            Purpose::Oidc { .. } => "auth",
            Purpose::BatchEngine { .. } => "batch_engine",
            Purpose::LineageApiKey
            | Purpose::ConsumerApiKey
            | Purpose::ConsumerConnectionString => "openlineage",
        }
    }

    /// Returns the attribute that names the Secret or ConfigMap.
    pub fn path(&self) -> Path {
        Path::of(match &self.purpose {
            Purpose::Store { service, .. } => match service {
                FeastService::Online => "services.online_store.persistence.store.secret_ref",
                FeastService::Offline => "services.offline_store.persistence.store.secret_ref",
                FeastService::Registry => "services.registry.local.persistence.store.secret_ref",
            },
            Purpose::Oidc { .. } => "authz.oidc.secret_ref",
            Purpose::BatchEngine { .. } => "batch_engine.config_map_ref",
            Purpose::LineageApiKey => "openlineage.api_key_secret_ref",
            Purpose::ConsumerApiKey => "openlineage.consumer.api_key_secret_ref",
            Purpose::ConsumerConnectionString => {
                "openlineage.consumer.connection_string_secret_ref"
            }
        })
    }

    fn type_key(service: FeastService) -> &'static str {
        match service {
            FeastService::Registry => "registry_type",
            FeastService::Online | FeastService::Offline => "type",
        }
    }

    pub(in crate::feast) fn error(&self, problem: SecretProblem) -> SecretError {
        SecretError {
            source_: self.source.clone(),
            path: self.path(),
            problem,
        }
    }

    /// Returns the entries of the section that are known before the content is read, and a comment. `other_entries` are
    /// those that attributes set.
    pub(super) fn preview(&self, other_entries: &Mapping) -> String {
        let Self { purpose, source } = self;
        let noun = match purpose {
            Purpose::Store { .. } => "parameters",
            Purpose::BatchEngine { .. } => "configuration",
            _ => "properties",
        };
        let comment = format!("    # {noun} from {source}\n");
        match purpose {
            Purpose::Store {
                service,
                store_type,
            } => {
                let key = Self::type_key(*service);
                let defaults = default_parameters::comments(*service, store_type, other_entries);
                format!("    {key}: {store_type}\n{comment}{defaults}")
            }
            _ => comment,
        }
    }

    /// Returns the entries of the section as lines of YAML. `other_entries` are those that attributes set.
    ///
    /// # Errors
    ///
    /// Returns why the content cannot be used.
    pub(super) fn resolve(
        &self,
        contents: &Contents,
        other_entries: &Mapping,
    ) -> Result<String, SecretError> {
        let content = || {
            let text = self.source.text(contents);
            text.ok_or_else(|| self.error(SecretProblem::Missing))
        };
        match &self.purpose {
            Purpose::Store {
                service,
                store_type,
            } => self.parameters(*service, store_type, content()?, other_entries),
            Purpose::BatchEngine { driver, has_token } => {
                self.engine(driver.as_deref(), *has_token, content()?)
            }
            Purpose::Oidc {
                needs_discovery_url,
            } => self.properties(*needs_discovery_url, contents, other_entries),
            // These are single values, which `resolve_value` returns.
            Purpose::LineageApiKey
            | Purpose::ConsumerApiKey
            | Purpose::ConsumerConnectionString => Ok(String::new()),
        }
    }

    fn mapping(&self, text: &str) -> Result<Map<String, Json>, SecretError> {
        let problem = match value(text) {
            Ok(Json::Object(mapping)) => return Ok(mapping),
            _ if has_reference_lines(text) => SecretProblem::ReferenceLine,
            Ok(_) => SecretProblem::NotAMapping,
            Err(error) => SecretProblem::YamlSyntaxError { line: error.line() },
        };
        Err(self.error(problem))
    }

    fn parameters(
        &self,
        service: FeastService,
        store_type: &str,
        content: &str,
        other_entries: &Mapping,
    ) -> Result<String, SecretError> {
        let parameters = self.mapping(content)?;
        self.check_set_once(parameters.keys(), other_entries)?;
        let own = ["type", "registry_type"];
        for key in own {
            if parameters
                .get(key)
                .is_some_and(|word| word.as_str() != Some(store_type))
            {
                return Err(self.error(SecretProblem::OtherType { key }));
            }
        }
        // The defaults come first: of duplicate keys, Feast uses the last.
        let mut first = vec![(Self::type_key(service), Json::from(store_type))];
        let defaults = default_parameters::missing(service, store_type, &parameters, other_entries);
        first.extend(defaults);
        embed(content, &first, &own).ok_or_else(|| self.error(SecretProblem::NotEmbeddable))
    }

    /// Rejects a key that another entry of the section has, too: of duplicate keys, Feast uses the last.
    fn check_set_once<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a String>,
        other_entries: &Mapping,
    ) -> Result<(), SecretError> {
        let mut keys = keys.into_iter();
        match keys.find(|key| other_entries.has(key)) {
            Some(key) => Err(self.error(SecretProblem::SetTwice { key: key.clone() })),
            None => Ok(()),
        }
    }

    fn engine(
        &self,
        driver: Option<&str>,
        has_token: bool,
        content: &str,
    ) -> Result<String, SecretError> {
        let settings = self.mapping(content)?;
        let engine = settings.get("type").and_then(Json::as_str);
        let engine = engine.ok_or_else(|| self.error(SecretProblem::NoEngineType))?;
        let embedded = |own: &[&str]| {
            embed(content, &[("type", Json::from(engine))], own)
                .ok_or_else(|| self.error(SecretProblem::NotEmbeddable))
        };
        if engine == names::KUBERNETES_ENGINE && !has_token {
            return Err(self.error(SecretProblem::EngineWithoutToken));
        }
        match (engine == names::SPARK_APPLICATION, driver) {
            (false, None) => embedded(&["type"]),
            (false, Some(_)) => Err(self.error(SecretProblem::NotSpark)),
            (true, None) => Err(self.error(SecretProblem::SparkWithoutPermissions)),
            (true, Some(driver)) => {
                let account = settings.get("service_account");
                if account.is_some_and(|account| account.as_str() != Some(driver)) {
                    return Err(self.error(SecretProblem::OtherServiceAccount));
                }
                let lines = embedded(&["type", "service_account"])?;
                Ok(format!("{lines}    service_account: {driver}\n"))
            }
        }
    }

    /// Returns the properties in quotes: Feast needs strings, whatever the values look like.
    fn properties(
        &self,
        needs_discovery_url: bool,
        contents: &Contents,
        other_entries: &Mapping,
    ) -> Result<String, SecretError> {
        let missing = || self.error(SecretProblem::Missing);
        let all: BTreeMap<String, String> = match &self.source.keys {
            Keys::One(_) => {
                let text = self.source.text(contents).ok_or_else(missing)?;
                let mapping = self.mapping(text)?;
                (mapping.into_iter())
                    .filter_map(|(key, value)| match value {
                        Json::Null => None,
                        Json::String(text) => Some((key, text)),
                        other => Some((key, other.to_string())),
                    })
                    .collect()
            }
            Keys::Any(_) => (contents.get(&self.source).ok_or_else(missing)?.iter())
                .map(|(key, text)| {
                    let plain = || text.trim_end_matches(['\r', '\n']).to_owned();
                    (key.clone(), scalar(text).unwrap_or_else(plain))
                })
                .collect(),
        };
        let mut used = all;
        used.retain(|property, _| {
            names::OIDC_PROPERTIES.contains(&property.as_str())
                && (needs_discovery_url || property != DISCOVERY_URL)
        });
        self.check_set_once(used.keys(), other_entries)?;
        let is_set = |property: &str| {
            used.get(property).is_some_and(|text| !text.is_empty()) || other_entries.has(property)
        };
        if needs_discovery_url && !is_set(DISCOVERY_URL) {
            return Err(self.error(SecretProblem::NoDiscoveryUrl));
        }
        let has = |property: &str| used.contains_key(property) || other_entries.has(property);
        if let Some(missing) = missing_credentials(has, is_set) {
            return Err(self.error(SecretProblem::IncompleteClient { missing }));
        }
        // A JSON string is a YAML string in quotes.
        let line = |property: &str, text: &String| {
            format!("    {property}: {}\n", Json::from(text.as_str()))
        };
        let properties = names::OIDC_PROPERTIES.into_iter();
        Ok(properties
            .filter_map(|property| Some(line(property, used.get(property)?)))
            .collect())
    }

    /// Returns the content of a placeholder for a single value.
    ///
    /// # Errors
    ///
    /// Returns why the content cannot be used.
    pub(super) fn resolve_value(&self, contents: &Contents) -> Result<Json, SecretError> {
        let text = self.source.text(contents);
        let text = text.ok_or_else(|| self.error(SecretProblem::Missing))?;
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(self.error(SecretProblem::Empty)),
            text => Ok(Json::from(text)),
        }
    }
}

/// Returns the properties that Feast requires in addition to those that there are. With the credentials of a client,
/// Feast checks that they are complete. `is_set` is false for a property that is there and empty.
fn missing_credentials(
    has: impl Fn(&str) -> bool,
    is_set: impl Fn(&str) -> bool,
) -> Option<String> {
    let credentials = ["client_secret", "username", "password"];
    if !credentials.into_iter().any(has) {
        return None;
    }
    let of_a_user = is_set("username") || is_set("password");
    let user: &[&str] = if of_a_user {
        &["username", "password"]
    } else {
        &[]
    };
    let missing: Vec<String> = (["client_id", "client_secret"].iter().chain(user))
        .filter(|name| !is_set(name))
        .map(|name| format!("`{name}`"))
        .collect();
    (!missing.is_empty()).then(|| missing.join(" and "))
}

/// Returns whether a text would be a mapping, or empty, without the lines that are only an environment reference.
fn has_reference_lines(text: &str) -> bool {
    without_environment_reference_lines(text)
        .is_some_and(|rest| rest.trim().is_empty() || matches!(value(&rest), Ok(Json::Object(_))))
}
