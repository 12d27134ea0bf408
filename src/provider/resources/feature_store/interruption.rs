//! Updates that interrupt the feature store.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::feast::names;
use crate::feast::secrets::store_secret;
use crate::feast::spec::{Replicas, Strategy};
use crate::kubernetes::{Key, Kind};
use crate::provider::diagnostics;
use crate::schema::Diagnostic;

use super::desired_store::DesiredStore;
use super::prior_state::PriorState;

/// Returns a warning if an update stops all pods before it starts new ones, or if Services lead to ports on which only
/// new pods listen.
pub fn warning(prior: &PriorState<'_>, desired: &DesiredStore) -> Option<Diagnostic> {
    let DesiredStore { store, objects } = desired;
    let deployment = Key::new(Kind::Deployment, names::main(&store.name));
    let before = prior.observed.get(&deployment)?;
    let has_pods =
        before["spec"]["replicas"] != 0 && !matches!(store.replicas, Replicas::Stopped { .. });
    let secret = store_secret::key(&store.name);
    let file = format!("/stringData/{}", names::FEATURE_STORE_YAML);
    let differs = |key: &Key, pointer: &str| {
        let [before, after] = [&prior.observed, &objects.manifests]
            .map(|manifests| manifests.get(key).and_then(|it| it.pointer(pointer)));
        before != after
    };
    let replaces_pods = differs(&deployment, "/spec/template")
        || differs(&secret, &file)
        || prior.private.secrets_changed;
    if !has_pods || !replaces_pods {
        return None;
    }
    if store.strategy == Strategy::Recreate {
        return Some(diagnostics::interruption(store.allows_several_pods()));
    }
    let moved: Vec<&Key> = (objects.manifests.iter())
        .filter(|(key, _)| key.kind == Kind::Service)
        .filter(|(key, manifest)| moves_port(prior.observed.get(*key), manifest))
        .map(|(key, _)| key)
        .collect();
    (!moved.is_empty()).then(|| diagnostics::moved_ports(&moved))
}

/// Returns whether the Service leads to other ports of the pods than before. A port that is added or removed does not
/// count.
fn moves_port(before: Option<&Json>, manifest: &Json) -> bool {
    let ports = |service: &Json| -> Option<BTreeSet<String>> {
        let ports = service["spec"]["ports"].as_array()?.iter();
        Some(ports.map(|port| port["targetPort"].to_string()).collect())
    };
    let (Some(before), Some(after)) = (before.and_then(ports), ports(manifest)) else {
        return false;
    };
    !before.is_subset(&after) && !after.is_subset(&before)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::moves_port;
    use crate::kubernetes::{Key, Kind};
    use crate::provider::diagnostics;
    use crate::provider::resources::feature_store::testing::{block, plan, stored, value};
    use crate::schema::Value;

    fn databases() -> Json {
        let database = |kind: &str| json!({"store": {"type": kind, "secretRef": {"name": "s"}}});
        json!({
            "onlineStore": {"persistence": database("postgres")},
            "registry": {"local": {"persistence": database("sql")}},
        })
    }

    fn with(mut services: Json, more: &Json) -> Json {
        for (name, value) in more.as_object().unwrap() {
            services[name] = value.clone();
        }
        json!({"name": "x", "namespace": "ns", "feastProject": "p", "services": services})
    }

    #[test]
    fn warns_if_all_pods_stop_before_new_ones_start() {
        let block = block();
        let one = json!({"scaling": {"replicas": 1}});
        let three = json!({"scaling": {"replicas": 3}});
        let image = json!({"initImage": "feast:2"});
        let rolling =
            json!({"initImage": "feast:2", "deploymentStrategy": {"type": "RollingUpdate"}});
        let recreate = json!({"initImage": "feast:2", "scaling": {"replicas": 3}, "deploymentStrategy": {"type": "Recreate"}});
        let budget =
            json!({"scaling": {"replicas": 1}, "podDisruptionBudgets": {"maxUnavailable": 1}});
        let none = json!({});
        for (services, before, after, interrupts) in [
            // The pod template changes.
            (json!({}), &none, &image, true),
            (databases(), &none, &image, true),
            (databases(), &none, &rolling, false),
            (databases(), &three, &recreate, true),
            // It does not.
            (databases(), &one, &one, false),
            (databases(), &one, &three, false),
            (databases(), &three, &one, false),
            (databases(), &three, &none, false),
            (databases(), &one, &budget, false),
        ] {
            let allows_several_pods = services != json!({});
            let prior = stored(&block, &value(&block, &with(services.clone(), before)));
            let planned = plan(&block, Some(&prior), &value(&block, &with(services, after)));
            let expected = interrupts.then(|| diagnostics::interruption(allows_several_pods));
            assert_eq!(
                planned.diagnostics,
                Vec::from_iter(expected),
                "{before} → {after}"
            );
        }
    }

    #[test]
    fn warns_of_services_that_lead_to_ports_of_new_pods() {
        let block = block();
        let with_server = |server: Json| {
            let mut services = databases();
            services["onlineStore"]["server"] = server;
            let scaled = json!({"scaling": {"replicas": 3}});
            value(&block, &with(services, &scaled))
        };
        let tls = json!({"tls": {"secretRef": {"name": "certificate"}}});
        let online = Key::new(Kind::Service, "feast-x-online");
        let warning = || vec![diagnostics::moved_ports(&[&online])];
        for (before, after, expected) in [
            (json!({}), tls.clone(), warning()),
            (tls, json!({}), warning()),
            (json!({}), json!({"image": "feast:2"}), vec![]),
        ] {
            let prior = stored(&block, &with_server(before.clone()));
            let planned = plan(&block, Some(&prior), &with_server(after.clone()));
            assert_eq!(planned.diagnostics, expected, "{before} → {after}");
        }
    }

    #[test]
    fn added_and_removed_ports_are_not_moved() {
        let service = |ports: &[u16]| {
            let ports: Vec<Json> = ports.iter().map(|it| json!({"targetPort": it})).collect();
            json!({"kind": "Service", "spec": {"ports": ports}})
        };
        for (before, after, expected) in [
            (vec![6566], vec![6567], true),
            (vec![6566, 8000], vec![6567, 8000], true),
            (vec![6566], vec![6566, 8000], false),
            (vec![6566, 8000], vec![6566], false),
            (vec![6566], vec![6566], false),
        ] {
            let moves = moves_port(Some(&service(&before)), &service(&after));
            assert_eq!(moves, expected, "{before:?} → {after:?}");
        }
        assert!(!moves_port(None, &service(&[6566])));
    }

    #[test]
    fn does_not_warn_of_an_update_without_pods() {
        let block = block();
        let config = |more| value(&block, &with(databases(), &more));
        let one = json!({"scaling": {"replicas": 1}});
        let mut prior = stored(&block, &config(one.clone()));
        let (key, manifest) = (prior.private.last_applied.iter())
            .find(|(key, _)| key.kind == Kind::Deployment)
            .unwrap();
        let mut observed = manifest.clone();
        observed["spec"]["replicas"] = json!(0);
        prior.private.changed = [(key.clone(), Some(observed))].into();
        let image = json!({"scaling": {"replicas": 1}, "initImage": "feast:2"});
        assert_eq!(plan(&block, Some(&prior), &config(image)).diagnostics, []);
    }

    #[test]
    fn warns_of_pods_that_are_replaced_because_of_their_configuration() {
        let block = block();
        let config = value(&block, &with(databases(), &json!({})));
        let mut project = config.clone();
        project.set("feast_project", Value::string("q"));
        let mut labelled = config.clone();
        let label = [("team".to_owned(), Value::string("a"))];
        labelled.set("labels", Value::Map(label.into()));
        let prior = stored(&block, &config);
        let mut rotated = prior.clone();
        rotated.private.secrets_changed = true;
        for (prior, config, interrupts) in [
            (&prior, &project, true),
            (&rotated, &config, true),
            (&prior, &labelled, false),
        ] {
            let planned = plan(&block, Some(prior), config);
            let expected = interrupts.then(|| diagnostics::interruption(true));
            assert_eq!(planned.diagnostics, Vec::from_iter(expected));
        }
    }
}
