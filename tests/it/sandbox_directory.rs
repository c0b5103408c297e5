//! What the sandbox's directory does, by raw HTTP: alternate keys, deleted items, owners, absent APIs, several tenants, the clock.

use crate::tenant::{Tenant, list};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const DEFENDER: &str = "fc780465-2017-40d4-a0c5-307022471b92";
const OTHER_TENANT: &str = "11111111-2222-4333-8444-555555555555";

fn text(value: &Value, property: &str) -> String {
    value[property].as_str().unwrap_or_else(|| panic!("{property} is missing in {value}")).to_owned()
}

/// An application with its service principal, made by the development identity.
async fn pair(tenant: &Tenant, body: Value) -> (Value, Value) {
    let (status, app) = tenant.graph(Method::POST, "/applications", Some(body)).await;
    assert_eq!(status, 201, "{app}");
    let (status, principal) =
        tenant.graph(Method::POST, "/servicePrincipals", Some(json!({ "appId": app["appId"] }))).await;
    assert_eq!(status, 201, "{principal}");
    (app, principal)
}

/// A token of a new identity with just these roles, and its object id.
async fn caller(tenant: &Tenant, roles: Value) -> (String, String) {
    let path = format!("tenants/{}/callers", tenant.connection().tenant_id);
    let (status, made) = tenant.control(Method::POST, &path, Some(json!({ "roles": roles }))).await;
    assert_eq!(status, 201, "{made}");
    let (status, token) = tenant.sign_in_as(&text(&made, "client_id"), &text(&made, "client_secret")).await;
    assert_eq!(status, 200, "{token}");
    (text(&token, "access_token"), text(&made, "object_id"))
}

async fn status_of(tenant: &Tenant, path: &str) -> StatusCode {
    tenant.graph(Method::GET, path, None).await.0
}

#[tokio::test]
async fn an_upsert_creates_only_where_it_is_asked_to() {
    let tenant = Tenant::start().await;
    let path = "/applications(uniqueName='made-by-key')";
    let body = || Some(json!({ "displayName": "By key" }));
    assert_eq!(tenant.graph(Method::PATCH, path, body()).await.0, 404);
    let (status, made) = tenant.graph_preferring("create-if-missing", Method::PATCH, path, body()).await;
    assert_eq!((status, &made["uniqueName"]), (StatusCode::CREATED, &json!("made-by-key")));
    let (status, answer) = tenant
        .graph_preferring("create-if-missing", Method::PATCH, path, Some(json!({ "displayName": "Renamed" })))
        .await;
    assert_eq!((status, answer), (StatusCode::NO_CONTENT, Value::Null));
    let (_, there) = tenant.graph(Method::GET, path, None).await;
    assert_eq!((&there["id"], &there["displayName"]), (&made["id"], &json!("Renamed")));

    let principal = format!("/servicePrincipals(appId='{}')", text(&made, "appId"));
    let notes = || Some(json!({ "notes": "n" }));
    assert_eq!(tenant.graph(Method::PATCH, &principal, notes()).await.0, 404);
    let (status, made) = tenant.graph_preferring("create-if-missing", Method::PATCH, &principal, notes()).await;
    assert_eq!((status, &made["notes"]), (StatusCode::CREATED, &json!("n")));
    assert_eq!(tenant.graph_preferring("create-if-missing", Method::PATCH, &principal, notes()).await.0, 204);
    // An application's client id is the service's to give.
    let path = format!("/applications(appId='{OTHER_TENANT}')");
    assert_eq!(tenant.graph_preferring("create-if-missing", Method::PATCH, &path, body()).await.0, 404);
}

#[tokio::test]
async fn a_deleted_application_takes_its_principal_along_and_each_is_restored_by_itself() {
    let tenant = Tenant::start().await;
    let (app, principal) = pair(&tenant, json!({ "displayName": "x", "uniqueName": "x" })).await;
    let (id, principal_id) = (text(&app, "id"), text(&principal, "id"));
    let graph = tenant.microsoft_graph().await;
    let role = json!({ "principalId": principal_id, "resourceId": graph, "appRoleId": "df021288-bdef-4463-88db-98f22de89214" });
    let assigned = format!("/servicePrincipals/{principal_id}/appRoleAssignments");
    assert_eq!(tenant.graph(Method::POST, &assigned, Some(role)).await.0, 201);

    assert_eq!(tenant.graph(Method::DELETE, &format!("/applications/{id}"), None).await.0, 204);
    assert_eq!(status_of(&tenant, &format!("/applications/{id}")).await, 404);
    assert_eq!(status_of(&tenant, &format!("/servicePrincipals/{principal_id}")).await, 404);
    for id in [&id, &principal_id] {
        let (status, deleted) = tenant.graph(Method::GET, &format!("/directory/deletedItems/{id}"), None).await;
        assert_eq!(status, 200);
        assert!(deleted["deletedDateTime"].is_string(), "{deleted}");
    }
    let restore = async |id: &str| {
        tenant.graph(Method::POST, &format!("/directory/deletedItems/{id}/restore"), Some(json!({}))).await.0
    };
    assert_eq!(restore(&principal_id).await, 400, "its application comes first");
    assert_eq!(restore(&id).await, 200);
    assert_eq!(status_of(&tenant, &format!("/servicePrincipals/{principal_id}")).await, 404);
    assert_eq!(restore(&principal_id).await, 200);
    let (_, held) = tenant.graph(Method::GET, &assigned, None).await;
    assert_eq!(held["value"], json!([]), "what it was granted did not come back");
    assert_eq!(restore(&id).await, 404);
}

#[tokio::test]
async fn deleted_items_end_by_a_purge_or_after_thirty_days() {
    let tenant = Tenant::start().await;
    let deleted = async |name: &str| {
        let (app, _) = pair(&tenant, json!({ "displayName": name, "uniqueName": name })).await;
        assert_eq!(tenant.graph(Method::DELETE, &format!("/applications/{}", text(&app, "id")), None).await.0, 204);
        format!("/directory/deletedItems/{}", text(&app, "id"))
    };
    let purged = deleted("purged").await;
    assert_eq!(tenant.graph(Method::DELETE, &purged, None).await.0, 204);
    assert_eq!(status_of(&tenant, &purged).await, 404);
    assert_eq!(tenant.graph(Method::DELETE, &purged, None).await.0, 404);
    // The name is free again.
    let expired = deleted("purged").await;
    tenant.control(Method::POST, "clock", Some(json!({ "advance": "P29D" }))).await;
    assert_eq!(status_of(&tenant, &expired).await, 200);
    tenant.control(Method::POST, "clock", Some(json!({ "advance": "P2D" }))).await;
    assert_eq!(status_of(&tenant, &expired).await, 404);
}

#[tokio::test]
async fn owners_may_write_what_is_theirs_and_nothing_else() {
    let tenant = Tenant::start().await;
    let (other, _) = pair(&tenant, json!({ "displayName": "somebody else's" })).await;
    let (token, object_id) = caller(&tenant, json!(["Application.ReadWrite.OwnedBy"])).await;
    let as_owner =
        async |method: Method, path: &str, body: Option<Value>| tenant.graph_with(&token, method, path, body).await;

    let (status, own) = as_owner(Method::POST, "/applications", Some(json!({ "displayName": "own" }))).await;
    assert_eq!(status, 201);
    let (status, principal) =
        as_owner(Method::POST, "/servicePrincipals", Some(json!({ "appId": own["appId"] }))).await;
    assert_eq!(status, 201, "{principal}");
    let (_, owners) = as_owner(Method::GET, &format!("/applications/{}/owners", text(&own, "id")), None).await;
    assert_eq!(
        list(&owners).iter().map(|one| text(one, "id")).collect::<Vec<_>>(),
        std::slice::from_ref(&object_id),
        "whoever makes it owns it"
    );

    let rename = || Some(json!({ "displayName": "renamed" }));
    let (own_path, other_path) =
        (format!("/applications/{}", text(&own, "id")), format!("/applications/{}", text(&other, "id")));
    assert_eq!(as_owner(Method::PATCH, &own_path, rename()).await.0, 204);
    for (method, body) in [(Method::PATCH, rename()), (Method::DELETE, None), (Method::GET, None)] {
        let (status, refusal) = as_owner(method, &other_path, body).await;
        assert_eq!((status, &refusal["error"]["code"]), (StatusCode::FORBIDDEN, &json!("Authorization_RequestDenied")));
    }
    // Made an owner, it may; an owner once more, or one that does not exist, is refused.
    let reference =
        |id: &str| Some(json!({ "@odata.id": format!("{}/v1.0/directoryObjects/{id}", tenant.connection().graph) }));
    let owners = format!("{other_path}/owners/$ref");
    assert_eq!(tenant.graph(Method::POST, &owners, reference(&object_id)).await.0, 204);
    let (status, refusal) = tenant.graph(Method::POST, &owners, reference(&object_id)).await;
    assert_eq!(status, 400);
    assert!(text(&refusal["error"], "message").contains("already exist"), "{refusal}");
    assert_eq!(tenant.graph(Method::POST, &owners, reference(OTHER_TENANT)).await.0, 404);
    assert_eq!(as_owner(Method::PATCH, &other_path, rename()).await.0, 204);
    assert_eq!(tenant.graph(Method::DELETE, &format!("{other_path}/owners/{object_id}/$ref"), None).await.0, 204);
    assert_eq!(as_owner(Method::PATCH, &other_path, rename()).await.0, 403);
    // The narrow role does not reach an application of another tenant.
    let foreign = tenant
        .in_tenant(
            OTHER_TENANT,
            Method::POST,
            "/applications",
            Some(json!({ "displayName": "f", "signInAudience": "AzureADMultipleOrgs" })),
        )
        .await;
    assert_eq!(as_owner(Method::POST, "/servicePrincipals", Some(json!({ "appId": foreign["appId"] }))).await.0, 403);
    assert_eq!(
        tenant.graph(Method::POST, "/servicePrincipals", Some(json!({ "appId": foreign["appId"] }))).await.0,
        201
    );
}

#[tokio::test]
async fn an_api_that_is_absent_comes_with_its_licence_only() {
    let tenant = Tenant::start().await;
    let set = async |present: bool, licensed: bool| {
        let path = format!("tenants/{}/first_party", tenant.connection().tenant_id);
        let body = json!({ "app_id": DEFENDER, "present": present, "licensed": licensed });
        assert_eq!(tenant.control(Method::POST, &path, Some(body)).await.0, 204);
    };
    let by_key = format!("/servicePrincipals(appId='{DEFENDER}')");
    let make = async || tenant.graph(Method::POST, "/servicePrincipals", Some(json!({ "appId": DEFENDER }))).await;
    assert_eq!(make().await.0, 409, "it is there");
    set(false, false).await;
    assert_eq!(status_of(&tenant, &by_key).await, 404);
    let (status, refusal) = make().await;
    assert_eq!(status, 400);
    assert!(text(&refusal["error"], "message").contains("does not reference a valid application object"), "{refusal}");
    set(false, true).await;
    let (status, made) = make().await;
    assert_eq!(status, 201);
    assert!(made["appRoles"].as_array().unwrap().iter().any(|role| role["value"] == "Machine.Read.All"));
}

#[tokio::test]
async fn tenants_share_nothing_and_a_token_opens_its_own_only() {
    let tenant = Tenant::start().await;
    let (app, _) = pair(&tenant, json!({ "displayName": "here" })).await;
    let there = tenant.in_tenant(OTHER_TENANT, Method::GET, "/applications", None).await;
    assert!(list(&there).iter().all(|other| other["id"] != app["id"]));
    assert_ne!(
        tenant.in_tenant(OTHER_TENANT, Method::GET, &format!("/servicePrincipals(appId='{DEFENDER}')"), None).await["id"],
        tenant.admin(Method::GET, &format!("/servicePrincipals(appId='{DEFENDER}')"), None).await["id"]
    );
    let (_, organization) = tenant.graph(Method::GET, "/organization", None).await;
    assert_eq!(organization["value"][0]["id"], tenant.connection().tenant_id.as_str());
}

#[tokio::test]
async fn the_clock_can_be_set_and_shows_in_every_answer() {
    let tenant = Tenant::start().await;
    tenant.control(Method::POST, "clock", Some(json!({ "now": "2030-03-04T05:06:07Z" }))).await;
    let date = tenant.date().await;
    assert!(date.starts_with("Mon, 04 Mar 2030 05:06:"), "{date}");
    let (_, app) = tenant.graph(Method::POST, "/applications", Some(json!({ "displayName": "x" }))).await;
    assert!(text(&app, "createdDateTime").starts_with("2030-03-04T05:06:"), "{app}");
    assert_eq!(tenant.control(Method::POST, "clock", Some(json!({ "later": "P1D" }))).await.0, 400);
}

#[tokio::test]
async fn a_token_carries_the_roles_that_its_holder_has_when_it_is_made() {
    let tenant = Tenant::start().await;
    let (token, object_id) = caller(&tenant, json!(["Organization.Read.All"])).await;
    assert_eq!(tenant.graph_with(&token, Method::GET, "/organization", None).await.0, 200);
    assert_eq!(tenant.graph_with(&token, Method::GET, "/applications", None).await.0, 403);
    tenant.grant(&object_id, "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30").await;
    assert_eq!(tenant.graph_with(&token, Method::GET, "/applications", None).await.0, 403, "the token is from before");
}
