//! The quota that objects use, as a ResourceQuota counts it.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::kind::{Key, Kind, KindInfo};
use super::pod_template;
use super::quantity::Quantity;

/// Amounts by the names of a ResourceQuota, such as `requests.cpu`, `pods` and `count/deployments.apps`.
pub type Usage = BTreeMap<String, Quantity>;

/// The infix of names that count the PersistentVolumeClaims of one storage class, such as
/// `fast.storageclass.storage.k8s.io/requests.storage`.
const OF_STORAGE_CLASS: &str = ".storageclass.storage.k8s.io/";

/// A resource of a ResourceQuota that does not suffice. The quantities are as the API server shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// The name of the ResourceQuota.
    pub quota: String,
    pub resource: String,
    pub needed: Quantity,
    pub used: String,
    pub hard: String,
}

/// The things that a resource of a ResourceQuota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Pods, or what their containers request.
    Pods,
    /// PersistentVolumeClaims, or the storage that they request.
    Volumes,
    /// Objects of another kind.
    Objects,
}

impl Shortage {
    /// Returns what the quota counts.
    pub fn counted(&self) -> Counted {
        let resource = self.resource.as_str();
        let resource = (resource.split_once(OF_STORAGE_CLASS)).map_or(resource, |(_, name)| name);
        match resource {
            "requests.storage" | "persistentvolumeclaims" | "count/persistentvolumeclaims" => {
                Counted::Volumes
            }
            "pods" | "count/pods" | "cpu" | "memory" | "ephemeral-storage" => Counted::Pods,
            name if name.starts_with("requests.") || name.starts_with("limits.") => Counted::Pods,
            _ => Counted::Objects,
        }
    }
}

/// Returns what the objects use once all their Deployments are complete. The pods of Jobs and CronJobs are not counted,
/// because they end.
///
/// `live` are the live objects: an autoscaled Deployment keeps their number of pods.
pub fn usage(manifests: &BTreeMap<Key, Json>, live: &BTreeMap<Key, Json>) -> Usage {
    let mut usage = Usage::new();
    for (key, manifest) in manifests {
        count_object(&mut usage, key.kind);
        match key.kind {
            Kind::PersistentVolumeClaim => count_volume(&mut usage, manifest, live.get(key)),
            Kind::Deployment => {
                let pods = pods(manifests, manifest, live.get(key));
                count_pods(&mut usage, key.kind, manifest, pods);
            }
            _ => {}
        }
    }
    usage
}

/// Returns the resources of these ResourceQuotas that do not suffice for a change from the usage `before` to `after`.
/// ResourceQuotas with scopes are not checked, because they count only some of the pods.
pub fn shortages(quotas: &[Json], before: &Usage, after: &Usage) -> Vec<Shortage> {
    let unscoped = |quota: &&Json| {
        quota["spec"].get("scopes").is_none() && quota["spec"].get("scopeSelector").is_none()
    };
    let shortage = |quota: &Json, resource: &String, after: Quantity| {
        let status = |field: &str| quota["status"][field].get(resource)?.as_str();
        let (hard, used) = (status("hard")?, status("used")?);
        let before = before.get(resource).copied().unwrap_or(Quantity::ZERO);
        let needed = after.minus(before);
        let free = Quantity::parse(hard)?.minus(Quantity::parse(used)?);
        (needed > Quantity::ZERO && needed > free).then(|| Shortage {
            quota: quota["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            resource: resource.clone(),
            needed,
            used: used.to_owned(),
            hard: hard.to_owned(),
        })
    };
    (quotas.iter().filter(unscoped))
        .flat_map(|quota| {
            let shortage = &shortage;
            (after.iter()).filter_map(move |(resource, after)| shortage(quota, resource, *after))
        })
        .collect()
}

/// Returns the number of pods that a Deployment will have: the one in its manifest, or else the live one, or else the
/// lower limit of its autoscaler.
fn pods(manifests: &BTreeMap<Key, Json>, manifest: &Json, live: Option<&Json>) -> u32 {
    let replicas = |it: &Json| it["spec"]["replicas"].as_u64();
    let own = replicas(manifest).or_else(|| live.and_then(replicas));
    let own = own.or_else(|| {
        let limits = manifests.iter().filter_map(|(key, autoscaler)| {
            let spec = &autoscaler["spec"];
            let limit = match key.kind {
                Kind::HorizontalPodAutoscaler => "minReplicas",
                Kind::ScaledObject => "minReplicaCount",
                _ => return None,
            };
            let is_own = spec["scaleTargetRef"]["name"] == manifest["metadata"]["name"];
            spec[limit].as_u64().filter(|_| is_own)
        });
        limits.max()
    });
    own.and_then(|pods| u32::try_from(pods).ok()).unwrap_or(1)
}

fn count_object(usage: &mut Usage, kind: Kind) {
    let KindInfo { group, plural, .. } = kind.info();
    let name = match group {
        "" => format!("count/{plural}"),
        group => format!("count/{plural}.{group}"),
    };
    add(usage, &name, Quantity::ONE, 1);
    // The names from before `count/`.
    if matches!(
        kind,
        Kind::Service | Kind::Secret | Kind::ConfigMap | Kind::PersistentVolumeClaim
    ) {
        add(usage, plural, Quantity::ONE, 1);
    }
}

/// Counts the storage of a PersistentVolumeClaim. A manifest does not have the name of the default storage class, which
/// is known only of the live object.
fn count_volume(usage: &mut Usage, manifest: &Json, live: Option<&Json>) {
    let class = |pvc: &Json| pvc["spec"]["storageClassName"].as_str().map(str::to_owned);
    let spec = &manifest["spec"];
    let storage = quantity(&spec["resources"]["requests"]["storage"]);
    add(usage, "requests.storage", storage, 1);
    let class = class(manifest).or_else(|| live.and_then(class));
    if let Some(class) = class.filter(|class| !class.is_empty()) {
        let name = |resource: &str| format!("{class}{OF_STORAGE_CLASS}{resource}");
        add(usage, &name("requests.storage"), storage, 1);
        add(usage, &name("persistentvolumeclaims"), Quantity::ONE, 1);
    }
}

fn count_pods(usage: &mut Usage, kind: Kind, manifest: &Json, pods: u32) {
    let Some(template) = pod_template::of(kind, manifest) else {
        return;
    };
    add(usage, "pods", Quantity::ONE, pods);
    add(usage, "count/pods", Quantity::ONE, pods);
    for (resource, request) in pod_resources(&template["spec"], |resources, name| {
        // The API server sets a missing request to the limit.
        let request = resources["requests"].get(name);
        request.or_else(|| resources["limits"].get(name))
    }) {
        add(usage, &format!("requests.{resource}"), request, pods);
        if matches!(resource.as_str(), "cpu" | "memory" | "ephemeral-storage") {
            add(usage, &resource, request, pods);
        }
    }
    for (resource, limit) in pod_resources(&template["spec"], |resources, name| {
        resources["limits"].get(name)
    }) {
        add(usage, &format!("limits.{resource}"), limit, pods);
    }
}

/// Returns the resources of a pod: the sum over its containers, or the largest init container if that is more.
fn pod_resources<'a>(
    spec: &'a Json,
    read: impl Fn(&'a Json, &str) -> Option<&'a Json>,
) -> BTreeMap<String, Quantity> {
    let containers = |field: &str| -> &[Json] { spec[field].as_array().map_or(&[], Vec::as_slice) };
    let of = |container: &'a Json| {
        let resources = &container["resources"];
        let names = ["requests", "limits"].map(|part| resources[part].as_object());
        let names = names.into_iter().flatten().flat_map(|part| part.keys());
        let mut amounts = BTreeMap::new();
        for name in names {
            if let Some(amount) = read(resources, name) {
                amounts.insert(name.clone(), quantity(amount));
            }
        }
        amounts
    };
    let mut total: BTreeMap<String, Quantity> = BTreeMap::new();
    for (name, amount) in containers("containers").iter().flat_map(of) {
        let sum = total.entry(name).or_insert(Quantity::ZERO);
        *sum = sum.plus(amount);
    }
    for (name, amount) in containers("initContainers").iter().flat_map(of) {
        let largest = total.entry(name).or_insert(Quantity::ZERO);
        *largest = (*largest).max(amount);
    }
    total
}

fn quantity(value: &Json) -> Quantity {
    match value {
        Json::String(text) => Quantity::parse(text).unwrap_or(Quantity::ZERO),
        Json::Number(number) => Quantity::parse(&number.to_string()).unwrap_or(Quantity::ZERO),
        _ => Quantity::ZERO,
    }
}

fn add(usage: &mut Usage, resource: &str, amount: Quantity, times: u32) {
    let sum = usage.entry(resource.to_owned()).or_insert(Quantity::ZERO);
    *sum = sum.plus(amount.times(times));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(replicas: Option<u32>) -> (Key, Json) {
        let manifest = json!({"metadata": {"name": "feast-x"}, "spec": {"replicas": replicas, "template": {"spec": {
            "initContainers": [{"resources": {"requests": {"cpu": "3"}, "limits": {"memory": "1Gi"}}}],
            "containers": [
                {"resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "1Gi"}}},
                {"resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}},
            ],
        }}}});
        (Key::new(Kind::Deployment, "feast-x"), manifest)
    }

    fn texts(usage: &Usage) -> Vec<String> {
        (usage.iter())
            .map(|(name, amount)| format!("{name} {amount}"))
            .collect()
    }

    #[test]
    fn objects_pods_and_storage_count() {
        let pvc = |class: Option<&str>| {
            let resources = json!({"requests": {"storage": "5Gi"}});
            json!({"spec": {"storageClassName": class, "resources": resources}})
        };
        let manifests = BTreeMap::from([
            deployment(Some(2)),
            (Key::new(Kind::PersistentVolumeClaim, "a"), pvc(None)),
            (
                Key::new(Kind::PersistentVolumeClaim, "b"),
                pvc(Some("fast")),
            ),
        ]);
        assert_eq!(
            texts(&usage(&manifests, &BTreeMap::new())),
            [
                "count/deployments.apps 1",
                "count/persistentvolumeclaims 2",
                "count/pods 2",
                "cpu 6",
                "fast.storageclass.storage.k8s.io/persistentvolumeclaims 1",
                "fast.storageclass.storage.k8s.io/requests.storage 5368709120",
                "limits.memory 6442450944",
                "memory 4294967296",
                "persistentvolumeclaims 2",
                "pods 2",
                "requests.cpu 6",
                "requests.memory 4294967296",
                "requests.storage 10737418240",
            ]
        );
    }

    #[test]
    fn the_live_object_has_the_default_storage_class() {
        let pvc = |class: Option<&str>| json!({"spec": {"storageClassName": class, "resources": {"requests": {"storage": "5Gi"}}}});
        let key = Key::new(Kind::PersistentVolumeClaim, "a");
        let manifests = BTreeMap::from([(key.clone(), pvc(None))]);
        let live = BTreeMap::from([(key, pvc(Some("standard")))]);
        assert_eq!(usage(&manifests, &live), usage(&live, &live));
    }

    #[test]
    fn a_shortage_is_of_pods_volumes_or_other_objects() {
        use Counted::{Objects, Pods, Volumes};
        for (resource, expected) in [
            ("pods", Pods),
            ("count/pods", Pods),
            ("cpu", Pods),
            ("ephemeral-storage", Pods),
            ("requests.ephemeral-storage", Pods),
            ("requests.nvidia.com/gpu", Pods),
            ("limits.memory", Pods),
            ("requests.storage", Volumes),
            ("persistentvolumeclaims", Volumes),
            ("count/persistentvolumeclaims", Volumes),
            ("fast.storageclass.storage.k8s.io/requests.storage", Volumes),
            (
                "fast.storageclass.storage.k8s.io/persistentvolumeclaims",
                Volumes,
            ),
            ("services", Objects),
            ("count/deployments.apps", Objects),
        ] {
            let shortage = Shortage {
                quota: "q".to_owned(),
                resource: resource.to_owned(),
                needed: Quantity::ONE,
                used: "0".to_owned(),
                hard: "0".to_owned(),
            };
            assert_eq!(shortage.counted(), expected, "{resource}");
        }
    }

    #[test]
    fn an_autoscaled_deployment_keeps_its_pods_or_begins_with_the_lower_limit() {
        let autoscaler = json!({"spec": {"minReplicas": 3, "scaleTargetRef": {"name": "feast-x"}}});
        let manifests = BTreeMap::from([
            deployment(None),
            (Key::new(Kind::HorizontalPodAutoscaler, "x"), autoscaler),
        ]);
        for (live, expected) in [
            (BTreeMap::new(), 3),
            (BTreeMap::from([deployment(Some(7))]), 7),
        ] {
            let usage = usage(&manifests, &live);
            assert_eq!(usage["pods"], Quantity::ONE.times(expected));
        }
    }

    #[test]
    fn only_growth_beyond_the_free_quota_is_a_shortage() {
        let quota = |spec: Json, used: &str| {
            json!({"metadata": {"name": "q"}, "spec": spec,
                "status": {"hard": {"requests.cpu": "8", "services": "1"}, "used": {"requests.cpu": used}}})
        };
        let cpu = |amount: u32| {
            Usage::from([(
                "requests.cpu".to_owned(),
                Quantity::parse("500m").unwrap().times(amount),
            )])
        };
        let found = |quota: Json, before, after| {
            let found = shortages(&[quota], &cpu(before), &cpu(after)).into_iter();
            let texts = found.map(|it| {
                let Shortage {
                    resource,
                    needed,
                    used,
                    hard,
                    ..
                } = it;
                format!("{resource} {needed} {used} {hard}")
            });
            texts.collect::<Vec<_>>()
        };
        assert_eq!(found(quota(json!({}), "6"), 0, 4), [""; 0]);
        assert_eq!(found(quota(json!({}), "6"), 0, 5), ["requests.cpu 2.5 6 8"]);
        assert_eq!(found(quota(json!({}), "6"), 2, 5), [""; 0]);
        assert_eq!(found(quota(json!({}), "9"), 5, 4), [""; 0]);
        let scoped = json!({"scopes": ["BestEffort"]});
        assert_eq!(found(quota(scoped, "6"), 0, 5), [""; 0]);
    }
}
