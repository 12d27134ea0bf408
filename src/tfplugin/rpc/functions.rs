//! Provider functions. `CallFunction` reports its failures as a `FunctionError` and not as diagnostics.

use super::Rpc;
use crate::schema::provider::{FunctionDefinition, FunctionError};
use crate::schema::{Diagnostics, Value};
use crate::tfplugin::diagnostics::{details, diagnostics};
use crate::tfplugin::proto::tfplugin6::{
    self as proto, DynamicValue, call_function, get_functions,
};
use crate::tfplugin::session::Session;
use crate::tfplugin::{codec, schemas};

impl Rpc for get_functions::Request {
    type Response = get_functions::Response;

    fn operation(&self) -> String {
        "describing its functions".to_owned()
    }

    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        let functions = &session.provider.registry().functions;
        Ok(get_functions::Response {
            functions: schemas::each(functions, |function| {
                schemas::function(function.definition())
            }),
            diagnostics: Vec::new(),
        })
    }

    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        get_functions::Response {
            diagnostics: diagnostics(problems),
            ..Default::default()
        }
    }
}

impl Rpc for call_function::Request {
    type Response = call_function::Response;

    fn operation(&self) -> String {
        format!("calling the function {}", self.name)
    }

    async fn serve(&self, session: &Session) -> Result<Self::Response, Diagnostics> {
        Ok(match call(session, &self.name, &self.arguments) {
            Ok(result) => call_function::Response {
                result: Some(result),
                error: None,
            },
            Err(error) => failure(error),
        })
    }

    fn diagnostics_response(&self, problems: Diagnostics) -> Self::Response {
        failure(error(details(problems)))
    }
}

fn call(
    session: &Session,
    name: &str,
    arguments: &[DynamicValue],
) -> Result<DynamicValue, FunctionError> {
    let function = (session.provider.registry().functions.get(name))
        .ok_or_else(|| error(format!("The provider has no function {name:?}.")))?;
    let FunctionDefinition {
        parameters,
        returns,
        ..
    } = function.definition();
    if arguments.len() != parameters.len() {
        return Err(error(format!(
            "The function {name} takes {} arguments, got {}.",
            parameters.len(),
            arguments.len()
        )));
    }
    let arguments = ((0..).zip(arguments.iter().zip(parameters)))
        .map(|(position, (argument, parameter))| {
            codec::read(Some(argument), &parameter.r#type).map_err(|mismatch| FunctionError {
                text: mismatch.to_string(),
                argument: Some(position),
            })
        })
        .collect::<Result<Vec<Value>, _>>()?;
    let result = function.call(&arguments)?;
    codec::write(&result, returns).map_err(|mismatch| {
        error(format!(
            "The result of the function {name} does not have the declared type: {mismatch}. This is a bug in the provider."
        ))
    })
}

fn error(text: String) -> FunctionError {
    FunctionError {
        text,
        argument: None,
    }
}

fn failure(error: FunctionError) -> call_function::Response {
    call_function::Response {
        result: None,
        error: Some(proto::FunctionError {
            text: error.text,
            function_argument: error.argument,
        }),
    }
}
