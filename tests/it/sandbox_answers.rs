//! What Graph writes around its answers, and that no property is missing or wrong. By raw HTTP.

use crate::tenant::{Tenant, list};
use reqwest::{Client, Method};
use serde_json::{Value, json};

async fn read(tenant: &Tenant, path: &str) -> Value {
    let (status, found) = tenant.graph(Method::GET, path, None).await;
    assert_eq!(status, 200, "{path}: {found}");
    found
}

/// An application and its principal.
async fn pair(tenant: &Tenant) -> (Value, Value) {
    let body = json!({ "displayName": "x", "signInAudience": "AzureADMyOrg" });
    let (_, app) = tenant.graph(Method::POST, "/applications", Some(body)).await;
    let (_, made) = tenant.graph(Method::POST, "/servicePrincipals", Some(json!({ "appId": app["appId"] }))).await;
    (app, made)
}

#[tokio::test]
async fn every_answer_says_what_it_is() {
    let tenant = Tenant::start().await;
    let (app, principal) = pair(&tenant).await;
    let (app, principal) = (app["id"].as_str().unwrap(), principal["id"].as_str().unwrap());
    let root = format!("{}/v1.0/$metadata#", tenant.connection().graph);
    for (path, expected) in [
        ("/applications".to_owned(), "applications".to_owned()),
        (format!("/applications/{app}"), "applications/$entity".to_owned()),
        (format!("/applications/{app}?$select=id,appId"), "applications(id,appId)/$entity".to_owned()),
        (format!("/applications/{app}/owners"), "directoryObjects".to_owned()),
        (
            format!("/applications/{app}/federatedIdentityCredentials"),
            format!("applications('{app}')/federatedIdentityCredentials"),
        ),
        (
            format!("/servicePrincipals/{principal}/appRoleAssignments"),
            format!("servicePrincipals('{principal}')/appRoleAssignments"),
        ),
        ("/oauth2PermissionGrants".to_owned(), "oauth2PermissionGrants".to_owned()),
        ("/organization".to_owned(), "organization".to_owned()),
        ("/directory/deletedItems/microsoft.graph.application".to_owned(), "applications".to_owned()),
        ("/roleManagement/directory/roleAssignments".to_owned(), "roleManagement/directory/roleAssignments".to_owned()),
    ] {
        assert_eq!(read(&tenant, &path).await["@odata.context"], format!("{root}{expected}"), "{path}");
    }
    let (_, secret) = tenant.graph(Method::POST, &format!("/applications/{app}/addPassword"), Some(json!({}))).await;
    assert_eq!(secret["@odata.context"], format!("{root}microsoft.graph.passwordCredential"));
    tenant.graph(Method::DELETE, &format!("/applications/{app}"), None).await;
    let deleted = read(&tenant, &format!("/directory/deletedItems/{app}")).await;
    assert_eq!(
        (&deleted["@odata.type"], &deleted["@odata.context"]),
        (&json!("#microsoft.graph.application"), &json!(format!("{root}directoryObjects/$entity")))
    );
    let (_, back) =
        tenant.graph(Method::POST, &format!("/directory/deletedItems/{app}/restore"), Some(json!({}))).await;
    assert_eq!(back["@odata.type"], "#microsoft.graph.application");
    assert_eq!(read(&tenant, &format!("/applications/{app}")).await.get("@odata.type"), None);
}

#[tokio::test]
async fn a_refusal_is_found_by_its_ids() {
    let tenant = Tenant::start().await;
    let http = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let url = format!("{}/v1.0/applications/none", tenant.connection().graph);
    let own = "11111111-2222-4333-8444-555555555555";
    let answer =
        http.get(&url).bearer_auth(tenant.token().await).header("client-request-id", own).send().await.unwrap();
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    let (id, client, kind) = (header("request-id"), header("client-request-id"), header("content-type"));
    let body: Value = answer.json().await.unwrap();
    let inner = &body["error"]["innerError"];
    assert_eq!((&inner["request-id"], &inner["client-request-id"]), (&json!(id), &json!(own)), "{body}");
    assert_eq!(client, own);
    assert!(kind.starts_with("application/json;odata.metadata=minimal;"), "{kind}");
    let refused = http.get(&url).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert!(refused.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer "));
}

/// Properties by the metadata that Graph gives without being asked; what is given only on demand is left out.
fn expected(type_name: &str) -> Vec<String> {
    const ON_DEMAND: &[&str] =
        &["authenticationBehaviors", "managerApplications", "oauth2RequirePostResponse", "customSecurityAttributes"];
    let metadata: Value = serde_json::from_str(include_str!("../../src/sandbox/data/graph-properties.json")).unwrap();
    let all = metadata["v1"]["types"][type_name].as_object().unwrap().iter();
    let kept =
        all.filter(|(name, kind)| *kind != "nav" && *kind != "Edm.Stream" && !ON_DEMAND.contains(&name.as_str()));
    kept.map(|(name, _)| name.clone()).collect()
}

#[tokio::test]
async fn an_answer_has_the_properties_of_the_metadata_and_no_others() {
    let tenant = Tenant::start().await;
    let (app, principal) = pair(&tenant).await;
    let graph = read(&tenant, &format!("/servicePrincipals/{}", tenant.microsoft_graph().await)).await;
    let operator = read(&tenant, &format!("/applications(appId='{}')", tenant.connection().client_id)).await;
    let organization = list(&read(&tenant, "/organization").await).remove(0);
    for (type_name, object) in [
        ("application", &app),
        ("application", &operator),
        ("servicePrincipal", &principal),
        ("servicePrincipal", &graph),
        ("organization", &organization),
    ] {
        let mut found: Vec<&String> =
            object.as_object().unwrap().keys().filter(|name| !name.starts_with('@')).collect();
        let mut expected = expected(type_name);
        found.sort();
        expected.sort();
        assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{type_name}");
    }
    let asked =
        read(&tenant, &format!("/applications/{}?$select=authenticationBehaviors", app["id"].as_str().unwrap())).await;
    assert_eq!(asked.get("authenticationBehaviors"), Some(&Value::Null));
}

#[tokio::test]
async fn ids_of_grants_and_assignments_are_no_guids() {
    let tenant = Tenant::start().await;
    let (_, principal) = pair(&tenant).await;
    let (client, graph) = (principal["id"].as_str().unwrap(), tenant.microsoft_graph().await);
    tenant.grant(client, "df021288-bdef-4463-88db-98f22de89214").await;
    tenant.grant_scope(client, "User.Read").await;
    for path in [
        format!("/servicePrincipals/{client}/appRoleAssignments"),
        format!("/servicePrincipals/{client}/oauth2PermissionGrants"),
    ] {
        let one = list(&read(&tenant, &path).await).remove(0);
        assert_eq!(one["id"].as_str().unwrap().len(), 43, "{one}");
        assert_eq!(one["resourceId"], graph.as_str());
    }
}
