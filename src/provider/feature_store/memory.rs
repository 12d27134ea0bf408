//! What the provider remembers beside the state (Terraform's private data), so that a plan made later,
//! without a cluster, knows what a refresh or a failed apply has seen.

use serde::{Deserialize, Serialize};

use crate::schema::provider::Private;

/// Kept as JSON; unknown or missing fields are the defaults, so that versions can differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The last rollout did not finish: the next plan is not empty, and its apply waits again.
    pub rollout_incomplete: bool,
    /// A Secret that the configuration names has other content than the pods run with.
    pub secrets_changed: bool,
    /// The Job that runs `feast apply` has failed since: the next apply runs it again.
    pub apply_failed: bool,
}

impl Memory {
    /// What was remembered; nothing where there is none or it cannot be read.
    pub fn recall(private: &Private) -> Self {
        serde_json::from_slice(private).unwrap_or_default()
    }

    pub fn keep(self) -> Private {
        serde_json::to_vec(&self).unwrap_or_default()
    }
}
