//! What others have changed, field by field, and who did it.

use serde_json::Value as Json;

use super::lists;
use crate::cluster::ownership::{self, Entry, FieldPath, FieldStep};

/// One field of ours that is not as it was applied, or one of others.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Empty for the object as a whole.
    pub field: FieldPath,
    /// `None` when the field is not ours.
    pub wanted: Option<Json>,
    /// `None` when it is gone.
    pub live: Option<Json>,
    /// Who wrote it last, when the API server knows: a field that was taken away has no owner.
    pub author: Option<Author>,
}

/// Who wrote a field (`metadata.managedFields`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: &'static str,
    /// RFC 3339.
    pub time: Option<String>,
}

impl From<&Entry<'_>> for Author {
    fn from(entry: &Entry<'_>) -> Self {
        Self {
            manager: entry.manager.to_owned(),
            operation: if entry.applied { "Apply" } else { "Update" },
            time: entry.time.map(str::to_owned),
        }
    }
}

impl Author {
    /// Who wrote the field at the path last.
    pub fn of(live: &Json, path: &FieldPath) -> Option<Self> {
        let holders = ownership::entries(live).filter(|entry| ownership::holds(entry.fields, path));
        holders
            .max_by_key(|entry| entry.time)
            .as_ref()
            .map(Self::from)
    }
}

/// The differences between a manifest and the live object as it was projected through it. `manager` is
/// ours, who is nobody's author here.
pub fn changes(mask: &Json, seen: &Json, live: &Json, manager: &str) -> Vec<Change> {
    let others =
        ownership::entries(live).filter(|entry| !(entry.applied && entry.manager == manager));
    let mut walk = Walk {
        changes: Vec::new(),
    };
    let at = Place {
        field: FieldPath::default(),
        name: "",
        owners: others.map(|entry| (entry, entry.fields)).collect(),
    };
    walk.compare(&at, Some(mask), Some(seen));
    walk.changes
}

struct Walk {
    changes: Vec<Change>,
}

/// A field on the way down, with what each other manager owns from here on.
struct Place<'a> {
    field: FieldPath,
    name: &'a str,
    owners: Vec<(Entry<'a>, &'a Json)>,
}

impl<'a> Place<'a> {
    fn member<'b>(&'b self, name: &'b str) -> Place<'b> {
        Place {
            name,
            ..self.at(FieldStep::Name(name.to_owned()))
        }
    }

    fn element<'b>(&'b self, element: &Json, keys: &[&str]) -> Place<'b> {
        self.at(FieldStep::keyed(element, keys))
    }

    fn at(&self, step: FieldStep) -> Place<'_> {
        let owners = self.owners.iter().filter_map(|(entry, fields)| {
            let inner = ownership::below(fields, &step)?;
            Some((*entry, inner))
        });
        Place {
            owners: owners.collect(),
            field: self.field.with(step),
            name: self.name,
        }
    }

    fn author(&self) -> Option<Author> {
        let (last, _) = self.owners.iter().max_by_key(|(entry, _)| entry.time)?;
        Some(Author::from(last))
    }
}

impl Walk {
    fn compare(&mut self, at: &Place<'_>, wanted: Option<&Json>, live: Option<&Json>) {
        if wanted == live {
            return;
        }
        match (wanted, live) {
            (Some(Json::Object(wanted)), Some(Json::Object(live))) => {
                for (name, inner) in wanted {
                    self.compare(&at.member(name), Some(inner), live.get(name));
                }
            }
            (Some(Json::Array(elements)), Some(Json::Array(found))) => {
                match lists::keys(at.name, elements) {
                    Some(keys) => {
                        for element in elements {
                            let found =
                                (found.iter()).find(|found| lists::is_same(found, element, keys));
                            self.compare(&at.element(element, keys), Some(element), found);
                        }
                    }
                    None if lists::is_place_by_place(at.name, elements, found) => {
                        for (position, pair) in elements.iter().zip(found).enumerate() {
                            let at = at.at(FieldStep::Index(position));
                            self.compare(&at, Some(pair.0), Some(pair.1));
                        }
                    }
                    None => self.add(at, wanted, live),
                }
            }
            _ => self.add(at, wanted, live),
        }
    }

    fn add(&mut self, at: &Place<'_>, wanted: Option<&Json>, live: Option<&Json>) {
        self.changes.push(Change {
            field: at.field.clone(),
            wanted: wanted.cloned(),
            live: live.cloned(),
            author: at.author(),
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::drift::project;

    #[test]
    fn names_the_field_both_values_and_the_author() {
        let mask = json!({"spec": {"replicas": 3, "template": {"spec": {"containers": [
            {"name": "online", "image": "feast:1", "command": ["feast", "serve"]},
            {"name": "offline", "image": "feast:1"},
        ]}}}});
        let mut live = mask.clone();
        live["spec"]["template"]["spec"]["containers"][0]["image"] = json!("hotfix:1");
        live["spec"]["template"]["spec"]["containers"][0]["command"] = json!(["sh"]);
        live["spec"]["template"]["spec"]["containers"][1] = json!({"name": "sidecar"});
        live["metadata"] = json!({"managedFields": [
            {"manager": "ours", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            {"manager": "kubectl-set", "operation": "Update", "time": "2026-11-24T04:00:00Z", "fieldsV1":
                {"f:spec": {"f:template": {"f:spec": {"f:containers": {
                    "k:{\"name\":\"online\"}": {"f:image": {}}}}}}}},
        ]});
        let seen = project(&mask, &live);
        let field = |text: &str| {
            FieldPath::resolve(&mask, &format!(".spec.template.spec.containers{text}")).unwrap()
        };
        assert_eq!(
            changes(&mask, &seen, &live, "ours"),
            [
                Change {
                    field: field("[name=\"online\"].command"),
                    wanted: Some(json!(["feast", "serve"])),
                    live: Some(json!(["sh"])),
                    author: None,
                },
                Change {
                    field: field("[name=\"online\"].image"),
                    wanted: Some(json!("feast:1")),
                    live: Some(json!("hotfix:1")),
                    author: Some(Author {
                        manager: "kubectl-set".to_owned(),
                        operation: "Update",
                        time: Some("2026-11-24T04:00:00Z".to_owned()),
                    }),
                },
                Change {
                    field: field("[name=\"offline\"]"),
                    wanted: Some(json!({"name": "offline", "image": "feast:1"})),
                    live: None,
                    author: None,
                },
            ]
        );
    }

    #[test]
    fn goes_into_lists_that_are_owned_as_a_whole() {
        let metric = |name: &str, target: i32| json!({"type": "Resource", "resource": {"name": name, "target": {"averageUtilization": target}}});
        let live = |metrics: &[Json]| {
            json!({"spec": {"metrics": metrics}, "metadata": {"managedFields": [
                {"manager": "kubectl-edit", "operation": "Update", "time": "2026-11-24T04:00:00Z",
                 "fieldsV1": {"f:spec": {"f:metrics": {}}}}]}})
        };
        let told = |wanted: &[Json], metrics: &[Json]| {
            let mask = json!({"spec": {"metrics": wanted}});
            let live = live(metrics);
            let changes = changes(&mask, &project(&mask, &live), &live, "ours");
            let told: Vec<String> = (changes.iter())
                .map(|change| {
                    let author = change.author.as_ref().unwrap();
                    format!("{} by {}", change.field, author.manager)
                })
                .collect();
            told
        };
        let wanted = [metric("cpu", 70), metric("memory", 70)];
        assert_eq!(
            told(&wanted, &[metric("memory", 90), metric("cpu", 70)]),
            [".spec.metrics[1].resource.target.averageUtilization by kubectl-edit"]
        );
        assert_eq!(
            told(&wanted, &[metric("memory", 90)]),
            [".spec.metrics by kubectl-edit"]
        );
        assert_eq!(
            told(&wanted, &[metric("memory", 70), metric("disk", 70)]),
            [".spec.metrics by kubectl-edit"]
        );
    }

    #[test]
    fn an_untouched_object_has_none() {
        let mask = json!({"spec": {"replicas": 3}});
        assert_eq!(changes(&mask, &mask, &mask, "ours"), []);
    }
}
