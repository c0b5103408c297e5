//! The sandbox's pages as a browser without scripts uses them: links are followed, forms are sent, and the directory has changed.

use crate::tenant::Tenant;
use reqwest::{Client, Method, StatusCode, redirect};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use terraform_provider_m365::sandbox::{SECRET, Sandbox, Settings};
use url::Url;

const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
/// `User.Read.All` and `Group.Read.All`, application; `User.Read`, delegated.
const USERS: &str = "df021288-bdef-4463-88db-98f22de89214";
const GROUPS: &str = "5b567255-7703-4780-807c-7be8301ae99b";
const USER_READ: &str = "e1fe6dd8-ba31-4d61-89e7-88639da4683d";
const REPLY: &str = "https://vendor.example/callback?region=eu";

/// What a browser gets.
struct Seen {
    status: StatusCode,
    location: String,
    text: String,
}

fn browser() -> Client {
    Client::builder().no_proxy().tls_certs_only([]).redirect(redirect::Policy::none()).build().unwrap()
}

async fn seen(request: reqwest::RequestBuilder) -> Seen {
    let answer = request.send().await.unwrap();
    let location = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned()).unwrap_or_default();
    Seen { status: answer.status(), location, text: answer.text().await.unwrap() }
}

async fn look(tenant: &Tenant, path: &str) -> Seen {
    seen(browser().get(format!("{}{path}", tenant.url()))).await
}

async fn send(tenant: &Tenant, path: &str, form: &[(&str, &str)]) -> Seen {
    seen(browser().post(format!("{}{path}", tenant.url())).header("origin", tenant.url()).form(form)).await
}

/// An application that asks for three permissions and can be answered.
async fn application(tenant: &Tenant, name: &str) -> Value {
    let access = [(USERS, "Role"), (GROUPS, "Role"), (USER_READ, "Scope")];
    let access: Vec<Value> = access.iter().map(|(id, kind)| json!({ "id": id, "type": kind })).collect();
    let body = json!({
        "displayName": name, "signInAudience": "AzureADMyOrg", "web": { "redirectUris": [REPLY] },
        "requiredResourceAccess": [{ "resourceAppId": GRAPH, "resourceAccess": access }],
    });
    tenant.admin(Method::POST, "/applications", Some(body)).await
}

fn of<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap()
}

async fn scopes(tenant: &Tenant, principal: &str) -> Vec<String> {
    let all = tenant.admin(Method::GET, &format!("/servicePrincipals/{principal}/oauth2PermissionGrants"), None).await;
    let all = all["value"].as_array().unwrap().clone();
    all.iter().flat_map(|one| of(one, "scope").split(' ').map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn answered(location: &str) -> BTreeMap<String, String> {
    Url::parse(location).unwrap().query_pairs().into_owned().collect()
}

#[tokio::test]
async fn a_consent_grants_what_is_asked_takes_back_the_rest_and_sends_the_browser_back() {
    for login in ["/login/", "/"] {
        let tenant = Tenant::start().await;
        let app = application(&tenant, "Vendor & Söhne").await;
        let (client, id) = (of(&app, "appId"), tenant.connection().tenant_id.clone());
        let page = format!("{login}{id}/adminconsent?client_id={client}&state=a%26b");
        let shown = look(&tenant, &page).await;
        assert_eq!(shown.status, 200);
        for text in ["Vendor &amp; Söhne", "contoso.onmicrosoft.com", "User.Read.All", "Group.Read.All", "User.Read<"]
        {
            assert!(shown.text.contains(text), "{text} is missing in {}", shown.text);
        }
        assert!(tenant.principal_of(client).await.is_none(), "looking at the page changes nothing");

        let accepted = send(&tenant, &page, &[("decision", "accept")]).await;
        assert_eq!(accepted.status, 303);
        assert!(accepted.location.starts_with(&format!("{REPLY}&")), "{}", accepted.location);
        let said = answered(&accepted.location);
        assert_eq!((&*said["admin_consent"], &*said["tenant"], &*said["state"]), ("True", &*id, "a&b"));
        assert!(!said.contains_key("error"));
        let principal = tenant.principal_of(client).await.unwrap();
        let principal = of(&principal, "id");
        assert_eq!(tenant.granted(principal).await, [USERS, GROUPS].map(str::to_owned).into());
        assert_eq!(scopes(&tenant, principal).await, ["User.Read"]);

        // What was granted before and is not asked for is announced, and taken back.
        tenant.grant_scope(principal, "Mail.Send").await;
        tenant.revoke(principal, USERS).await;
        assert!(look(&tenant, &page).await.text.contains("taken back"));
        send(&tenant, &page, &[("decision", "accept")]).await;
        assert_eq!(tenant.granted(principal).await, [USERS, GROUPS].map(str::to_owned).into());
        assert_eq!(scopes(&tenant, principal).await, ["User.Read"]);
    }
}

#[tokio::test]
async fn who_declines_grants_nothing() {
    let tenant = Tenant::start().await;
    let app = application(&tenant, "Vendor").await;
    let page = format!("/login/contoso.onmicrosoft.com/adminconsent?client_id={}&state=7", of(&app, "appId"));
    let declined = send(&tenant, &page, &[("decision", "decline")]).await;
    let said = answered(&declined.location);
    assert_eq!((&*said["error"], &*said["state"]), ("consent_required", "7"));
    assert!(said["error_description"].starts_with("AADSTS65004"));
    assert!(tenant.principal_of(of(&app, "appId")).await.is_none());
    assert_eq!(send(&tenant, &page, &[]).await.status, 400);
}

#[tokio::test]
async fn version_two_asks_for_scopes_by_their_names_or_for_everything() {
    let tenant = Tenant::start().await;
    let app = application(&tenant, "Vendor").await;
    let client = of(&app, "appId");
    let page = |scope: &str| {
        let query = [("client_id", client), ("redirect_uri", REPLY), ("scope", scope)];
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        format!("/login/organizations/v2.0/adminconsent?{query}")
    };
    let wished = "https://graph.microsoft.com/Mail.Send offline_access";
    let said = answered(&send(&tenant, &page(wished), &[("decision", "accept")]).await.location);
    assert_eq!(said["scope"], wished);
    let principal = tenant.principal_of(client).await.unwrap();
    let principal = of(&principal, "id");
    assert_eq!(scopes(&tenant, principal).await, ["Mail.Send", "offline_access"]);
    // Once more, and what is there is not granted twice.
    assert_eq!(send(&tenant, &page("Mail.Send"), &[("decision", "accept")]).await.status, 303);
    assert_eq!(scopes(&tenant, principal).await, ["Mail.Send", "offline_access"]);
    let all = page("https://graph.microsoft.com/.default");
    assert_eq!(send(&tenant, &all, &[("decision", "accept")]).await.status, 303);
    assert_eq!(scopes(&tenant, principal).await, ["User.Read"]);
    assert_eq!(tenant.granted(principal).await, [USERS, GROUPS].map(str::to_owned).into());
    assert!(look(&tenant, &page("Nothing.Read")).await.text.contains("AADSTS650053"));
}

#[tokio::test]
async fn a_consent_page_that_would_fail_says_so_before_anything_is_granted() {
    let tenant = Tenant::start().await;
    let app = application(&tenant, "Vendor").await;
    let (client, id) = (of(&app, "appId").to_owned(), tenant.connection().tenant_id.clone());
    let mute = json!({ "displayName": "Mute", "signInAudience": "AzureADMyOrg" });
    let mute = tenant.admin(Method::POST, "/applications", Some(mute)).await;
    let mute = of(&mute, "appId");
    let other = "11111111-1111-4111-8111-111111111111";
    for (page, code) in [
        (format!("{id}/adminconsent"), "AADSTS900144"),
        (format!("{id}/adminconsent?client_id={other}"), "AADSTS700016"),
        (format!("nobody.example/adminconsent?client_id={client}"), "AADSTS90002"),
        (format!("common/adminconsent?client_id={client}"), "AADSTS90002"),
        (format!("{other}/adminconsent?client_id={client}"), "AADSTS700016"),
        (format!("{id}/adminconsent?client_id={mute}"), "AADSTS500113"),
        (format!("{id}/adminconsent?client_id={client}&redirect_uri=https://evil.example"), "AADSTS50011"),
        (format!("{id}/v2.0/adminconsent?client_id={client}&redirect_uri=https://vendor.example"), "AADSTS900144"),
    ] {
        for seen in [
            look(&tenant, &format!("/login/{page}")).await,
            send(&tenant, &format!("/login/{page}"), &[("decision", "accept")]).await,
        ] {
            assert_eq!((seen.status, &*seen.location), (StatusCode::BAD_REQUEST, ""), "{page}");
            assert!(seen.text.contains(&format!("{code}:")), "{page}: {}", seen.text);
        }
    }
    for client in [&client, mute] {
        assert!(tenant.principal_of(client).await.is_none());
    }
}

#[tokio::test]
async fn the_consent_of_a_vendors_application_is_for_this_tenant_alone() {
    let tenant = Tenant::start().await;
    let home = "22222222-2222-4222-8222-222222222222";
    let body = json!({
        "displayName": "Vendor", "signInAudience": "AzureADMultipleOrgs", "web": { "redirectUris": [REPLY] },
        "requiredResourceAccess": [{ "resourceAppId": GRAPH, "resourceAccess": [{ "id": USERS, "type": "Role" }] }],
    });
    let app = tenant.in_tenant(home, Method::POST, "/applications", Some(body)).await;
    let client = of(&app, "appId");
    let page = format!("/login/{}/adminconsent?client_id={client}", tenant.connection().tenant_id);
    assert!(look(&tenant, &page).await.text.contains("22222222.onmicrosoft.com"));
    send(&tenant, &page, &[("decision", "accept")]).await;
    let principal = tenant.principal_of(client).await.unwrap();
    assert_eq!(tenant.granted(of(&principal, "id")).await, [USERS.to_owned()].into());
    let filter = format!("/servicePrincipals?$filter=appId%20eq%20'{client}'");
    assert_eq!(tenant.in_tenant(home, Method::GET, &filter, None).await["value"], json!([]));
}

#[tokio::test]
async fn the_buttons_of_an_application_make_drift() {
    let tenant = Tenant::start().await;
    let app = application(&tenant, "Vendor").await;
    let (client, id) = (of(&app, "appId"), of(&app, "id"));
    let page = format!("/pages/{}/{client}", tenant.connection().tenant_id);
    let press = async |form: &[(&str, &str)]| {
        let done = send(&tenant, &page, form).await;
        assert_eq!((done.status, &*done.location), (StatusCode::SEE_OTHER, &*page), "{form:?}: {}", done.text);
    };
    press(&[("do", "consent")]).await;
    let principal = tenant.principal_of(client).await.unwrap();
    let principal = of(&principal, "id");
    assert_eq!(tenant.granted(principal).await.len(), 2);
    let role = |does| [("do", does), ("api", GRAPH), ("kind", "Application"), ("id", USERS), ("name", "User.Read.All")];
    let scope = |does| [("do", does), ("api", GRAPH), ("kind", "Delegated"), ("name", "Mail.Send")];

    press(&role("revoke")).await;
    assert_eq!(tenant.granted(principal).await, [GROUPS.to_owned()].into());
    assert!(look(&tenant, &page).await.text.contains("Not granted"));
    press(&role("grant")).await;
    assert_eq!(tenant.granted(principal).await.len(), 2);
    press(&scope("grant")).await;
    assert_eq!(scopes(&tenant, principal).await, ["User.Read", "Mail.Send"]);
    assert!(look(&tenant, &page).await.text.contains("Granted, not requested"));
    press(&scope("revoke")).await;
    assert_eq!(scopes(&tenant, principal).await, ["User.Read"]);

    let requested = async || {
        let app = tenant.admin(Method::GET, &format!("/applications/{id}"), None).await;
        let access = app["requiredResourceAccess"][0]["resourceAccess"].as_array().unwrap().clone();
        access.iter().map(|one| of(one, "id").to_owned()).collect::<Vec<_>>()
    };
    press(&role("forget")).await;
    assert_eq!(requested().await, [GROUPS, USER_READ]);
    press(&[("do", "request"), ("api", GRAPH), ("kind", "Application"), ("name", "user.read.all")]).await;
    assert_eq!(requested().await, [GROUPS, USER_READ, USERS]);
    let wrong =
        send(&tenant, &page, &[("do", "grant"), ("api", GRAPH), ("kind", "Application"), ("name", "User.Raed.All")]);
    let wrong = wrong.await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.text.contains("User.Read.All"), "the nearest name is said: {}", wrong.text);

    for holder in [id, principal] {
        press(&[("do", "plant_secret"), ("id", holder), ("name", "planted")]).await;
    }
    for path in [format!("/applications/{id}"), format!("/servicePrincipals/{principal}")] {
        let holder = tenant.admin(Method::GET, &path, None).await;
        let secret = &holder["passwordCredentials"][0];
        assert_eq!(secret["displayName"], "planted");
        press(&[("do", "remove_secret"), ("id", of(&holder, "id")), ("key", of(secret, "keyId"))]).await;
        assert_eq!(tenant.admin(Method::GET, &path, None).await["passwordCredentials"], json!([]));
    }

    // Deleted, found among the deleted ones, and restored.
    let list = format!("/pages/{}", tenant.connection().tenant_id);
    let gone = send(&tenant, &page, &[("do", "delete_application"), ("id", id)]).await;
    assert_eq!(gone.location, list);
    assert!(tenant.applications().await.is_empty());
    assert_eq!(look(&tenant, &page).await.status, 404);
    send(&tenant, &list, &[("do", "restore"), ("id", id)]).await;
    assert_eq!(tenant.applications().await.len(), 1);
    send(&tenant, &list, &[("do", "plant"), ("name", "Planted")]).await;
    assert_eq!(tenant.applications().await.len(), 2);
    assert!(look(&tenant, &list).await.text.contains("Planted"));
}

#[tokio::test]
async fn the_cloud_is_looked_after_by_hand() {
    let tenant = Tenant::start().await;
    tenant.graph(Method::GET, "/organization", None).await;
    assert!(look(&tenant, "/pages/requests").await.text.contains("/graph/v1.0/organization"));
    let order =
        [("do", "order"), ("action", "throttle"), ("method", "GET"), ("path", "/graph/v1.0/org*"), ("times", "1")];
    assert_eq!(send(&tenant, "/pages/faults", &order).await.status, 303);
    assert!(look(&tenant, "/pages/faults").await.text.contains("/graph/v1.0/org*"));
    assert_eq!(tenant.graph(Method::GET, "/organization", None).await.0, 429);
    assert_eq!(tenant.graph(Method::GET, "/organization", None).await.0, 200);
    let id = tenant.faults().await[0]["id"].to_string();
    send(&tenant, "/pages/faults", &[("do", "remove"), ("id", &id)]).await;
    assert!(tenant.faults().await.is_empty());
    send(&tenant, "/pages/clock", &[("do", "set"), ("now", "2031-02-03T04:05:06Z")]).await;
    send(&tenant, "/pages/clock", &[("do", "advance"), ("by", "P30D")]).await;
    assert!(look(&tenant, "/pages/clock").await.text.contains("2031-03-05T04:05:0"));
    assert_eq!(send(&tenant, "/pages/clock", &[("do", "set"), ("now", "soon")]).await.status, 400);
    send(&tenant, "/pages/requests", &[("do", "clear")]).await;
    assert_eq!(tenant.control(Method::GET, "requests", None).await.1["value"], json!([]), "pages are in no log");
}

#[tokio::test]
async fn every_fault_on_the_page_can_be_ordered() {
    let tenant = Tenant::start().await;
    let shown = look(&tenant, "/pages/faults").await.text;
    let options = shown.split("<select name=\"action\">").nth(1).unwrap().split("</select>").next().unwrap();
    let names: Vec<&str> = options.split("value=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(names.len() > 5, "{options}");
    for name in &names {
        let order = [("do", "order"), ("action", *name), ("path", "/nowhere"), ("times", "1")];
        assert_eq!(send(&tenant, "/pages/faults", &order).await.status, 303, "{name}");
    }
    assert_eq!(tenant.faults().await.len(), names.len());
}

#[tokio::test]
async fn texts_are_escaped_and_nothing_secret_is_shown() {
    let tenant = Tenant::start().await;
    let evil = "<script>alert('x')</script>\"><b onclick=x>";
    let app = application(&tenant, evil).await;
    let (client, id) = (of(&app, "appId"), of(&app, "id"));
    let wish = json!({ "passwordCredential": { "displayName": evil } });
    let made = tenant.admin(Method::POST, &format!("/applications/{id}/addPassword"), Some(wish)).await;
    let secret = of(&made, "secretText");
    tenant.graph(Method::GET, "/applications/%3Cscript%3E?$filter=<script>", None).await;
    tenant.fault(json!({ "path": evil, "action": { "fail": { "status": 503, "message": evil } } })).await;
    let here = &tenant.connection().tenant_id;
    let operator = &tenant.connection().client_id;
    for page in [
        "/pages".to_owned(),
        format!("/pages/{here}"),
        format!("/pages/{here}/{client}"),
        format!("/pages/{here}/{operator}"),
        "/pages/requests".to_owned(),
        "/pages/clock".to_owned(),
        "/pages/faults".to_owned(),
        format!("/login/{here}/adminconsent?client_id={client}"),
        format!("/login/{here}/adminconsent?client_id={client}&redirect_uri=%3Cscript%3E"),
        "/pages/%3Cscript%3E".to_owned(),
    ] {
        let text = look(&tenant, &page).await.text;
        assert!(text.contains("<main"), "{page} is no page: {text}");
        for never in ["<script", "<b onclick", secret, SECRET] {
            assert!(!text.contains(never), "{never} on {page}: {text}");
        }
    }
    let shown = look(&tenant, &format!("/pages/{here}/{client}")).await.text;
    assert!(shown.contains(&format!("{}…", &secret[..3])), "the hint is there: {shown}");
}

#[tokio::test]
async fn a_form_on_somebody_elses_page_changes_nothing() {
    let tenant = Tenant::start().await;
    let app = application(&tenant, "Vendor").await;
    let here = &tenant.connection().tenant_id;
    for (path, form) in [
        (format!("/pages/{here}/{}", of(&app, "appId")), [("do", "consent")]),
        (format!("/login/{here}/adminconsent?client_id={}", of(&app, "appId")), [("decision", "accept")]),
    ] {
        for origin in ["https://evil.example", "null"] {
            let sent = browser().post(format!("{}{path}", tenant.url())).header("origin", origin).form(&form);
            assert_eq!(seen(sent).await.status, 403, "{path} {origin}");
        }
    }
    assert!(tenant.principal_of(of(&app, "appId")).await.is_none());
}

#[tokio::test]
async fn no_fault_strikes_a_page_and_no_clock_ticks_for_it() {
    let tenant = Tenant::start().await;
    tenant.fault(json!({ "action": { "fail": { "status": 503 } } })).await;
    tenant.control(Method::POST, "clock", Some(json!({ "tick": "P1D" }))).await;
    let before = tenant.control(Method::GET, "clock", None).await.1["now"].to_string();
    assert_eq!(look(&tenant, "/").await.location, "/pages");
    assert_eq!(look(&tenant, "/pages").await.status, 200);
    let after = tenant.control(Method::GET, "clock", None).await.1["now"].to_string();
    assert_eq!(before[..11], after[..11]);
    assert_eq!(tenant.faults().await[0]["matched"], 0);
}

#[tokio::test]
async fn what_a_button_did_is_in_the_state_file() {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        Settings { listen: ([127, 0, 0, 1], 0).into(), state: Some(folder.path().join("state.json")), tls: false };
    let sandbox = Sandbox::open(settings.clone()).await.unwrap();
    let page = |sandbox: &Sandbox| {
        let connection = sandbox.connection();
        format!("{}/pages/{}", connection.control.trim_end_matches("/control"), connection.tenant_id)
    };
    let planted = [("do", "plant"), ("name", "Planted by hand")];
    assert_eq!(seen(browser().post(page(&sandbox)).form(&planted)).await.status, 303);
    // Not by the end of the sandbox: the file is read while it still runs.
    let again = Sandbox::open(settings).await.unwrap();
    assert!(seen(browser().get(page(&again))).await.text.contains("Planted by hand"));
}
