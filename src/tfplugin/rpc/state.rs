//! What an earlier version stored, in the schema of today.

use crate::schema::provider::{Provider, Upgrade};
use crate::schema::{Diagnostic, Diagnostics};
use crate::tfplugin::diagnostics::diagnostics;
use crate::tfplugin::proto::tfplugin6::{
    RawState, ResourceIdentityData, upgrade_resource_identity, upgrade_resource_state,
};
use crate::tfplugin::session::{Rpc, Session};

impl<P: Provider> Rpc<P> for upgrade_resource_state::Request {
    type Response = upgrade_resource_state::Response;

    fn doing(&self) -> String {
        format!("reading the stored state of {}", self.type_name)
    }

    async fn serve(&self, session: &Session<P>) -> Result<Self::Response, Diagnostics> {
        let types = session.resource(&self.type_name)?;
        let stored = stored_json(self.raw_state.as_ref(), &self.type_name)?;
        let json = serde_json::from_slice(stored)
            .map_err(|error| vec![malformed(&self.type_name, &error.to_string())])?;
        let mut upgraded = session.provider.upgrade(Upgrade {
            type_name: self.type_name.clone(),
            version: self.version,
            json,
            state: types.read_stored(stored).map_err(|error| error.to_string()),
        });
        let upgraded_state = types.write(&upgraded.state, &mut upgraded.diagnostics);
        Ok(upgrade_resource_state::Response {
            upgraded_state,
            diagnostics: diagnostics(upgraded.diagnostics),
        })
    }

    fn failed(&self, problems: Diagnostics) -> Self::Response {
        upgrade_resource_state::Response {
            upgraded_state: None,
            diagnostics: diagnostics(problems),
        }
    }
}

impl<P: Provider> Rpc<P> for upgrade_resource_identity::Request {
    type Response = upgrade_resource_identity::Response;

    fn doing(&self) -> String {
        format!("reading the stored identity of {}", self.type_name)
    }

    /// Identities have had one version; what is stored is read as far as it fits.
    async fn serve(&self, session: &Session<P>) -> Result<Self::Response, Diagnostics> {
        let types = session.resource(&self.type_name)?;
        let stored = stored_json(self.raw_identity.as_ref(), &self.type_name)?;
        let identity = types.read_stored_identity(stored)?;
        let mut problems = Vec::new();
        let upgraded = types.write_identity(Some(&identity), &mut problems);
        Ok(upgrade_resource_identity::Response {
            upgraded_identity: upgraded,
            diagnostics: diagnostics(problems),
        })
    }

    fn failed(&self, problems: Diagnostics) -> Self::Response {
        upgrade_resource_identity::Response {
            upgraded_identity: None::<ResourceIdentityData>,
            diagnostics: diagnostics(problems),
        }
    }
}

fn stored_json<'a>(raw: Option<&'a RawState>, name: &str) -> Result<&'a [u8], Diagnostics> {
    match raw {
        Some(raw) if !raw.json.is_empty() => Ok(&raw.json),
        Some(raw) if !raw.flatmap.is_empty() => Err(vec![malformed(
            name,
            "it is in the form of Terraform 0.11, which this provider never wrote",
        )]),
        _ => Err(vec![malformed(name, "it is empty")]),
    }
}

fn malformed(name: &str, why: &str) -> Diagnostic {
    Diagnostic::error(
        "Stored state cannot be read",
        format!("Terraform sent what it has stored of {name}, but {why}."),
    )
}
