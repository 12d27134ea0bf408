//! Changes of recorded fields: what a manager owns is extended or reduced by one field.

use serde_json::{Map, Value as Json, json};

use super::{FieldPath, FieldStep, union};

/// Adds a field, with what is recorded below it.
pub fn insert(fields: &mut Json, path: &FieldPath, recorded: &Json) {
    let steps = path.steps().iter().rev();
    let tree = steps.fold(recorded.clone(), |tree, step| {
        let mut node = Map::new();
        if matches!(step, FieldStep::Keys(_)) {
            // The element itself is owned as well.
            let mut tree = tree;
            if let Some(tree) = tree.as_object_mut() {
                tree.insert(".".to_owned(), json!({}));
            }
            node.insert(step.to_recorded(), tree);
        } else {
            node.insert(step.to_recorded(), tree);
        }
        Json::Object(node)
    });
    *fields = union([&*fields, &tree]);
}

/// Removes a field and everything below it. A list or map that is recorded as a whole above the field goes as a
/// whole; holders that have nothing left go too.
pub fn remove(fields: &mut Json, path: &FieldPath) {
    remove_below(fields, path.steps());
}

/// Returns whether nothing is left of the node.
fn remove_below(node: &mut Json, steps: &[FieldStep]) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        return true;
    };
    let Some(children) = node.as_object_mut() else {
        return false;
    };
    if children.is_empty() {
        return true;
    }
    let key = children
        .keys()
        .find(|key| super::is_step(key, step))
        .cloned();
    if let Some(key) = key
        && children
            .get_mut(&key)
            .is_some_and(|child| remove_below(child, rest))
    {
        children.remove(&key);
    }
    children.keys().all(|key| key == ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Json {
        json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}},
            "f:spec": {"f:nodeSelector": {}, "f:env": {".": {}, "k:{\"name\":\"A\"}": {".": {}, "f:value": {}}}}})
    }

    fn names(names: &[&str]) -> FieldPath {
        FieldPath::of(names)
    }

    #[test]
    fn removes_a_field_and_empty_holders() {
        let element = FieldStep::Keys(vec![("name".to_owned(), json!("A"))]);
        let mut left = fields();
        remove(&mut left, &names(&["spec", "env"]).with(element));
        remove(&mut left, &names(&["metadata", "labels", "a"]));
        remove(&mut left, &names(&["metadata", "labels", "b"]));
        assert_eq!(left, json!({"f:spec": {"f:nodeSelector": {}}}));
        // Recorded as a whole.
        remove(&mut left, &names(&["spec", "nodeSelector", "disk"]));
        assert_eq!(left, json!({}));
    }

    #[test]
    fn inserts_a_field_beside_others() {
        let mut more = json!({"f:metadata": {"f:labels": {"f:a": {}}}});
        insert(&mut more, &names(&["metadata", "labels", "b"]), &json!({}));
        let element = FieldStep::Keys(vec![("name".to_owned(), json!("online"))]);
        let container = names(&["spec", "containers"]).with(element);
        let image = container.with(FieldStep::Name("image".to_owned()));
        insert(&mut more, &image, &json!({}));
        assert_eq!(
            more,
            json!({"f:metadata": {"f:labels": {"f:a": {}, "f:b": {}}},
                "f:spec": {"f:containers": {"k:{\"name\":\"online\"}": {".": {}, "f:image": {}}}}})
        );
    }
}
