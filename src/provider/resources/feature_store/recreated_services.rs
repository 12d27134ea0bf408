//! Services that an update deletes and creates again, because it changes an immutable field.

use crate::cluster::apply::immutable_change;
use crate::kubernetes::Kind;
use crate::kubernetes::field_path::FieldPath;
use crate::provider::diagnostics;
use crate::schema::{Diagnostic, Diagnostics, Value};

use super::attribute_paths::AttributePaths;
use super::desired_store::DesiredStore;
use super::prior_state::PriorState;

/// Returns a warning for each Service that an update creates again, at the attribute. `planned` is the planned state.
pub fn warnings(prior: &PriorState<'_>, planned: &Value, desired: &DesiredStore) -> Diagnostics {
    let attributes = AttributePaths {
        block: prior.block,
        planned,
    };
    let services = desired.objects.manifests.iter();
    let services = services.filter(|(key, _)| key.kind == Kind::Service);
    let warnings = services.filter_map(|(key, manifest)| {
        let before = prior.observed.get(key)?;
        let families = FieldPath::of(&["spec", "ipFamilies"]);
        let is_new = families.get(before).is_none() && families.get(manifest).is_some();
        let (field, is_certain) = match immutable_change(manifest, Some(before), before) {
            Some(field) => (field, true),
            None if is_new => (families, false),
            None => return None,
        };
        let name = field.to_string();
        let warning = diagnostics::recreated_service(key, name.trim_start_matches('.'), is_certain);
        let place = attributes.closest(key, &field);
        Some(diagnostics::at_attribute(warning, place))
    });
    warnings.collect::<Vec<Diagnostic>>()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::provider::resources::feature_store::testing::{block, plan, stored, value};

    #[test]
    fn warns_of_a_service_that_is_created_again() {
        let block = block();
        let config = |service: &Json| {
            value(
                &block,
                &json!({"name": "x", "namespace": "ns", "feastProject": "p", "services": {
                    "onlineStore": {"server": {"service": service}},
                }}),
            )
        };
        let families = |families: &[&str]| json!({"ipFamilies": families});
        let balancer = |class: &str| json!({"type": "LoadBalancer", "loadBalancerClass": class});
        for (before, after, expected) in [
            (
                families(&["IPv4"]),
                families(&["IPv6"]),
                Some("service.ip_families"),
            ),
            (
                families(&["IPv4"]),
                json!({"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "PreferDualStack"}),
                None,
            ),
            (json!({}), families(&["IPv6"]), Some("service.ip_families")),
            (families(&["IPv4"]), json!({}), None),
            (
                balancer("example.com/a"),
                balancer("example.com/b"),
                Some("service.load_balancer_class"),
            ),
            (balancer("example.com/a"), balancer("example.com/a"), None),
            (
                balancer("example.com/a"),
                json!({"type": "LoadBalancer"}),
                Some("service"),
            ),
            (
                json!({"type": "LoadBalancer", "loadBalancerClass": "example.com/a", "ipFamilies": ["IPv4"]}),
                balancer("example.com/b"),
                Some("service.load_balancer_class"),
            ),
        ] {
            let prior = stored(&block, &config(&before));
            let planned = plan(&block, Some(&prior), &config(&after));
            let found: Vec<_> = (planned.diagnostics.iter())
                .map(|it| {
                    (
                        it.summary.as_str(),
                        it.path.as_ref().map(ToString::to_string),
                    )
                })
                .collect();
            let path = expected.map(|name| format!("services.online_store.server.{name}"));
            let summary = "The apply deletes Service/feast-x-online and creates it again";
            let wanted: Vec<_> = path.map(|path| (summary, Some(path))).into_iter().collect();
            assert_eq!(found, wanted, "{before} → {after}");
        }
    }
}
