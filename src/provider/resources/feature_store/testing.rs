//! Helpers for the tests of the resource.

use serde_json::Value as Json;

use crate::provider::schemas::{FEATURE_STORE, schemas};
use crate::schema::{Block, Value, encode};

/// The schema of the resource.
pub fn block() -> Block {
    schemas().unwrap().resources[FEATURE_STORE]
        .schema
        .block
        .clone()
}

/// A configuration or a state from its serde form.
pub fn value(block: &Block, json: &Json) -> Value {
    encode(&block.attributes, json)
}
