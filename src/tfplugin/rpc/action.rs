//! Actions: `ValidateActionConfig`, `PlanAction` and the stream of `InvokeAction`.

use async_trait::async_trait;

use super::{EventSender, Rpc, StreamingRpc, client_capabilities, deferred};
use crate::schema::Diagnostics;
use crate::schema::provider::{EventSink, InvokeActionRequest, PlanActionRequest, StreamClosed};
use crate::tfplugin::diagnostics::diagnostics;
use crate::tfplugin::proto::tfplugin6::{
    invoke_action::{self, event},
    plan_action, validate_action_config,
};
use crate::tfplugin::session::Session;

impl Rpc for validate_action_config::Request {
    type Response = validate_action_config::Response;

    fn operation(&self) -> String {
        format!("validating the action {}", self.type_name)
    }

    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        let (action, types) = session.action(&self.type_name)?;
        let config = types.read(self.config.as_ref(), "the configuration")?;
        Ok(self.diagnostics_response(action.validate_config(config)))
    }

    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        validate_action_config::Response {
            diagnostics: diagnostics(problems),
        }
    }
}

impl Rpc for plan_action::Request {
    type Response = plan_action::Response;

    fn operation(&self) -> String {
        format!("planning the action {}", self.action_type)
    }

    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        let (action, types) = session.action(&self.action_type)?;
        let request = PlanActionRequest {
            config: types.read(self.config.as_ref(), "the configuration")?,
            client: client_capabilities(self.client_capabilities),
        };
        let response = action.plan(request).await;
        Ok(plan_action::Response {
            diagnostics: diagnostics(response.diagnostics),
            deferred: response.deferred.map(deferred),
        })
    }

    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        plan_action::Response {
            diagnostics: diagnostics(problems),
            deferred: None,
        }
    }
}

impl StreamingRpc for invoke_action::Request {
    type Event = invoke_action::Event;

    fn operation(&self) -> String {
        format!("invoking the action {}", self.action_type)
    }

    async fn serve(
        &self,
        session: &Session,
        events: &EventSender<Self::Event>,
    ) -> Result<(), Diagnostics> {
        let (action, types) = session.action(&self.action_type)?;
        let request = InvokeActionRequest {
            config: types.read(self.config.as_ref(), "the configuration")?,
            client: client_capabilities(self.client_capabilities),
        };
        let result = action.invoke(request, &Progress(events)).await;
        // A client that has left needs no result.
        events.send(self.diagnostics_event(result)).await.ok();
        Ok(())
    }

    /// Every invocation ends with `completed`, whether it succeeds or fails.
    fn diagnostics_event(&self, problems: Diagnostics) -> Self::Event {
        invoke_action::Event {
            r#type: Some(event::Type::Completed(event::Completed {
                diagnostics: diagnostics(problems),
            })),
        }
    }
}

/// Sends lines of text as `progress`.
struct Progress<'a>(&'a EventSender<invoke_action::Event>);

#[async_trait]
impl EventSink<String> for Progress<'_> {
    async fn send(&self, message: String) -> Result<(), StreamClosed> {
        let progress = event::Type::Progress(event::Progress { message });
        let event = invoke_action::Event {
            r#type: Some(progress),
        };
        self.0.send(event).await
    }
}
