//! What an application locks of its service principals. Source: Microsoft's documentation of `servicePrincipalLockConfiguration`, and
//! the code and texts in Azure/azure-cli#28734 and msgraph scripts that meet them ("Property passwordCredentials is invalid.").

use super::call::Caller;
use super::errors::Failure;
use super::store::{Object, World, text};
use serde_json::Value;

/// Refuses a change of `property` of a principal, for credentials used as `usage` (`Verify`, `Sign`), while the application locks that.
/// The administrator of the control endpoint changes things as somebody did before the lock was set.
pub(super) fn allow(
    world: &World,
    caller: &Caller,
    principal: &Object,
    property: &str,
    usage: &str,
) -> Result<(), Failure> {
    let application = world.home_of(text(principal, "appId")).map(|(_, application)| application);
    let lock = application.and_then(|application| application.get("servicePrincipalLockConfiguration")?.as_object());
    let is = |member: &str| lock.is_some_and(|lock| lock.get(member) == Some(&Value::Bool(true)));
    let member = match property {
        "tokenEncryptionKeyId" => property.to_owned(),
        _ => format!("credentialsWithUsage{usage}"),
    };
    match caller {
        Caller::Application { .. } if is("isEnabled") && (is("allProperties") || is(&member)) => {
            Err(Failure::locked(property))
        }
        _ => Ok(()),
    }
}
