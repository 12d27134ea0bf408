//! The program: its flags, and the provider behind the front door.

use std::io::{self, Write};
use std::process::ExitCode;

use terraform_provider_feast::provider::Feast;
use terraform_provider_feast::tfplugin::{self, Options};

const OPTIONS: Options = Options {
    address: "registry.terraform.io/feast-dev/feast",
    issues: "https://github.com/feast-dev/terraform-provider-feast/issues",
};

#[tokio::main]
async fn main() -> ExitCode {
    let flag = std::env::args().nth(1).unwrap_or_default();
    if matches!(flag.as_str(), "-version" | "--version") {
        return match version() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    // For every TLS connection that does not choose by itself; nobody can have been first.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let provider = Feast::new();
    let served = match flag.as_str() {
        "-debug" | "--debug" => tfplugin::debug(provider, &OPTIONS).await,
        _ => tfplugin::run(provider, &OPTIONS).await,
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", tfplugin::explain(&error, &OPTIONS));
            ExitCode::FAILURE
        }
    }
}

fn version() -> io::Result<()> {
    let commit = option_env!("GIT_COMMIT").map_or(String::new(), |commit| format!(" ({commit})"));
    writeln!(
        io::stdout(),
        "{} {}{commit}",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION")
    )
}
