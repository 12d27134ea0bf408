//! The layer `cluster` against a real API server, without Terraform.
//!
//! Each test takes the [`Lab`] of a namespace of its own; [`in_namespace`] makes one from a kubeconfig.

#[path = "cluster/conflicts.rs"]
mod conflicts;
#[path = "cluster/connections.rs"]
mod connections;
#[path = "cluster/deletion.rs"]
mod deletion;
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
    conflicts_with_other_managers, foreign_objects_are_not_overwritten,
    what_came_into_being_since_the_read_is_met, what_was_edited_since_the_read_is_not_overwritten,
};
pub use connections::{
    a_connection_that_goes_silent_is_left, credentials_of_every_sort,
    many_waits_hold_up_no_request, requests_go_through_a_proxy,
};
pub use deletion::one_store_that_stays_holds_up_no_other;
pub use interruptions::{
    a_failed_apply_says_what_exists, a_wait_can_be_cancelled,
    an_interrupted_apply_knows_what_exists,
};
pub use lab::{Lab, in_namespace};
pub use permissions::each_right_is_needed_and_its_lack_is_named;
pub use sources::secrets_of_the_user;
pub use transitions::replicas_never_fall_through_any_transition;
pub use write_owner::concurrent_creates_first_writer_wins;
pub use writes::{
    pruning_and_deleting, strategies_change_both_ways, what_is_no_longer_wanted_vanishes,
};

fn reasons(errors: &[Error]) -> Vec<String> {
    errors
        .iter()
        .map(|error| error.reason.to_string())
        .collect()
}

/// As the hall prints it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
