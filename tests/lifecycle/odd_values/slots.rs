//! The places of a configuration that hold a value.

use std::collections::BTreeSet;

use terraform_provider_feast::schema::{Attribute, Kind, Nesting, Path, Value};

type Attributes = std::collections::BTreeMap<String, Attribute>;

/// A place of a configuration where the schema allows a value.
pub struct Slot<'s> {
    /// The path of the attribute in the schema, without indexes and keys.
    pub attribute_path: String,
    pub path: Path,
    pub attribute: &'s Attribute,
    /// The value of the configuration; null if it has none.
    pub current: Value,
}

/// Returns the places in the blocks that a configuration has.
pub fn slots<'s>(attributes: &'s Attributes, config: &Value) -> Vec<Slot<'s>> {
    let mut all = Vec::new();
    collect(attributes, config, &Path::root(), "", &mut all);
    all
}

fn is_settable(attribute: &Attribute) -> bool {
    attribute.required || attribute.optional
}

fn join(parent: &str, name: &str) -> String {
    match parent {
        "" => name.to_owned(),
        parent => format!("{parent}.{name}"),
    }
}

fn collect<'s>(
    attributes: &'s Attributes,
    object: &Value,
    path: &Path,
    parent: &str,
    all: &mut Vec<Slot<'s>>,
) {
    for (name, attribute) in attributes.iter().filter(|(_, it)| is_settable(it)) {
        let attribute_path = join(parent, name);
        let path = path.attribute(name);
        let current = object.attribute(name);
        if let Kind::Nested(_, inner) = &attribute.kind {
            let mut below = |path: &Path, object: &Value| {
                collect(inner, object, path, &attribute_path, all);
            };
            match current {
                Value::Object(_) => below(&path, current),
                Value::List(elements) => {
                    for (index, element) in elements.iter().enumerate() {
                        below(&path.index(index), element);
                    }
                }
                Value::Map(entries) => {
                    for (key, entry) in entries {
                        below(&path.key(key), entry);
                    }
                }
                _ => {}
            }
        }
        all.push(Slot {
            attribute_path,
            path,
            attribute,
            current: current.clone(),
        });
    }
}

/// Returns the paths of all attributes that a configuration can set.
pub fn attribute_paths(attributes: &Attributes) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    collect_paths(attributes, "", &mut all);
    all
}

fn collect_paths(attributes: &Attributes, parent: &str, all: &mut BTreeSet<String>) {
    for (name, attribute) in attributes.iter().filter(|(_, it)| is_settable(it)) {
        let path = join(parent, name);
        if let Kind::Nested(Nesting::Single | Nesting::List | Nesting::Set | Nesting::Map, inner) =
            &attribute.kind
        {
            collect_paths(inner, &path, all);
        }
        all.insert(path);
    }
}
