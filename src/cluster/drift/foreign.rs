//! What others have added to our objects: reported to those who ask for it, never undone.
//!
//! `metadata.managedFields` says what somebody wrote; what the API server filled in by itself has no owner there.

use serde_json::{Map, Value as Json};

use super::changes::{Author, Change};
use crate::cluster::ownership::{self, Entry, FieldPath, FieldStep};
use crate::feast::objects::Kind;

/// Kubernetes itself, doing what the objects ask for.
const KUBERNETES: [&str; 3] = [
    "kube-controller-manager",
    "kube-scheduler",
    "kube-apiserver",
];

/// The fields of the live object that somebody wrote and the manifest does not name, each with what stands
/// there. `ours` are the managers of this provider.
pub fn foreign(kind: Kind, mask: &Json, live: &Json, ours: &[&str]) -> Vec<Change> {
    let mut found = Vec::new();
    for entry in ownership::entries(live).filter(|entry| counts(kind, entry, ours)) {
        let mut walk = Walk {
            kind,
            author: Author::from(&entry),
            found: &mut found,
        };
        walk.descend(&FieldPath::default(), entry.fields, Some(mask), live);
    }
    found
}

fn counts(kind: Kind, entry: &Entry<'_>, ours: &[&str]) -> bool {
    let is_ours = ours.contains(&entry.manager);
    // What admission adds to our own write is recorded as an update of ours; to a claim, Kubernetes' own plugins
    // add their storage class and their finalizer.
    let is_admission = is_ours && !entry.applied && kind != Kind::PersistentVolumeClaim;
    entry.subresource.is_none()
        && !KUBERNETES.contains(&entry.manager)
        && (!is_ours || is_admission)
}

struct Walk<'a> {
    kind: Kind,
    author: Author,
    found: &'a mut Vec<Change>,
}

impl Walk<'_> {
    /// Down to where the manifest has nothing any more: all of that is theirs.
    fn descend(&mut self, at: &FieldPath, fields: &Json, mask: Option<&Json>, live: &Json) {
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
                Some(mask) => self.descend(&below, inner, Some(mask), live),
                None if self.is_replica_count(mask, &step) => {}
                None if is_collection(&step, inner) => self.descend(&below, inner, None, live),
                None => self.add(below, live),
            }
        }
    }

    /// The count of pods is somebody else's where the manifest leaves it out.
    fn is_replica_count(&self, mask: Option<&Json>, step: &FieldStep) -> bool {
        self.kind == Kind::Deployment
            && *step == FieldStep::Name("replicas".to_owned())
            && mask.is_some_and(|mask| mask.get("template").is_some())
    }

    fn add(&mut self, field: FieldPath, live: &Json) {
        if let Some(known) = self.found.iter_mut().find(|known| known.field == field) {
            // Several write it: the last is the one to ask.
            if known
                .author
                .as_ref()
                .is_none_or(|known| known.time < self.author.time)
            {
                known.author = Some(self.author.clone());
            }
            return;
        }
        self.found.push(Change {
            field,
            wanted: None,
            live: Some(live.clone()),
            author: Some(self.author.clone()),
        });
    }
}

/// Whether each of its elements is worth a line of its own: they may be of several authors.
fn is_collection(step: &FieldStep, fields: &Json) -> bool {
    let maps = ["labels", "annotations", "data"];
    let is_map = matches!(step, FieldStep::Name(name) if maps.contains(&name.as_str()));
    let children = fields.as_object().into_iter().flat_map(Map::keys);
    let mut children = children.filter(|key| *key != ".").peekable();
    children.peek().is_some() && (is_map || children.all(|key| key.starts_with(['k', 'v'])))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_what_others_added_and_nothing_else() {
        let mask = json!({"metadata": {"labels": {"feast.dev/name": "x"}}, "spec": {
            "strategy": {"type": "Recreate"},
            "template": {"spec": {"containers": [{"name": "online", "image": "feast:1"}]}}}});
        let mut live = mask.clone();
        live["metadata"]["annotations"] =
            json!({"example.com/note": "hello", "deployment.kubernetes.io/revision": "1"});
        live["spec"]["replicas"] = json!(4);
        live["spec"]["revisionHistoryLimit"] = json!(10);
        live["spec"]["template"]["spec"]["containers"] = json!([
            {"name": "online", "image": "feast:1", "env": [{"name": "INJECTED", "value": "1"}]},
            {"name": "sidecar", "image": "s"}]);
        let entry = |manager: &str, operation: &str, subresource: &str, fields: Json| {
            json!({"manager": manager, "operation": operation, "subresource": subresource,
                "time": "2026-11-24T04:00:00Z", "fieldsV1": fields})
        };
        let sidecar = json!({"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {
            "k:{\"name\":\"online\"}": {".": {}, "f:name": {}, "f:image": {},
                "f:env": {".": {}, "k:{\"name\":\"INJECTED\"}": {".": {}, "f:name": {}, "f:value": {}}}},
            "k:{\"name\":\"sidecar\"}": {".": {}, "f:name": {}, "f:image": {}}}}}}});
        live["metadata"]["managedFields"] = json!([
            entry(
                "ours",
                "Apply",
                "",
                json!({"f:spec": {"f:strategy": {"f:type": {}}}})
            ),
            entry(
                "ours",
                "Update",
                "",
                json!({"f:metadata": {"f:annotations": {"f:example.com/note": {}}}})
            ),
            entry("injector", "Update", "", sidecar),
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
                json!({"f:metadata": {"f:annotations": {"f:deployment.kubernetes.io/revision": {}}}})
            ),
        ]);
        let found = foreign(Kind::Deployment, &mask, &live, &["ours", "ours-replicas"]);
        let told: Vec<String> = (found.iter())
            .map(|change| {
                let author = change.author.as_ref().unwrap();
                let live = change.live.as_ref().unwrap();
                format!("{} {} {}", author.manager, change.field, live)
            })
            .collect();
        let online = ".spec.template.spec.containers[name=\"online\"]";
        assert_eq!(
            told,
            [
                "ours .metadata.annotations.example.com/note \"hello\"".to_owned(),
                format!("injector {online}.env[name=\"INJECTED\"] {{\"name\":\"INJECTED\",\"value\":\"1\"}}"),
                "injector .spec.template.spec.containers[name=\"sidecar\"] {\"image\":\"s\",\"name\":\"sidecar\"}".to_owned(),
            ]
        );
    }
}
