//! The resources of init containers.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as RawQuantity;

use super::Store;
use crate::kubernetes::quantity::Quantity;

/// The resources that a ResourceQuota can require of every container, and that a container can have without devices.
const NATIVE: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

impl Store {
    /// Returns the resources of each init container and of the containers of the `feast apply` Job: those of the
    /// configuration, or else the largest of the servers. A pod needs the sum of its servers or the largest init
    /// container, so the default does not increase what it needs.
    pub fn init_resources(&self) -> Option<ResourceRequirements> {
        let configured = self.pods.init_resources.clone();
        let servers = self.servers().into_iter();
        let resources = configured.unwrap_or_else(|| {
            largest(&(servers.map(|(_, server)| server.resources.as_ref())).collect::<Vec<_>>())
        });
        (resources != ResourceRequirements::default()).then_some(resources)
    }
}

/// Returns the largest request and limit of each native resource. If a server has no limit, there is no largest one.
fn largest(servers: &[Option<&ResourceRequirements>]) -> ResourceRequirements {
    let limit = |server: &Option<&ResourceRequirements>, name: &str| {
        server.and_then(|it| it.limits.as_ref()?.get(name).cloned())
    };
    let request = |server: &Option<&ResourceRequirements>, name: &str| {
        let configured = server.and_then(|it| it.requests.as_ref()?.get(name).cloned());
        // As in Kubernetes, a limit is a request too.
        configured.or_else(|| limit(server, name))
    };
    let mut requests = BTreeMap::new();
    let mut limits = BTreeMap::new();
    for name in NATIVE {
        let all: Option<Vec<_>> = servers.iter().map(|server| limit(server, name)).collect();
        let of_servers = servers.iter().filter_map(|server| request(server, name));
        requests.extend(maximum(of_servers).map(|it| (name.to_owned(), it)));
        limits.extend(maximum(all.into_iter().flatten()).map(|it| (name.to_owned(), it)));
    }
    ResourceRequirements {
        claims: None,
        requests: (!requests.is_empty()).then_some(requests),
        limits: (!limits.is_empty()).then_some(limits),
    }
}

/// Returns the largest valid quantity.
fn maximum(quantities: impl Iterator<Item = RawQuantity>) -> Option<RawQuantity> {
    let parsed = quantities.filter_map(|it| Some((Quantity::parse(&it.0)?, it)));
    parsed
        .max_by_key(|(quantity, _)| *quantity)
        .map(|(_, it)| it)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::feast::spec::Defaults;

    /// Returns the resources of init containers, for those of two servers.
    fn init(configured: Json, online: Json, ui: Json) -> Option<Json> {
        let services = json!({
            "initResources": configured,
            "onlineStore": {"server": {"resources": online}},
            "ui": {"resources": ui},
        });
        let store = json!({"name": "x", "feastProject": "p", "services": services});
        let store = serde_json::from_value(store).expect("a feature store");
        let resources = Store::new(&store, &Defaults::default()).init_resources();
        resources.map(|it| json!(it))
    }

    #[test]
    fn the_default_is_the_maximum_of_each_resource() {
        let online = json!({"requests": {"cpu": "1500m", "memory": "512Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}});
        let ui = json!({"requests": {"cpu": "1"}, "limits": {"cpu": "1", "memory": "2G"}});
        let expected = json!({
            // The limit of the web UI is its request.
            "requests": {"cpu": "1500m", "memory": "2G"},
            "limits": {"cpu": "2", "memory": "2G"},
        });
        assert_eq!(init(Json::Null, online, ui), Some(expected));
    }

    #[test]
    fn a_server_without_a_limit_has_the_largest() {
        let online = json!({"requests": {"cpu": "2"}});
        let ui = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
        let expected = json!({"requests": {"cpu": "2", "memory": "1Gi"}});
        assert_eq!(init(Json::Null, online, ui), Some(expected));
    }

    #[test]
    fn devices_are_not_included() {
        let gpu = json!({"limits": {"nvidia.com/gpu": "1", "hugepages-2Mi": "4Mi"}, "claims": [{"name": "a"}]});
        assert_eq!(init(Json::Null, gpu.clone(), gpu), None);
    }

    #[test]
    fn nothing_is_set_if_no_server_has_resources() {
        assert_eq!(init(Json::Null, Json::Null, Json::Null), None);
    }

    #[test]
    fn written_resources_take_precedence() {
        let server = json!({"requests": {"cpu": "1"}});
        let configured = json!({"limits": {"memory": "1Gi"}});
        assert_eq!(
            init(configured.clone(), server.clone(), Json::Null),
            Some(configured)
        );
        assert_eq!(init(json!({}), server, Json::Null), None);
    }
}
