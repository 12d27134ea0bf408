//! Names derived from the feature store's.

use super::Violation;
use super::accessors::{LOCAL, all_containers, claims, local};
use crate::feast::config::FeatureStore;
use crate::feast::names::{self, Endpoint, LABEL_LENGTH, ServerKind};
use crate::schema::Path;

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let name = Path::of("name");
    let Some((longest, mut reads)) = derived(store)
        .into_iter()
        .filter(|(derived, _)| derived.len() > LABEL_LENGTH)
        .max_by_key(|(derived, _)| derived.len())
    else {
        return Vec::new();
    };
    let allowed = store.name.len() + LABEL_LENGTH - longest.len();
    reads.push(name.clone());
    vec![Violation::new(
        name,
        reads,
        format!("The name makes {longest:?}, which is longer than {LABEL_LENGTH} characters"),
        format!(
            "Kubernetes allows Services and volumes names of at most {LABEL_LENGTH} characters. With the \
             services of this feature store its name may have {allowed}; it has {}.",
            store.name.len()
        ),
    )]
}

/// Every name that must be a DNS label, with what its existence was concluded from.
fn derived(store: &FeatureStore) -> Vec<(String, Vec<Path>)> {
    let service = |endpoint| names::service(&store.name, endpoint);
    let mut derived = vec![(names::main(&store.name), Vec::new())];
    for container in all_containers(store) {
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
    let claims = claims(store).into_iter();
    derived.extend(claims.map(|claim| (names::claim(&store.name, claim.service), claim.reads)));
    derived
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::refused_whole;

    fn named(length: usize, services: Json, too_long: Option<&str>) {
        let name = "n".repeat(length);
        let message = too_long.map(|suffix| {
            format!("The name makes \"feast-{name}{suffix}\", which is longer than 63 characters")
        });
        let expected: Vec<_> = message.iter().map(|text| ("name", text.as_str())).collect();
        refused_whole(
            "names",
            json!({"name": name, "feastProject": "p", "services": services}),
            &expected,
        );
    }

    #[test]
    fn the_longest_derived_name_decides() {
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
