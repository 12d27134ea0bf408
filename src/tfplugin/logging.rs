//! The log: lines of JSON on stderr in the format of HashiCorp's hclog. The host copies them to its own log under
//! TF_LOG. Requests and responses are never logged, because they contain secrets.

use std::io::{self, Write};

use serde_json::{Map, Value as Json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Scope};

/// The target of this crate's own messages.
const OWN: &str = env!("CARGO_CRATE_NAME");

/// Installs the log of this process, panics included. `name` is the provider's (`feast`), for the variables
/// `TF_LOG_PROVIDER_FEAST` and `TF_LOG_PROVIDER_FEAST_DEPENDENCIES`. A second call has no effect.
pub(super) fn start(name: &str) {
    let filter = filter(name, |variable| std::env::var(variable).ok());
    let layer = HclogLayer {
        write: |line: &[u8]| {
            // There is no other place to report the error.
            io::stderr().lock().write_all(line).ok();
        },
    };
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter));
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        std::panic::set_hook(Box::new(|panic| {
            let location = panic.location().map(ToString::to_string);
            let backtrace = std::backtrace::Backtrace::capture();
            tracing::error!(location, %backtrace, "the provider panicked");
        }));
    }
}

/// Returns the filter of the most specific variable that is set. Without one it is `warn`.
fn filter(name: &str, variable: impl Fn(&str) -> Option<String>) -> Targets {
    let own_variable = format!("TF_LOG_PROVIDER_{}", name.to_uppercase().replace('-', "_"));
    let level = |name: &str| variable(name).filter(|text| !text.is_empty()).map(parse);
    let own = level(&own_variable)
        .or_else(|| level("TF_LOG_PROVIDER"))
        .or_else(|| level("TF_LOG"))
        .unwrap_or(LevelFilter::WARN);
    // At `trace`, libraries log every byte that they process; h2 does so at `debug`.
    let dependencies = level(&format!("{own_variable}_DEPENDENCIES"));
    Targets::new()
        .with_default(dependencies.unwrap_or_else(|| own.min(LevelFilter::DEBUG)))
        .with_target(
            "h2",
            dependencies.unwrap_or_else(|| own.min(LevelFilter::INFO)),
        )
        // At `debug` it logs the errors that end a watch, which can quote the output of a credential plugin.
        .with_target(
            "kube_runtime",
            dependencies.unwrap_or(own).min(LevelFilter::INFO),
        )
        .with_target(OWN, own)
}

/// Reads a level as Terraform does: any other text (`JSON`, `1`) means `trace`.
fn parse(text: String) -> LevelFilter {
    match text.to_lowercase().as_str() {
        "debug" => LevelFilter::DEBUG,
        "info" => LevelFilter::INFO,
        "warn" => LevelFilter::WARN,
        "error" => LevelFilter::ERROR,
        "off" => LevelFilter::OFF,
        _ => LevelFilter::TRACE,
    }
}

/// A layer that writes each event as one line.
struct HclogLayer<W> {
    write: W,
}

impl<S, W> Layer<S> for HclogLayer<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(&[u8]) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Fields::default();
        // The fields of an inner span replace those of an outer one with the same names.
        let scope = context.event_scope(event).into_iter();
        for span in scope.flat_map(Scope::from_root) {
            if let Some(fields) = span.extensions().get::<Fields>() {
                let fields = fields.0.iter();
                line.0
                    .extend(fields.map(|(key, value)| (key.clone(), value.clone())));
            }
        }
        event.record(&mut line);
        let metadata = event.metadata();
        if metadata.target().split("::").next() != Some(OWN) {
            line.insert("target", metadata.target());
        }
        line.insert("@level", level(*metadata.level()));
        line.insert("@module", "provider");
        line.insert("@timestamp", format!("{:.6}", jiff::Timestamp::now()));
        let mut text = Json::Object(line.0).to_string();
        text.push('\n');
        (self.write)(text.as_bytes());
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::TRACE => "trace",
        Level::DEBUG => "debug",
        Level::INFO => "info",
        Level::WARN => "warn",
        Level::ERROR => "error",
    }
}

/// The fields of an event or a span.
#[derive(Default)]
struct Fields(Map<String, Json>);

impl Fields {
    fn insert(&mut self, key: &str, value: impl Into<Json>) {
        let key = if key == "message" { "@message" } else { key };
        self.0.insert(key.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field.name(), value);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::*;

    #[test]
    fn lines_have_the_format_of_hclog() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&written);
        let layer = HclogLayer {
            write: move |line: &[u8]| sink.lock().unwrap().extend_from_slice(line),
        };
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            let outer = tracing::info_span!("outer", tf_rpc = "outer", outer = 1);
            let _outer = outer.enter();
            let span = tracing::info_span!("rpc", tf_rpc = "read_resource");
            let _entered = span.enter();
            tracing::warn!(count = 2, name = "a\nb", "found {}", "more");
        });
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let (line, rest) = text.split_once('\n').unwrap();
        assert_eq!(rest, "");
        let mut line: Json = serde_json::from_str(line).unwrap();
        let timestamp = line["@timestamp"].take();
        let timestamp = timestamp.as_str().unwrap();
        assert!(timestamp.parse::<jiff::Timestamp>().is_ok(), "{timestamp}");
        assert_eq!(timestamp.len(), "2006-01-02T15:04:05.000000Z".len());
        assert_eq!(
            line,
            json!({
                "@level": "warn",
                "@message": "found more",
                "@module": "provider",
                "@timestamp": null,
                "count": 2,
                "name": "a\nb",
                "outer": 1,
                "tf_rpc": "read_resource",
            })
        );
    }

    #[test]
    fn most_specific_variable_wins() {
        let logged = |variables: &[(&str, &str)]| {
            let filter = filter("feast", |name| {
                let found = variables.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            });
            let most = |target| {
                [
                    Level::TRACE,
                    Level::DEBUG,
                    Level::INFO,
                    Level::WARN,
                    Level::ERROR,
                ]
                .into_iter()
                .find(|level| filter.would_enable(target, level))
            };
            ["kube_client", "h2::codec", "kube_runtime::watcher", OWN].map(most)
        };
        let [warn, info, debug, trace] =
            [Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE].map(Some);
        assert_eq!(logged(&[]), [warn, warn, warn, warn]);
        assert_eq!(logged(&[("TF_LOG", "JSON")]), [debug, info, info, trace]);
        assert_eq!(
            logged(&[("TF_LOG", "trace"), ("TF_LOG_PROVIDER", "info")]),
            [info, info, info, info]
        );
        assert_eq!(
            logged(&[
                ("TF_LOG_PROVIDER", "TRACE"),
                ("TF_LOG_PROVIDER_FEAST", "off")
            ]),
            [None, None, None, None]
        );
        assert_eq!(
            logged(&[
                ("TF_LOG", "warn"),
                ("TF_LOG_PROVIDER_FEAST_DEPENDENCIES", "trace")
            ]),
            [trace, trace, info, warn]
        );
    }
}
