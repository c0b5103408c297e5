//! `m365_consent_status`, through a real CLI: each truth is what the tenant shows, and a look-up that fails is an error.

use crate::tenant::Tenant;
use crate::workspace::{BLOCK, HEAD, assert_no_change, every_cli, failed_plan, read, texts};
use reqwest::Method;
use serde_json::{Value, json};
use terraform_provider_m365::catalog::{Catalog, Kind};

const APPLICATION: [&str; 8] = [
    "User.Read.All",
    "Group.Read.All",
    "AuditLog.Read.All",
    "Mail.Read",
    "Device.Read.All",
    "Directory.Read.All",
    "Policy.Read.All",
    "Reports.Read.All",
];
const DELEGATED: [&str; 8] = [
    "User.Read",
    "Mail.Read",
    "Calendars.Read",
    "Files.Read",
    "Contacts.Read",
    "Tasks.Read",
    "Notes.Read",
    "People.Read",
];

/// The permission of this number is declared, requested and granted as the number's bits say.
#[derive(Clone, Copy)]
struct Truths(usize);

impl Truths {
    fn declared(self) -> bool {
        self.0 & 1 != 0
    }
    fn requested(self) -> bool {
        self.0 & 2 != 0
    }
    fn granted(self) -> bool {
        self.0 & 4 != 0
    }
}

fn each() -> impl Iterator<Item = (Kind, &'static str, Truths)> {
    let all = |kind, names: &'static [&'static str; 8]| {
        names.iter().enumerate().map(move |(n, name)| (kind, *name, Truths(n)))
    };
    all(Kind::Application, &APPLICATION).chain(all(Kind::Delegated, &DELEGATED))
}

fn key(kind: Kind, name: &str) -> String {
    format!("microsoft_graph/{kind}/{name}")
}

fn id(kind: Kind, name: &str) -> &'static str {
    &Catalog::built_in().api("microsoft_graph").unwrap().get(kind, name).unwrap().id
}

/// An application with every combination of requested and granted, one secret, and its principal in this tenant. `home`: the tenant that
/// it lives in.
async fn connector(tenant: &Tenant, home: &str) -> (Value, String, String) {
    let wanted = each().filter(|(_, _, truths)| truths.requested());
    let access: Vec<_> = wanted
        .map(|(kind, name, _)| json!({ "id": id(kind, name), "type": if kind == Kind::Delegated { "Scope" } else { "Role" } }))
        .collect();
    let app = json!({
        "displayName": "SIEM", "signInAudience": "AzureADMultipleOrgs",
        "requiredResourceAccess": [{ "resourceAppId": "00000003-0000-0000-c000-000000000000", "resourceAccess": access }],
    });
    let app = tenant.in_tenant(home, Method::POST, "/applications", Some(app)).await;
    let path = format!("/applications/{}/addPassword", app["id"].as_str().unwrap());
    let secret = tenant.in_tenant(home, Method::POST, &path, Some(json!({ "passwordCredential": {} }))).await;
    let principal = tenant.admin(Method::POST, "/servicePrincipals", Some(json!({ "appId": app["appId"] }))).await;
    let principal = principal["id"].as_str().unwrap().to_owned();
    for (kind, name, _) in each().filter(|(_, _, truths)| truths.granted()) {
        match kind {
            Kind::Application => tenant.grant(&principal, id(kind, name)).await,
            Kind::Delegated => tenant.grant_scope(&principal, name).await,
        }
    }
    (app, principal, secret["secretText"].as_str().unwrap().to_owned())
}

fn block(label: &str, principal: &str, secret: Option<&str>) -> String {
    let declared: Vec<_> =
        each().filter(|(_, _, truths)| truths.declared()).map(|(kind, name, _)| key(kind, name)).collect();
    let secret = secret.map(|secret| format!("  client_secret = {secret:?}\n")).unwrap_or_default();
    format!(
        "data \"m365_consent_status\" \"{label}\" {{\n  service_principal_id = {principal:?}\n  permissions = {declared:?}\n{secret}}}\n"
    )
}

fn assert_status(found: &Value, lives_here: bool, signed_in: bool) {
    let all = found["permissions_status"].as_object().unwrap();
    let mut shown = 0;
    for (kind, name, truths) in each() {
        // Where the application lives elsewhere nobody here sees what it asks for.
        let requested = lives_here && truths.requested();
        let Some(one) = all.get(&key(kind, name)) else {
            assert!(!truths.declared() && !requested && !truths.granted(), "{kind} {name} is not shown");
            continue;
        };
        let effective = if signed_in && kind == Kind::Application { json!(truths.granted()) } else { Value::Null };
        let expected = json!({
            "declared": truths.declared(), "requested": if lives_here { json!(requested) } else { Value::Null },
            "granted": truths.granted(), "effective": effective,
        });
        assert_eq!(one, &expected, "{kind} {name}");
        shown += 1;
    }
    assert_eq!(all.len(), shown, "nothing else is shown");
    let expected =
        |is: fn(Truths) -> bool| each().filter(|(_, _, one)| is(*one)).map(|(kind, name, _)| key(kind, name)).collect();
    assert_eq!(texts(&found["missing"]), expected(|one| one.declared() && !one.granted()));
    assert_eq!(texts(&found["excess"]), expected(|one| one.granted() && !one.declared()));
    assert_eq!(found["complete"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_truth_of_each_permission_is_what_the_tenant_shows() {
    every_cli(async |workspace, tenant| {
        let own = tenant.connection().tenant_id.clone();
        let (_, ours, secret) = connector(&tenant, &own).await;
        let (_, theirs, _) = connector(&tenant, "aaaaaaaa-1111-4111-8111-111111111111").await;
        let blocks =
            [block("ours", &ours, Some(&secret)), block("unsigned", &ours, None), block("vendor", &theirs, None)];
        let values = read(&workspace, &blocks.concat()).await;
        assert_status(&values["data.m365_consent_status.ours"], true, true);
        assert_status(&values["data.m365_consent_status.unsigned"], true, false);
        assert_status(&values["data.m365_consent_status.vendor"], false, false);
        let summary = values["data.m365_consent_status.vendor"]["summary"].as_str().unwrap();
        assert!(summary.starts_with(&format!("\"SIEM\" in tenant {own} is not complete.")), "{summary}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_that_fails_is_an_error() {
    every_cli(async |workspace, tenant| {
        let (app, principal, secret) = connector(&tenant, &tenant.connection().tenant_id.clone()).await;
        workspace.write(&format!("{HEAD}{BLOCK}{}", block("x", &principal, Some(&secret)))).unwrap();
        let planned = workspace.run(&["plan", "-no-color", "-input=false"]).await.unwrap();
        planned.expect(0).unwrap();
        let client_id = app["appId"].as_str().unwrap();
        let refused = json!({ "fail": { "status": 403, "code": "Authorization_RequestDenied" } });
        for (path, skip) in [
            (format!("/graph/v1.0/servicePrincipals/{principal}"), 0),
            (format!("/graph/v1.0/servicePrincipals/{principal}/appRoleAssignments"), 0),
            ("/graph/v1.0/oauth2PermissionGrants".to_owned(), 0),
            (format!("/graph/v1.0/applications(appId='{client_id}')"), 0),
            // The first sign-in is the provider's own.
            ("/login/*/token".to_owned(), 1),
        ] {
            tenant.control(Method::DELETE, "faults", None).await;
            tenant.fault(json!({ "path": path, "skip": skip, "action": refused })).await;
            let output = failed_plan(&workspace, &tenant).await;
            assert!(output.contains("Error:"), "{path}:\n{output}");
            let struck = tenant.faults().await;
            assert!(struck[0]["struck"].as_u64().is_some_and(|times| times > 0), "{path} was not asked: {struck:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declared_has_to_make_sense() {
    every_cli(async |workspace, tenant| {
        let (app, principal, _) = connector(&tenant, &tenant.connection().tenant_id.clone()).await;
        let client_id = app["appId"].as_str().unwrap();
        for (arguments, expected) in [
            (format!("service_principal_id = {principal:?}"), "None is given"),
            (format!("service_principal_id = {principal:?}\n  permissions = []\n  profile = \"politemail\""), "Both are given"),
            (format!("service_principal_id = {principal:?}\n  permissions = [\"User.Read.All\"]"), "is no permission key"),
            (format!("service_principal_id = {principal:?}\n  profile = \"threatdefence-graph\"\n  features = [\"intun\"]"), "intune"),
            (
                format!("service_principal_id = {principal:?}\n  permissions = [\"microsoft_graph/application/User.Raed.All\"]"),
                "User.Read.All",
            ),
            (format!("service_principal_id = {client_id:?}\n  permissions = []"), "is the client id of \"SIEM\""),
        ] {
            workspace.write(&format!("{HEAD}{BLOCK}data \"m365_consent_status\" \"x\" {{\n  {arguments}\n}}\n")).unwrap();
            let output = failed_plan(&workspace, &tenant).await;
            assert!(output.contains(expected), "{expected} is not in:\n{output}");
        }
    })
    .await;
}

const CONNECTOR: &str = r#"
resource "m365_connector_app" "x" {
  profile = "threatdefence-ms365"
}
resource "m365_connector_permission_set" "x" {
  application_id = m365_connector_app.x.id
  profile        = "threatdefence-ms365"
}
resource "m365_admin_consent" "x" {
  service_principal_id = m365_connector_app.x.service_principal_id
  permissions          = m365_connector_permission_set.x.permissions
}
resource "m365_connector_secret" "x" {
  application_id = m365_connector_app.x.id
  display_name   = "vendor"
}
data "m365_consent_status" "x" {
  service_principal_id = m365_connector_app.x.service_principal_id
  profile              = "threatdefence-ms365"
  client_secret        = m365_connector_secret.x.value
  depends_on           = [m365_admin_consent.x]
}
output "summary" {
  value = nonsensitive(data.m365_consent_status.x.summary)
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_was_made_is_complete_and_stays_so() {
    every_cli(async |workspace, _| {
        let values = read(&workspace, CONNECTOR).await;
        let status = &values["data.m365_consent_status.x"];
        assert_eq!(status["complete"], true, "{}", status["summary"]);
        assert_eq!(
            status["permissions_status"],
            json!({ "office_365_management/application/ActivityFeed.Read": { "declared": true, "requested": true, "granted": true, "effective": true } })
        );
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_granted_a_moment_ago_is_not_missing() {
    every_cli(async |workspace, tenant| {
        let lag = json!({ "seconds": 25, "replicas": ["stale"] });
        assert_eq!(tenant.control(Method::POST, "lag", Some(lag)).await.0, 204);
        // Replicas lag by the sandbox's clock, which each request moves on.
        let clock = tenant.control(Method::POST, "clock", Some(json!({ "tick": "PT2S" }))).await;
        assert!(clock.0.is_success(), "{clock:?}");
        let connector = CONNECTOR.replace("  client_secret        = m365_connector_secret.x.value\n", "");
        let values = read(&workspace, &connector).await;
        let status = &values["data.m365_consent_status.x"];
        assert_eq!(status["complete"], true, "{}", status["summary"]);
        assert_no_change(&workspace).await;
    })
    .await;
}
