//! The table of the rules.

use super::{
    Rule, authz, cron_job, disruption, extra_yaml, keda, labels, lineage, names, network_policy,
    persistence, pods, project, pvcs, registry, resources, routes, scaling, scheduling, security,
    servers, service_monitor, services, serving, stores, timeouts, tls, tracking, utilization,
    volumes,
};

/// All rules, in the order in which violations are reported.
pub const RULES: &[Rule] = &[
    Rule {
        name: "names",
        description: "Object names, which contain `name`, have at most 63 characters.",
        check: names::check,
    },
    Rule {
        name: "labels",
        description: "Labels and annotations are valid in Kubernetes and not reserved for the provider.",
        check: labels::check,
    },
    Rule {
        name: "timeouts",
        description: "Each of the `timeouts` is between one second and 24 hours.",
        check: timeouts::check,
    },
    Rule {
        name: "replicas-or-autoscaling",
        description: "`replicas`, `autoscaling` and `keda` are mutually exclusive.",
        check: scaling::replicas_or_autoscaling,
    },
    Rule {
        name: "replica-bounds",
        description: "`min_replicas` is at most `max_replicas`.",
        check: scaling::replica_bounds,
    },
    Rule {
        name: "scaling-persistence",
        description: "Scaling (`replicas` above 1, `autoscaling` or `keda`) requires persistence in a database for \
             every enabled service. A registry can also be remote or in an object store (`s3://`, `gs://`).",
        check: persistence::check,
    },
    Rule {
        name: "autoscaling-metrics",
        description: "Each metric has the block of its type and no other, with a target that the type supports, and valid \
             names and selectors.",
        check: scaling::metrics,
    },
    Rule {
        name: "autoscaling-behavior",
        description: "Stabilization windows are at most 3600 seconds, and periods of scaling policies from 1 to 1800 \
             seconds.",
        check: scaling::behavior,
    },
    Rule {
        name: "utilization-requests",
        description: "A utilization metric, including the default CPU metric, requires a request for its resource on \
             every server that it measures.",
        check: utilization::check,
    },
    Rule {
        name: "keda-bounds",
        description: "`idle_replicas` is less than `min_replicas`, which is at most `max_replicas`, and some trigger \
             can scale up from zero pods.",
        check: keda::bounds,
    },
    Rule {
        name: "keda-triggers",
        description: "Triggers have unique names, and metric types that their type supports.",
        check: keda::triggers,
    },
    Rule {
        name: "keda-fallback",
        description: "`fallback` requires a trigger other than CPU and memory.",
        check: keda::fallback,
    },
    Rule {
        name: "keda-scaling-modifiers",
        description: "The formula of `scaling_modifiers` refers to a trigger other than CPU and memory, the target is \
             above 0 and with `fallback` a whole number, and `behavior = \"scalingModifiers\"` has a formula.",
        check: keda::scaling_modifiers,
    },
    Rule {
        name: "keda-autoscaler-name",
        description: "`keda.hpa_name` differs from the name of the HorizontalPodAutoscaler that `autoscaling` \
             creates. KEDA's default for it has at most 63 characters.",
        check: keda::autoscaler_name,
    },
    Rule {
        name: "pod-disruption-budget",
        description: "A PodDisruptionBudget has exactly one of `min_available` and `max_unavailable`, and requires no \
             more pods than there can be.",
        check: disruption::check,
    },
    Rule {
        name: "deployment-strategy",
        description: "The strategy is `Recreate` or `RollingUpdate`. Only `RollingUpdate` has `rolling_update`, whose \
             numbers are not both 0.",
        check: pods::strategy,
    },
    Rule {
        name: "pre-stop-sleep",
        description: "`pre_stop_sleep_seconds` is less than `termination_grace_period_seconds`.",
        check: pods::termination,
    },
    Rule {
        name: "one-store",
        description: "`persistence` has exactly one of `file` and `store`.",
        check: stores::one_persistence,
    },
    Rule {
        name: "shared-store",
        description: "Only a store whose `type` is the path of a class has `shared`.",
        check: stores::shared,
    },
    Rule {
        name: "staging-location",
        description: "Only the offline store `duckdb` has `staging_location` and `staging_location_endpoint_override`.",
        check: stores::staging,
    },
    Rule {
        name: "file-paths",
        description: "The path of a file is absolute, or relative to the mount path of its PersistentVolumeClaim (PVC) \
             and below it. Only a registry can be in an object store.",
        check: stores::paths,
    },
    Rule {
        name: "s3-arguments",
        description: "`s3_additional_kwargs` requires a `path` that begins with `s3://`.",
        check: stores::s3_arguments,
    },
    Rule {
        name: "own-secret",
        description: "No `secret_ref` refers to the Secret that the provider creates.",
        check: stores::own_secret,
    },
    Rule {
        name: "one-pvc",
        description: "`pvc` has exactly one of `ref` and `create`.",
        check: pvcs::one_source,
    },
    Rule {
        name: "pvc-template",
        description: "The template of a PVC has compatible access modes, a valid storage class, and a valid storage \
             request within its limit.",
        check: pvcs::template,
    },
    Rule {
        name: "mount-paths",
        description: "PVCs have unique mount paths, which hide nothing that the servers need.",
        check: pvcs::mounts,
    },
    Rule {
        name: "one-registry",
        description: "`registry` has exactly one of `local` and `remote`.",
        check: registry::one_registry,
    },
    Rule {
        name: "remote-address",
        description: "A remote registry has exactly one of `hostname` (`host` or `host:port`) and `feast_ref`.",
        check: registry::remote_address,
    },
    Rule {
        name: "remote-tls",
        description: "A client certificate of a remote registry has a private key, and it and `authority` require TLS.",
        check: registry::remote_tls,
    },
    Rule {
        name: "remote-other",
        description: "A remote registry belongs to another feature store.",
        check: registry::another_store,
    },
    Rule {
        name: "tls",
        description: "`tls` has a Secret unless it is disabled, with certificate and private key under different \
             keys.",
        check: tls::check,
    },
    Rule {
        name: "registry-protocol",
        description: "A registry server serves gRPC, REST or both.",
        check: registry::protocols,
    },
    Rule {
        name: "project-source",
        description: "`feast_project_dir` has exactly one of `init`, `git` and `packaged`.",
        check: project::one_source,
    },
    Rule {
        name: "init-template",
        description: "The template of `feast init` is one that Feast has.",
        check: project::init_template,
    },
    Rule {
        name: "git-source",
        description: "Arguments of git have one line and do not begin with `-`, settings are named `section.key`, \
             `feature_repo_path` is inside the repository, `ssh` requires an SSH URL, and `ca_cert_config_map` an HTTPS \
             URL.",
        check: project::git,
    },
    Rule {
        name: "packaged-path",
        description: "A packaged repository has a canonical path that no volume hides.",
        check: project::packaged,
    },
    Rule {
        name: "feast-apply",
        description: "`feast_apply = \"job\"` requires an online store and a registry outside the pods, and no PVCs; \
             `\"init_container\"` requires init containers.",
        check: project::feast_apply,
    },
    Rule {
        name: "cron-schedule",
        description: "A schedule has five valid fields, or is a macro such as `@daily`.",
        check: cron_job::schedule,
    },
    Rule {
        name: "cron-job",
        description: "The settings of the CronJob's Jobs are compatible, its name has at most 52 characters, its time \
             zone is in the time zone database, and no command is empty.",
        check: cron_job::check,
    },
    Rule {
        name: "one-server",
        description: "At least one server remains when the online store is disabled.",
        check: servers::one_server,
    },
    Rule {
        name: "environment",
        description: "Environment variables have valid and unique names, and either a value or one valid source. Files of \
             variables are in one of `services.volumes` with an `empty_dir`.",
        check: servers::environment,
    },
    Rule {
        name: "resources",
        description: "Requests and limits are valid quantities of known resources. No request exceeds its limit, \
             requests and limits of extended resources and huge pages are equal and whole, and `claims` refer \
             to `services.resource_claims` without duplicates.",
        check: resources::check,
    },
    Rule {
        name: "workers",
        description: "`workers` is at least 1, or `-1` for a number that depends on the node's CPUs.",
        check: serving::workers,
    },
    Rule {
        name: "metric-categories",
        description: "Metric categories are those of Feast.",
        check: serving::metric_categories,
    },
    Rule {
        name: "feature-count-bins",
        description: "The bounds in `feature_count_bins` are in ascending order.",
        check: serving::feature_count_bins,
    },
    Rule {
        name: "registry-mcp",
        description: "The Model Context Protocol of the registry requires its REST API.",
        check: serving::registry_mcp,
    },
    Rule {
        name: "volumes",
        description: "Volumes have unique names, which are not reserved for the provider, and exactly one source, with valid \
             names and paths.",
        check: volumes::check,
    },
    Rule {
        name: "file-modes",
        description: "File modes are numbers from 0 to 511 (0777 in octal), and from 0 to 1023 for `empty_dir`.",
        check: volumes::file_modes,
    },
    Rule {
        name: "volume-mounts",
        description: "A volume mount refers to one of `volumes`, and has a unique path that hides nothing that the \
             servers need.",
        check: volumes::mounts,
    },
    Rule {
        name: "tolerations",
        description: "A toleration has a supported operator and effect, and a key and value that fit them.",
        check: scheduling::tolerations,
    },
    Rule {
        name: "topology-spread",
        description: "Topology spread constraints have supported values, valid labels and unique topologies.",
        check: scheduling::spread,
    },
    Rule {
        name: "affinity",
        description: "Affinity terms have supported operators with fitting values, valid labels, weights from 1 to 100 and a \
             topology key.",
        check: scheduling::affinity,
    },
    Rule {
        name: "security-context",
        description: "The security context has supported values and valid IDs, profiles and sysctls, and its user does not \
             conflict with `run_as_non_root`.",
        check: pods::security,
    },
    Rule {
        name: "container-security-context",
        description: "The security context of the containers has supported values, which do not contradict each other \
             or that of the pods.",
        check: security::containers,
    },
    Rule {
        name: "network-policy",
        description: "Each peer of `network_policy` has selectors or valid addresses, and each port is valid.",
        check: network_policy::check,
    },
    Rule {
        name: "services",
        description: "The settings of a Service fit its `type` and each other, and no port of the nodes is used twice.",
        check: services::check,
    },
    Rule {
        name: "routes",
        description: "The termination of a Route fits the TLS of its server, and its settings fit its termination.",
        check: routes::check,
    },
    Rule {
        name: "service-monitor",
        description: "A ServiceMonitor requires the metrics of the online server, and its settings are ones that the \
             Prometheus Operator accepts.",
        check: service_monitor::check,
    },
    Rule {
        name: "resource-claims",
        description: "Resource claims have valid and unique names and exactly one source.",
        check: pods::resource_claims,
    },
    Rule {
        name: "service-account-token",
        description: "The pods have the token of their ServiceAccount if a setting makes Feast send it.",
        check: pods::token,
    },
    Rule {
        name: "image-pull-secrets",
        description: "Image pull secrets are unique.",
        check: pods::pull_secrets,
    },
    Rule {
        name: "one-authz",
        description: "`authz` has exactly one of `kubernetes`, `oidc` and `no_auth = true`.",
        check: authz::one_mode,
    },
    Rule {
        name: "authz-roles",
        description: "`roles` are valid and unique names, which are not reserved for the provider.",
        check: authz::roles,
    },
    Rule {
        name: "oidc-provider",
        description: "`oidc` has an `issuer_url` or a `secret_ref`, and `secret_key_name` requires `secret_ref`.",
        check: authz::oidc,
    },
    Rule {
        name: "transport-url",
        description: "The OpenLineage transport type `http` requires `transport_url`.",
        check: tracking::transport_url,
    },
    Rule {
        name: "lineage-server",
        description: "A lineage server requires a SQL database and an enabled consumer.",
        check: lineage::check,
    },
    Rule {
        name: "extra-config",
        description: "`extra_config` has no settings that have their own attribute.",
        check: tracking::extra_config,
    },
    Rule {
        name: "extra-yaml",
        description: "`extra_yaml` is a mapping of sections of `feature_store.yaml`, without settings that have an \
             attribute and without secrets.",
        check: extra_yaml::check,
    },
    Rule {
        name: "extra-numbers",
        description: "`request_timeout` and `max_retries` in `mlflow.extra_config` are whole numbers.",
        check: tracking::extra_numbers,
    },
];
