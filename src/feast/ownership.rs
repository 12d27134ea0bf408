//! Ownership of a feature store: which create may write its objects, and which destroy may delete them.
//!
//! Namespace and name identify a feature store, and Terraform can have several resource instances for one name at the
//! same time: the old and the new instance of a replacement with `create_before_destroy`, a block that was renamed
//! without `moved`, two states. So each create draws a random id. The Secret of the feature store records the id of
//! the create that owns it and the progress of that create; the private state of the resource instance holds the id.
//!
//! # Guarantees
//!
//! - A create changes nothing of a feature store whose creation is complete, or that another configuration is creating.
//! - Of several creates that start at the same time, one owns the feature store. The others return an error and no
//!   state.
//! - A create adopts the objects of a create that failed or was interrupted, and of none that is being undone.
//! - An update changes nothing of a feature store that another create has completed.
//! - A destroy deletes nothing of a feature store that another create owns.
//!
//! # Assumptions
//!
//! - Each change of the record is written over the version of the Secret that was read (`Cluster::write_owner`).
//! - A create ends before its deadline: its timeout and a margin, by the clock of the API server.
//!
//! # Caveats
//!
//! - A create adopts the objects of a create with the same configuration at once, because a running create looks like
//!   an interrupted one. If that create is still running, it ends with an error.
//! - A resource instance without an id owns whatever exists. It was imported from a Secret without a record.
//! - An update makes an incomplete creation complete: there is a state, so there is an instance that owns the feature
//!   store. A refresh keeps the next plan from being empty until then.
//!
//! # Errors
//!
//! [`Occupied`] is the reason why an operation leaves the feature store alone.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::names;
use super::secrets::store_secret;
use super::spec::Timeouts;

/// The time that a create can take beyond its timeout, in seconds: for requests that are retried, and for objects of
/// an earlier feature store that are still being deleted.
const MARGIN: i64 = 300;

/// The time to undo a create, in seconds. Until then no other create adopts its objects.
pub const UNDO_SECONDS: i64 = 60;

/// The owner of a feature store and the progress of its creation, as the Secret of the feature store records them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// There is no Secret.
    Absent,
    /// The Secret has no record that this version can read.
    Unrecorded,
    /// The Secret is being deleted.
    Terminating { owner_id: Option<String> },
    /// A create can be running until `deadline`, a Unix time in seconds by the clock of the API server.
    Creating {
        owner_id: String,
        deadline: Option<i64>,
    },
    /// The create ended with an error.
    Failed { owner_id: String },
    /// The create ended without an error, or an update followed it.
    Complete { owner_id: String },
}

/// An event in the life of a feature store that depends on its ownership or changes it.
#[derive(Debug, Clone, Copy)]
pub enum OwnershipEvent<'a> {
    /// A create is about to write its first object.
    CreateStarts {
        /// The random id of this create.
        owner_id: &'a str,
        /// True if the Secret holds the configuration of this create.
        is_same_configuration: bool,
        /// Unix time in seconds by the clock of the API server.
        now: i64,
        timeout: Duration,
    },
    /// The create that owns the feature store ended without an error.
    CreateSucceeds,
    /// The create that owns the feature store ended with an error.
    CreateFails,
    /// The create that owns the feature store is about to delete its objects. `now` is a Unix time in seconds by the
    /// clock of the API server. The Secret must not keep the configuration, so that no create of it adopts the objects.
    CreateIsUndone { now: i64 },
    /// An update is about to write its first object. `owner_id` is the id in the private state. Without one, `new_id` is
    /// recorded.
    UpdateStarts {
        owner_id: Option<&'a str>,
        new_id: &'a str,
    },
    /// A destroy is about to delete the objects. `owner_id` is the id in the private state.
    DestroyStarts { owner_id: Option<&'a str> },
}

/// The reason why an operation leaves a feature store alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occupied {
    /// A create of another configuration can still be running, for this many minutes at most. `None`: there is no
    /// record of a create.
    DifferentConfig { minutes: Option<i64> },
    /// The creation is complete.
    Complete,
    /// Another create owns the feature store.
    AnotherOwner,
}

impl Ownership {
    /// Reads the ownership from the live Secret of the feature store.
    pub fn of(secret: Option<&Json>) -> Self {
        let Some(secret) = secret else {
            return Self::Absent;
        };
        let record = store_secret::entry(secret, names::CREATION_JSON);
        let record = record.and_then(|text| serde_json::from_slice::<Record>(&text).ok());
        if !secret["metadata"]["deletionTimestamp"].is_null() {
            return Self::Terminating {
                owner_id: record.map(|record| record.id),
            };
        }
        let Some(Record {
            id: owner_id,
            complete,
            failed,
            deadline,
        }) = record
        else {
            return Self::Unrecorded;
        };
        match (complete, failed) {
            (true, _) => Self::Complete { owner_id },
            (false, true) => Self::Failed { owner_id },
            (false, false) => Self::Creating {
                owner_id,
                deadline: deadline.or_else(|| assumed_deadline(secret)),
            },
        }
    }

    /// Returns the ownership after the event.
    ///
    /// # Errors
    ///
    /// The operation must leave the feature store alone.
    pub fn after(&self, event: OwnershipEvent<'_>) -> Result<Self, Occupied> {
        match event {
            OwnershipEvent::CreateStarts {
                owner_id,
                is_same_configuration,
                now,
                timeout,
            } => {
                self.check_available(is_same_configuration, now)?;
                Ok(Self::Creating {
                    owner_id: owner_id.to_owned(),
                    deadline: Some(deadline(now, timeout)),
                })
            }
            OwnershipEvent::CreateSucceeds => Ok(match self.owner_id().map(str::to_owned) {
                Some(owner_id) => Self::Complete { owner_id },
                None => self.clone(),
            }),
            OwnershipEvent::CreateFails => Ok(match self.owner_id().map(str::to_owned) {
                Some(owner_id) => Self::Failed { owner_id },
                None => self.clone(),
            }),
            OwnershipEvent::CreateIsUndone { now } => {
                Ok(match self.owner_id().map(str::to_owned) {
                    Some(owner_id) => Self::Creating {
                        owner_id,
                        deadline: Some(now.saturating_add(UNDO_SECONDS)),
                    },
                    None => self.clone(),
                })
            }
            OwnershipEvent::UpdateStarts { owner_id, new_id } => match (self, owner_id) {
                (Self::Complete { owner_id: owner }, Some(ours)) if owner != ours => {
                    Err(Occupied::AnotherOwner)
                }
                (Self::Complete { .. }, _) => Ok(self.clone()),
                _ => Ok(Self::Complete {
                    owner_id: owner_id.unwrap_or(new_id).to_owned(),
                }),
            },
            OwnershipEvent::DestroyStarts { owner_id } => match (self.owner_id(), owner_id) {
                (Some(owner), Some(ours)) if owner != ours => Err(Occupied::AnotherOwner),
                _ => Ok(Self::Absent),
            },
        }
    }

    /// Checks whether a create can have the feature store at the time `now`.
    ///
    /// # Errors
    ///
    /// The creation is complete, or a create of another configuration can still be running.
    pub fn check_available(&self, is_same_configuration: bool, now: i64) -> Result<(), Occupied> {
        let minutes = match self {
            Self::Absent | Self::Terminating { .. } | Self::Failed { .. } => return Ok(()),
            Self::Complete { .. } => return Err(Occupied::Complete),
            Self::Unrecorded | Self::Creating { .. } if is_same_configuration => return Ok(()),
            Self::Unrecorded => None,
            Self::Creating { deadline, .. } => match deadline.map(|deadline| deadline - now) {
                Some(seconds) if seconds <= 0 => return Ok(()),
                seconds => seconds.map(|seconds| (seconds + 59) / 60),
            },
        };
        Err(Occupied::DifferentConfig { minutes })
    }

    /// Returns whether the create that owns the feature store failed, or has not recorded its end.
    pub fn is_incomplete(&self) -> bool {
        matches!(self, Self::Creating { .. } | Self::Failed { .. })
    }

    /// The id of the create that owns the feature store.
    pub fn owner_id(&self) -> Option<&str> {
        match self {
            Self::Absent | Self::Unrecorded => None,
            Self::Terminating { owner_id } => owner_id.as_deref(),
            Self::Creating { owner_id, .. }
            | Self::Failed { owner_id }
            | Self::Complete { owner_id } => Some(owner_id),
        }
    }

    /// The value of the key `creation.json` in the Secret; `None` where there is no owner to record.
    pub fn record(&self) -> Option<Json> {
        let (complete, failed, deadline) = match self {
            Self::Absent | Self::Unrecorded | Self::Terminating { .. } => return None,
            Self::Creating { deadline, .. } => (false, false, *deadline),
            Self::Failed { .. } => (false, true, None),
            Self::Complete { .. } => (true, false, None),
        };
        Some(json!(Record {
            id: self.owner_id()?.to_owned(),
            complete,
            failed,
            deadline,
        }))
    }
}

/// The key `creation.json` of the Secret.
#[derive(Serialize, Deserialize)]
struct Record {
    id: String,
    complete: bool,
    /// Absent in records of older versions of the provider.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    failed: bool,
    /// Absent in records of older versions of the provider, and once the create has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<i64>,
}

fn deadline(start: i64, timeout: Duration) -> i64 {
    let timeout = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
    start.saturating_add(timeout).saturating_add(MARGIN)
}

/// The deadline of a create without a recorded one: as if it had started when the Secret was created, with the default
/// timeout.
fn assumed_deadline(secret: &Json) -> Option<i64> {
    let start = store_secret::created_at(secret)?;
    Some(deadline(start, Timeouts::default().create))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;

    use super::*;

    fn id(id: &str) -> String {
        id.to_owned()
    }

    fn creating(owner_id: &str, deadline: i64) -> Ownership {
        Ownership::Creating {
            owner_id: id(owner_id),
            deadline: Some(deadline),
        }
    }

    /// A Secret that was created at the Unix time 1000, with this record.
    fn secret(record: Option<&Json>) -> Json {
        let mut secret = json!({
            "metadata": {"creationTimestamp": "1970-01-01T00:16:40Z"},
            "data": {},
        });
        if let Some(record) = record {
            secret["data"]["creation.json"] = json!(BASE64.encode(record.to_string()));
        }
        secret
    }

    #[test]
    fn transitions() {
        let terminating = |owner_id: Option<&str>| Ownership::Terminating {
            owner_id: owner_id.map(id),
        };
        let failed = |owner_id| Ownership::Failed {
            owner_id: id(owner_id),
        };
        let complete = |owner_id| Ownership::Complete {
            owner_id: id(owner_id),
        };
        let create = |is_same_configuration, now| OwnershipEvent::CreateStarts {
            owner_id: "new",
            is_same_configuration,
            now,
            timeout: Duration::from_secs(90),
        };
        let update = OwnershipEvent::UpdateStarts {
            owner_id: Some("a"),
            new_id: "new",
        };
        let first_update = OwnershipEvent::UpdateStarts {
            owner_id: None,
            new_id: "new",
        };
        let destroy = |owner_id| OwnershipEvent::DestroyStarts { owner_id };
        let created = |now: i64| Ok(creating("new", now + 90 + MARGIN));
        let different = |minutes| Err(Occupied::DifferentConfig { minutes });
        let undated = Ownership::Creating {
            owner_id: id("a"),
            deadline: None,
        };
        for (state, event, expected) in [
            (Ownership::Absent, create(false, 1000), created(1000)),
            (Ownership::Absent, update, Ok(complete("a"))),
            (Ownership::Absent, destroy(Some("a")), Ok(Ownership::Absent)),
            (
                Ownership::Absent,
                OwnershipEvent::CreateSucceeds,
                Ok(Ownership::Absent),
            ),
            (Ownership::Unrecorded, create(true, 1000), created(1000)),
            (Ownership::Unrecorded, create(false, 1000), different(None)),
            (Ownership::Unrecorded, update, Ok(complete("a"))),
            (Ownership::Unrecorded, first_update, Ok(complete("new"))),
            (
                Ownership::Unrecorded,
                destroy(Some("a")),
                Ok(Ownership::Absent),
            ),
            (
                Ownership::Unrecorded,
                OwnershipEvent::CreateFails,
                Ok(Ownership::Unrecorded),
            ),
            (terminating(Some("b")), create(false, 1000), created(1000)),
            (terminating(Some("b")), update, Ok(complete("a"))),
            (
                terminating(Some("b")),
                destroy(Some("a")),
                Err(Occupied::AnotherOwner),
            ),
            (terminating(None), destroy(Some("a")), Ok(Ownership::Absent)),
            (creating("b", 2000), create(true, 1000), created(1000)),
            (
                creating("b", 2000),
                create(false, 1000),
                different(Some(17)),
            ),
            (creating("b", 2000), create(false, 1999), different(Some(1))),
            (creating("b", 2000), create(false, 2000), created(2000)),
            (undated, create(false, 1000), different(None)),
            (creating("b", 2000), update, Ok(complete("a"))),
            (
                creating("b", 2000),
                OwnershipEvent::CreateSucceeds,
                Ok(complete("b")),
            ),
            (
                creating("b", 2000),
                OwnershipEvent::CreateFails,
                Ok(failed("b")),
            ),
            (
                creating("b", 2000),
                OwnershipEvent::CreateIsUndone { now: 1000 },
                Ok(creating("b", 1000 + UNDO_SECONDS)),
            ),
            (
                Ownership::Absent,
                OwnershipEvent::CreateIsUndone { now: 1000 },
                Ok(Ownership::Absent),
            ),
            (
                creating("b", 2000),
                destroy(Some("a")),
                Err(Occupied::AnotherOwner),
            ),
            (
                creating("b", 2000),
                destroy(Some("b")),
                Ok(Ownership::Absent),
            ),
            (creating("b", 2000), destroy(None), Ok(Ownership::Absent)),
            (failed("b"), create(false, 1000), created(1000)),
            (failed("b"), update, Ok(complete("a"))),
            (failed("b"), destroy(Some("a")), Err(Occupied::AnotherOwner)),
            (complete("b"), create(true, 1000), Err(Occupied::Complete)),
            (complete("b"), create(false, 9000), Err(Occupied::Complete)),
            (complete("b"), update, Err(Occupied::AnotherOwner)),
            (complete("a"), update, Ok(complete("a"))),
            (complete("b"), first_update, Ok(complete("b"))),
            (
                complete("b"),
                destroy(Some("a")),
                Err(Occupied::AnotherOwner),
            ),
            (complete("b"), destroy(Some("b")), Ok(Ownership::Absent)),
        ] {
            assert_eq!(state.after(event), expected, "{state:?}, {event:?}");
        }
    }

    #[test]
    fn reads_and_writes_the_record() {
        for (record, expected) in [
            (
                json!({"id": "a", "complete": false, "deadline": 1390}),
                creating("a", 1390),
            ),
            (
                json!({"id": "a", "complete": false, "failed": true}),
                Ownership::Failed { owner_id: id("a") },
            ),
            (
                json!({"id": "a", "complete": true}),
                Ownership::Complete { owner_id: id("a") },
            ),
        ] {
            assert_eq!(Ownership::of(Some(&secret(Some(&record)))), expected);
            assert_eq!(expected.record(), Some(record));
        }
    }

    #[test]
    fn reads_records_of_older_versions() {
        let of = |record: Option<&Json>| Ownership::of(Some(&secret(record)));
        // Twenty minutes and the margin after the creation of the Secret.
        let undated = json!({"id": "a", "complete": false});
        assert_eq!(of(Some(&undated)), creating("a", 1000 + 25 * 60));
        let failed = json!({"id": "a", "complete": false, "failed": true, "deadline": 1390});
        assert_eq!(of(Some(&failed)), Ownership::Failed { owner_id: id("a") });
        assert_eq!(of(None), Ownership::Unrecorded);
        assert_eq!(of(Some(&json!("another format"))), Ownership::Unrecorded);
        assert_eq!(Ownership::of(None), Ownership::Absent);
        for owner_id in [None, Some(id("a"))] {
            let mut deleted = secret(owner_id.as_ref().map(|_| &undated));
            deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            assert_eq!(
                Ownership::of(Some(&deleted)),
                Ownership::Terminating { owner_id }
            );
        }
    }
}
