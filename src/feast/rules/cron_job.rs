//! The CronJob: settings of its Jobs that go together.

use k8s_openapi::api::batch::v1::{PodFailurePolicy, PodFailurePolicyRule};

use super::Violation;
use super::view::{CRON_JOB, CRON_JOB_CONTAINERS, cron_job_containers};
use crate::feast::config::{CompletionMode, FeatureStore, JobSpec, PodReplacementPolicy};
use crate::feast::names::{self, CRON_JOB_LENGTH};
use crate::schema::Path;

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let Some(cron_job) = &store.cron_job else {
        return Vec::new();
    };
    let mut violations = Vec::new();
    if cron_job.schedule.is_some() {
        violations.extend(name(store));
    }
    if let Some(zone) = &cron_job.time_zone
        && zone.eq_ignore_ascii_case("local")
    {
        let at = Path::of(CRON_JOB).attribute("time_zone");
        violations.push(Violation::new(
            at.clone(),
            [at],
            format!("{zone:?} is not a time zone"),
            "Write a name of the time zone database, such as `Etc/UTC`, or leave `time_zone` out for that of \
             the cluster.",
        ));
    }
    if let Some(job) = &cron_job.job_spec {
        violations.extend(indexes(job));
        if let Some(policy) = &job.pod_failure_policy {
            violations.extend(failures(job, policy));
        }
    }
    violations.extend(commands(store));
    violations
}

fn name(store: &FeatureStore) -> Option<Violation> {
    let derived = names::main(&store.name);
    (derived.len() > CRON_JOB_LENGTH).then(|| {
        let at = Path::of("name");
        Violation::new(
            at.clone(),
            [at],
            format!(
                "The name makes {derived:?}, which is longer than {CRON_JOB_LENGTH} characters"
            ),
            format!(
                "Kubernetes allows CronJobs names of at most {CRON_JOB_LENGTH} characters, so with \
                 `cron_job.schedule` the name may have {}; it has {}.",
                store.name.len() + CRON_JOB_LENGTH - derived.len(),
                store.name.len()
            ),
        )
    })
}

fn job_spec(attribute: &str) -> Path {
    Path::of(CRON_JOB)
        .attribute("job_spec")
        .attribute(attribute)
}

fn indexes(job: &JobSpec) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut refuse = |at: &str, needs: &str, summary: &str, detail: &str| {
        let at = job_spec(at);
        let reads = [at.clone(), job_spec(needs)];
        violations.push(Violation::new(at, reads, summary, detail));
    };
    let indexed = job.completion_mode == Some(CompletionMode::Indexed);
    if indexed && job.completions.is_none() {
        refuse(
            "completion_mode",
            "completions",
            "An Indexed Job needs a number of completions",
            "Write `completions`, the number of indexes.",
        );
    }
    if job.backoff_limit_per_index.is_some() && !indexed {
        refuse(
            "backoff_limit_per_index",
            "completion_mode",
            "backoff_limit_per_index without indexes",
            "Write `completion_mode = \"Indexed\"`, or `backoff_limit` for the Job as a whole.",
        );
    }
    if job.max_failed_indexes.is_some() && job.backoff_limit_per_index.is_none() {
        refuse(
            "max_failed_indexes",
            "backoff_limit_per_index",
            "max_failed_indexes without backoff_limit_per_index",
            "Write `backoff_limit_per_index` too, or remove `max_failed_indexes`.",
        );
    }
    if let (Some(failed), Some(completions)) = (job.max_failed_indexes, job.completions)
        && failed > completions
    {
        refuse(
            "max_failed_indexes",
            "completions",
            "More indexes may fail than there are",
            "Write a `max_failed_indexes` that is not above `completions`.",
        );
    }
    violations
}

fn failures(job: &JobSpec, policy: &PodFailurePolicy) -> Vec<Violation> {
    let mut violations = Vec::new();
    if job.pod_replacement_policy == Some(PodReplacementPolicy::TerminatingOrFailed) {
        let at = job_spec("pod_replacement_policy");
        violations.push(Violation::new(
            at.clone(),
            [at],
            "With pod_failure_policy a pod is replaced when it has failed",
            "Write `pod_replacement_policy = \"Failed\"`, or leave it out.",
        ));
    }
    let rules = job_spec("pod_failure_policy.rules");
    for (index, rule) in policy.rules.iter().enumerate() {
        violations.extend(failure(&rules.index(index), rule, job));
    }
    violations
}

fn failure(path: &Path, rule: &PodFailurePolicyRule, job: &JobSpec) -> Vec<Violation> {
    let PodFailurePolicyRule {
        action,
        on_exit_codes,
        on_pod_conditions,
    } = rule;
    let mut violations = Vec::new();
    let at = path.attribute("action");
    if !["FailJob", "FailIndex", "Ignore", "Count"].contains(&action.as_str()) {
        violations.push(Violation::new(
            at.clone(),
            [at.clone()],
            format!("{action:?} is not an action"),
            "Write `FailJob`, `FailIndex`, `Ignore` or `Count`.",
        ));
    }
    if action == "FailIndex" && job.backoff_limit_per_index.is_none() {
        violations.push(Violation::new(
            at.clone(),
            [at, job_spec("backoff_limit_per_index")],
            "FailIndex without backoff_limit_per_index",
            "Write `backoff_limit_per_index` too, or another action.",
        ));
    }
    let conditions = on_pod_conditions
        .as_ref()
        .is_some_and(|list| !list.is_empty());
    if conditions == on_exit_codes.is_some() {
        violations.push(Violation::new(
            path.clone(),
            ["on_exit_codes", "on_pod_conditions"].map(|inner| path.attribute(inner)),
            "A rule for failures looks at exit codes or at conditions",
            "Write one of `on_exit_codes` and `on_pod_conditions`.",
        ));
    }
    if let Some(codes) = on_exit_codes {
        let at = path.attribute("on_exit_codes");
        let (operator, values) = (at.attribute("operator"), at.attribute("values"));
        if !["In", "NotIn"].contains(&codes.operator.as_str()) {
            violations.push(Violation::new(
                operator.clone(),
                [operator],
                format!("{:?} is not an operator", codes.operator),
                "Write `In` or `NotIn`.",
            ));
        } else if codes.values.is_empty() || (codes.operator == "In" && codes.values.contains(&0)) {
            violations.push(Violation::new(
                values.clone(),
                [values, operator],
                "These exit codes are not those of failures",
                "Write at least one; with `In`, not 0.",
            ));
        }
    }
    violations
}

fn commands(store: &FeatureStore) -> Vec<Violation> {
    let commands = cron_job_containers(store).and_then(|it| it.commands.as_deref());
    let list = Path::of(CRON_JOB_CONTAINERS).attribute("commands");
    commands
        .unwrap_or_default()
        .iter()
        .enumerate()
        .filter(|(_, command)| command.trim().is_empty())
        .map(|(index, _)| {
            let at = list.index(index);
            let detail = "Write what `bash -c` is to run, or remove it from the list.";
            Violation::new(at.clone(), [at], "This command is empty", detail)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::refused_whole;

    fn cron_job(cron_job: Json, expected: &[(&str, &str)]) {
        let store = json!({"name": "demo", "feastProject": "p", "cronJob": cron_job});
        refused_whole("cron-job", store, expected);
    }

    #[test]
    fn names_are_shorter() {
        let named = |length: usize, expected: &[(&str, &str)]| {
            let name = "n".repeat(length);
            let store =
                json!({"name": name, "feastProject": "p", "cronJob": {"schedule": "@daily"}});
            refused_whole("cron-job", store, expected);
        };
        named(46, &[]);
        let derived = format!("feast-{}", "n".repeat(47));
        let message = format!("The name makes {derived:?}, which is longer than 52 characters");
        named(47, &[("name", &message)]);
    }

    #[test]
    fn indexed_jobs() {
        let job =
            |job: Json, expected: &[(&str, &str)]| cron_job(json!({"jobSpec": job}), expected);
        job(
            json!({"completionMode": "Indexed", "completions": 2, "backoffLimitPerIndex": 1, "maxFailedIndexes": 2}),
            &[],
        );
        job(
            json!({"completionMode": "Indexed"}),
            &[(
                "cron_job.job_spec.completion_mode",
                "An Indexed Job needs a number of completions",
            )],
        );
        job(
            json!({"backoffLimitPerIndex": 1, "maxFailedIndexes": 2, "completions": 1}),
            &[
                (
                    "cron_job.job_spec.backoff_limit_per_index",
                    "backoff_limit_per_index without indexes",
                ),
                (
                    "cron_job.job_spec.max_failed_indexes",
                    "More indexes may fail than there are",
                ),
            ],
        );
        job(
            json!({"maxFailedIndexes": 2}),
            &[(
                "cron_job.job_spec.max_failed_indexes",
                "max_failed_indexes without backoff_limit_per_index",
            )],
        );
    }

    #[test]
    fn failures_of_pods() {
        let rules = json!([
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [0]}},
            {"action": "Never"},
            {"action": "Count", "onExitCodes": {"operator": "Is", "values": [1]}},
        ]);
        let at = |place: &str| format!("cron_job.job_spec.{place}");
        let expected = [
            (
                at("pod_replacement_policy"),
                "With pod_failure_policy a pod is replaced when it has failed",
            ),
            (
                at("pod_failure_policy.rules[1].action"),
                "FailIndex without backoff_limit_per_index",
            ),
            (
                at("pod_failure_policy.rules[1].on_exit_codes.values"),
                "These exit codes are not those of failures",
            ),
            (
                at("pod_failure_policy.rules[2].action"),
                "\"Never\" is not an action",
            ),
            (
                at("pod_failure_policy.rules[2]"),
                "A rule for failures looks at exit codes or at conditions",
            ),
            (
                at("pod_failure_policy.rules[3].on_exit_codes.operator"),
                "\"Is\" is not an operator",
            ),
        ];
        let expected: Vec<_> = expected
            .iter()
            .map(|(path, s)| (path.as_str(), *s))
            .collect();
        cron_job(
            json!({"jobSpec": {"podReplacementPolicy": "TerminatingOrFailed", "podFailurePolicy": {"rules": rules}}}),
            &expected,
        );
    }

    #[test]
    fn zones_and_commands() {
        cron_job(
            json!({"timeZone": "local", "containerConfigs": {"commands": ["feast apply", " "]}}),
            &[
                ("cron_job.time_zone", "\"local\" is not a time zone"),
                (
                    "cron_job.container_configs.commands[1]",
                    "This command is empty",
                ),
            ],
        );
    }
}
