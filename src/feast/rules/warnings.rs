//! Warnings: configurations that are valid but probably not intended.

use super::{
    Rule, authz, cron_job, disruption, lineage, packages, persistence, project, registry,
    scheduling, serving, stores, tracking, versions, volumes,
};

/// All warnings, in the order in which they are shown.
pub const WARNINGS: &[Rule] = &[
    Rule {
        name: "project-hyphen",
        description: "Feast 0.64 to 0.67 does not load a project with a hyphen.",
        check: project::hyphen,
    },
    Rule {
        name: "remote-definitions",
        description: "With a remote registry, `feast apply` has a repository from git or from the image: it deletes \
             every definition of the project that its repository does not have.",
        check: registry::sample_definitions,
    },
    Rule {
        name: "online-server-options",
        description: "`metrics` and `worker_configs` affect only the online server, and only `enabled` of the \
             registry's `mcp` has an effect.",
        check: serving::without_effect,
    },
    Rule {
        name: "metrics-end",
        description: "Metrics require `worker_configs.max_requests = 0`, the default except for `mysql`: they stop when \
             Feast replaces a worker for the first time.",
        check: serving::metrics_end,
    },
    Rule {
        name: "mysql-connection",
        description: "An online store of type `mysql` requires workers that are replaced: Feast does not connect again \
             after a restart of MySQL.",
        check: serving::mysql_connection,
    },
    Rule {
        name: "workers-registry",
        description: "Several workers with a SQL registry require `worker_configs.max_requests = 0`, the default except \
             for `mysql`: a replaced worker inherits the registry's connection of the others.",
        check: serving::workers_registry,
    },
    Rule {
        name: "materialization-requests",
        description: "While the CronJob materializes, images of Feast 0.64 to 0.66 reject requests, unless the registry \
             is a SQL database.",
        check: versions::materialization,
    },
    Rule {
        name: "cron-job-resources",
        description: "If all servers have requests or limits, the containers of the CronJob have `resources`, which a \
             ResourceQuota can require.",
        check: cron_job::without_resources,
    },
    Rule {
        name: "cron-job-pods",
        description: "The CronJob runs its commands in a pod, so KEDA must not scale to zero pods, unless a trigger of \
             the type `cron` starts one.",
        check: cron_job::without_pods,
    },
    Rule {
        name: "offline-servers",
        description: "Several offline servers require Feast 0.67.",
        check: versions::offline_servers,
    },
    Rule {
        name: "push-batching",
        description: "Feast batches pushed rows only if both `batch_size` and `batch_interval_seconds` are set.",
        check: serving::push_batching,
    },
    Rule {
        name: "feature-logging",
        description: "Feast 0.66 and 0.67 log no served features, whatever `feature_logging` is.",
        check: serving::feature_logging,
    },
    Rule {
        name: "audit-log-level",
        description: "`audit_logging` with the sink `logger`, and the metrics category `audit_logging`, require the log \
             level `info` or `debug` of the online server.",
        check: serving::audit_log_level,
    },
    Rule {
        name: "mcp-sessions",
        description: "A session of the Model Context Protocol exists in one process, and can break with several \
             replicas or workers.",
        check: serving::mcp_sessions,
    },
    Rule {
        name: "lineage-kafka",
        description: "The OpenLineage transport type `kafka` sends no events: Feast passes no brokers to it.",
        check: tracking::kafka,
    },
    Rule {
        name: "openlineage-package",
        description: "Sending lineage events requires an image with the OpenLineage client, which Feast's image does not \
             contain.",
        check: packages::openlineage,
    },
    Rule {
        name: "mlflow-package",
        description: "Logging operations to MLflow requires an image with MLflow, which Feast's image does not contain.",
        check: packages::mlflow,
    },
    Rule {
        name: "store-packages",
        description: "These types of stores require an image with their packages, which Feast's image does not contain: \
             online `aerospike`, `cassandra`, `couchbase.online`, `elasticsearch`, `hazelcast`, `hbase`, `mongodb`, \
             `qdrant`, `scylladb` and `singlestore`; offline `clickhouse`, `couchbase.offline`, `mssql`, `oracle`, \
             `ray`, `spark` and `trino`.",
        check: packages::stores,
    },
    Rule {
        name: "mlflow-unused",
        description: "Feast 0.67 does not use `ca_bundle`, `request_timeout`, `max_retries`, `retry_backoff_factor` and \
             `supported_artifact_formats` of MLflow.",
        check: tracking::unused,
    },
    Rule {
        name: "node-selectors",
        description: "All servers share their pods: of two values for one node label, only one applies.",
        check: scheduling::contradicting_selectors,
    },
    Rule {
        name: "drainable",
        description: "A PodDisruptionBudget allows at least one eviction, and is created only when the feature store \
             is scaled.",
        check: disruption::warnings,
    },
    Rule {
        name: "rolling-update-files",
        description: "`RollingUpdate` requires persistence in a database: during an update, old and new pods would use \
             the same file or different copies.",
        check: persistence::rolling_update,
    },
    Rule {
        name: "shared-files",
        description: "A file without a PVC is in a volume that the containers share, such as `/feast-data`.",
        check: stores::shared_files,
    },
    Rule {
        name: "pod-selectors",
        description: "A topology spread constraint or a pod affinity term without `label_selector` matches no pods.",
        check: scheduling::without_selector,
    },
    Rule {
        name: "lineage-receiver",
        description: "An enabled consumer requires the REST server of the registry, the web UI or a lineage \
             server.",
        check: lineage::without_receiver,
    },
    Rule {
        name: "lineage-database",
        description: "An enabled consumer requires a SQL database: `connection_string_secret_ref`, or a registry of the \
             type `sql`.",
        check: lineage::without_database,
    },
    Rule {
        name: "git-ssh-key",
        description: "An SSH URL of a git repository requires a key (`ssh`).",
        check: project::ssh_key,
    },
    Rule {
        name: "decimal-modes",
        description: "File modes are decimal numbers in Terraform: `default_mode = 400` is 0620 in octal.",
        check: volumes::decimal_modes,
    },
    Rule {
        name: "kubernetes-tokens",
        description: "Feast 0.66 and 0.67 do not verify the ServiceAccount tokens of `authz.kubernetes`, so \
             `services.network_policy` restricts who reaches the servers.",
        check: authz::unverified_tokens,
    },
    Rule {
        name: "lineage-readers",
        description: "A lineage server does not authenticate readers, whatever `authz` is.",
        check: lineage::unauthenticated_readers,
    },
];
