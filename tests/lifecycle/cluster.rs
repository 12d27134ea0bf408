//! Tests of the layer `cluster` with a real API server, without Terraform.
//!
//! Each test gets the [`Lab`] of its own namespace; [`in_namespace`] creates one from a kubeconfig.

#[path = "cluster/conflicts.rs"]
mod conflicts;
#[path = "cluster/connections.rs"]
mod connections;
#[path = "cluster/deletion.rs"]
mod deletion;
#[path = "cluster/dry_runs.rs"]
mod dry_runs;
#[path = "cluster/interruptions.rs"]
mod interruptions;
#[path = "cluster/lab.rs"]
pub mod lab;
#[path = "cluster/permissions.rs"]
mod permissions;
#[path = "cluster/relay.rs"]
mod relay;
#[path = "cluster/sources.rs"]
mod sources;
#[path = "cluster/transitions.rs"]
mod transitions;
#[path = "cluster/write_owner.rs"]
mod write_owner;
#[path = "cluster/writes.rs"]
mod writes;

use terraform_provider_feast::cluster::Error;

pub use conflicts::{
    conflicts_with_other_managers, detects_objects_created_after_the_read,
    does_not_overwrite_edits_after_the_read, does_not_overwrite_foreign_objects,
};
pub use connections::{
    replaces_an_unresponsive_connection, reports_unreachable_servers,
    sends_requests_through_a_proxy, supports_every_credential_type, waits_do_not_block_requests,
};
pub use deletion::blocked_deletion_does_not_delay_others;
pub use dry_runs::{dry_run_reports_conflicts_of_an_update, dry_run_reports_every_rejected_object};
pub use interruptions::{
    cancels_a_wait, failed_apply_reports_existing_objects,
    interrupted_apply_reports_existing_objects,
};
pub use lab::{Lab, in_namespace};
pub use permissions::names_each_missing_permission;
pub use sources::reads_the_users_secrets;
pub use transitions::replicas_never_drop_during_a_transition;
pub use write_owner::concurrent_creates_first_writer_wins;
pub use writes::{
    changes_the_strategy_in_both_directions, prunes_and_deletes,
    removes_unwanted_fields_and_objects,
};

fn reasons(errors: &[Error]) -> Vec<String> {
    errors
        .iter()
        .map(|error| error.reason.to_string())
        .collect()
}

/// Formats an error with its sources, as the provider layer does.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
