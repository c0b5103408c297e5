//! The sandbox refuses what Graph and Entra refuse. By raw HTTP.

use crate::tenant::{Tenant, answers, list};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const USER_READ_ALL: &str = "df021288-bdef-4463-88db-98f22de89214";
/// WindowsDefenderATP's role of the same name.
const DEFENDER_USER_READ_ALL: &str = "a833834a-4cf1-4732-8acf-bbcfa13fb610";

#[track_caller]
fn refused(answer: (StatusCode, Value), status: u16, code: &str, text: &str) {
    let (found, body) = answer;
    assert_eq!(found, status, "{body}");
    assert_eq!(body["error"]["code"], code, "{body}");
    assert!(body["error"]["message"].as_str().unwrap().contains(text), "{body}");
    assert!(body["error"]["innerError"]["request-id"].is_string(), "{body}");
}

async fn app(tenant: &Tenant, unique_name: &str) -> Value {
    let (status, app) = tenant
        .graph(Method::POST, "/applications", Some(json!({ "displayName": "x", "uniqueName": unique_name })))
        .await;
    assert_eq!(status, 201, "{app}");
    app
}

async fn principal(tenant: &Tenant, unique_name: &str) -> String {
    let app = app(tenant, unique_name).await;
    let (status, principal) =
        tenant.graph(Method::POST, "/servicePrincipals", Some(json!({ "appId": app["appId"] }))).await;
    assert_eq!(status, 201, "{principal}");
    principal["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn unknown_properties_and_wrong_types() {
    let tenant = Tenant::start().await;
    let post = |body| tenant.graph(Method::POST, "/applications", Some(body));
    refused(
        post(json!({ "displayName": "x", "displayname": "y" })).await,
        400,
        "Request_BadRequest",
        "'displayname' does not exist",
    );
    refused(
        post(json!({ "displayName": "x", "web": { "redirectUri": [] } })).await,
        400,
        "Request_BadRequest",
        "'redirectUri' does not exist",
    );
    refused(post(json!({ "displayName": 7 })).await, 400, "Request_BadRequest", "'displayName'");
    refused(post(json!({ "displayName": "x", "tags": "one" })).await, 400, "Request_BadRequest", "'tags'");
    refused(post(json!({ "displayName": "x", "tags": null })).await, 400, "Request_BadRequest", "'tags'");
    refused(post(json!({ "description": "no name" })).await, 400, "Request_BadRequest", "'displayName'");
    refused(
        post(json!({ "displayName": "x", "appId": "00000000-0000-0000-0000-000000000001" })).await,
        400,
        "Request_BadRequest",
        "read-only",
    );
    refused(
        post(json!({ "displayName": "x", "signInAudience": "single_tenant" })).await,
        400,
        "Request_BadRequest",
        "signInAudience",
    );
    assert!(tenant.applications().await.is_empty());
}

#[tokio::test]
async fn unknown_odata() {
    let tenant = Tenant::start().await;
    let get = |path: &'static str| tenant.graph(Method::GET, path, None);
    refused(get("/applications?$filter=notes%20eq%20'x'").await, 400, "Request_BadRequest", "filter clause");
    refused(get("/applications?$filter=startswith(displayName,'x')").await, 400, "Request_BadRequest", "filter clause");
    refused(get("/applications?$select=id,colour").await, 400, "Request_BadRequest", "'colour'");
    refused(get("/applications?$orderby=id").await, 400, "Request_BadRequest", "$orderby");
    refused(get("/nonsense").await, 400, "Request_BadRequest", "segment 'nonsense'");
    refused(
        get("/applications/11111111-1111-1111-1111-111111111111").await,
        404,
        "Request_ResourceNotFound",
        "does not exist",
    );
}

#[tokio::test]
async fn a_principal_of_an_unknown_application_or_a_second_one() {
    let tenant = Tenant::start().await;
    let post = |app_id: Value| tenant.graph(Method::POST, "/servicePrincipals", Some(json!({ "appId": app_id })));
    let unknown = post("11111111-1111-1111-1111-111111111111".into()).await;
    refused(unknown, 400, "Request_BadRequest", "does not reference a valid application object");
    let app = app(&tenant, "one").await;
    assert_eq!(post(app["appId"].clone()).await.0, 201);
    refused(post(app["appId"].clone()).await, 409, "Request_MultipleObjectsWithSameKeyValue", "already in use");
}

#[tokio::test]
async fn a_unique_name_that_is_taken_be_it_by_a_deleted_application() {
    let tenant = Tenant::start().await;
    let first = app(&tenant, "name").await;
    let again =
        || tenant.graph(Method::POST, "/applications", Some(json!({ "displayName": "y", "uniqueName": "name" })));
    refused(again().await, 400, "Request_BadRequest", "uniqueName already exists");
    let path = format!("/applications/{}", first["id"].as_str().unwrap());
    refused(
        tenant.graph(Method::PATCH, &path, Some(json!({ "uniqueName": "other" }))).await,
        400,
        "Request_BadRequest",
        "uniqueName",
    );
    assert_eq!(tenant.graph(Method::DELETE, &path, None).await.0, 204);
    refused(again().await, 400, "Request_BadRequest", "uniqueName already exists");
    let purge = format!("/directory/deletedItems/{}", first["id"].as_str().unwrap());
    assert_eq!(tenant.graph(Method::DELETE, &purge, None).await.0, 204);
    assert_eq!(again().await.0, 201);
}

#[tokio::test]
async fn duplicate_grants_and_roles_of_another_api() {
    let tenant = Tenant::start().await;
    let (client, graph) = (principal(&tenant, "client").await, tenant.microsoft_graph().await);
    let assign = |role: &str| {
        let body = json!({ "principalId": client, "resourceId": graph, "appRoleId": role });
        let path = format!("/servicePrincipals/{graph}/appRoleAssignedTo");
        let tenant = &tenant;
        async move { tenant.graph(Method::POST, &path, Some(body)).await }
    };
    assert_eq!(assign(USER_READ_ALL).await.0, 201);
    refused(assign(USER_READ_ALL).await, 400, "Request_BadRequest", "already exists on the object");
    refused(assign(DEFENDER_USER_READ_ALL).await, 400, "Request_BadRequest", "was not found on application");
    let grant = || {
        tenant.graph(Method::POST, "/oauth2PermissionGrants", Some(json!({ "clientId": client, "consentType": "AllPrincipals", "resourceId": graph, "scope": "User.Read" })))
    };
    let (status, made) = grant().await;
    assert_eq!(status, 201);
    refused(grant().await, 409, "Request_MultipleObjectsWithSameKeyValue", "already exists");
    let path = format!("/oauth2PermissionGrants/{}", made["id"].as_str().unwrap());
    refused(
        tenant.graph(Method::PATCH, &path, Some(json!({ "consentType": "Principal" }))).await,
        400,
        "Request_BadRequest",
        "'scope'",
    );
    assert_eq!(tenant.granted(&client).await.len(), 1);
}

#[tokio::test]
async fn batches_that_are_too_long_or_ambiguous() {
    let tenant = Tenant::start().await;
    let batch = |count: usize| {
        let requests: Vec<_> =
            (0..count).map(|id| json!({ "id": id.to_string(), "method": "GET", "url": "/organization" })).collect();
        tenant.graph(Method::POST, "/$batch", Some(json!({ "requests": requests })))
    };
    refused(batch(21).await, 400, "Request_BadRequest", "maximum value of 20");
    let (status, body) = batch(20).await;
    assert_eq!((status, body["responses"].as_array().unwrap().len()), (StatusCode::OK, 20));
    assert_eq!(body["responses"][0]["status"], 200);
    let same = json!({ "requests": [{ "id": "a", "method": "GET", "url": "/organization" }, { "id": "A", "method": "GET", "url": "/organization" }] });
    refused(tenant.graph(Method::POST, "/$batch", Some(same)).await, 400, "Request_BadRequest", "unique");
    let dependent = json!({ "requests": [
        { "id": "1", "method": "GET", "url": "/applications/none" },
        { "id": "2", "method": "GET", "url": "/organization", "dependsOn": ["1"] },
        { "id": "3", "method": "POST", "url": "/applications", "body": { "displayName": "x" } },
    ] });
    let (_, body) = tenant.graph(Method::POST, "/$batch", Some(dependent)).await;
    let statuses: Vec<_> = answers(&body).iter().map(|one| one["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [404, 424, 400]);
}

#[tokio::test]
async fn a_wrong_secret_and_an_expired_token() {
    let tenant = Tenant::start().await;
    let (status, body) = tenant.sign_in("guess").await;
    assert_eq!(
        (status.as_u16(), &body["error"], &body["error_codes"][0]),
        (401, &json!("invalid_client"), &json!(7_000_215))
    );
    assert!(
        body["error_description"].as_str().unwrap().starts_with("AADSTS7000215: Invalid client secret provided."),
        "{body}"
    );
    let token = tenant.token().await;
    assert_eq!(tenant.graph_with(&token, Method::GET, "/organization", None).await.0, 200);
    assert_eq!(tenant.control(Method::POST, "clock", Some(json!({ "advance": "PT59M" }))).await.0, 204);
    assert_eq!(tenant.graph_with(&token, Method::GET, "/organization", None).await.0, 200);
    tenant.control(Method::POST, "clock", Some(json!({ "advance": "PT1M" }))).await;
    refused(
        tenant.graph_with(&token, Method::GET, "/organization", None).await,
        401,
        "InvalidAuthenticationToken",
        "expired",
    );
    refused(
        tenant.graph_with("nonsense", Method::GET, "/organization", None).await,
        401,
        "InvalidAuthenticationToken",
        "not well formed",
    );
}

#[tokio::test]
async fn a_caller_without_the_role_and_writes_to_microsofts_principals() {
    let tenant = Tenant::start().await;
    let graph = tenant.microsoft_graph().await;
    refused(
        tenant
            .graph(Method::PATCH, &format!("/servicePrincipals/{graph}"), Some(json!({ "accountEnabled": false })))
            .await,
        403,
        "Authorization_RequestDenied",
        "Insufficient",
    );
    refused(
        tenant.graph(Method::DELETE, &format!("/servicePrincipals/{graph}"), None).await,
        403,
        "Authorization_RequestDenied",
        "Insufficient",
    );
    let client = tenant.connection().client_id.clone();
    let operator = tenant.principal_of(&client).await.unwrap()["id"].as_str().unwrap().to_owned();
    let all = tenant.admin(Method::GET, &format!("/servicePrincipals/{operator}/appRoleAssignments"), None).await;
    for one in list(&all) {
        tenant
            .admin(
                Method::DELETE,
                &format!("/servicePrincipals/{operator}/appRoleAssignments/{}", one["id"].as_str().unwrap()),
                None,
            )
            .await;
    }
    refused(tenant.graph(Method::GET, "/applications", None).await, 403, "Authorization_RequestDenied", "Insufficient");
    refused(
        tenant.graph(Method::POST, "/applications", Some(json!({ "displayName": "x" }))).await,
        403,
        "Authorization_RequestDenied",
        "Insufficient",
    );
}

#[tokio::test]
async fn pages_hold_a_hundred_and_link_to_the_next() {
    let tenant = Tenant::start().await;
    for index in 0..101 {
        tenant.admin(Method::POST, "/applications", Some(json!({ "displayName": format!("app {index}") }))).await;
    }
    let (_, first) = tenant.graph(Method::GET, "/applications?$select=id", None).await;
    assert_eq!(list(&first).len(), 100);
    let next = first["@odata.nextLink"].as_str().unwrap();
    let path = next.strip_prefix(&format!("{}/v1.0", tenant.connection().graph)).unwrap();
    let (_, second) = tenant.graph(Method::GET, path, None).await;
    assert_eq!((list(&second).len(), second.get("@odata.nextLink")), (2, None));
}

#[tokio::test]
async fn an_assigner_who_may_not_read_the_directory() {
    let tenant = Tenant::start().await;
    let id = principal(&tenant, "x").await;
    let body = json!({ "principalId": id, "resourceId": tenant.microsoft_graph().await, "appRoleId": USER_READ_ALL });
    let path = format!("/servicePrincipals/{id}/appRoleAssignments");
    let token = tenant.token_with(&["AppRoleAssignment.ReadWrite.All"]).await;
    let answer = tenant.graph_with(&token, Method::POST, &path, Some(body.clone())).await;
    refused(answer, 403, "Authorization_RequestDenied", "Insufficient privileges");
    let token = tenant.token_with(&["AppRoleAssignment.ReadWrite.All", "Application.Read.All"]).await;
    let (status, made) = tenant.graph_with(&token, Method::POST, &path, Some(body)).await;
    assert_eq!(status, 201, "{made}");
    // To revoke, the first role is enough.
    let token = tenant.token_with(&["AppRoleAssignment.ReadWrite.All"]).await;
    let path = format!("{path}/{}", made["id"].as_str().unwrap());
    assert_eq!(tenant.graph_with(&token, Method::DELETE, &path, None).await.0, 204);
}
