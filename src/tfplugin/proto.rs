//! The messages and services of `proto/`, as generated.

#![allow(clippy::all)]

/// `proto/tfplugin6.proto`
pub mod tfplugin6 {
    tonic::include_proto!("tfplugin6");
}

/// `proto/go_plugin.proto`
pub mod go_plugin {
    tonic::include_proto!("plugin");
}
