//! The environment variables of the user that tests must not obey: they could lead a test to another cluster, provider
//! or state.

use std::ffi::OsString;

/// Those of Terraform, OpenTofu, kubectl, the hashicorp/kubernetes provider, this provider and go-plugin.
const PREFIXES: [&str; 5] = ["TF_", "TOFU_", "KUBE", "FEAST_PREFLIGHT", "PLUGIN_"];

/// Returns the names of those that are set.
pub fn user_variables() -> impl Iterator<Item = OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| {
        let name = name.to_string_lossy();
        PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    })
}
