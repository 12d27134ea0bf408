//! Upgrade: a stored state as this version of the provider reads it.

use serde_json::Value as Json;

use crate::feast::secrets::manifest_redaction::{
    is_set_by_provider, redact_manifest, redact_variable,
};
use crate::provider::diagnostics;
use crate::schema::Value;
use crate::schema::provider::{UpgradeResourceStateRequest, UpgradeResourceStateResponse};

/// Upgrades a stored state. All versions so far have the same schema version.
pub fn upgrade(request: UpgradeResourceStateRequest) -> UpgradeResourceStateResponse {
    match request.state {
        Ok(mut state) => {
            redact_attributes(&mut state);
            UpgradeResourceStateResponse {
                state,
                diagnostics: Vec::new(),
            }
        }
        Err(reason) => UpgradeResourceStateResponse {
            diagnostics: vec![diagnostics::unreadable_state(&reason)],
            ..UpgradeResourceStateResponse::default()
        },
    }
}

/// Removes values from the attributes `objects` and `drift` that earlier versions showed and this one does not.
fn redact_attributes(state: &mut Value) {
    if let Value::Map(objects) = state.attribute("objects") {
        let texts = objects.iter().map(|(key, text)| {
            let manifest = text
                .as_str()
                .and_then(|text| serde_json::from_str::<Json>(text).ok());
            let text = match manifest {
                Some(manifest) => Value::string(redact_manifest(&manifest).to_string()),
                None => text.clone(),
            };
            (key.clone(), text)
        });
        let texts = Value::Map(texts.collect());
        state.set("objects", texts);
    }
    if let Value::List(entries) = state.attribute("drift") {
        let mut entries = entries.clone();
        entries.iter_mut().for_each(redact_drift_variable);
        state.set("drift", Value::List(entries));
    }
}

/// Removes the value of a variable of the user from an element of `drift`.
fn redact_drift_variable(entry: &mut Value) {
    let field = entry.attribute("field").as_str().unwrap_or_default();
    let Some((_, variable)) = field.split_once(".env[name=\"") else {
        return;
    };
    let Some((name, inner)) = variable.split_once("\"]") else {
        return;
    };
    let (is_value, is_element) = (inner == ".value", inner.is_empty());
    if is_set_by_provider(&Json::from(name)) || !(is_value || is_element) {
        return;
    }
    for attribute in ["wanted", "live"] {
        let text = entry.attribute(attribute).as_str();
        let element = text
            .filter(|_| is_element)
            .and_then(|text| serde_json::from_str::<Json>(text).ok());
        let value = element.map_or(Value::Null, |element| {
            Value::string(redact_variable(&element).to_string())
        });
        entry.set(attribute, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::provider::resources::feature_store::testing::{block, stored, value};

    /// A state whose `objects` does not show the value of the variable `A`.
    fn state() -> Value {
        let block = block();
        let json = json!({
            "name": "x", "namespace": "ns", "feastProject": "p",
            "services": {"onlineStore": {"server": {"env": [{"name": "A", "value": "b"}]}}},
        });
        stored(&block, &value(&block, &json)).state
    }

    #[test]
    fn hides_what_earlier_versions_showed() {
        let mut earlier = state();
        let shown = earlier.attribute("objects").clone();
        let manifest = json!({"spec": {"env": [{"name": "A", "value": "b"}]}});
        let objects = [(
            "Deployment/a".to_owned(),
            Value::string(manifest.to_string()),
        )];
        earlier.set("objects", Value::Map(objects.into()));
        let entry = |field: &str, wanted: Value| {
            let fields = [
                ("field", Value::string(field)),
                ("wanted", wanted),
                ("live", Value::Null),
            ];
            let fields = fields.map(|(name, value)| (name.to_owned(), value));
            Value::Object(fields.into())
        };
        let (env, image) = (".spec.env[name=\"A\"].value", ".spec.image");
        let wanted = Value::string("b");
        let drift = [entry(env, wanted.clone()), entry(image, wanted.clone())];
        earlier.set("drift", Value::List(drift.into()));
        redact_attributes(&mut earlier);
        let manifest = json!({"spec": {"env": [{"name": "A", "value": "(not shown)"}]}});
        let objects = [(
            "Deployment/a".to_owned(),
            Value::string(manifest.to_string()),
        )];
        assert_eq!(earlier.attribute("objects"), &Value::Map(objects.into()));
        let drift = [entry(env, Value::Null), entry(image, wanted)];
        assert_eq!(earlier.attribute("drift"), &Value::List(drift.into()));

        // A state of this version stays as it is.
        let mut current = state();
        let variable = json!({"name": "A", "value": "(not shown)"}).to_string();
        let drift = [
            entry(".spec.env[name=\"HOME\"].value", Value::string("/home")),
            entry(".spec.env[name=\"A\"].valueFrom.name", Value::string("s")),
            entry(".spec.env[name=\"A\"]", Value::string(variable)),
        ];
        let drift = Value::List(drift.into());
        current.set("drift", drift.clone());
        redact_attributes(&mut current);
        assert_eq!(current.attribute("objects"), &shown);
        assert_eq!(current.attribute("drift"), &drift);
    }
}
