//! Requests for features while the database of the online store restarts.
//!
//! `measure_postgresql` and `measure_redis` are evidence for a decision (docs/decisions/030-postgresql-restarts.md) and
//! take minutes. `.ci/extended` runs them, and `cargo test --test real_feast restarts::measure`.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value as Json, json};

use crate::real_feast::lab;
use crate::real_feast::stores::start_containers;
use crate::support::feast::features::features_request;
use crate::support::feast::{Load, Pod, Postgres, Redis, Secrets, Sent};

const URL: &str = "http://127.0.0.1:6566/get-online-features";
const CLIENTS: usize = 8;
/// The pause of a client between a response and its next request.
const PAUSE: Duration = Duration::from_millis(20);
/// The time after which a restarted database counts as not recovered. Recovery takes about 1 s, and longer on a busy
/// machine.
const RECOVERY: Duration = Duration::from_secs(60);
/// The time for which a measurement observes a restart.
const OBSERVED: Duration = Duration::from_secs(15);
/// Requests succeed again if none of this duration has failed.
const STEADY: Duration = Duration::from_secs(2);

/// PostgreSQL with the defaults of the provider. Workers are not replaced, so that recovery cannot be their
/// replacement.
pub fn postgresql_recovers_from_every_restart() {
    let database = Database::start();
    let store = database.feature_store("", &json!({"maxRequests": 0}));
    let mut pod = store.pod();
    start_containers(&mut pod, "/feast-data");
    let load = Load::start(&pod, URL, &features_request(), CLIENTS, PAUSE).unwrap();
    // Each restart breaks about as many connections as there are clients. The third one breaks the last of 10, the
    // default of Feast.
    for restart in 1..=3 {
        thread::sleep(STEADY);
        lab::restart(database.0, Duration::ZERO);
        assert_recovers(&load, restart);
    }
    let sent = load.stop().unwrap();
    assert!(sent.iter().any(|sent| !sent.succeeded()), "{}", sent.len());
}

pub fn redis_recovers_from_every_restart() {
    let store = store_in_redis();
    let mut pod = store.pod();
    Redis::start(&mut pod, lab::python()).unwrap();
    start_containers(&mut pod, "/feast-data");
    let load = Load::start(&pod, URL, &features_request(), CLIENTS, PAUSE).unwrap();
    for restart in 1..=3 {
        thread::sleep(STEADY);
        Redis::restart(&mut pod, Duration::ZERO).unwrap();
        assert_recovers(&load, restart);
    }
    load.stop().unwrap();
}

fn store_in_redis() -> lab::FeatureStoreInCluster {
    let parameters = format!(
        "connection_string: 127.0.0.1:{},password={}\n",
        Redis::PORT,
        Redis::PASSWORD
    );
    let cache = BTreeMap::from([("redis".to_owned(), parameters)]);
    let secrets = Secrets::from([("cache".to_owned(), cache)]);
    let persistence = json!({"store": {"type": "redis", "secretRef": {"name": "cache"}}});
    let server = json!({"workerConfigs": {"maxRequests": 0}});
    let services = json!({"onlineStore": {"persistence": persistence, "server": server}});
    let configuration = json!({"name": "demo", "feastProject": "demo", "services": services});
    lab::feature_store(&configuration, &secrets, None)
}

/// Waits until requests succeed again.
#[track_caller]
fn assert_recovers(load: &Load, restart: usize) {
    let ready = Instant::now();
    let now = SystemTime::now();
    loop {
        let sent = load.sent().unwrap();
        let since = SystemTime::now() - STEADY;
        let recent = sent.iter().filter(|it| it.answered_at() >= since);
        let (succeeded, failed): (Vec<_>, Vec<_>) = recent.partition(|it| it.succeeded());
        if since >= now && failed.is_empty() && !succeeded.is_empty() {
            return;
        }
        let last = failed.last().map(|it| (it.status, it.error.as_str()));
        assert!(
            ready.elapsed() < RECOVERY,
            "restart {restart}: {} of {} recent requests failed, the last with {last:?}",
            failed.len(),
            failed.len() + succeeded.len()
        );
        thread::sleep(Duration::from_millis(200));
    }
}

/// A PostgreSQL that a test can restart, with the online store and the registry.
struct Database(&'static Postgres);

impl Database {
    const NAME: &str = "restarts";

    fn start() -> Self {
        let postgres = lab::own_postgres();
        postgres.create_database(Self::NAME).unwrap();
        Self(postgres)
    }

    /// `parameters` are those of the online store, after the address and the credentials.
    fn feature_store(&self, parameters: &str, workers: &Json) -> lab::FeatureStoreInCluster {
        let (socket, user) = (Postgres::SOCKET_IN_CONTAINERS, Postgres::USER);
        let database = Self::NAME;
        let password = Postgres::PASSWORD;
        let in_url: String = (password.bytes().map(|byte| format!("%{byte:02X}"))).collect();
        let entries = [
            (
                "postgres",
                format!(
                    "host: {socket}\ndatabase: {database}\nuser: {user}\npassword: {}\n{parameters}",
                    json!(password)
                ),
            ),
            (
                "sql",
                format!("path: postgresql+psycopg://{user}:{in_url}@/{database}?host={socket}\n"),
            ),
        ];
        let entries = entries.map(|(key, text)| (key.to_owned(), text));
        let secrets = Secrets::from([("database".to_owned(), BTreeMap::from(entries))]);
        let store =
            |kind: &str| json!({"store": {"type": kind, "secretRef": {"name": "database"}}});
        let services = json!({
            "feastApply": "init_container",
            "onlineStore": {"persistence": store("postgres"), "server": {"workerConfigs": workers}},
            "registry": {"local": {"persistence": store("sql")}},
        });
        let configuration = json!({"name": "demo", "feastProject": "demo", "services": services});
        lab::feature_store(&configuration, &secrets, Some(self.0))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Prints the failed requests and the recovery of each restart, for several connection types and loads.
pub fn measure_postgresql() {
    let singleton = "conn_type: singleton\n";
    let pool = "conn_type: pool\nmax_conn: 10\n";
    let never = json!({"maxRequests": 0});
    let feast = json!({});
    let two = json!({"workers": 2, "maxRequests": 0});
    for (parameters, workers, clients, down) in [
        (singleton, &never, CLIENTS, 0),
        (singleton, &feast, CLIENTS, 0),
        (singleton, &two, CLIENTS, 0),
        (pool, &never, CLIENTS, 0),
        (pool, &never, 5 * CLIENTS, 0),
        ("", &never, CLIENTS, 0),
        ("", &never, CLIENTS, 5),
        ("", &never, 5 * CLIENTS, 0),
        ("", &feast, CLIENTS, 0),
        ("", &two, CLIENTS, 0),
    ] {
        let database = Database::start();
        let store = database.feature_store(parameters, workers);
        let mut pod = store.pod();
        start_containers(&mut pod, "/feast-data");
        eprintln!("{parameters:?}, {workers}, {clients} clients, {down} s without a database");
        measure_restarts(&mut pod, clients, |_| {
            lab::restart(database.0, Duration::from_secs(down));
        });
    }
}

pub fn measure_redis() {
    for down in [1, 5, 15] {
        let store = store_in_redis();
        let mut pod = store.pod();
        Redis::start(&mut pod, lab::python()).unwrap();
        start_containers(&mut pod, "/feast-data");
        eprintln!("Redis, {CLIENTS} clients, {down} s without a database");
        measure_restarts(&mut pod, CLIENTS, |pod| {
            Redis::restart(pod, Duration::from_secs(down)).unwrap();
        });
    }
}

fn measure_restarts(pod: &mut Pod<'_>, clients: usize, restart: impl Fn(&mut Pod<'_>)) {
    let load = Load::start(pod, URL, &features_request(), clients, PAUSE).unwrap();
    for number in 1..=4 {
        thread::sleep(OBSERVED / 3);
        let from = SystemTime::now();
        restart(pod);
        let ready = SystemTime::now();
        thread::sleep(OBSERVED);
        let sent = load.sent().unwrap();
        eprintln!("  restart {number}: {}", summary(&sent, from, ready));
    }
    load.stop().unwrap();
}

/// Describes the requests that were answered after `from`, the start of a restart that ended at `ready`.
fn summary(sent: &[Sent], from: SystemTime, ready: SystemTime) -> String {
    let sent = sent.iter().filter(|it| it.answered_at() >= from);
    let (succeeded, failed): (Vec<_>, Vec<_>) = sent.partition(|it| it.succeeded());
    let last = failed.iter().map(|it| it.answered_at()).max();
    let later = succeeded
        .iter()
        .map(|it| it.answered_at())
        .filter(|at| *at > ready && last.is_none_or(|last| *at > last));
    let recovery = later.min().map_or("no recovery".to_owned(), |at| {
        let seconds = at.duration_since(ready).unwrap_or_default();
        format!("recovery {:.1} s", seconds.as_secs_f32())
    });
    let slowest = succeeded.iter().chain(&failed).map(|it| it.took).max();
    format!(
        "{} succeeded, {} failed, {recovery}, slowest {:.1} s",
        succeeded.len(),
        failed.len(),
        slowest.unwrap_or_default().as_secs_f32()
    )
}
