//! Runs a command of Feast in a Job.

use crate::cluster::run::JobRun;
use crate::feast::command::Command;
use crate::feast::render::CommandJob;
use crate::provider::diagnostics;
use crate::schema::{Diagnostic, Diagnostics};

use super::invocation::Invocation;

/// Runs the command, and waits until it has succeeded. `summary` is that of an error.
///
/// # Errors
///
/// The command has not succeeded.
pub async fn run(
    command: &Command,
    summary: &str,
    invocation: &Invocation,
) -> Result<(), Diagnostics> {
    let failed = |diagnostic: Diagnostic| vec![diagnostic];
    let id = random_id().map_err(failed)?;
    let job = CommandJob {
        store: &invocation.desired.store,
        command,
        has_file: invocation.has_file,
        id: &id,
        timeout_seconds: invocation.limits.timeout.as_secs(),
        secret_uid: invocation.secret_uid.as_deref(),
    };
    let manifest = job.render().map_err(|_| {
        failed(diagnostics::no_pod_for_command(
            summary,
            &invocation.name,
            command,
            invocation.desired.store.command_server(),
        ))
    })?;
    let in_server = job.runs_in_server();
    let run = JobRun {
        store: &invocation.name,
        manifest: &manifest,
        command: command.title(),
        in_server,
        wait: invocation.wait(),
    };
    let Invocation {
        cluster,
        reporter,
        limits,
        ..
    } = invocation;
    match cluster.run_job(&run, reporter, &limits.stop).await {
        Ok(()) => {
            reporter.step(format!("`{}` has succeeded", command.title()));
            Ok(())
        }
        Err(failure) => Err(failed(diagnostics::job_failure(
            summary,
            &invocation.name,
            &failure,
            in_server,
        ))),
    }
}

/// Returns a part of an object name that no other run has.
fn random_id() -> Result<String, Diagnostic> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|error| {
        diagnostics::no_random_numbers("the name of the Job", &error.to_string())
    })?;
    Ok(format!("{:08x}", u32::from_be_bytes(bytes)))
}
