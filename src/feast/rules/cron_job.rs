//! The CronJob: settings of its Jobs that go together.

use k8s_openapi::api::batch::v1::{PodFailurePolicy, PodFailurePolicyRule};

use super::Violation;
use super::accessors::{CRON_JOB, CRON_JOB_CONTAINERS, cron_job_containers};
use crate::feast::config::{CompletionMode, FeatureStore, JobSpec, PodReplacementPolicy};
use crate::feast::names::{self, CRON_JOB_LENGTH};
use crate::feast::spec::commands_or_default;
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
            violations.extend(containers(store, policy));
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
                [values.clone(), operator],
                "These exit codes are not those of failures",
                "Write at least one; with `In`, not 0.",
            ));
        }
        if !codes.values.is_sorted_by(|one, next| one < next) {
            violations.push(Violation::new(
                values.clone(),
                [values],
                "Exit codes ascend, each written once",
                "Kubernetes takes them in no other order. Write the smallest first.",
            ));
        }
    }
    violations
}

/// A rule for one container names one of the CronJob's.
fn containers(store: &FeatureStore, policy: &PodFailurePolicy) -> Vec<Violation> {
    let written = cron_job_containers(store).and_then(|it| it.commands.clone());
    let commands = commands_or_default(written);
    let names: Vec<String> = (0..commands.len()).map(names::cron_job_container).collect();
    let rules = job_spec("pod_failure_policy.rules");
    (policy.rules.iter().enumerate())
        .filter_map(|(index, rule)| {
            let name = rule.on_exit_codes.as_ref()?.container_name.as_ref()?;
            if names.contains(name) {
                return None;
            }
            let at = rules.index(index).attribute("on_exit_codes.container_name");
            Some(Violation::new(
                at.clone(),
                [at, Path::of(CRON_JOB_CONTAINERS).attribute("commands")],
                format!("The CronJob's pods have no container {name:?}"),
                format!(
                    "There is one for each command: write `{}`, or leave `container_name` out.",
                    names.join("`, `")
                ),
            ))
        })
        .collect()
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
    fn exit_codes_and_containers() {
        let policy = |codes: Json, commands: Json, expected: &[(&str, &str)]| {
            let rule = json!({"action": "FailJob", "onExitCodes": codes});
            let prefix = "cron_job.job_spec.pod_failure_policy.rules[0].on_exit_codes";
            let expected: Vec<_> = (expected.iter())
                .map(|(place, summary)| (format!("{prefix}.{place}"), *summary))
                .collect();
            let expected: Vec<_> = expected.iter().map(|(p, s)| (p.as_str(), *s)).collect();
            cron_job(
                json!({
                    "jobSpec": {"podFailurePolicy": {"rules": [rule]}},
                    "containerConfigs": {"commands": commands},
                }),
                &expected,
            );
        };
        let codes = |values: Json| json!({"operator": "In", "values": values});
        policy(codes(json!([1, 2, 42])), json!(null), &[]);
        let order = [("values", "Exit codes ascend, each written once")];
        policy(codes(json!([2, 1])), json!(null), &order);
        policy(codes(json!([1, 1])), json!(null), &order);
        let of = |name: &str| json!({"operator": "In", "values": [1], "containerName": name});
        policy(of("feast-1"), json!(null), &[]);
        let none = |name: &str| format!("The CronJob's pods have no container {name:?}");
        policy(
            of("feast-2"),
            json!([]),
            &[("container_name", &none("feast-2"))],
        );
        policy(
            of("feast-1"),
            json!(["feast apply"]),
            &[("container_name", &none("feast-1"))],
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
