//! Options of the servers.

mod warnings;

use super::Violation;
use super::accessors::{LOCAL, ONLINE, all_containers, block, local, online};
use crate::feast::config::FeatureStore;
use crate::feast::names::{ServerKind, Service};
use crate::schema::Path;

pub(super) use warnings::{mcp_sessions, metrics_end, push_batching};

/// Feast's categories of metrics.
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
    all_containers(store)
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
                "A server without workers answers nothing",
                "Write the number of workers, or `-1` for twice the node's CPUs and one more.",
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
                format!("{name:?} is not a category of metrics"),
                format!(
                    "Feast would not start. Its categories are `{}`.",
                    CATEGORIES.join("`, `")
                ),
            )
        })
        .collect()
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
        "The Model Context Protocol is served by the registry's REST API",
        "Write `rest_api = true` beside it, or remove `mcp`.",
    )]
}

/// What only the online server has.
pub(super) fn without_effect(store: &FeatureStore) -> Vec<Violation> {
    let mut found = Vec::new();
    for container in all_containers(store) {
        let Some(settings) = container.settings else {
            continue;
        };
        if container.kind == ServerKind::Online {
            continue;
        }
        let metrics = settings.metrics == Some(true);
        let workers = settings.worker_configs.is_some();
        for (name, written) in [("metrics", metrics), ("worker_configs", workers)] {
            if written {
                let at = container.path.attribute(name);
                found.push(Violation::new(
                    at.clone(),
                    [at],
                    format!("{name} has no effect here"),
                    format!(
                        "Feast's command for the {} has no such option; only the online server has. \
                         Remove it.",
                        container.kind.words()
                    ),
                ));
            }
        }
    }
    let registry = local(store).and_then(|it| it.server.as_ref()?.mcp.as_ref());
    let path = block(Service::Registry).attribute("server.mcp");
    if let Some(mcp) = registry {
        for (name, written) in [
            ("server_name", mcp.server_name.is_some()),
            ("server_version", mcp.server_version.is_some()),
            ("transport", mcp.transport.is_some()),
        ] {
            if written {
                let at = path.attribute(name);
                found.push(Violation::new(
                    at.clone(),
                    [at],
                    format!("{name} has no effect here"),
                    "Feast's registry server has no such setting; only the online server has. Remove it.",
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::feast::rules::testing::{advised, refused, stands};

    #[test]
    fn there_is_a_worker() {
        let workers =
            |count: i32| json!({"onlineStore": {"server": {"workerConfigs": {"workers": count}}}});
        stands(workers(-1));
        stands(workers(4));
        refused(
            "workers",
            workers(0),
            &[(
                "services.online_store.server.worker_configs.workers",
                "A server without workers answers nothing",
            )],
        );
    }

    #[test]
    fn categories_that_feast_knows() {
        let serving =
            json!({"metrics": {"enabled": true, "categories": {"push": false, "pull": true}}});
        refused(
            "metric-categories",
            json!({"onlineStore": {"serving": serving}}),
            &[(
                "services.online_store.serving.metrics.categories[\"pull\"]",
                "\"pull\" is not a category of metrics",
            )],
        );
    }

    #[test]
    fn mcp_of_a_registry_needs_rest() {
        let registry = |server| json!({"registry": {"local": {"server": server}}});
        stands(registry(json!({"restAPI": true, "mcp": {"enabled": true}})));
        stands(registry(json!({"mcp": {"enabled": false}})));
        refused(
            "registry-mcp",
            registry(json!({"mcp": {"enabled": true}})),
            &[(
                "services.registry.local.server.mcp",
                "The Model Context Protocol is served by the registry's REST API",
            )],
        );
    }

    #[test]
    fn options_of_the_online_server_alone() {
        advised(
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
