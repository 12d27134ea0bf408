//! Changes of an existing feature store that Kubernetes rejects: PersistentVolumeClaims are mostly immutable.

use std::collections::BTreeMap;

use super::Violation;
use super::accessors::{Pvc, pvcs};
use crate::feast::config::{FeatureStore, PvcCreate};
use crate::kubernetes::quantity::Quantity;

const REMEDY: &str = "Restore the previous value. To use a PVC with other properties, create it yourself, copy the \
     data to it, and set `ref` instead of `create`. To lose the data and start with an empty PVC, apply `delete_data = \
     true`, run `terraform taint <address>`, and apply this change. `-replace` cannot be used for this, because Terraform \
     plans it as an update first.";

/// Returns every change between two configurations that the API server would reject.
pub fn check(before: &FeatureStore, after: &FeatureStore) -> Vec<Violation> {
    let old = pvcs(before);
    pvcs(after)
        .into_iter()
        .filter_map(|new| {
            let old = old.iter().find(|old| old.service == new.service)?;
            let (old, template) = (old.config.create.as_ref()?, new.config.create.as_ref()?);
            Some(check_template_change(&new, old, template))
        })
        .flatten()
        .collect()
}

/// Compares the templates of a PVC.
fn check_template_change(pvc: &Pvc<'_>, old: &PvcCreate, new: &PvcCreate) -> Vec<Violation> {
    let path = pvc.path.attribute("create");
    let mut violations = Vec::new();
    let mut reject = |name: &str, summary: String| {
        let at = path.attribute(name);
        let reads = pvc.reads.iter().cloned().chain([at.clone()]);
        violations.push(Violation::new(at.clone(), reads, summary, REMEDY));
    };
    let modes = |template: &PvcCreate| {
        let modes = template.access_modes.as_deref().unwrap_or_default();
        let words: Vec<_> = modes.iter().map(|mode| mode.as_str()).collect();
        match words.as_slice() {
            [] => "ReadWriteOnce".to_owned(),
            words => words.join(", "),
        }
    };
    if modes(old) != modes(new) {
        let (old, new) = (modes(old), modes(new));
        reject(
            "access_modes",
            format!("The access modes of a PVC cannot be changed ({old} to {new})"),
        );
    }
    // A class that is set for the first time may be the default class, which the PVC already has.
    if old.storage_class_name.is_some() && old.storage_class_name != new.storage_class_name {
        reject(
            "storage_class_name",
            "The storage class of a PVC cannot be changed".to_owned(),
        );
    }
    let request = |template: &PvcCreate| {
        let resources = template.resources.as_ref();
        let requests = resources.and_then(|resources| resources.requests.as_ref());
        let storage = requests.and_then(|requests| requests.get("storage"));
        storage.map_or(pvc.service.default_storage().to_owned(), |it| it.0.clone())
    };
    let (before, after) = (request(old), request(new));
    let sizes = (Quantity::parse(&before), Quantity::parse(&after));
    if let (Some(large), Some(small)) = sizes
        && small < large
    {
        reject(
            "resources",
            format!("A PVC cannot be shrunk ({before} to {after})"),
        );
    }
    let limits = |template: &PvcCreate| {
        let resources = template.resources.clone().unwrap_or_default();
        let limits = resources.limits.unwrap_or_default().into_iter();
        let limits = limits.map(|(name, limit)| (name, Quantity::parse(&limit.0)));
        limits.collect::<BTreeMap<_, _>>()
    };
    if limits(old) != limits(new) {
        reject(
            "resources",
            "The limits of a PVC cannot be changed".to_owned(),
        );
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::config::FeatureStore;

    fn store(online: Json) -> FeatureStore {
        serde_json::from_value(json!({
            "name": "demo", "feastProject": "p", "services": {"onlineStore": online},
        }))
        .unwrap()
    }

    fn pvc(create: Json) -> Json {
        json!({"persistence": {"file": {"pvc": {"create": create, "mountPath": "/d"}}}})
    }

    fn change(before: Json, after: Json, expected: &[(&str, &str)]) {
        let found = super::check(&store(before), &store(after));
        let found: Vec<_> = found
            .iter()
            .map(|violation| (violation.path.to_string(), violation.summary.as_str()))
            .collect();
        let create = "services.online_store.persistence.file.pvc.create";
        let expected: Vec<_> = expected
            .iter()
            .map(|(path, summary)| (format!("{create}.{path}"), *summary))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_pvc_can_only_grow() {
        let size = |size: &str| json!({"resources": {"requests": {"storage": size}}});
        change(pvc(json!({})), pvc(size("10Gi")), &[]);
        change(pvc(size("1024Mi")), pvc(size("1Gi")), &[]);
        let smaller = "A PVC cannot be shrunk (5Gi to 1Gi)";
        change(pvc(json!({})), pvc(size("1Gi")), &[("resources", smaller)]);
        let limit = |size: &str| pvc(json!({"resources": {"limits": {"storage": size}}}));
        change(
            pvc(json!({})),
            limit("10Gi"),
            &[("resources", "The limits of a PVC cannot be changed")],
        );
        change(limit("10Gi"), limit("10240Mi"), &[]);
    }

    #[test]
    fn other_properties_of_a_pvc_are_immutable() {
        let class = |class: &str| json!({"storageClassName": class});
        let modes = |mode: &str| json!({"accessModes": [mode]});
        change(pvc(json!({})), pvc(modes("ReadWriteOnce")), &[]);
        change(pvc(json!({})), pvc(class("fast")), &[]);
        change(
            pvc(class("slow")),
            pvc(class("fast")),
            &[(
                "storage_class_name",
                "The storage class of a PVC cannot be changed",
            )],
        );
        change(
            pvc(class("slow")),
            pvc(modes("ReadWriteMany")),
            &[
                (
                    "access_modes",
                    "The access modes of a PVC cannot be changed (ReadWriteOnce to ReadWriteMany)",
                ),
                (
                    "storage_class_name",
                    "The storage class of a PVC cannot be changed",
                ),
            ],
        );
    }

    #[test]
    fn a_new_pvc_can_have_any_size() {
        let small = pvc(json!({"resources": {"requests": {"storage": "1Gi"}}}));
        change(json!({}), small.clone(), &[]);
        let mut disabled = pvc(json!({}));
        disabled["disabled"] = json!(true);
        change(disabled, small, &[]);
    }
}
