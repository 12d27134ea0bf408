//! What of the user's can be wrong.

use crate::feast::secrets::source::Source;
use crate::schema::Path;

/// Why a Secret or ConfigMap of the user's cannot be merged in. Tells nothing of what it holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{source_} {problem}")]
pub struct SecretError {
    /// `thiserror` would take a field called `source` for the error's cause.
    pub source_: Source,
    /// The attribute that names it.
    pub path: Path,
    pub problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("does not exist")]
    Missing,
    #[error("is empty")]
    Empty,
    #[error("does not hold a YAML mapping of parameters, such as `host: db.example.com`")]
    NotAMapping,
    #[error("is not valid YAML{}: write a mapping of parameters, such as `host: db.example.com`", at_line(*line))]
    NotYaml { line: Option<u64> },
    #[error(
        "has a placeholder in place of whole parameters, so their names are not known: write each parameter, such as \
         `host: ${{HOST}}`"
    )]
    PlaceholderLine,
    #[error("sets `{key}` to something else than the store's type: leave `{key}` out of it")]
    OtherType { key: &'static str },
    #[error(
        "sets `{key}`, which an attribute of the feature store sets too: leave it out of one of them"
    )]
    SetByAttribute { key: String },
    #[error("must be written as a plain YAML mapping, one parameter a line")]
    NotEmbeddable,
    #[error(
        "keeps the data in a file (SQLite, Milvus Lite), and each of several pods would have a file of its own: write \
         the address of a database there, or run a single pod"
    )]
    FileOfSeveralPods,
    #[error(
        "keeps the data in a file (SQLite, Milvus Lite), and the Job that runs `feast apply` would have a file of its \
         own: write the address of a database there, or `feast_apply = \"init_container\"` in `services`"
    )]
    FileOfAJob,
    #[error("holds no `auth_discovery_url`: put it there, or set `issuer_url`")]
    NoDiscoveryUrl,
    #[error("names no engine: put its `type` there, such as `type: local`")]
    NoEngineType,
    #[error(
        "names the engine `k8s`, which asks the Kubernetes API, and the pods have no token for it: write \
         `automount_service_account_token = true` in `services`, and bind a Role for Jobs to the account `feast-<name>`"
    )]
    EngineWithoutToken,
    #[error(
        "names the engine `spark_application`, which needs rights in Kubernetes: grant them with \
         `spark_application = {{}}` in `batch_engine`"
    )]
    SparkWithoutRights,
    #[error(
        "does not name the engine `spark_application`, which alone needs the rights that \
         `spark_application` in `batch_engine` grants: remove it there"
    )]
    NotSpark,
    #[error(
        "names another `service_account` than `spark_application` in `batch_engine`: write the account \
         there, and leave it out here"
    )]
    OtherServiceAccount,
}

fn at_line(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!(" at line {line}"))
}
