//! The walls between the rooms of `src/`: who may use whom, and which crates.
//!
//! [`WALLS`] is the one table; `docs/architecture.md` prints it.

use std::collections::BTreeSet;

use super::scanner::{Mention, scan};
use super::sources::{assert_none, crates, files};

/// What one room may touch.
pub struct Wall {
    /// A folder of `src/` (with the file of the same name), or a file.
    pub room: &'static str,
    pub purpose: &'static str,
    /// What of the other rooms it may use: a room, or one path inside it.
    rooms: &'static [&'static str],
    /// Crates that no other room may use.
    alone: &'static [&'static str],
    /// Crates that it may use as well as others.
    crates: &'static [&'static str],
    /// Parts of the standard library that it must not use.
    without: &'static [&'static str],
}

/// Crates that only generated code mentions, which no scan of `src/` sees.
const GENERATED: &[&str] = &["prost", "prost_types", "tonic_prost"];

/// From the front door inwards. In tests the other rooms stay closed, but a room may use any crate and all of `std`.
pub const WALLS: &[Wall] = &[
    Wall {
        room: "main.rs",
        purpose: "flags, logging, serving",
        rooms: &["provider", "tfplugin"],
        alone: &[],
        crates: &["rustls", "tokio"],
        without: &[],
    },
    Wall {
        room: "tfplugin",
        purpose: "the front door: protobuf, msgpack, sockets, TLS, the plugin handshake",
        rooms: &["schema"],
        alone: &[
            "p521",
            "prost",
            "prost_types",
            "rcgen",
            "rmpv",
            "tokio_rustls",
            "tokio_stream",
            "tonic",
            "tonic_health",
            "tonic_prost",
            "tracing_subscriber",
        ],
        crates: &[
            "base64",
            "jiff",
            "rustls",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
            "tokio_util",
            "tracing",
        ],
        without: &[],
    },
    Wall {
        room: "schema",
        purpose: "the Terraform language without a wire: types, values, paths, lowering, decode, encode",
        rooms: &[],
        alone: &["heck", "regex_lite"],
        crates: &["schemars", "serde", "serde_json", "thiserror"],
        without: &[
            "std::env",
            "std::fs",
            "std::net",
            "std::process",
            "std::time",
        ],
    },
    Wall {
        room: "feast",
        purpose: "the domain: configuration, rules, specification, rendered objects; pure functions",
        rooms: &["schema::Path"],
        alone: &["hmac", "sha2"],
        crates: &[
            "base64",
            "k8s_openapi",
            "schemars",
            "serde",
            "serde_json",
            "serde_saphyr",
            "thiserror",
        ],
        without: &[
            "std::env",
            "std::fs",
            "std::net::TcpListener",
            "std::net::TcpStream",
            "std::net::ToSocketAddrs",
            "std::net::UdpSocket",
            "std::process",
            "std::thread",
            "std::time::Instant",
            "std::time::SystemTime",
        ],
    },
    Wall {
        room: "cluster",
        purpose: "the outside: the Kubernetes API server",
        rooms: &["feast"],
        alone: &[
            "futures",
            "http",
            "hyper_rustls",
            "hyper_util",
            "kube",
            "percent_encoding",
            "secrecy",
            "tower",
            "webpki",
        ],
        crates: &[
            "base64",
            "jiff",
            "k8s_openapi",
            "rustls",
            "serde",
            "serde_json",
            "serde_saphyr",
            "thiserror",
            "tokio",
            "tokio_util",
            "tracing",
        ],
        without: &[],
    },
    Wall {
        room: "provider",
        purpose: "the hall: each Terraform operation as a recipe over the other rooms",
        rooms: &["cluster", "feast", "schema"],
        alone: &["getrandom"],
        crates: &["schemars", "serde", "serde_json", "tokio", "tokio_util"],
        without: &[],
    },
];

/// The table of `docs/architecture.md`.
pub fn table() -> String {
    let mut text = String::from(
        "| Room | Is for | May use | Crates that it alone may use | Shared crates | Not of `std` |\n\
         |---|---|---|---|---|---|\n",
    );
    for wall in WALLS {
        let Wall {
            room,
            purpose,
            rooms,
            alone,
            crates,
            without,
        } = wall;
        let lists = [rooms, alone, crates, without].map(|words| cell(words));
        text.push_str(&format!(
            "| `{room}` | {purpose} | {} |\n",
            lists.join(" | ")
        ));
    }
    text
}

fn cell(words: &[&str]) -> String {
    if words.is_empty() {
        return "–".to_owned();
    }
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

/// Where a file of `src/` stands: its room, and its module path.
fn place(path: &str) -> (String, Vec<String>) {
    let inside = path.trim_start_matches("src/");
    let module: Vec<String> = inside
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    match inside {
        "lib.rs" | "main.rs" => (inside.to_owned(), Vec::new()),
        _ => (module[0].clone(), module),
    }
}

/// Everything that a mention breaks: one sentence, or nothing.
fn verdict(wall: &Wall, outside: &BTreeSet<String>, mention: &Mention) -> Option<String> {
    let path: Vec<&str> = mention.path.iter().map(String::as_str).collect();
    let written = path.join("::");
    match path.as_slice() {
        ["crate" | "terraform_provider_feast", rest @ ..] => {
            let room = rest.first().copied().unwrap_or_default();
            let open =
                room == wall.room || wall.rooms.iter().any(|allowed| starts_with(rest, allowed));
            (!open).then(|| {
                let may = if wall.rooms.is_empty() {
                    "no other room"
                } else {
                    &wall.rooms.join(", ")
                };
                format!("uses `{written}`; this room may use {may}")
            })
        }
        ["std", ..] if mention.in_test => None,
        ["std", ..] => wall
            .without
            .iter()
            .find(|forbidden| {
                starts_with(&path, forbidden) || forbidden.starts_with(&format!("{written}::"))
            })
            .map(|forbidden| format!("uses `{written}`; this room must do without `{forbidden}`")),
        [name, ..] if outside.contains(*name) => {
            let open = mention.in_test || wall.alone.contains(name) || wall.crates.contains(name);
            (!open).then(|| format!("uses the crate `{name}`, which is not in this room's row"))
        }
        _ => None,
    }
}

fn starts_with(path: &[&str], prefix: &str) -> bool {
    let prefix: Vec<&str> = prefix.split("::").collect();
    path.starts_with(&prefix)
}

const RULE: &str = "Walls between rooms (tests/tidy/walls.rs, docs/architecture.md): move the code to the \
                    room that may do this, or pass in what it needs. Where the wall itself is wrong, change \
                    WALLS and say why in docs/decisions/, then: UPDATE_DOCS=1 cargo test --test tidy";

#[test]
fn every_room_keeps_to_its_walls() {
    let outside = crates("dependencies");
    let mut findings = Vec::new();
    for file in files("src", "rs") {
        let (room, module) = place(&file.path);
        let module: Vec<&str> = module.iter().map(String::as_str).collect();
        let scan = match scan(&file.text, &module) {
            Ok(scan) => scan,
            Err(problem) => {
                findings.push(format!("{} {problem}", file.path));
                continue;
            }
        };
        if room == "lib.rs" {
            continue;
        }
        let Some(wall) = WALLS.iter().find(|wall| wall.room == room) else {
            findings.push(format!(
                "{}: the room `{room}` has no row in WALLS",
                file.path
            ));
            continue;
        };
        for mut mention in scan.mentions {
            mention.in_test |= module.contains(&"tests");
            if let Some(problem) = verdict(wall, &outside, &mention) {
                findings.push(format!("{}:{}: {problem}", file.path, mention.line));
            }
        }
    }
    assert_none(&findings, RULE);
}

#[test]
fn no_allowance_is_left_over() {
    let outside = crates("dependencies");
    let mut used: BTreeSet<(String, String)> = BTreeSet::new();
    for file in files("src", "rs") {
        let (room, module) = place(&file.path);
        let module: Vec<&str> = module.iter().map(String::as_str).collect();
        for mention in scan(&file.text, &module).unwrap_or_default().mentions {
            used.insert((room.clone(), mention.path[0].clone()));
        }
    }
    let mut findings = Vec::new();
    for wall in WALLS {
        for name in wall.alone.iter().chain(wall.crates) {
            let generated = GENERATED.contains(name);
            if !generated && !used.contains(&(wall.room.to_owned(), (*name).to_owned())) {
                findings.push(format!("{}: `{name}`", wall.room));
            }
        }
    }
    for name in &outside {
        if !WALLS
            .iter()
            .any(|wall| wall.alone.contains(&name.as_str()) || wall.crates.contains(&name.as_str()))
        {
            findings.push(format!("Cargo.toml: `{name}` is in no room's row"));
        }
    }
    assert_none(
        &findings,
        "Crates that WALLS or Cargo.toml name and no file of the room uses: take them out of tests/tidy/walls.rs, \
         then: UPDATE_DOCS=1 cargo test --test tidy",
    );
}

#[test]
fn what_one_room_alone_may_use_no_other_row_names() {
    let mut findings = Vec::new();
    for wall in WALLS {
        for name in wall.alone {
            for other in WALLS.iter().filter(|other| other.room != wall.room) {
                if other.alone.contains(name) || other.crates.contains(name) {
                    findings.push(format!("`{name}`: {} and {}", wall.room, other.room));
                }
            }
        }
    }
    assert_none(
        &findings,
        "A crate of one room alone stands in two rows of WALLS (tests/tidy/walls.rs).",
    );
}

/// A wall that nothing can break would prove nothing.
#[test]
fn breaches_are_seen() {
    let broken = |room: &str, text: &str| -> Vec<String> {
        let wall = WALLS
            .iter()
            .find(|wall| wall.room == room)
            .expect("the room has a row");
        let outside: BTreeSet<String> = ["kube", "tokio", "tonic", "serde"]
            .map(str::to_owned)
            .into();
        let scan = scan(text, &[room, "sample"]).expect("the sample is Rust");
        scan.mentions
            .iter()
            .filter_map(|mention| verdict(wall, &outside, mention))
            .collect()
    };
    let none = Vec::<String>::new();
    assert_eq!(
        broken(
            "feast",
            "use crate::schema::Path; use std::time::Duration; use serde::Serialize;"
        ),
        none
    );
    assert_eq!(
        broken(
            "feast",
            "use crate::schema::{Path, Value}; use kube::Client; fn f() { std::env::var(\"A\"); }"
        ),
        [
            "uses `crate::schema::Value`; this room may use schema::Path",
            "uses the crate `kube`, which is not in this room's row",
            "uses `std::env::var`; this room must do without `std::env`",
        ]
    );
    assert_eq!(
        broken(
            "feast",
            "use std::time; use super::super::cluster::Cluster;"
        ),
        [
            "uses `std::time`; this room must do without `std::time::Instant`",
            "uses `crate::cluster::Cluster`; this room may use schema::Path",
        ]
    );
    assert_eq!(
        broken(
            "schema",
            "#[tokio::test] async fn f() { crate::feast::names::main(\"x\"); }"
        ),
        [
            "uses the crate `tokio`, which is not in this room's row",
            "uses `crate::feast::names::main`; this room may use no other room",
        ]
    );
    assert_eq!(
        broken("cluster", "use crate::{feast::objects::Key, provider};"),
        ["uses `crate::provider`; this room may use feast"]
    );
    assert_eq!(
        broken("provider", "fn f() -> tonic::Status { todo!() }"),
        ["uses the crate `tonic`, which is not in this room's row"]
    );
}
