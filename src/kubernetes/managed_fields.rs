//! `metadata.managedFields`: the fields that each manager has set in an object.
//!
//! # Assumptions
//!
//! The API server keeps the record. A user, a backup or a migration can reset it, so a missing entry does not prove
//! that a manager never wrote a field.
//!
//! # Caveats
//!
//! - Times have a precision of one second, and an entry has one time for all its fields: the last writer is an
//!   estimate.
//! - A removed field has no owner.

use std::sync::OnceLock;

use serde_json::{Value as Json, json};

use super::field_path::{FieldPath, FieldStep};
use super::field_set::FieldSet;

/// The kind of write that set the fields of a manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Server-side apply.
    Apply,
    /// Any other write: create, update, or another kind of patch.
    Update,
}

impl Operation {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// The fields of one manager in one object.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    pub manager: &'a str,
    pub operation: Operation,
    /// The subresource through which the fields were written, such as `scale` or `status`.
    pub subresource: Option<&'a str>,
    pub api_version: &'a str,
    /// The time of the last write, RFC 3339.
    pub time: Option<&'a str>,
    /// Parsed when they are first needed: most readers look at the fields of one manager.
    fields: OnceLock<FieldSet>,
    /// The entry in the object.
    json: &'a Json,
}

impl PartialEq for Entry<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

impl<'a> Entry<'a> {
    fn parse(json: &'a Json) -> Self {
        let subresource = json["subresource"].as_str();
        Self {
            manager: json["manager"].as_str().unwrap_or_default(),
            operation: match json["operation"] == "Apply" {
                true => Operation::Apply,
                false => Operation::Update,
            },
            subresource: subresource.filter(|text| !text.is_empty()),
            api_version: json["apiVersion"].as_str().unwrap_or_default(),
            time: json["time"].as_str(),
            fields: OnceLock::new(),
            json,
        }
    }

    pub fn fields(&self) -> &FieldSet {
        (self.fields).get_or_init(|| FieldSet::parse(&self.json["fieldsV1"]))
    }

    /// Returns whether it is what the manager has applied to the object itself, not to a subresource.
    pub fn is_apply_by(&self, manager: &str) -> bool {
        self.operation == Operation::Apply && self.subresource.is_none() && self.manager == manager
    }

    /// Returns the entry as in the object.
    pub fn to_json(&self) -> Json {
        self.json.clone()
    }

    /// Returns the entry with other fields.
    pub fn with_fields(&self, fields: &FieldSet) -> Json {
        let mut entry = self.json.clone();
        entry["fieldsV1"] = fields.to_json();
        entry
    }
}

/// Returns a new entry for fields that a manager has applied.
pub fn apply_entry(manager: &str, api_version: &str, fields: &FieldSet) -> Json {
    json!({
        "manager": manager,
        "operation": Operation::Apply.as_str(),
        "apiVersion": api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields.to_json(),
    })
}

/// The last writer of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    pub manager: String,
    pub operation: Operation,
    /// RFC 3339.
    pub time: Option<String>,
}

impl From<&Entry<'_>> for Author {
    fn from(entry: &Entry<'_>) -> Self {
        Self {
            manager: entry.manager.to_owned(),
            operation: entry.operation,
            time: entry.time.map(str::to_owned),
        }
    }
}

/// All entries of an object.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ManagedFields<'a>(Vec<Entry<'a>>);

impl<'a> ManagedFields<'a> {
    pub fn of(object: &'a Json) -> Self {
        let entries = object["metadata"]["managedFields"].as_array();
        Self(entries.into_iter().flatten().map(Entry::parse).collect())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.0.iter()
    }

    /// Returns the fields that the manager has applied.
    pub fn applied_by(&self, manager: &str) -> Option<&FieldSet> {
        let mut entries = self.iter();
        let entry = entries.find(|entry| entry.is_apply_by(manager))?;
        Some(entry.fields())
    }

    /// Returns the entries that have the field.
    pub fn owners(&self, field: &FieldPath) -> impl Iterator<Item = &Entry<'a>> {
        self.iter().filter(|entry| entry.fields().contains(field))
    }

    /// Returns the fields of one manager below the path, if it has recorded elements of a keyed list there.
    pub fn keyed_list(&self, path: &[FieldStep]) -> Option<&FieldSet> {
        let mut lists = (self.0.iter())
            .filter_map(|entry| path.iter().try_fold(entry.fields(), FieldSet::child));
        lists.find(|list| list.list_keys().is_some())
    }

    /// Returns the fields of all managers.
    pub fn all(&self) -> FieldSet {
        FieldSet::union(self.iter().map(Entry::fields))
    }
}

/// Returns the manager that wrote last, according to the record.
pub fn last_writer<'e, 'a: 'e>(entries: impl Iterator<Item = &'e Entry<'a>>) -> Option<Author> {
    entries.max_by_key(|entry| entry.time).map(Author::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_name_manager_operation_and_subresource() {
        let replicas = json!({"f:spec": {"f:replicas": {}}});
        let object = json!({"metadata": {"managedFields": [
            {"manager": "ours", "operation": "Apply", "fieldsV1": replicas, "time": "2026-08-21T10:00:00Z"},
            {"manager": "kubectl", "operation": "Update", "subresource": "scale", "fieldsV1": replicas,
                "time": "2026-08-22T10:00:00Z"},
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status",
                "fieldsV1": {"f:status": {}}},
        ]}});
        let managed = ManagedFields::of(&object);
        let field = FieldPath::of(&["spec", "replicas"]);
        let owners: Vec<_> = (managed.owners(&field))
            .map(|entry| (entry.manager, entry.operation, entry.subresource))
            .collect();
        assert_eq!(
            owners,
            [
                ("ours", Operation::Apply, None),
                ("kubectl", Operation::Update, Some("scale"))
            ]
        );
        let author = last_writer(managed.owners(&field)).unwrap();
        assert_eq!(author.manager, "kubectl");
        assert_eq!(
            managed.applied_by("ours"),
            Some(&FieldSet::parse(&replicas))
        );
        assert_eq!(managed.applied_by("kubectl"), None);
    }

    #[test]
    fn an_object_without_a_record_has_no_entries() {
        assert_eq!(ManagedFields::of(&json!({})), ManagedFields::default());
    }
}
