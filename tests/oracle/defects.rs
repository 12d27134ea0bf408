//! What the operator does wrong, and what shows that this provider does not: the table that
//! `docs/guides/better-than-the-operator.md` prints.

/// One defect of the Feast operator.
pub struct Defect {
    /// What happens with the operator.
    pub operator: &'static str,
    /// What happens here.
    pub provider: &'static str,
    /// The tests that show it, as `file::function`, or a case of the oracle test by its folder or by its name
    /// in `tests/oracle/refused.json`; none where the sentence says why there is nothing to show.
    pub tests: &'static [&'static str],
}

pub const DEFECTS: &[Defect] = &[
    Defect {
        operator: "Passwords are in the environment of every container, as base64, for everybody who may read Deployments.",
        provider: "They are in a Secret and nowhere else: not in pods, plan, state or logs.",
        tests: &[
            "tests/lifecycle/secrets.rs::the_password_is_nowhere_but_in_our_secret",
            "src/feast/fill.rs::parameters_go_into_the_secret_and_nowhere_else",
        ],
    },
    Defect {
        operator: "Pods keep running with the old password when a Secret changes.",
        provider: "The next plan shows it, and the apply rolls the pods.",
        tests: &[
            "tests/lifecycle/secrets.rs::the_password_is_nowhere_but_in_our_secret",
            "src/feast/fill.rs::the_fingerprint_follows_the_content",
        ],
    },
    Defect {
        operator: "Two or more Git settings come in another order each time, and every order is a new rollout.",
        provider: "The script is the same on every run.",
        tests: &["src/feast/render/repository/tests.rs::configs_are_in_their_order"],
    },
    Defect {
        operator: "A failed clone goes unnoticed, and what stands in a Git reference is run by the shell.",
        provider: "The init container fails with the clone, and everything is quoted.",
        tests: &[
            "src/feast/render/repository/tests.rs::what_fails_fails_again",
            "src/feast/render/repository/tests.rs::nothing_hostile_is_run",
        ],
    },
    Defect {
        operator: "A change from a file to a database deletes the claim with the data in it.",
        provider: "Claims are kept, unless `delete_data` says otherwise.",
        tests: &["tests/lifecycle/cluster/writes.rs::pruning_and_deleting"],
    },
    Defect {
        operator: "Feature stores of one name in two namespaces take one ClusterRoleBinding from each other, and it stays for ever.",
        provider: "No object belongs to two feature stores, and what is made is deleted.",
        tests: &["tests/render/authz_kubernetes.yaml"],
    },
    Defect {
        operator: "An autoscaler on CPU never acts while one container has no CPU request, and the feature store counts as ready.",
        provider: "The plan is refused, and says which server needs a request.",
        tests: &[
            "src/feast/rules/utilization.rs::the_default_metric_needs_a_cpu_request_everywhere",
        ],
    },
    Defect {
        operator: "Bounds, windows, strategies, quantities, names, schedules and Secrets are checked only when half of the objects are made.",
        provider: "All of them are checked by `terraform validate`, Secrets by the apply, before it writes anything.",
        tests: &[
            "src/feast/rules/scaling.rs::bounds_in_order",
            "src/feast/rules/autoscaling.rs::behavior_stays_within_bounds",
            "src/feast/rules/strategy.rs::words_and_numbers",
            "src/feast/rules/resources.rs::quantities_in_order",
            "src/feast/rules/names.rs::the_longest_derived_name_decides",
            "src/feast/rules/schedule.rs::rejects_invalid_schedules",
            "Secret that does not exist",
        ],
    },
    Defect {
        operator: "`grpc: false` alone ends in an error of the rule language.",
        provider: "The error says that a server must serve something, and how.",
        tests: &[
            "src/feast/rules/registry.rs::some_protocol",
            "registry server without a protocol",
        ],
    },
    Defect {
        operator: "`s3_additional_kwargs` without a path is accepted, and the operator then runs in circles.",
        provider: "It is refused.",
        tests: &["S3 arguments without a path"],
    },
    Defect {
        operator: "`noAuth: false` gives servers that ask Kubernetes without the right to.",
        provider: "It is refused.",
        tests: &["src/feast/rules/authz.rs::exactly_one_mode"],
    },
    Defect {
        operator: "A registry that serves REST alone is advertised under the name of a Service that does not exist.",
        provider: "Only what is served is advertised.",
        tests: &[
            "tests/oracle/cases/registry-rest-alone",
            "src/feast/spec.rs::endpoints_are_those_that_are_served",
        ],
    },
    Defect {
        operator: "With a remote registry the address of the UI is never told.",
        provider: "`endpoints` names every server that there is.",
        tests: &["src/feast/spec.rs::endpoints_are_those_that_are_served"],
    },
    Defect {
        operator: "Lineage is looked for on a port that its Service does not have, and its server ignores TLS and its own environment.",
        provider: "Every address is made from the one table of ports, and the server has all settings of a server. It keeps the events in the registry's own database, where the operator's ends at once, and Feast's own events carry the key that it asks for.",
        tests: &[
            "tests/render.rs::lineage",
            "src/feast/render/feature_store_yaml/tests.rs::events_go_to_the_lineage_server",
            "tests/real_feast/lineage.rs::feasts_own_events_arrive",
        ],
    },
    Defect {
        operator: "Paths lead out of their claims, and two claims may be mounted at one place.",
        provider: "Both are refused.",
        tests: &[
            "src/feast/rules/stores.rs::paths_by_where_they_stand",
            "src/feast/rules/claims.rs::mounts_do_not_collide",
            "path out of its claim",
            "two claims at one place",
        ],
    },
    Defect {
        operator: "Objects of others that have one of the derived names are overwritten, and deleted with the feature store.",
        provider: "The apply stops before the first write and names the object.",
        tests: &["tests/lifecycle/cluster/conflicts.rs::foreign_objects_are_not_overwritten"],
    },
    Defect {
        operator: "Nothing works without the namespace `feast-operator-system`.",
        provider: "Nothing is kept outside the feature store's own namespace, so there is nothing to miss.",
        tests: &[],
    },
    Defect {
        operator: "Every run writes every object again.",
        provider: "An object that is as wanted is not sent.",
        tests: &["src/cluster/ownership.rs::exactly_the_manifest"],
    },
    Defect {
        operator: "Going down to one pod, or without the autoscaler, stops every pod before the new one starts.",
        provider: "By default the same: one pod may be one on a file, which two must not write. With `deployment_strategy = { type = \"RollingUpdate\" }` a feature store on databases stays up, and without a number the live one is kept.",
        tests: &[
            "tests/lifecycle/cluster/transitions.rs::replicas_never_fall_through_any_transition",
        ],
    },
    Defect {
        operator: "A connection parameter with the name of one of the operator's own fields moves there.",
        provider: "What the Secret holds is embedded word for word.",
        tests: &[
            "src/feast/document/yaml.rs::embeds_a_block_word_for_word",
            "tests/oracle/cases/secret-key-of-another-name",
        ],
    },
    Defect {
        operator: "Several of the published examples are refused by the operator's own definition.",
        provider: "Every example is applied by the tests.",
        tests: &[
            "tests/lifecycle/examples.rs::the_others",
            "empty registry",
            "no project",
        ],
    },
];
