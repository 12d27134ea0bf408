//! The PersistentVolumeClaims that the provider creates.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec};
use serde_json::Value as Json;

use super::{metadata, object};
use crate::feast::names;
use crate::feast::spec::{ClaimSource, Store};
use crate::kubernetes::{Key, Kind};

pub(super) fn render(store: &Store) -> Vec<(Key, Json)> {
    let mut claims = Vec::new();
    for (service, claim) in store.claims() {
        let ClaimSource::Created {
            access_modes,
            storage_class_name,
            resources,
        } = &claim.source
        else {
            continue;
        };
        let name = names::claim(&store.name, service);
        let claim = PersistentVolumeClaim {
            metadata: metadata::object(store, name, Some(service.as_str())),
            spec: Some(PersistentVolumeClaimSpec {
                access_modes: Some(access_modes.iter().map(ToString::to_string).collect()),
                storage_class_name: storage_class_name.clone(),
                resources: Some(resources.clone()),
                ..PersistentVolumeClaimSpec::default()
            }),
            ..PersistentVolumeClaim::default()
        };
        claims.push(object(Kind::PersistentVolumeClaim, &claim));
    }
    claims
}
