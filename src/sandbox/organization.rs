//! The tenant itself, and its people as far as owners need them.

use super::call::{Call, Caller, Reply};
use super::errors::Failure;
use super::odata::Options;
use super::shapes;
use super::store::{Tenant, new_id, text};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

/// `/organization`.
pub(super) fn organization(tenant: &Tenant, caller: &Caller, call: &Call) -> Reply {
    if call.method != Method::GET {
        return Err(Failure::wrong_method());
    }
    caller.needs(&["Organization.Read.All", "Organization.ReadWrite.All", "Directory.Read.All"])?;
    let options = Options::read(call, "organization", &[])?;
    let organization = shapes::object(json!({
        "id": tenant.id, "displayName": tenant.name(), "countryLetterCode": "CH", "tenantType": "AAD", "assignedPlans": [],
        "verifiedDomains": [{ "name": tenant.domain(), "isDefault": true, "isInitial": true, "type": "Managed", "capabilities": "Email" }],
    }));
    Ok((StatusCode::OK, Some(options.page(call, std::iter::once(&organization)))))
}

/// `/users`.
pub(super) fn users(tenant: &mut Tenant, caller: &Caller, call: &Call, rest: &[&str]) -> Reply {
    match (&call.method, rest) {
        (&Method::POST, []) => {
            caller.needs(&["User.ReadWrite.All"])?;
            let mut user = call.object()?;
            if text(&user, "displayName").is_empty() || text(&user, "userPrincipalName").is_empty() {
                return Err(Failure::bad_request("A user needs 'displayName' and 'userPrincipalName'."));
            }
            let id = new_id();
            user.insert("id".to_owned(), id.clone().into());
            tenant.users.insert(id, user.clone());
            Ok((StatusCode::CREATED, Some(Value::Object(user))))
        }
        (&Method::GET, [id]) => {
            caller.needs(&["User.Read.All", "User.ReadWrite.All", "Directory.Read.All"])?;
            let user = tenant.users.get(*id).ok_or_else(|| Failure::no_such(id))?;
            Ok((StatusCode::OK, Some(Value::Object(user.clone()))))
        }
        _ => Err(Failure::wrong_method()),
    }
}
