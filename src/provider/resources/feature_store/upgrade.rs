//! Upgrade: a stored state as this version of the provider reads it.

use crate::provider::diagnostics;
use crate::schema::provider::{Upgrade, Upgraded};

use super::private_state::show_as_this_version;

/// Upgrades a stored state. All versions so far have the same schema version.
pub fn upgrade(request: Upgrade) -> Upgraded {
    match request.state {
        Ok(mut state) => {
            show_as_this_version(&mut state);
            Upgraded {
                state,
                diagnostics: Vec::new(),
            }
        }
        Err(reason) => Upgraded {
            diagnostics: vec![diagnostics::unreadable_state(&reason)],
            ..Upgraded::default()
        },
    }
}
