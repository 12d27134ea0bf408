//! Options of the servers.

mod warnings;

use super::Violation;
use super::accessors::{LOCAL, ONLINE, all_servers, block, local, online};
use crate::feast::config::FeatureStore;
use crate::feast::names::{FeastService, ServerKind};
use crate::schema::Path;

pub(super) use warnings::{
    audit_log_level, feature_logging, mcp_sessions, metrics_end, mysql_connection, push_batching,
    workers_registry,
};

/// The categories of metrics of Feast.
const CATEGORIES: [&str; 8] = [
    "resource",
    "request",
    "online_features",
    "offline_features",
    "push",
    "materialization",
    "freshness",
    "audit_logging",
];

pub(super) fn workers(store: &FeatureStore) -> Vec<Violation> {
    all_servers(store)
        .into_iter()
        .filter(|container| {
            let workers = container.settings.and_then(|it| it.worker_configs);
            workers.is_some_and(|configs| configs.workers == Some(0))
        })
        .map(|container| {
            let at = container.path.attribute("worker_configs.workers");
            Violation::new(
                at.clone(),
                container.reads.into_iter().chain([at]),
                "`workers` must not be 0",
                "Set the number of workers, or `-1` for twice the number of the node's CPUs plus one.",
            )
        })
        .collect()
}

pub(super) fn metric_categories(store: &FeatureStore) -> Vec<Violation> {
    let metrics = online(store).and_then(|it| it.serving.as_ref()?.metrics.as_ref());
    let categories = metrics.and_then(|metrics| metrics.categories.as_ref());
    let path = Path::of(ONLINE).attribute("serving.metrics.categories");
    (categories.into_iter().flatten())
        .filter(|(name, _)| !CATEGORIES.contains(&name.as_str()))
        .map(|(name, _)| {
            let at = path.key(name);
            Violation::new(
                at.clone(),
                [at],
                format!("{name:?} is not a metric category"),
                format!(
                    "Feast fails to start with an unknown category. Supported categories: `{}`.",
                    CATEGORIES.join("`, `")
                ),
            )
        })
        .collect()
}

/// Feast does not start with other bounds.
pub(super) fn feature_count_bins(store: &FeatureStore) -> Vec<Violation> {
    let metrics = online(store).and_then(|it| it.serving.as_ref()?.metrics.as_ref());
    let bins = metrics.and_then(|metrics| metrics.feature_count_bins.as_deref());
    if bins
        .unwrap_or_default()
        .is_sorted_by(|lower, upper| lower < upper)
    {
        return Vec::new();
    }
    vec![Violation::at(
        Path::of(ONLINE).attribute("serving.metrics.feature_count_bins"),
        "The bounds are not in ascending order",
        "Set each bound to a number greater than the one before, such as `[10, 50, 200]`.",
    )]
}

pub(super) fn registry_mcp(store: &FeatureStore) -> Vec<Violation> {
    let server = local(store).and_then(|local| local.server.as_ref());
    let Some(server) = server else {
        return Vec::new();
    };
    let enabled = server.mcp.as_ref().is_some_and(|mcp| mcp.enabled);
    if !enabled || server.rest_api == Some(true) {
        return Vec::new();
    }
    let path = Path::of(LOCAL).attribute("server");
    vec![Violation::new(
        path.attribute("mcp"),
        [path.attribute("mcp.enabled"), path.attribute("rest_api")],
        "`mcp` requires `rest_api`",
        "The registry serves the Model Context Protocol through its REST API. Set `rest_api = true`, or remove `mcp`.",
    )]
}

/// Warns about options that only the online server has.
pub(super) fn without_effect(store: &FeatureStore) -> Vec<Violation> {
    let mut found = Vec::new();
    for container in all_servers(store) {
        let Some(settings) = container.settings else {
            continue;
        };
        if container.kind == ServerKind::Online {
            continue;
        }
        let metrics = settings.metrics == Some(true);
        let workers = settings.worker_configs.is_some();
        for (name, is_set) in [("metrics", metrics), ("worker_configs", workers)] {
            if is_set {
                let at = container.path.attribute(name);
                found.push(Violation::new(
                    at.clone(),
                    [at],
                    format!("{name} has no effect here"),
                    format!(
                        "Only the online server has this option, not the {}. Remove it.",
                        container.kind.display_name()
                    ),
                ));
            }
        }
    }
    let registry = local(store).and_then(|it| it.server.as_ref()?.mcp.as_ref());
    let path = block(FeastService::Registry).attribute("server.mcp");
    if let Some(mcp) = registry {
        for (name, is_set) in [
            ("server_name", mcp.server_name.is_some()),
            ("server_version", mcp.server_version.is_some()),
            ("transport", mcp.transport.is_some()),
        ] {
            if is_set {
                let at = path.attribute(name);
                found.push(Violation::new(
                    at.clone(),
                    [at],
                    format!("{name} has no effect here"),
                    "Only the online server has this setting. Remove it.",
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::feast::rules::testing::{accepts, rejects, warns};

    #[test]
    fn bins_are_in_ascending_order() {
        let check = |bins: &[i32], expected: &[(&str, &str)]| {
            let metrics = json!({"enabled": true, "featureCountBins": bins});
            let services = json!({"onlineStore": {"serving": {"metrics": metrics}}});
            rejects("feature-count-bins", services, expected);
        };
        check(&[], &[]);
        check(&[10, 50, 200], &[]);
        for bins in [[50, 10], [10, 10]] {
            check(
                &bins,
                &[(
                    "services.online_store.serving.metrics.feature_count_bins",
                    "The bounds are not in ascending order",
                )],
            );
        }
    }

    #[test]
    fn rejects_zero_workers() {
        let workers =
            |count: i32| json!({"onlineStore": {"server": {"workerConfigs": {"workers": count}}}});
        accepts(workers(-1));
        accepts(workers(4));
        rejects(
            "workers",
            workers(0),
            &[(
                "services.online_store.server.worker_configs.workers",
                "`workers` must not be 0",
            )],
        );
    }

    #[test]
    fn rejects_unknown_metric_categories() {
        let serving =
            json!({"metrics": {"enabled": true, "categories": {"push": false, "pull": true}}});
        rejects(
            "metric-categories",
            json!({"onlineStore": {"serving": serving}}),
            &[(
                "services.online_store.serving.metrics.categories[\"pull\"]",
                "\"pull\" is not a metric category",
            )],
        );
    }

    #[test]
    fn mcp_of_a_registry_requires_rest() {
        let registry = |server| json!({"registry": {"local": {"server": server}}});
        accepts(registry(json!({"restAPI": true, "mcp": {"enabled": true}})));
        accepts(registry(json!({"mcp": {"enabled": false}})));
        rejects(
            "registry-mcp",
            registry(json!({"mcp": {"enabled": true}})),
            &[(
                "services.registry.local.server.mcp",
                "`mcp` requires `rest_api`",
            )],
        );
    }

    #[test]
    fn warns_about_options_of_the_online_server() {
        warns(
            "online-server-options",
            json!({
                "onlineStore": {"server": {"metrics": true, "workerConfigs": {"workers": 2}}},
                "offlineStore": {"server": {"metrics": true, "workerConfigs": {"workers": 2}}},
                "registry": {"local": {"server": {
                    "metrics": false, "restAPI": true, "mcp": {"enabled": true, "transport": "sse"},
                }}},
            }),
            &[
                (
                    "services.offline_store.server.metrics",
                    "metrics has no effect here",
                ),
                (
                    "services.offline_store.server.worker_configs",
                    "worker_configs has no effect here",
                ),
                (
                    "services.registry.local.server.mcp.transport",
                    "transport has no effect here",
                ),
            ],
        );
    }
}
