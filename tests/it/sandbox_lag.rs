//! Replicas that have not seen the last writes yet.

use crate::tenant::{Tenant, answers, list};
use reqwest::Method;
use serde_json::{Value, json};

async fn lagging(lag: Value) -> (Tenant, String) {
    let tenant = Tenant::start().await;
    // Before the lag, so that the sign-in meets no replica.
    let token = tenant.token().await;
    let (status, body) = tenant.control(Method::POST, "lag", Some(lag)).await;
    assert_eq!(status, 204, "{body}");
    (tenant, token)
}

async fn make(tenant: &Tenant, token: &str, name: &str) -> Value {
    let body = json!({ "displayName": name, "signInAudience": "AzureADMyOrg" });
    let (status, made) = tenant.graph_with(token, Method::POST, "/applications", Some(body)).await;
    assert_eq!(status, 201, "{made}");
    made
}

async fn statuses(tenant: &Tenant, token: &str, path: &str, count: usize) -> Vec<u16> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(tenant.graph_with(token, Method::GET, path, None).await.0.as_u16());
    }
    all
}

#[tokio::test]
async fn a_fresh_object_is_missing_on_the_stale_replica_until_it_arrives() {
    let (tenant, token) = lagging(json!({ "requests": 4 })).await;
    let path = format!("/applications/{}", make(&tenant, &token, "New").await["id"].as_str().unwrap());
    assert_eq!(statuses(&tenant, &token, &path, 6).await, [404, 200, 404, 200, 200, 200]);
}

#[tokio::test]
async fn the_replicas_answer_in_the_order_that_was_set() {
    let (tenant, token) = lagging(json!({ "requests": 5, "replicas": ["fresh", "stale", "stale"] })).await;
    let path = format!("/applications/{}", make(&tenant, &token, "New").await["id"].as_str().unwrap());
    assert_eq!(statuses(&tenant, &token, &path, 6).await, [200, 404, 404, 200, 404, 200]);
}

#[tokio::test]
async fn a_lag_by_the_clock_ends_with_the_clock() {
    let (tenant, token) = lagging(json!({ "seconds": 600, "replicas": ["stale"] })).await;
    let path = format!("/applications/{}", make(&tenant, &token, "New").await["id"].as_str().unwrap());
    assert_eq!(statuses(&tenant, &token, &path, 3).await, [404, 404, 404]);
    tenant.control(Method::POST, "clock", Some(json!({ "advance": "PT10M" }))).await;
    assert_eq!(statuses(&tenant, &token, &path, 1).await, [200]);
}

#[tokio::test]
async fn a_changed_object_shows_its_previous_value_in_lists_and_batches_too() {
    let (tenant, token) = lagging(json!({ "seconds": 600 })).await;
    let id = make(&tenant, &token, "Before").await["id"].as_str().unwrap().to_owned();
    let path = format!("/applications/{id}");
    tenant.control(Method::POST, "clock", Some(json!({ "advance": "PT10M" }))).await;
    let renamed = json!({ "displayName": "After" });
    assert_eq!(tenant.graph_with(&token, Method::PATCH, &path, Some(renamed)).await.0, 204);
    let mut names = Vec::new();
    for _ in 0..2 {
        names.push(tenant.graph_with(&token, Method::GET, &path, None).await.1["displayName"].clone());
    }
    for _ in 0..2 {
        let all = tenant.graph_with(&token, Method::GET, "/applications?$select=displayName,id", None).await.1;
        names.push(list(&all).into_iter().find(|app| app["id"] == *id).unwrap()["displayName"].clone());
    }
    let batch = json!({ "requests": [{ "id": "1", "method": "GET", "url": path }, { "id": "2", "method": "GET", "url": path }] });
    let answer = tenant.graph_with(&token, Method::POST, "/$batch", Some(batch)).await.1;
    names.extend(answers(&answer).iter().map(|one| one["body"]["displayName"].clone()));
    assert_eq!(names, ["Before", "After", "Before", "After", "Before", "After"]);
}

#[tokio::test]
async fn a_deleted_object_is_still_there_on_the_stale_replica() {
    let (tenant, token) = lagging(json!({ "requests": 2 })).await;
    let path = format!("/applications/{}", make(&tenant, &token, "Gone").await["id"].as_str().unwrap());
    assert_eq!(statuses(&tenant, &token, &path, 3).await, [404, 200, 200]);
    assert_eq!(tenant.graph_with(&token, Method::DELETE, &path, None).await.0, 204);
    assert_eq!(statuses(&tenant, &token, &path, 3).await, [200, 404, 404]);
}

#[tokio::test]
async fn writes_that_depend_on_what_has_not_arrived_are_refused_as_graph_refuses_them() {
    let (tenant, token) = lagging(json!({ "seconds": 600, "replicas": ["stale", "fresh"] })).await;
    let write = async |method: Method, path: &str, body: Value| {
        let (status, answer) = tenant.graph_with(&token, method, path, Some(body)).await;
        (status.as_u16(), answer["error"]["message"].as_str().unwrap_or_default().to_owned(), answer)
    };
    let app = make(&tenant, &token, "New").await;
    let (path, client_id) = (format!("/applications/{}", app["id"].as_str().unwrap()), app["appId"].clone());
    let (status, why, _) = write(Method::PATCH, &path, json!({ "notes": "x" })).await;
    assert!(status == 404 && why.contains("does not exist or one of its queried reference-property objects"), "{why}");
    assert_eq!(write(Method::PATCH, &path, json!({ "notes": "x" })).await.0, 204);
    let (status, why, _) = write(Method::POST, "/servicePrincipals", json!({ "appId": client_id })).await;
    assert!(status == 400 && why.contains("does not reference a valid application object"), "{why}");
    let (status, _, principal) = write(Method::POST, "/servicePrincipals", json!({ "appId": client_id })).await;
    assert_eq!(status, 201);
    let graph = tenant.microsoft_graph().await;
    let assignment = json!({ "principalId": principal["id"], "resourceId": graph, "appRoleId": "df021288-bdef-4463-88db-98f22de89214" });
    let assigned_to = format!("/servicePrincipals/{graph}/appRoleAssignedTo");
    let (status, why, _) = write(Method::POST, &assigned_to, assignment.clone()).await;
    assert_eq!((status, why.as_str()), (400, "Not a valid reference update."));
    assert_eq!(write(Method::POST, &assigned_to, assignment).await.0, 201);
    let grant = json!({ "clientId": principal["id"], "resourceId": graph, "consentType": "AllPrincipals", "scope": "User.Read" });
    let (status, why, _) = write(Method::POST, "/oauth2PermissionGrants", grant.clone()).await;
    assert!(status == 400 && why.contains("does not exist"), "{status} {why}");
    assert_eq!(write(Method::POST, "/oauth2PermissionGrants", grant).await.0, 201);
    // A refusal did nothing.
    assert_eq!(tenant.applications().await.len(), 1);
}

#[tokio::test]
async fn a_refused_write_for_another_reason_is_refused_as_ever() {
    let (tenant, token) = lagging(json!({ "seconds": 600, "replicas": ["stale"] })).await;
    make(&tenant, &token, "New").await;
    let (status, body) =
        tenant.graph_with(&token, Method::POST, "/applications", Some(json!({ "displayName": "" }))).await;
    assert_eq!(status, 400, "{body}");
}

#[tokio::test]
async fn the_administrator_and_other_tenants_see_no_lag_and_it_can_be_ended() {
    let (tenant, token) = lagging(json!({ "seconds": 600, "replicas": ["stale"] })).await;
    let path = format!("/applications/{}", make(&tenant, &token, "New").await["id"].as_str().unwrap());
    assert_eq!(tenant.applications().await.len(), 1);
    assert_eq!(statuses(&tenant, &token, &path, 1).await, [404]);
    assert_eq!(tenant.control(Method::DELETE, "lag", None).await.0, 204);
    assert_eq!(statuses(&tenant, &token, &path, 1).await, [200]);
    for nonsense in [
        json!({}),
        json!({ "requests": 1, "replicas": [] }),
        json!({ "requests": 1, "replicas": ["odd"] }),
        json!({ "requests": 1, "stale_percent": 101 }),
        json!({ "requests": 1, "entries": true, "replicas": ["stale"] }),
    ] {
        assert_eq!(tenant.control(Method::POST, "lag", Some(nonsense)).await.0, 400);
    }
}

#[tokio::test]
async fn a_fresh_secret_is_unknown_to_the_login_for_a_while() {
    let (tenant, token) = lagging(json!({ "requests": 1 })).await;
    let operator =
        tenant.admin(Method::GET, &format!("/applications(appId='{}')", tenant.connection().client_id), None).await;
    let path = format!("/applications/{}/addPassword", operator["id"].as_str().unwrap());
    let (status, secret) = tenant.graph_with(&token, Method::POST, &path, Some(json!({}))).await;
    assert_eq!(status, 200, "{secret}");
    let secret = secret["secretText"].as_str().unwrap();
    let (status, refused) = tenant.sign_in(secret).await;
    assert!(status == 401 && refused["error_codes"] == json!([7_000_215]), "{refused}");
    assert_eq!(tenant.sign_in(secret).await.0, 200);
}

#[tokio::test]
async fn a_share_of_the_reads_meets_the_stale_replica_evenly_spread() {
    let (tenant, token) = lagging(json!({ "seconds": 600, "stale_percent": 25 })).await;
    let path = format!("/applications/{}", make(&tenant, &token, "New").await["id"].as_str().unwrap());
    assert_eq!(statuses(&tenant, &token, &path, 8).await, [200, 200, 200, 404, 200, 200, 200, 404]);
}

/// What the reads of `path` show, until the clock says that everything has arrived.
async fn seen(tenant: &Tenant, token: &str, path: &str, part: impl Fn(&Value) -> Vec<String>) -> Vec<Vec<String>> {
    let mut all = std::collections::BTreeSet::new();
    for _ in 0..64 {
        all.insert(part(&tenant.graph_with(token, Method::GET, path, None).await.1));
    }
    all.into_iter().collect()
}

#[tokio::test]
async fn replicas_disagree_entry_by_entry_and_agree_when_the_time_has_passed() {
    let tenant = Tenant::start().await;
    let token = tenant.token().await;
    let path = format!("/applications/{}", make(&tenant, &token, "Before").await["id"].as_str().unwrap());
    tenant.control(Method::POST, "lag", Some(json!({ "seconds": 50, "entries": true }))).await;
    let wish = json!({ "displayName": "After", "tags": ["a", "b"] });
    assert_eq!(tenant.graph_with(&token, Method::PATCH, &path, Some(wish)).await.0, 204);
    let texts = |one: &Value, name: &str| -> Vec<String> {
        one[name].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    let tags = seen(&tenant, &token, &path, |app| texts(app, "tags")).await;
    assert_eq!(tags, [vec![], vec!["a"], vec!["a", "b"], vec!["b"]], "every element for itself");
    let both = seen(&tenant, &token, &path, |app| {
        vec![app["displayName"].as_str().unwrap().to_owned(), texts(app, "tags").concat()]
    })
    .await;
    assert_eq!(both.len(), 8, "every property for itself: {both:?}");
    tenant.control(Method::POST, "clock", Some(json!({ "advance": "PT50S" }))).await;
    assert_eq!(seen(&tenant, &token, &path, |app| texts(app, "tags")).await, [vec!["a", "b"]]);
}

#[tokio::test]
async fn the_grants_of_a_collection_and_the_scopes_of_a_grant_arrive_one_by_one() {
    let tenant = Tenant::start().await;
    let token = tenant.token().await;
    let app = make(&tenant, &token, "App").await;
    let made = tenant.admin(Method::POST, "/servicePrincipals", Some(json!({ "appId": app["appId"] }))).await;
    let (client, graph) = (made["id"].as_str().unwrap(), tenant.microsoft_graph().await);
    let wish = json!({ "clientId": client, "consentType": "AllPrincipals", "resourceId": graph, "scope": "User.Read" });
    let grant = tenant.admin(Method::POST, "/oauth2PermissionGrants", Some(wish)).await;
    let grant = format!("/oauth2PermissionGrants/{}", grant["id"].as_str().unwrap());
    tenant.control(Method::POST, "lag", Some(json!({ "seconds": 50, "entries": true, "stale_percent": 40 }))).await;
    let (status, _) =
        tenant.graph_with(&token, Method::PATCH, &grant, Some(json!({ "scope": "Mail.Read email" }))).await;
    assert_eq!(status, 204);
    let scopes = seen(&tenant, &token, &grant, |grant| vec![grant["scope"].as_str().unwrap().to_owned()]).await;
    assert_eq!(scopes.len(), 8, "{scopes:?}");
    let assigned = format!("/servicePrincipals/{client}/appRoleAssignments");
    for role in ["df021288-bdef-4463-88db-98f22de89214", "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30"] {
        let wish = json!({ "principalId": client, "resourceId": graph, "appRoleId": role });
        assert_eq!(tenant.graph_with(&token, Method::POST, &assigned, Some(wish)).await.0, 201);
    }
    let roles = seen(&tenant, &token, &assigned, |all| {
        list(all).iter().map(|one| one["appRoleId"].as_str().unwrap().to_owned()).collect()
    })
    .await;
    assert!(
        roles.contains(&vec![]) && roles.iter().any(|all| all.len() == 1) && roles.iter().any(|all| all.len() == 2),
        "{roles:?}"
    );
}

#[tokio::test]
async fn each_request_moves_a_ticking_clock_on() {
    let (tenant, token) = lagging(json!({ "seconds": 50, "replicas": ["stale"] })).await;
    assert_eq!(tenant.control(Method::POST, "clock", Some(json!({ "tick": "PT10S" }))).await.0, 204);
    let path = format!("/applications/{}", make(&tenant, &token, "New").await["id"].as_str().unwrap());
    assert_eq!(statuses(&tenant, &token, &path, 6).await, [404, 404, 404, 404, 200, 200]);
    assert_eq!(tenant.control(Method::POST, "clock", Some(json!({ "tick": "PT0S" }))).await.0, 204);
}
