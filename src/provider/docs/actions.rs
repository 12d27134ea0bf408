//! The pages of the actions.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::object;
use crate::schema::provider::Action;

/// Returns the page of every action, by its path.
pub(super) fn pages(actions: &BTreeMap<String, Arc<dyn Action>>) -> BTreeMap<String, String> {
    let pages = actions.iter().map(|(name, action)| {
        let short = name.strip_prefix("feast_").unwrap_or(name);
        let Text {
            summary,
            example,
            remarks,
        } = text(name);
        let remarks = remarks.join("\n");
        let page = object("Action", name, summary, &action.schema().block, example);
        let path = format!("docs/actions/{short}.md");
        (path, format!("{page}\n{remarks}\n{INVOKING}"))
    });
    pages.collect()
}

/// The parts of a page that the schema does not have.
struct Text {
    /// The description in search results.
    summary: &'static str,
    example: &'static str,
    /// The sections after the reference.
    remarks: &'static [&'static str],
}

/// Returns the text of an action. A test checks that the page of every action is written.
fn text(name: &str) -> Text {
    match name {
        "feast_apply" => Text {
            summary: "Runs feast apply for a Feast feature store on Kubernetes.",
            example: include_str!("../../../examples/actions/feast_apply/action.tf"),
            remarks: &[APPLY, COMMANDS],
        },
        "feast_materialize" => Text {
            summary: "Copies feature values to the online store of a Feast feature store on Kubernetes.",
            example: include_str!("../../../examples/actions/feast_materialize/action.tf"),
            remarks: &[COMMANDS],
        },
        "feast_restart" => Text {
            summary: "Replaces the pods of a Feast feature store on Kubernetes.",
            example: include_str!("../../../examples/actions/feast_restart/action.tf"),
            remarks: &[RESTART],
        },
        _ => unreachable!("provider/docs/actions.rs has no text for {name}"),
    }
}

const APPLY: &str = "\
## What it changes

`feast apply` writes the definitions of the feature repository to the registry and creates the tables of new feature
views in the online store. **It deletes every definition of the project that the repository does not have**, with its
table in the online store. This also applies to a remote registry, whose project other feature stores can share. Without
[`feast_project_dir`](../resources/feature_store.md), the repository has only the sample definitions of Feast.
";

const COMMANDS: &str = "\
## Where the command runs

The command runs in a Job with the image, the environment, the files and the ServiceAccount of the `feast apply` Job. It
does not share memory with the servers, and needs no permissions beyond [those of the
provider](../guides/cluster-access.md#a-minimal-role).

If the online store or the registry is a file in the servers' pod or on a PersistentVolumeClaim, only that pod can reach
it. The Job then has the image and the ServiceAccount of [`cron_job`](../resources/feature_store.md), and runs the
command with `kubectl exec` in the container of the online server, as the CronJob does. A feature store without a
`cron_job` cannot be used: the error says what to do.

- The configuration of the feature store is that of its last apply, from its Secret.
- The Job starts after each `feast apply` that another Job runs for the feature store has ended. Runs of other commands,
  and of the CronJob, are not awaited.
- Each run has a Job of its own, `feast-<name>-run-<command>-<id>`. A Job that has ended is kept for one day, and is
  deleted with the feature store. If its pod fails, Kubernetes starts the command once more.
- A run that times out or is canceled deletes its Job, so that nothing of it continues, except for a command that
  `kubectl exec` has started in a server pod, which runs to its end.
- The end of the log is part of an error. It is also shown while the command runs, if the account may read logs (the
  verb `get` on `pods/log`). Values of Secrets are removed from it.
";

const RESTART: &str = "\
## What it changes

The action sets the annotation `kubectl.kubernetes.io/restartedAt` of the pod templates, as `kubectl rollout restart`
does, and waits for the rollout of every Deployment of the feature store. No plan shows the annotation, and no apply
removes it.

With the strategy `RollingUpdate`, new pods are ready before old ones stop. With `Recreate`, the default if the data is
in the pod, the feature store does not answer until the new pod is ready. A PodDisruptionBudget does not limit a
restart.

If the new pods do not become ready, the error has the same diagnosis as that of an apply. With `RollingUpdate`, the old
pods keep serving; with `Recreate`, they have already stopped. Kubernetes continues the restart when the cause is gone.
A paused Deployment is not restarted.
";

const INVOKING: &str = "\
## Invoking

Actions need Terraform 1.14 or later. `terraform apply -invoke=action.<type>.<name>` runs an action alone, and an
`action_trigger` block in the `lifecycle` block of a resource runs it after that resource was created or updated. An
action has no state, and is not part of a plan otherwise.
";
