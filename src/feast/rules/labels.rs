//! The user's labels, annotations and node selectors.

use std::collections::BTreeMap;

use super::Violation;
use super::accessors::{
    VOLUMES, all_servers, cron_job_containers, exposures, lineage, openshift, pod_servers, services,
};
use super::routes::ROUTES;
use crate::feast::config::{FeatureStore, ServiceSettings};
use crate::feast::names::{self, MANAGED_BY_LABEL, RESERVED_PREFIX};
use crate::feast::spec::commands_or_default;
use crate::kubernetes::validation::metadata::{
    LABEL_VALUE_SYNTAX, QUALIFIED_NAME_SYNTAX, is_label_value, is_qualified_name,
};
use crate::kubernetes::validation::pod_annotations;
use crate::schema::Path;

/// Labels of pods that their Deployment, ReplicaSet or Job sets.
const CONTROLLER_LABELS: [&str; 3] = ["controller-uid", "job-name", "pod-template-hash"];
const JOB_LABEL_PREFIX: &str = "batch.kubernetes.io/";

/// The purpose of a map.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Labels,
    Annotations,
    /// Labels of pods: those of the controllers are reserved too.
    PodLabels,
    /// Labels of nodes: no key is reserved.
    NodeSelector,
}

impl Use {
    fn noun(self) -> &'static str {
        match self {
            Self::Labels | Self::PodLabels => "label",
            Self::Annotations => "annotation",
            Self::NodeSelector => "node label",
        }
    }
}

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    (maps(store).into_iter())
        .flat_map(|(path, map_use, map)| {
            let entries = map.into_iter().flatten();
            entries.flat_map(move |(key, value)| entry(&path.key(key), map_use, key, value))
        })
        .chain(annotations_of_pods(store))
        .collect()
}

/// Validates annotations of pods that have a meaning for Kubernetes.
fn annotations_of_pods(store: &FeatureStore) -> Vec<Violation> {
    let mut servers: Vec<&str> = pod_servers(store)
        .iter()
        .map(|it| it.kind.as_str())
        .collect();
    servers.extend([names::INIT_CONTAINER, names::APPLY_CONTAINER]);
    if lineage(store).is_some() {
        // Its pods have the same annotations and none of these containers.
        servers.clear();
    }
    let commands = cron_job_containers(store).and_then(|it| it.commands.clone());
    let commands = 0..commands_or_default(commands).len();
    let commands: Vec<String> = commands.map(names::cron_job_container).collect();
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let services = services(store);
    let apply_job = services.and_then(|it| it.feast_apply_job.as_ref());
    let cron_job = store.cron_job.as_ref().and_then(|it| it.job_spec.as_ref());
    let cron_job = cron_job.and_then(|it| it.pod_template_annotations.as_ref());
    let mut violations = Vec::new();
    for (path, annotations, containers, reads) in [
        (
            "services.pod_annotations",
            services.and_then(|it| it.pod_annotations.as_ref()),
            servers.as_slice(),
            &["services", "openlineage"][..],
        ),
        (
            "services.feast_apply_job.pod_annotations",
            apply_job.and_then(|it| it.pod_annotations.as_ref()),
            &[names::INIT_CONTAINER, names::APPLY_CONTAINER],
            &[],
        ),
        (
            "cron_job.job_spec.pod_template_annotations",
            cron_job,
            &commands,
            &["cron_job.container_configs"],
        ),
    ] {
        let path = Path::of(path);
        for (key, value) in annotations.into_iter().flatten() {
            let found = pod_annotations::validate(&path.key(key), key, value, containers);
            let reads: Vec<Path> = reads.iter().map(|read| Path::of(read)).collect();
            violations.extend(found.map(|violation| violation.reading(&reads)));
        }
    }
    violations
}

type Map = BTreeMap<String, String>;

fn maps(store: &FeatureStore) -> Vec<(Path, Use, Option<&Map>)> {
    let cron_job = store.cron_job.as_ref();
    let job_spec = cron_job.and_then(|it| it.job_spec.as_ref());
    let services = services(store);
    let apply_job = services.and_then(|it| it.feast_apply_job.as_ref());
    let mut maps: Vec<_> = [
        ("labels", Use::Labels, store.labels.as_ref()),
        ("annotations", Use::Annotations, store.annotations.as_ref()),
        (
            "cron_job.annotations",
            Use::Annotations,
            cron_job.and_then(|it| it.annotations.as_ref()),
        ),
        (
            "cron_job.job_spec.pod_template_annotations",
            Use::Annotations,
            job_spec.and_then(|it| it.pod_template_annotations.as_ref()),
        ),
        (
            "cron_job.container_configs.node_selector",
            Use::NodeSelector,
            cron_job_containers(store).and_then(|it| it.node_selector.as_ref()),
        ),
        (
            "cron_job.job_spec.pod_template_labels",
            Use::PodLabels,
            job_spec.and_then(|it| it.pod_template_labels.as_ref()),
        ),
        (
            "services.feast_apply_job.pod_labels",
            Use::PodLabels,
            apply_job.and_then(|it| it.pod_labels.as_ref()),
        ),
        (
            "services.feast_apply_job.pod_annotations",
            Use::Annotations,
            apply_job.and_then(|it| it.pod_annotations.as_ref()),
        ),
        (
            "services.pod_labels",
            Use::PodLabels,
            services.and_then(|it| it.pod_labels.as_ref()),
        ),
        (
            "services.node_selector",
            Use::NodeSelector,
            services.and_then(|it| it.node_selector.as_ref()),
        ),
        (
            "services.pod_annotations",
            Use::Annotations,
            services.and_then(|it| it.pod_annotations.as_ref()),
        ),
    ]
    .map(|(path, map_use, map)| (Path::of(path), map_use, map))
    .into();
    maps.extend(of_exposures(store));
    let volumes = services.and_then(|it| it.volumes.as_deref());
    for (index, volume) in volumes.unwrap_or_default().iter().enumerate() {
        let template = volume
            .ephemeral
            .as_ref()
            .map(|it| &it.volume_claim_template);
        let metadata = template.and_then(|template| template.metadata.as_ref());
        let path = Path::of(VOLUMES).index(index);
        let path = path.attribute("ephemeral.volume_claim_template.metadata");
        let labels = metadata.and_then(|it| it.labels.as_ref());
        maps.push((path.attribute("labels"), Use::Labels, labels));
        let annotations = metadata.and_then(|it| it.annotations.as_ref());
        maps.push((path.attribute("annotations"), Use::Annotations, annotations));
    }
    maps.extend(all_servers(store).into_iter().map(|container| {
        let map = container.settings.and_then(|it| it.node_selector);
        (
            container.path.attribute("node_selector"),
            Use::NodeSelector,
            map,
        )
    }));
    maps
}

/// Returns the labels and annotations of Services, Routes and of the ServiceMonitor.
fn of_exposures(store: &FeatureStore) -> Vec<(Path, Use, Option<&Map>)> {
    let monitor = services(store).and_then(|it| it.service_monitor.as_ref());
    let monitor = monitor.map(|it| {
        let path = Path::of("services.service_monitor");
        (path, it.labels.as_ref(), it.annotations.as_ref())
    });
    let services = exposures(store).into_iter();
    let services = services.filter_map(|exposure| {
        let ServiceSettings {
            labels,
            annotations,
            ..
        } = exposure.service?;
        Some((exposure.service_path, labels.as_ref(), annotations.as_ref()))
    });
    let routes = openshift(store).and_then(|it| it.routes.as_ref());
    let routes = routes.into_iter().flatten().map(|(name, route)| {
        let path = Path::of(ROUTES).key(name);
        (path, route.labels.as_ref(), route.annotations.as_ref())
    });
    (services.chain(routes).chain(monitor))
        .flat_map(|(path, labels, annotations)| {
            [
                (path.attribute("labels"), Use::Labels, labels),
                (path.attribute("annotations"), Use::Annotations, annotations),
            ]
        })
        .collect()
}

fn entry(path: &Path, map_use: Use, key: &str, value: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    let is_reserved = key.starts_with(RESERVED_PREFIX) || key == MANAGED_BY_LABEL;
    if !is_qualified_name(key) {
        violations.push(Violation::at(
            path.clone(),
            format!("{key:?} is not a valid {} key", map_use.noun()),
            QUALIFIED_NAME_SYNTAX,
        ));
    } else if map_use != Use::NodeSelector && is_reserved {
        violations.push(Violation::at(
            path.clone(),
            format!("The key {key:?} is reserved for the provider"),
            "The provider finds its objects by the keys that begin with `feast.dev/` and by \
             `app.kubernetes.io/managed-by`. Use another key.",
        ));
    }
    if map_use == Use::PodLabels
        && (CONTROLLER_LABELS.contains(&key) || key.starts_with(JOB_LABEL_PREFIX))
    {
        violations.push(Violation::at(
            path.clone(),
            format!("The key {key:?} is reserved for Kubernetes"),
            "The controllers of Deployments and Jobs set this label on their pods. Use another key.",
        ));
    }
    if map_use != Use::Annotations && !is_label_value(value) {
        violations.push(Violation::at(
            path.clone(),
            format!("The value of the label {key:?} is not valid"),
            match map_use {
                Use::NodeSelector => LABEL_VALUE_SYNTAX.to_owned(),
                _ => format!("{LABEL_VALUE_SYNTAX} An annotation can hold any text."),
            },
        ));
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::feast::rules::testing::rejects_store;

    #[test]
    fn node_selectors_and_pod_annotations() {
        rejects_store(
            "labels",
            json!({
                "name": "demo",
                "feastProject": "demo",
                "services": {
                    "nodeSelector": {"feast.dev/pool": "a", "disk": "a b"},
                    "podAnnotations": {"feast.dev/configuration-hash": "x", "a/b": "any text"},
                    "offlineStore": {"server": {"nodeSelector": {"-": "x"}}},
                },
            }),
            &[
                (
                    "services.node_selector[\"disk\"]",
                    "The value of the label \"disk\" is not valid",
                ),
                (
                    "services.pod_annotations[\"feast.dev/configuration-hash\"]",
                    "The key \"feast.dev/configuration-hash\" is reserved for the provider",
                ),
                (
                    "services.offline_store.server.node_selector[\"-\"]",
                    "\"-\" is not a valid node label key",
                ),
            ],
        );
    }

    #[test]
    fn labels_and_annotations_of_pods() {
        rejects_store(
            "labels",
            json!({
                "name": "demo",
                "feastProject": "demo",
                "cronJob": {"jobSpec": {"podTemplateLabels": {"job-name": "x"}}},
                "services": {
                    "podLabels": {"feast.dev/name": "x", "team": "a b", "azure.workload.identity/use": "true"},
                    "feastApplyJob": {
                        "podLabels": {"batch.kubernetes.io/controller-uid": "x"},
                        "podAnnotations": {
                            "a/": "x",
                            "container.apparmor.security.beta.kubernetes.io/online": "unconfined",
                            "container.apparmor.security.beta.kubernetes.io/feast-apply": "unconfined",
                        },
                    },
                },
            }),
            &[
                (
                    "cron_job.job_spec.pod_template_labels[\"job-name\"]",
                    "The key \"job-name\" is reserved for Kubernetes",
                ),
                (
                    "services.feast_apply_job.pod_labels[\"batch.kubernetes.io/controller-uid\"]",
                    "The key \"batch.kubernetes.io/controller-uid\" is reserved for Kubernetes",
                ),
                (
                    "services.feast_apply_job.pod_annotations[\"a/\"]",
                    "\"a/\" is not a valid annotation key",
                ),
                (
                    "services.pod_labels[\"feast.dev/name\"]",
                    "The key \"feast.dev/name\" is reserved for the provider",
                ),
                (
                    "services.pod_labels[\"team\"]",
                    "The value of the label \"team\" is not valid",
                ),
                (
                    "services.feast_apply_job.pod_annotations[\"container.apparmor.security.beta.kubernetes.io/online\"]",
                    "The annotation \"container.apparmor.security.beta.kubernetes.io/online\" must name a container of the pods",
                ),
            ],
        );
    }

    #[test]
    fn annotations_with_a_meaning_for_kubernetes() {
        let profile =
            |container: &str| format!("container.apparmor.security.beta.kubernetes.io/{container}");
        rejects_store(
            "labels",
            json!({
                "name": "demo",
                "feastProject": "demo",
                "cronJob": {"jobSpec": {"podTemplateAnnotations": {
                    &profile("feast-1"): "unconfined",
                    &profile("feast-2"): "unconfined",
                }}},
                "services": {"podAnnotations": {
                    &profile("online"): "runtime/default",
                    &profile("offline"): "runtime/default",
                    "controller.kubernetes.io/pod-deletion-cost": "low",
                }},
            }),
            &[
                (
                    &format!("services.pod_annotations[{:?}]", profile("offline")),
                    &format!(
                        "The annotation {:?} must name a container of the pods",
                        profile("offline")
                    ),
                ),
                (
                    "services.pod_annotations[\"controller.kubernetes.io/pod-deletion-cost\"]",
                    "The annotation \"controller.kubernetes.io/pod-deletion-cost\" must be a number of 32 bits",
                ),
                (
                    &format!(
                        "cron_job.job_spec.pod_template_annotations[{:?}]",
                        profile("feast-2")
                    ),
                    &format!(
                        "The annotation {:?} must name a container of the pods",
                        profile("feast-2")
                    ),
                ),
            ],
        );
    }

    #[test]
    fn labels_and_annotations_of_the_objects() {
        rejects_store(
            "labels",
            json!({
                "name": "demo",
                "feastProject": "demo",
                "labels": {
                    "team": "",
                    "example.com/tier": "gold",
                    "-bad": "x",
                    "feast.dev/name": "x",
                    "app.kubernetes.io/managed-by": "me",
                    "spaced": "a b",
                },
                "annotations": {"note": "any text: at all", "Upper.com/x": ""},
            }),
            &[
                ("labels[\"-bad\"]", "\"-bad\" is not a valid label key"),
                (
                    "labels[\"app.kubernetes.io/managed-by\"]",
                    "The key \"app.kubernetes.io/managed-by\" is reserved for the provider",
                ),
                (
                    "labels[\"feast.dev/name\"]",
                    "The key \"feast.dev/name\" is reserved for the provider",
                ),
                (
                    "labels[\"spaced\"]",
                    "The value of the label \"spaced\" is not valid",
                ),
                (
                    "annotations[\"Upper.com/x\"]",
                    "\"Upper.com/x\" is not a valid annotation key",
                ),
            ],
        );
    }
}
