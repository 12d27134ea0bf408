//! What more than one pod needs, so that a file of one pod will not do.
//!
//! The rule `scaling-persistence` has judged what the configuration says. Whether a database is a file in truth is
//! in its Secret, and known when that is read.

use crate::feast::document::{Document, Problem, Purpose, Slot};
use crate::feast::spec::{ApplyBy, LineageServer, Store};

/// That of the servers, each with what is wrong with a file.
pub(super) fn of_servers(store: &Store, document: &Document) -> Vec<(Slot, Problem)> {
    let scaled = store.replicas.scaled();
    let job = store.project.apply == ApplyBy::Job;
    let problem = |purpose: &Purpose| match purpose {
        Purpose::Store { .. } | Purpose::ConsumerConnectionString if scaled => {
            Some(Problem::FileOfSeveralPods)
        }
        Purpose::Store { .. } if job => Some(Problem::FileOfAJob),
        _ => None,
    };
    (document.slots())
        .filter_map(|slot| Some((slot.clone(), problem(&slot.purpose)?)))
        .collect()
}

/// That of the lineage server: where the events are, which is the consumer's database, or else the registry's.
pub(super) fn of_lineage(lineage: &LineageServer, document: &Document) -> Vec<(Slot, Problem)> {
    let events = |slot: &&Slot| slot.purpose == Purpose::ConsumerConnectionString;
    let registry = |slot: &&Slot| matches!(slot.purpose, Purpose::Store { .. });
    let slot = (document.slots().find(events)).or_else(|| document.slots().find(registry));
    slot.filter(|_| lineage.replicas > 1)
        .map(|slot| (slot.clone(), Problem::FileOfSeveralPods))
        .into_iter()
        .collect()
}
