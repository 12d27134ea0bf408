//! The place of a value while a larger value is read or written.

use crate::schema::{Path, Step};

/// A [`Path`] on the stack. Only an error needs the path itself, so the way to each value allocates nothing.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    parent: Option<(&'a Self, PlaceStep<'a>)>,
    depth: usize,
}

/// A [`Step`] that borrows its name.
#[derive(Clone, Copy)]
enum PlaceStep<'a> {
    Attribute(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> Place<'a> {
    /// The place of the whole value.
    pub const ROOT: Self = Self {
        parent: None,
        depth: 0,
    };

    pub fn attribute(&'a self, name: &'a str) -> Self {
        self.below(PlaceStep::Attribute(name))
    }

    pub fn index(&'a self, index: usize) -> Self {
        self.below(PlaceStep::Index(index))
    }

    pub fn key(&'a self, key: &'a str) -> Self {
        self.below(PlaceStep::Key(key))
    }

    fn below(&'a self, step: PlaceStep<'a>) -> Self {
        Self {
            parent: Some((self, step)),
            depth: self.depth + 1,
        }
    }

    /// Returns the number of steps from the root.
    pub const fn depth(&self) -> usize {
        self.depth
    }

    pub fn path(&self) -> Path {
        match self.parent {
            None => Path::root(),
            Some((parent, step)) => parent.path().with(match step {
                PlaceStep::Attribute(name) => Step::Attribute(name.to_owned()),
                PlaceStep::Index(index) => Step::Index(index),
                PlaceStep::Key(key) => Step::Key(key.to_owned()),
            }),
        }
    }
}
