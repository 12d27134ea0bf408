//! PostgreSQL in the node's cluster, with a database for Feast.

use super::Node;
use crate::support::testbed::error::Result;

/// Where pods reach PostgreSQL: the DNS name of its Service.
pub const HOST: &str = "postgres.databases.svc";
/// The password of the user `feast`.
pub const PASSWORD: &str = "correct-horse-battery-staple";

/// A running PostgreSQL, in namespace `databases`.
#[derive(Clone, Debug)]
pub struct Postgres {
    /// The cluster IP of its Service, which this machine reaches too.
    pub host: String,
}

impl Node {
    /// Starts PostgreSQL, if it does not run yet, and waits until it is ready. Its data is deleted with its pod.
    pub fn start_postgres(&self) -> Result<Postgres> {
        let program = |name: &str| self.python().postgres(name).display().to_string();
        let manifest = include_str!("config/postgres.yaml")
            .replace("@initdb@", &program("initdb"))
            .replace("@postgres@", &program("postgres"))
            .replace("@password@", PASSWORD);
        self.apply(&manifest)?;
        self.wait_for_database("postgres")?;
        let service = [
            "--namespace=databases",
            "get",
            "service",
            "postgres",
            "--output=jsonpath={.spec.clusterIP}",
        ];
        let host = self.kubectl(&service)?;
        Ok(Postgres { host })
    }
}
