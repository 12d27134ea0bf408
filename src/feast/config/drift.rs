//! Drift: differences between the objects and what was applied.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The changes that are reported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DriftPolicy {
    #[default]
    Owned,
    Strict,
}

/// The kind of a difference.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum DriftKind {
    /// A field that the provider owns has another value.
    #[default]
    Changed,
    /// A field that the provider owns was removed.
    Removed,
    /// An object of the provider was deleted.
    Deleted,
    /// The content of a Secret or ConfigMap of the user differs from what the pods use.
    Rotated,
    /// A field or object that the provider applied, but that is not in the state.
    Leftover,
    /// A field that others added to an object of the provider. It is only reported.
    Added,
}

/// A field that differs from what was applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drift {
    /// The object, as `Kind/name`.
    pub object: String,

    /// Kind of the change: `changed` (a field has another value), `removed` (a field was removed), `deleted` (the
    /// object was deleted), `rotated` (the content of a Secret or ConfigMap of yours differs from what the pods use),
    /// `leftover` (a field or object of an earlier apply that is not in the state) or `added` (a field that others
    /// added; only with `drift_policy = "strict"`). An apply reverts `changed`, `removed` and `deleted`, replaces the
    /// pods for `rotated`, removes `leftover`, and ignores `added`.
    pub change: DriftKind,

    /// The field, in the notation of the API server: `.spec.template.spec.containers[name="online"].image`. Empty for
    /// an object as a whole.
    pub field: String,

    /// The value that was applied, as JSON unless it is a string. Null for `deleted`, `rotated`, `leftover` and
    /// `added`, for the content of a Secret and for the value of an environment variable.
    pub wanted: Option<String>,

    /// The live value. Null when the field was removed, for the content of a Secret and anything that others added to
    /// it, and for the value of an environment variable.
    pub live: Option<String>,

    /// Field manager that last wrote the field (`metadata.managedFields`), such as `kubectl-edit`. Null when the API
    /// server does not know it: for fields and objects that were removed, and for changes by admission webhooks and
    /// policies.
    pub manager: Option<String>,

    /// Operation of the write: `Update`, or `Apply` for server-side apply.
    pub operation: Option<String>,

    /// Time of the write, in RFC 3339 format.
    pub time: Option<String>,
}
