//! The user's Secrets, ConfigMaps and PersistentVolumeClaims that a feature store needs, some of which exist only after
//! an apply has begun.
//!
//! An apply ([`apply`](super::apply)) and the checks of a plan ([`cluster_check`](super::cluster_check)) read them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::cluster::references::Missing;
use crate::cluster::sources::may_appear;
use crate::cluster::{self, CancellationToken, Cluster, Reason, StoreName};
use crate::feast::secrets::issued::issued;
use crate::feast::secrets::source::{Contents, Source};
use crate::provider::diagnostics;
use crate::schema::{Diagnostic, Diagnostics, Path};

use super::attribute_paths::AttributePaths;
use super::desired_store::DesiredStore;

/// Returns the Secrets and ConfigMaps to read: those that exist before the apply, and those that objects of the feature
/// store ask another controller for.
pub fn sources(desired: &DesiredStore) -> (BTreeSet<Source>, BTreeSet<Source>) {
    let issued = issued(&desired.objects.manifests);
    let sources = desired.objects.sources().into_iter();
    sources.partition(|source| !issued.contains_key(&source.object()))
}

/// Adds a placeholder for each missing certificate, so that everything else can be checked before the first write.
pub fn with_placeholders(mut contents: Contents, missing: &BTreeSet<Source>) -> Contents {
    for source in missing {
        let key = source.key().unwrap_or_default().to_owned();
        let values = BTreeMap::from([(key, "not issued yet".to_owned())]);
        contents.insert(source.clone(), values);
    }
    contents
}

/// Reads the Secrets and ConfigMaps once, with placeholders for those that another controller creates after the apply
/// has begun.
///
/// # Errors
///
/// One error for each source that is missing or cannot be read.
pub async fn present_contents(
    cluster: &Cluster,
    desired: &DesiredStore,
    stop: &CancellationToken,
) -> Result<Contents, Vec<cluster::Error>> {
    let namespace = &desired.store.namespace;
    let (sources, later) = sources(desired);
    let (issued, missing) = cluster.contents_so_far(namespace, later, stop).await?;
    let contents = cluster.contents(namespace, &sources, stop).await?;
    let mut contents = with_placeholders(contents, &missing);
    contents.extend(issued);
    Ok(contents)
}

/// Returns a diagnostic for each of the user's Secrets and ConfigMaps that cannot be read, at the attribute that names
/// it. `waited` is how long the apply has waited for missing ones.
pub fn sources_errors(
    desired: &DesiredStore,
    errors: &[cluster::Error],
    waited: Option<Duration>,
) -> Diagnostics {
    let attribute = |error: &cluster::Error| match (&error.reason, &error.target.name) {
        (Reason::NotFound | Reason::KeyMissing(_) | Reason::NotText(_), Some(name)) => {
            desired.objects.attribute(error.target.kind, name)
        }
        _ => None,
    };
    let waited = waited.filter(|_| errors.iter().all(may_appear));
    let complete = |error: &cluster::Error| {
        let diagnostic = after_wait(diagnostics::preparation_error(error), waited);
        match attribute(error) {
            Some(path) => diagnostic.at(path),
            None => diagnostic,
        }
    };
    errors.iter().map(complete).collect()
}

/// Returns an error for each object that pods name and that does not exist, at the attribute that names it. `waited` is
/// how long the apply has waited for it.
pub fn references_errors(
    store: &StoreName,
    missing: &[Missing],
    attributes: AttributePaths<'_>,
    waited: Option<Duration>,
) -> Diagnostics {
    let mut placed: Vec<(&Missing, Option<Path>)> = (missing.iter())
        .map(|it| (it, attributes.closest(&it.by, &it.reference.field)))
        .collect();
    // Init containers and Jobs have what servers have, and no attribute of their own for it.
    let is_vague = |place: &Option<Path>| {
        let place = place.as_ref();
        place.is_none_or(|place| place.steps().len() == 1)
    };
    placed.sort_by_key(|(_, place)| is_vague(place));
    let mut reported: BTreeSet<(String, Option<Path>)> = BTreeSet::new();
    let mut errors = Vec::new();
    for (it, place) in placed {
        let text = it.to_string();
        if is_vague(&place) && reported.iter().any(|(reported, _)| *reported == text) {
            continue;
        }
        // An attribute of all pods sets a field of each of them.
        if reported.insert((text, place.clone())) {
            let diagnostic = after_wait(diagnostics::missing_reference(store, it), waited);
            errors.push(diagnostics::at_attribute(diagnostic, place));
        }
    }
    errors
}

/// Adds how long the apply has waited for the missing object.
fn after_wait(mut diagnostic: Diagnostic, waited: Option<Duration>) -> Diagnostic {
    if let Some(waited) = waited {
        diagnostic.detail.push_str(&format!(
            " The apply waited {} s for it, in case an operator creates it.",
            waited.as_secs()
        ));
    }
    diagnostic
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubernetes::field_path::FieldPath;
    use crate::kubernetes::pod_template::Reference;
    use crate::kubernetes::{Key, Kind};
    use crate::provider::resources::feature_store::testing;

    #[test]
    fn what_several_containers_need_is_reported_where_it_is_configured() {
        let block = testing::block();
        let tokens = json!([{"secretRef": {"name": "tokens"}}]);
        let json = json!({"name": "x", "namespace": "ns", "feastProject": "p", "services": {
            "onlineStore": {"server": {"envFrom": tokens}},
        }});
        let planned = testing::plan(&block, None, &testing::value(&block, &json)).state;
        let attributes = AttributePaths {
            block: &block,
            planned: &planned,
        };
        let container = |name: &str| json!([{"name": name, "envFrom": tokens}]);
        let spec = json!({
            "initContainers": container("feast-apply"),
            "containers": container("online"),
        });
        let deployment = json!({"spec": {"template": {"spec": spec}}});
        let missing = |kind: Kind, name: &str, containers: &str| Missing {
            by: Key::new(kind, name),
            reference: Reference {
                object: Key::new(Kind::Secret, "tokens"),
                key: None,
                field: FieldPath::of_error(
                    &deployment,
                    &format!("spec.template.spec.{containers}[0].envFrom[0].secretRef.name"),
                ),
                blocks_start: true,
            },
            has_object: false,
        };
        let missing = [
            missing(Kind::Job, "feast-x-apply", "containers"),
            missing(Kind::Deployment, "feast-x", "initContainers"),
            missing(Kind::Deployment, "feast-x", "containers"),
        ];
        let store = StoreName {
            namespace: "ns".to_owned(),
            name: "x".to_owned(),
        };
        let place = "services.online_store.server.env_from[0].secret_ref.name";
        let expected = Diagnostic::error(
            "Pods would not start",
            format!(
                "Secret/tokens does not exist in namespace \"ns\", and the pods of Deployment/feast-x need it \
                 (spec.template.spec.containers[name=\"online\"].envFrom[0].secretRef.name). The apply waited 5 s for \
                 it, in case an operator creates it.\n\nIn the configuration: `{place}`."
            ),
        );
        assert_eq!(
            references_errors(&store, &missing, attributes, Some(Duration::from_secs(5))),
            [
                expected.at(Path::of("services.online_store.server.env_from")
                    .index(0)
                    .attribute("secret_ref.name"))
            ]
        );
        // One that no attribute sets is reported, too.
        let [job, ..] = missing;
        let expected = "Secret/tokens does not exist in namespace \"ns\", and the pods of Job/feast-x-apply need it \
                        (spec.template.spec.containers[name=\"online\"].envFrom[0].secretRef.name).";
        assert_eq!(
            references_errors(&store, &[job], attributes, None),
            [Diagnostic::error("Pods would not start", expected)]
        );
    }
}
