//! The sandbox's certificates, federated credentials and secrets behave as Graph's do. By raw HTTP.

use crate::pem;
use crate::tenant::{Tenant, list};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[track_caller]
fn refused(answer: (StatusCode, Value), status: u16, code: &str, text: &str) {
    let (found, body) = answer;
    assert_eq!(found, status, "{body}");
    assert_eq!(body["error"]["code"], code, "{body}");
    assert!(body["error"]["message"].as_str().unwrap().contains(text), "{body}");
}

async fn app(tenant: &Tenant) -> Value {
    let (status, app) = tenant.graph(Method::POST, "/applications", Some(json!({ "displayName": "x" }))).await;
    assert_eq!(status, 201, "{app}");
    app
}

async fn principal(tenant: &Tenant, app: &Value) -> String {
    let body = json!({ "appId": app["appId"] });
    let (status, made) = tenant.graph(Method::POST, "/servicePrincipals", Some(body)).await;
    assert_eq!(status, 201, "{made}");
    format!("/servicePrincipals/{}", made["id"].as_str().unwrap())
}

fn path(app: &Value) -> String {
    format!("/applications/{}", app["id"].as_str().unwrap())
}

fn key(base64: &str) -> Value {
    json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": base64 })
}

async fn write(tenant: &Tenant, path: &str, keys: Value) -> (StatusCode, Value) {
    tenant.graph(Method::PATCH, path, Some(json!({ "keyCredentials": keys }))).await
}

async fn keys(tenant: &Tenant, path: &str) -> Vec<Value> {
    let (_, found) = tenant.graph(Method::GET, &format!("{path}?$select=keyCredentials"), None).await;
    found["keyCredentials"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_certificate_gets_an_id_its_thumbprint_and_its_own_dates() {
    let tenant = Tenant::start().await;
    let app = app(&tenant).await;
    for path in [path(&app), principal(&tenant, &app).await] {
        let pem = pem::until("x", 2031);
        assert_eq!(write(&tenant, &path, json!([key(&pem.base64)])).await.0, 204);
        let found = keys(&tenant, &path).await.remove(0);
        assert!(uuid::Uuid::try_parse(found["keyId"].as_str().unwrap()).is_ok(), "{found}");
        assert_eq!(found["customKeyIdentifier"].as_str().unwrap().len(), 40);
        assert_eq!(
            (&found["startDateTime"], &found["endDateTime"]),
            (&json!("2020-01-01T00:00:00Z"), &json!("2031-01-01T00:00:00Z"))
        );
        assert_eq!(found["key"], pem.base64.as_str());
        let narrower = json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": pem.base64, "displayName": "n".repeat(100),
            "startDateTime": "2025-01-01T00:00:00Z", "endDateTime": "2030-01-01T00:00:00Z" });
        assert_eq!(write(&tenant, &path, json!([narrower])).await.0, 204);
        let found = keys(&tenant, &path).await.remove(0);
        assert_eq!(
            (&found["endDateTime"], found["displayName"].as_str().unwrap().len()),
            (&json!("2030-01-01T00:00:00Z"), 90)
        );
    }
}

#[tokio::test]
async fn a_key_is_shown_only_where_it_is_selected_on_a_single_object() {
    let tenant = Tenant::start().await;
    let app = app(&tenant).await;
    let path = path(&app);
    write(&tenant, &path, json!([key(&pem::certificate("x").base64)])).await;
    let shown = async |path: &str| tenant.graph(Method::GET, path, None).await.1;
    assert_eq!(shown(&path).await["keyCredentials"][0]["key"], Value::Null);
    let all = list(&shown("/applications?$select=id,keyCredentials").await);
    let mine = all.iter().find(|one| one["id"] == app["id"]).unwrap();
    assert_eq!(
        (&mine["keyCredentials"][0]["key"], mine["keyCredentials"][0]["keyId"].is_string()),
        (&Value::Null, true)
    );
    tenant.graph(Method::DELETE, &path, None).await;
    let deleted = shown(&format!("/directory/deletedItems/{}", app["id"].as_str().unwrap())).await;
    assert_eq!(
        (&deleted["keyCredentials"][0]["key"], deleted["keyCredentials"][0]["keyId"].is_string()),
        (&Value::Null, true)
    );
}

#[tokio::test]
async fn a_write_replaces_the_collection_and_keeps_the_key_of_what_is_sent_back_without_it() {
    let tenant = Tenant::start().await;
    let path = path(&app(&tenant).await);
    let (one, other) = (pem::certificate("one"), pem::certificate("other"));
    write(&tenant, &path, json!([key(&one.base64)])).await;
    let first = keys(&tenant, &path).await.remove(0);
    let mut back = first.clone();
    back.as_object_mut().unwrap().remove("key");
    assert_eq!(write(&tenant, &path, json!([back, key(&other.base64)])).await.0, 204);
    let both = keys(&tenant, &path).await;
    assert_eq!((both.len(), &both[0]["key"], &both[0]["keyId"]), (2, &json!(one.base64), &first["keyId"]));
    // A stored key is kept as it is.
    for (property, value) in [
        ("key", other.base64.as_str()),
        ("endDateTime", "2030-01-01T00:00:00Z"),
        ("displayName", "renamed"),
        ("customKeyIdentifier", "AAAA"),
    ] {
        let mut changed = back.clone();
        changed[property] = value.into();
        refused(
            write(&tenant, &path, json!([changed])).await,
            400,
            "Request_BadRequest",
            "Update to existing credential with KeyId",
        );
    }
    let mut shouted = back.clone();
    shouted["keyId"] = back["keyId"].as_str().unwrap().to_uppercase().into();
    assert_eq!(write(&tenant, &path, json!([shouted, both[1]])).await.0, 204, "ids have no case");
    assert_eq!(keys(&tenant, &path).await, both);
    refused(write(&tenant, &path, json!([back, back])).await, 400, "Request_BadRequest", "same keyId");
    assert_eq!(keys(&tenant, &path).await.len(), 2);
    assert_eq!(write(&tenant, &path, json!([])).await.0, 204);
    assert_eq!(keys(&tenant, &path).await.len(), 0);
}

#[tokio::test]
async fn certificates_that_are_none() {
    let tenant = Tenant::start().await;
    let app = app(&tenant).await;
    let pem = pem::until("x", 2031);
    for path in [path(&app), principal(&tenant, &app).await] {
        let put = |key: Value| {
            let (tenant, path) = (&tenant, &path);
            async move { write(tenant, path, json!([key])).await }
        };
        refused(put(key("bm8gY2VydGlmaWNhdGU=")).await, 400, "Request_BadRequest", "no certificate");
        refused(put(key(&pem.private_key)).await, 400, "Request_BadRequest", "no certificate");
        refused(
            put(json!({ "type": "AsymmetricX509Cert", "usage": "Verify" })).await,
            400,
            "Request_BadRequest",
            "no certificate",
        );
        let of = |property: &str, value: &str| {
            let mut key = key(&pem.base64);
            key[property] = value.into();
            key
        };
        refused(put(of("usage", "verify")).await, 400, "Request_BadRequest", "Acceptable values are Sign, Verify.");
        refused(put(of("type", "Symmetric")).await, 400, "Request_BadRequest", "\"type\"");
        refused(
            put(of("endDateTime", "2031-01-02T00:00:00Z")).await,
            400,
            "Request_BadRequest",
            "Key credential end date is invalid.",
        );
        refused(
            put(of("startDateTime", "2019-01-01T00:00:00Z")).await,
            400,
            "Request_BadRequest",
            "start date is invalid",
        );
        refused(put(of("colour", "blue")).await, 400, "Request_BadRequest", "'colour' does not exist");
        assert_eq!(keys(&tenant, &path).await.len(), 0);
    }
}

#[tokio::test]
async fn federated_credentials_have_rules_of_their_own() {
    let tenant = Tenant::start().await;
    let path = format!("{}/federatedIdentityCredentials", path(&app(&tenant).await));
    let trust = |name: &str, subject: &str| json!({ "name": name, "issuer": "https://x.example", "subject": subject, "audiences": ["api://AzureADTokenExchange"] });
    let post = |body: Value| {
        let (tenant, path) = (&tenant, &path);
        async move { tenant.graph(Method::POST, path, Some(body)).await }
    };
    let (status, made) = post(trust("one", "a")).await;
    assert_eq!((status.as_u16(), &made["description"]), (201, &Value::Null));
    refused(
        post(trust("one", "b")).await,
        409,
        "Request_MultipleObjectsWithSameKeyValue",
        "with name one already exists",
    );
    refused(
        post(trust("two", "a")).await,
        400,
        "InvalidFederatedIdentityCredentialValue",
        "combination of issuer and subject must be unique",
    );
    for name in ["ab", "-abc", "a b c", &"x".repeat(121)] {
        refused(post(trust(name, "c")).await, 400, "Request_BadRequest", "'name'");
    }
    let of = |property: &str, value: Value| {
        let mut body = trust("two", "b");
        body[property] = value;
        body
    };
    refused(post(of("audiences", json!(["a", "b"]))).await, 400, "Request_BadRequest", "exactly one audience");
    refused(post(of("audiences", json!([]))).await, 400, "Request_BadRequest", "exactly one audience");
    refused(post(of("subject", "".into())).await, 400, "Request_BadRequest", "'subject'");
    refused(post(of("issuer", "x".repeat(601).into())).await, 400, "Request_BadRequest", "'issuer'");
    refused(
        post(of("id", "11111111-2222-3333-4444-555555555555".into())).await,
        400,
        "Request_BadRequest",
        "read-only",
    );
    let named = format!("{path}/one");
    refused(
        tenant.graph(Method::PATCH, &named, Some(json!({ "name": "other" }))).await,
        400,
        "Request_BadRequest",
        "cannot be changed",
    );
    assert_eq!(tenant.graph(Method::PATCH, &named, Some(json!({ "subject": "z" }))).await.0, 204);
    for by in [&named, &format!("{path}/{}", made["id"].as_str().unwrap())] {
        assert_eq!(tenant.graph(Method::GET, by, None).await.1["subject"], "z");
    }
    for number in 1..20 {
        assert_eq!(post(trust(&format!("trust-{number}"), &number.to_string())).await.0, 201);
    }
    refused(post(trust("trust-20", "20")).await, 403, "Directory_QuotaExceeded", "limit of 20");
    refused(
        tenant.graph(Method::PATCH, &named, Some(json!({ "subject": "19" }))).await,
        400,
        "InvalidFederatedIdentityCredentialValue",
        "combination of issuer and subject must be unique",
    );
    assert_eq!(tenant.graph(Method::DELETE, &named, None).await.0, 204);
    refused(tenant.graph(Method::GET, &named, None).await, 404, "Request_ResourceNotFound", "does not exist");
}

#[tokio::test]
async fn a_federated_credential_is_made_by_its_name_where_the_client_asks_for_that() {
    let tenant = Tenant::start().await;
    let path = format!("{}/federatedIdentityCredentials(name='one')", path(&app(&tenant).await));
    let trust = |subject: &str| Some(json!({ "issuer": "https://x.example", "subject": subject, "audiences": ["a"] }));
    refused(tenant.graph(Method::PATCH, &path, trust("a")).await, 404, "Request_ResourceNotFound", "does not exist");
    let (status, made) = tenant.graph_preferring("create-if-missing", Method::PATCH, &path, trust("a")).await;
    assert_eq!((status.as_u16(), &made["name"]), (201, &json!("one")));
    let (status, _) = tenant.graph_preferring("create-if-missing", Method::PATCH, &path, trust("b")).await;
    assert_eq!(status, 204);
    assert_eq!(tenant.graph(Method::GET, &path, None).await.1["subject"], "b");
}

#[tokio::test]
async fn a_principal_has_secrets_of_its_own() {
    let tenant = Tenant::start().await;
    let app = app(&tenant).await;
    let principal = principal(&tenant, &app).await;
    let (status, made) = tenant
        .graph(Method::POST, &format!("{principal}/addPassword"), Some(json!({ "passwordCredential": {} })))
        .await;
    assert_eq!(status, 200, "{made}");
    let remove = |path: String| {
        let (tenant, body) = (&tenant, Some(json!({ "keyId": made["keyId"] })));
        async move { tenant.graph(Method::POST, &format!("{path}/removePassword"), body).await }
    };
    refused(remove(path(&app)).await, 400, "Request_BadRequest", "No password credential found");
    assert_eq!(remove(principal.clone()).await.0, 204);
    refused(remove(principal).await, 400, "Request_BadRequest", "No password credential found");
}
