//! Paths of values in a configuration or a state: `services.online_store.server.env[0].name`.

use std::fmt;

/// One step of a [`Path`] (protocol message `AttributePath.Step`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// An attribute or a nested block of an object, by its Terraform name.
    Attribute(String),
    /// An element of a list, counted from 0.
    Index(usize),
    /// An entry of a map.
    Key(String),
}

/// A path from the root of a resource, data source or provider configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<Step>);

impl Path {
    /// Returns the path of the whole value.
    pub fn root() -> Self {
        Self::default()
    }

    /// Parses a path of attributes that are separated by dots: `services.scaling.replicas`.
    pub fn of(dotted: &str) -> Self {
        Self(
            dotted
                .split('.')
                .filter(|name| !name.is_empty())
                .map(|name| Step::Attribute(name.to_owned()))
                .collect(),
        )
    }

    /// Returns this path followed by the attribute `name`, which can be several names separated by dots.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Self {
        let mut path = self.clone();
        path.0.extend(Self::of(name).0);
        path
    }

    /// Returns this path followed by the list element `index`.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    /// Returns this path followed by the map entry `key`.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    /// Returns this path followed by `step`.
    #[must_use]
    pub fn with(&self, step: Step) -> Self {
        let mut path = self.clone();
        path.0.push(step);
        path
    }

    pub(super) fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    /// Returns the steps from the root.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Returns whether `self` is `other` or an ancestor of it.
    pub fn contains(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// Returns whether the paths are the same, or one is an ancestor of the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other) || other.contains(self)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Attribute(name) if position == 0 => write!(f, "{name}")?,
                Step::Attribute(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => write!(f, "[{key:?}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_a_terraform_expression() {
        let path = Path::of("services.online_store.server.env")
            .index(2)
            .attribute("value_from")
            .key("a b");
        assert_eq!(
            path.to_string(),
            r#"services.online_store.server.env[2].value_from["a b"]"#
        );
    }

    #[test]
    fn overlaps_with_ancestors_and_descendants_only() {
        let scaling = Path::of("services.scaling");
        let replicas = Path::of("services.scaling.replicas");
        assert!(scaling.overlaps(&replicas) && replicas.overlaps(&scaling));
        assert!(!replicas.overlaps(&Path::of("services.scaling.autoscaling")));
    }
}
