//! What the user had better change: warnings, which stop nothing.

use super::{
    Rule, disruption, lineage, modes, persistence, project, scheduling, serving, tracking,
};

/// What a configuration may say and had better not: warnings, in the order in which they are shown.
pub const WARNINGS: &[Rule] = &[
    Rule {
        name: "online-server-options",
        description: "`metrics` and `worker_configs` of a server other than the online one have no effect, nor has the registry's `mcp` beyond `enabled`.",
        check: serving::without_effect,
    },
    Rule {
        name: "metrics-end",
        description: "With metrics, `worker_configs.max_requests` is 0: they stop when Feast replaces a worker for the first time.",
        check: serving::metrics_end,
    },
    Rule {
        name: "push-batching",
        description: "Feast collects pushed rows only with both `batch_size` and `batch_interval_seconds`.",
        check: serving::push_batching,
    },
    Rule {
        name: "mcp-sessions",
        description: "A session of the Model Context Protocol is known to one process: with several replicas or workers it may break.",
        check: serving::mcp_sessions,
    },
    Rule {
        name: "lineage-kafka",
        description: "Feast passes no brokers to the OpenLineage transport `kafka`; the client's own environment variables do.",
        check: tracking::kafka,
    },
    Rule {
        name: "node-selectors",
        description: "All servers share their pods: of two values for one label of a node only one holds.",
        check: scheduling::contradicting_selectors,
    },
    Rule {
        name: "drainable",
        description: "A disruption budget lets at least one pod go, and is made only when the feature store is scaled.",
        check: disruption::warnings,
    },
    Rule {
        name: "rolling-update-files",
        description: "`RollingUpdate` is for DB-backed persistence: pods that replace each other would share a file, or each have one of its own.",
        check: persistence::rolling_update,
    },
    Rule {
        name: "pod-selectors",
        description: "A spread constraint or a term on pods without a `label_selector` counts no pods.",
        check: scheduling::without_selector,
    },
    Rule {
        name: "lineage-receiver",
        description: "Lineage events are received by the registry's REST server, the web interface or a lineage server.",
        check: lineage::nobody_listens,
    },
    Rule {
        name: "git-ssh-key",
        description: "A git URL of SSH needs a key: `ssh`.",
        check: project::ssh_key,
    },
    Rule {
        name: "decimal-modes",
        description: "Modes of files are decimal numbers in Terraform: `default_mode = 400` is 0620.",
        check: modes::decimal,
    },
    Rule {
        name: "lineage-readers",
        description: "A lineage server asks its readers for no token, whatever `authz` says.",
        check: lineage::open_to_readers,
    },
];
