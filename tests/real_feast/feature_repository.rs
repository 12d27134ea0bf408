//! The feature definitions and the data of the tests, and what must come out.

use std::fs;

use serde_json::{Value as Json, json};

use crate::real_feast::lab;
use crate::support::feast::{Pod, Postgres};

/// The file with the data, in the repository.
pub const DATA: &str = "data/ours.parquet";

/// Where the repository is, for project `demo` with its base in `base`.
pub fn repository(base: &str) -> String {
    format!("{base}/demo/feature_repo")
}

/// Puts our definitions into the place of the examples that `feast init` has made, with their data in a file.
pub fn from_a_file(pod: &Pod<'_>, base: &str) {
    define(pod, base, include_str!("repository/from_a_file.py"));
}

/// [`from_a_file`], with these definitions on the same data.
pub fn define(pod: &Pod<'_>, base: &str, definitions: &str) {
    let folder = pod.path("feast-init", &repository(base));
    fs::remove_file(folder.join("feature_definitions.py")).unwrap();
    fs::write(folder.join("definitions.py"), definitions).unwrap();
    let data = folder.join(DATA);
    let program = include_str!("repository/data.py");
    lab::python()
        .run(program, &["parquet", &data.to_string_lossy()])
        .unwrap_or_else(|error| panic!("{error}"));
}

/// The same with the data in a table of `database`.
pub fn from_a_table(pod: &Pod<'_>, base: &str) {
    let folder = pod.path("feast-init", &repository(base));
    fs::remove_file(folder.join("feature_definitions.py")).unwrap();
    fs::write(
        folder.join("definitions.py"),
        include_str!("repository/from_a_table.py"),
    )
    .unwrap();
}

pub fn fill_table(postgres: &Postgres, database: &str) {
    let program = include_str!("repository/data.py");
    let socket = postgres.socket().to_string_lossy();
    let arguments = [
        "table",
        &socket,
        database,
        Postgres::USER,
        Postgres::PASSWORD,
    ];
    lab::python()
        .run(program, &arguments)
        .unwrap_or_else(|error| panic!("{error}"));
}

/// Asks for features: two drivers that are there and one that is not.
pub fn question() -> Json {
    json!({
        "features": ["driver_stats:conv_rate", "driver_stats:trips"],
        "entities": {"driver_id": [1001, 1002, 9999]},
    })
}

/// The newest row of each driver, as the online server puts it.
pub fn answer() -> Json {
    json!({
        "driver_id": [1001, 1002, 9999],
        "conv_rate": [0.25, 0.5, null],
        "trips": [11, 22, null],
    })
}

/// The values of an answer to [`question`], by feature.
pub fn values(answer: &Json) -> Json {
    let names = answer["metadata"]["feature_names"].as_array().unwrap();
    let results = answer["results"].as_array().unwrap();
    names
        .iter()
        .zip(results)
        .map(|(name, result)| (name.as_str().unwrap().to_owned(), result["values"].clone()))
        .collect()
}
