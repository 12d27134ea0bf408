//! What more than one pod needs, so that a file of one pod will not do.
//!
//! The rule `scaling-persistence` has judged what the configuration says. Whether a database is a file in truth is
//! in its Secret, and known when that is read.

use crate::feast::feature_store_yaml::{FeatureStoreYaml, Placeholder, Problem, Purpose};
use crate::feast::spec::{ApplyBy, LineageServer, Store};

/// That of the servers, each with what is wrong with a file.
pub(super) fn of_servers(
    store: &Store,
    document: &FeatureStoreYaml,
) -> Vec<(Placeholder, Problem)> {
    let scaled = store.replicas.scaled();
    let job = store.project.apply == ApplyBy::Job;
    let problem = |purpose: &Purpose| match purpose {
        Purpose::Store { .. } | Purpose::ConsumerConnectionString if scaled => {
            Some(Problem::FileOfSeveralPods)
        }
        Purpose::Store { .. } if job => Some(Problem::FileOfAJob),
        _ => None,
    };
    (document.placeholders())
        .filter_map(|placeholder| Some((placeholder.clone(), problem(&placeholder.purpose)?)))
        .collect()
}

/// That of the lineage server: where the events are, which is the consumer's database, or else the registry's.
pub(super) fn of_lineage(
    lineage: &LineageServer,
    document: &FeatureStoreYaml,
) -> Vec<(Placeholder, Problem)> {
    let events =
        |placeholder: &&Placeholder| placeholder.purpose == Purpose::ConsumerConnectionString;
    let registry =
        |placeholder: &&Placeholder| matches!(placeholder.purpose, Purpose::Store { .. });
    let placeholder =
        (document.placeholders().find(events)).or_else(|| document.placeholders().find(registry));
    placeholder
        .filter(|_| lineage.replicas > 1)
        .map(|placeholder| (placeholder.clone(), Problem::FileOfSeveralPods))
        .into_iter()
        .collect()
}
