//! Terraform's type system and the schema built from it (protocol message `Schema`).

use std::collections::BTreeMap;

/// A type constraint (written on the wire as cty's JSON, e.g. `["list","string"]`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    Bool,
    Number,
    String,
    /// `any`: the value carries its own type.
    Dynamic,
    List(Box<Type>),
    Set(Box<Type>),
    Map(Box<Type>),
    Object(BTreeMap<String, Type>),
    /// Elements each of their own type. Only a [`Type::Dynamic`] value has it: `[1, "a"]`.
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
    /// Nested blocks (only the provider block has any, for likeness with hashicorp/kubernetes):
    /// each is a list of at most one.
    pub blocks: BTreeMap<String, Block>,
}

/// One attribute.
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
    pub deprecated: bool,
    /// What holds of the value alone: bounds, pattern, allowed words.
    pub checks: Vec<Check>,
    /// The property's name in the serde form (`minReplicas` of `min_replicas`).
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
            deprecated: false,
            checks: Vec::new(),
            key: String::new(),
        }
    }
}

/// What an attribute holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A value of a plain type (`Schema.Attribute.type`).
    Plain(Type),
    /// Attributes of its own (`Schema.Attribute.nested_type`).
    Nested(Nesting, BTreeMap<String, Attribute>),
}

/// How often a nested object occurs (`Schema.Object.NestingMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nesting {
    Single,
    List,
    Set,
    Map,
}

/// A check of one value on its own, from a JSON Schema keyword.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// `minimum`, or what an integer's `format` has room for
    AtLeast(f64),
    /// `maximum`, or what an integer's `format` has room for
    AtMost(f64),
    /// Only whole numbers (`type: integer`) of 64 bits.
    Whole,
    /// `pattern` with the sentence that explains it.
    Pattern(String),
    /// `enum`
    OneOf(Vec<String>),
    /// `minLength`
    MinLength(usize),
    /// `maxLength`
    MaxLength(usize),
    /// `minItems`
    MinItems(usize),
    /// Of each element of a collection (`items`, `additionalProperties`).
    Each(Vec<Check>),
}

impl Check {
    /// Whether it is a bound that only follows from the bits of a number, which is no news to a reader.
    pub fn is_room(&self) -> bool {
        match self {
            Self::AtLeast(bound) => *bound <= i32::MIN.into(),
            Self::AtMost(bound) => *bound >= i32::MAX.into(),
            _ => false,
        }
    }
}

impl Block {
    /// The type of a value of this block: an object with every attribute and block.
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
    /// The type of a value of this attribute.
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
    /// The same attributes, none of which the user can set.
    #[must_use]
    pub fn computed(mut self) -> Self {
        self.attributes.values_mut().for_each(Attribute::compute);
        self
    }
}

impl Attribute {
    fn compute(&mut self) {
        self.required = false;
        self.optional = false;
        self.computed = true;
        if let Kind::Nested(_, inner) = &mut self.kind {
            inner.values_mut().for_each(Self::compute);
        }
    }
}
