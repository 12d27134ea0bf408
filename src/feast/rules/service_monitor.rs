//! The ServiceMonitor of the Prometheus Operator.

use super::Violation;
use super::accessors::{online, server, services};
use crate::feast::config::{FeatureStore, RelabelAction, Relabeling, ScrapeScheme, ServiceMonitor};
use crate::feast::names::ServerKind;
use crate::kubernetes::go_duration::parse_nanoseconds;
use crate::schema::Path;

const MONITOR: &str = "services.service_monitor";

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let Some(monitor) = services(store).and_then(|it| it.service_monitor.as_ref()) else {
        return Vec::new();
    };
    let mut violations = Vec::from_iter(metrics(store));
    violations.extend(timeout(monitor));
    let path = Path::of(MONITOR);
    if monitor.tls_config.is_some() && monitor.scheme != Some(ScrapeScheme::Https) {
        let at = path.attribute("tls_config");
        violations.push(Violation::new(
            at.clone(),
            [at, path.attribute("scheme")],
            "`tls_config` requires the `scheme` `https`",
            "Set `scheme = \"https\"`, or remove `tls_config`.",
        ));
    }
    for (name, rules) in [
        ("relabelings", &monitor.relabelings),
        ("metric_relabelings", &monitor.metric_relabelings),
    ] {
        let rules = rules.iter().flatten().enumerate();
        violations.extend(
            rules.flat_map(|(index, rule)| relabeling(&path.attribute(name).index(index), rule)),
        );
    }
    violations
}

/// Without metrics, there is nothing to scrape.
fn metrics(store: &FeatureStore) -> Option<Violation> {
    let online = online(store);
    let disabled = online.and_then(|it| it.disabled) == Some(true);
    let argument = online.and_then(|it| it.server.as_ref()?.metrics) == Some(true);
    let serving = online.and_then(|it| it.serving.as_ref()?.metrics.as_ref());
    let has_metrics = argument || serving.is_some_and(|it| it.enabled);
    (disabled || !has_metrics).then(|| {
        let block = Path::of("services.online_store");
        Violation::new(
            Path::of(MONITOR),
            [
                server(ServerKind::Online).attribute("metrics"),
                block.attribute("serving.metrics"),
                block.attribute("disabled"),
            ],
            "A ServiceMonitor requires the metrics of the online server",
            "Set `metrics = true` in `services.online_store.server`, or remove `service_monitor`.",
        )
    })
}

/// The Prometheus Operator ignores a ServiceMonitor with a longer time limit.
fn timeout(monitor: &ServiceMonitor) -> Option<Violation> {
    let [interval, timeout] = [&monitor.interval, &monitor.scrape_timeout].map(|text| {
        let text = text.as_ref()?;
        parse_nanoseconds(text)
    });
    let (interval, timeout) = (interval?, timeout?);
    let path = Path::of(MONITOR);
    let at = path.attribute("scrape_timeout");
    (timeout > interval).then(|| {
        Violation::new(
            at.clone(),
            [at, path.attribute("interval")],
            "`scrape_timeout` is longer than `interval`",
            "Set at most the duration of `interval`.",
        )
    })
}

fn relabeling(path: &Path, rule: &Relabeling) -> Vec<Violation> {
    use RelabelAction::{Dropequal, Hashmod, Keepequal, Lowercase, Replace, Uppercase};
    let action = rule.action.unwrap_or(Replace);
    let writes = [Replace, Hashmod, Lowercase, Uppercase, Keepequal, Dropequal];
    let target = writes.contains(&action) && rule.target_label.is_none();
    let modulus = action == Hashmod && rule.modulus.is_none();
    let reject = |name: &str, summary: String, detail: String| {
        let at = path.attribute(name);
        Violation::new(at.clone(), [at, path.attribute("action")], summary, detail)
    };
    let missing = [("target_label", target), ("modulus", modulus)].into_iter();
    let missing = missing.filter(|(_, is_missing)| *is_missing);
    let missing = missing.map(|(name, _)| {
        reject(
            name,
            format!("The action `{}` requires `{name}`", action.as_str()),
            "Prometheus would not load its configuration.".to_owned(),
        )
    });
    let conflicts = conflicts(rule, action).into_iter().map(|name| {
        reject(
            name,
            format!("The action `{}` conflicts with `{name}`", action.as_str()),
            format!("The Prometheus Operator would ignore the ServiceMonitor. Remove `{name}`."),
        )
    });
    missing.chain(conflicts).collect()
}

/// Returns the settings that the Prometheus Operator does not accept with the action. It accepts the default of each.
fn conflicts(rule: &Relabeling, action: RelabelAction) -> Vec<&'static str> {
    use RelabelAction::{
        Drop, Dropequal, Hashmod, Keep, Keepequal, Labeldrop, Labelkeep, Labelmap, Lowercase,
        Replace, Uppercase,
    };
    let Relabeling {
        action: _,
        source_labels,
        separator,
        regex,
        target_label,
        replacement,
        modulus,
    } = rule;
    let differs = |text: &Option<String>, defaults: &[&str]| {
        (text.as_deref()).is_some_and(|text| !defaults.contains(&text))
    };
    let sources = (
        "source_labels",
        source_labels.as_ref().is_some_and(|it| !it.is_empty()),
    );
    let separator = ("separator", differs(separator, &[";"]));
    let regex = ("regex", differs(regex, &["", "(.*)"]));
    let target = ("target_label", differs(target_label, &[""]));
    let replacement = ("replacement", differs(replacement, &["$1"]));
    let modulus = ("modulus", modulus.is_some());
    let settings = match action {
        Labeldrop | Labelkeep => vec![sources, separator, target, replacement, modulus],
        Keepequal | Dropequal => vec![separator, regex, replacement, modulus],
        Lowercase | Uppercase => vec![replacement],
        Replace | Keep | Drop | Hashmod | Labelmap => Vec::new(),
    };
    (settings.into_iter())
        .filter(|(_, is_set)| *is_set)
        .map(|(name, _)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::{accepts, rejects};

    fn monitored(monitor: Json) -> Json {
        json!({"serviceMonitor": monitor, "onlineStore": {"server": {"metrics": true}}})
    }

    #[test]
    fn accepts_metrics_of_either_kind() {
        accepts(monitored(json!({})));
        accepts(
            json!({"serviceMonitor": {}, "onlineStore": {"serving": {"metrics": {"enabled": true}}}}),
        );
        accepts(monitored(json!({
            "interval": "1m", "scrapeTimeout": "60s", "scheme": "https", "tlsConfig": {"insecureSkipVerify": true},
            "relabelings": [{"action": "labeldrop", "regex": "pod"}, {"targetLabel": "team", "replacement": "a"}],
        })));
    }

    #[test]
    fn requires_metrics() {
        let summary = "A ServiceMonitor requires the metrics of the online server";
        let expected = [("services.service_monitor", summary)];
        rejects("service-monitor", json!({"serviceMonitor": {}}), &expected);
        let mut disabled = monitored(json!({}));
        disabled["onlineStore"]["disabled"] = json!(true);
        rejects("service-monitor", disabled, &expected);
    }

    #[test]
    fn rejects_what_the_operator_ignores() {
        rejects(
            "service-monitor",
            monitored(json!({
                "interval": "30s", "scrapeTimeout": "1m", "tlsConfig": {},
                "metricRelabelings": [{"action": "hashmod", "sourceLabels": ["a"]}],
            })),
            &[
                (
                    "services.service_monitor.scrape_timeout",
                    "`scrape_timeout` is longer than `interval`",
                ),
                (
                    "services.service_monitor.tls_config",
                    "`tls_config` requires the `scheme` `https`",
                ),
                (
                    "services.service_monitor.metric_relabelings[0].target_label",
                    "The action `hashmod` requires `target_label`",
                ),
                (
                    "services.service_monitor.metric_relabelings[0].modulus",
                    "The action `hashmod` requires `modulus`",
                ),
            ],
        );
    }

    #[test]
    fn rejects_settings_that_an_action_does_not_have() {
        let check = |rule: Json, expected: &[&str]| {
            let action = rule["action"].as_str().unwrap().to_owned();
            let at = |name: &str| {
                (
                    format!("services.service_monitor.relabelings[0].{name}"),
                    format!("The action `{action}` conflicts with `{name}`"),
                )
            };
            let expected: Vec<_> = expected.iter().map(|name| at(name)).collect();
            let expected: Vec<_> = (expected.iter())
                .map(|(path, summary)| (path.as_str(), summary.as_str()))
                .collect();
            let services = monitored(json!({"relabelings": [rule]}));
            rejects("service-monitor", services, &expected);
        };
        let rule = |action: &str| {
            json!({
                "action": action, "sourceLabels": ["a"], "separator": "-", "regex": "b", "targetLabel": "c",
                "replacement": "d", "modulus": 8,
            })
        };
        check(rule("replace"), &[]);
        for action in ["labeldrop", "labelkeep"] {
            let names = [
                "source_labels",
                "separator",
                "target_label",
                "replacement",
                "modulus",
            ];
            check(rule(action), &names);
        }
        for action in ["keepequal", "dropequal"] {
            check(
                rule(action),
                &["separator", "regex", "replacement", "modulus"],
            );
        }
        check(rule("lowercase"), &["replacement"]);
        let defaults = json!({
            "action": "keepequal", "sourceLabels": ["a"], "separator": ";", "regex": "(.*)", "targetLabel": "c",
            "replacement": "$1",
        });
        check(defaults, &[]);
    }
}
