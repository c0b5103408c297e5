//! The login as clients of every kind use it: discovery, keys, both versions of the token endpoint, names of tenants and of APIs, and the
//! door with TLS. By raw HTTP.

use crate::tenant::Tenant;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use reqwest::{Certificate, Client, Method};
use serde_json::{Value, json};
use std::path::Path;
use terraform_provider_m365::sandbox::{Connection, Sandbox, Settings};

fn form<'a>(connection: &'a Connection, of: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let start = [
        ("grant_type", "client_credentials"),
        ("client_id", &*connection.client_id),
        ("client_secret", &*connection.client_secret),
    ];
    [&start, of].concat()
}

fn claims(token: &Value) -> Value {
    jsonwebtoken::dangerous::insecure_decode_claims(token.as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_token_is_verified_with_the_keys_that_discovery_leads_to() {
    let tenant = Tenant::start().await;
    for login in [tenant.connection().login.clone(), tenant.url()] {
        let authority = format!("{login}/{}", tenant.connection().tenant_id);
        let document =
            tenant.at(Method::GET, &format!("{authority}/v2.0/.well-known/openid-configuration"), None).await;
        assert_eq!(document["token_endpoint"], format!("{authority}/oauth2/v2.0/token"));
        assert_eq!(document["issuer"], format!("{authority}/v2.0"));
        let keys = tenant.at(Method::GET, document["jwks_uri"].as_str().unwrap(), None).await;
        let key: Jwk = serde_json::from_value(keys["keys"][0].clone()).unwrap();
        let token = tenant.token().await;
        assert_eq!(decode_header(&token).unwrap().kid, key.common.key_id);
        let mut rules = Validation::new(Algorithm::RS256);
        rules.validate_aud = false;
        let found = decode::<Value>(&token, &DecodingKey::from_jwk(&key).unwrap(), &rules).unwrap().claims;
        for name in ["iss", "nbf", "sub", "app_displayname", "uti", "appid", "tid"] {
            assert!(found[name].is_string() || found[name].is_i64(), "{name} is missing in {found}");
        }
        assert_eq!((&found["ver"], &found["appidacr"], &found["sub"]), (&json!("1.0"), &json!("1"), &found["oid"]));
    }
    let instance =
        tenant.at(Method::GET, &format!("{}/common/discovery/instance?api-version=1.1", tenant.url()), None).await;
    let host = tenant.url().split("://").nth(1).unwrap().to_owned();
    assert_eq!(instance["metadata"][0]["aliases"], json!([host]));
    let clouds =
        tenant.at(Method::GET, &format!("{}/metadata/endpoints?api-version=2022-09-01", tenant.url()), None).await;
    assert_eq!(clouds["authentication"]["loginEndpoint"], tenant.url());
}

#[tokio::test]
async fn a_token_of_another_sandbox_opens_nothing() {
    let (one, other) = (Tenant::start().await, Tenant::start().await);
    let scope = [("scope", "https://graph.microsoft.com/.default")];
    let (_, token) = one.form(&one.token_endpoint(), &form(one.connection(), &scope)).await;
    let token = token["access_token"].as_str().unwrap();
    assert_eq!(one.graph_with(token, Method::GET, "/organization", None).await.0, 200);
    assert_eq!(other.graph_with(token, Method::GET, "/organization", None).await.0, 401);
}

#[tokio::test]
async fn tenants_have_domains_and_apis_have_names() {
    let tenant = Tenant::start().await;
    let connection = tenant.connection();
    let at = |name: &str| format!("{}/{name}/oauth2/v2.0/token", connection.login);
    let ask = async |name: &str, scope: &str| tenant.form(&at(name), &form(connection, &[("scope", scope)])).await;
    for (scope, audience) in [
        ("https://graph.microsoft.com/.default", "https://graph.microsoft.com"),
        ("https://graph.microsoft.com//.default", "https://graph.microsoft.com/"),
        ("https://api.securitycenter.microsoft.com/.default", "https://api.securitycenter.microsoft.com"),
        ("https://management.azure.com//.default", "https://management.azure.com/"),
        ("https://manage.office.com/.default", "https://manage.office.com"),
        ("https://outlook.office365.com/.default", "https://outlook.office365.com"),
        ("https://vault.azure.net/.default", "https://vault.azure.net"),
        ("00000003-0000-0000-C000-000000000000/.default", "00000003-0000-0000-C000-000000000000"),
        ("https://vault.azure.net/.default openid offline_access profile", "https://vault.azure.net"),
    ] {
        let (status, token) = ask("Contoso.OnMicrosoft.com", scope).await;
        assert_eq!(status, 200, "{scope}: {token}");
        assert_eq!(claims(&token["access_token"])["aud"], audience);
    }
    for (name, scope, code) in [
        ("fabrikam.onmicrosoft.com", "https://graph.microsoft.com/.default", 90_002),
        ("contoso.onmicrosoft.com", "https://nobody.example/.default", 500_011),
        ("contoso.onmicrosoft.com", "https://graph.microsoft.com", 1_002_012),
        ("contoso.onmicrosoft.com", "openid", 1_002_012),
        ("contoso.onmicrosoft.com", "https://graph.microsoft.com/.default https://vault.azure.net/.default", 1_002_012),
    ] {
        let (status, refused) = ask(name, scope).await;
        assert_eq!((status.as_u16(), &refused["error_codes"]), (400, &json!([code])), "{name} {scope}");
    }
    // One's own API is named by its identifier.
    let app = json!({ "displayName": "api", "signInAudience": "AzureADMyOrg", "identifierUris": ["api://own"] });
    let app = tenant.admin(Method::POST, "/applications", Some(app)).await;
    assert_eq!(ask(&connection.tenant_id, "api://own/.default").await.1["error_codes"], json!([500_011]));
    tenant.admin(Method::POST, "/servicePrincipals", Some(json!({ "appId": app["appId"] }))).await;
    assert_eq!(ask(&connection.tenant_id, "api://own/.default").await.0, 200);
}

#[tokio::test]
async fn the_first_version_and_basic_authentication() {
    let tenant = Tenant::start().await;
    let connection = tenant.connection();
    let url = format!("{}/{}/oauth2/token", connection.login, connection.tenant_id);
    let (status, token) = tenant.form(&url, &form(connection, &[("resource", "https://graph.microsoft.com/")])).await;
    assert_eq!(status, 200, "{token}");
    assert_eq!((&token["expires_in"], &token["resource"]), (&json!("3599"), &json!("https://graph.microsoft.com/")));
    assert!(token["expires_on"].as_str().unwrap().parse::<i64>().is_ok());
    let bearer = token["access_token"].as_str().unwrap();
    assert_eq!(tenant.graph_with(bearer, Method::GET, "/organization", None).await.0, 200);
    let (status, refused) =
        tenant.form(&url, &form(connection, &[("scope", "https://graph.microsoft.com/.default")])).await;
    assert_eq!((status.as_u16(), &refused["error_codes"]), (400, &json!([900_144])), "it takes a resource");

    let http = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    for (secret, expected) in [(&*connection.client_secret, 200), ("guess", 401)] {
        let basic = STANDARD.encode(format!("{}:{secret}", connection.client_id));
        let body = [("grant_type", "client_credentials"), ("scope", "https://graph.microsoft.com/.default")];
        let request = http.post(tenant.token_endpoint()).form(&body).header("Authorization", format!("basic {basic}"));
        assert_eq!(request.send().await.unwrap().status().as_u16(), expected);
    }
    let (status, refused) = tenant.request(Method::GET, &tenant.token_endpoint(), &[]).await;
    assert_eq!((status.as_u16(), &refused["error_codes"]), (400, &json!([900_561])));
    let nowhere = format!("{}/{}/nothing", connection.login, connection.tenant_id);
    assert_eq!(tenant.request(Method::GET, &nowhere, &[]).await.0, 404);
}

/// A sandbox with TLS, and a client that trusts it.
async fn with_tls(state: Option<&Path>) -> (Sandbox, Client) {
    let settings = Settings { listen: ([127, 0, 0, 1], 0).into(), state: state.map(Path::to_owned), tls: true };
    let sandbox = Sandbox::open(settings).await.unwrap();
    let pem = std::fs::read(sandbox.connection().ca_certificate.as_ref().unwrap()).unwrap();
    let trusted = [Certificate::from_pem(&pem).unwrap()];
    (sandbox, Client::builder().no_proxy().tls_certs_only(trusted).build().unwrap())
}

async fn sign_in(http: &Client, connection: &Connection) -> String {
    let url = format!("{}/contoso.onmicrosoft.com/oauth2/v2.0/token", connection.login);
    let body = form(connection, &[("scope", "https://graph.microsoft.com/.default")]);
    let answer: Value = http.post(url).form(&body).send().await.unwrap().json().await.unwrap();
    answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[tokio::test]
async fn a_door_with_tls_opens_for_who_trusts_its_authority_and_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("tenants.json");
    let (sandbox, http) = with_tls(Some(&state)).await;
    let connection = sandbox.connection().clone();
    assert!(connection.login.starts_with("https://127.0.0.1:") && connection.login == connection.graph);
    assert_eq!(connection.ca_certificate, Some(folder.path().join("tenants.json.ca.pem")));
    let token = sign_in(&http, &connection).await;
    let ask = async |http: &Client, connection: &Connection| {
        let url = format!("{}/v1.0/applications", connection.graph);
        http.get(url).bearer_auth(&token).send().await
    };
    assert_eq!(ask(&http, &connection).await.unwrap().status(), 200);
    let document = format!("{}/common/v2.0/.well-known/openid-configuration", connection.login);
    let document: Value = http.get(document).send().await.unwrap().json().await.unwrap();
    assert_eq!(document["token_endpoint"], format!("{}/common/oauth2/v2.0/token", connection.login));
    let stranger = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    assert!(ask(&stranger, &connection).await.unwrap_err().is_connect());
    drop(sandbox);

    // The authority and the signing key stay; whoever trusted before need not trust anew.
    let (sandbox, _) = with_tls(Some(&state)).await;
    assert_eq!(ask(&http, sandbox.connection()).await.unwrap().status(), 200);
}

#[tokio::test]
async fn connections_with_tls_are_cut_as_any_other() {
    let (sandbox, http) = with_tls(None).await;
    let connection = sandbox.connection();
    let token = sign_in(&http, connection).await;
    for (action, made) in [("drop_before_commit", 0), ("drop_after_commit", 1)] {
        let rule = json!({ "methods": ["POST"], "path": "/v1.0/applications", "times": 1, "action": action });
        http.post(format!("{}/faults", connection.control))
            .json(&rule)
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
        let url = format!("{}/v1.0/applications", connection.graph);
        let request = http.post(&url).bearer_auth(&token).json(&json!({ "displayName": "x" }));
        assert!(request.send().await.unwrap_err().is_request(), "{action}");
        let all: Value = http.get(url).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
        assert_eq!(all["value"].as_array().unwrap().len(), 1 + made, "{action}");
    }
}
