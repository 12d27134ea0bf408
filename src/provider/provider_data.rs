//! The data that the provider shares with its objects: the settings of the provider block, and the request to stop.

use std::sync::{PoisonError, RwLock};

use tokio_util::sync::CancellationToken;

use super::settings::Settings;

/// The settings and the stop token of the current run. With `-debug` one process serves several runs.
#[derive(Default)]
pub struct ProviderData {
    settings: RwLock<Settings>,
    /// Cancelled by `StopProvider`, and replaced by the next configuration.
    stop: RwLock<CancellationToken>,
}

impl ProviderData {
    /// Returns the settings of the last configuration, or the defaults before the first one, for one operation.
    pub fn settings(&self) -> Settings {
        let settings = self.settings.read();
        (settings.unwrap_or_else(PoisonError::into_inner)).for_operation()
    }

    /// Returns the token that is cancelled when the current run has to stop.
    pub fn stop_token(&self) -> CancellationToken {
        let stop = self.stop.read();
        stop.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts a run with these settings.
    pub fn configure(&self, settings: Settings) {
        *(self.settings.write()).unwrap_or_else(PoisonError::into_inner) = settings;
        *(self.stop.write()).unwrap_or_else(PoisonError::into_inner) = CancellationToken::new();
    }

    /// Ends the preflights of this run, because its plan is complete. During an apply, Terraform plans each change
    /// again, also between the destroy and the create of a replacement, when a finding would only prevent the create.
    pub fn start_apply(&self) {
        let mut settings = (self.settings.write()).unwrap_or_else(PoisonError::into_inner);
        settings.skip_preflight();
    }

    /// Asks the calls of the current run to return early.
    pub fn stop(&self) {
        self.stop_token().cancel();
    }
}
