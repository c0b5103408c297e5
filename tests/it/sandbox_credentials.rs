//! What the sandbox enforces about client secrets, and about the policies that forbid them, by raw HTTP.

use crate::pem;
use crate::tenant::{Tenant, list};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// A single-tenant application of the development identity, and its path.
async fn application(tenant: &Tenant) -> (Value, String) {
    let body = json!({ "displayName": "x", "signInAudience": "AzureADMyOrg" });
    let (status, app) = tenant.graph(Method::POST, "/applications", Some(body)).await;
    assert_eq!(status, 201, "{app}");
    let path = format!("/applications/{}", app["id"].as_str().unwrap());
    (app, path)
}

async fn add(tenant: &Tenant, path: &str, wish: Value) -> (StatusCode, Value) {
    tenant.graph(Method::POST, &format!("{path}/addPassword"), Some(json!({ "passwordCredential": wish }))).await
}

fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    (answer.0.as_u16(), answer.1["error"]["code"].as_str().unwrap_or_default())
}

const BAD: (u16, &str) = (400, "Request_BadRequest");

#[tokio::test]
async fn a_secret_is_made_by_the_service_shown_once_and_read_without_its_text() {
    let tenant = Tenant::start().await;
    let (_, path) = application(&tenant).await;
    let wish = json!({ "displayName": "a", "startDateTime": "2026-01-01T00:00:00.123456Z", "endDateTime": "2027-01-01T00:00:00Z" });
    let (status, made) = add(&tenant, &path, wish).await;
    assert_eq!(status, 200);
    let text = made["secretText"].as_str().unwrap();
    assert!((16..=64).contains(&text.len()) && text.starts_with(made["hint"].as_str().unwrap()));
    assert_eq!(made["startDateTime"], "2026-01-01T00:00:00.123456Z");
    let (_, app) = tenant.graph(Method::GET, &path, None).await;
    let shown = &app["passwordCredentials"][0];
    assert_eq!(
        (&shown["keyId"], &shown["displayName"], &shown["secretText"]),
        (&made["keyId"], &json!("a"), &Value::Null)
    );
    assert!(!app.to_string().contains(text));
}

#[tokio::test]
async fn a_secret_without_wishes_lives_two_years() {
    let tenant = Tenant::start().await;
    let (_, path) = application(&tenant).await;
    tenant.control(Method::POST, "clock", Some(json!({ "now": "2026-01-01T00:00:00Z" }))).await;
    let (status, made) = tenant.graph(Method::POST, &format!("{path}/addPassword"), Some(json!({}))).await;
    assert_eq!((status.as_u16(), made["endDateTime"].as_str().unwrap().get(..10)), (200, Some("2028-01-01")));
}

#[tokio::test]
async fn what_the_service_chooses_and_what_an_action_does_not_take_is_refused() {
    let tenant = Tenant::start().await;
    let (_, path) = application(&tenant).await;
    let wishes = [
        json!({ "secretText": "my own text for it" }),
        json!({ "keyId": "11111111-2222-3333-4444-555555555555" }),
        json!({ "hint": "abc" }),
        json!({ "displayname": "misspelt" }),
        json!({ "endDateTime": "tomorrow" }),
        json!({ "startDateTime": "2027-01-01T00:00:00Z", "endDateTime": "2026-01-01T00:00:00Z" }),
    ];
    for wish in wishes {
        assert_eq!(code(&add(&tenant, &path, wish.clone()).await), BAD, "{wish}");
    }
    let bare = tenant.graph(Method::POST, &format!("{path}/addPassword"), Some(json!({ "displayName": "x" }))).await;
    assert_eq!(code(&bare), BAD);
    assert_eq!(code(&tenant.graph(Method::PATCH, &path, Some(json!({ "passwordCredentials": [] }))).await), BAD);
    let nowhere = add(&tenant, "/applications/11111111-2222-3333-4444-555555555555", json!({})).await;
    assert_eq!(code(&nowhere), (404, "Request_ResourceNotFound"));
}

#[tokio::test]
async fn a_secret_is_removed_by_its_key_id_just_once() {
    let tenant = Tenant::start().await;
    let (_, path) = application(&tenant).await;
    let (first, second) = (add(&tenant, &path, json!({})).await.1, add(&tenant, &path, json!({})).await.1);
    let remove = async |key: Value| {
        tenant.graph(Method::POST, &format!("{path}/removePassword"), Some(json!({ "keyId": key }))).await
    };
    assert_eq!(code(&remove("no guid".into()).await), BAD);
    assert_eq!(remove(first["keyId"].clone()).await.0, 204);
    assert_eq!(code(&remove(first["keyId"].clone()).await), BAD);
    let (_, app) = tenant.graph(Method::GET, &path, None).await;
    assert_eq!(app["passwordCredentials"].as_array().unwrap().len(), 1);
    assert_eq!(app["passwordCredentials"][0]["keyId"], second["keyId"]);
}

#[tokio::test]
async fn an_application_for_personal_accounts_has_two_secrets_at_most() {
    let tenant = Tenant::start().await;
    let (_, app) = tenant.graph(Method::POST, "/applications", Some(json!({ "displayName": "x" }))).await;
    let path = format!("/applications/{}", app["id"].as_str().unwrap());
    assert_eq!(add(&tenant, &path, json!({})).await.0, 200);
    assert_eq!(add(&tenant, &path, json!({})).await.0, 200);
    assert_eq!(code(&add(&tenant, &path, json!({})).await), BAD);
}

#[tokio::test]
async fn a_secret_opens_the_login_until_it_ends_or_is_removed() {
    let tenant = Tenant::start().await;
    let (app, path) = application(&tenant).await;
    let client = app["appId"].as_str().unwrap();
    assert_eq!(tenant.graph(Method::POST, "/servicePrincipals", Some(json!({ "appId": client }))).await.0, 201);
    tenant.control(Method::POST, "clock", Some(json!({ "now": "2026-01-01T00:00:00Z" }))).await;
    let (_, made) = add(&tenant, &path, json!({ "endDateTime": "2026-01-02T00:00:00Z" })).await;
    let text = made["secretText"].as_str().unwrap();
    assert_eq!(tenant.sign_in_as(client, text).await.0, 200);
    tenant.control(Method::POST, "clock", Some(json!({ "now": "2026-01-02T00:00:00Z" }))).await;
    assert_eq!(tenant.sign_in_as(client, text).await.1["error_codes"], json!([7_000_222]));
    let body = json!({ "keyId": made["keyId"] });
    assert_eq!(tenant.graph(Method::POST, &format!("{path}/removePassword"), Some(body)).await.0, 204);
    assert_eq!(tenant.sign_in_as(client, text).await.1["error_codes"], json!([7_000_215]));
}

#[tokio::test]
async fn a_deleted_application_shows_its_secrets_among_the_deleted_items_and_takes_no_new_one() {
    let tenant = Tenant::start().await;
    let (app, path) = application(&tenant).await;
    let (_, made) = add(&tenant, &path, json!({})).await;
    assert_eq!(tenant.graph(Method::DELETE, &path, None).await.0, 204);
    assert_eq!(code(&add(&tenant, &path, json!({})).await), (404, "Request_ResourceNotFound"));
    let deleted = format!("/directory/deletedItems/{}", app["id"].as_str().unwrap());
    let (_, found) = tenant.graph(Method::GET, &deleted, None).await;
    assert_eq!(found["passwordCredentials"][0]["keyId"], made["keyId"]);
}

async fn restrict(tenant: &Tenant, restrictions: Value) {
    let body = json!({ "isEnabled": true, "applicationRestrictions": { "passwordCredentials": restrictions } });
    tenant.admin(Method::PATCH, "/policies/defaultAppManagementPolicy", Some(body)).await;
}

#[tokio::test]
async fn the_tenants_policy_is_off_until_an_administrator_turns_it_on_and_then_limits_secrets() {
    let tenant = Tenant::start().await;
    let (_, path) = application(&tenant).await;
    let (_, policy) = tenant.graph(Method::GET, "/policies/defaultAppManagementPolicy", None).await;
    assert_eq!(
        (&policy["isEnabled"], &policy["applicationRestrictions"]["passwordCredentials"]),
        (&json!(false), &json!([]))
    );

    restrict(&tenant, json!([{ "restrictionType": "passwordLifetime", "maxLifetime": "P90D", "restrictForAppsCreatedAfterDateTime": null }])).await;
    let wish = |end: &str| json!({ "startDateTime": "2026-01-01T00:00:00Z", "endDateTime": end });
    let refused = add(&tenant, &path, wish("2026-04-01T00:00:01Z")).await;
    assert_eq!(code(&refused), (400, "CredentialInvalidLifetimeAsPerAppPolicy"));
    assert!(refused.1["error"]["message"].as_str().unwrap().contains(policy["id"].as_str().unwrap()));
    assert_eq!(add(&tenant, &path, wish("2026-04-01T00:00:00Z")).await.0, 200);

    restrict(&tenant, json!([{ "restrictionType": "passwordAddition", "maxLifetime": null }])).await;
    assert_eq!(code(&add(&tenant, &path, json!({})).await), (400, "CredentialTypeNotAllowedAsPerAppPolicy"));
    restrict(&tenant, json!([{ "restrictionType": "passwordAddition", "state": "disabled" }])).await;
    assert_eq!(add(&tenant, &path, json!({})).await.0, 200);
    restrict(&tenant, json!([{ "restrictionType": "passwordAddition", "restrictForAppsCreatedAfterDateTime": "2999-01-01T00:00:00Z" }])).await;
    assert_eq!(add(&tenant, &path, json!({})).await.0, 200, "the application is older than the restriction");
}

#[tokio::test]
async fn a_policy_of_the_application_itself_counts_instead_of_the_tenants() {
    let tenant = Tenant::start().await;
    let (_, path) = application(&tenant).await;
    restrict(&tenant, json!([{ "restrictionType": "passwordAddition" }])).await;
    let own = json!({ "displayName": "exempt", "isEnabled": true, "restrictions": { "passwordCredentials": [] } });
    let own = tenant.admin(Method::POST, "/policies/appManagementPolicies", Some(own)).await;
    let reference =
        json!({ "@odata.id": format!("https://graph/policies/appManagementPolicies/{}", own["id"].as_str().unwrap()) });
    tenant.admin(Method::POST, &format!("{path}/appManagementPolicies/$ref"), Some(reference)).await;
    assert_eq!(list(&tenant.graph(Method::GET, &format!("{path}/appManagementPolicies"), None).await.1), [own]);
    assert_eq!(add(&tenant, &path, json!({})).await.0, 200);
    let (_, other) = application(&tenant).await;
    assert_eq!(code(&add(&tenant, &other, json!({})).await), (400, "CredentialTypeNotAllowedAsPerAppPolicy"));
}

#[tokio::test]
async fn a_policy_has_its_shape_and_its_readers() {
    let tenant = Tenant::start().await;
    let path = "/policies/defaultAppManagementPolicy";
    let url = format!("{}/tenants/{}/v1.0{path}", tenant.connection().control, tenant.connection().tenant_id);
    let wrong = [
        json!({ "enabled": true }),
        json!({ "isEnabled": "yes" }),
        json!({ "applicationRestrictions": { "passwordCredentials": [{ "restrictionType": "passwordLength" }] } }),
        json!({ "applicationRestrictions": { "passwordCredentials": [{ "restrictionType": "passwordLifetime" }] } }),
        json!({ "applicationRestrictions": { "passwordCredentials": [{ "restrictionType": "passwordAddition" }, { "restrictionType": "passwordAddition" }] } }),
    ];
    for body in wrong {
        assert_eq!(tenant.status(Method::PATCH, &url, Some(body.clone())).await, 400, "{body}");
    }
    let callers = format!("tenants/{}/callers", tenant.connection().tenant_id);
    let (_, caller) =
        tenant.control(Method::POST, &callers, Some(json!({ "roles": ["Application.ReadWrite.All"] }))).await;
    let (_, answer) =
        tenant.sign_in_as(caller["client_id"].as_str().unwrap(), caller["client_secret"].as_str().unwrap()).await;
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(tenant.graph_with(token, Method::GET, path, None).await.0, 403);
    let (status, _) = tenant.graph(Method::PATCH, path, Some(json!({ "isEnabled": true }))).await;
    assert_eq!(status, 403, "reading is not writing");
}

#[tokio::test]
async fn a_credential_may_end_with_the_last_second_that_graph_knows() {
    let tenant = Tenant::start().await;
    let (app, path) = application(&tenant).await;
    for end in ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.9999999Z"] {
        let (status, made) = add(&tenant, &path, json!({ "endDateTime": end })).await;
        assert_eq!((status.as_u16(), made["endDateTime"].as_str()), (200, Some(end)));
    }
    let (_, made) = add(&tenant, &path, json!({ "endDateTime": "2090-01-01T02:00:00+02:00" })).await;
    assert_eq!(made["endDateTime"], "2090-01-01T00:00:00Z");
    let endless = pem::until("x", 9999);
    let key = json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": endless.base64 });
    assert_eq!(tenant.graph(Method::PATCH, &path, Some(json!({ "keyCredentials": [key] }))).await.0, 204);
    let (_, found) = tenant.graph(Method::GET, &path, None).await;
    assert_eq!(found["keyCredentials"][0]["endDateTime"], "9999-01-01T00:00:00Z");
    // And such a secret opens the login.
    let (_, made) = add(&tenant, &path, json!({ "endDateTime": "9999-12-31T23:59:59Z" })).await;
    assert_eq!(tenant.graph(Method::POST, "/servicePrincipals", Some(json!({ "appId": app["appId"] }))).await.0, 201);
    let (client, secret) = (app["appId"].as_str().unwrap(), made["secretText"].as_str().unwrap());
    assert_eq!(tenant.sign_in_as(client, secret).await.0, 200);
}

#[tokio::test]
async fn a_secret_opens_nothing_before_its_time() {
    let tenant = Tenant::start().await;
    let (app, path) = application(&tenant).await;
    let client = app["appId"].as_str().unwrap();
    assert_eq!(tenant.graph(Method::POST, "/servicePrincipals", Some(json!({ "appId": client }))).await.0, 201);
    tenant.control(Method::POST, "clock", Some(json!({ "now": "2027-01-01T00:00:00Z" }))).await;
    let (_, made) = add(&tenant, &path, json!({ "startDateTime": "2027-06-01T00:00:00Z" })).await;
    let secret = made["secretText"].as_str().unwrap();
    assert_eq!(tenant.sign_in_as(client, secret).await.1["error_codes"], json!([7_000_215]));
    tenant.control(Method::POST, "clock", Some(json!({ "now": "2027-06-01T00:00:00Z" }))).await;
    assert_eq!(tenant.sign_in_as(client, secret).await.0, 200);
}
