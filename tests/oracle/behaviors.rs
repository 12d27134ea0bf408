//! Behaviors in which this provider differs from the Feast operator, each with the tests that show it.
//! `docs/guides/differences-from-the-feast-operator.md` prints this table.

/// One behavior.
pub struct Behavior {
    pub subject: &'static str,
    /// The behavior of the Feast operator, as observed by running version 0.66.
    pub operator: &'static str,
    /// The behavior of this provider.
    pub provider: &'static str,
    /// The tests that show the behavior, as `file::function`, or a case of the oracle test by its folder or by its
    /// name in `tests/oracle/additional_rejected.json`. Empty if there is nothing to observe.
    pub tests: &'static [&'static str],
}

pub const BEHAVIORS: &[Behavior] = &[
    Behavior {
        subject: "Connection parameters",
        operator: "In an environment variable of every container, as base64. Everyone who can read Deployments can read them.",
        provider: "In a Secret. They do not appear in pod templates, plans, state or logs.",
        tests: &[
            "tests/lifecycle/secrets.rs::password_is_only_in_the_store_secret",
            "src/feast/secrets/resolve/tests.rs::parameters_go_into_the_secret_and_nowhere_else",
        ],
    },
    Behavior {
        subject: "A Secret with connection parameters changes",
        operator: "The pods keep the previous values until they are replaced.",
        provider: "The next plan reports the change, and its apply replaces the pods.",
        tests: &[
            "tests/lifecycle/secrets.rs::password_is_only_in_the_store_secret",
            "src/feast/secrets/resolve/tests.rs::the_hash_follows_the_content",
        ],
    },
    Behavior {
        subject: "Git settings (`configs`)",
        operator: "Written in a random order; each order is a new rollout.",
        provider: "Written in the order of the configuration, so the script is the same on every run.",
        tests: &["src/feast/render/repository/tests.rs::configs_are_sorted"],
    },
    Behavior {
        subject: "A clone that fails, and special characters in a Git reference",
        operator: "The init container continues; the shell interprets the reference.",
        provider: "The init container fails; every value is quoted.",
        tests: &[
            "src/feast/render/repository/tests.rs::failures_are_repeatable",
            "src/feast/render/repository/tests.rs::values_cannot_inject_commands",
        ],
    },
    Behavior {
        subject: "Persistence changes from a file to a database",
        operator: "The PersistentVolumeClaim is deleted with its data.",
        provider: "PersistentVolumeClaims are kept unless `delete_data` is true.",
        tests: &["tests/lifecycle/cluster/writes.rs::prunes_and_deletes"],
    },
    Behavior {
        subject: "Requests for a feature view while it is materialized",
        operator: "Rejected, if the registry is a file.",
        provider: "Served, with the values before the materialization.",
        tests: &[
            "tests/real_feast/materialization.rs::features_are_served_while_they_are_materialized",
            "tests/real_feast/materialization.rs::features_are_rejected_without_the_setting",
        ],
    },
    Behavior {
        subject: "Settings of Feast without a field",
        operator: "Only in Secrets, or as strings in `extraConfig` of three sections.",
        provider: "In `extra_yaml`, with nested values, for servers and for clients.",
        tests: &["tests/render/settings_databases.yaml"],
    },
    Behavior {
        subject: "Feature stores of the same name in two namespaces",
        operator: "Share one ClusterRoleBinding, which is not deleted with them.",
        provider: "Each has its own objects, and destroying it deletes them.",
        tests: &["tests/render/authz_kubernetes.yaml"],
    },
    Behavior {
        subject: "Autoscaling on CPU while a container has no CPU request",
        operator: "Accepted. The HPA does not scale, and the feature store reports `Ready`.",
        provider: "The plan fails and names the server that needs a request.",
        tests: &[
            "src/feast/rules/utilization.rs::the_default_metric_requires_a_cpu_request_on_every_server",
        ],
    },
    Behavior {
        subject: "Bounds, windows, strategies, quantities, names, schedules and Secrets",
        operator: "Checked while the objects are reconciled.",
        provider: "Checked by `terraform validate`; Secrets are checked by the apply before its first write.",
        tests: &[
            "src/feast/rules/scaling.rs::rejects_min_replicas_above_max_replicas",
            "src/kubernetes/validation/autoscaling.rs::rejects_behavior_out_of_range",
            "src/kubernetes/validation/strategy.rs::types_and_numbers",
            "src/kubernetes/validation/resources.rs::rejects_invalid_quantities_and_requests_above_limits",
            "src/feast/rules/names.rs::rejects_a_name_that_makes_an_object_name_too_long",
            "src/kubernetes/validation/cron.rs::rejects_invalid_schedules",
            "Secret that does not exist",
        ],
    },
    Behavior {
        subject: "`grpc: false` without `restAPI`",
        operator: "Rejected, with an error of the rule language of the CRD.",
        provider: "Rejected. The error says that the server must serve a protocol, and how to enable one.",
        tests: &[
            "src/feast/rules/registry.rs::at_least_one_protocol",
            "registry server without a protocol",
        ],
    },
    Behavior {
        subject: "`s3_additional_kwargs` without a path",
        operator: "Accepted. The operator then reconciles it repeatedly.",
        provider: "Rejected.",
        tests: &["S3 arguments without a path"],
    },
    Behavior {
        subject: "`noAuth: false`",
        operator: "Accepted. The servers ask Kubernetes for authorization, for which they have no permission.",
        provider: "Rejected.",
        tests: &["src/feast/rules/authz.rs::exactly_one_authentication_mode"],
    },
    Behavior {
        subject: "A registry that serves only REST",
        operator: "Clients get the name of a Service that does not exist.",
        provider: "Clients get only addresses that are served.",
        tests: &[
            "tests/oracle/cases/registry-rest-only",
            "src/feast/spec.rs::endpoints_are_those_that_are_served",
        ],
    },
    Behavior {
        subject: "The web UI of a feature store with a remote registry",
        operator: "Its address is not in the status.",
        provider: "`endpoints` has the address of every server.",
        tests: &["src/feast/spec.rs::endpoints_are_those_that_are_served"],
    },
    Behavior {
        subject: "Lineage server",
        operator: "Clients get a port that its Service does not have. TLS and the server's environment variables are ignored.",
        provider: "All addresses come from one table of ports, and the server has the settings of any other server. Events are stored in the registry's database, and Feast's own events carry the required API key.",
        tests: &[
            "tests/render.rs::lineage",
            "src/feast/render/feature_store_yaml/tests.rs::events_go_to_the_lineage_server",
            "tests/real_feast/lineage.rs::lineage_server_receives_feast_events",
        ],
    },
    Behavior {
        subject: "Persistence paths and mount paths",
        operator: "A path can lead out of its PersistentVolumeClaim; two PersistentVolumeClaims can share a mount path.",
        provider: "Both are rejected.",
        tests: &[
            "src/feast/rules/stores.rs::paths_on_and_off_pvcs",
            "src/feast/rules/pvcs.rs::rejects_mount_paths_that_collide",
            "path out of its PVC",
            "two PVCs at one place",
        ],
    },
    Behavior {
        subject: "Existing objects with one of the derived names",
        operator: "Overwritten, and deleted with the feature store.",
        provider: "The apply stops before its first write and names the object.",
        tests: &["tests/lifecycle/cluster/conflicts.rs::does_not_overwrite_foreign_objects"],
    },
    Behavior {
        subject: "Namespace `feast-operator-system`",
        operator: "Required.",
        provider: "Not used: all objects are in the feature store's namespace, apart from the cluster-scoped permissions of `authz`.",
        tests: &[],
    },
    Behavior {
        subject: "Reconciling without a change",
        operator: "Every object is written again.",
        provider: "An object that is already as configured is not sent.",
        tests: &["src/kubernetes/field_set.rs::is_exactly_accepts_the_applied_manifest"],
    },
    Behavior {
        subject: "Scaling down to one replica, and removing autoscaling",
        operator: "All pods stop before the new one starts.",
        provider: "The same by default, because a single replica can use a file that two pods must not write concurrently. With `deployment_strategy = { type = \"RollingUpdate\" }` a feature store on databases keeps serving; without a replica count the live count is kept.",
        tests: &["tests/lifecycle/cluster/transitions.rs::replicas_never_drop_during_a_transition"],
    },
    Behavior {
        subject: "A connection parameter named like a field of the operator",
        operator: "Moved to that field.",
        provider: "The content of the Secret is embedded unchanged.",
        tests: &[
            "src/feast/feature_store_yaml/yaml.rs::embeds_a_block_verbatim",
            "tests/oracle/cases/db-custom-secret-key",
        ],
    },
    Behavior {
        subject: "A namespace with the Pod Security level `restricted`, or a ResourceQuota on requests and limits",
        operator: "The pods are rejected, unless the namespace has a LimitRange; no field sets the security context of containers or the resources of init containers.",
        provider: "The pods are accepted. Attributes set other values.",
        tests: &[
            "tests/lifecycle/restricted.rs::production_example_is_accepted",
            "src/feast/spec/security.rs::pods_meet_the_level_restricted_by_default",
            "src/feast/spec/resources.rs::the_default_is_the_maximum_of_each_resource",
        ],
    },
    Behavior {
        subject: "`$$` and `$(NAME)` in the commands of the CronJob",
        operator: "Kubernetes replaces them, as in every container command.",
        provider: "The command arrives at the shell as it is written.",
        tests: &["src/feast/render/references.rs::escaped_text_expands_to_the_original"],
    },
    Behavior {
        subject: "A registry with gRPC and REST on OpenShift",
        operator: "One Service asks for a certificate with the names of both by the annotation `serving-cert-sans`, which the \
                   service CA of OpenShift does not have (from the sources of both), so that the certificate has the name \
                   of the gRPC Service only.",
        provider: "`endpoints.registry_rest` is a port of the Service whose name the certificate has.",
        tests: &["tests/lifecycle/openshift.rs::example_is_applied"],
    },
    Behavior {
        subject: "The label `endpoint` of Feast's metrics, scraped through the ServiceMonitor",
        operator: "The ServiceMonitor has no `honorLabels` (from its source), so that Prometheus stores the label as \
                   `exported_endpoint`.",
        provider: "Kept (`honorLabels: true`), as the dashboard expects.",
        tests: &["tests/real_feast/prometheus.rs::scrapes_what_the_service_monitor_points_to"],
    },
];
