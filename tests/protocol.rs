//! The front door, from the other side: a gRPC client against a plugin in this process, and against the
//! binary as core starts it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "support/echo_provider.rs"]
mod echo_provider;
#[path = "support/plugin_client.rs"]
mod plugin_client;

#[path = "protocol/binary.rs"]
mod binary;
#[path = "protocol/calls.rs"]
mod calls;
#[path = "protocol/connection.rs"]
mod connection;
#[path = "protocol/values.rs"]
mod values;

use echo_provider::EchoProvider;
use plugin_client::{Handshake, Identity};
use terraform_provider_feast::tfplugin::proto::tfplugin6::provider_client::ProviderClient;
use terraform_provider_feast::tfplugin::{Error, Plugin};
use tokio::task::JoinHandle;
use tonic::transport::Channel;

/// A plugin that this process serves, and a connection to it.
struct Served {
    identity: Identity,
    handshake: Handshake,
    channel: Channel,
    end: JoinHandle<Result<(), Error>>,
}

impl Served {
    async fn new() -> Self {
        let identity = Identity::new();
        let plugin = Plugin::for_host(&identity.environment()).unwrap();
        let handshake = Handshake::parse(&plugin.handshake());
        let end = tokio::spawn(plugin.serve(EchoProvider::new(), "https://example.org/issues"));
        let channel = plugin_client::connect(&handshake, Some(&identity)).await;
        Self {
            identity,
            handshake,
            channel: channel.unwrap(),
            end,
        }
    }

    fn provider(&self) -> ProviderClient<Channel> {
        plugin_client::provider(self.channel.clone())
    }
}
