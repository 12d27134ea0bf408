//! Types and schemas (protocol message `Schema`).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    Bool,
    Number,
    String,
    /// Any type; the value has its own.
    Dynamic,
    List(Box<Type>),
    Set(Box<Type>),
    Map(Box<Type>),
    Object(BTreeMap<String, Type>),
    /// A list whose elements have their own types: `[1, "a"]`. It occurs only in dynamic values.
    Tuple(Vec<Type>),
}

/// A schema with its version (protocol message `Schema`).
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    pub version: i64,
    pub block: Block,
}

/// The body of a configuration block.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Block {
    pub description: String,
    pub attributes: BTreeMap<String, Attribute>,
    /// Nested blocks, each a list of at most one element. Only the provider block has any, because hashicorp/kubernetes
    /// does.
    pub blocks: BTreeMap<String, Block>,
}

/// An attribute of a block or of a nested object.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// Markdown.
    pub description: String,
    pub kind: Kind,
    pub required: bool,
    pub optional: bool,
    pub computed: bool,
    pub sensitive: bool,
    pub write_only: bool,
    /// A change of this attribute replaces the resource.
    pub requires_replace: bool,
    /// What to use in place of a deprecated attribute, as a sentence. `None` if it is not deprecated.
    pub deprecated: Option<String>,
    /// The checks of the value: bounds, pattern, allowed words.
    pub checks: Vec<Check>,
    /// The name in the serde form: `minReplicas` for `min_replicas`.
    pub key: String,
}

#[cfg(test)]
impl Attribute {
    /// An optional attribute without checks, for tests.
    pub fn of_kind(kind: Kind) -> Self {
        Self {
            description: String::new(),
            kind,
            required: false,
            optional: true,
            computed: false,
            sensitive: false,
            write_only: false,
            requires_replace: false,
            deprecated: None,
            checks: Vec::new(),
            key: String::new(),
        }
    }
}

/// The kind of an attribute's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A value of a plain type (`Schema.Attribute.type`).
    Plain(Type),
    /// One or more nested objects (`Schema.Attribute.nested_type`). Attributes of one Rust type share its attributes.
    Nested(Nesting, Arc<BTreeMap<String, Attribute>>),
}

impl Kind {
    pub fn nested(nesting: Nesting, attributes: BTreeMap<String, Attribute>) -> Self {
        Self::Nested(nesting, Arc::new(attributes))
    }
}

/// The collection of nested objects (`Schema.Object.NestingMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nesting {
    Single,
    List,
    Set,
    Map,
}

/// A compiled regular expression. Equal to one of the same text.
#[derive(Clone)]
pub struct Pattern(regex_lite::Regex);

impl Pattern {
    /// # Errors
    ///
    /// The text is not a regular expression.
    pub(super) fn new(text: &str) -> Result<Self, regex_lite::Error> {
        regex_lite::Regex::new(text).map(Self)
    }

    pub fn is_match(&self, value: &str) -> bool {
        self.0.is_match(value)
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

/// A check of one value, from a JSON Schema keyword.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// `minimum`, or the smallest integer of `format`.
    AtLeast(f64),
    /// `maximum`, or the largest integer of `format`.
    AtMost(f64),
    /// Whole numbers of 64 bits (`type: integer`).
    Whole,
    /// `pattern`
    Pattern(Pattern),
    /// `enum`
    OneOf(Vec<String>),
    /// `enum`, with a pattern for other values (`x-terraform.or_pattern`).
    OneOfOrPattern(Vec<String>, Pattern),
    /// `minLength`
    MinLength(usize),
    /// `maxLength`
    MaxLength(usize),
    /// `minItems`
    MinItems(usize),
    /// The checks of each element of a collection (`items`, `additionalProperties`).
    Each(Vec<Check>),
}

impl Check {
    /// Returns the checks of each element of a collection.
    pub(super) fn each(checks: &[Self]) -> &[Self] {
        let each = checks.iter().find_map(|check| match check {
            Self::Each(each) => Some(each.as_slice()),
            _ => None,
        });
        each.unwrap_or_default()
    }

    /// Returns whether the check is only the range of an integer type, which documentation does not mention.
    pub fn is_integer_range(&self) -> bool {
        match self {
            Self::AtLeast(bound) => *bound <= i32::MIN.into(),
            Self::AtMost(bound) => *bound >= i32::MAX.into(),
            _ => false,
        }
    }
}

impl Block {
    /// Returns the type of the block's values: an object with every attribute and block.
    pub fn value_type(&self) -> Type {
        let attributes = self
            .attributes
            .iter()
            .map(|(name, attribute)| (name.clone(), attribute.value_type()));
        let blocks = self
            .blocks
            .iter()
            .map(|(name, block)| (name.clone(), Type::List(Box::new(block.value_type()))));
        Type::Object(attributes.chain(blocks).collect())
    }
}

impl Attribute {
    /// Returns the type of the attribute's values.
    pub fn value_type(&self) -> Type {
        match &self.kind {
            Kind::Plain(plain) => plain.clone(),
            Kind::Nested(nesting, attributes) => {
                let object = Type::Object(
                    attributes
                        .iter()
                        .map(|(name, attribute)| (name.clone(), attribute.value_type()))
                        .collect(),
                );
                match nesting {
                    Nesting::Single => object,
                    Nesting::List => Type::List(Box::new(object)),
                    Nesting::Set => Type::Set(Box::new(object)),
                    Nesting::Map => Type::Map(Box::new(object)),
                }
            }
        }
    }
}

impl Block {
    /// Returns the block with all attributes computed, so that a configuration cannot set them.
    #[must_use]
    pub fn computed(mut self) -> Self {
        self.attributes
            .values_mut()
            .for_each(Attribute::make_computed);
        self
    }
}

impl Attribute {
    fn make_computed(&mut self) {
        self.required = false;
        self.optional = false;
        self.computed = true;
        if let Kind::Nested(_, inner) = &mut self.kind {
            let inner = Arc::make_mut(inner);
            inner.values_mut().for_each(Self::make_computed);
        }
    }
}
