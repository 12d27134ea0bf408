//! Redis in the node's cluster.

use super::Node;
use super::postgres::PASSWORD;
use crate::support::testbed::error::Result;

/// Where pods reach Redis: the DNS name of its Service, and the port.
pub const ADDRESS: &str = "redis.databases.svc:6379";

impl Node {
    /// Starts Redis in namespace `databases`, which [`Node::start_postgres`] creates, and waits until it is ready. Its
    /// password is that of PostgreSQL.
    pub fn start_redis(&self) -> Result<()> {
        let program = self.python().redis_server().display().to_string();
        let manifest = include_str!("config/redis.yaml")
            .replace("@redis@", &program)
            .replace("@password@", PASSWORD);
        self.apply(&manifest)?;
        self.wait_for_database("redis")
    }
}
