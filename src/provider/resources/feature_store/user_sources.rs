//! The user's Secrets and ConfigMaps that a feature store needs, some of which exist only after an apply has begun.
//!
//! An apply ([`apply`](super::apply)) and the checks of a plan ([`cluster_check`](super::cluster_check)) read them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::cluster::sources::may_appear;
use crate::cluster::{self, CancellationToken, Cluster, Reason};
use crate::feast::secrets::issued::issued;
use crate::feast::secrets::source::{Contents, Source};
use crate::provider::diagnostics;
use crate::schema::Diagnostics;

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
        let mut diagnostic = diagnostics::preparation_error(error);
        if let Some(waited) = waited {
            diagnostic.detail.push_str(&format!(
                " The apply waited {} s for it, in case an operator creates it.",
                waited.as_secs()
            ));
        }
        match attribute(error) {
            Some(path) => diagnostic.at(path),
            None => diagnostic,
        }
    };
    errors.iter().map(complete).collect()
}
