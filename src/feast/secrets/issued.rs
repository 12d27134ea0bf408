//! Secrets and ConfigMaps that another controller creates or fills because an object of the feature store asks for them
//! by an annotation. They do not exist before that object.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::feast::names::{INJECT_CA_ANNOTATION, SERVING_CERTIFICATE_ANNOTATION};
use crate::kubernetes::{Key, Kind};

/// Returns the Secrets and ConfigMaps that these manifests ask for, each with the object that has the annotation.
pub fn issued(manifests: &BTreeMap<Key, Json>) -> BTreeMap<Key, Key> {
    let asks = |(key, manifest): (&Key, &Json)| {
        let annotations = &manifest["metadata"]["annotations"];
        let issued = match key.kind {
            Kind::Service => {
                let secret = annotations[SERVING_CERTIFICATE_ANNOTATION].as_str()?;
                Key::new(Kind::Secret, secret)
            }
            Kind::ConfigMap => {
                annotations[INJECT_CA_ANNOTATION].as_str()?;
                key.clone()
            }
            _ => return None,
        };
        Some((issued, key.clone()))
    };
    manifests.iter().filter_map(asks).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn annotated_services_and_config_maps_ask_for_certificates() {
        let annotated =
            |name: &str, value: &str| json!({"metadata": {"annotations": {name: value}}});
        let (service, config_map) = (Key::new(Kind::Service, "a"), Key::new(Kind::ConfigMap, "b"));
        let manifests = BTreeMap::from([
            (
                service.clone(),
                annotated(SERVING_CERTIFICATE_ANNOTATION, "a-tls"),
            ),
            (config_map.clone(), annotated(INJECT_CA_ANNOTATION, "true")),
            (Key::new(Kind::Service, "c"), annotated("other", "c-tls")),
            (Key::new(Kind::Secret, "d"), Json::Null),
        ]);
        let expected = [
            (Key::new(Kind::Secret, "a-tls"), service),
            (config_map.clone(), config_map),
        ];
        assert_eq!(issued(&manifests), expected.into());
    }
}
