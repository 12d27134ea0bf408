//! The walk over a value along its schema, which [`decode`](super::decode()), [`coerce`](super::coerce()),
//! [`encode`](super::encode()) and [`decode_strict`](super::decode_strict()) share.
//!
//! The walk visits the attributes of objects and the elements of collections, keeps the path, and recognizes values
//! that do not have the shape of their schema. A [`Visitor`] decides what becomes of each value.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Attribute, Check, Kind, Nesting, Path, Step, Type, Value};

/// The attributes of an object, by name.
pub type Attributes = BTreeMap<String, Attribute>;

/// A part of a schema: an object, what an attribute holds, or a plain type.
#[derive(Clone, Copy)]
pub enum Part<'s> {
    Attributes(&'s Attributes),
    Kind(&'s Kind),
    Type(&'s Type),
}

/// The shape of a part's values. Collections of nested objects and of plain types have the same shapes.
pub enum Shape<'s> {
    Object(&'s Attributes),
    /// A list or a set.
    List(Part<'s>),
    Map(Part<'s>),
    Scalar(&'s Type),
}

impl<'s> Part<'s> {
    pub fn shape(self) -> Shape<'s> {
        match self {
            Self::Attributes(inner) => Shape::Object(inner),
            Self::Kind(Kind::Nested(Nesting::Single, inner)) => Shape::Object(inner),
            Self::Kind(Kind::Nested(Nesting::List | Nesting::Set, inner)) => {
                Shape::List(Self::Attributes(inner))
            }
            Self::Kind(Kind::Nested(Nesting::Map, inner)) => Shape::Map(Self::Attributes(inner)),
            Self::Kind(Kind::Plain(ty)) | Self::Type(ty) => match ty {
                Type::List(inner) | Type::Set(inner) => Shape::List(Self::Type(inner)),
                Type::Map(inner) => Shape::Map(Self::Type(inner)),
                scalar => Shape::Scalar(scalar),
            },
        }
    }
}

/// The place of a value in its parent.
pub enum Role<'s> {
    Attribute(&'s Attribute),
    /// An element of a list or a set: its schema, and the checks of each element.
    Element(Part<'s>, &'s [Check]),
    /// An entry of a map.
    Entry,
}

/// A shape that a value should have.
#[derive(Clone, Copy)]
pub enum Expected {
    Object,
    List,
    Map,
}

/// A tree that can be walked.
pub trait Tree: Sized + 'static {
    const NULL: &'static Self;

    /// Returns the name of an attribute in the tree.
    fn name<'a>(name: &'a str, attribute: &'a Attribute) -> &'a str;

    /// Returns the elements of a list.
    fn elements(&self) -> Option<&[Self]>;

    /// Returns the attributes of an object, or the entries of a map.
    fn entries(&self) -> Option<impl Iterator<Item = (&String, &Self)>>;

    /// Returns an attribute of an object.
    fn get(&self, name: &str) -> Option<&Self>;
}

/// Attributes have their Terraform names.
impl Tree for Value {
    const NULL: &'static Self = &Self::Null;

    fn name<'a>(name: &'a str, _: &'a Attribute) -> &'a str {
        name
    }

    fn elements(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    fn entries(&self) -> Option<impl Iterator<Item = (&String, &Self)>> {
        match self {
            Self::Object(items) | Self::Map(items) => Some(items.iter()),
            _ => None,
        }
    }

    fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(items) | Self::Map(items) => items.get(name),
            _ => None,
        }
    }
}

/// Attributes have their serde names.
impl Tree for Json {
    const NULL: &'static Self = &Self::Null;

    fn name<'a>(_: &'a str, attribute: &'a Attribute) -> &'a str {
        &attribute.key
    }

    fn elements(&self) -> Option<&[Self]> {
        self.as_array().map(Vec::as_slice)
    }

    fn entries(&self) -> Option<impl Iterator<Item = (&String, &Self)>> {
        self.as_object().map(|items| items.iter())
    }

    fn get(&self, name: &str) -> Option<&Self> {
        Self::get(self, name)
    }
}

/// The result for one value, which is put together from the results for its parts.
pub trait Output: Sized {
    /// Returns a list or a set.
    fn list(elements: Vec<Self>) -> Self;

    fn map(entries: Vec<(String, Self)>) -> Self;

    /// Returns an object. Its attributes come with their Terraform names.
    fn object(attributes: Vec<(&str, &Attribute, Self)>) -> Self;
}

impl Output for Value {
    fn list(elements: Vec<Self>) -> Self {
        Self::List(elements)
    }

    fn map(entries: Vec<(String, Self)>) -> Self {
        Self::Map(entries.into_iter().collect())
    }

    fn object(attributes: Vec<(&str, &Attribute, Self)>) -> Self {
        let attributes = attributes.into_iter();
        let attributes = attributes.map(|(name, _, value)| (name.to_owned(), value));
        Self::Object(attributes.collect())
    }
}

/// JSON in its serde form, in which `None` is left out.
impl Output for Option<Json> {
    fn list(elements: Vec<Self>) -> Self {
        Some(elements.into_iter().flatten().collect())
    }

    fn map(entries: Vec<(String, Self)>) -> Self {
        let entries = entries.into_iter();
        Some(
            entries
                .filter_map(|(key, entry)| Some((key, entry?)))
                .collect(),
        )
    }

    fn object(attributes: Vec<(&str, &Attribute, Self)>) -> Self {
        let attributes = attributes.into_iter();
        let present =
            attributes.filter_map(|(_, attribute, json)| Some((attribute.key.clone(), json?)));
        Some(present.collect())
    }
}

/// The decisions of a walk over a tree `T`.
pub trait Visitor<'s, T> {
    type Output: Output;

    /// Returns whether an attribute is walked.
    fn includes(&self, _: &Attribute) -> bool {
        true
    }

    /// Visits a value before the walk enters it. `Some` is its result, and the walk does not enter it.
    fn enter(&mut self, path: &Path, role: Role<'s>, value: &T) -> Option<Self::Output>;

    /// Visits an object before its attributes.
    fn enter_object(&mut self, _: &Path, _: &'s Attributes, _: &T) {}

    fn scalar(&mut self, path: &Path, ty: &Type, value: &T) -> Self::Output;

    /// Visits a value that does not have the shape of its schema.
    fn mismatch(&mut self, path: &Path, expected: Expected, value: &T) -> Self::Output;
}

/// Walks over a value. It is not passed to [`Visitor::enter`].
pub fn walk<'s, T: Tree, V: Visitor<'s, T>>(
    visitor: &mut V,
    path: Path,
    part: Part<'s>,
    value: &T,
) -> V::Output {
    Walk { visitor, path }.value(part, &[], value)
}

/// Walks over an object, of which any value without attributes is an empty one.
pub fn walk_object<'s, T: Tree, V: Visitor<'s, T>>(
    visitor: &mut V,
    path: Path,
    attributes: &'s Attributes,
    value: &T,
) -> V::Output {
    Walk { visitor, path }.object(attributes, value)
}

struct Walk<'v, V> {
    visitor: &'v mut V,
    path: Path,
}

impl<V> Walk<'_, V> {
    fn value<'s, T: Tree>(&mut self, part: Part<'s>, checks: &'s [Check], value: &T) -> V::Output
    where
        V: Visitor<'s, T>,
    {
        match part.shape() {
            Shape::Scalar(ty) => self.visitor.scalar(&self.path, ty, value),
            Shape::Object(_) if value.entries().is_none() => {
                self.visitor.mismatch(&self.path, Expected::Object, value)
            }
            Shape::Object(attributes) => self.object(attributes, value),
            Shape::List(inner) => match value.elements() {
                None => self.visitor.mismatch(&self.path, Expected::List, value),
                Some(elements) => {
                    let outputs = (elements.iter().enumerate())
                        .map(|(index, element)| {
                            let role = Role::Element(inner, checks);
                            self.child(Step::Index(index), role, inner, &[], element)
                        })
                        .collect();
                    V::Output::list(outputs)
                }
            },
            Shape::Map(inner) => match value.entries() {
                None => self.visitor.mismatch(&self.path, Expected::Map, value),
                Some(entries) => {
                    let outputs = entries
                        .map(|(key, entry)| {
                            let step = Step::Key(key.clone());
                            (
                                key.clone(),
                                self.child(step, Role::Entry, inner, &[], entry),
                            )
                        })
                        .collect();
                    V::Output::map(outputs)
                }
            },
        }
    }

    fn object<'s, T: Tree>(&mut self, attributes: &'s Attributes, value: &T) -> V::Output
    where
        V: Visitor<'s, T>,
    {
        self.visitor.enter_object(&self.path, attributes, value);
        let mut outputs = Vec::with_capacity(attributes.len());
        for (name, attribute) in attributes {
            if !self.visitor.includes(attribute) {
                continue;
            }
            let name_in_tree = T::name(name, attribute);
            let inner = value.get(name_in_tree).unwrap_or(T::NULL);
            let step = Step::Attribute(name_in_tree.to_owned());
            let (role, part) = (Role::Attribute(attribute), Part::Kind(&attribute.kind));
            let output = self.child(step, role, part, Check::each(&attribute.checks), inner);
            outputs.push((name.as_str(), attribute, output));
        }
        V::Output::object(outputs)
    }

    fn child<'s, T: Tree>(
        &mut self,
        step: Step,
        role: Role<'s>,
        part: Part<'s>,
        checks: &'s [Check],
        value: &T,
    ) -> V::Output
    where
        V: Visitor<'s, T>,
    {
        self.path.push(step);
        let output = match self.visitor.enter(&self.path, role, value) {
            Some(output) => output,
            None => self.value(part, checks, value),
        };
        self.path.pop();
        output
    }
}
