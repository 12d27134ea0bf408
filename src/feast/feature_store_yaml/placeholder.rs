//! Places in a `feature_store.yaml` that text from the user's Secrets and ConfigMaps goes to.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::environment_references::without_environment_reference_lines;
use super::error::{Problem, SecretError};
use super::mapping::Mapping;
use super::yaml::{embed, scalar, value};
use crate::feast::names::{self, Service};
use crate::feast::secrets::source::{Contents, Keys, Source};
use crate::feast::spec::Database;
use crate::schema::Path;

/// A place, and what belongs there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    pub purpose: Purpose,
    pub source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Connection parameters of a store.
    Store {
        service: Service,
        /// Feast's name for the type of store.
        store_type: &'static str,
    },
    /// Properties of an OpenID Connect provider.
    Oidc {
        /// Where the configuration has no issuer's URL, the Secret must say it.
        discovery_url: bool,
    },
    /// The whole section, its type included.
    BatchEngine {
        /// The Spark driver's account, when the engine is to be Spark.
        driver: Option<String>,
        /// Whether the engine can ask the Kubernetes API.
        token: bool,
    },
    /// One value.
    LineageApiKey,
    ConsumerApiKey,
    ConsumerConnectionString,
}

impl Placeholder {
    pub(in crate::feast) fn store(service: Service, database: &Database) -> Self {
        let Database {
            store_type,
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

    /// The key of the section in `feature_store.yaml`.
    pub fn section(&self) -> &'static str {
        match &self.purpose {
            Purpose::Store { service, .. } => match service {
                Service::Online => "online_store",
                Service::Offline => "offline_store",
                Service::Registry => "registry",
            },
            Purpose::Oidc { .. } => "auth",
            Purpose::BatchEngine { .. } => "batch_engine",
            Purpose::LineageApiKey
            | Purpose::ConsumerApiKey
            | Purpose::ConsumerConnectionString => "openlineage",
        }
    }

    /// The attribute that names the Secret or ConfigMap.
    pub fn path(&self) -> Path {
        Path::of(match &self.purpose {
            Purpose::Store { service, .. } => match service {
                Service::Online => "services.online_store.persistence.store.secret_ref",
                Service::Offline => "services.offline_store.persistence.store.secret_ref",
                Service::Registry => "services.registry.local.persistence.store.secret_ref",
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

    fn type_key(service: Service) -> &'static str {
        match service {
            Service::Registry => "registry_type",
            Service::Online | Service::Offline => "type",
        }
    }

    pub(in crate::feast) fn error(&self, problem: Problem) -> SecretError {
        SecretError {
            source_: self.source.clone(),
            path: self.path(),
            problem,
        }
    }

    /// The section's own lines before anything is read.
    pub(super) fn prepared(&self) -> String {
        let Self { purpose, source } = self;
        let what = match purpose {
            Purpose::Store { .. } => "parameters",
            Purpose::BatchEngine { .. } => "configuration",
            _ => "properties",
        };
        let comment = format!("    # {what} from {source}\n");
        match purpose {
            Purpose::Store {
                service,
                store_type,
            } => format!("    {}: {store_type}\n{comment}", Self::type_key(*service)),
            _ => comment,
        }
    }

    /// The section's lines, with what was read; `beside` are those of it that attributes have set.
    pub(super) fn filled(
        &self,
        contents: &Contents,
        beside: &Mapping,
    ) -> Result<String, SecretError> {
        let content = || {
            let text = self.source.text(contents);
            text.ok_or_else(|| self.error(Problem::Missing))
        };
        match &self.purpose {
            Purpose::Store {
                service,
                store_type,
            } => self.parameters(*service, store_type, content()?, beside),
            Purpose::BatchEngine { driver, token } => {
                self.engine(driver.as_deref(), *token, content()?)
            }
            Purpose::Oidc { discovery_url } => self.properties(*discovery_url, contents),
            // These stand in sections of ours, as values.
            Purpose::LineageApiKey
            | Purpose::ConsumerApiKey
            | Purpose::ConsumerConnectionString => Ok(String::new()),
        }
    }

    fn mapping(&self, text: &str) -> Result<Map<String, Json>, SecretError> {
        let problem = match value(text) {
            Ok(Json::Object(mapping)) => return Ok(mapping),
            _ if is_spoilt_by_placeholders(text) => Problem::PlaceholderLine,
            Ok(_) => Problem::NotAMapping,
            Err(error) => Problem::NotYaml { line: error.line() },
        };
        Err(self.error(problem))
    }

    fn parameters(
        &self,
        service: Service,
        store_type: &str,
        content: &str,
        beside: &Mapping,
    ) -> Result<String, SecretError> {
        let parameters = self.mapping(content)?;
        let mut set = beside.0.iter().map(|(key, _)| key);
        if let Some(key) = set.find(|key| parameters.contains_key(key.as_ref())) {
            let key = key.to_string();
            return Err(self.error(Problem::SetByAttribute { key }));
        }
        let own = ["type", "registry_type"];
        for key in own {
            if parameters
                .get(key)
                .is_some_and(|word| word.as_str() != Some(store_type))
            {
                return Err(self.error(Problem::OtherType { key }));
            }
        }
        embed(content, Self::type_key(service), store_type, &own)
            .ok_or_else(|| self.error(Problem::NotEmbeddable))
    }

    fn engine(
        &self,
        driver: Option<&str>,
        token: bool,
        content: &str,
    ) -> Result<String, SecretError> {
        let settings = self.mapping(content)?;
        let engine = settings.get("type").and_then(Json::as_str);
        let engine = engine.ok_or_else(|| self.error(Problem::NoEngineType))?;
        let embedded = |own: &[&str]| {
            embed(content, "type", engine, own).ok_or_else(|| self.error(Problem::NotEmbeddable))
        };
        if engine == names::KUBERNETES_ENGINE && !token {
            return Err(self.error(Problem::EngineWithoutToken));
        }
        match (engine == names::SPARK_APPLICATION, driver) {
            (false, None) => embedded(&["type"]),
            (false, Some(_)) => Err(self.error(Problem::NotSpark)),
            (true, None) => Err(self.error(Problem::SparkWithoutRights)),
            (true, Some(driver)) => {
                let account = settings.get("service_account");
                if account.is_some_and(|account| account.as_str() != Some(driver)) {
                    return Err(self.error(Problem::OtherServiceAccount));
                }
                let lines = embedded(&["type", "service_account"])?;
                Ok(format!("{lines}    service_account: {driver}\n"))
            }
        }
    }

    /// Every property is a string for Feast, so each is written in quotes, whatever it looks like.
    fn properties(&self, discovery_url: bool, contents: &Contents) -> Result<String, SecretError> {
        let missing = || self.error(Problem::Missing);
        let all: BTreeMap<String, String> = match &self.source.keys {
            Keys::One(_) => {
                let text = self.source.text(contents).ok_or_else(missing)?;
                let mapping = self.mapping(text)?;
                (mapping.into_iter())
                    .filter_map(|(key, value)| match value {
                        // Left empty.
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
        let used: Vec<(&str, &String)> = names::OIDC_PROPERTIES
            .into_iter()
            .filter(|property| discovery_url || *property != "auth_discovery_url")
            .filter_map(|property| Some((property, all.get(property)?)))
            .collect();
        let named = |(property, text): &(&str, &String)| {
            *property == "auth_discovery_url" && !text.is_empty()
        };
        if discovery_url && !used.iter().any(named) {
            return Err(self.error(Problem::NoDiscoveryUrl));
        }
        Ok(used
            .into_iter()
            // JSON's quoted strings are YAML's.
            .map(|(property, text)| format!("    {property}: {}\n", Json::from(text.as_str())))
            .collect())
    }

    /// The one value.
    pub(super) fn value(&self, contents: &Contents) -> Result<Json, SecretError> {
        let text = self.source.text(contents);
        let text = text.ok_or_else(|| self.error(Problem::Missing))?;
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(self.error(Problem::Empty)),
            text => Ok(Json::from(text)),
        }
    }
}

/// Returns whether a text that is no mapping would be one, or nothing at all, without its lines that are placeholders.
fn is_spoilt_by_placeholders(text: &str) -> bool {
    without_environment_reference_lines(text)
        .is_some_and(|rest| rest.trim().is_empty() || matches!(value(&rest), Ok(Json::Object(_))))
}
