//! The front door: Terraform's plugin protocol, version 6, spoken by a [`Provider`].
//!
//! The only layer with protobuf, msgpack, sockets and TLS. It must not know what the provider provides:
//! no Feast, no Kubernetes.
//!
//! ```text
//! host ─ handshake ─▶ plugin ─ listen, connect, tls ─▶ server ─ rpc/* ─▶ Provider
//!                       └ services (go-plugin's own)      └ codec, schemas, diagnostics
//! ```

pub mod codec;
mod connect;
mod diagnostics;
mod handshake;
mod listen;
mod logging;
mod plugin;
pub mod proto;
mod rpc;
mod schemas;
mod server;
mod services;
mod session;
mod signals;
mod tls;

use std::io::{self, Write};

pub use handshake::{Environment, Refusal};
pub use listen::Error as ListenError;
pub use plugin::Plugin;
pub use tls::Error as TlsError;

use crate::schema::Provider;

/// What the front door has to know of the provider.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The provider's whole address: `registry.terraform.io/feast-dev/feast`.
    pub address: &'static str,
    /// Where to report a bug.
    pub issues: &'static str,
}

/// Why the provider cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot serve as a plugin")]
    Refusal(#[source] Refusal),
    #[error("cannot set up TLS with the host")]
    Tls(#[source] TlsError),
    #[error("cannot listen for the host")]
    Listen(#[source] ListenError),
    #[error("cannot catch signals")]
    Signals(#[source] io::Error),
    #[error("cannot write to the host")]
    Handshake(#[source] io::Error),
    #[error("cannot serve the host")]
    Serve(#[source] tonic::transport::Error),
}

impl Options {
    /// The source in `required_providers`: `feast-dev/feast`.
    fn source(&self) -> &'static str {
        let host = self.address.split_once('/');
        host.map_or(self.address, |(_, source)| source)
    }

    /// The provider's own name: `feast`.
    fn name(&self) -> &'static str {
        self.address.rsplit('/').next().unwrap_or(self.address)
    }
}

/// Serves `provider` to the host that started this process, until the host ends it.
///
/// # Errors
/// Where no host started it, or it cannot be served; [`explain`] words it.
pub async fn run<P: Provider>(provider: P, options: &Options) -> Result<(), Error> {
    logging::start(options.name());
    let plugin = Plugin::for_host(&Environment::of_this_process())?;
    handshake::say(&plugin.handshake()).map_err(Error::Handshake)?;
    plugin.serve(provider, options.issues).await
}

/// Serves `provider` to whichever host is told of this process, until Ctrl-C; says how to tell.
///
/// # Errors
/// Where it cannot be served.
pub async fn debug<P: Provider>(provider: P, options: &Options) -> Result<(), Error> {
    logging::start(options.name());
    let plugin = Plugin::for_debugger(&Environment::of_this_process())?;
    say_how_to_reattach(&plugin, options).map_err(Error::Handshake)?;
    plugin.serve(provider, options.issues).await
}

/// Prints `TF_REATTACH_PROVIDERS`, the host's variable for a provider that runs already.
fn say_how_to_reattach(plugin: &Plugin, options: &Options) -> io::Result<()> {
    let (network, address) = plugin.address();
    let reattach = serde_json::json!({
        options.address: {
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
         End it with Ctrl-C."
    )?;
    stdout.flush()
}

/// What to tell the user of `error` on stderr: the whole chain of it, or how to use the program when a
/// user started it by hand.
pub fn explain(error: &Error, options: &Options) -> String {
    if let Error::Refusal(Refusal::NoCookie) = error {
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
