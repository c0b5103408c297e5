//! What an application locks of its service principals, and what a disabled principal may not. By raw HTTP.

use crate::pem;
use crate::tenant::Tenant;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const LOCKED: &str = "CannotUpdateLockedServicePrincipalProperty";

/// Paths of an application and its principal, and the client id.
async fn locked(tenant: &Tenant, lock: Value) -> (String, String, String) {
    let body =
        json!({ "displayName": "x", "signInAudience": "AzureADMyOrg", "servicePrincipalLockConfiguration": lock });
    let (status, app) = tenant.graph(Method::POST, "/applications", Some(body)).await;
    assert_eq!(status, 201, "{app}");
    let (_, made) = tenant.graph(Method::POST, "/servicePrincipals", Some(json!({ "appId": app["appId"] }))).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (
        format!("/applications/{}", text(&app["id"])),
        format!("/servicePrincipals/{}", text(&made["id"])),
        text(&app["appId"]),
    )
}

/// The answers to a new secret, to the removal of one, and to a new certificate.
async fn attempts(tenant: &Tenant, path: &str) -> [(StatusCode, Value); 3] {
    let planted = tenant.admin(Method::POST, &format!("{path}/addPassword"), Some(json!({}))).await;
    let key = json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": pem::certificate("x").base64 });
    [
        tenant.graph(Method::POST, &format!("{path}/addPassword"), Some(json!({}))).await,
        tenant.graph(Method::POST, &format!("{path}/removePassword"), Some(json!({ "keyId": planted["keyId"] }))).await,
        tenant.graph(Method::PATCH, path, Some(json!({ "keyCredentials": [key] }))).await,
    ]
}

#[tokio::test]
async fn a_locked_principal_takes_and_loses_no_credential() {
    let tenant = Tenant::start().await;
    for lock in [
        json!({ "isEnabled": true, "allProperties": true }),
        json!({ "isEnabled": true, "credentialsWithUsageVerify": true }),
    ] {
        let (app, principal, _) = locked(&tenant, lock).await;
        for (answer, property) in attempts(&tenant, &principal).await.into_iter().zip(["password", "password", "key"]) {
            let (status, body) = answer;
            assert_eq!((status.as_u16(), &body["error"]["code"]), (400, &json!(LOCKED)), "{body}");
            assert_eq!(body["error"]["message"], format!("Property {property}Credentials is invalid."));
        }
        let (_, found) = tenant.graph(Method::GET, &principal, None).await;
        assert_eq!((found["passwordCredentials"].as_array().unwrap().len(), &found["keyCredentials"]), (1, &json!([])));
        // What is not locked can be written, and the application itself is not meant.
        assert_eq!(tenant.graph(Method::PATCH, &principal, Some(json!({ "notes": "n" }))).await.0, 204);
        assert_eq!(attempts(&tenant, &app).await.map(|(status, _)| status.as_u16()), [200, 204, 204]);
        // Lifted, it can.
        let off = json!({ "servicePrincipalLockConfiguration": { "isEnabled": false } });
        assert_eq!(tenant.graph(Method::PATCH, &app, Some(off)).await.0, 204);
        assert_eq!(attempts(&tenant, &principal).await.map(|(status, _)| status.as_u16()), [200, 204, 204]);
    }
}

#[tokio::test]
async fn a_lock_that_is_off_or_of_something_else_refuses_nothing() {
    let tenant = Tenant::start().await;
    for lock in [
        json!(null),
        json!({ "isEnabled": false, "allProperties": true }),
        json!({ "isEnabled": true, "tokenEncryptionKeyId": true }),
        json!({ "isEnabled": true, "credentialsWithUsageSign": true }),
    ] {
        let (_, principal, _) = locked(&tenant, lock).await;
        assert_eq!(attempts(&tenant, &principal).await.map(|(status, _)| status.as_u16()), [200, 204, 204]);
    }
}

#[tokio::test]
async fn a_disabled_principal_signs_in_nowhere_and_a_disabled_api_gets_no_token() {
    let tenant = Tenant::start().await;
    let (app, principal, client) = locked(&tenant, json!(null)).await;
    let (_, made) = tenant.graph(Method::POST, &format!("{app}/addPassword"), Some(json!({}))).await;
    let secret = made["secretText"].as_str().unwrap();
    let enable = async |path: &str, enabled: bool| {
        tenant.graph(Method::PATCH, path, Some(json!({ "accountEnabled": enabled }))).await.0
    };
    assert_eq!(tenant.sign_in_as(&client, secret).await.0, 200);
    assert_eq!(enable(&principal, false).await, 204);
    let (status, refused) = tenant.sign_in_as(&client, secret).await;
    assert_eq!(
        (status.as_u16(), &refused["error"], &refused["error_codes"]),
        (400, &json!("unauthorized_client"), &json!([7_000_112]))
    );
    assert_eq!(tenant.sign_in_as(&client, "guess").await.1["error_codes"], json!([7_000_215]));
    assert_eq!(enable(&principal, true).await, 204);
    assert_eq!(tenant.sign_in_as(&client, secret).await.0, 200);

    let (_, api, api_client) = locked(&tenant, json!(null)).await;
    assert_eq!(enable(&api, false).await, 204);
    let scope = format!("{api_client}/.default");
    let form =
        [("grant_type", "client_credentials"), ("client_id", &*client), ("client_secret", secret), ("scope", &scope)];
    let (status, refused) = tenant.form(&tenant.token_endpoint(), &form).await;
    assert_eq!((status.as_u16(), &refused["error_codes"]), (400, &json!([500_014])), "{refused}");
}
