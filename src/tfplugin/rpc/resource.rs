//! Managed resources: `ValidateResourceConfig`, `ReadResource`, `PlanResourceChange` and `ApplyResourceChange`.

use super::{Rpc, client_capabilities, deferred};
use crate::schema::Diagnostics;
use crate::schema::provider::{
    ApplyResourceChangeRequest, PlanResourceChangeRequest, ReadResourceRequest,
    ValidateResourceConfigRequest,
};
use crate::tfplugin::codec;
use crate::tfplugin::diagnostics::{attribute_path, diagnostics};
use crate::tfplugin::proto::tfplugin6::{
    DynamicValue, apply_resource_change, plan_resource_change, read_resource,
    validate_resource_config,
};
use crate::tfplugin::session::Session;

impl Rpc for validate_resource_config::Request {
    type Response = validate_resource_config::Response;

    fn operation(&self) -> String {
        format!("validating {}", self.type_name)
    }

    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        let (resource, types) = session.resource(&self.type_name)?;
        let problems = resource.validate_config(ValidateResourceConfigRequest {
            config: types.read(self.config.as_ref(), "the configuration")?,
            client: client_capabilities(self.client_capabilities),
        });
        Ok(self.diagnostics_response(problems))
    }

    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        validate_resource_config::Response {
            diagnostics: diagnostics(problems),
        }
    }
}

impl Rpc for read_resource::Request {
    type Response = read_resource::Response;

    fn operation(&self) -> String {
        format!("reading {}", self.type_name)
    }

    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        let (resource, types) = session.resource(&self.type_name)?;
        let request = ReadResourceRequest {
            state: types.read(self.current_state.as_ref(), "the state")?,
            identity: types.read_identity(self.current_identity.as_ref())?,
            private: self.private.clone(),
            client: client_capabilities(self.client_capabilities),
        };
        let mut response = resource.read(request).await;
        let problems = &mut response.diagnostics;
        let new_state = types.write(&response.state, problems);
        let new_identity = types.write_identity(response.identity.as_ref(), problems);
        Ok(read_resource::Response {
            new_state: new_state.or_else(|| self.current_state.clone()),
            diagnostics: diagnostics(response.diagnostics),
            private: response.private,
            deferred: response.deferred.map(deferred),
            new_identity: new_identity.or_else(|| self.current_identity.clone()),
        })
    }

    /// Returns the state of the request.
    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        read_resource::Response {
            new_state: self.current_state.clone(),
            diagnostics: diagnostics(problems),
            private: self.private.clone(),
            deferred: None,
            new_identity: self.current_identity.clone(),
        }
    }
}

impl Rpc for plan_resource_change::Request {
    type Response = plan_resource_change::Response;

    fn operation(&self) -> String {
        format!("planning {}", self.type_name)
    }

    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        let (resource, types) = session.resource(&self.type_name)?;
        let request = PlanResourceChangeRequest {
            prior_state: types.read(self.prior_state.as_ref(), "the prior state")?,
            proposed_new_state: types
                .read(self.proposed_new_state.as_ref(), "the proposed state")?,
            config: types.read(self.config.as_ref(), "the configuration")?,
            prior_identity: types.read_identity(self.prior_identity.as_ref())?,
            prior_private: self.prior_private.clone(),
            client: client_capabilities(self.client_capabilities),
        };
        let mut planned = resource.plan(request).await;
        let problems = &mut planned.diagnostics;
        let planned_state = types.write(&planned.state, problems);
        let planned_identity = types.write_identity(planned.identity.as_ref(), problems);
        // The identity of a replacement can be unknown; the prior one is that of the old object.
        let has_identity = planned.identity.is_some();
        let prior_identity = self.prior_identity.as_ref().filter(|_| has_identity);
        Ok(plan_resource_change::Response {
            planned_state: planned_state.or_else(|| self.prior_state.clone()),
            requires_replace: planned
                .requires_replace
                .iter()
                .map(attribute_path)
                .collect(),
            planned_private: planned.private,
            diagnostics: diagnostics(planned.diagnostics),
            legacy_type_system: false,
            deferred: planned.deferred.map(deferred),
            planned_identity: planned_identity.or_else(|| prior_identity.cloned()),
        })
    }

    /// Returns the prior state as the plan.
    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        plan_resource_change::Response {
            planned_state: self.prior_state.clone(),
            planned_private: self.prior_private.clone(),
            diagnostics: diagnostics(problems),
            planned_identity: self.prior_identity.clone(),
            ..Default::default()
        }
    }
}

impl Rpc for apply_resource_change::Request {
    type Response = apply_resource_change::Response;

    fn operation(&self) -> String {
        format!("applying {}", self.type_name)
    }

    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        let (resource, types) = session.resource(&self.type_name)?;
        let request = ApplyResourceChangeRequest {
            prior_state: types.read(self.prior_state.as_ref(), "the prior state")?,
            planned_state: types.read(self.planned_state.as_ref(), "the planned state")?,
            config: types.read(self.config.as_ref(), "the configuration")?,
            planned_identity: types.read_identity(self.planned_identity.as_ref())?,
            planned_private: self.planned_private.clone(),
        };
        let mut applied = resource.apply(request).await;
        let problems = &mut applied.diagnostics;
        let new_state = types.write(&applied.state, problems);
        let new_identity = types.write_identity(applied.identity.as_ref(), problems);
        Ok(apply_resource_change::Response {
            new_state: new_state.or_else(|| state_of_unknown_outcome(self)),
            private: applied.private,
            diagnostics: diagnostics(applied.diagnostics),
            legacy_type_system: false,
            new_identity: new_identity.or_else(|| self.planned_identity.clone()),
        })
    }

    /// Returns the prior state.
    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        apply_resource_change::Response {
            new_state: self.prior_state.clone(),
            private: self.planned_private.clone(),
            diagnostics: diagnostics(problems),
            legacy_type_system: false,
            new_identity: self.planned_identity.clone(),
        }
    }

    fn panic_response(&self, problems: Diagnostics) -> Self::Response {
        apply_resource_change::Response {
            new_state: state_of_unknown_outcome(self),
            ..self.diagnostics_response(problems)
        }
    }
}

/// Returns the state after an apply whose outcome is unknown. For a create it is the plan with null for unknown values:
/// Terraform taints it, and the next apply replaces what exists. For an update or a destroy it is the prior state,
/// which the next refresh corrects.
fn state_of_unknown_outcome(request: &apply_resource_change::Request) -> Option<DynamicValue> {
    let is_create = codec::is_null(request.prior_state.as_ref());
    let planned = request.planned_state.as_ref().filter(|_| is_create);
    match planned {
        Some(planned) => Some(codec::without_unknowns(planned)),
        None => request.prior_state.clone(),
    }
}
