//! The model that converts text to vectors.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The model that converts text to vectors (`embedding_model` of `feature_store.yaml`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmbeddingModel {
    /// Name of the model, such as `all-MiniLM-L6-v2`.
    #[schemars(length(min = 1))]
    pub model: String,

    /// Library that runs the model. Default: `sentence_transformers`, set by Feast. The image needs the library.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub provider: Option<String>,
}
