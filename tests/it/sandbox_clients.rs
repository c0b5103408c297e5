//! Requests as other people's clients send them: the Azure CLI, azuread, msgraph-sdk, CIPP, Maester, the CLI for Microsoft 365. By raw HTTP.

use crate::pem;
use crate::tenant::{Tenant, answers, list};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn post(tenant: &Tenant, path: &str, body: Value) -> Value {
    let (status, made) = tenant.graph(Method::POST, path, Some(body)).await;
    assert!(status.is_success(), "{path}: {status} {made}");
    made
}

async fn app(tenant: &Tenant, name: &str, more: Value) -> Value {
    let mut body = json!({ "displayName": name, "signInAudience": "AzureADMyOrg" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    post(tenant, "/applications", body).await
}

async fn read(tenant: &Tenant, path: &str) -> Value {
    let (status, found) = tenant.graph(Method::GET, path, None).await;
    assert_eq!(status, 200, "{path}: {found}");
    found
}

/// Without what is written around an answer.
fn bare(mut answer: Value) -> Value {
    answer.as_object_mut().unwrap().retain(|name, _| !name.starts_with("@odata."));
    answer
}

fn names(all: &Value) -> Vec<String> {
    list(all).iter().map(|one| one["displayName"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn filters_find_what_they_say() {
    let tenant = Tenant::start().await;
    app(&tenant, "Alpha", json!({ "tags": ["a", "shared"], "identifierUris": ["api://alpha"] })).await;
    app(&tenant, "Alphabet", json!({ "tags": ["shared"], "web": { "redirectUris": ["https://a.example/"] } })).await;
    app(&tenant, "Beta", json!({ "uniqueName": "beta" })).await;
    let found = async |filter: &str| {
        let query = format!("/applications?$filter={}", filter.replace(' ', "%20"));
        names(&read(&tenant, &query).await).into_iter().collect::<BTreeSet<_>>()
    };
    for (filter, expected) in [
        ("startswith(displayName,'alpha')", &["Alpha", "Alphabet"][..]),
        ("startsWith(displayName, 'Alphab')", &["Alphabet"]),
        ("displayName eq 'Alpha' or displayName eq 'Beta'", &["Alpha", "Beta"]),
        ("(displayName eq 'Alpha' or displayName eq 'Beta') and tags/any(x:x eq 'a')", &["Alpha"]),
        ("displayName in ('Alpha','Beta')", &["Alpha", "Beta"]),
        ("identifierUris/any(s:s eq 'api://alpha')", &["Alpha"]),
        ("tags/any(t: startswith(t, 'sha'))", &["Alpha", "Alphabet"]),
        ("web/redirectUris/any(p:p eq 'https://a.example/')", &["Alphabet"]),
        ("uniqueName eq 'beta'", &["Beta"]),
        ("signInAudience eq 'AzureADMyOrg' and displayName ge 'B'", &["Beta"]),
        ("createdDateTime le 2000-01-01T00:00:00Z", &[]),
    ] {
        assert_eq!(found(filter).await, expected.iter().map(|name| (*name).to_owned()).collect(), "{filter}");
    }
    let query =
        "/servicePrincipals?$filter=servicePrincipalNames/any(c:c%20eq%20'https://api.securitycenter.microsoft.com')";
    assert_eq!(names(&read(&tenant, query).await), ["WindowsDefenderATP"]);
    let query = "/servicePrincipals?$filter=servicePrincipalType%20eq%20'Application'%20and%20accountEnabled%20eq%20true&$top=1";
    assert_eq!(list(&read(&tenant, query).await).len(), 1);
}

#[tokio::test]
async fn the_index_counts_searches_sorts_and_denies() {
    let tenant = Tenant::start().await;
    for name in ["b two", "a one", "c two"] {
        app(&tenant, name, json!({})).await;
    }
    let ask = async |query: &str| tenant.graph_eventually(&format!("/applications{query}")).await.1;
    let two = ask("?$search=%22displayName:TWO%22&$orderby=displayName%20desc&$count=true").await;
    assert_eq!((names(&two), &two["@odata.count"]), (vec!["c two".to_owned(), "b two".to_owned()], &json!(2)));
    let others = ask("?$filter=endswith(displayName,'two')%20and%20displayName%20ne%20'b%20two'&$count=true").await;
    assert_eq!(names(&others), ["c two"]);
    let not = ask("?$filter=not(startswith(displayName,'a'))%20and%20tags/$count%20eq%200&$count=true&$top=1").await;
    assert_eq!((list(&not).len(), &not["@odata.count"]), (1, &json!(3)), "a page does not change the number: {not}");
    assert_eq!(ask("/$count").await, json!(4));
    assert_eq!(ask("/$count?$filter=startswith(displayName,'a')").await, json!(1));
    let plain = read(&tenant, "/applications?$count=true").await;
    assert_eq!(plain.get("@odata.count"), None, "only the index knows the number");
    let sorted = read(&tenant, "/applications?$orderby=displayName&$select=displayName&$top=2").await;
    assert_eq!(names(&sorted), ["a one", "b two"]);
    let next = sorted["@odata.nextLink"].as_str().unwrap().rsplit_once("/v1.0").unwrap().1.to_owned();
    assert_eq!(names(&read(&tenant, &next.replace("$skiptoken", "%24skipToken")).await), ["c two", "Sandbox operator"]);
}

#[tokio::test]
async fn owners_come_with_an_object_and_are_whole() {
    let tenant = Tenant::start().await;
    let person = json!({ "displayName": "Ada", "userPrincipalName": "ada@contoso.example" });
    let person = tenant.admin(Method::POST, "/users", Some(person)).await;
    let reference =
        |id: &Value| json!(format!("{}/v1.0/directoryObjects/{}", tenant.connection().graph, id.as_str().unwrap()));
    let made = app(&tenant, "owned", json!({ "owners@odata.bind": [reference(&person["id"])] })).await;
    let path = format!("/applications/{}", made["id"].as_str().unwrap());
    let owners = list(&read(&tenant, &format!("{path}/owners")).await);
    assert_eq!(
        (owners.len(), &owners[0]["displayName"], &owners[0]["@odata.type"]),
        (1, &json!("Ada"), &json!("#microsoft.graph.user"))
    );
    let narrow = read(&tenant, &format!("{path}/owners?$select=id,userPrincipalName")).await;
    assert_eq!(narrow["value"][0]["userPrincipalName"], "ada@contoso.example");
    assert_eq!(narrow["value"][0].get("displayName"), None);
    assert_eq!(list(&read(&tenant, &format!("{path}/owners/microsoft.graph.servicePrincipal")).await).len(), 0);
    let principal = json!({ "@odata.type": "#microsoft.graph.servicePrincipal", "appId": made["appId"], "owners@odata.bind": [reference(&person["id"])] });
    let principal = post(&tenant, "/servicePrincipals", principal).await;
    let expanded = read(&tenant, "/servicePrincipals?$expand=owners($select=id)&$top=999").await;
    let one = list(&expanded).into_iter().find(|one| one["id"] == principal["id"]).unwrap();
    assert_eq!(one["owners"][0]["id"], person["id"]);
    assert_eq!(read(&tenant, &format!("{path}?$expand=owners&$select=id")).await["owners"][0]["displayName"], "Ada");
    // Whoever does not exist owns nothing, and nothing is made.
    let body =
        json!({ "displayName": "x", "owners@odata.bind": [reference(&json!("11111111-2222-4333-8444-555555555555"))] });
    assert_eq!(tenant.graph(Method::POST, "/applications", Some(body)).await.0, 404);
    assert_eq!(tenant.applications().await.len(), 1);
}

#[tokio::test]
async fn no_more_than_twenty_related_objects_come_along() {
    let tenant = Tenant::start().await;
    let made = app(&tenant, "trusting", json!({})).await;
    let principal = post(&tenant, "/servicePrincipals", json!({ "appId": made["appId"] })).await;
    let (id, graph) = (principal["id"].as_str().unwrap(), tenant.microsoft_graph().await);
    let offered = list(
        &json!({ "value": read(&tenant, &format!("/servicePrincipals/{graph}?$select=appRoles")).await["appRoles"] }),
    );
    for role in offered.iter().filter(|role| role["isEnabled"] == true).take(21) {
        tenant.grant(id, role["id"].as_str().unwrap()).await;
    }
    let path = format!("/servicePrincipals/{id}");
    assert_eq!(
        read(&tenant, &format!("{path}?$expand=appRoleAssignments")).await["appRoleAssignments"]
            .as_array()
            .unwrap()
            .len(),
        20
    );
    let all = list(&read(&tenant, &format!("{path}/appRoleAssignments?$filter=resourceId%20eq%20{graph}")).await);
    assert_eq!(all.len(), 21);
    let one = all[0]["id"].as_str().unwrap();
    for side in
        [format!("{path}/appRoleAssignments/{one}"), format!("/servicePrincipals/{graph}/appRoleAssignedTo/{one}")]
    {
        assert_eq!(bare(read(&tenant, &format!("{side}?$select=id")).await), json!({ "id": one }));
    }
    assert_eq!(tenant.graph(Method::GET, &format!("{path}/appRoleAssignedTo/{one}"), None).await.0, 404);
}

#[tokio::test]
async fn certificates_come_as_der_as_pem_and_in_lines() {
    let tenant = Tenant::start().await;
    let pem = pem::certificate("x");
    let lines: Vec<_> = pem.base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    for text in [pem.base64.clone(), lines.join("\r\n"), STANDARD.encode(&pem.certificate)] {
        let key = json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": text });
        let made = app(&tenant, "x", json!({ "keyCredentials": [key] })).await;
        let path = format!("/applications/{}?$select=keyCredentials", made["id"].as_str().unwrap());
        assert_eq!(read(&tenant, &path).await["keyCredentials"][0]["key"], pem.base64.as_str());
    }
}

#[tokio::test]
async fn a_secret_comes_with_its_application() {
    let tenant = Tenant::start().await;
    let made =
        app(&tenant, "x", json!({ "passwordCredentials": [{ "displayName": "first", "secretText": null }] })).await;
    let secret = made["passwordCredentials"][0]["secretText"].as_str().unwrap();
    post(&tenant, "/servicePrincipals", json!({ "appId": made["appId"] })).await;
    assert_eq!(tenant.sign_in_as(made["appId"].as_str().unwrap(), secret).await.0, 200);
    let path = format!("/applications/{}", made["id"].as_str().unwrap());
    assert!(!read(&tenant, &path).await.to_string().contains(secret), "shown once");
    let own = json!({ "displayName": "x", "passwordCredentials": [{ "secretText": "my own" }] });
    assert_eq!(tenant.graph(Method::POST, "/applications", Some(own)).await.0, 400);
    let later = json!({ "passwordCredentials": [] });
    assert_eq!(tenant.graph(Method::PATCH, &path, Some(later)).await.0, 400, "an update is not the way");
}

#[tokio::test]
async fn a_principal_takes_what_the_documentation_lists_also_one_of_microsofts() {
    let tenant = Tenant::start().await;
    let made = app(&tenant, "x", json!({})).await;
    let principal = json!({
        "@odata.type": "#microsoft.graph.servicePrincipal", "appId": made["appId"], "alternativeNames": ["n"],
        "samlSingleSignOnSettings": { "relayState": "r" },
    });
    let principal = post(&tenant, "/servicePrincipals", principal).await;
    let path = format!("/servicePrincipals/{}", principal["id"].as_str().unwrap());
    let change = json!({
        "@odata.type": "#microsoft.graph.servicePrincipal", "id": principal["id"], "homepage": "https://h.example", "replyUrls": ["https://r.example"],
        "servicePrincipalNames": [made["appId"], "api://n"], "tokenEncryptionKeyId": null, "addIns": [],
    });
    assert_eq!(tenant.graph(Method::PATCH, &path, Some(change)).await.0, 204);
    let found = read(&tenant, &path).await;
    assert_eq!(
        (&found["alternativeNames"], &found["samlSingleSignOnSettings"]["relayState"], &found["homepage"]),
        (&json!(["n"]), &json!("r"), &json!("https://h.example"))
    );
    assert_eq!(found.get("@odata.type"), None);
    for read_only in ["appId", "appOwnerOrganizationId", "servicePrincipalType", "appDisplayName", "signInAudience"] {
        let (status, body) = tenant
            .graph(Method::PATCH, &path, Some(json!({ read_only: "11111111-2222-4333-8444-555555555555" })))
            .await;
        assert_eq!(status, 400, "{read_only}: {body}");
    }
    // Administrators disable them and set their tags (CIPP, azuread's `use_existing`).
    let graph = format!("/servicePrincipals/{}", tenant.microsoft_graph().await);
    assert_eq!(tenant.graph(Method::PATCH, &graph, Some(json!({ "tags": ["t"] }))).await.0, 204);
}

#[tokio::test]
async fn paths_and_names_are_taken_in_any_case() {
    let tenant = Tenant::start().await;
    let made = app(&tenant, "x", json!({})).await;
    let (id, client) = (made["id"].as_str().unwrap(), made["appId"].as_str().unwrap());
    post(&tenant, "/ServicePrincipals", json!({ "appId": client })).await;
    for path in [
        format!("/Applications/{id}?$select=AppId"),
        format!("/applications(appid='{client}')?select=appId"),
        format!("/myorganization/applications/{id}?%24Select=appId"),
    ] {
        assert_eq!(bare(read(&tenant, &path).await), json!({ "appId": client }), "{path}");
    }
    assert_eq!(list(&read(&tenant, "/oAuth2PermissionGrants").await).len(), 0);
    let secret = post(&tenant, &format!("/applications/{id}/microsoft.graph.addPassword"), json!({})).await;
    assert!(secret["secretText"].is_string());
    assert_eq!(tenant.graph(Method::DELETE, &format!("/applications/{id}"), None).await.0, 204);
    assert_eq!(list(&read(&tenant, "/directory/deleteditems/graph.application").await).len(), 1);
    let (token, url) = (tenant.token().await, format!("{}/beta/organization", tenant.connection().graph));
    for scheme in ["bearer", "BEARER"] {
        assert_eq!(tenant.request(Method::GET, &url, &[("Authorization", &format!("{scheme} {token}"))]).await.0, 200);
    }
}

#[tokio::test]
async fn objects_are_found_by_their_id_alone_and_in_parts() {
    let tenant = Tenant::start().await;
    let made = app(&tenant, "x", json!({ "tags": ["a"] })).await;
    let principal = post(&tenant, "/servicePrincipals", json!({ "appId": made["appId"] })).await;
    let (id, service) = (made["id"].as_str().unwrap(), principal["id"].as_str().unwrap());
    assert_eq!(read(&tenant, &format!("/directoryObjects/{id}")).await["@odata.type"], "#microsoft.graph.application");
    let wish = json!({ "ids": [id, service, "11111111-2222-4333-8444-555555555555"], "types": ["servicePrincipal"] });
    let found = list(&post(&tenant, "/directoryObjects/getByIds", wish).await);
    assert_eq!((found.len(), &found[0]["id"]), (1, &principal["id"]));
    assert_eq!(list(&read(&tenant, &format!("/applications/{id}/tags")).await), [json!("a")]);
    assert_eq!(list(&read(&tenant, &format!("/servicePrincipals/{service}/memberOf")).await).len(), 0);
    assert_eq!(list(&read(&tenant, "/policies/appManagementPolicies").await).len(), 0);
    let tenant_id = &tenant.connection().tenant_id;
    assert_eq!(bare(read(&tenant, &format!("/organization/{tenant_id}?$select=id")).await), json!({ "id": tenant_id }));
    for nowhere in [format!("/applications/{id}/nonsense"), format!("/servicePrincipals/{service}/nonsense")] {
        assert_eq!(tenant.graph(Method::GET, &nowhere, None).await.0, 400);
    }
}

#[tokio::test]
async fn a_batch_is_read_as_clients_write_it() {
    let tenant = Tenant::start().await;
    app(&tenant, "x", json!({})).await;
    let body = json!({ "requests": [
        { "id": "1", "method": "get", "url": "organization", "depends_on": [] },
        { "id": "2", "method": "GET", "url": "/applications/$count", "headers": { "consistencylevel": "Eventual" } },
    ] });
    let (status, answer) = tenant.graph(Method::POST, "/$batch", Some(body)).await;
    assert_eq!(status, StatusCode::OK);
    let all = answers(&answer);
    assert_eq!((&all[0]["status"], &all[1]["body"]), (&json!(200), &json!(2)), "{all:?}");
}
