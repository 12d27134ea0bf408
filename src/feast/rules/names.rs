//! Names of objects, which begin with the name of the feature store.

use super::Violation;
use super::accessors::{LOCAL, all_servers, local, pvcs};
use crate::feast::config::FeatureStore;
use crate::feast::names::{self, Endpoint, ServerKind};
use crate::kubernetes::validation::metadata::DNS_LABEL_LENGTH;
use crate::schema::Path;

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let name = Path::of("name");
    let Some((longest, mut reads)) = derived(store)
        .into_iter()
        .filter(|(derived, _)| derived.len() > DNS_LABEL_LENGTH)
        .max_by_key(|(derived, _)| derived.len())
    else {
        return Vec::new();
    };
    let allowed = store.name.len() + DNS_LABEL_LENGTH - longest.len();
    reads.push(name.clone());
    vec![Violation::new(
        name,
        reads,
        format!("The object name {longest:?} is longer than {DNS_LABEL_LENGTH} characters"),
        format!(
            "With the services of this feature store, `name` can have at most {allowed} characters. It has {}.",
            store.name.len()
        ),
    )]
}

/// Returns every name that must be a DNS label, with the attributes that decide whether the object exists.
fn derived(store: &FeatureStore) -> Vec<(String, Vec<Path>)> {
    let service = |endpoint| names::service(&store.name, endpoint);
    let mut derived = vec![(names::main(&store.name), Vec::new())];
    for container in all_servers(store) {
        match container.kind {
            ServerKind::Online => derived.push((service(Endpoint::Online), container.reads)),
            ServerKind::Offline => derived.push((service(Endpoint::Offline), container.reads)),
            ServerKind::Ui => derived.push((service(Endpoint::Ui), container.reads)),
            ServerKind::Lineage => derived.push((service(Endpoint::Lineage), container.reads)),
            ServerKind::Registry => {}
        }
    }
    if let Some(server) = local(store).and_then(|local| local.server.as_ref()) {
        if server.grpc.unwrap_or(true) {
            let read = Path::of(LOCAL).attribute("server.grpc");
            derived.push((service(Endpoint::RegistryGrpc), vec![read]));
        }
        if server.rest_api == Some(true) {
            derived.push((service(Endpoint::RegistryRest), Vec::new()));
        }
    }
    let pvcs = pvcs(store).into_iter();
    derived.extend(pvcs.map(|pvc| (names::pvc(&store.name, pvc.service), pvc.reads)));
    derived
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::rejects_store;

    fn named(length: usize, services: Json, too_long: Option<&str>) {
        let name = "n".repeat(length);
        let message = too_long.map(|suffix| {
            format!("The object name \"feast-{name}{suffix}\" is longer than 63 characters")
        });
        let expected: Vec<_> = message.iter().map(|text| ("name", text.as_str())).collect();
        rejects_store(
            "names",
            json!({"name": name, "feastProject": "p", "services": services}),
            &expected,
        );
    }

    #[test]
    fn rejects_a_name_that_makes_an_object_name_too_long() {
        named(50, json!({}), None);
        named(51, json!({}), Some("-online"));
        named(57, json!({"onlineStore": {"disabled": true}}), None);
        let only_ui = json!({"onlineStore": {"disabled": true}, "ui": {}});
        named(54, only_ui.clone(), None);
        named(55, only_ui, Some("-ui"));
        named(49, json!({"offlineStore": {"server": {}}}), None);
        named(
            50,
            json!({"offlineStore": {"server": {}}}),
            Some("-offline"),
        );
        named(48, json!({"registry": {"local": {"server": {}}}}), None);
        named(
            49,
            json!({"registry": {"local": {"server": {}}}}),
            Some("-registry"),
        );
        named(
            44,
            json!({"registry": {"local": {"server": {"restAPI": true}}}}),
            Some("-registry-rest"),
        );
    }
}
