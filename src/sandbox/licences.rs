//! What a tenant has subscribed to. Source: Microsoft's documentation of `subscribedSku`, and its table of product names and service plans.

use super::call::{Call, Caller, Reply};
use super::errors::Failure;
use super::odata::{Kind, Options, alone};
use super::shapes;
use super::store::{Object, Tenant, text};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

const READERS: &[&str] = &[
    "LicenseAssignment.Read.All",
    "LicenseAssignment.ReadWrite.All",
    "Organization.Read.All",
    "Organization.ReadWrite.All",
    "Directory.Read.All",
];
const SKU: Kind = Kind::plain("subscribedSku");
/// Microsoft 365 E5 and what of it connectors ask for: name and id of each plan.
const E5: (&str, &str) = ("SPE_E5", "06ebc4ee-1bb5-47dd-8120-11324bc54e06");
const E5_PLANS: &[(&str, &str)] = &[
    ("AAD_PREMIUM", "41781fb2-bc02-4b7c-bd55-b576c07bb09d"),
    ("AAD_PREMIUM_P2", "eec0eb4f-6444-4f95-aba0-50c24d67f998"),
    ("ADALLOM_S_STANDALONE", "2e2ddb96-6af9-4b1d-a3f0-d6ecfd22edb2"),
    ("ATA", "14ab5db5-e6c4-4b20-b4bc-13e36fd2227f"),
    ("ATP_ENTERPRISE", "f20fedf3-f3c3-43c3-8267-2bfdd51c0939"),
    ("INTUNE_A", "c1ec4a95-1f05-45b3-a911-aa3fa01094f5"),
    ("MTP", "bf28f719-7844-4079-9c78-c1307898e192"),
    ("THREAT_INTELLIGENCE", "8e0c0a52-6a6c-4d40-8370-dd62790dcd70"),
    ("WINDEFATP", "871d91ec-ec1a-452b-a83f-bd76c7d770ef"),
];

/// What a new tenant has.
pub(super) fn usual(tenant: &str) -> (String, Object) {
    let (name, id) = E5;
    let plans: Vec<Value> = E5_PLANS
        .iter()
        .map(|(name, id)| {
            json!({ "servicePlanId": id, "servicePlanName": name, "provisioningStatus": "Success", "appliesTo": "User" })
        })
        .collect();
    let sku = json!({
        "id": format!("{tenant}_{id}"), "skuId": id, "skuPartNumber": name, "accountId": tenant, "accountName": null, "appliesTo": "User",
        "capabilityStatus": "Enabled", "consumedUnits": 10, "subscriptionIds": [],
        "prepaidUnits": { "enabled": 25, "suspended": 0, "warning": 0, "lockedOut": 0 }, "servicePlans": plans,
    });
    (format!("{tenant}_{id}"), shapes::object(sku))
}

/// `/subscribedSkus…`. An administrator of the sandbox adds and takes away as a purchase does: `POST`, `PATCH` and `DELETE`.
pub(super) fn skus(tenant: &mut Tenant, caller: &Caller, call: &Call, rest: &[&str]) -> Reply {
    let is_administrator = matches!(caller, Caller::Administrator);
    match (&call.method, rest) {
        (&Method::GET, []) => {
            caller.needs(READERS)?;
            let options = Options::read(call, &SKU)?;
            Ok((StatusCode::OK, Some(options.page(call, tenant.skus.values(), &alone))))
        }
        (&Method::GET, [id]) => {
            caller.needs(READERS)?;
            let options = Options::read(call, &SKU)?;
            let found = tenant.skus.get(*id).ok_or_else(|| Failure::no_such(id))?;
            Ok((StatusCode::OK, Some(options.project(found, &alone))))
        }
        (&Method::POST, []) if is_administrator => {
            let mut sku = call.object()?;
            let id = format!("{}_{}", tenant.id, text(&sku, "skuId"));
            sku.insert("id".to_owned(), id.clone().into());
            tenant.skus.insert(id, sku.clone());
            Ok((StatusCode::CREATED, Some(Value::Object(sku))))
        }
        (&Method::PATCH, [id]) if is_administrator => {
            let change = call.object()?;
            tenant.skus.get_mut(*id).ok_or_else(|| Failure::no_such(id))?.extend(change);
            Ok((StatusCode::NO_CONTENT, None))
        }
        (&Method::DELETE, [id]) if is_administrator => {
            tenant.skus.remove(*id).ok_or_else(|| Failure::no_such(id))?;
            Ok((StatusCode::NO_CONTENT, None))
        }
        _ => Err(Failure::wrong_method()),
    }
}

/// The plans of all of them, as the organization names them.
pub(super) fn assigned_plans(tenant: &Tenant) -> Vec<Value> {
    let plans = tenant.skus.values().flat_map(|sku| {
        let status = sku.get("capabilityStatus").cloned().unwrap_or_default();
        let plans = sku.get("servicePlans").and_then(Value::as_array).into_iter().flatten();
        plans.map(move |plan| {
            json!({
                "assignedDateTime": "2020-01-01T00:00:00Z", "capabilityStatus": status, "service": plan["servicePlanName"],
                "servicePlanId": plan["servicePlanId"],
            })
        })
    });
    plans.collect()
}
