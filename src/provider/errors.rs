//! Errors of the layers below, as what a user reads.

use crate::framework::{Diagnostic, Diagnostics};
use crate::graph::GraphError;

impl From<GraphError> for Diagnostics {
    fn from(error: GraphError) -> Self {
        Diagnostic::from(error).into()
    }
}

impl From<GraphError> for Diagnostic {
    fn from(error: GraphError) -> Self {
        match &error {
            GraphError::Api(api) => {
                let mut found =
                    Diagnostic::error(format!("Microsoft Graph refused {}: {} {}", api.tried, api.status, api.code))
                        .help(&api.message);
                if let Some(needed) = api.needed {
                    found = found.help(format!("The provider's own identity needs {needed}."));
                }
                if let Some(advice) = api.advice() {
                    found = found.help(advice);
                }
                let id = api.request_id.as_deref().unwrap_or("none");
                found.help(format!("Request id: {id}"))
            }
            GraphError::Auth { method, why } => {
                Diagnostic::error(format!("The provider could not sign in with its {method}")).help(why.to_string())
            }
            GraphError::Cancelled => Diagnostic::error("Interrupted").help(
                "The CLI asked the provider to stop. What was done so far is in the state; apply again to go on.",
            ),
            GraphError::Unreachable { .. } => {
                Diagnostic::error("Microsoft Graph could not be reached").help(error.to_string())
            }
            GraphError::DeadlineExceeded { .. } => {
                Diagnostic::error("The time for this operation ran out").help(error.to_string())
            }
            GraphError::Setup(why) => Diagnostic::error("The connection to Microsoft Graph cannot be set up").help(why),
            GraphError::Shape { .. } => {
                Diagnostic::error("Microsoft Graph's answer cannot be read").help(error.to_string())
            }
            GraphError::Contended { .. } => {
                Diagnostic::error("The object could not be changed beside other changes").help(error.to_string())
            }
        }
    }
}
