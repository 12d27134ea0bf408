//! List resources: `ValidateListResourceConfig` and the stream of `ListResource`.

use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;

use super::{EventSender, Rpc, StreamingRpc};
use crate::schema::provider::{
    EventSink, ListResourceEvent, ListResourceRequest, StreamClosed,
    ValidateListResourceConfigRequest,
};
use crate::schema::{Diagnostic, Diagnostics, Severity, Type, Value};
use crate::tfplugin::codec;
use crate::tfplugin::diagnostics::diagnostics;
use crate::tfplugin::object::{ObjectTypes, unreadable};
use crate::tfplugin::proto::tfplugin6::{
    DynamicValue, list_resource, validate_list_resource_config,
};
use crate::tfplugin::session::Session;

impl Rpc for validate_list_resource_config::Request {
    type Response = validate_list_resource_config::Response;

    fn operation(&self) -> String {
        format!("validating the list of {}", self.type_name)
    }

    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        let (list_resource, types) = session.list_resource(&self.type_name)?;
        let argument =
            |value: &Option<DynamicValue>, ty: Type, name: &str| -> Result<Value, Diagnostics> {
                codec::read(value.as_ref(), &ty).map_err(|error| {
                    vec![unreadable(
                        &format!("{name} of the list of {}", self.type_name),
                        error,
                    )]
                })
            };
        let problems = list_resource.validate_config(ValidateListResourceConfigRequest {
            config: types.read(self.config.as_ref(), "the configuration")?,
            include_resource_object: argument(
                &self.include_resource_object,
                Type::Bool,
                "include_resource",
            )?,
            limit: argument(&self.limit, Type::Number, "limit")?,
        });
        Ok(self.diagnostics_response(problems))
    }

    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        validate_list_resource_config::Response {
            diagnostics: diagnostics(problems),
        }
    }
}

impl StreamingRpc for list_resource::Request {
    type Event = list_resource::Event;

    fn operation(&self) -> String {
        format!("listing {}", self.type_name)
    }

    async fn serve(
        &self,
        session: &Session,
        events: &EventSender<Self::Event>,
    ) -> Result<(), Diagnostics> {
        let (list_resource, types) = session.list_resource(&self.type_name)?;
        let (_, resource_types) = session.resource(&self.type_name)?;
        let request = ListResourceRequest {
            config: types.read(self.config.as_ref(), "the configuration")?,
            include_resource_object: self.include_resource_object,
            limit: self.limit,
        };
        let sink = Listing {
            events,
            types: resource_types,
            include_resource_object: self.include_resource_object,
            remaining: (self.limit > 0).then(|| AtomicI64::new(self.limit)),
        };
        tokio::select! {
            // A closed stream is not an error: the client has stopped reading.
            _ = list_resource.list(request, &sink) => Ok(()),
            () = events.closed() => Ok(()),
            () = session.shutdown.cancelled() => Err(vec![interrupted(&self.type_name)]),
        }
    }

    fn diagnostics_event(&self, problems: Diagnostics) -> Self::Event {
        list_resource::Event {
            diagnostic: diagnostics(problems),
            ..Default::default()
        }
    }
}

/// The events of one call of `ListResource`.
struct Listing<'a> {
    events: &'a EventSender<list_resource::Event>,
    /// The types of the managed resource.
    types: &'a ObjectTypes,
    include_resource_object: bool,
    /// The number of resources that the client still takes; `None` for any number.
    remaining: Option<AtomicI64>,
}

#[async_trait]
impl EventSink<ListResourceEvent> for Listing<'_> {
    async fn send(&self, event: ListResourceEvent) -> Result<(), StreamClosed> {
        let remaining = match &self.remaining {
            Some(remaining) if event.identity.is_some() => {
                remaining.fetch_sub(1, Ordering::Relaxed)
            }
            _ => i64::MAX,
        };
        if remaining <= 0 {
            return Err(StreamClosed);
        }
        self.events.send(self.convert(event)).await?;
        if remaining == 1 {
            return Err(StreamClosed);
        }
        Ok(())
    }
}

impl Listing<'_> {
    fn convert(&self, event: ListResourceEvent) -> list_resource::Event {
        let ListResourceEvent {
            identity,
            display_name,
            resource_object,
            diagnostics: mut problems,
        } = event;
        let object = resource_object.filter(|_| self.include_resource_object);
        let is_error = |problem: &Diagnostic| problem.severity == Severity::Error;
        if !problems.iter().any(is_error) {
            // Terraform shows an event with warnings alone, and continues.
            let is_warning = !problems.is_empty() && display_name.is_empty() && object.is_none();
            if identity.is_none() && !is_warning {
                problems.push(incomplete(Severity::Error, "identity"));
            } else if identity.is_some() && self.include_resource_object && object.is_none() {
                problems.push(incomplete(Severity::Warning, "resource object"));
            }
        }
        list_resource::Event {
            identity: self.types.write_identity(identity.as_ref(), &mut problems),
            display_name,
            resource_object: object.and_then(|object| self.types.write(&object, &mut problems)),
            diagnostic: diagnostics(problems),
        }
    }
}

fn incomplete(severity: Severity, part: &str) -> Diagnostic {
    let detail = format!(
        "The provider listed a resource without its {part}.\n\nThis is a bug in the provider."
    );
    Diagnostic {
        severity,
        ..Diagnostic::error("Incomplete list result", detail)
    }
}

fn interrupted(type_name: &str) -> Diagnostic {
    Diagnostic::error(
        "List interrupted",
        format!("The provider was shut down while listing {type_name}. The list is not complete."),
    )
}
