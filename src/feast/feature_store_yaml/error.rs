//! Why the content of a Secret or ConfigMap cannot be used.

use crate::feast::secrets::source::Source;
use crate::schema::Path;

/// A problem of a Secret or ConfigMap of the user. It does not reveal the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{source_} {problem}")]
pub struct SecretError {
    /// Not `source`, which `thiserror` would use as the cause of the error.
    pub source_: Source,
    /// The attribute that names the Secret or ConfigMap.
    pub path: Path,
    pub problem: SecretProblem,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretProblem {
    #[error("does not exist")]
    Missing,
    #[error("is empty")]
    Empty,
    #[error("is not a YAML mapping of parameters, such as `host: db.example.com`")]
    NotAMapping,
    #[error("is not valid YAML{}. Use a mapping of parameters, such as `host: db.example.com`", at_line(*line))]
    YamlSyntaxError { line: Option<u64> },
    #[error(
        "has a line that is only an environment reference, so the names of the parameters are not known. Set each \
         parameter separately, such as `host: ${{HOST}}`"
    )]
    ReferenceLine,
    #[error("sets `{key}` to a value that differs from the type of the store. Remove `{key}`")]
    OtherType { key: &'static str },
    #[error(
        "sets `{key}`, which an attribute of the feature store or `extra_yaml` sets too. Remove one of the two"
    )]
    SetTwice { key: String },
    #[error(
        "cannot be embedded in `feature_store.yaml`. Use a plain YAML mapping with one parameter on each line"
    )]
    NotEmbeddable,
    #[error(
        "describes a file (such as SQLite), and each of several pods would have its own file. Set the address of a \
         database, or run a single pod"
    )]
    FileOfSeveralPods,
    #[error(
        "describes a file (such as SQLite), and the `feast apply` Job would have its own file. Set the address of a \
         database, or set `services.feast_apply = \"init_container\"`"
    )]
    FileOfAJob,
    #[error(
        "describes a file (such as SQLite), and the lineage server has its own pod, which would have its own file. Set \
         the address of a database, or remove `openlineage.consumer.lineage_server`"
    )]
    FileOfLineageServer,
    #[error("has no `auth_discovery_url`. Add it, or set `authz.oidc.issuer_url`")]
    NoDiscoveryUrl,
    #[error(
        "has credentials of a client, but no {missing}. Feast requires `client_id` with `client_secret`, and `username` \
         only with `password` and both of these. Add {missing}, or remove `client_secret`, `username` and `password`"
    )]
    IncompleteClient { missing: String },
    #[error("has no `type`. Add the type of the engine, such as `type: local`")]
    NoEngineType,
    #[error(
        "uses the engine `k8s`, which calls the Kubernetes API, but the pods have no token. Set \
         `services.automount_service_account_token = true`, and bind a Role for Jobs to the ServiceAccount `feast-<name>`"
    )]
    EngineWithoutToken,
    #[error(
        "uses the engine `spark_application`, which needs permissions in Kubernetes. Grant them with \
         `batch_engine.spark_application = {{}}`"
    )]
    SparkWithoutPermissions,
    #[error(
        "does not use the engine `spark_application`, for which `batch_engine.spark_application` grants permissions. \
         Remove `batch_engine.spark_application`"
    )]
    NotSpark,
    #[error(
        "sets another `service_account` than `batch_engine.spark_application`. Set the account in that attribute, and \
         remove it here"
    )]
    OtherServiceAccount,
}

fn at_line(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!(" at line {line}"))
}
