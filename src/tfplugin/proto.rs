//! The code that is generated from `proto/`: messages, clients and servers.

#![allow(clippy::all)]

/// The Terraform provider protocol (`proto/tfplugin6.proto`).
pub mod tfplugin6 {
    tonic::include_proto!("tfplugin6");
}

/// The services of go-plugin (`proto/go_plugin.proto`).
pub mod go_plugin {
    tonic::include_proto!("plugin");
}
