//! Stored states and identities in the current schema: upgrades, and moves from other resource types.

use serde::de::{DeserializeOwned, IgnoredAny};

use super::Rpc;
use super::provider::moves_state;
use crate::schema::provider::{MoveResourceStateRequest, UpgradeResourceStateRequest};
use crate::schema::{Diagnostic, Diagnostics};
use crate::tfplugin::diagnostics::diagnostics;
use crate::tfplugin::proto::tfplugin6::{
    RawState, move_resource_state, upgrade_resource_identity, upgrade_resource_state,
};
use crate::tfplugin::session::Session;

impl Rpc for upgrade_resource_state::Request {
    type Response = upgrade_resource_state::Response;

    fn operation(&self) -> String {
        format!("reading the stored state of {}", self.type_name)
    }

    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        let (resource, types) = session.resource(&self.type_name)?;
        let stored = stored_json(self.raw_state.as_ref(), STATE, &self.type_name)?;
        let state = types.read_stored(stored);
        if state.is_err() {
            // A syntax error is not one of the schema.
            parse::<IgnoredAny>(stored, STATE, &self.type_name)?;
        }
        let mut upgraded = resource.upgrade_state(UpgradeResourceStateRequest {
            version: self.version,
            state: state.map_err(|error| error.to_string()),
        });
        let upgraded_state = types.write(&upgraded.state, &mut upgraded.diagnostics);
        Ok(upgrade_resource_state::Response {
            upgraded_state,
            diagnostics: diagnostics(upgraded.diagnostics),
        })
    }

    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        upgrade_resource_state::Response {
            upgraded_state: None,
            diagnostics: diagnostics(problems),
        }
    }
}

impl Rpc for upgrade_resource_identity::Request {
    type Response = upgrade_resource_identity::Response;

    fn operation(&self) -> String {
        format!("reading the stored identity of {}", self.type_name)
    }

    /// Reads a stored identity as far as it fits the current schema. No identity schema has a second version yet.
    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        let (_, types) = session.resource(&self.type_name)?;
        let stored = stored_json(self.raw_identity.as_ref(), IDENTITY, &self.type_name)?;
        let identity = types.read_stored_identity(stored)?;
        let mut problems = Vec::new();
        let upgraded_identity = types.write_identity(Some(&identity), &mut problems);
        Ok(upgrade_resource_identity::Response {
            upgraded_identity,
            diagnostics: diagnostics(problems),
        })
    }

    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        upgrade_resource_identity::Response {
            upgraded_identity: None,
            diagnostics: diagnostics(problems),
        }
    }
}

impl Rpc for move_resource_state::Request {
    type Response = move_resource_state::Response;

    fn operation(&self) -> String {
        let (source, target) = (&self.source_type_name, &self.target_type_name);
        format!("moving the state of {source} to {target}")
    }

    fn is_served(&self, session: &Session) -> bool {
        moves_state(session.provider.registry())
    }

    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        let (resource, types) = session.resource(&self.target_type_name)?;
        let Some(mover) = resource.state_mover() else {
            return Err(vec![no_such_move(
                &self.source_type_name,
                &self.target_type_name,
            )]);
        };
        let source_identity = match &self.source_identity {
            Some(identity) if !identity.json.is_empty() => {
                parse(&identity.json, IDENTITY, &self.source_type_name)?
            }
            _ => serde_json::Value::Null,
        };
        let source_state = stored_json(self.source_state.as_ref(), STATE, &self.source_type_name)?;
        let request = MoveResourceStateRequest {
            source_provider_address: self.source_provider_address.clone(),
            source_type_name: self.source_type_name.clone(),
            source_schema_version: self.source_schema_version,
            source_state: parse(source_state, STATE, &self.source_type_name)?,
            source_private: self.source_private.clone(),
            source_identity,
            source_identity_schema_version: self.source_identity_schema_version,
        };
        let mut moved = mover.move_state(request).await;
        let problems = &mut moved.diagnostics;
        Ok(move_resource_state::Response {
            target_state: types.write(&moved.state, problems),
            target_identity: types.write_identity(moved.identity.as_ref(), problems),
            target_private: moved.private,
            diagnostics: diagnostics(moved.diagnostics),
        })
    }

    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        move_resource_state::Response {
            diagnostics: diagnostics(problems),
            ..Default::default()
        }
    }
}

/// What a resource stores, for use in messages.
const STATE: &str = "state";
const IDENTITY: &str = "identity";

fn stored_json<'a>(
    raw: Option<&'a RawState>,
    what: &str,
    name: &str,
) -> Result<&'a [u8], Diagnostics> {
    match raw {
        Some(raw) if !raw.json.is_empty() => Ok(&raw.json),
        Some(raw) if !raw.flatmap.is_empty() => Err(vec![malformed(
            what,
            name,
            "it has the form of Terraform 0.11, which this provider has never written",
        )]),
        _ => Err(vec![malformed(what, name, "it is empty")]),
    }
}

fn parse<T: DeserializeOwned>(json: &[u8], what: &str, name: &str) -> Result<T, Diagnostics> {
    serde_json::from_slice(json).map_err(|error| vec![malformed(what, name, &error.to_string())])
}

fn malformed(what: &str, name: &str, reason: &str) -> Diagnostic {
    Diagnostic::error(
        format!("The stored {what} cannot be read"),
        format!(
            "Terraform sent the stored {what} of {name}, but {reason}. Restore the state from a backup, or remove the \
             resource from it and import the resource again."
        ),
    )
}

fn no_such_move(source: &str, target: &str) -> Diagnostic {
    Diagnostic::error(
        "Move not supported",
        format!(
            "The provider cannot convert the state of {source} to {target}. Remove the resource from the state with \
             a `removed` block, and import it as {target}."
        ),
    )
}
