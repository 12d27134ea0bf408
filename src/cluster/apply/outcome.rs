//! The result of an apply.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value as Json;

use super::super::error::Error;
use crate::kubernetes::diff::FieldChange;
use crate::kubernetes::kind::Key;

/// The objects after an apply, which can have failed in part.
#[derive(Default)]
pub struct Outcome {
    /// Every object of the feature store, as last returned by the API server.
    pub objects: BTreeMap<Key, Json>,
    /// The objects that were taken over from the Feast operator.
    pub taken_over: BTreeSet<Key>,
    /// The objects that were written or deleted.
    pub changed: BTreeSet<Key>,
    /// The objects that this apply has created. An object whose answer was lost is not one of them.
    pub created: BTreeSet<Key>,
    /// PersistentVolumeClaims that are no longer desired and were kept for their data.
    pub retained_pvcs: Vec<Key>,
    /// The objects that the previous pods can still use: those that are no longer desired, and Roles and ClusterRoles
    /// that lose rules. [`prune_after_rollout`](crate::cluster::Cluster::prune_after_rollout) deletes and changes them.
    pub deferred: BTreeSet<Key>,
    /// The fields in which the answers of the API server differ from what was applied: a desired field with another
    /// value, and a field that is no longer desired (`wanted` is `None`) and that another manager owns.
    pub differences: BTreeMap<Key, Vec<FieldChange>>,
    /// Empty if the feature store has the desired state.
    pub errors: Vec<Error>,
}

/// Shows names only, because the objects contain a Secret.
impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            objects,
            taken_over,
            changed,
            created,
            retained_pvcs,
            deferred,
            differences,
            errors,
        } = self;
        f.debug_struct("Outcome")
            .field("objects", &objects.keys())
            .field("taken_over", taken_over)
            .field("changed", changed)
            .field("created", created)
            .field("retained_pvcs", retained_pvcs)
            .field("deferred", deferred)
            .field("differences", &differences.keys())
            .field("errors", errors)
            .finish()
    }
}

impl Outcome {
    /// Adds the outcome of a second apply of the same objects.
    pub fn followed_by(&mut self, again: Self) {
        let Self {
            objects,
            taken_over,
            changed,
            created,
            retained_pvcs,
            deferred,
            differences,
            errors,
        } = again;
        self.objects = objects;
        self.taken_over.extend(taken_over);
        // An object that was written again can be stored as it was applied now.
        self.differences.retain(|key, _| !changed.contains(key));
        self.differences.extend(differences);
        self.changed.extend(changed);
        self.created.extend(created);
        // A second apply that has failed has not noted them.
        if errors.is_empty() {
            self.retained_pvcs = retained_pvcs;
            self.deferred = deferred;
        }
        self.errors.extend(errors);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubernetes::field_path::FieldPath;
    use crate::kubernetes::kind::Kind;

    #[test]
    fn a_second_apply_replaces_the_differences_that_it_has_settled() {
        let [settled, remaining, new] =
            ["settled", "remaining", "new"].map(|name| Key::new(Kind::Service, name));
        let differences = |keys: &[&Key]| {
            let change = FieldChange {
                field: FieldPath::of(&["spec", "type"]),
                wanted: Some(json!("a")),
                live: Some(json!("b")),
                author: None,
            };
            let keys = keys.iter();
            keys.map(|key| ((*key).clone(), vec![change.clone()]))
                .collect::<BTreeMap<_, _>>()
        };
        let pvc = Key::new(Kind::PersistentVolumeClaim, "pvc");
        let mut outcome = Outcome {
            taken_over: [settled.clone()].into(),
            changed: [settled.clone()].into(),
            created: [remaining.clone()].into(),
            retained_pvcs: vec![pvc.clone()],
            deferred: [new.clone()].into(),
            differences: differences(&[&settled, &remaining]),
            ..Outcome::default()
        };
        outcome.followed_by(Outcome {
            objects: [(settled.clone(), json!({}))].into(),
            changed: [settled.clone(), new.clone()].into(),
            created: [new.clone()].into(),
            retained_pvcs: vec![pvc.clone()],
            differences: differences(&[&new]),
            ..Outcome::default()
        });
        assert_eq!(outcome.objects, [(settled.clone(), json!({}))].into());
        assert_eq!(outcome.taken_over, [settled.clone()].into());
        assert_eq!(outcome.changed, [settled, new.clone()].into());
        assert_eq!(outcome.created, [remaining.clone(), new.clone()].into());
        assert_eq!(outcome.retained_pvcs, [pvc]);
        assert_eq!(outcome.deferred, BTreeSet::new());
        assert_eq!(outcome.differences, differences(&[&remaining, &new]));
    }
}
