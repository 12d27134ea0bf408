//! The cases of the scan: one value for one attribute of a base.

use std::collections::{BTreeMap, HashSet};

use terraform_provider_feast::schema::{Attribute, Path, Value};

use super::slots::{Slot, attribute_paths, slots};
use super::values::odd_values;
use super::{block, is_exception};

/// The maximum number of odd values for an attribute that another block has too, such as `resources` of the second
/// server. The first block gets all of them, which checks the bounds. A few values are enough to find a rule that does
/// not include the other block.
const MAX_REPEATED_VALUES: usize = 6;

/// The distance, in cases, between two cases that a scan without `all` takes. The number of dry runs, which take most of
/// the time, is divided by it. The complete scan is too long for every change.
const SAMPLE_INTERVAL: usize = 4;

#[derive(Clone)]
pub struct Case {
    /// The index of the base.
    pub base: usize,
    /// The path of the attribute in the schema.
    pub attribute: String,
    pub path: Path,
    pub value: Value,
    /// True if the attribute of the base has a value, so that it has a valid one.
    pub is_set: bool,
}

/// Returns the cases of each attribute that the text `only` selects, or without `all` a part of them.
///
/// An attribute that no base sets has the cases of the first base that has its block. Blocks that occur several times,
/// such as those of the servers, have the same attributes. All but the first of them get a part of the values: its
/// bounds are the same, but its rule could be missing.
pub fn cases(configs: &[Value], only: &str, all: bool) -> Vec<Case> {
    let attributes = &block().attributes;
    let mut found: BTreeMap<String, Vec<(usize, Slot<'_>)>> = BTreeMap::new();
    for (base, config) in configs.iter().enumerate() {
        for slot in slots(attributes, config) {
            let places = found.entry(slot.attribute_path.clone()).or_default();
            places.push((base, slot));
        }
    }
    let missing: Vec<String> = (attribute_paths(attributes).into_iter())
        .filter(|path| !found.contains_key(path) && !is_exception(path))
        .collect();
    let what = "tests/lifecycle/odd_values/bases.rs has no block with these attributes";
    assert_eq!(missing, Vec::<String>::new(), "{what}");

    let mut cases = Vec::new();
    let mut known = HashSet::new();
    for (attribute, mut places) in found {
        if is_exception(&attribute) {
            continue;
        }
        let is_set = places.iter().any(|(_, slot)| !slot.current.is_null());
        if is_set {
            places.retain(|(_, slot)| !slot.current.is_null());
        } else {
            places.truncate(1);
        }
        for (base, slot) in places {
            let kind = kind_of(&attribute, slot.attribute, &slot.current);
            let is_first = known.insert(kind);
            let values = odd_values(slot.attribute, &slot.current);
            let step = match is_first {
                true => 1,
                false => values.len().div_ceil(MAX_REPEATED_VALUES).max(1),
            };
            if !attribute.contains(only) {
                continue;
            }
            cases.extend(values.into_iter().step_by(step).map(|value| Case {
                base,
                attribute: attribute.clone(),
                path: slot.path.clone(),
                value,
                is_set,
            }));
        }
    }
    let step = if all { 1 } else { SAMPLE_INTERVAL };
    cases.into_iter().step_by(step).collect()
}

/// Returns what attributes of blocks of one type have in common: the names of attribute and block, its type, and the
/// value of the base.
fn kind_of(path: &str, attribute: &Attribute, current: &Value) -> String {
    let names: Vec<&str> = path.rsplit('.').take(2).collect();
    let ty = attribute.value_type();
    format!("{names:?} {ty:?} {:?} {current:?}", attribute.checks)
}
