//! The tenant itself, and its people as far as owners need them.

use super::call::{Call, Caller, Reply};
use super::errors::Failure;
use super::licences;
use super::odata::{Kind, Options, alone};
use super::shapes;
use super::store::{Tenant, new_id, text};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

/// `/organization…`.
pub(super) fn organization(tenant: &Tenant, caller: &Caller, call: &Call, rest: &[&str]) -> Reply {
    if call.method != Method::GET {
        return Err(Failure::wrong_method());
    }
    caller.needs(&["Organization.Read.All", "Organization.ReadWrite.All", "Directory.Read.All"])?;
    let options = Options::read(call, &Kind::plain("organization"))?;
    let organization = shapes::object(json!({
        "id": tenant.id, "deletedDateTime": null, "displayName": tenant.name(), "countryLetterCode": "CH", "country": null,
        "tenantType": "AAD", "assignedPlans": licences::assigned_plans(tenant), "provisionedPlans": [], "businessPhones": [], "city": null, "state": null,
        "street": null, "postalCode": null, "createdDateTime": "2020-01-01T00:00:00Z", "preferredLanguage": "en",
        "defaultUsageLocation": null, "mobileDeviceManagementAuthority": "intune", "marketingNotificationEmails": [],
        "technicalNotificationMails": [], "securityComplianceNotificationMails": [], "securityComplianceNotificationPhones": [],
        "onPremisesLastSyncDateTime": null, "onPremisesSyncEnabled": null, "partnerTenantType": null, "privacyProfile": null,
        "verifiedDomains": [{ "name": tenant.domain(), "isDefault": true, "isInitial": true, "type": "Managed", "capabilities": "Email" }],
    }));
    match rest {
        [] => Ok((StatusCode::OK, Some(options.page(call, std::iter::once(&organization), &alone)))),
        [id] if *id == tenant.id => Ok((StatusCode::OK, Some(options.project(&organization, &alone)))),
        [id] => Err(Failure::no_such(id)),
        [_, segment, ..] => Err(Failure::no_segment(segment)),
    }
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
