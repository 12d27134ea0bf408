//! Whose a feature store is. Each create has an id, which the store's Secret holds and the state's memory too: so a
//! create does not take what another has made, and a destroy does not delete what another has made since.

use serde_json::Value as Json;

use crate::feast::kept::{self, Creation};
use crate::schema::{Diagnostic, Diagnostics};

/// Why what is there is not a create's to take up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It has another configuration.
    Otherwise,
    /// Its creation has ended well.
    Complete,
    /// Another create has begun at the same moment.
    Meanwhile,
}

/// Whether a create of this configuration must leave alone what is there: all but what an interrupted create of the
/// same configuration has left. One that is being destroyed is waited for.
pub fn taken(secret: Option<&Json>, configuration: &Json) -> Option<Taken> {
    let secret = secret.filter(|secret| secret["metadata"]["deletionTimestamp"].is_null())?;
    if kept::configuration(secret).is_some_and(|kept| kept != *configuration) {
        return Some(Taken::Otherwise);
    }
    let complete = kept::creation(secret).is_some_and(|creation| creation.complete);
    complete.then_some(Taken::Complete)
}

/// What a create writes first.
///
/// # Errors
///
/// The operating system gives no random numbers.
pub fn begun() -> Result<Creation, Diagnostics> {
    Ok(Creation {
        id: new_id()?,
        complete: false,
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
) -> Result<Creation, Diagnostics> {
    let live = secret.and_then(kept::creation);
    let id = match live.filter(|creation| creation.complete) {
        Some(creation) => creation.id,
        None => remembered.cloned().map_or_else(new_id, Ok)?,
    };
    Ok(Creation { id, complete: true })
}

/// Whether a destroy must leave alone what is there. Who remembers no create has imported the feature store.
pub fn is_of_another(secret: &Json, remembered: &str) -> bool {
    kept::creation(secret).is_some_and(|creation| creation.id != remembered)
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
        let mut secret = json!({
            "metadata": {},
            "data": {"configuration.json": BASE64.encode(configuration.to_string())},
        });
        if let Some((id, complete)) = creation {
            let text = json!({"id": id, "complete": complete}).to_string();
            secret["data"]["creation.json"] = json!(BASE64.encode(text));
        }
        secret
    }

    #[test]
    fn a_create_takes_up_leftovers_alone() {
        let (wanted, other) = (json!({"name": "a"}), json!({"name": "b"}));
        let mut leaving = secret(&other, Some(("1", true)));
        leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        for (found, expected) in [
            (None, None),
            (Some(secret(&wanted, None)), None),
            (Some(secret(&wanted, Some(("1", false)))), None),
            (Some(leaving), None),
            (
                Some(secret(&wanted, Some(("1", true)))),
                Some(Taken::Complete),
            ),
            (
                Some(secret(&other, Some(("1", false)))),
                Some(Taken::Otherwise),
            ),
        ] {
            assert_eq!(taken(found.as_ref(), &wanted), expected, "{found:?}");
        }
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
