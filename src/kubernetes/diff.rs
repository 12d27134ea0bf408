//! The difference between a manifest and a live object.
//!
//! [`project`], [`changes`] and [`is_applied`] are views of one walk over both. [`foreign::foreign`] and
//! [`dropped::dropped`] start from `metadata.managedFields`.
//!
//! - [`project`] is the live object, reduced to the fields of the manifest. An untouched object projects to exactly the
//!   manifest.
//! - [`changes`] are the fields of the manifest that have another value, with their authors (drift).
//! - [`is_applied`] tells whether an apply of the manifest would change nothing.
//! - [`foreign::foreign`] are the fields that others have added.
//! - [`dropped::dropped`] are the fields of an earlier manifest that a new one leaves out.
//!
//! # Guarantees
//!
//! Fields that the manifest does not name (defaults of the API server, fields and list elements of others) never show.
//! Values that mean the same are equal: `1` and `1000m`, another order of metrics, an empty list and none.

pub mod dropped;
pub mod foreign;

mod equality;
mod lists;

use serde_json::{Map, Value as Json};

use super::field_path::{FieldPath, FieldStep};
use super::list_keys::{is_same_element, list_keys};
use super::managed_fields::{Author, ManagedFields, last_writer};
use lists::{Pair, UNORDERED};

/// A field that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldChange {
    /// Empty for the object as a whole.
    pub field: FieldPath,
    /// `None` if the manifest does not have the field.
    pub wanted: Option<Json>,
    /// `None` if the live object does not have the field.
    pub live: Option<Json>,
    /// The last writer, if the API server has recorded one. A removed field has none.
    pub author: Option<Author>,
}

/// Returns the live object, reduced to the fields of the manifest. Where a live value means the same as the desired
/// one, it has the text of the desired one.
pub fn project(desired: &Json, live: &Json) -> Json {
    Walk::new(live).value(desired, live)
}

/// Returns the fields of the manifest that the live object lacks or has another value for. `manager` is never the
/// author of a change.
pub fn changes(desired: &Json, live: &Json, manager: &str) -> Vec<FieldChange> {
    let mut walk = Walk::new(live);
    walk.value(desired, live);
    for change in &mut walk.changes {
        let owners = walk.managed.owners(&change.field);
        change.author = last_writer(owners.filter(|entry| !entry.is_apply_by(manager)));
    }
    walk.changes
}

/// Returns whether an apply of the manifest by `manager` would change nothing: the live object has the desired values,
/// and the manager owns the fields of the manifest and no others.
pub fn is_applied(manifest: &Json, live: &Json, manager: &str) -> bool {
    let managed = ManagedFields::of(live);
    let applied = managed.applied_by(manager);
    applied.is_some_and(|fields| fields.is_exactly(manifest))
        && project(manifest, live) == *manifest
}

/// Returns whether both objects have the field, with values that mean the same. `text` is in the notation of the API
/// server.
pub fn agrees(desired: &Json, live: &Json, text: &str) -> bool {
    let live = project(desired, live);
    let live = FieldPath::find(&live, text);
    live.is_some() && live == FieldPath::find(desired, text)
}

/// A walk over a manifest and a live object. Its result is the projection; on the way it notes the changes.
struct Walk<'a> {
    /// The record of the live object.
    managed: ManagedFields<'a>,
    path: Vec<FieldStep>,
    changes: Vec<FieldChange>,
}

impl<'a> Walk<'a> {
    fn new(live: &'a Json) -> Self {
        Self {
            managed: ManagedFields::of(live),
            path: Vec::new(),
            changes: Vec::new(),
        }
    }

    fn value(&mut self, desired: &Json, live: &Json) -> Json {
        if desired == live {
            return desired.clone();
        }
        match (desired, live) {
            (Json::Object(desired), Json::Object(live)) => self.object(desired, live),
            (Json::Array(desired), Json::Array(live)) => Json::Array(self.list(desired, live)),
            _ if equality::is_equivalent(&self.names(), desired, live) => desired.clone(),
            _ => {
                self.note(Some(desired), Some(live));
                live.clone()
            }
        }
    }

    fn value_at(&mut self, step: FieldStep, desired: &Json, live: Option<&Json>) -> Option<Json> {
        self.path.push(step);
        let projected = match live {
            Some(live) => Some(self.value(desired, live)),
            None if matches!(self.path.last(), Some(FieldStep::Name(_)))
                && equality::is_omitted(&self.names(), desired) =>
            {
                Some(desired.clone())
            }
            None => {
                self.note(Some(desired), None);
                None
            }
        };
        self.path.pop();
        projected
    }

    fn object(&mut self, desired: &Map<String, Json>, live: &Map<String, Json>) -> Json {
        let members = desired.iter().filter_map(|(name, desired)| {
            let step = FieldStep::Name(name.clone());
            let value = self.value_at(step, desired, live.get(name))?;
            Some((name.clone(), value))
        });
        Json::Object(members.collect())
    }

    fn list(&mut self, desired: &[Json], live: &[Json]) -> Vec<Json> {
        let field = self.names().last().copied().unwrap_or_default().to_owned();
        if field == UNORDERED {
            let pairs = lists::by_meaning(desired, live, |desired, live| {
                let noted = self.changes.len();
                self.value(desired, live);
                let is_equivalent = self.changes.len() == noted;
                self.changes.truncate(noted);
                is_equivalent
            });
            return self.atomic_list(desired, &pairs);
        }
        match self.list_keys(&field, desired) {
            Some(keys) => self.keyed_list(&keys, desired, live),
            None => self.atomic_list(desired, &lists::by_position(desired, live)),
        }
    }

    /// Projects in the order of the manifest. Elements of others do not show.
    fn keyed_list(&mut self, keys: &[String], desired: &[Json], live: &[Json]) -> Vec<Json> {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let mut rest: Vec<&Json> = live.iter().collect();
        let elements = desired.iter().filter_map(|desired| {
            let is_it = |live: &&Json| is_same_element(live, desired, &keys);
            let live = rest
                .iter()
                .position(is_it)
                .map(|position| rest.remove(position));
            self.value_at(FieldStep::keyed(desired, &keys), desired, live)
        });
        elements.collect()
    }

    /// Projects a list that belongs to the manifest as a whole: every live element shows. Objects that correspond one
    /// to one are compared field by field; any other difference is one change of the whole list.
    fn atomic_list(&mut self, desired: &[Json], pairs: &[Pair<'_>]) -> Vec<Json> {
        let noted = self.changes.len();
        let are_rules = lists::is_rules(&self.names());
        let has_more = |desired: &Json, live: &Json| are_rules && lists::has_more(desired, live);
        let mut projected = Vec::new();
        for (position, (desired, live)) in pairs.iter().enumerate() {
            self.path.push(FieldStep::Index(position));
            projected.push(match desired {
                Some(desired) if !has_more(desired, live) => self.value(desired, live),
                _ => (*live).clone(),
            });
            self.path.pop();
        }
        let are_objects = pairs.iter().all(|(desired, live)| {
            let is_pair = |desired: &Json| desired.is_object() && !has_more(desired, live);
            desired.is_some_and(is_pair) && live.is_object()
        });
        if pairs.len() != desired.len() || !are_objects {
            self.changes.truncate(noted);
            if projected != desired {
                let (desired, live) = (Json::from(desired), Json::from(projected.clone()));
                self.note(Some(&desired), Some(&live));
            }
        }
        projected
    }

    /// Returns the keys of the list at the current path. A list in an element of an atomic list belongs to that list.
    fn list_keys(&self, field: &str, desired: &[Json]) -> Option<Vec<String>> {
        let is_index = |step: &FieldStep| matches!(step, FieldStep::Index(_));
        if self.path.iter().any(is_index) {
            return None;
        }
        let keys = list_keys(self.managed.keyed_list(&self.path), field, desired)?;
        Some(keys.into_iter().map(str::to_owned).collect())
    }

    /// Returns the names of the fields down to the current value, without list elements.
    fn names(&self) -> Vec<&str> {
        let names = self.path.iter().filter_map(|step| match step {
            FieldStep::Name(name) => Some(name.as_str()),
            _ => None,
        });
        names.collect()
    }

    fn note(&mut self, desired: Option<&Json>, live: Option<&Json>) {
        self.changes.push(FieldChange {
            field: FieldPath::from(self.path.clone()),
            wanted: desired.cloned(),
            live: live.cloned(),
            author: None,
        });
    }
}

#[cfg(test)]
mod tests;
