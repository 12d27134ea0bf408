//! The program: its flags, the subcommand `convert`, and the plugin.

use std::io::{self, Write};
use std::process::ExitCode;

use terraform_provider_feast::provider::{Feast, convert};
use terraform_provider_feast::tfplugin::{self, Options};

const OPTIONS: Options = Options {
    address: "registry.terraform.io/feast-dev/feast",
    issues: "https://github.com/feast-dev/terraform-provider-feast/issues",
};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flag = arguments.first().cloned().unwrap_or_default();
    if flag == "convert" {
        return print(convert::run(&arguments[1..]));
    }
    if matches!(flag.as_str(), "-version" | "--version") {
        return print(Ok(version()));
    }
    // The default for TLS connections. No other default can be installed before.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let result = match flag.as_str() {
        "-debug" | "--debug" => tfplugin::debug(Feast::with_environment(), &OPTIONS).await,
        _ => tfplugin::run(Feast::with_environment, &OPTIONS).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", tfplugin::explain(&error, &OPTIONS));
            ExitCode::FAILURE
        }
    }
}

/// Prints a text to stdout, or an error to stderr.
fn print(result: Result<String, String>) -> ExitCode {
    match result.map(|text| io::stdout().write_all(text.as_bytes())) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(_)) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn version() -> String {
    format!("{} {}\n", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
}
