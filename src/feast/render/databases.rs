//! Stores that several pods use, which must not be files.
//!
//! The rule `scaling-persistence` checks the configuration. Whether the parameters of a database describe a file is
//! known only when its Secret is read.

use crate::feast::feature_store_yaml::{FeatureStoreYaml, Placeholder, Purpose, SecretProblem};
use crate::feast::names::FeastService;
use crate::feast::spec::{FeastApplyMode, Store};

/// Returns those of the servers, each with the problem to report for a file.
pub(super) fn of_servers(
    store: &Store,
    document: &FeatureStoreYaml,
) -> Vec<(Placeholder, SecretProblem)> {
    let scaled = store.replicas.scaled();
    let job = store.project.feast_apply == FeastApplyMode::Job;
    let problem = |purpose: &Purpose| match purpose {
        Purpose::Store { .. } | Purpose::ConsumerConnectionString if scaled => {
            Some(SecretProblem::FileOfSeveralPods)
        }
        // The Job does not write to the offline store.
        Purpose::Store { service, .. } if job && *service != FeastService::Offline => {
            Some(SecretProblem::FileOfAJob)
        }
        _ => None,
    };
    (document.placeholders())
        .filter_map(|placeholder| Some((placeholder.clone(), problem(&placeholder.purpose)?)))
        .collect()
}

/// Returns that of the lineage server: the database of events, which is that of the consumer, or else that of the
/// registry. Its pods are never those of the other servers.
pub(super) fn of_lineage(document: &FeatureStoreYaml) -> Vec<(Placeholder, SecretProblem)> {
    let events =
        |placeholder: &&Placeholder| placeholder.purpose == Purpose::ConsumerConnectionString;
    let registry =
        |placeholder: &&Placeholder| matches!(placeholder.purpose, Purpose::Store { .. });
    let placeholder =
        (document.placeholders().find(events)).or_else(|| document.placeholders().find(registry));
    placeholder
        .map(|placeholder| (placeholder.clone(), SecretProblem::FileOfLineageServer))
        .into_iter()
        .collect()
}
