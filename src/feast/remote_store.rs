//! Checks the registry server of another feature store by its Service.

use serde_json::Value as Json;

use super::names::{SERVICE_PORT, TLS_SERVICE_PORT};
use super::spec::RemoteStore;
use crate::schema::Path;

/// The registry of another feature store cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the registry of feature store {:?} in namespace {:?} cannot be used: {problem}",
    store.name,
    store.namespace
)]
pub struct RemoteStoreError {
    pub store: RemoteStore,
    pub problem: RegistryProblem,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryProblem {
    #[error(
        "there is no Service {service:?}. Apply that feature store first, with `services.registry.local.server`, and \
         refer to it by the attributes of its resource, so that Terraform applies it first"
    )]
    Missing { service: String },
    #[error("its server uses TLS. Set `tls` with the CA certificate")]
    Encrypted,
    #[error("its server does not use TLS. Remove `tls`, or configure TLS for that server")]
    Plain,
}

impl RemoteStore {
    /// Returns the attribute that refers to the other feature store.
    pub fn path() -> Path {
        Path::of("services.registry.remote.feast_ref")
    }

    /// Checks the live Service of the registry server; `None` if it does not exist.
    pub fn check_service(&self, service: Option<&Json>) -> Result<(), RemoteStoreError> {
        let reject = |problem| {
            Err(RemoteStoreError {
                store: self.clone(),
                problem,
            })
        };
        let Some(service) = service else {
            let service = self.service();
            return reject(RegistryProblem::Missing { service });
        };
        let ports = service["spec"]["ports"].as_array();
        let serves = |port: i32| {
            let mut ports = ports.into_iter().flatten();
            ports.any(|it| it["port"] == port)
        };
        match self.tls {
            false if !serves(SERVICE_PORT) && serves(TLS_SERVICE_PORT) => {
                reject(RegistryProblem::Encrypted)
            }
            true if !serves(TLS_SERVICE_PORT) && serves(SERVICE_PORT) => {
                reject(RegistryProblem::Plain)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tls_must_match_the_ports_of_the_service() {
        let store = |tls| RemoteStore {
            name: "shared".to_owned(),
            namespace: "there".to_owned(),
            tls,
        };
        let service = |port: i32| json!({"spec": {"ports": [{"port": port}]}});
        let problem = |tls, service: Option<Json>| {
            let result = store(tls).check_service(service.as_ref());
            result.err().map(|error| error.problem)
        };
        assert_eq!(problem(false, Some(service(80))), None);
        assert_eq!(problem(true, Some(service(443))), None);
        assert_eq!(
            problem(false, Some(service(443))),
            Some(RegistryProblem::Encrypted)
        );
        assert_eq!(
            problem(true, Some(service(80))),
            Some(RegistryProblem::Plain)
        );
        let error = store(false).check_service(None).unwrap_err().to_string();
        assert!(
            error.starts_with(
                "the registry of feature store \"shared\" in namespace \"there\" cannot be used: there is no Service \
                 \"feast-shared-registry\"."
            ),
            "{error}"
        );
    }
}
