//! A managed resource's way from configuration to being: validate, plan, apply; and its refresh.

use super::{client, deferred};
use crate::schema::Diagnostics;
use crate::schema::provider::{Apply, Plan, Provider, Read, ValidateResource};
use crate::tfplugin::codec;
use crate::tfplugin::diagnostics::{attribute_path, diagnostics};
use crate::tfplugin::proto::tfplugin6::{
    DynamicValue, apply_resource_change, plan_resource_change, read_resource,
    validate_resource_config,
};
use crate::tfplugin::session::{Rpc, Session};

impl<P: Provider> Rpc<P> for validate_resource_config::Request {
    type Response = validate_resource_config::Response;

    fn doing(&self) -> String {
        format!("validating {}", self.type_name)
    }

    async fn serve(&self, session: &Session<P>) -> Result<Self::Response, Diagnostics> {
        let types = session.resource(&self.type_name)?;
        let problems = session.provider.validate_resource(ValidateResource {
            type_name: self.type_name.clone(),
            config: types.read(self.config.as_ref(), "the configuration")?,
            client: client(self.client_capabilities),
        });
        Ok(Rpc::<P>::failed(self, problems))
    }

    fn failed(&self, problems: Diagnostics) -> Self::Response {
        validate_resource_config::Response {
            diagnostics: diagnostics(problems),
        }
    }
}

impl<P: Provider> Rpc<P> for read_resource::Request {
    type Response = read_resource::Response;

    fn doing(&self) -> String {
        format!("reading {}", self.type_name)
    }

    async fn serve(&self, session: &Session<P>) -> Result<Self::Response, Diagnostics> {
        let types = session.resource(&self.type_name)?;
        let request = Read {
            type_name: self.type_name.clone(),
            state: types.read(self.current_state.as_ref(), "the state")?,
            identity: types.read_identity(self.current_identity.as_ref())?,
            private: self.private.clone(),
            client: client(self.client_capabilities),
        };
        let mut answer = session.provider.read(request).await;
        let problems = &mut answer.diagnostics;
        let new_state = types.write(&answer.state, problems);
        let new_identity = types.write_identity(answer.identity.as_ref(), problems);
        Ok(read_resource::Response {
            new_state: new_state.or_else(|| self.current_state.clone()),
            diagnostics: diagnostics(answer.diagnostics),
            private: answer.private,
            deferred: answer.deferred.map(deferred),
            new_identity: new_identity.or_else(|| self.current_identity.clone()),
        })
    }

    /// As it was.
    fn failed(&self, problems: Diagnostics) -> Self::Response {
        read_resource::Response {
            new_state: self.current_state.clone(),
            diagnostics: diagnostics(problems),
            private: self.private.clone(),
            deferred: None,
            new_identity: self.current_identity.clone(),
        }
    }
}

impl<P: Provider> Rpc<P> for plan_resource_change::Request {
    type Response = plan_resource_change::Response;

    fn doing(&self) -> String {
        format!("planning {}", self.type_name)
    }

    async fn serve(&self, session: &Session<P>) -> Result<Self::Response, Diagnostics> {
        let types = session.resource(&self.type_name)?;
        let request = Plan {
            type_name: self.type_name.clone(),
            prior_state: types.read(self.prior_state.as_ref(), "the prior state")?,
            proposed_new_state: types
                .read(self.proposed_new_state.as_ref(), "the proposed state")?,
            config: types.read(self.config.as_ref(), "the configuration")?,
            prior_identity: types.read_identity(self.prior_identity.as_ref())?,
            prior_private: self.prior_private.clone(),
            client: client(self.client_capabilities),
        };
        let mut planned = session.provider.plan(request).await;
        let problems = &mut planned.diagnostics;
        let planned_state = types.write(&planned.state, problems);
        let planned_identity = types.write_identity(planned.identity.as_ref(), problems);
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
            planned_identity: planned_identity.or_else(|| self.prior_identity.clone()),
        })
    }

    /// As it was.
    fn failed(&self, problems: Diagnostics) -> Self::Response {
        plan_resource_change::Response {
            planned_state: self.prior_state.clone(),
            planned_private: self.prior_private.clone(),
            diagnostics: diagnostics(problems),
            planned_identity: self.prior_identity.clone(),
            ..Default::default()
        }
    }
}

impl<P: Provider> Rpc<P> for apply_resource_change::Request {
    type Response = apply_resource_change::Response;

    fn doing(&self) -> String {
        format!("applying {}", self.type_name)
    }

    async fn serve(&self, session: &Session<P>) -> Result<Self::Response, Diagnostics> {
        let types = session.resource(&self.type_name)?;
        let request = Apply {
            type_name: self.type_name.clone(),
            prior_state: types.read(self.prior_state.as_ref(), "the prior state")?,
            planned_state: types.read(self.planned_state.as_ref(), "the planned state")?,
            config: types.read(self.config.as_ref(), "the configuration")?,
            planned_identity: types.read_identity(self.planned_identity.as_ref())?,
            planned_private: self.planned_private.clone(),
        };
        let mut applied = session.provider.apply(request).await;
        let problems = &mut applied.diagnostics;
        let new_state = types.write(&applied.state, problems);
        let new_identity = types.write_identity(applied.identity.as_ref(), problems);
        Ok(apply_resource_change::Response {
            new_state: new_state.or_else(|| left_behind(self)),
            private: applied.private,
            diagnostics: diagnostics(applied.diagnostics),
            legacy_type_system: false,
            new_identity: new_identity.or_else(|| self.planned_identity.clone()),
        })
    }

    /// As it was.
    fn failed(&self, problems: Diagnostics) -> Self::Response {
        apply_resource_change::Response {
            new_state: self.prior_state.clone(),
            private: self.planned_private.clone(),
            diagnostics: diagnostics(problems),
            legacy_type_system: false,
            new_identity: self.planned_identity.clone(),
        }
    }

    fn crashed(&self, problems: Diagnostics) -> Self::Response {
        apply_resource_change::Response {
            new_state: left_behind(self),
            ..Rpc::<P>::failed(self, problems)
        }
    }
}

/// What may exist after an apply whose outcome is not known. After a failed create it is the plan, less
/// what only the outcome would have told: Terraform taints that, and the next apply cleans up. The next
/// refresh corrects the prior state by itself.
fn left_behind(request: &apply_resource_change::Request) -> Option<DynamicValue> {
    let created = codec::is_null(request.prior_state.as_ref());
    let planned = request.planned_state.as_ref().filter(|_| created);
    match planned {
        Some(planned) => Some(codec::without_unknowns(planned)),
        None => request.prior_state.clone(),
    }
}
