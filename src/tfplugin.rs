//! Protocol layer: serves a [`Provider`] by version 6 of Terraform's plugin protocol.
//!
//! The only layer with protobuf, msgpack, sockets and TLS. It must not know Feast or Kubernetes.
//!
//! ```text
//! host ─ handshake ─▶ plugin ─ listen, incoming, tls ─▶ server ─▶ session ─ rpc/* ─▶ Provider and its Registry
//!                       └ go_plugin_services                          └ codec, object, schemas, diagnostics
//! ```

pub mod codec;
mod diagnostics;
mod go_plugin_services;
mod handshake;
mod incoming;
mod listen;
mod logging;
mod object;
mod plugin;
pub mod proto;
mod rpc;
mod schemas;
mod server;
mod session;
mod signals;
mod tls;

use std::io::{self, Write};

pub use handshake::{Environment, HandshakeError};
pub use listen::Error as ListenError;
pub use plugin::Plugin;
pub use tls::Error as TlsError;

use crate::schema::Provider;

/// The facts about the provider that the protocol layer needs.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The provider's full address: `registry.terraform.io/feast-dev/feast`.
    pub address: &'static str,
    /// The address that users report bugs to.
    pub issues: &'static str,
}

/// The reason why the provider cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot serve as a plugin")]
    Handshake(#[source] HandshakeError),
    #[error("cannot set up TLS with the host")]
    Tls(#[source] TlsError),
    #[error("cannot listen for the host")]
    Listen(#[source] ListenError),
    #[error(
        "cannot serve a debugger: on this system every user of the machine could connect to the provider and use its \
         credentials; use -debug on Linux or macOS"
    )]
    DebugWithoutSockets,
    #[error("cannot handle signals")]
    Signals(#[source] io::Error),
    #[error("cannot write to the host")]
    Stdout(#[source] io::Error),
    #[error("cannot serve the host")]
    Serve(#[source] tonic::transport::Error),
}

impl Options {
    /// Returns the source in `required_providers`: `feast-dev/feast`.
    fn source(&self) -> &'static str {
        let host = self.address.split_once('/');
        host.map_or(self.address, |(_, source)| source)
    }

    /// Returns the provider's name: `feast`.
    fn name(&self) -> &'static str {
        self.address.rsplit('/').next().unwrap_or(self.address)
    }
}

/// Serves the provider that `build` returns to the host that started this process, until the host shuts it down. The
/// provider is built while the host connects.
///
/// # Errors
/// No host started this process, or the provider cannot be served. [`explain`] returns the text for the user.
pub async fn run<P: Provider>(build: impl FnOnce() -> P, options: &Options) -> Result<(), Error> {
    logging::start(options.name());
    let (plugin, line) = Plugin::for_host(&Environment::of_this_process())?;
    handshake::write(&line).map_err(Error::Stdout)?;
    plugin.serve(build(), options.issues).await
}

/// Serves `provider` to every host that gets the printed `TF_REATTACH_PROVIDERS`, until Ctrl-C.
///
/// # Errors
/// The provider cannot be served, or this system has no Unix sockets.
pub async fn debug(provider: impl Provider, options: &Options) -> Result<(), Error> {
    logging::start(options.name());
    let plugin = Plugin::for_debugger(&Environment::of_this_process())?;
    print_reattach(&plugin, options).map_err(Error::Stdout)?;
    plugin.serve(provider, options.issues).await
}

/// Prints `TF_REATTACH_PROVIDERS`, the variable that makes a host use a running provider.
fn print_reattach(plugin: &Plugin, options: &Options) -> io::Result<()> {
    let (network, address) = plugin.address();
    let reattach = serde_json::json!({
        // Each host completes the source with the name of its own registry.
        options.source(): {
            "Protocol": "grpc",
            "ProtocolVersion": handshake::PROTOCOL,
            "Pid": std::process::id(),
            "Test": true,
            "Addr": { "Network": network, "String": address },
        }
    });
    let mut stdout = io::stdout().lock();
    writeln!(
        stdout,
        "The provider is running. To use it, set this in the shell where you run terraform or tofu:\n\n\
         \tTF_REATTACH_PROVIDERS='{reattach}'\n\n\
         Stop it with Ctrl-C."
    )?;
    stdout.flush()
}

/// Returns the text for stderr: the error with its sources, or the usage of the program if a user started it directly.
pub fn explain(error: &Error, options: &Options) -> String {
    if let Error::Handshake(HandshakeError::NoCookie) = error {
        return usage(options);
    }
    let mut text = format!("terraform-provider-{}: {error}", options.name());
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}

fn usage(options: &Options) -> String {
    format!(
        "This program is a provider for Terraform and OpenTofu, which start it by themselves: name it in \
         required_providers as `{name} = {{ source = \"{source}\" }}` and run `terraform init` or `tofu \
         init` (see `-version`; `-debug` keeps it running for a debugger).",
        name = options.name(),
        source = options.source(),
    )
}
