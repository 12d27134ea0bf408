//! What is not as it was applied, and how much of it is looked for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose changes are reported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DriftPolicy {
    #[default]
    Owned,
    Strict,
}

/// In what way something is not as it was applied.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum DriftKind {
    /// A field of ours has another value.
    #[default]
    Changed,
    /// A field of ours is gone.
    Removed,
    /// An object of ours is gone.
    Deleted,
    /// A Secret or ConfigMap of the user's has other content than the pods run with.
    Rotated,
    /// A field or an object that the provider applied and that the state does not have.
    Leftover,
    /// A field of others in an object of ours: only reported.
    Added,
}

/// A field that is not as it was applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drift {
    /// The object, as `Kind/name`.
    pub object: String,

    /// What happened: `changed` (a field has another value), `removed` (a field is gone), `deleted` (the object is
    /// gone), `rotated` (a Secret or ConfigMap of yours has other content than the pods run with), `leftover` (a field
    /// or an object that an earlier apply of this provider made and that the state does not have) or `added` (a
    /// field that is not the provider's; only with `drift_policy = "strict"`). An apply undoes the first three,
    /// rolls the pods after the fourth, removes the fifth, and leaves the sixth alone.
    pub change: DriftKind,

    /// The field, in the API server's notation: `.spec.template.spec.containers[name="online"].image`. Empty
    /// for an object as a whole.
    pub field: String,

    /// The value that was applied; anything but a string as JSON. Null for `deleted`, `rotated`, `leftover` and `added`,
    /// for the content of a Secret and for the value of an environment variable.
    pub wanted: Option<String>,

    /// The value that is there; null when the field is gone, for the content of a Secret and whatever others have
    /// added to it, and for the value of an environment variable.
    pub live: Option<String>,

    /// Who wrote the field last (`metadata.managedFields`), such as `kubectl-edit`. Null when the API server
    /// does not know: for a field or an object that was taken away, and for what an admission webhook or policy
    /// put in on the way.
    pub manager: Option<String>,

    /// How it was written: `Update`, or `Apply` for server-side apply.
    pub operation: Option<String>,

    /// When it was written, in RFC 3339.
    pub time: Option<String>,
}
