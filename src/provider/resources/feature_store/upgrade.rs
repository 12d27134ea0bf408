//! Upgrade: a stored state as this version of the provider reads it.

use crate::provider::diagnostics;
use crate::schema::provider::{UpgradeResourceStateRequest, UpgradeResourceStateResponse};

use super::private_state::show_as_this_version;

/// Upgrades a stored state. All versions so far have the same schema version.
pub fn upgrade(request: UpgradeResourceStateRequest) -> UpgradeResourceStateResponse {
    match request.state {
        Ok(mut state) => {
            show_as_this_version(&mut state);
            UpgradeResourceStateResponse {
                state,
                diagnostics: Vec::new(),
            }
        }
        Err(reason) => UpgradeResourceStateResponse {
            diagnostics: vec![diagnostics::unreadable_state(&reason)],
            ..UpgradeResourceStateResponse::default()
        },
    }
}
