//! The PersistentVolumeClaims that the provider creates.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec};
use serde_json::Value as Json;

use super::{metadata, object};
use crate::feast::names;
use crate::feast::spec::{PvcSource, Store};
use crate::kubernetes::{Key, Kind};

pub(super) fn render(store: &Store) -> Vec<(Key, Json)> {
    let mut pvcs = Vec::new();
    for (service, pvc) in store.pvcs() {
        let PvcSource::Created {
            access_modes,
            storage_class_name,
            resources,
        } = &pvc.source
        else {
            continue;
        };
        let name = names::pvc(&store.name, service);
        let pvc = PersistentVolumeClaim {
            metadata: metadata::object(store, name, Some(service.as_str())),
            spec: Some(PersistentVolumeClaimSpec {
                access_modes: Some(access_modes.iter().map(ToString::to_string).collect()),
                storage_class_name: storage_class_name.clone(),
                resources: Some(resources.clone()),
                ..PersistentVolumeClaimSpec::default()
            }),
            ..PersistentVolumeClaim::default()
        };
        pvcs.push(object(Kind::PersistentVolumeClaim, &pvc));
    }
    pvcs
}
