//! Provider functions. A call has no diagnostics of its own: what goes wrong is a `FunctionError`.

use crate::schema::provider::{FunctionError, Provider};
use crate::schema::{Diagnostics, Value};
use crate::tfplugin::diagnostics::diagnostics;
use crate::tfplugin::proto::tfplugin6::{
    self as proto, DynamicValue, call_function, get_functions,
};
use crate::tfplugin::session::{Rpc, Session};
use crate::tfplugin::{codec, schemas};

impl<P: Provider> Rpc<P> for get_functions::Request {
    type Response = get_functions::Response;

    fn doing(&self) -> String {
        "describing its functions".to_owned()
    }

    async fn serve(&self, session: &Session<P>) -> Result<Self::Response, Diagnostics> {
        let functions = session.provider.schemas().functions.iter();
        Ok(get_functions::Response {
            functions: functions
                .map(|(name, function)| (name.clone(), schemas::function(function)))
                .collect(),
            diagnostics: Vec::new(),
        })
    }

    fn failed(&self, problems: Diagnostics) -> Self::Response {
        get_functions::Response {
            diagnostics: diagnostics(problems),
            ..Default::default()
        }
    }
}

impl<P: Provider> Rpc<P> for call_function::Request {
    type Response = call_function::Response;

    fn doing(&self) -> String {
        format!("calling the function {}", self.name)
    }

    async fn serve(&self, session: &Session<P>) -> Result<Self::Response, Diagnostics> {
        Ok(match call(session, &self.name, &self.arguments) {
            Ok(result) => call_function::Response {
                result: Some(result),
                error: None,
            },
            Err(error) => failure(error),
        })
    }

    fn failed(&self, problems: Diagnostics) -> Self::Response {
        let problems = problems.into_iter().map(|problem| problem.detail);
        failure(error(problems.collect::<Vec<_>>().join("\n")))
    }
}

fn call<P: Provider>(
    session: &Session<P>,
    name: &str,
    arguments: &[DynamicValue],
) -> Result<DynamicValue, FunctionError> {
    let functions = &session.provider.schemas().functions;
    let function = functions
        .get(name)
        .ok_or_else(|| error(format!("The provider has no function {name:?}.")))?;
    if arguments.len() != function.parameters.len() {
        return Err(error(format!(
            "The function {name} takes {} arguments, got {}.",
            function.parameters.len(),
            arguments.len()
        )));
    }
    let parameters = (0..).zip(arguments.iter().zip(&function.parameters));
    let arguments = parameters
        .map(|(position, (argument, (_, ty, _)))| {
            codec::read(Some(argument), ty).map_err(|mismatch| FunctionError {
                text: mismatch.to_string(),
                argument: Some(position),
            })
        })
        .collect::<Result<Vec<Value>, _>>()?;
    let result = session.provider.call_function(name, arguments)?;
    codec::write(&result, &function.returns).map_err(|mismatch| {
        error(format!(
            "The result of the function {name} is not of its type: {mismatch}. This is a bug in the provider."
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
