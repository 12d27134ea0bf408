//! The calls that are served, one file per family. Each request message says how it is served
//! ([`Rpc`](super::session::Rpc)): convert, call the provider, convert.

mod data_source;
mod functions;
mod import;
mod provider;
mod resource;
mod state;

use super::proto::tfplugin6 as proto;
use crate::schema::provider::{ClientCapabilities, Deferred};

fn client(capabilities: Option<proto::ClientCapabilities>) -> ClientCapabilities {
    let capabilities = capabilities.unwrap_or_default();
    ClientCapabilities {
        deferral_allowed: capabilities.deferral_allowed,
        write_only_attributes_allowed: capabilities.write_only_attributes_allowed,
    }
}

fn deferred(deferred: Deferred) -> proto::Deferred {
    use proto::deferred::Reason;
    let reason = match deferred {
        Deferred::ResourceConfigUnknown => Reason::ResourceConfigUnknown,
        Deferred::ProviderConfigUnknown => Reason::ProviderConfigUnknown,
        Deferred::AbsentPrerequisite => Reason::AbsentPrereq,
    };
    proto::Deferred {
        reason: reason.into(),
    }
}
