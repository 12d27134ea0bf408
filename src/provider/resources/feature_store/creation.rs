//! Whose a feature store is. Each create has an id, which the store's Secret holds and the state's private_state too: so a
//! create does not take what another has made, and a destroy does not delete what another has made since.

use std::time::Duration;

use serde_json::Value as Json;

use crate::feast::secrets::store_secret::{self, Ownership};
use crate::feast::spec::Timeouts;
use crate::schema::{Diagnostic, Diagnostics};

/// The time that a create can take beyond its time-out, in seconds: for requests that are retried, and for objects of
/// an earlier feature store that are still being deleted.
const MARGIN: i64 = 300;

/// Why a create cannot take up the objects that exist under its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occupied {
    /// Another configuration created them, and that create can still be running, for this many minutes at most.
    /// `None`: they carry no record of a create.
    DifferentConfig { minutes: Option<i64> },
    /// The create of them is complete.
    Complete,
    /// Another create started at the same moment and was faster.
    RacedBy,
}

/// Checks whether a create of this configuration can have what exists, at the time `now` of the API server.
///
/// A create takes up what an unfinished create of the same configuration has left. It takes up what a create of
/// another configuration has left once that create has failed or its deadline has passed. An object that is being
/// deleted is waited for.
pub fn check_available(
    secret: Option<&Json>,
    configuration: &Json,
    now: i64,
) -> Result<(), Occupied> {
    let Some(secret) = secret.filter(|secret| secret["metadata"]["deletionTimestamp"].is_null())
    else {
        return Ok(());
    };
    let creation = store_secret::ownership(secret);
    if creation.as_ref().is_some_and(|creation| creation.complete) {
        return Err(Occupied::Complete);
    }
    if store_secret::configuration(secret).is_none_or(|kept| kept == *configuration) {
        return Ok(());
    }
    let minutes = match creation {
        None => None,
        Some(creation) if creation.failed => return Ok(()),
        Some(creation) => match deadline(secret, &creation).map(|deadline| deadline - now) {
            Some(seconds) if seconds <= 0 => return Ok(()),
            seconds => seconds.map(|seconds| (seconds + 59) / 60),
        },
    };
    Err(Occupied::DifferentConfig { minutes })
}

/// The recorded deadline of a create. Without one, the create is assumed to have started when the Secret was created
/// and to have the default time-out.
fn deadline(secret: &Json, creation: &Ownership) -> Option<i64> {
    let assumed = || {
        Some(deadline_of(
            store_secret::created_at(secret)?,
            Timeouts::default().create,
        ))
    };
    creation.deadline.or_else(assumed)
}

fn deadline_of(start: i64, timeout: Duration) -> i64 {
    let timeout = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
    start.saturating_add(timeout).saturating_add(MARGIN)
}

/// Returns the record that a create with this time-out writes first, at the time `now` of the API server.
///
/// # Errors
///
/// The operating system gives no random numbers.
pub fn begun(now: i64, timeout: Duration) -> Result<Ownership, Diagnostics> {
    Ok(Ownership {
        id: new_id()?,
        deadline: Some(deadline_of(now, timeout)),
        ..Ownership::default()
    })
}

/// What an update writes: what is there, unless no create of it has ended well. Then it is the state's that is
/// updated.
///
/// # Errors
///
/// The operating system gives no random numbers.
pub fn updated(
    secret: Option<&Json>,
    remembered: Option<&String>,
) -> Result<Ownership, Diagnostics> {
    let live = secret.and_then(store_secret::ownership);
    let id = match live.filter(|creation| creation.complete) {
        Some(creation) => creation.id,
        None => remembered.cloned().map_or_else(new_id, Ok)?,
    };
    Ok(Ownership {
        id,
        complete: true,
        ..Ownership::default()
    })
}

/// Whether a destroy must leave alone what is there. Who remembers no create has imported the feature store.
pub fn is_of_another(secret: &Json, remembered: &str) -> bool {
    store_secret::ownership(secret).is_some_and(|creation| creation.id != remembered)
}

fn new_id() -> Result<String, Diagnostics> {
    Ok(format!("{:032x}", u128::from_be_bytes(random()?)))
}

/// Bytes that nobody can guess.
///
/// # Errors
///
/// The operating system gives none.
pub fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], Diagnostics> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| {
        vec![Diagnostic::error(
            "No random numbers",
            format!("The operating system gave no random bytes for the feature store's Secret: {error}. Nothing was changed."),
        )]
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use serde_json::json;

    use super::*;

    fn secret(configuration: &Json, creation: Option<(&str, bool)>) -> Json {
        recorded(
            configuration,
            creation.map(|(id, complete)| json!({"id": id, "complete": complete})),
        )
    }

    /// A Secret that was created at the Unix time 1000.
    fn recorded(configuration: &Json, creation: Option<Json>) -> Json {
        let mut secret = json!({
            "metadata": {"creationTimestamp": "1970-01-01T00:16:40Z"},
            "data": {"configuration.json": BASE64.encode(configuration.to_string())},
        });
        if let Some(creation) = creation {
            secret["data"]["creation.json"] = json!(BASE64.encode(creation.to_string()));
        }
        secret
    }

    #[test]
    fn takes_up_unfinished_creates_of_the_same_configuration_only() {
        let (wanted, other) = (json!({"name": "a"}), json!({"name": "b"}));
        let mut leaving = secret(&other, Some(("1", true)));
        leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let different = |minutes| Err(Occupied::DifferentConfig { minutes });
        for (found, expected) in [
            (None, Ok(())),
            (Some(secret(&wanted, None)), Ok(())),
            (Some(secret(&wanted, Some(("1", false)))), Ok(())),
            (Some(leaving), Ok(())),
            (
                Some(secret(&wanted, Some(("1", true)))),
                Err(Occupied::Complete),
            ),
            (
                Some(secret(&other, Some(("1", true)))),
                Err(Occupied::Complete),
            ),
            (Some(secret(&other, None)), different(None)),
            (
                Some(secret(&other, Some(("1", false)))),
                different(Some(25)),
            ),
        ] {
            let available = check_available(found.as_ref(), &wanted, 1000);
            assert_eq!(available, expected, "{found:?}");
        }
    }

    #[test]
    fn takes_up_another_configuration_after_failure_or_deadline() {
        let (wanted, other) = (json!({"name": "a"}), json!({"name": "b"}));
        let minutes = |record: Json, now: i64| {
            let secret = recorded(&other, Some(record));
            match check_available(Some(&secret), &wanted, now) {
                Ok(()) => None,
                Err(Occupied::DifferentConfig { minutes }) => minutes,
                Err(other) => panic!("{other:?}"),
            }
        };
        let running = json!({"id": "1", "complete": false, "deadline": 2000});
        assert_eq!(minutes(running.clone(), 1000), Some(17));
        assert_eq!(minutes(running.clone(), 1999), Some(1));
        assert_eq!(minutes(running, 2000), None);
        let failed = json!({"id": "1", "complete": false, "failed": true, "deadline": 2000});
        assert_eq!(minutes(failed, 1000), None);
        // Without a deadline: 20 minutes and the margin after the Secret was created.
        let old = json!({"id": "1", "complete": false});
        assert_eq!(minutes(old.clone(), 1000 + 25 * 60 - 1), Some(1));
        assert_eq!(minutes(old, 1000 + 25 * 60), None);
    }

    #[test]
    fn records_the_end_of_a_create_by_its_timeout() {
        let creation = begun(1000, Duration::from_secs(90)).unwrap();
        assert_eq!(creation.deadline, Some(1390));
        assert_eq!((creation.complete, creation.failed), (false, false));
        let text = serde_json::to_string(&creation).unwrap();
        assert_eq!(
            text,
            format!(
                r#"{{"id":"{}","complete":false,"deadline":1390}}"#,
                creation.id
            )
        );
    }

    #[test]
    fn an_update_leaves_the_store_to_a_complete_create() {
        let id = |creation, remembered: Option<&str>| {
            let secret = secret(&json!({}), creation);
            let updated = updated(Some(&secret), remembered.map(str::to_owned).as_ref()).unwrap();
            assert!(updated.complete);
            updated.id
        };
        assert_eq!(id(Some(("live", true)), Some("ours")), "live");
        assert_eq!(id(Some(("live", false)), Some("ours")), "ours");
        assert_eq!(id(None, Some("ours")), "ours");
        assert_eq!(id(None, None).len(), 32);
    }

    #[test]
    fn a_destroy_takes_what_is_ours_or_nobodys() {
        let left = |creation| is_of_another(&secret(&json!({}), creation), "ours");
        assert_eq!(
            [
                left(None),
                left(Some(("ours", false))),
                left(Some(("live", false)))
            ],
            [false, false, true]
        );
    }
}
