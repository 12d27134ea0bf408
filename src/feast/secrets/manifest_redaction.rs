//! Redacts credentials in manifests and in fields of them, for the attributes `objects` and `drift` and for errors.
//!
//! Terraform does not tell a provider which values are sensitive, and hides them only in the attribute that the user
//! set. So values that often are credentials are redacted in manifests: values of environment variables, passwords and
//! tokens in URLs, and settings of git. Everything else is shown, so that a plan shows what changes.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};

use super::super::names;
use super::super::render::without_git_settings;
use crate::kubernetes::field_path::{FieldPath, FieldStep};

/// Suffixes of keys of `feature_store.yaml` and of a trigger's settings whose values are redacted.
const SECRET_KEYS: [&str; 4] = ["password", "secret", "token", "key"];

/// The replacement for a redacted value.
pub const REDACTED: &str = "(not shown)";

/// Environment variables that the provider sets. Their values are not secret.
const OWN_VARIABLES: [&str; 4] = [
    names::FEATURE_STORE_YAML_PATH,
    names::HOME_VARIABLE,
    names::PROTECTED_PROJECT,
    names::MLFLOW_TRACKING_AUTH,
];

/// Returns the manifest without values that can be credentials.
pub fn redact_manifest(manifest: &Json) -> Json {
    match manifest {
        Json::Object(members) => {
            let members = members.iter().map(|(name, value)| {
                let value = match (name.as_str(), value) {
                    ("env", Json::Array(variables)) => {
                        variables.iter().map(redact_variable).collect()
                    }
                    ("triggers", Json::Array(triggers)) => {
                        triggers.iter().map(redact_trigger).collect()
                    }
                    _ => redact_manifest(value),
                };
                (name.clone(), value)
            });
            Json::Object(members.collect())
        }
        Json::Array(elements) => elements.iter().map(redact_manifest).collect(),
        Json::String(text) => Json::String(redact_text(text)),
        other => other.clone(),
    }
}

/// Returns the value of a field as far as it is shown. Returns `None` for the literal value of an environment variable
/// and for a credential in the metadata of a KEDA trigger.
pub fn redact_field(field: &FieldPath, value: &Json) -> Option<Json> {
    let is = |step: &FieldStep, name: &str| *step == FieldStep::Name(name.to_owned());
    match field.steps() {
        [.., env, FieldStep::Keys(keys), part] if is(env, "env") && is(part, "value") => {
            let is_own = keys.iter().any(|(_, name)| is_set_by_provider(name));
            is_own.then(|| value.clone())
        }
        [.., env, FieldStep::Keys(_)] if is(env, "env") => Some(redact_variable(value)),
        [
            ..,
            triggers,
            FieldStep::Index(_),
            settings,
            FieldStep::Name(name),
        ] if is(triggers, "triggers") && is(settings, "metadata") && is_secret(name) => None,
        [.., triggers, FieldStep::Index(_), settings]
            if is(triggers, "triggers") && is(settings, "metadata") =>
        {
            let trigger = json!({ "metadata": value });
            redact_trigger(&trigger).get("metadata").cloned()
        }
        [.., triggers, FieldStep::Index(_)] if is(triggers, "triggers") => {
            Some(redact_trigger(value))
        }
        // Whether the value is shown depends on the name of the field.
        [.., FieldStep::Name(name)] => {
            let object = json!({ name: value });
            redact_manifest(&object).get(name).cloned()
        }
        _ => Some(redact_manifest(value)),
    }
}

/// Returns an element of `env` without its literal value.
pub fn redact_variable(variable: &Json) -> Json {
    let mut variable = redact_manifest(variable);
    if !variable["value"].is_null() && !is_set_by_provider(&variable["name"]) {
        variable["value"] = json!(REDACTED);
    }
    variable
}

/// Returns a trigger of a ScaledObject without the credentials in its settings.
fn redact_trigger(trigger: &Json) -> Json {
    let mut trigger = redact_manifest(trigger);
    let settings = trigger.get_mut("metadata").and_then(Json::as_object_mut);
    for (name, value) in settings.into_iter().flatten() {
        if is_secret(name) {
            *value = json!(REDACTED);
        }
    }
    trigger
}

/// Returns whether a key names a credential.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_KEYS.iter().any(|end| name.ends_with(end))
}

/// Returns whether the provider sets the variable of this name.
pub fn is_set_by_provider(name: &Json) -> bool {
    name.as_str()
        .is_some_and(|name| OWN_VARIABLES.contains(&name))
}

/// Returns a redacted manifest without the fields whose values are redacted.
pub fn without_redacted(manifest: &Json) -> Json {
    match manifest {
        Json::Object(members) => {
            let members = members.iter().filter(|(_, value)| !is_redacted(value));
            let kept: Map<_, _> = members
                .map(|(name, value)| (name.clone(), without_redacted(value)))
                .collect();
            Json::Object(kept)
        }
        Json::Array(elements) => elements.iter().map(without_redacted).collect(),
        other => other.clone(),
    }
}

/// Returns whether a value is, or is a list with, a redacted text.
fn is_redacted(value: &Json) -> bool {
    match value {
        Json::String(text) => text.contains(REDACTED),
        Json::Array(elements) => (elements.iter())
            .any(|element| element.as_str().is_some_and(|it| it.contains(REDACTED))),
        _ => false,
    }
}

/// Returns a text, such as a script, a YAML document or a URL, without credentials.
fn redact_text(text: &str) -> String {
    let text = without_git_settings(text, REDACTED);
    let text = match text.contains('\n') {
        true => Cow::Owned(
            text.split('\n')
                .map(redact_line)
                .collect::<Vec<_>>()
                .join("\n"),
        ),
        false => text,
    };
    let mut redacted = String::new();
    let mut rest = text.as_ref();
    while let Some((before, after)) = rest.split_once("://") {
        let end = after.find(|c: char| c == '/' || c.is_whitespace());
        let (authority, further) = after.split_at(end.unwrap_or(after.len()));
        let is_http = before.ends_with("http") || before.ends_with("https");
        redacted.push_str(before);
        redacted.push_str("://");
        match authority.rsplit_once('@') {
            Some((user, host)) => {
                match user.split_once(':') {
                    Some((user, _)) => redacted.push_str(&format!("{user}:{REDACTED}")),
                    // A token can be the user name.
                    None if is_http => redacted.push_str(REDACTED),
                    None => redacted.push_str(user),
                }
                redacted.push('@');
                redacted.push_str(host);
            }
            None => redacted.push_str(authority),
        }
        rest = further;
    }
    redacted.push_str(rest);
    redacted
}

/// Returns a line of YAML without the value of a key that names a credential.
fn redact_line(line: &str) -> Cow<'_, str> {
    let Some((key, value)) = line.split_once(": ") else {
        return Cow::Borrowed(line);
    };
    let name = key.trim_start_matches([' ', '-']);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let is_secret = name.chars().all(is_name) && is_secret(name);
    match is_secret && !value.trim().is_empty() {
        true => Cow::Owned(format!("{key}: {REDACTED}")),
        false => Cow::Borrowed(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redacts_variables_and_passwords_in_urls() {
        let manifest = json!({"spec": {"containers": [{"name": "online", "image": "a:1", "env": [
            {"name": "TOKEN", "value": "hunter2"},
            {"name": "EMPTY"},
            {"name": "REFERENCE", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": names::FEATURE_STORE_YAML_PATH, "value": "/etc/feast/feature_store.yaml"},
        ]}]}, "stringData": {"feature_store.yaml": "a: postgresql://u:hunter2@h/db\nb: http://h:80/x\nc: ssh://git@h/x\n  api_key: hunter2\n# a key: b"},
          "args": ["url='https://hunter2@h/x'"],
          "triggers": [{"type": "redis", "metadata": {"address": "redis:6379", "password": "hunter2"}}]});
        assert_eq!(
            redact_manifest(&manifest),
            json!({"spec": {"containers": [{"name": "online", "image": "a:1", "env": [
                {"name": "TOKEN", "value": "(not shown)"},
                {"name": "EMPTY"},
                {"name": "REFERENCE", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                {"name": names::FEATURE_STORE_YAML_PATH, "value": "/etc/feast/feature_store.yaml"},
            ]}]}, "stringData": {"feature_store.yaml": "a: postgresql://u:(not shown)@h/db\nb: http://h:80/x\nc: ssh://git@h/x\n  api_key: (not shown)\n# a key: b"},
              "args": ["url='https://(not shown)@h/x'"],
              "triggers": [{"type": "redis", "metadata": {"address": "redis:6379", "password": "(not shown)"}}]})
        );
    }

    #[test]
    fn redacts_fields_as_it_does_in_manifests() {
        let variable = |name: &str| json!({"name": name, "value": "hunter2"});
        let hidden = json!([{"name": "A", "value": "(not shown)"}]);
        let trigger = |password: &str| json!({"type": "redis", "metadata": {"password": password}});
        let hidden_trigger = trigger("(not shown)");
        let object = json!({"env": [variable("A")], "triggers": [trigger("hunter2")], "image": "i",
            "args": ["https://hunter2@h/x"]});
        for (field, expected) in [
            (".env", Some(hidden.clone())),
            (".env[name=\"A\"]", Some(hidden[0].clone())),
            (".env[name=\"A\"].value", None),
            (".env[name=\"A\"].name", Some(json!("A"))),
            (".triggers", Some(json!([hidden_trigger]))),
            (".triggers[0]", Some(hidden_trigger.clone())),
            (
                ".triggers[0].metadata",
                Some(hidden_trigger["metadata"].clone()),
            ),
            (".triggers[0].metadata.password", None),
            (".triggers[0].type", Some(json!("redis"))),
            (".image", Some(json!("i"))),
            (".args", Some(json!(["https://(not shown)@h/x"]))),
            (".args[0]", Some(json!("https://(not shown)@h/x"))),
        ] {
            let path = FieldPath::resolve(&object, field).unwrap();
            assert_eq!(
                redact_field(&path, path.get(&object).unwrap()),
                expected,
                "{field}"
            );
        }
    }

    #[test]
    fn is_idempotent() {
        let once = redact_manifest(
            &json!({"env": [{"name": "A", "value": "1"}], "url": "https://a:b@c/d"}),
        );
        assert_eq!(redact_manifest(&once), once);
    }

    #[test]
    fn without_redacted_drops_redacted_fields() {
        let manifest =
            json!({"env": [{"name": "A", "value": "1"}], "args": ["https://a:b@c"], "image": "i"});
        assert_eq!(
            without_redacted(&redact_manifest(&manifest)),
            json!({"env": [{"name": "A"}], "image": "i"})
        );
    }
}
