//! The sandbox's login and the platforms around it accept and refuse what the real ones do. By raw HTTP.

use crate::identity::{AUDIENCE, Caller, Certificate, claims, header};
use crate::tenant::Tenant;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, Header};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

async fn assert_with(tenant: &Tenant, client: &str, assertion: &str) -> (StatusCode, Value) {
    let scope = format!("{}/.default", tenant.connection().graph);
    tenant
        .form(
            &tenant.token_endpoint(),
            &[
                ("grant_type", "client_credentials"),
                ("client_id", client),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", assertion),
                ("scope", &scope),
            ],
        )
        .await
}

#[track_caller]
fn refused(answer: (StatusCode, Value), code: u32, text: &str) {
    let (status, body) = answer;
    assert_eq!(
        (status.as_u16(), &body["error"], &body["error_codes"]),
        (401, &json!("invalid_client"), &json!([code])),
        "{body}"
    );
    let description = body["error_description"].as_str().unwrap();
    assert!(description.starts_with(&format!("AADSTS{code}: ")) && description.contains(text), "{description}");
    assert!(description.contains("Trace ID: ") && description.contains("Timestamp: "), "{description}");
}

/// The token opens Graph and names the caller.
async fn opens_graph(tenant: &Tenant, token: &Value, caller: &Caller) {
    let (status, found) = tenant
        .graph_with(token.as_str().unwrap(), Method::GET, &format!("/applications/{}", caller.application), None)
        .await;
    assert_eq!((status.as_u16(), &found["appId"]), (200, &json!(caller.client_id)), "{found}");
}

async fn with_certificate() -> (Tenant, Caller, &'static Certificate) {
    let (tenant, certificate) = (Tenant::start().await, Certificate::any());
    let caller = tenant.caller().await;
    tenant.register(&caller, certificate).await;
    (tenant, caller, certificate)
}

#[tokio::test]
async fn a_certificate_signs_in_by_either_thumbprint_algorithm_and_audience() {
    let (tenant, caller, certificate) = with_certificate().await;
    let authority = tenant.token_endpoint().replace("/oauth2/v2.0/token", "");
    let mut old = Header::new(Algorithm::RS256);
    old.x5t = Some(certificate.sha1());
    for (header, audience) in [
        (header(Algorithm::PS256, certificate), tenant.token_endpoint()),
        (header(Algorithm::RS256, certificate), format!("{authority}/oauth2/token")),
        (old, format!("{authority}/v2.0")),
    ] {
        let assertion = certificate.sign(&header, &claims(&caller.client_id, &audience));
        let (status, body) = assert_with(&tenant, &caller.client_id, &assertion).await;
        assert_eq!(status, 200, "{body}");
        opens_graph(&tenant, &body["access_token"], &caller).await;
    }
}

#[tokio::test]
async fn an_assertion_of_an_unregistered_certificate_or_with_a_wrong_signature() {
    let (tenant, caller, certificate) = with_certificate().await;
    let audience = tenant.token_endpoint();
    let other = Certificate::other();
    let foreign = other.sign(&header(Algorithm::PS256, other), &claims(&caller.client_id, &audience));
    refused(assert_with(&tenant, &caller.client_id, &foreign).await, 700_027, "The key was not found");
    let forged = other.sign(&header(Algorithm::PS256, certificate), &claims(&caller.client_id, &audience));
    refused(assert_with(&tenant, &caller.client_id, &forged).await, 700_027, "invalid signature");
    let unsigned = certificate.sign(&Header::new(Algorithm::PS256), &claims(&caller.client_id, &audience));
    refused(assert_with(&tenant, &caller.client_id, &unsigned).await, 50_027, "malformed");
    refused(assert_with(&tenant, &caller.client_id, "a.b.c").await, 50_027, "malformed");
    let symmetric = jsonwebtoken::encode(
        &header(Algorithm::HS256, certificate),
        &claims(&caller.client_id, &audience),
        &jsonwebtoken::EncodingKey::from_secret(&certificate.der),
    );
    refused(assert_with(&tenant, &caller.client_id, &symmetric.unwrap()).await, 50_027, "malformed");
}

#[tokio::test]
async fn an_assertion_for_somebody_else_or_out_of_time() {
    let (tenant, caller, certificate) = with_certificate().await;
    let sent = async |change: &dyn Fn(&mut Value)| {
        let mut claims = claims(&caller.client_id, &tenant.token_endpoint());
        change(&mut claims);
        let assertion = certificate.sign(&header(Algorithm::PS256, certificate), &claims);
        assert_with(&tenant, &caller.client_id, &assertion).await
    };
    let now = jiff::Timestamp::now().as_second();
    assert_eq!(sent(&|_| ()).await.0, 200);
    assert_eq!(sent(&|claims| claims["exp"] = (now - 200).into()).await.0, 200, "clocks may differ a little");
    refused(sent(&|claims| claims["exp"] = (now - 400).into()).await, 700_024, "not within its valid time range");
    refused(sent(&|claims| claims["nbf"] = (now + 400).into()).await, 700_024, "not within its valid time range");
    refused(sent(&|claims| claims["aud"] = "https://elsewhere".into()).await, 700_023, "audience");
    refused(sent(&|claims| claims["sub"] = "somebody".into()).await, 700_021, "doesn't match 'client_id'");
    refused(sent(&|claims| claims["iss"] = "somebody".into()).await, 700_021, "doesn't match 'client_id'");
    refused(
        sent(&|claims| {
            claims.as_object_mut().unwrap().remove("exp");
        })
        .await,
        50_027,
        "malformed",
    );
}

#[tokio::test]
async fn a_certificate_ends_by_the_sandbox_clock() {
    let tenant = Tenant::start().await;
    let (caller, certificate) = (tenant.caller().await, Certificate::new(2020..2040));
    tenant.register(&caller, &certificate).await;
    tenant.control(Method::POST, "clock", Some(json!({ "now": "2041-01-01T00:00:00Z" }))).await;
    let mut claims = claims(&caller.client_id, &tenant.token_endpoint());
    claims["exp"] = 2_240_524_900_i64.into();
    let assertion = certificate.sign(&header(Algorithm::PS256, &certificate), &claims);
    refused(assert_with(&tenant, &caller.client_id, &assertion).await, 700_027, "The key used is expired");
}

#[tokio::test]
async fn a_certificate_opens_nothing_before_its_time() {
    let tenant = Tenant::start().await;
    let (caller, certificate) = (tenant.caller().await, Certificate::any());
    tenant.control(Method::POST, "clock", Some(json!({ "now": "2027-01-01T00:00:00Z" }))).await;
    let key = json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": STANDARD.encode(&certificate.der), "startDateTime": "2027-06-01T00:00:00Z" });
    let path = format!("/applications/{}", caller.application);
    tenant.admin(Method::PATCH, &path, Some(json!({ "keyCredentials": [key] }))).await;
    let sent = async |now: &str| {
        tenant.control(Method::POST, "clock", Some(json!({ "now": now }))).await;
        let mut claims = claims(&caller.client_id, &tenant.token_endpoint());
        claims["nbf"] = 0.into();
        claims["exp"] = 4_000_000_000_i64.into();
        assert_with(&tenant, &caller.client_id, &certificate.sign(&header(Algorithm::PS256, certificate), &claims))
            .await
    };
    refused(sent("2027-05-31T23:59:59Z").await, 700_027, "not valid yet");
    assert_eq!(sent("2027-06-01T00:00:00Z").await.0, 200);
}

#[tokio::test]
async fn a_token_of_a_trusted_issuer_signs_in_and_others_are_told_what_does_not_match() {
    let tenant = Tenant::start().await;
    let caller = tenant.caller().await;
    let sent = async |claims: Value| {
        let token = tenant.oidc_token(claims).await;
        assert_with(&tenant, &caller.client_id, &token).await
    };
    let good = || json!({ "sub": "repo:contoso/x:ref:refs/heads/main", "aud": AUDIENCE });
    refused(sent(good()).await, 700_211, "issuer");
    tenant.trust(&caller, "repo:contoso/x:ref:refs/heads/main").await;
    let (status, body) = sent(good()).await;
    assert_eq!(status, 200, "{body}");
    opens_graph(&tenant, &body["access_token"], &caller).await;
    let listed = json!({ "sub": "repo:contoso/x:ref:refs/heads/main", "aud": [AUDIENCE] });
    assert_eq!(sent(listed).await.0, 200, "Kubernetes lists its audiences");
    let other_case = json!({ "sub": "repo:Contoso/x:ref:refs/heads/main", "aud": AUDIENCE });
    refused(sent(other_case).await, 700_213, "repo:Contoso/x");
    let other_audience = json!({ "sub": "repo:contoso/x:ref:refs/heads/main", "aud": "https://github.com/contoso" });
    refused(sent(other_audience).await, 700_212, "https://github.com/contoso");
    let expired = json!({ "sub": "repo:contoso/x:ref:refs/heads/main", "aud": AUDIENCE, "expires_in": -400 });
    refused(sent(expired).await, 700_024, "valid time range");
    let mut forged = claims("repo:contoso/x:ref:refs/heads/main", AUDIENCE);
    forged["iss"] = tenant.issuer().into();
    let forged = Certificate::any().sign(&Header::new(Algorithm::RS256), &forged);
    refused(assert_with(&tenant, &caller.client_id, &forged).await, 50_013, "signature");
}

#[tokio::test]
async fn the_issuer_publishes_the_key_that_it_signs_with() {
    let tenant = Tenant::start().await;
    let url = format!("{}/.well-known/openid-configuration", tenant.issuer());
    let document = tenant.at(Method::GET, &url, None).await;
    assert_eq!(document["issuer"], json!(tenant.issuer()));
    let keys = tenant.at(Method::GET, document["jwks_uri"].as_str().unwrap(), None).await;
    let key: jsonwebtoken::jwk::Jwk = serde_json::from_value(keys["keys"][0].clone()).unwrap();
    let token = tenant.oidc_token(json!({ "sub": "s", "aud": "a" })).await;
    assert_eq!(jsonwebtoken::decode_header(&token).unwrap().kid, key.common.key_id);
    let mut rules = jsonwebtoken::Validation::new(Algorithm::RS256);
    rules.set_audience(&["a"]);
    let found =
        jsonwebtoken::decode::<Value>(&token, &jsonwebtoken::DecodingKey::from_jwk(&key).unwrap(), &rules).unwrap();
    assert_eq!(found.claims["sub"], "s");
}

#[tokio::test]
async fn a_client_has_to_show_something() {
    let tenant = Tenant::start().await;
    let caller = tenant.caller().await;
    let scope = format!("{}/.default", tenant.connection().graph);
    let form = [("grant_type", "client_credentials"), ("client_id", &*caller.client_id), ("scope", &scope)];
    refused(tenant.form(&tenant.token_endpoint(), &form).await, 7_000_218, "'client_assertion' or 'client_secret'");
    let typeless = [&form[..], &[("client_assertion", "x")]].concat();
    let (status, body) = tenant.form(&tenant.token_endpoint(), &typeless).await;
    assert_eq!((status.as_u16(), &body["error_codes"][0]), (400, &json!(900_144)));
}

#[tokio::test]
async fn a_token_for_another_api_does_not_open_graph() {
    let tenant = Tenant::start().await;
    let caller = tenant.caller().await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &*caller.client_id),
        ("client_secret", &*caller.secret),
        ("scope", "fc780465-2017-40d4-a0c5-307022471b92/.default"),
    ];
    let (status, body) = tenant.form(&tenant.token_endpoint(), &form).await;
    assert_eq!(status, 200, "{body}");
    let (status, body) =
        tenant.graph_with(body["access_token"].as_str().unwrap(), Method::GET, "/organization", None).await;
    assert_eq!((status.as_u16(), body["error"]["message"].as_str().unwrap().contains("Invalid audience")), (401, true));
}

/// Sends a GET with headers.
async fn get(tenant: &Tenant, url: &str, headers: &[(&str, &str)]) -> (StatusCode, Value) {
    tenant.request(Method::GET, url, headers).await
}

fn variable<'a>(variables: &'a [(String, String)], name: &str) -> &'a str {
    &variables.iter().find(|(known, _)| known == name).unwrap().1
}

#[tokio::test]
async fn the_metadata_service_gives_tokens_to_who_asks_rightly() {
    let tenant = Tenant::start().await;
    let caller = tenant.caller().await;
    let wish = json!({ "system_assigned": caller.client_id, "user_assigned": [tenant.connection().client_id] });
    assert_eq!(tenant.control(Method::POST, "platforms", Some(wish)).await.0, 204);
    let base = format!("{}/metadata/identity/oauth2/token", tenant.url());
    let full = format!("{base}?api-version=2018-02-01&resource={}", tenant.connection().graph);
    let rightly = [("Metadata", "true")];
    let (status, body) = get(&tenant, &full, &rightly).await;
    assert_eq!((status.as_u16(), &body["expires_in"]), (200, &json!("3599")), "{body}");
    opens_graph(&tenant, &body["access_token"], &caller).await;
    let named = format!("{full}&client_id={}", tenant.connection().client_id);
    assert_eq!(get(&tenant, &named, &rightly).await.1["client_id"], json!(tenant.connection().client_id));
    for (url, headers, text) in [
        (&*full, &[][..], "Required metadata header"),
        (&full, &[("Metadata", "true"), ("X-Forwarded-For", "1.2.3.4")], "X-Forwarded-For"),
        (&base, &rightly, "api-version"),
        (&format!("{base}?api-version=2018-02-01"), &rightly, "resource"),
        (&format!("{full}&client_id={}", caller.client_id), &rightly, "Identity not found"),
    ] {
        let (status, body) = get(&tenant, url, headers).await;
        assert!(status == 400 && body["error_description"].as_str().unwrap().contains(text), "{url}: {status} {body}");
    }
    tenant.control(Method::POST, "platforms", Some(json!({ "system_assigned": "" }))).await;
    assert_eq!(get(&tenant, &full, &rightly).await.1["error_description"], "Identity not found");
}

#[tokio::test]
async fn app_service_wants_its_header() {
    let tenant = Tenant::start().await;
    let variables = tenant.platform("app_service").await;
    let header = variable(&variables, "IDENTITY_HEADER");
    let url = format!(
        "{}?api-version=2019-08-01&resource={}",
        variable(&variables, "IDENTITY_ENDPOINT"),
        tenant.connection().graph
    );
    let (status, body) = get(&tenant, &url, &[("X-IDENTITY-HEADER", header)]).await;
    assert!(status == 200 && body["expires_on"].is_string() && body["expires_in"].is_null(), "{body}");
    assert_eq!(get(&tenant, &url, &[("X-IDENTITY-HEADER", "wrong")]).await.0, 401);
    assert_eq!(get(&tenant, &format!("{url}&client_id=x"), &[("X-IDENTITY-HEADER", header)]).await.0, 400);
}

#[tokio::test]
async fn github_and_azure_devops_want_their_tokens() {
    let tenant = Tenant::start().await;
    let variables = tenant.platform("github").await;
    let bearer = format!("Bearer {}", variable(&variables, "ACTIONS_ID_TOKEN_REQUEST_TOKEN"));
    let url = format!("{}&audience={AUDIENCE}", variable(&variables, "ACTIONS_ID_TOKEN_REQUEST_URL"));
    let (status, body) = get(&tenant, &url, &[("Authorization", &bearer)]).await;
    assert_eq!(status, 200, "{body}");
    let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(body["value"].as_str().unwrap()).unwrap();
    assert_eq!((&claims["aud"], &claims["iss"]), (&json!(AUDIENCE), &json!(tenant.issuer())));
    assert_eq!(get(&tenant, &url, &[("Authorization", "Bearer wrong")]).await.0, 401);

    let variables = tenant.platform("azure_devops").await;
    let bearer = format!("Bearer {}", variable(&variables, "SYSTEM_ACCESSTOKEN"));
    let uri = variable(&variables, "SYSTEM_OIDCREQUESTURI");
    let connection = variable(&variables, "M365_ADO_PIPELINE_SERVICE_CONNECTION_ID");
    let url = format!("{uri}?api-version=7.1&serviceConnectionId={connection}");
    let post = async |url: &str, bearer: &str| tenant.request(Method::POST, url, &[("Authorization", bearer)]).await;
    let (status, body) = post(&url, &bearer).await;
    assert!(status == 200 && body["oidcToken"].is_string(), "{body}");
    assert_eq!(post(&url, "Bearer wrong").await.0, 401);
    assert_eq!(post(&format!("{uri}?api-version=7.1&serviceConnectionId=x"), &bearer).await.0, 404);
    assert_eq!(post(&format!("{uri}?serviceConnectionId={connection}"), &bearer).await.0, 400);
}
