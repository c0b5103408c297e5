//! Directory roles and subscriptions. By raw HTTP.

use crate::tenant::{Tenant, list};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const GLOBAL_READER: &str = "f2ef992c-3afb-46b9-b7cf-a126ee74c451";
const ASSIGNMENTS: &str = "/roleManagement/directory/roleAssignments";

async fn read(tenant: &Tenant, path: &str) -> Value {
    let (status, found) = tenant.graph(Method::GET, path, None).await;
    assert_eq!(status, 200, "{path}: {found}");
    found
}

async fn assign(tenant: &Tenant, role: &str, principal: &str) -> (StatusCode, Value) {
    let body = json!({ "principalId": principal, "roleDefinitionId": role, "directoryScopeId": "/" });
    tenant.graph(Method::POST, ASSIGNMENTS, Some(body)).await
}

#[tokio::test]
async fn a_role_is_found_by_name_assigned_once_and_taken_away() {
    let tenant = Tenant::start().await;
    let query = "/roleManagement/directory/roleDefinitions?$filter=displayName%20eq%20'global%20reader'";
    let role = list(&read(&tenant, query).await).remove(0);
    assert_eq!(
        (&role["id"], &role["templateId"], &role["isBuiltIn"]),
        (&json!(GLOBAL_READER), &json!(GLOBAL_READER), &json!(true))
    );
    let operator = tenant.principal_of(&tenant.connection().client_id).await.unwrap();
    let id = operator["id"].as_str().unwrap();
    let (status, made) = assign(&tenant, &GLOBAL_READER.to_uppercase(), id).await;
    assert_eq!((status.as_u16(), &made["roleDefinitionId"]), (201, &json!(GLOBAL_READER)), "{made}");
    let (status, refused) = assign(&tenant, GLOBAL_READER, id).await;
    assert!(status == 400 && refused["error"]["message"].as_str().unwrap().contains("conflicting object"), "{refused}");
    let query = format!("{ASSIGNMENTS}?$filter=principalId%20eq%20'{id}'&$expand=roleDefinition");
    let held = list(&read(&tenant, &query).await);
    assert_eq!((held.len(), &held[0]["roleDefinition"]["displayName"]), (1, &json!("Global Reader")));
    let used = list(&read(&tenant, "/directoryRoles").await).remove(0);
    assert_eq!(used["roleTemplateId"], GLOBAL_READER);
    assert_ne!(used["id"], GLOBAL_READER, "in use it has an id of its own");
    let members = read(&tenant, &format!("/directoryRoles(roleTemplateId='{GLOBAL_READER}')/members")).await;
    assert_eq!(members["value"][0]["id"], id);
    let path = format!("{ASSIGNMENTS}/{}", made["id"].as_str().unwrap());
    assert_eq!(tenant.graph(Method::DELETE, &path, None).await.0, 204);
    assert_eq!(tenant.graph(Method::GET, &path, None).await.0, 404);
    assert_eq!(list(&read(&tenant, "/directoryRoles").await).len(), 0);
}

#[tokio::test]
async fn roles_that_do_not_exist_and_callers_who_may_not() {
    let tenant = Tenant::start().await;
    let nobody = "11111111-2222-4333-8444-555555555555";
    let operator = tenant.principal_of(&tenant.connection().client_id).await.unwrap();
    let id = operator["id"].as_str().unwrap();
    assert_eq!(assign(&tenant, nobody, id).await.0, 404);
    assert_eq!(assign(&tenant, GLOBAL_READER, nobody).await.0, 404);
    let app = tenant.admin(Method::POST, "/applications", Some(json!({ "displayName": "x" }))).await;
    let (status, refused) = assign(&tenant, GLOBAL_READER, app["id"].as_str().unwrap()).await;
    assert!(status == 400 && refused["error"]["message"].as_str().unwrap().contains("type Application"), "{refused}");
    let token = tenant.token_with(&["RoleManagement.Read.Directory"]).await;
    assert_eq!(tenant.graph_with(&token, Method::GET, ASSIGNMENTS, None).await.0, 200);
    let body = json!({ "principalId": id, "roleDefinitionId": GLOBAL_READER, "directoryScopeId": "/" });
    assert_eq!(tenant.graph_with(&token, Method::POST, ASSIGNMENTS, Some(body)).await.0, 403);
    let token = tenant.token_with(&["Application.Read.All"]).await;
    assert_eq!(tenant.graph_with(&token, Method::GET, ASSIGNMENTS, None).await.0, 403);
    // A role of the tenant's own is as good as Microsoft's.
    let own = json!({ "displayName": "Own", "rolePermissions": [], "isEnabled": true });
    let own = tenant.admin(Method::POST, "/roleManagement/directory/roleDefinitions", Some(own)).await;
    assert_eq!(assign(&tenant, own["id"].as_str().unwrap(), id).await.0, 201);
    // Eligibility is only looked at.
    let eligible = "/roleManagement/directory/roleEligibilitySchedules";
    let body = json!({ "principalId": id, "roleDefinitionId": GLOBAL_READER, "directoryScopeId": "/" });
    assert_eq!(tenant.graph(Method::POST, eligible, Some(body.clone())).await.0, 405);
    tenant.admin(Method::POST, eligible, Some(body)).await;
    assert_eq!(list(&read(&tenant, eligible).await).len(), 1);
}

#[tokio::test]
async fn a_tenant_has_or_lacks_a_plan() {
    let tenant = Tenant::start().await;
    let has = async |plan: &str| {
        let all = list(&read(&tenant, "/subscribedSkus").await);
        let plans = all.iter().flat_map(|sku| sku["servicePlans"].as_array().unwrap());
        let found = plans.filter(|one| one["servicePlanName"] == plan).count() > 0;
        let organization = read(&tenant, "/organization").await;
        let assigned = organization["value"][0]["assignedPlans"].as_array().unwrap();
        assert_eq!(assigned.iter().any(|one| one["service"] == plan), found, "both say the same");
        found
    };
    assert!(has("WINDEFATP").await);
    let sku = list(&read(&tenant, "/subscribedSkus").await).remove(0);
    let path = format!("/subscribedSkus/{}", sku["id"].as_str().unwrap());
    tenant.admin(Method::PATCH, &path, Some(json!({ "capabilityStatus": "Suspended" }))).await;
    assert_eq!(read(&tenant, &path).await["capabilityStatus"], "Suspended");
    tenant.admin(Method::DELETE, &path, None).await;
    assert!(!has("WINDEFATP").await);
    let plans = json!([{ "servicePlanId": "41781fb2-bc02-4b7c-bd55-b576c07bb09d", "servicePlanName": "AAD_PREMIUM", "provisioningStatus": "Success" }]);
    let bought = json!({ "skuId": "078d2b04-f1bd-4111-bbd4-b4b1b354cef4", "skuPartNumber": "AAD_PREMIUM", "capabilityStatus": "Enabled", "servicePlans": plans });
    tenant.admin(Method::POST, "/subscribedSkus", Some(bought.clone())).await;
    assert!(has("AAD_PREMIUM").await);
    assert_eq!(tenant.graph(Method::POST, "/subscribedSkus", Some(bought)).await.0, 405, "nobody buys by Graph");
    let token = tenant.token_with(&["Application.Read.All"]).await;
    assert_eq!(tenant.graph_with(&token, Method::GET, "/subscribedSkus", None).await.0, 403);
    assert_eq!(tenant.graph(Method::GET, "/subscribedSkus?$filter=skuPartNumber%20eq%20'x'", None).await.0, 400);
}
