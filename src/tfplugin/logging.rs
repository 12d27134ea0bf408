//! The log: lines of JSON on stderr, in the form of HashiCorp's hclog, which the host reads and puts into
//! its own log under TF_LOG. Requests and answers are never logged: they hold secrets.

use std::io::{self, Write};

use serde_json::{Map, Value as Json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// The target of this crate's own messages.
const OWN: &str = env!("CARGO_CRATE_NAME");

/// Starts the log of this process, and logs panics. `name` is the provider's (`feast`), for the variables
/// `TF_LOG_PROVIDER_FEAST` and `TF_LOG_PROVIDER_FEAST_DEPENDENCIES`. A second call changes nothing.
pub(super) fn start(name: &str) {
    let filter = filter(name, |variable| std::env::var(variable).ok());
    let layer = HclogLayer {
        write: |line: &[u8]| {
            // Nobody is left to be told.
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

/// What to log, by the most specific variable that is set; warnings when none is.
fn filter(name: &str, variable: impl Fn(&str) -> Option<String>) -> Targets {
    let own_variable = format!("TF_LOG_PROVIDER_{}", name.to_uppercase().replace('-', "_"));
    let level = |name: &str| variable(name).filter(|text| !text.is_empty()).map(parse);
    let own = level(&own_variable)
        .or_else(|| level("TF_LOG_PROVIDER"))
        .or_else(|| level("TF_LOG"))
        .unwrap_or(LevelFilter::WARN);
    // Libraries tell at `trace` what they do with each byte, and h2 does so at `debug`.
    let asked = level(&format!("{own_variable}_DEPENDENCIES"));
    Targets::new()
        .with_default(asked.unwrap_or_else(|| own.min(LevelFilter::DEBUG)))
        .with_target("h2", asked.unwrap_or_else(|| own.min(LevelFilter::INFO)))
        // At `debug` it quotes whatever has ended a watch, such as the output of a program for credentials.
        .with_target("kube_runtime", asked.unwrap_or(own).min(LevelFilter::INFO))
        .with_target(OWN, own)
}

/// A level as Terraform reads it: what is no level (`JSON`, `1`) is everything.
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

/// Writes each event as one line.
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
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<Fields>() {
                let outer = fields.0.iter();
                line.0
                    .extend(outer.map(|(key, value)| (key.clone(), value.clone())));
            }
        }
        event.record(&mut line);
        let metadata = event.metadata();
        if metadata.target().split("::").next() != Some(OWN) {
            line.put("target", metadata.target());
        }
        line.put("@level", level(*metadata.level()));
        line.put("@module", "provider");
        line.put("@timestamp", format!("{:.6}", jiff::Timestamp::now()));
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
    fn put(&mut self, key: &str, value: impl Into<Json>) {
        let key = if key == "message" { "@message" } else { key };
        self.0.insert(key.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_has_the_form_that_the_host_reads() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&written);
        let layer = HclogLayer {
            write: move |line: &[u8]| sink.lock().unwrap().extend_from_slice(line),
        };
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
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
                "tf_rpc": "read_resource",
            })
        );
    }

    #[test]
    fn the_most_specific_variable_counts() {
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
