//! The actions: operations on a feature store that a user invokes, or that a change of a resource triggers.
//!
//! [`Operation`] is what differs between them, and [`FeastAction`] the rest: the checks of the configuration, the
//! feature store, the reports, and the timeout. Where a command of Feast runs is decision 044.

mod apply;
mod invocation;
mod job;
mod materialize;
mod progress;
mod restart;

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::cluster::report::Reporter;
use crate::feast::rules::timeout_problem;
use crate::kubernetes::go_duration::parse_nanoseconds;
use crate::provider::provider_data::ProviderData;
use crate::provider::settings::Settings;
use crate::provider::{decode_as, diagnostics, lowered};
use crate::schema::provider::{
    Action, Deferred, EventSink, InvokeActionRequest, PlanActionRequest, PlanActionResponse,
};
use crate::schema::{Block, Diagnostics, Path, Schema, Value};

use invocation::{Invocation, Limits};

pub use apply::Apply;
pub use materialize::Materialize;
pub use restart::Restart;

/// The part of an action that differs from the others.
#[async_trait]
pub trait Operation: Send + Sync + 'static {
    const TYPE_NAME: &'static str;
    /// The time limit of an action without `timeout`.
    const TIMEOUT: Duration;
    type Config: JsonSchema + DeserializeOwned + Send + Sync;

    /// Returns the attributes that every action has.
    fn target(config: &Self::Config) -> Target<'_>;

    /// Returns what is wrong in a configuration beyond its schema. Any part can be unknown.
    fn validate_config(_config: &Value) -> Diagnostics {
        Vec::new()
    }

    /// Runs the action to its end.
    ///
    /// # Errors
    ///
    /// A diagnostic for each reason of the failure.
    async fn run(config: Self::Config, invocation: &Invocation) -> Result<(), Diagnostics>;
}

/// The attributes that every action has.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    pub name: &'a str,
    pub namespace: Option<&'a str>,
    pub timeout: Option<&'a str>,
}

/// An action.
pub struct FeastAction<O> {
    schema: Schema,
    data: Arc<ProviderData>,
    operation: PhantomData<O>,
}

impl<O: Operation> FeastAction<O> {
    pub fn new(data: &Arc<ProviderData>) -> Self {
        Self {
            schema: Schema {
                version: 0,
                block: lowered::<O::Config>(),
            },
            data: Arc::clone(data),
            operation: PhantomData,
        }
    }

    /// Runs the action, and sends its reports.
    async fn run(
        &self,
        settings: &Settings,
        config: &Value,
        progress: &dyn EventSink<String>,
    ) -> Result<(), Diagnostics> {
        let started = Instant::now();
        let (config, unknown) = decode_action_config::<O>(&self.schema.block, config)?;
        if !unknown.is_empty() {
            return Err(vec![diagnostics::still_unknown("an action", &unknown)]);
        }
        let (reporter, reports) = Reporter::channel();
        let work = async {
            let Target {
                name,
                namespace,
                timeout,
            } = O::target(&config);
            let limits = Limits {
                started,
                timeout: timeout.and_then(duration).unwrap_or(O::TIMEOUT),
                stop: self.data.stop_token(),
            };
            let invocation = Invocation::open(settings, name, namespace, limits, reporter).await;
            let invocation = invocation.map_err(|error| vec![error])?;
            O::run(config, &invocation).await
        };
        progress::report(work, reports, progress).await
    }
}

#[async_trait]
impl<O: Operation> Action for FeastAction<O> {
    fn type_name(&self) -> &str {
        O::TYPE_NAME
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn validate_config(&self, config: Value) -> Diagnostics {
        let decoded = decode_action_config::<O>(&self.schema.block, &config);
        decoded.err().unwrap_or_default()
    }

    /// The feature store can be created by the same plan, so a plan does not look for it.
    async fn plan(&self, request: PlanActionRequest) -> PlanActionResponse {
        let is_known = self.data.settings().cluster_is_known();
        let deferred = (!is_known && request.client.deferral_allowed)
            .then_some(Deferred::ProviderConfigUnknown);
        PlanActionResponse {
            diagnostics: self.validate_config(request.config),
            deferred,
        }
    }

    async fn invoke(
        &self,
        request: InvokeActionRequest,
        progress: &dyn EventSink<String>,
    ) -> Diagnostics {
        let settings = self.data.settings();
        let result = self.run(&settings, &request.config, progress).await;
        let mut diagnostics = result.err().unwrap_or_default();
        diagnostics.extend(settings.warnings());
        diagnostics
    }
}

/// Decodes a `config` block, of which any part can be unknown. Returns the paths of the unknown values, too.
///
/// # Errors
///
/// A diagnostic for each value that is not valid.
fn decode_action_config<O: Operation>(
    block: &Block,
    config: &Value,
) -> Result<(O::Config, BTreeSet<Path>), Diagnostics> {
    let decoded = decode_as(block, config)?;
    let timeout = config.attribute("timeout").as_str();
    let problem = timeout.and_then(|text| Some((text, timeout_problem(text)?)));
    let problem = problem.map(|(text, problem)| diagnostics::invalid_action_timeout(text, problem));
    let mut errors = Diagnostics::from_iter(problem);
    errors.extend(O::validate_config(config));
    match errors.is_empty() {
        true => Ok(decoded),
        false => Err(errors),
    }
}

fn duration(text: &str) -> Option<Duration> {
    let nanoseconds = u64::try_from(parse_nanoseconds(text)?).ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests;
