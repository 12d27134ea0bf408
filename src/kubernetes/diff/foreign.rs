//! Fields that others have added to an object. They are reported, never removed.
//!
//! `metadata.managedFields` names the writer of a field. A field without an owner is a default of the API server, or an
//! admission webhook or policy has added it. The two are told apart by what they add: defaults are single fields, never
//! list elements, labels or annotations.

use serde_json::{Value as Json, json};

use super::FieldChange;
use crate::kubernetes::field_path::{FieldPath, FieldStep};
use crate::kubernetes::field_set::FieldSet;
use crate::kubernetes::kind::Kind;
use crate::kubernetes::list_keys::list_keys;
use crate::kubernetes::managed_fields::{Author, Entry, ManagedFields};

/// The field managers of Kubernetes itself, and that of OpenShift's service CA, which does what an annotation of the
/// provider asks for.
const KUBERNETES: [&str; 4] = [
    "kube-controller-manager",
    "kube-scheduler",
    "kube-apiserver",
    "service-ca-operator",
];

/// Returns the fields of the live object that others have added and the manifest does not name. `own` are the managers
/// of this provider.
pub fn foreign(kind: Kind, desired: &Json, live: &Json, own: &[&str]) -> Vec<FieldChange> {
    let managed = ManagedFields::of(live);
    let mut foreign = Foreign {
        live,
        changes: Vec::new(),
    };
    for entry in managed.iter().filter(|entry| is_other(entry, own)) {
        for (field, _) in entry.fields().not_in_manifest(desired, is_collection) {
            // A Deployment whose manifest leaves out the replica count leaves it to others.
            let is_replica_count =
                kind == Kind::Deployment && field == FieldPath::of(&["spec", "replicas"]);
            if !is_replica_count {
                foreign.add(field, Some(Author::from(entry)));
            }
        }
    }
    let unowned = Unowned {
        managed: &managed,
        fields: Vec::new(),
    };
    for field in unowned.of(desired, live) {
        foreign.add(field, None);
    }
    foreign.changes
}

fn is_other(entry: &Entry<'_>, own: &[&str]) -> bool {
    entry.subresource.is_none()
        && !KUBERNETES.contains(&entry.manager)
        && !own.contains(&entry.manager)
}

struct Foreign<'a> {
    live: &'a Json,
    changes: Vec<FieldChange>,
}

impl Foreign<'_> {
    /// Adds a field of the live object. If several managers own it, the last one is its author.
    fn add(&mut self, field: FieldPath, author: Option<Author>) {
        let Some(value) = field.get(self.live) else {
            return;
        };
        match self.changes.iter_mut().find(|change| change.field == field) {
            Some(change) => {
                let time = |author: &Option<Author>| author.as_ref()?.time.clone();
                if time(&change.author) < time(&author) {
                    change.author = author;
                }
            }
            None => self.changes.push(FieldChange {
                wanted: None,
                live: Some(value.clone()),
                field,
                author,
            }),
        }
    }
}

/// Finds list elements, labels and annotations that the manifest does not name and no manager owns.
struct Unowned<'a> {
    managed: &'a ManagedFields<'a>,
    fields: Vec<FieldPath>,
}

impl Unowned<'_> {
    fn of(mut self, desired: &Json, live: &Json) -> Vec<FieldPath> {
        let recorded = self.managed.all();
        self.collect(
            &FieldPath::default(),
            "",
            Some(desired),
            live,
            Some(&recorded),
        );
        self.fields
    }

    fn collect(
        &mut self,
        path: &FieldPath,
        name: &str,
        desired: Option<&Json>,
        live: &Json,
        recorded: Option<&FieldSet>,
    ) {
        let below = |step: &FieldStep| recorded.and_then(|recorded| recorded.child(step));
        match live {
            Json::Object(members) => {
                for (member, inner) in members {
                    let step = FieldStep::Name(member.clone());
                    let (path, recorded) = (path.with(step.clone()), below(&step));
                    let desired = desired.and_then(|desired| desired.get(member));
                    let may_hold = desired.is_some() || inner.is_array() || is_map(member);
                    if desired.is_none() && is_map(name) {
                        if !is_of_kubernetes(member) {
                            self.add(path);
                        }
                    } else if may_hold && *member != *"managedFields" && *member != *"status" {
                        self.collect(&path, member, desired, inner, recorded);
                    }
                }
            }
            Json::Array(elements) => {
                let named = desired.and_then(Json::as_array).unwrap_or(elements);
                let Some(keys) = list_keys(recorded, name, named) else {
                    return;
                };
                for element in elements {
                    let step = FieldStep::keyed(element, &keys);
                    let (path, recorded) = (path.with(step.clone()), below(&step));
                    match desired.and_then(|desired| step.get(desired)) {
                        Some(desired) => {
                            self.collect(&path, "", Some(desired), element, recorded);
                        }
                        None => self.add(path),
                    }
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, field: FieldPath) {
        if self.managed.owners(&field).next().is_none() {
            self.fields.push(field);
        }
    }
}

/// Returns whether each element of the field is an entry of its own, because the elements can have several authors.
fn is_collection(step: &FieldStep, fields: &FieldSet) -> bool {
    let is_map = matches!(step, FieldStep::Name(name) if is_map(name) || name == "data");
    let is_element =
        |(step, _): (&FieldStep, _)| matches!(step, FieldStep::Keys(_) | FieldStep::Value(_));
    !fields.is_empty() && (is_map || fields.children().all(is_element))
}

fn is_map(name: &str) -> bool {
    name == "labels" || name == "annotations"
}

/// Returns whether Kubernetes itself sets the label or annotation.
fn is_of_kubernetes(name: &str) -> bool {
    match name.split_once('/') {
        Some((domain, _)) => domain.ends_with("kubernetes.io") || domain.ends_with("k8s.io"),
        // Labels of Jobs that are older than label prefixes.
        None => name == "controller-uid" || name == "job-name",
    }
}

/// Returns the manifest, extended by the list elements (containers, volumes, environment variables) that `fields` names
/// and the live object has. An added element consists of its keys alone, because its values can be secret.
pub fn with_foreign_elements(manifest: &Json, live: &Json, fields: &FieldSet) -> Json {
    let mut extended = manifest.clone();
    for (field, _) in fields.not_in_manifest(manifest, FieldSet::is_object) {
        let [holder @ .., FieldStep::Name(list), FieldStep::Keys(keys)] = field.steps() else {
            continue;
        };
        let holder = FieldPath::from(holder.to_vec());
        if field.get(live).is_none() || holder.get(manifest).is_none() {
            continue;
        }
        let list = holder.with(FieldStep::Name(list.clone()));
        if list.get(&extended).is_none() {
            list.replace(&mut extended, Some(&json!([])));
        }
        let element = Json::Object(keys.iter().cloned().collect());
        field.replace(&mut extended, Some(&element));
    }
    extended
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubernetes::diff::project;

    fn lines(kind: Kind, desired: &Json, live: &Json) -> Vec<String> {
        let changes = foreign(kind, desired, live, &["ours", "ours-replicas"]);
        let lines = changes.iter().map(|change| {
            let author = change.author.as_ref();
            let author = author.map_or("unowned", |author| author.manager.as_str());
            format!(
                "{author} {} {}",
                change.field,
                change.live.as_ref().unwrap()
            )
        });
        lines.collect()
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
    fn fields_of_other_managers_are_foreign() {
        let desired = deployment();
        let mut live = desired.clone();
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
            lines(Kind::Deployment, &desired, &live),
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

    /// An admission policy or webhook adds fields without an owner.
    #[test]
    fn unowned_elements_and_annotations_are_foreign_and_defaults_are_not() {
        let desired = deployment();
        let mut live = desired.clone();
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
            lines(Kind::Deployment, &desired, &live),
            [
                "unowned .metadata.annotations.injector.example.com/status \"injected\"".to_owned(),
                format!(
                    "unowned {spec}.containers[name=\"online\"].env[name=\"INJECTED\"] {{\"name\":\"INJECTED\",\"value\":\"1\"}}"
                ),
                format!(
                    "unowned {spec}.containers[name=\"sidecar\"] {{\"env\":[{{\"name\":\"A\"}}],\"image\":\"s\",\"name\":\"sidecar\"}}"
                ),
                format!(
                    "unowned {spec}.volumes[name=\"certificates\"] {{\"emptyDir\":{{}},\"name\":\"certificates\"}}"
                ),
            ]
        );
    }

    #[test]
    fn foreign_elements_show_their_keys_and_not_their_values() {
        let desired = json!({"containers": [{"name": "online", "image": "feast:1"}]});
        let live = json!({
            "containers": [
                {"name": "online", "image": "feast:1", "env": [
                    {"name": "YAML", "value": "secret"},
                    {"name": "OTHERS", "value": "other"},
                ]},
                {"name": "sidecar"},
            ],
            "volumes": [{"name": "data", "emptyDir": {}}],
            "dnsPolicy": "ClusterFirst",
        });
        let fields = json!({
            "f:containers": {"k:{\"name\":\"online\"}": {".": {}, "f:image": {}, "f:env": {
                ".": {}, "k:{\"name\":\"YAML\"}": {".": {}, "f:name": {}, "f:value": {}}}}},
            "f:volumes": {"k:{\"name\":\"data\"}": {".": {}, "f:emptyDir": {}}},
            "f:dnsPolicy": {},
        });
        let extended = with_foreign_elements(&desired, &live, &FieldSet::parse(&fields));
        assert_eq!(
            extended,
            json!({
                "containers": [{"name": "online", "image": "feast:1", "env": [{"name": "YAML"}]}],
                "volumes": [{"name": "data"}],
            })
        );
        assert_eq!(project(&extended, &live), extended);
    }
}
