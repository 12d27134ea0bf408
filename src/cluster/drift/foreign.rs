//! What others have added to our objects: reported to those who ask for it, never undone.
//!
//! `metadata.managedFields` says what somebody wrote. What has no owner there is the API server's own default, or was
//! put in on the way by an admission webhook or policy; the two are told apart by what they add: defaults are single
//! fields, never elements of lists, labels or annotations.

use serde_json::{Map, Value as Json};

use super::changes::{Author, Change};
use super::lists;
use crate::cluster::ownership::{self, Entry, FieldPath, FieldStep};
use crate::kubernetes::Kind;

/// Kubernetes itself, doing what the objects ask for.
const KUBERNETES: [&str; 3] = [
    "kube-controller-manager",
    "kube-scheduler",
    "kube-apiserver",
];

/// The fields of the live object that somebody added and the manifest does not name, each with what stands
/// there. `ours` are the managers of this provider.
pub fn foreign(kind: Kind, mask: &Json, live: &Json, ours: &[&str]) -> Vec<Change> {
    let mut walk = Walk {
        kind,
        live,
        found: Vec::new(),
    };
    let root = FieldPath::default();
    for entry in ownership::entries(live).filter(|entry| is_somebody(entry, ours)) {
        walk.written(&root, &Author::from(&entry), entry.fields, Some(mask), live);
    }
    walk.unowned(&root, "", Some(mask), live);
    walk.found
}

fn is_somebody(entry: &Entry<'_>, ours: &[&str]) -> bool {
    entry.subresource.is_none()
        && !KUBERNETES.contains(&entry.manager)
        && !ours.contains(&entry.manager)
}

struct Walk<'a> {
    kind: Kind,
    live: &'a Json,
    found: Vec<Change>,
}

impl Walk<'_> {
    /// What one manager wrote, down to where the manifest has nothing any more: all of that is theirs.
    fn written(
        &mut self,
        at: &FieldPath,
        author: &Author,
        fields: &Json,
        mask: Option<&Json>,
        live: &Json,
    ) {
        let no_children = Map::new();
        for (key, inner) in fields.as_object().unwrap_or(&no_children) {
            let Some(step) = FieldStep::recorded(key) else {
                continue;
            };
            let Some(live) = step.of(live) else {
                continue;
            };
            let below = at.with(step.clone());
            match mask.and_then(|mask| step.of(mask)) {
                Some(mask) => self.written(&below, author, inner, Some(mask), live),
                None if self.is_replica_count(&below) => {}
                None if is_collection(&step, inner) => {
                    self.written(&below, author, inner, None, live);
                }
                None => self.add(below, live, Some(author)),
            }
        }
    }

    /// Elements, labels and annotations that the manifest does not name and nobody wrote.
    fn unowned(&mut self, at: &FieldPath, name: &str, mask: Option<&Json>, live: &Json) {
        match live {
            Json::Object(members) => {
                for (member, inner) in members {
                    let below = at.with(FieldStep::Name(member.clone()));
                    let mask = mask.and_then(|mask| mask.get(member));
                    let may_hold = mask.is_some() || inner.is_array() || is_map(member);
                    if mask.is_none() && is_map(name) {
                        if !is_of_kubernetes(member) {
                            self.add_unowned(below, inner);
                        }
                    } else if may_hold && *member != *"managedFields" && *member != *"status" {
                        self.unowned(&below, member, mask, inner);
                    }
                }
            }
            Json::Array(elements) => {
                let named = mask.and_then(Json::as_array).unwrap_or(elements);
                let Some(keys) = lists::keys(name, named) else {
                    return;
                };
                for element in elements {
                    let step = FieldStep::keyed(element, keys);
                    let below = at.with(step.clone());
                    match mask.and_then(|mask| step.of(mask)) {
                        Some(mask) => self.unowned(&below, "", Some(mask), element),
                        None => self.add_unowned(below, element),
                    }
                }
            }
            _ => {}
        }
    }

    /// The count of pods is somebody else's where the manifest leaves it out.
    fn is_replica_count(&self, field: &FieldPath) -> bool {
        self.kind == Kind::Deployment && *field == FieldPath::of(&["spec", "replicas"])
    }

    fn add_unowned(&mut self, field: FieldPath, value: &Json) {
        let mut entries = ownership::entries(self.live);
        if !entries.any(|entry| ownership::holds(entry.fields, &field)) {
            self.add(field, value, None);
        }
    }

    fn add(&mut self, field: FieldPath, value: &Json, author: Option<&Author>) {
        if let Some(known) = self.found.iter_mut().find(|known| known.field == field) {
            // Several write it: the last is the one to ask.
            let time = |author: Option<&Author>| author.and_then(|author| author.time.clone());
            if time(known.author.as_ref()) < time(author) {
                known.author = author.cloned();
            }
            return;
        }
        self.found.push(Change {
            field,
            wanted: None,
            live: Some(value.clone()),
            author: author.cloned(),
        });
    }
}

/// Whether each of its elements is worth a line of its own: they may be of several authors.
fn is_collection(step: &FieldStep, fields: &Json) -> bool {
    let is_map = matches!(step, FieldStep::Name(name) if is_map(name) || name == "data");
    let children = fields.as_object().into_iter().flat_map(Map::keys);
    let mut children = children.filter(|key| *key != ".").peekable();
    children.peek().is_some() && (is_map || children.all(|key| key.starts_with(['k', 'v'])))
}

fn is_map(name: &str) -> bool {
    name == "labels" || name == "annotations"
}

/// A label or an annotation that Kubernetes puts there by itself.
fn is_of_kubernetes(name: &str) -> bool {
    let domain = name.split_once('/').map(|(domain, _)| domain);
    match domain {
        Some(domain) => domain.ends_with("kubernetes.io") || domain.ends_with("k8s.io"),
        // Of Jobs, from before labels had domains.
        None => name == "controller-uid" || name == "job-name",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(kind: Kind, mask: &Json, live: &Json) -> Vec<String> {
        let found = foreign(kind, mask, live, &["ours", "ours-replicas"]);
        let told = found.iter().map(|change| {
            let author = change.author.as_ref();
            let author = author.map_or("nobody", |author| author.manager.as_str());
            format!(
                "{author} {} {}",
                change.field,
                change.live.as_ref().unwrap()
            )
        });
        told.collect()
    }

    fn entry(manager: &str, operation: &str, subresource: &str, fields: Json) -> Json {
        json!({"manager": manager, "operation": operation, "subresource": subresource,
            "time": "2026-11-24T04:00:00Z", "fieldsV1": fields})
    }

    fn deployment() -> Json {
        json!({"metadata": {"labels": {"feast.dev/name": "x"}}, "spec": {
            "strategy": {"type": "Recreate"},
            "template": {"spec": {"containers": [{"name": "online", "image": "feast:1"}]}}}})
    }

    #[test]
    fn names_what_others_wrote_and_nothing_else() {
        let mask = deployment();
        let mut live = mask.clone();
        live["metadata"]["annotations"] =
            json!({"example.com/note": "hello", "deployment.kubernetes.io/revision": "1"});
        live["spec"]["replicas"] = json!(4);
        live["spec"]["revisionHistoryLimit"] = json!(10);
        live["spec"]["template"]["spec"]["containers"] = json!([
            {"name": "online", "image": "feast:1", "env": [{"name": "INJECTED", "value": "1"}]},
            {"name": "sidecar", "image": "s"}]);
        let sidecar = json!({"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {
            "k:{\"name\":\"online\"}": {".": {}, "f:name": {}, "f:image": {},
                "f:env": {".": {}, "k:{\"name\":\"INJECTED\"}": {".": {}, "f:name": {}, "f:value": {}}}},
            "k:{\"name\":\"sidecar\"}": {".": {}, "f:name": {}, "f:image": {}}}}}}});
        let annotation = |name: &str| json!({"f:metadata": {"f:annotations": {name: {}}}});
        live["metadata"]["managedFields"] = json!([
            entry(
                "ours",
                "Apply",
                "",
                json!({"f:spec": {"f:strategy": {"f:type": {}}}})
            ),
            entry(
                "kubectl-annotate",
                "Update",
                "",
                annotation("f:example.com/note")
            ),
            entry("argocd", "Apply", "", sidecar),
            entry(
                "kubectl",
                "Update",
                "scale",
                json!({"f:spec": {"f:replicas": {}}})
            ),
            entry(
                "kube-controller-manager",
                "Update",
                "status",
                annotation("f:deployment.kubernetes.io/revision")
            ),
        ]);
        let containers = ".spec.template.spec.containers";
        assert_eq!(
            told(Kind::Deployment, &mask, &live),
            [
                "kubectl-annotate .metadata.annotations.example.com/note \"hello\"".to_owned(),
                format!(
                    "argocd {containers}[name=\"online\"].env[name=\"INJECTED\"] {{\"name\":\"INJECTED\",\"value\":\"1\"}}"
                ),
                format!(
                    "argocd {containers}[name=\"sidecar\"] {{\"image\":\"s\",\"name\":\"sidecar\"}}"
                ),
            ]
        );
    }

    /// As an admission policy leaves it: nobody owns what it put in.
    #[test]
    fn what_nobody_wrote_is_told_from_defaults() {
        let mask = deployment();
        let mut live = mask.clone();
        live["metadata"]["annotations"] = json!({"injector.example.com/status": "injected",
            "deployment.kubernetes.io/revision": "1", "feast.dev/applied": "f"});
        live["spec"]["progressDeadlineSeconds"] = json!(600);
        live["spec"]["template"]["spec"] = json!({
            "restartPolicy": "Always",
            "containers": [
                {"name": "online", "image": "feast:1", "terminationMessagePath": "/dev/termination-log",
                 "env": [{"name": "INJECTED", "value": "1"}]},
                {"name": "sidecar", "image": "s", "env": [{"name": "A"}]}],
            "volumes": [{"name": "certificates", "emptyDir": {}}],
        });
        live["status"] = json!({"conditions": [{"type": "Available"}]});
        live["metadata"]["managedFields"] = json!([entry(
            "ours",
            "Apply",
            "",
            json!({"f:metadata": {"f:annotations": {"f:feast.dev/applied": {}}}})
        )]);
        let spec = ".spec.template.spec";
        assert_eq!(
            told(Kind::Deployment, &mask, &live),
            [
                "nobody .metadata.annotations.injector.example.com/status \"injected\"".to_owned(),
                format!(
                    "nobody {spec}.containers[name=\"online\"].env[name=\"INJECTED\"] {{\"name\":\"INJECTED\",\"value\":\"1\"}}"
                ),
                format!(
                    "nobody {spec}.containers[name=\"sidecar\"] {{\"env\":[{{\"name\":\"A\"}}],\"image\":\"s\",\"name\":\"sidecar\"}}"
                ),
                format!(
                    "nobody {spec}.volumes[name=\"certificates\"] {{\"emptyDir\":{{}},\"name\":\"certificates\"}}"
                ),
            ]
        );
    }
}
