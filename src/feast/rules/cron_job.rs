//! The CronJob: its name and schedule, and settings of its Jobs that depend on each other.

mod warnings;

use k8s_openapi::api::batch::v1::PodFailurePolicy;

use super::Violation;
use super::accessors::{CRON_JOB, CRON_JOB_CONTAINERS, cron_job_containers};
use crate::feast::config::{CompletionMode, FeatureStore, JobSpec, PodReplacementPolicy};
use crate::feast::names;
use crate::feast::spec::commands_or_default;
use crate::kubernetes::validation::metadata::CRON_JOB_NAME_LENGTH;
use crate::kubernetes::validation::{below, cron, pod_failure_policy as kubernetes, time_zone};
use crate::schema::Path;

pub(super) use warnings::{without_pods, without_resources};

/// The number of completions above which an Indexed Job with a limit of retries for each index has lower limits.
const MANY_COMPLETIONS: i32 = 100_000;
const MAX_INDEXES: i32 = 100_000;
const MAX_INDEXES_OF_MANY: i32 = 10_000;

pub(super) fn schedule(store: &FeatureStore) -> Vec<Violation> {
    let schedule = store
        .cron_job
        .as_ref()
        .and_then(|it| it.schedule.as_deref());
    let problem = schedule.and_then(|schedule| Some((schedule, cron::problem(schedule)?)));
    let violation = problem.map(|(schedule, problem)| {
        Violation::at(
            Path::of(CRON_JOB).attribute("schedule"),
            format!("{schedule:?} is not a valid schedule: {problem}"),
            "Set minute, hour, day of month, month and day of week, such as `0 3 * * *` for 3:00 every day, or one of \
             `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly` and `@every 90m`.",
        )
    });
    violation.into_iter().collect()
}

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let Some(cron_job) = &store.cron_job else {
        return Vec::new();
    };
    let mut violations = Vec::new();
    if cron_job.schedule.is_some() {
        violations.extend(name(store));
    }
    let zone = cron_job.time_zone.as_deref();
    if let Some((zone, problem)) = zone.and_then(|zone| Some((zone, time_zone::problem(zone)?))) {
        violations.push(Violation::at(
            Path::of(CRON_JOB).attribute("time_zone"),
            format!("{zone:?} is not a valid time zone: {problem}"),
            "Set a name of the time zone database, such as `Etc/UTC`, or remove `time_zone` to use the time zone of \
             the kube-controller-manager.",
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
    let name = names::main(&store.name);
    (name.len() > CRON_JOB_NAME_LENGTH).then(|| {
        Violation::at(
            Path::of("name"),
            format!(
                "The name of the CronJob, {name:?}, is longer than {CRON_JOB_NAME_LENGTH} characters"
            ),
            format!(
                "With `cron_job.schedule`, `name` can have at most {} characters. It has {}.",
                store.name.len() + CRON_JOB_NAME_LENGTH - name.len(),
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

/// Returns a violation for an attribute of the Job that needs another one.
fn requires(attribute: &str, other: &str, summary: &str, detail: &str) -> Violation {
    let path = job_spec(attribute);
    Violation::new(path.clone(), [path, job_spec(other)], summary, detail)
}

fn indexes(job: &JobSpec) -> Vec<Violation> {
    let mut violations = Vec::new();
    let is_indexed = job.completion_mode == Some(CompletionMode::Indexed);
    if is_indexed && job.completions.is_none() {
        violations.push(requires(
            "completion_mode",
            "completions",
            "An Indexed Job requires `completions`",
            "Set `completions` to the number of indexes.",
        ));
    }
    if job.backoff_limit_per_index.is_some() && !is_indexed {
        violations.push(requires(
            "backoff_limit_per_index",
            "completion_mode",
            "`backoff_limit_per_index` requires an Indexed Job",
            "Set `completion_mode = \"Indexed\"`, or use `backoff_limit` for the Job as a whole.",
        ));
    }
    violations.extend(index_limits(job));
    if job.max_failed_indexes.is_some() && job.backoff_limit_per_index.is_none() {
        violations.push(requires(
            "max_failed_indexes",
            "backoff_limit_per_index",
            "`max_failed_indexes` requires `backoff_limit_per_index`",
            "Set `backoff_limit_per_index`, or remove `max_failed_indexes`.",
        ));
    }
    if let (Some(failed), Some(completions)) = (job.max_failed_indexes, job.completions)
        && failed > completions
    {
        violations.push(requires(
            "max_failed_indexes",
            "completions",
            "`max_failed_indexes` must not be greater than `completions`",
            "There are as many indexes as completions.",
        ));
    }
    violations
}

/// Limits of Indexed Jobs (`validateJobSpec`).
fn index_limits(job: &JobSpec) -> Vec<Violation> {
    if job.completion_mode != Some(CompletionMode::Indexed) {
        return Vec::new();
    }
    let is_large = job.completions.is_some_and(|it| it > MANY_COMPLETIONS)
        && job.backoff_limit_per_index.is_some();
    let max = if is_large {
        MAX_INDEXES_OF_MANY
    } else {
        MAX_INDEXES
    };
    let reads = ["completion_mode", "completions", "backoff_limit_per_index"].map(job_spec);
    let limited = [
        ("parallelism", job.parallelism),
        ("max_failed_indexes", job.max_failed_indexes),
    ];
    let mut violations: Vec<Violation> = (limited.into_iter())
        .filter_map(|(name, value)| {
            let value = value.filter(|value| *value > max)?;
            let path = job_spec(name);
            Some(Violation::new(
                path.clone(),
                [path],
                format!("`{name}` of this Indexed Job must be at most {max}, but is {value}"),
                format!(
                    "With `backoff_limit_per_index` and more than {MANY_COMPLETIONS} completions, the maximum is \
                     {MAX_INDEXES_OF_MANY}."
                ),
            ))
        })
        .collect();
    if is_large && job.max_failed_indexes.is_none() {
        let path = job_spec("max_failed_indexes");
        violations.push(Violation::at(
            path,
            format!("More than {MANY_COMPLETIONS} completions require `max_failed_indexes`"),
            format!("Set a number of at most {MAX_INDEXES_OF_MANY}, or fewer completions."),
        ));
    }
    (violations.into_iter())
        .map(|violation| violation.reading(&reads))
        .collect()
}

fn failures(job: &JobSpec, policy: &PodFailurePolicy) -> Vec<Violation> {
    let path = job_spec("pod_failure_policy");
    let mut violations = below(&path, kubernetes::validate(policy));
    if job.pod_replacement_policy == Some(PodReplacementPolicy::TerminatingOrFailed) {
        violations.push(Violation::at(
            job_spec("pod_replacement_policy"),
            "`pod_failure_policy` requires the pod replacement policy `Failed`",
            "Set `pod_replacement_policy = \"Failed\"`, or remove it.",
        ));
    }
    let rules = path.attribute("rules");
    for (index, rule) in policy.rules.iter().enumerate() {
        if rule.action == "FailIndex" && job.backoff_limit_per_index.is_none() {
            let path = rules.index(index).attribute("action");
            violations.push(Violation::new(
                path.clone(),
                [path, job_spec("backoff_limit_per_index")],
                "The action FailIndex requires `backoff_limit_per_index`",
                "Set `backoff_limit_per_index`, or use another action.",
            ));
        }
    }
    violations
}

/// A rule for one container must name a container of the CronJob.
fn containers(store: &FeatureStore, policy: &PodFailurePolicy) -> Vec<Violation> {
    let commands = cron_job_containers(store).and_then(|it| it.commands.clone());
    let commands = commands_or_default(commands);
    let names: Vec<String> = (0..commands.len()).map(names::cron_job_container).collect();
    let rules = job_spec("pod_failure_policy.rules");
    (policy.rules.iter().enumerate())
        .filter_map(|(index, rule)| {
            let name = rule.on_exit_codes.as_ref()?.container_name.as_ref()?;
            let path = rules.index(index).attribute("on_exit_codes.container_name");
            (!names.contains(name)).then(|| {
                Violation::new(
                    path.clone(),
                    [path, Path::of(CRON_JOB_CONTAINERS).attribute("commands")],
                    format!("The CronJob's pods have no container {name:?}"),
                    format!(
                        "There is one container for each command: `{}`. Set one of these names, or remove \
                         `container_name`.",
                        names.join("`, `")
                    ),
                )
            })
        })
        .collect()
}

fn commands(store: &FeatureStore) -> Vec<Violation> {
    let commands = cron_job_containers(store).and_then(|it| it.commands.as_deref());
    let list = Path::of(CRON_JOB_CONTAINERS).attribute("commands");
    (commands.unwrap_or_default().iter().enumerate())
        .filter(|(_, command)| command.trim().is_empty())
        .map(|(index, _)| {
            Violation::at(
                list.index(index),
                "The command must not be empty",
                "Set the command for `bash -c`, or remove it from the list.",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::rejects_store;

    fn cron_job(rule: &str, cron_job: Json, expected: &[(&str, &str)]) {
        let store = json!({"name": "demo", "feastProject": "p", "cronJob": cron_job});
        rejects_store(rule, store, expected);
    }

    #[test]
    fn schedules() {
        cron_job("cron-schedule", json!({"schedule": "0 3 * * *"}), &[]);
        cron_job(
            "cron-schedule",
            json!({"schedule": "* 24 * * *"}),
            &[(
                "cron_job.schedule",
                "\"* 24 * * *\" is not a valid schedule: \"24\" is not a valid hour (0–23)",
            )],
        );
    }

    #[test]
    fn the_name_of_a_cron_job_has_at_most_52_characters() {
        let named = |length: usize, expected: &[(&str, &str)]| {
            let name = "n".repeat(length);
            let store =
                json!({"name": name, "feastProject": "p", "cronJob": {"schedule": "@daily"}});
            rejects_store("cron-job", store, expected);
        };
        named(46, &[]);
        let name = format!("feast-{}", "n".repeat(47));
        let summary = format!("The name of the CronJob, {name:?}, is longer than 52 characters");
        named(47, &[("name", &summary)]);
    }

    #[test]
    fn settings_of_indexed_jobs() {
        let check = |job: Json, expected: &[(&str, &str)]| {
            cron_job("cron-job", json!({"jobSpec": job}), expected);
        };
        check(
            json!({"completionMode": "Indexed", "completions": 2, "backoffLimitPerIndex": 1, "maxFailedIndexes": 2}),
            &[],
        );
        check(
            json!({"completionMode": "Indexed"}),
            &[(
                "cron_job.job_spec.completion_mode",
                "An Indexed Job requires `completions`",
            )],
        );
        check(
            json!({"backoffLimitPerIndex": 1, "maxFailedIndexes": 2, "completions": 1}),
            &[
                (
                    "cron_job.job_spec.backoff_limit_per_index",
                    "`backoff_limit_per_index` requires an Indexed Job",
                ),
                (
                    "cron_job.job_spec.max_failed_indexes",
                    "`max_failed_indexes` must not be greater than `completions`",
                ),
            ],
        );
        check(
            json!({"maxFailedIndexes": 2}),
            &[(
                "cron_job.job_spec.max_failed_indexes",
                "`max_failed_indexes` requires `backoff_limit_per_index`",
            )],
        );
    }

    #[test]
    fn limits_of_indexed_jobs() {
        let check = |job: Json, expected: &[(&str, &str)]| {
            cron_job("cron-job", json!({"jobSpec": job}), expected);
        };
        let indexed = |completions: i32, parallelism: i32| {
            json!({
                "completionMode": "Indexed", "completions": completions, "parallelism": parallelism,
                "backoffLimitPerIndex": 1,
            })
        };
        check(indexed(100_000, 100_000), &[]);
        check(
            indexed(100_000, 100_001),
            &[(
                "cron_job.job_spec.parallelism",
                "`parallelism` of this Indexed Job must be at most 100000, but is 100001",
            )],
        );
        check(
            indexed(100_001, 10_001),
            &[
                (
                    "cron_job.job_spec.parallelism",
                    "`parallelism` of this Indexed Job must be at most 10000, but is 10001",
                ),
                (
                    "cron_job.job_spec.max_failed_indexes",
                    "More than 100000 completions require `max_failed_indexes`",
                ),
            ],
        );
    }

    #[test]
    fn pod_failure_policies() {
        let rules = json!([
            {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [0]}},
        ]);
        cron_job(
            "cron-job",
            json!({"jobSpec": {"podReplacementPolicy": "TerminatingOrFailed", "podFailurePolicy": {"rules": rules}}}),
            &[
                (
                    "cron_job.job_spec.pod_failure_policy.rules[0].on_exit_codes.values",
                    "The exit codes are not those of a failure",
                ),
                (
                    "cron_job.job_spec.pod_replacement_policy",
                    "`pod_failure_policy` requires the pod replacement policy `Failed`",
                ),
                (
                    "cron_job.job_spec.pod_failure_policy.rules[0].action",
                    "The action FailIndex requires `backoff_limit_per_index`",
                ),
            ],
        );
    }

    #[test]
    fn a_rule_must_name_a_container_of_the_cron_job() {
        let check = |name: &str, commands: Json, is_known: bool| {
            let codes = json!({"operator": "In", "values": [1], "containerName": name});
            let rule = json!({"action": "FailJob", "onExitCodes": codes});
            let path = "cron_job.job_spec.pod_failure_policy.rules[0].on_exit_codes.container_name";
            let summary = format!("The CronJob's pods have no container {name:?}");
            let expected = [(path, summary.as_str())];
            cron_job(
                "cron-job",
                json!({
                    "jobSpec": {"podFailurePolicy": {"rules": [rule]}},
                    "containerConfigs": {"commands": commands},
                }),
                if is_known { &[] } else { &expected },
            );
        };
        check("feast-1", json!(null), true);
        check("feast-2", json!([]), false);
        check("feast-1", json!(["feast apply"]), false);
    }

    #[test]
    fn rejects_the_local_time_zone_and_empty_commands() {
        cron_job(
            "cron-job",
            json!({"timeZone": "local", "containerConfigs": {"commands": ["feast apply", " "]}}),
            &[
                (
                    "cron_job.time_zone",
                    "\"local\" is not a valid time zone: it is not the same on all machines",
                ),
                (
                    "cron_job.container_configs.commands[1]",
                    "The command must not be empty",
                ),
            ],
        );
    }
}
