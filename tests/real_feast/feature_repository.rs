//! The feature definitions and the data of the tests, and the expected features.

use std::fs;

use crate::real_feast::lab;
use crate::support::feast::{Pod, Postgres};

/// The data file in the repository.
pub const DATA: &str = "data/ours.parquet";

/// Returns the folder of the repository, for the project `demo` below `base`.
pub fn repository(base: &str) -> String {
    format!("{base}/demo/feature_repo")
}

/// Replaces the examples of `feast init` with the definitions of the tests, with data in a file.
pub fn from_a_file(pod: &Pod<'_>, base: &str) {
    define(pod, base, include_str!("repository/from_a_file.py"));
}

/// The same as [`from_a_file`], with other definitions for the same data.
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

/// The same as [`from_a_file`], with the data in a table of `database`.
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
