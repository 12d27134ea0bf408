//! What the tests share: one node with PostgreSQL and Redis on it, started when the first test asks for it.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::support::node::{Node, Options, Postgres};
use crate::support::testbed::cluster::eventually;
use crate::support::testbed::{Cluster, Progress, Result};

static NODE: OnceLock<std::result::Result<Mutex<Option<Node>>, String>> = OnceLock::new();
static LAB: OnceLock<Lab> = OnceLock::new();

/// The node's cluster and its PostgreSQL.
pub struct Lab {
    pub cluster: Cluster,
    pub postgres: Postgres,
}

pub use crate::support::node::postgres::PASSWORD;

pub fn lab() -> &'static Lab {
    LAB.get_or_init(|| {
        let node = NODE.get_or_init(|| {
            boot()
                .map(|node| Mutex::new(Some(node)))
                .map_err(|error| error.to_string())
        });
        let node = node
            .as_ref()
            .unwrap_or_else(|error| panic!("no node: {error}"));
        let node = node.lock().unwrap_or_else(PoisonError::into_inner);
        let node = node.as_ref().expect("a running node");
        let postgres = start_postgres(node).unwrap_or_else(|error| panic!("{error}"));
        node.start_redis().unwrap_or_else(|error| panic!("{error}"));
        Lab {
            cluster: (**node).clone(),
            postgres,
        }
    })
}

fn boot() -> Result<Node> {
    let definitions = include_str!("../real_feast/repository/from_a_table.py");
    let options = Options {
        repository: &[("definitions.py", definitions)],
        ..Options::default()
    };
    Node::start(&options, Progress::stderr())
}

/// Stops the node: a static is never dropped.
pub fn stop() {
    if let Some(Ok(node)) = NODE.get() {
        node.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Starts PostgreSQL with the table of features.
fn start_postgres(node: &Node) -> Result<Postgres> {
    let postgres = node.start_postgres()?;
    let data = include_str!("../real_feast/repository/data.py");
    eventually(
        "the table of features",
        Duration::from_secs(180),
        Duration::from_secs(1),
        || {
            let arguments = ["table", &postgres.host, "feast", "feast", PASSWORD];
            node.python().run(data, &arguments).ok()
        },
    )?;
    Ok(postgres)
}
