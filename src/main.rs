//! The program: its flags, and the provider behind the front door.

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

/// A text for the user's terminal or pipe, or what is wrong.
fn print(text: Result<String, String>) -> ExitCode {
    match text.map(|text| io::stdout().write_all(text.as_bytes())) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(_)) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn version() -> String {
    let commit = option_env!("GIT_COMMIT").map_or(String::new(), |commit| format!(" ({commit})"));
    format!(
        "{} {}{commit}\n",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION")
    )
}
