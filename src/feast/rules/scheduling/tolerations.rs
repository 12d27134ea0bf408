//! Which taints of nodes the pods tolerate.

use k8s_openapi::api::core::v1::Toleration;

use super::super::Violation;
use super::super::accessors::services;
use super::super::labels::valid_key;
use super::word;
use crate::feast::config::FeatureStore;
use crate::schema::Path;

const TOLERATIONS: &str = "services.tolerations";

pub fn tolerations(store: &FeatureStore) -> Vec<Violation> {
    let written = services(store).and_then(|it| it.tolerations.as_ref());
    let list = Path::of(TOLERATIONS);
    (written.into_iter().flatten().enumerate())
        .flat_map(|(index, it)| toleration(&list.index(index), it))
        .collect()
}

fn toleration(path: &Path, toleration: &Toleration) -> Vec<Violation> {
    let Toleration {
        effect,
        key,
        operator,
        toleration_seconds,
        value,
    } = toleration;
    let at = |name: &str| path.attribute(name);
    let mut found = Vec::new();
    let operators = ["Exists", "Equal", "Lt", "Gt"];
    found.extend(word(at("operator"), operator.as_deref(), &operators));
    let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    let written = effect.as_deref().filter(|effect| !effect.is_empty());
    found.extend(word(at("effect"), written, &effects));
    let key = key.as_deref().unwrap_or_default();
    let exists = operator.as_deref() == Some("Exists");
    if key.is_empty() && !exists {
        found.push(Violation::new(
            path.clone(),
            [at("key"), at("operator")],
            "A toleration names the taint's key",
            "Write `key`, or `operator = \"Exists\"` to tolerate every taint.",
        ));
    } else if !key.is_empty() && !valid_key(key) {
        found.push(Violation::new(
            at("key"),
            [at("key")],
            format!("{key:?} is not a valid key of a taint"),
            "Kubernetes wants a name of at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit \
             at both ends; a DNS name and `/` may stand before it.",
        ));
    }
    if exists && value.as_ref().is_some_and(|value| !value.is_empty()) {
        found.push(Violation::new(
            at("value"),
            [at("value"), at("operator")],
            "A toleration with operator Exists has no value",
            "Remove `value`, or write `operator = \"Equal\"`.",
        ));
    }
    if toleration_seconds.is_some() && effect.as_deref() != Some("NoExecute") {
        found.push(Violation::new(
            at("toleration_seconds"),
            [at("toleration_seconds"), at("effect")],
            "Only the effect NoExecute is tolerated for a while",
            "Remove `toleration_seconds`, or write `effect = \"NoExecute\"`.",
        ));
    }
    found
}
