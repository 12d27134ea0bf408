//! Provider functions.

use crate::schema::{Type, Value};

/// A function. Terraform calls it in any phase, also before the provider is configured.
pub trait Function: Send + Sync + 'static {
    /// Returns the name that a configuration calls it by, after `provider::feast::`.
    fn name(&self) -> &str;

    /// Returns the parameters, the result type and the documentation.
    fn definition(&self) -> &FunctionDefinition;

    /// Computes the result. There is one argument for each parameter, of its type, and none is null.
    ///
    /// # Errors
    /// A text for the user, and the argument that it is about.
    fn call(&self, arguments: &[Value]) -> FunctionResult;
}

/// The signature and the documentation of a function (protocol message `Function`).
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionDefinition {
    pub summary: String,
    /// Markdown.
    pub description: String,
    pub parameters: Vec<FunctionParameter>,
    pub returns: Type,
}

/// A parameter of a function (protocol message `Function.Parameter`).
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionParameter {
    pub name: String,
    pub r#type: Type,
    /// Markdown.
    pub description: String,
}

/// The result of a function call.
pub type FunctionResult = Result<Value, FunctionError>;

/// The error of a function call (protocol message `FunctionError`).
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionError {
    /// The text for the user. Terraform adds a full stop to it.
    pub text: String,
    /// The position of the argument that caused the error, counted from 0.
    pub argument: Option<i64>,
}
