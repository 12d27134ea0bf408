//! Options of the servers that Feast does not fully implement. `tests/real_feast/options.rs` verifies the behavior of
//! Feast.

use super::super::Violation;
use super::super::accessors::{LOCAL, ONLINE, SCALING, local, online, online_disabled, scaled_by};
use crate::feast::config::{
    AuditSink, FeatureStore, LogLevel, Mcp, OnlineStore, OnlineStoreType, RegistryStoreType,
    WorkerConfigs,
};
use crate::schema::Path;

/// Warns that metrics stop: the process that serves them exits with the first worker that Feast replaces.
pub(in crate::feast::rules) fn metrics_end(store: &FeatureStore) -> Vec<Violation> {
    let path = Path::of(ONLINE);
    let argument = path.attribute("server.metrics");
    let section = path.attribute("serving.metrics.enabled");
    let limit = path.attribute("server.worker_configs.max_requests");
    let Some(block) = enabled_online(store) else {
        return Vec::new();
    };
    let server = block.server.as_ref();
    let metrics = block.serving.as_ref().and_then(|it| it.metrics.as_ref());
    let on = match (
        server.and_then(|it| it.metrics),
        metrics.map(|it| it.enabled),
    ) {
        (Some(true), _) => argument,
        (_, Some(true)) => section,
        _ => return Vec::new(),
    };
    let number = max_requests(block);
    if number == 0 {
        return Vec::new();
    }
    let is_default = worker_configs(block).is_none_or(|it| it.max_requests.is_none());
    let at = if is_default { &on } else { &limit }.clone();
    vec![Violation::new(
        at,
        [on, limit, path.attribute("disabled")],
        "Metrics stop when Feast replaces a worker for the first time",
        format!(
            "Feast replaces a worker after {number} requests, including those of Kubernetes probes. From then on, \
             port 8000 is closed. Set `max_requests = 0` in `services.online_store.server.worker_configs`, so that \
             workers are not replaced."
        ),
    )]
}

/// Warns that the server never recovers: a worker keeps its first connection to MySQL until it is replaced.
pub(in crate::feast::rules) fn mysql_connection(store: &FeatureStore) -> Vec<Violation> {
    let path = Path::of(ONLINE);
    let limit = path.attribute("server.worker_configs.max_requests");
    let Some(block) = enabled_online(store) else {
        return Vec::new();
    };
    let requests = worker_configs(block).and_then(|configs| configs.max_requests);
    if !is_mysql(block) || requests != Some(0) {
        return Vec::new();
    }
    vec![Violation::new(
        limit.clone(),
        [
            limit,
            path.attribute("persistence.store.type"),
            path.attribute("disabled"),
        ],
        "The online server does not recover after a restart of MySQL",
        "Each worker keeps its first connection to MySQL until it is replaced, and `max_requests = 0` disables that. \
         After a restart of MySQL, every request fails until the pods are replaced. Remove `max_requests`, or set a \
         small number.",
    )]
}

/// Warns that a worker that replaces another one can break the server.
pub(in crate::feast::rules) fn workers_registry(store: &FeatureStore) -> Vec<Violation> {
    let path = Path::of(ONLINE);
    let configs = path.attribute("server.worker_configs");
    let Some(block) = enabled_online(store) else {
        return Vec::new();
    };
    let Some(workers) = worker_configs(block) else {
        return Vec::new();
    };
    let is_replaced = max_requests(block) > 0;
    let is_single = workers.workers.is_none_or(|it| it == 1);
    let registry = local(store).and_then(|it| it.persistence.as_ref()?.store.as_ref());
    let is_sql = registry.is_some_and(|it| it.r#type == RegistryStoreType::Sql);
    if is_single || !is_replaced || !is_sql {
        return Vec::new();
    }
    let limit = configs.attribute("max_requests");
    let at = match workers.max_requests {
        Some(_) => limit.clone(),
        None => configs.attribute("workers"),
    };
    // An online server with MySQL does not recover if its workers are not replaced.
    let advice = match is_mysql(block) {
        true => "Use one worker and more replicas.",
        false => "Set `max_requests = 0`, or use one worker and more replicas.",
    };
    vec![Violation::new(
        at,
        [
            limit,
            configs.attribute("workers"),
            path.attribute("disabled"),
            path.attribute("persistence.store.type"),
            Path::of(LOCAL).attribute("persistence.store.type"),
        ],
        "A replaced worker can break the online server",
        format!(
            "A worker that replaces another one inherits the connection to the SQL registry that the others use. \
             Requests then fail with \"FeatureViewNotFoundException\", or the server ends with \"Worker failed to \
             boot\". {advice}"
        ),
    )]
}

fn enabled_online(store: &FeatureStore) -> Option<&OnlineStore> {
    online(store).filter(|_| !online_disabled(store))
}

fn worker_configs(online: &OnlineStore) -> Option<&WorkerConfigs> {
    online.server.as_ref()?.worker_configs.as_ref()
}

/// The default of Feast, which the provider keeps for MySQL only.
const MYSQL_MAX_REQUESTS: i32 = 1000;

/// Returns the number of requests after which Feast replaces a worker; 0 if it does not.
fn max_requests(online: &OnlineStore) -> i32 {
    let configured = worker_configs(online).and_then(|configs| configs.max_requests);
    configured.unwrap_or(if is_mysql(online) {
        MYSQL_MAX_REQUESTS
    } else {
        0
    })
}

fn is_mysql(online: &OnlineStore) -> bool {
    let database = online.persistence.as_ref().and_then(|it| it.store.as_ref());
    database.is_some_and(|it| it.r#type == OnlineStoreType::Mysql)
}

pub(in crate::feast::rules) fn push_batching(store: &FeatureStore) -> Vec<Violation> {
    let batching = online(store).and_then(|it| it.serving.as_ref()?.offline_push_batching.as_ref());
    let Some(batching) = batching.filter(|it| it.enabled) else {
        return Vec::new();
    };
    if batching.batch_size.is_some() && batching.batch_interval_seconds.is_some() {
        return Vec::new();
    }
    let path = Path::of(ONLINE).attribute("serving.offline_push_batching");
    let reads = ["enabled", "batch_size", "batch_interval_seconds"];
    vec![Violation::new(
        path.clone(),
        reads.map(|name| path.attribute(name)),
        "`offline_push_batching` has no effect",
        "Feast batches pushed rows only if both `batch_size` and `batch_interval_seconds` are set. Set both.",
    )]
}

/// Warns about a section that no code of Feast's Python server reads.
pub(in crate::feast::rules) fn feature_logging(store: &FeatureStore) -> Vec<Violation> {
    let logging =
        enabled_online(store).and_then(|it| it.serving.as_ref()?.feature_logging.as_ref());
    if !logging.is_some_and(|it| it.enabled) {
        return Vec::new();
    }
    let path = Path::of(ONLINE).attribute("serving.feature_logging");
    vec![Violation::new(
        path.clone(),
        [
            path.attribute("enabled"),
            Path::of(ONLINE).attribute("disabled"),
        ],
        "Feast 0.67 does not log served features",
        "The online server of Feast 0.66 and 0.67 reads `feature_logging`, and does not use it. Remove it.",
    )]
}

/// Warns that the audit log is empty: its lines have the level INFO, and Feast's default log level is `warning`.
pub(in crate::feast::rules) fn audit_log_level(store: &FeatureStore) -> Vec<Violation> {
    const CATEGORY: &str = "audit_logging";
    let Some(block) = enabled_online(store) else {
        return Vec::new();
    };
    let server = block.server.as_ref();
    let level = server.and_then(|server| server.log_level);
    if matches!(level, Some(LogLevel::Info | LogLevel::Debug)) {
        return Vec::new();
    }
    let path = Path::of(ONLINE);
    let serving = block.serving.as_ref();
    let audit = serving.and_then(|it| it.audit_logging.as_ref());
    let writes_to_logger = audit.is_some_and(|it| it.enabled && it.sink == Some(AuditSink::Logger));
    let metrics = serving.and_then(|it| it.metrics.as_ref());
    let has_metrics = metrics.is_some_and(|it| it.enabled)
        || server.is_some_and(|server| server.metrics == Some(true));
    let category = metrics.and_then(|it| it.categories.as_ref()?.get(CATEGORY));
    let has_category = has_metrics && category == Some(&true);
    let sink = path.attribute("serving.audit_logging.sink");
    let category = path.attribute("serving.metrics.categories").key(CATEGORY);
    [(sink, writes_to_logger), (category, has_category)]
        .into_iter()
        .filter(|(_, is_set)| *is_set)
        .map(|(at, _)| {
            Violation::new(
                at.clone(),
                [
                    at,
                    path.attribute("serving.audit_logging.enabled"),
                    path.attribute("serving.metrics.enabled"),
                    path.attribute("server.metrics"),
                    path.attribute("server.log_level"),
                    path.attribute("disabled"),
                ],
                "The audit log is empty with this log level",
                "Feast writes this log with the level INFO to the Python logger `feast.audit`, which shows only warnings \
                 and errors by default. Set `log_level = \"info\"` in `services.online_store.server`, or use \
                 `audit_logging` with another sink.",
            )
        })
        .collect()
}

pub(in crate::feast::rules) fn mcp_sessions(store: &FeatureStore) -> Vec<Violation> {
    let enabled = |mcp: Option<&Mcp>| mcp.is_some_and(|mcp| mcp.enabled);
    let workers_at = Path::of(ONLINE).attribute("server.worker_configs.workers");
    let scaled = scaled_by(store);
    let mut found = Vec::new();
    let online_mcp = online(store).and_then(|it| it.serving.as_ref()?.mcp.as_ref());
    if enabled(online_mcp) && !online_disabled(store) {
        let server = online(store).and_then(|it| it.server.as_ref());
        let workers = server.and_then(|it| it.worker_configs.as_ref()?.workers);
        let several = workers.is_some_and(|workers| workers != 1);
        let path = Path::of(ONLINE).attribute("serving.mcp");
        let because = several.then(|| workers_at.clone()).or(scaled.clone());
        found.extend(because.map(|because| sessions(&path, because, Path::of(ONLINE))));
    }
    let registry_mcp = local(store).and_then(|it| it.server.as_ref()?.mcp.as_ref());
    if enabled(registry_mcp) {
        let path = Path::of(LOCAL).attribute("server.mcp");
        found.extend(scaled.map(|because| sessions(&path, because, Path::of(LOCAL))));
    }
    found
}

fn sessions(path: &Path, because: Path, block: Path) -> Violation {
    Violation::new(
        path.clone(),
        [
            path.attribute("enabled"),
            because.clone(),
            block.attribute("disabled"),
            // The reason that is named also depends on the other reasons being absent.
            Path::of(ONLINE).attribute("server.worker_configs.workers"),
            Path::of(SCALING),
        ],
        "Sessions of the Model Context Protocol may break",
        format!(
            "A session exists only in the process that started it, and `{because}` makes several. A request that \
             reaches another process fails with \"Session not found\". Use one replica and one worker, or route all \
             requests of a client to one pod."
        ),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::warns;

    #[test]
    fn warns_about_metrics_with_workers_that_are_replaced() {
        let check = |online: Json, expected: &[&str]| {
            let summary = "Metrics stop when Feast replaces a worker for the first time";
            let expected: Vec<_> = expected.iter().map(|path| (*path, summary)).collect();
            warns("metrics-end", json!({"onlineStore": online}), &expected);
        };
        let stays = json!({"maxRequests": 0});
        check(json!({}), &[]);
        check(
            json!({"server": {"metrics": true, "workerConfigs": stays}}),
            &[],
        );
        check(json!({"serving": {"metrics": {"enabled": false}}}), &[]);
        check(json!({"server": {"metrics": true}}), &[]);
        let mysql = json!({"store": {"type": "mysql", "secretRef": {"name": "s"}}});
        check(
            json!({"server": {"metrics": true}, "persistence": mysql}),
            &["services.online_store.server.metrics"],
        );
        check(json!({"serving": {"metrics": {"enabled": true}}}), &[]);
        let replaced = json!({"maxRequests": 5000});
        for on in [
            json!({"server": {"metrics": true, "workerConfigs": replaced}}),
            json!({"server": {"workerConfigs": replaced}, "serving": {"metrics": {"enabled": true}}}),
        ] {
            check(
                on,
                &["services.online_store.server.worker_configs.max_requests"],
            );
        }
    }

    #[test]
    fn warns_about_mysql_with_workers_that_are_not_replaced() {
        let check = |kind: &str, workers: Json, expected: &[(&str, &str)]| {
            let database = json!({"store": {"type": kind, "secretRef": {"name": "database"}}});
            let server = json!({"workerConfigs": workers});
            let services = json!({"onlineStore": {"persistence": database, "server": server}});
            warns("mysql-connection", services, expected);
        };
        let never = json!({"maxRequests": 0});
        check("mysql", json!({}), &[]);
        check("mysql", json!({"maxRequests": 100}), &[]);
        check("postgres", never.clone(), &[]);
        check(
            "mysql",
            never,
            &[(
                "services.online_store.server.worker_configs.max_requests",
                "The online server does not recover after a restart of MySQL",
            )],
        );
    }

    #[test]
    fn warns_about_several_workers_that_are_replaced_with_a_sql_registry() {
        let check_with = |persistence: Json, workers: Json, registry: &str, expected: &[&str]| {
            let summary = "A replaced worker can break the online server";
            let expected: Vec<_> = expected.iter().map(|path| (*path, summary)).collect();
            let store = json!({"store": {"type": registry, "secretRef": {"name": "s"}}});
            let services = json!({
                "onlineStore": {"persistence": persistence, "server": {"workerConfigs": workers}},
                "registry": {"local": {"persistence": store}},
            });
            warns("workers-registry", services, &expected);
        };
        let check = |workers, registry: &str, expected: &[&str]| {
            check_with(Json::Null, workers, registry, expected);
        };
        let limit = &["services.online_store.server.worker_configs.max_requests"];
        check(json!({"workers": 2, "maxRequests": 100}), "sql", limit);
        check(json!({"workers": -1, "maxRequests": 100}), "sql", limit);
        check(
            json!({"workers": 2, "maxRequests": 100}),
            "snowflake.registry",
            &[],
        );
        check(json!({"workers": 1, "maxRequests": 100}), "sql", &[]);
        check(json!({"maxRequests": 100}), "sql", &[]);
        check(json!({"workers": 2, "maxRequests": 0}), "sql", &[]);
        check(json!({"workers": 2}), "sql", &[]);
        // By default, Feast replaces the workers of a server with MySQL.
        let workers = &["services.online_store.server.worker_configs.workers"];
        let mysql = json!({"store": {"type": "mysql", "secretRef": {"name": "s"}}});
        check_with(mysql, json!({"workers": 2}), "sql", workers);
    }

    #[test]
    fn warns_about_batching_without_both_numbers() {
        let check = |batching: Json, expected: &[(&str, &str)]| {
            let serving = json!({"offlinePushBatching": batching});
            let services = json!({"onlineStore": {"serving": serving}});
            warns("push-batching", services, expected);
        };
        check(json!({"enabled": false}), &[]);
        check(
            json!({"enabled": true, "batchSize": 100, "batchIntervalSeconds": 5}),
            &[],
        );
        check(
            json!({"enabled": true, "batchSize": 100}),
            &[(
                "services.online_store.serving.offline_push_batching",
                "`offline_push_batching` has no effect",
            )],
        );
    }

    #[test]
    fn warns_about_feature_logging() {
        let check = |enabled: bool, expected: &[(&str, &str)]| {
            let serving = json!({"featureLogging": {"enabled": enabled, "queueCapacity": 10}});
            let services = json!({"onlineStore": {"serving": serving}});
            warns("feature-logging", services, expected);
        };
        check(false, &[]);
        check(
            true,
            &[(
                "services.online_store.serving.feature_logging",
                "Feast 0.67 does not log served features",
            )],
        );
    }

    #[test]
    fn warns_about_an_audit_log_below_the_log_level() {
        let check = |serving: Json, server: Json, expected: &[&str]| {
            let summary = "The audit log is empty with this log level";
            let expected: Vec<_> = expected.iter().map(|path| (*path, summary)).collect();
            let services = json!({"onlineStore": {"serving": serving, "server": server}});
            warns("audit-log-level", services, &expected);
        };
        let sink = |sink: &str| json!({"auditLogging": {"enabled": true, "sink": sink}});
        let at_sink = "services.online_store.serving.audit_logging.sink";
        check(sink("logger"), json!({}), &[at_sink]);
        check(sink("logger"), json!({"logLevel": "error"}), &[at_sink]);
        check(sink("logger"), json!({"logLevel": "info"}), &[]);
        check(sink("logger"), json!({"logLevel": "debug"}), &[]);
        check(sink("stdout"), json!({}), &[]);
        check(json!({"auditLogging": {"enabled": true}}), json!({}), &[]);
        let off = json!({"auditLogging": {"enabled": false, "sink": "logger"}});
        check(off, json!({}), &[]);
        let category = |enabled: bool| {
            let categories = json!({"audit_logging": true, "push": true});
            json!({"metrics": {"enabled": enabled, "categories": categories}})
        };
        let at_category = "services.online_store.serving.metrics.categories[\"audit_logging\"]";
        check(category(true), json!({}), &[at_category]);
        check(category(true), json!({"logLevel": "info"}), &[]);
        check(category(false), json!({}), &[]);
        check(category(false), json!({"metrics": true}), &[at_category]);
    }

    #[test]
    fn warns_about_sessions_with_several_processes() {
        let check = |services: Json, expected: &[&str]| {
            let summary = "Sessions of the Model Context Protocol may break";
            let expected: Vec<_> = expected.iter().map(|path| (*path, summary)).collect();
            warns("mcp-sessions", services, &expected);
        };
        let database =
            |kind: &str| json!({"store": {"type": kind, "secretRef": {"name": "database"}}});
        let mcp = json!({"enabled": true});
        let one = json!({"onlineStore": {"serving": {"mcp": mcp}}});
        check(one, &[]);
        let workers = json!({"workerConfigs": {"workers": 2}});
        check(
            json!({"onlineStore": {"serving": {"mcp": mcp}, "server": workers}}),
            &["services.online_store.serving.mcp"],
        );
        check(
            json!({
                "scaling": {"replicas": 2},
                "onlineStore": {"serving": {"mcp": mcp}, "persistence": database("redis")},
                "registry": {"local": {
                    "persistence": database("sql"), "server": {"restAPI": true, "mcp": mcp},
                }},
            }),
            &[
                "services.online_store.serving.mcp",
                "services.registry.local.server.mcp",
            ],
        );
    }
}
