//! What others have changed, field by field, and who did it.

use serde_json::Value as Json;

use super::lists;
use crate::cluster::ownership::{self, Entry};

/// One field of ours that is not as it was applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// In the API server's notation: `.spec.template.spec.containers[name="online"].image`; empty for the
    /// object as a whole.
    pub field: String,
    /// `None` when the field should not be there.
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

/// The differences between a manifest and the live object as it was projected through it. `manager` is
/// ours, who is nobody's author here.
pub fn changes(mask: &Json, seen: &Json, live: &Json, manager: &str) -> Vec<Change> {
    let others =
        ownership::entries(live).filter(|entry| !(entry.applied && entry.manager == manager));
    let mut walk = Walk {
        changes: Vec::new(),
    };
    let at = Place {
        field: String::new(),
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
    field: String,
    name: &'a str,
    owners: Vec<(Entry<'a>, &'a Json)>,
}

impl<'a> Place<'a> {
    fn member<'b>(&'b self, name: &'b str) -> Place<'b> {
        Place {
            field: format!("{}.{name}", self.field),
            name,
            owners: self.step(|key| key.strip_prefix("f:") == Some(name)),
        }
    }

    fn element<'b>(&'b self, element: &Json, keys: &[&str]) -> Place<'b> {
        let named: Vec<String> = keys
            .iter()
            .filter_map(|key| Some(format!("{key}={}", element.get(key)?)))
            .collect();
        Place {
            field: format!("{}[{}]", self.field, named.join(",")),
            name: self.name,
            owners: self.step(|key| ownership::is_element(key, element)),
        }
    }

    fn step<'b>(&'b self, chosen: impl Fn(&str) -> bool) -> Vec<(Entry<'b>, &'b Json)> {
        let inner = self.owners.iter().filter_map(|(entry, fields)| {
            let mut children = fields.as_object()?.iter();
            let (_, child) = children.find(|(key, _)| chosen(key))?;
            Some((*entry, child))
        });
        inner.collect()
    }

    fn author(&self) -> Option<Author> {
        let (last, _) = self.owners.iter().max_by_key(|(entry, _)| entry.time)?;
        Some(Author {
            manager: last.manager.to_owned(),
            operation: if last.applied { "Apply" } else { "Update" },
            time: last.time.map(str::to_owned),
        })
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
            (Some(Json::Array(wanted)), Some(Json::Array(live))) => {
                match lists::keys(at.name, wanted) {
                    Some(keys) => {
                        for element in wanted {
                            let found = live
                                .iter()
                                .find(|found| lists::is_same(found, element, keys));
                            self.compare(&at.element(element, keys), Some(element), found);
                        }
                    }
                    None => self.add(
                        at,
                        Some(&Json::Array(wanted.clone())),
                        Some(&Json::Array(live.clone())),
                    ),
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
        let container = ".spec.template.spec.containers";
        assert_eq!(
            changes(&mask, &seen, &live, "ours"),
            [
                Change {
                    field: format!("{container}[name=\"online\"].command"),
                    wanted: Some(json!(["feast", "serve"])),
                    live: Some(json!(["sh"])),
                    author: None,
                },
                Change {
                    field: format!("{container}[name=\"online\"].image"),
                    wanted: Some(json!("feast:1")),
                    live: Some(json!("hotfix:1")),
                    author: Some(Author {
                        manager: "kubectl-set".to_owned(),
                        operation: "Update",
                        time: Some("2026-11-24T04:00:00Z".to_owned()),
                    }),
                },
                Change {
                    field: format!("{container}[name=\"offline\"]"),
                    wanted: Some(json!({"name": "offline", "image": "feast:1"})),
                    live: None,
                    author: None,
                },
            ]
        );
    }

    #[test]
    fn an_untouched_object_has_none() {
        let mask = json!({"spec": {"replicas": 3}});
        assert_eq!(changes(&mask, &mask, &mask, "ours"), []);
    }
}
