//! Tainted, replaced, imported, let go: whatever the CLI makes of an object, one run ends with what is declared, or is refused.

use crate::tenant::{Tenant, list};
use crate::workspace::{BLOCK, HEAD, Workspace, assert_no_change, every_cli, failed_plan, flat};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const AUDIT_LOG: &str = "b0afded3-3588-46d8-8b3d-9842eff778da";
const USER_READ_ALL: &str = "df021288-bdef-4463-88db-98f22de89214";
const MAIL_READ: &str = "810c84a8-4a9e-49e6-bf7d-12d183f40d01";
const FIRST: &str = "lifecycle {\n    create_before_destroy = true\n  }";
const TAKEN: &str = "Another application already has the unique name \"siem\"";
const APPLY: [&str; 4] = ["apply", "-no-color", "-auto-approve", "-input=false"];

/// An application by hand, with a unique name. Gives its object id and its principal's.
async fn by_hand(tenant: &Tenant) -> (String, String) {
    let named = json!({ "displayName": "SIEM", "uniqueName": "siem", "signInAudience": "AzureADMyOrg" });
    let app = tenant.admin(Method::POST, "/applications", Some(named)).await;
    let principal = tenant.admin(Method::POST, "/servicePrincipals", Some(json!({ "appId": app["appId"] }))).await;
    let id = |object: &Value| object["id"].as_str().unwrap().to_owned();
    (id(&app), id(&principal))
}

/// A set and a consent of two permissions, at the address `x`.
fn pair((app, principal): &(String, String), body: &str) -> String {
    format!(
        r#"
resource "m365_connector_permission_set" "x" {{
  application_id = "{app}"
  apis           = {{ microsoft_graph = {{ application = ["AuditLog.Read.All", "User.Read.All"] }} }}
  {body}
}}
resource "m365_admin_consent" "x" {{
  service_principal_id = "{principal}"
  permissions          = ["microsoft_graph/application/AuditLog.Read.All", "microsoft_graph/application/User.Read.All"]
  {body}
}}
"#
    )
}

fn app(name: &str, body: &str) -> String {
    format!("resource \"m365_connector_app\" \"{name}\" {{\n  display_name = \"SIEM\"\n  {body}\n}}\n")
}

fn write(workspace: &Workspace, resources: &str) {
    workspace.write(&format!("{HEAD}{BLOCK}{resources}")).unwrap();
}

async fn run(workspace: &Workspace, arguments: &[&str]) -> (i32, String) {
    let outcome = workspace.run(arguments).await.unwrap();
    (outcome.code, flat(&outcome.output))
}

/// Ids that the application asks for.
async fn asked(tenant: &Tenant, app: &str) -> BTreeSet<String> {
    let app = tenant.admin(Method::GET, &format!("/applications/{app}"), None).await;
    let apis = app["requiredResourceAccess"].as_array().unwrap().clone();
    let all = apis.iter().flat_map(|api| api["resourceAccess"].as_array().unwrap().clone());
    all.map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

async fn ask_for_mail_too(tenant: &Tenant, app: &str) {
    let access = [AUDIT_LOG, USER_READ_ALL, MAIL_READ].map(|id| json!({ "id": id, "type": "Role" }));
    let api = json!({ "resourceAppId": "00000003-0000-0000-c000-000000000000", "resourceAccess": access });
    let body = json!({ "requiredResourceAccess": [api] });
    tenant.admin(Method::PATCH, &format!("/applications/{app}"), Some(body)).await;
}

async fn assert_declared(tenant: &Tenant, made: &(String, String)) {
    let declared = BTreeSet::from([AUDIT_LOG, USER_READ_ALL].map(str::to_owned));
    assert_eq!(asked(tenant, &made.0).await, declared);
    assert_eq!(tenant.granted(&made.1).await, declared);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tainted_set_and_consent_are_replaced_without_a_refresh_too() {
    for body in ["", "exclusive = false"] {
        every_cli(async |workspace, tenant| {
            let made = by_hand(&tenant).await;
            write(&workspace, &pair(&made, body));
            workspace.apply(&[]).await.unwrap();
            tenant.later().await;
            for address in ["m365_connector_permission_set.x", "m365_admin_consent.x"] {
                workspace.run(&["taint", address]).await.unwrap().expect(0).unwrap();
            }
            let output = flat(&workspace.apply(&["-refresh=false"]).await.unwrap());
            assert_declared(&tenant, &made).await;
            assert_no_change(&workspace).await;
            workspace.apply(&["-destroy"]).await.unwrap();
            if body.is_empty() {
                let none = BTreeSet::new();
                assert_eq!((&asked(&tenant, &made.0).await, &tenant.granted(&made.1).await), (&none, &none));
            } else {
                // Without a refresh the CLI tells nobody what the tainted ones had added: it stays, and that is said.
                assert!(output.contains("They are used as they are, and stay"), "{output}");
                assert_declared(&tenant, &made).await;
            }
        })
        .await;
    }
}

/// What nobody declared is drift, and no reason for a replacement to fail half-way.
#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_that_meets_what_nobody_declared_ends_with_what_is_declared_or_changes_nothing() {
    for body in ["", FIRST] {
        every_cli(async |workspace, tenant| {
            let made = by_hand(&tenant).await;
            write(&workspace, &pair(&made, body));
            workspace.apply(&[]).await.unwrap();
            tenant.later().await;
            tenant.grant(&made.1, MAIL_READ).await;
            ask_for_mail_too(&tenant, &made.0).await;
            let replaced = ["-replace=m365_connector_permission_set.x", "-replace=m365_admin_consent.x"];
            let (code, output) = run(&workspace, &[&APPLY[..], &replaced].concat()).await;
            let mut wide = BTreeSet::from([AUDIT_LOG, USER_READ_ALL].map(str::to_owned));
            match code {
                0 => assert_declared(&tenant, &made).await,
                _ => {
                    assert!(output.contains("not declared"), "{output}");
                    wide.insert(MAIL_READ.to_owned());
                    assert_eq!(
                        (&asked(&tenant, &made.0).await, &tenant.granted(&made.1).await),
                        (&wide, &wide),
                        "{output}"
                    );
                }
            }
            // Without a replacement it is repaired in any case.
            workspace.apply(&[]).await.unwrap();
            assert_declared(&tenant, &made).await;
            assert_no_change(&workspace).await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_application_that_is_to_be_created_before_it_is_destroyed_leaves_nothing_deposed() {
    every_cli(async |workspace, tenant| {
        let made = by_hand(&tenant).await;
        write(&workspace, &app("x", &format!("unique_name = \"siem\"\n  {FIRST}")));
        workspace.run(&["import", "-input=false", "m365_connector_app.x", &made.0]).await.unwrap().expect(0).unwrap();
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        let (code, output) = run(&workspace, &[&APPLY[..], &["-replace=m365_connector_app.x"]].concat()).await;
        assert_eq!((code, output.contains(TAKEN)), (1, true), "{output}");
        let state = workspace.run(&["state", "list"]).await.unwrap().expect(0).unwrap();
        assert!(!state.contains("deposed"), "{state}");
        assert_no_change(&workspace).await;
        assert_eq!(tenant.applications().await[0]["id"], json!(made.0));
        workspace.apply(&["-destroy"]).await.unwrap();
        assert!(tenant.applications().await.is_empty());
    })
    .await;
}

/// Whichever of the two calls comes first, by whatever is slow.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_let_go_and_declared_anew_in_one_run_is_judged_alike_in_any_order() {
    every_cli(async |workspace, tenant| {
        let pair = |of: &str| format!("{}resource \"m365_admin_consent\" \"{of}\" {{\n  service_principal_id = m365_connector_app.{of}.service_principal_id\n  permissions = [\"microsoft_graph/application/User.Read.All\"]\n}}\n", app(of, ""));
        write(&workspace, &pair("x"));
        workspace.apply(&[]).await.unwrap();
        let let_go = ["m365_connector_app", "m365_admin_consent"]
            .map(|kind| format!("removed {{\n  from = {kind}.x\n  lifecycle {{\n    destroy = false\n  }}\n}}\n"))
            .concat();
        write(&workspace, &format!("{}{let_go}", pair("y")));
        let made = tenant.applications().await;
        // The CLI tells nobody that it lets go of something: to the provider this is a tainted application, and the create refuses.
        for slow in ["*/applications/*", "*/applications(*", "*uniqueName*"] {
            tenant.control(Method::DELETE, "faults", None).await;
            let rule = json!({ "methods": ["GET"], "path": slow, "action": { "delay": { "milliseconds": 300 } } });
            tenant.fault(rule).await;
            let (code, output) = run(&workspace, &["plan", "-no-color", "-input=false"]).await;
            assert_eq!((code, output.contains(TAKEN)), (0, false), "{slow}: {output}");
        }
        let (code, output) = run(&workspace, &APPLY).await;
        assert_eq!((code, output.contains(TAKEN) && output.contains("on_existing = \"adopt\"")), (1, true), "{output}");
        assert_eq!(tenant.applications().await, made);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destroy_is_not_blocked_by_a_rename_that_was_never_applied() {
    every_cli(async |workspace, tenant| {
        let whole = |name: &str| {
            format!("{}resource \"m365_connector_secret\" \"{name}\" {{\n  application_id = m365_connector_app.{name}.id\n  display_name = \"siem\"\n}}\n", app(name, ""))
        };
        write(&workspace, &whole("x"));
        workspace.apply(&[]).await.unwrap();
        write(&workspace, &whole("y"));
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains(TAKEN) && output.contains("moved {"), "{output}");
        // The CLI plans the configuration before a destroy, unless it is told not to: the refusal says so.
        assert!(output.contains("To destroy what is there all the same") && output.contains("-refresh=false"), "{output}");
        workspace.apply(&["-destroy", "-refresh=false"]).await.unwrap();
        assert!(tenant.applications().await.is_empty());
    })
    .await;
}

/// The provider knows only a domain while it plans; what it makes is kept by the tenant's id.
#[tokio::test(flavor = "multi_thread")]
async fn a_connector_lives_in_a_tenant_that_is_given_by_its_domain() {
    every_cli(async |workspace, tenant| {
        let all = list(&tenant.admin(Method::GET, "/organization", None).await);
        let domain = all[0]["verifiedDomains"][0]["name"].as_str().unwrap().to_owned();
        let block = format!("provider \"m365\" {{\n  environment = \"sandbox\"\n  tenant_id = \"{domain}\"\n}}\n");
        let rest = r#"
resource "m365_connector_permission_set" "x" {
  application_id = m365_connector_app.x.id
  apis           = { microsoft_graph = { application = ["User.Read.All"] } }
}
resource "m365_admin_consent" "x" {
  service_principal_id = m365_connector_app.x.service_principal_id
  permissions          = m365_connector_permission_set.x.permissions
}
resource "m365_connector_secret" "x" {
  application_id = m365_connector_app.x.id
  display_name   = "siem"
}
output "tenants" {
  value = [m365_connector_app.x.tenant_id, m365_admin_consent.x.tenant_id, m365_connector_secret.x.tenant_id]
}
"#;
        workspace.write(&format!("{HEAD}{block}{}{rest}", app("x", ""))).unwrap();
        workspace.apply(&[]).await.unwrap();
        let shown = workspace.run(&["output", "-json", "tenants"]).await.unwrap().expect(0).unwrap();
        let ids: Vec<String> = serde_json::from_str(&shown[shown.find('[').unwrap()..]).unwrap();
        assert_eq!(ids, vec![tenant.connection().tenant_id.clone(); 3]);
        assert_no_change(&workspace).await;
        // By its GUID it is the same tenant, and nothing is replaced.
        write(&workspace, &format!("{}{rest}", app("x", "")));
        assert_no_change(&workspace).await;
        workspace.write(&format!("{HEAD}{block}{}{rest}", app("x", ""))).unwrap();
        workspace.apply(&["-destroy"]).await.unwrap();
        assert!(tenant.applications().await.is_empty());
    })
    .await;
}
