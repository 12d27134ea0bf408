//! Diagnostics of the actions.

use super::cluster_error;
use crate::cluster::run::{JobFailure, Left};
use crate::cluster::{self, StoreName};
use crate::feast::command::Command;
use crate::feast::names::{self, ServerKind};
use crate::schema::{Diagnostic, Path};

/// A time limit out of bounds. `problem` is the end of a sentence.
pub fn invalid_action_timeout(text: &str, problem: &str) -> Diagnostic {
    Diagnostic::error(
        "Invalid time limit",
        format!(
            "`timeout` {problem}: {text:?}. Set a duration from `1s` to `24h`, such as `90s`, `20m` or `1h30m`."
        ),
    )
    .at(Path::of("timeout"))
}

/// A time with the form of RFC 3339 that does not exist.
pub fn no_such_time(name: &str, text: &str) -> Diagnostic {
    Diagnostic::error(
        "Invalid time",
        format!(
            "`{name}` is not a valid time: {text:?}. Correct the date, the time or the offset."
        ),
    )
    .at(Path::of(name))
}

/// One end of a period without the other. `name` is the attribute that is set.
pub fn incomplete_period(name: &str) -> Diagnostic {
    Diagnostic::error(
        "`from` and `to` require each other",
        format!(
            "Only `{name}` is set. Set `from` and `to` for the values between two times, or neither of them for those since \
             the last run."
        ),
    )
    .at(Path::of(name))
}

/// A period that ends before it begins.
pub fn empty_period() -> Diagnostic {
    Diagnostic::error(
        "The period is empty",
        "`to` is not later than `from`. Exchange or correct the two times.",
    )
    .at(Path::of("to"))
}

/// An action for a feature store that this provider has not created.
pub fn no_store_for_action(store: &StoreName, server: &str) -> Diagnostic {
    let StoreName { namespace, name } = store;
    Diagnostic::error(
        "There is no such feature store",
        format!(
            "Namespace {namespace:?} of the cluster at {server} does not have the Secret {:?} with the configuration of a \
             feature store that this provider created. Check `name`, `namespace` and the cluster. A feature store of the \
             Feast operator must first be imported and applied.",
            names::main(name)
        ),
    )
    .at(Path::of("name"))
}

/// A command for a feature store whose data only its servers' pods can reach, which can run in the container of
/// `server`.
pub fn no_pod_for_command(
    summary: &str,
    store: &StoreName,
    command: &Command,
    server: ServerKind,
) -> Diagnostic {
    let StoreName { namespace, name } = store;
    Diagnostic::error(
        summary,
        format!(
            "The online store or the registry of the feature store {store} is a file in its pod or on a \
             PersistentVolumeClaim, so that a Job cannot reach it. Nothing was changed.\n\nUse one of these:\n\
             - Configure `cron_job`, with `suspend = true` if nothing is to run on a schedule: the action then uses its \
             image and its permission to run commands in the pod.\n\
             - Keep the online store and the registry outside the pods, in databases or object stores.\n\
             - Run the command by hand: `kubectl exec deploy/{} -c {} -n {namespace} -- {}`.",
            names::main(name),
            server.as_str(),
            command.shell()
        ),
    )
}

/// A Job that has not succeeded. `in_server` is true if its command runs in a pod of the servers.
pub fn job_failure(
    summary: &str,
    store: &StoreName,
    failure: &JobFailure,
    in_server: bool,
) -> Diagnostic {
    let namespace = &store.namespace;
    let mut diagnostic = cluster_error(summary, &failure.error);
    let left = match &failure.left {
        Left::Nothing { was_created: false } => "Nothing was changed.".to_owned(),
        Left::Nothing { was_created: true } if in_server => {
            "The Job was deleted. A command that it has started in a server pod runs to its end."
                .to_owned()
        }
        Left::Nothing { was_created: true } => {
            "The Job was deleted with its pods, so that nothing of this run continues.".to_owned()
        }
        Left::Ended(job) => format!(
            "The Job is kept for one day: `kubectl logs job/{} -n {namespace} --all-containers` shows its log.",
            job.name
        ),
        Left::Unknown(job, error) => format!(
            "The Job could not be deleted: {}. It ends by itself at the latest when its time limit is over; to end it now, \
             run `kubectl delete job/{} -n {namespace}`.",
            error.reason, job.name
        ),
    };
    diagnostic.detail.push_str(&format!("\n\n{left}"));
    diagnostic
}

/// A Deployment that was not restarted, after these others were.
pub fn restart_refused(summary: &str, error: &cluster::Error, restarted: &[String]) -> Diagnostic {
    let mut diagnostic = cluster_error(summary, error);
    if !restarted.is_empty() {
        diagnostic.detail.push_str(&format!(
            "\n\nDeployment/{} was restarted before. To restart all pods, correct the cause and invoke the action again.",
            restarted.join(", Deployment/")
        ));
    }
    diagnostic
}

/// A restart whose rollout has not finished.
pub fn restart_failure(summary: &str, error: &cluster::Error) -> Diagnostic {
    let mut diagnostic = cluster_error(summary, error);
    diagnostic.detail.push_str(
        "\n\nKubernetes continues the restart by itself as soon as the new pods can become ready.",
    );
    diagnostic
}
