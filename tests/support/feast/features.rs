//! The request for features that tests send, and the expected response. The rows are those of
//! `tests/real_feast/repository/data.py`.

use serde_json::{Value as Json, json};

/// Returns a request for features of two existing drivers and one missing driver.
pub fn features_request() -> Json {
    json!({
        "features": ["driver_stats:conv_rate", "driver_stats:trips"],
        "entities": {"driver_id": [1001, 1002, 9999]},
    })
}

/// Returns the expected response of the online server: the newest row of each driver.
pub fn expected_response() -> Json {
    json!({
        "driver_id": [1001, 1002, 9999],
        "conv_rate": [0.25, 0.5, null],
        "trips": [11, 22, null],
    })
}

/// Returns the values of a response to [`features_request`], by feature; of any other response, nothing.
pub fn values(response: &Json) -> Json {
    let elements = |list: &Json| list.as_array().cloned().unwrap_or_default();
    let names = elements(&response["metadata"]["feature_names"]).into_iter();
    let values = names
        .zip(elements(&response["results"]))
        .map(|(name, result)| {
            let name = name.as_str().unwrap_or_default().to_owned();
            (name, result["values"].clone())
        });
    values.collect()
}
