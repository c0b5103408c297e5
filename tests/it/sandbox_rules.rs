//! What the sandbox enforces about an application's properties, and how a principal follows them. By raw HTTP.

use crate::tenant::{Tenant, list};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const ROLE: &str = "0566419e-bb95-4d9d-a4f8-ed9a0f147fa6";
const SCOPE: &str = "1566419e-bb95-4d9d-a4f8-ed9a0f147fa6";

#[track_caller]
fn refused(answer: (StatusCode, Value), status: u16, code: &str, text: &str) {
    let (found, body) = answer;
    assert_eq!((found.as_u16(), &body["error"]["code"]), (status, &json!(code)), "{body}");
    assert!(body["error"]["message"].as_str().unwrap().contains(text), "{body}");
}

/// A single-tenant application with these properties besides, and its path.
async fn app(tenant: &Tenant, more: Value) -> (Value, String) {
    let mut body = json!({ "displayName": "x", "signInAudience": "AzureADMyOrg" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, app) = tenant.graph(Method::POST, "/applications", Some(body)).await;
    assert_eq!(status, 201, "{app}");
    let path = format!("/applications/{}", app["id"].as_str().unwrap());
    (app, path)
}

async fn patch(tenant: &Tenant, path: &str, body: Value) -> (StatusCode, Value) {
    tenant.graph(Method::PATCH, path, Some(body)).await
}

async fn read(tenant: &Tenant, path: &str) -> Value {
    let (status, found) = tenant.graph(Method::GET, path, None).await;
    assert_eq!(status, 200, "{found}");
    found
}

fn role(enabled: bool, value: &str) -> Value {
    json!({ "id": ROLE, "value": value, "isEnabled": enabled, "allowedMemberTypes": ["Application"], "displayName": "d", "description": "d" })
}

fn scope(enabled: bool, value: &str) -> Value {
    json!({ "id": SCOPE, "value": value, "isEnabled": enabled, "type": "User" })
}

#[tokio::test]
async fn personal_accounts_need_tokens_of_the_second_version() {
    let tenant = Tenant::start().await;
    let post = async |audience: &str, version: Value| {
        let body = json!({ "displayName": "x", "signInAudience": audience, "api": { "requestedAccessTokenVersion": version } });
        tenant.graph(Method::POST, "/applications", Some(body)).await
    };
    for audience in ["AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount"] {
        let (_, path) = app(&tenant, json!({})).await;
        for version in [json!(null), json!(1)] {
            refused(
                post(audience, version.clone()).await,
                400,
                "InvalidAccessTokenVersion",
                "requestedAccessTokenVersion",
            );
            let body = json!({ "signInAudience": audience, "api": { "requestedAccessTokenVersion": version } });
            refused(patch(&tenant, &path, body).await, 400, "InvalidAccessTokenVersion", "requestedAccessTokenVersion");
        }
        let alone = json!({ "signInAudience": audience });
        refused(patch(&tenant, &path, alone.clone()).await, 400, "InvalidAccessTokenVersion", "is invalid");
        assert_eq!(read(&tenant, &path).await["signInAudience"], "AzureADMyOrg");
        let second = json!({ "api": { "requestedAccessTokenVersion": 2 } });
        let mut both = alone.clone();
        both["api"] = second["api"].clone();
        assert_eq!(patch(&tenant, &path, both).await.0, 204);
        refused(
            patch(&tenant, &path, json!({ "api": { "requestedAccessTokenVersion": 1 } })).await,
            400,
            "InvalidAccessTokenVersion",
            "is invalid",
        );
        assert_eq!(post(audience, json!(2)).await.0, 201);
        // The version first, as the portal's manifest is changed, is as good.
        let (_, path) = app(&tenant, json!({})).await;
        assert_eq!(patch(&tenant, &path, second).await.0, 204);
        assert_eq!(patch(&tenant, &path, alone).await.0, 204);
    }
    let (_, made) = tenant.graph(Method::POST, "/applications", Some(json!({ "displayName": "x" }))).await;
    assert_eq!(
        (&made["signInAudience"], &made["api"]["requestedAccessTokenVersion"]),
        (&json!("AzureADandPersonalMicrosoftAccount"), &json!(2)),
        "what it is when nobody says"
    );
}

#[tokio::test]
async fn an_update_leaves_what_it_does_not_name_also_within_a_complex_property() {
    let tenant = Tenant::start().await;
    let (made, path) =
        app(&tenant, json!({ "web": { "implicitGrantSettings": { "enableIdTokenIssuance": true } } })).await;
    assert_eq!(made["web"]["redirectUris"], json!([]), "and a create completes it");
    let api = json!({ "requestedAccessTokenVersion": 2, "oauth2PermissionScopes": [scope(true, "x")] });
    assert_eq!(patch(&tenant, &path, json!({ "api": api })).await.0, 204);
    let known = json!(["33333333-3333-4333-8333-333333333333"]);
    assert_eq!(patch(&tenant, &path, json!({ "api": { "knownClientApplications": known } })).await.0, 204);
    assert_eq!(patch(&tenant, &path, json!({ "web": { "redirectUris": ["https://a.example/"] } })).await.0, 204);
    let found = read(&tenant, &path).await;
    assert_eq!(
        (
            &found["api"]["requestedAccessTokenVersion"],
            &found["api"]["knownClientApplications"],
            &found["api"]["oauth2PermissionScopes"][0]["value"]
        ),
        (&json!(2), &known, &json!("x"))
    );
    assert_eq!(
        (&found["web"]["redirectUris"], &found["web"]["implicitGrantSettings"]["enableIdTokenIssuance"]),
        (&json!(["https://a.example/"]), &json!(true))
    );
    assert_eq!(patch(&tenant, &path, json!({ "web": { "redirectUris": [] } })).await.0, 204);
    assert_eq!(read(&tenant, &path).await["web"]["redirectUris"], json!([]), "a collection is replaced");
    assert_eq!(patch(&tenant, &path, json!({ "id": made["id"] })).await.0, 204);
    refused(patch(&tenant, &path, json!({ "id": ROLE })).await, 400, "Request_BadRequest", "read-only");
}

#[tokio::test]
async fn an_enabled_permission_is_disabled_before_it_goes_or_changes_its_value() {
    let tenant = Tenant::start().await;
    let of = |role: Value, scope: Value| json!({ "appRoles": role, "api": { "oauth2PermissionScopes": scope } });
    let (_, path) = app(&tenant, of(json!([role(true, "r")]), json!([scope(true, "s")]))).await;
    let code = "CannotDeleteOrUpdateEnabledEntitlement";
    for body in [
        json!({ "appRoles": [] }),
        json!({ "appRoles": [role(true, "other")] }),
        json!({ "appRoles": [role(false, "other")] }),
        json!({ "api": { "oauth2PermissionScopes": [] } }),
        json!({ "api": { "oauth2PermissionScopes": [scope(false, "other")] } }),
    ] {
        refused(patch(&tenant, &path, body).await, 400, code, "unless disabled first");
    }
    let off = of(json!([role(false, "r")]), json!([scope(false, "s")]));
    assert_eq!(patch(&tenant, &path, off).await.0, 204);
    assert_eq!(patch(&tenant, &path, of(json!([]), json!([]))).await.0, 204);
}

#[tokio::test]
async fn app_roles_have_ids_of_their_own_kinds_and_a_value_without_blanks() {
    let tenant = Tenant::start().await;
    let (_, path) = app(&tenant, json!({})).await;
    let with = |property: &str, value: Value| {
        let mut role = role(true, "r");
        role[property] = value;
        json!([role])
    };
    for roles in [
        json!([role(true, "r"), role(true, "s")]),
        with("id", Value::Null),
        with("allowedMemberTypes", json!([])),
        with("allowedMemberTypes", json!(["Group"])),
        with("value", json!("two words")),
        with("value", json!("x".repeat(121))),
    ] {
        refused(patch(&tenant, &path, json!({ "appRoles": roles })).await, 400, "Request_BadRequest", "'appRoles'");
    }
    assert_eq!(patch(&tenant, &path, json!({ "appRoles": with("value", "x:!#$%~".into()) })).await.0, 204);
}

#[tokio::test]
async fn identifier_uris_are_of_a_verified_domain_and_taken_once() {
    let tenant = Tenant::start().await;
    let (_, path) = app(&tenant, json!({ "identifierUris": ["api://one"] })).await;
    let (_, other) = app(&tenant, json!({})).await;
    let set = async |path: &str, uri: &str| patch(&tenant, path, json!({ "identifierUris": [uri] })).await;
    refused(set(&path, "nonsense").await, 400, "Request_BadRequest", "'identifierUris'");
    refused(set(&path, "https://example.com/x").await, 400, "HostNameNotOnVerifiedDomain", "verified domain");
    refused(
        set(&path, "https://evilcontoso.onmicrosoft.com").await,
        400,
        "HostNameNotOnVerifiedDomain",
        "verified domain",
    );
    refused(set(&other, "api://one").await, 400, "Request_BadRequest", "same value for property identifierUris");
    for uri in ["https://contoso.onmicrosoft.com/x", "https://x.contoso.onmicrosoft.com", "urn:x:y", "api://one"] {
        assert_eq!(set(&path, uri).await.0, 204, "{uri}");
    }
}

#[tokio::test]
async fn redirect_uris_are_secure_or_of_this_machine() {
    let tenant = Tenant::start().await;
    let (_, path) = app(&tenant, json!({})).await;
    let set =
        async |platform: &str, uri: &str| patch(&tenant, &path, json!({ platform: { "redirectUris": [uri] } })).await;
    let long = format!("https://a.example/{}", "x".repeat(239));
    for platform in ["web", "spa"] {
        for uri in ["https://", "http://a.example/", "http://localhost.evil.example/", "ftp://localhost/", "/cb", &long]
        {
            refused(set(platform, uri).await, 400, "Request_BadRequest", "redirectUris");
        }
        for uri in ["https://a.example", "http://localhost:8080/cb", "http://127.0.0.1/", &long[..256]] {
            assert_eq!(set(platform, uri).await.0, 204, "{uri}");
        }
    }
    assert_eq!(set("web", "urn:ietf:wg:oauth:2.0:oob").await.0, 204);
    assert_eq!(set("spa", "brk-multihub://a.example").await.0, 204);
    refused(set("spa", "urn:ietf:wg:oauth:2.0:oob").await, 400, "Request_BadRequest", "spa.redirectUris");
}

#[tokio::test]
async fn a_principal_follows_its_application_in_every_tenant() {
    let tenant = Tenant::start().await;
    let elsewhere = "11111111-2222-4333-8444-555555555555";
    let (made, path) = app(&tenant, json!({ "signInAudience": "AzureADMultipleOrgs" })).await;
    let wish = || Some(json!({ "appId": made["appId"] }));
    let (_, here) = tenant.graph(Method::POST, "/servicePrincipals", wish()).await;
    let there = tenant.in_tenant(elsewhere, Method::POST, "/servicePrincipals", wish()).await;
    let change = json!({
        "displayName": "After", "appRoles": [role(true, "r")], "api": { "oauth2PermissionScopes": [scope(true, "s")] },
        "web": { "redirectUris": ["https://a.example/"], "homePageUrl": "https://a.example/home" }, "identifierUris": ["api://x"],
    });
    assert_eq!(patch(&tenant, &path, change).await.0, 204);
    let of = |principal: &Value| format!("/servicePrincipals/{}", principal["id"].as_str().unwrap());
    for found in [read(&tenant, &of(&here)).await, tenant.in_tenant(elsewhere, Method::GET, &of(&there), None).await] {
        assert_eq!((&found["displayName"], &found["appDisplayName"]), (&json!("After"), &json!("After")));
        assert_eq!(
            (&found["appRoles"][0]["id"], &found["oauth2PermissionScopes"][0]["id"]),
            (&json!(ROLE), &json!(SCOPE))
        );
        assert_eq!(found["servicePrincipalNames"], json!([made["appId"], "api://x"]));
        assert_eq!(
            (&found["replyUrls"], &found["homepage"]),
            (&json!(["https://a.example/"]), &json!("https://a.example/home"))
        );
    }
    // A role that was added can be consented to.
    let grant = json!({ "principalId": here["id"], "resourceId": here["id"], "appRoleId": ROLE });
    let (status, answer) = tenant.graph(Method::POST, &format!("{}/appRoleAssignedTo", of(&here)), Some(grant)).await;
    assert_eq!(status, 201, "{answer}");
}

#[tokio::test]
async fn a_role_for_people_is_none_for_an_application_and_the_scopes_of_a_grant_are_limited() {
    let tenant = Tenant::start().await;
    let mut people = role(true, "People");
    people["allowedMemberTypes"] = json!(["User"]);
    let (made, _) = app(&tenant, json!({ "appRoles": [people] })).await;
    let (_, api) = tenant.graph(Method::POST, "/servicePrincipals", Some(json!({ "appId": made["appId"] }))).await;
    let id = api["id"].as_str().unwrap();
    let wish = json!({ "principalId": id, "resourceId": id, "appRoleId": ROLE });
    let answer = tenant.graph(Method::POST, &format!("/servicePrincipals/{id}/appRoleAssignedTo"), Some(wish)).await;
    refused(answer, 400, "Request_BadRequest", "was not found on application");

    let grant = |length: usize| json!({ "clientId": id, "consentType": "AllPrincipals", "resourceId": id, "scope": "x".repeat(length) });
    let post = async |length| tenant.graph(Method::POST, "/oauth2PermissionGrants", Some(grant(length))).await;
    refused(post(3851).await, 400, "Request_BadRequest", "'scope'");
    let (status, made) = post(3850).await;
    assert_eq!(status, 201);
    let path = format!("/oauth2PermissionGrants/{}", made["id"].as_str().unwrap());
    refused(patch(&tenant, &path, json!({ "scope": "x".repeat(3851) })).await, 400, "Request_BadRequest", "'scope'");
}

#[tokio::test]
async fn ids_have_no_case_and_are_answered_in_lower_case() {
    let tenant = Tenant::start().await;
    let (made, path) = app(&tenant, json!({ "displayName": "MiXed" })).await;
    let upper = |value: &Value| value.as_str().unwrap().to_uppercase();
    assert_eq!(read(&tenant, &format!("/applications/{}", upper(&made["id"]))).await["id"], made["id"]);
    assert_eq!(read(&tenant, &format!("/applications(appId='{}')", upper(&made["appId"]))).await["id"], made["id"]);
    let (status, principal) =
        tenant.graph(Method::POST, "/servicePrincipals", Some(json!({ "appId": upper(&made["appId"]) }))).await;
    assert_eq!((status.as_u16(), &principal["appId"]), (201, &made["appId"]));
    let graph: Value = tenant.microsoft_graph().await.into();
    let grant = json!({ "principalId": upper(&principal["id"]), "resourceId": upper(&graph), "appRoleId": "DF021288-BDEF-4463-88DB-98F22DE89214" });
    let assigned = format!("/servicePrincipals/{}/appRoleAssignments", upper(&principal["id"]));
    let (status, one) = tenant.graph(Method::POST, &assigned, Some(grant.clone())).await;
    assert_eq!((status.as_u16(), &one["principalId"], &one["resourceId"]), (201, &principal["id"], &graph), "{one}");
    assert_eq!(one["appRoleId"], "df021288-bdef-4463-88db-98f22de89214");
    refused(tenant.graph(Method::POST, &assigned, Some(grant)).await, 400, "Request_BadRequest", "already exists");
    let asked = json!([{ "resourceAppId": "00000003-0000-0000-C000-000000000000", "resourceAccess": [{ "id": ROLE.to_uppercase(), "type": "Role" }] }]);
    assert_eq!(patch(&tenant, &path, json!({ "requiredResourceAccess": asked })).await.0, 204);
    let found = &read(&tenant, &path).await["requiredResourceAccess"][0];
    assert_eq!(
        (&found["resourceAppId"], &found["resourceAccess"][0]["id"]),
        (&json!("00000003-0000-0000-c000-000000000000"), &json!(ROLE))
    );
    for filter in [format!("appId eq '{}'", upper(&made["appId"])), "displayName eq 'mIxED'".to_owned()] {
        let query = format!("/applications?$filter={}", filter.replace(' ', "%20"));
        assert_eq!(list(&read(&tenant, &query).await).len(), 1, "{filter}");
    }
    let (_, secret) = tenant.graph(Method::POST, &format!("{path}/addPassword"), Some(json!({}))).await;
    let remove = json!({ "keyId": upper(&secret["keyId"]) });
    assert_eq!(tenant.graph(Method::POST, &format!("{path}/removePassword"), Some(remove)).await.0, 204);
    // What is no id keeps its case.
    assert_eq!(patch(&tenant, &path, json!({ "notes": ROLE.to_uppercase() })).await.0, 204);
    assert_eq!(read(&tenant, &path).await["notes"], ROLE.to_uppercase());
}

#[tokio::test]
async fn an_empty_alternate_key_names_nothing() {
    let tenant = Tenant::start().await;
    app(&tenant, json!({})).await;
    let (status, body) = tenant.graph(Method::GET, "/applications(uniqueName='')", None).await;
    assert_eq!(status, 404, "{body}");
}

#[tokio::test]
async fn deleted_items_can_be_listed_by_who_reads_everything_only() {
    let tenant = Tenant::start().await;
    let token = tenant.token_with(&["Application.ReadWrite.OwnedBy"]).await;
    let owned =
        async |method: Method, path: &str, body: Option<Value>| tenant.graph_with(&token, method, path, body).await;
    let wish = |name: &str| Some(json!({ "displayName": name, "signInAudience": "AzureADMyOrg" }));
    let (_, made) = owned(Method::POST, "/applications", wish("own")).await;
    let id = made["id"].as_str().unwrap();
    assert_eq!(owned(Method::DELETE, &format!("/applications/{id}"), None).await.0, 204);
    let all = "/directory/deletedItems/microsoft.graph.application";
    let item = format!("/directory/deletedItems/{id}");
    for path in [all, &item, &format!("{item}/microsoft.graph.application")] {
        refused(owned(Method::GET, path, None).await, 403, "Authorization_RequestDenied", "Insufficient");
    }
    let found = read(&tenant, &format!("{all}?$select=id,uniqueName&$top=1")).await;
    assert_eq!(list(&found), [json!({ "id": id, "uniqueName": null })]);
    // Its owner restores it and purges it all the same.
    assert_eq!(owned(Method::POST, &format!("{item}/restore"), Some(json!({}))).await.0, 200);
    assert_eq!(owned(Method::DELETE, &format!("/applications/{id}"), None).await.0, 204);
    let not_yet = json!({ "methods": ["DELETE"], "path": "/graph/v1.0/directory/deletedItems/*", "times": 1, "action": { "fail": { "status": 404, "code": "Request_ResourceNotFound" } } });
    tenant.fault(not_yet).await;
    assert_eq!(owned(Method::DELETE, &item, None).await.0, 404, "as when the item is not visible yet");
    assert_eq!(owned(Method::DELETE, &item, None).await.0, 204);
}
