//! The protocol from the client's side: a gRPC client against a plugin in this process, and against the program as
//! Terraform starts it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "support/echo_provider.rs"]
mod echo_provider;
#[path = "support/plugin_client.rs"]
mod plugin_client;

#[path = "protocol/actions.rs"]
mod actions;
#[path = "protocol/binary.rs"]
mod binary;
#[path = "protocol/calls.rs"]
mod calls;
#[path = "protocol/connection.rs"]
mod connection;
#[path = "protocol/lists.rs"]
mod lists;
#[path = "protocol/values.rs"]
mod values;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use echo_provider::{EchoProvider, Observed};
use plugin_client::{Handshake, Identity, TIMEOUT};
use terraform_provider_feast::tfplugin::proto::tfplugin6::provider_client::ProviderClient;
use terraform_provider_feast::tfplugin::{Error, Plugin};
use tokio::task::JoinHandle;
use tonic::transport::Channel;

/// A plugin in this process, and a connection to it.
struct Served {
    identity: Identity,
    handshake: Handshake,
    channel: Channel,
    observed: Arc<Observed>,
    end: JoinHandle<Result<(), Error>>,
}

impl Served {
    async fn new() -> Self {
        Self::with(EchoProvider::new()).await
    }

    async fn with(provider: EchoProvider) -> Self {
        let observed = provider.observed();
        let identity = Identity::new();
        let (plugin, line) = Plugin::for_host(&identity.environment()).unwrap();
        let handshake = Handshake::parse(&line);
        let end = tokio::spawn(plugin.serve(provider, "https://example.org/issues"));
        let channel = plugin_client::connect(&handshake, Some(&identity)).await;
        Self {
            identity,
            handshake,
            channel: channel.unwrap(),
            observed,
            end,
        }
    }

    fn provider(&self) -> ProviderClient<Channel> {
        plugin_client::provider(self.channel.clone())
    }
}

/// Waits until `flag` is true.
async fn wait_for(flag: &AtomicBool) {
    let set = async {
        while !flag.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, set).await.unwrap();
}
