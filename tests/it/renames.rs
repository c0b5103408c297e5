//! What becomes of an application and of what is on it when its address, its state or its life in the tenant changes.

use crate::pem;
use crate::tenant::{Tenant, list};
use crate::workspace::{BLOCK, HEAD, PROVIDER, Workspace, assert_no_change, change, every_cli, failed_plan, flat};
use reqwest::Method;
use serde_json::json;
use std::path::Path;

/// An application alone.
fn app(name: &str, body: &str) -> String {
    format!("resource \"m365_connector_app\" \"{name}\" {{\n  display_name = \"SIEM\"\n  {body}\n}}\n")
}

/// Whatever can be on an application, each on the one at the address `name`.
fn everything(name: &str, body: &str) -> String {
    let certificate = pem::certificate("collector").certificate;
    let app = format!("application_id = m365_connector_app.{name}.id\n  {body}");
    let principal = format!("service_principal_id = m365_connector_app.{name}.service_principal_id\n  {body}");
    let one =
        |kind: &str, of: &str, rest: &str| format!("resource \"m365_{kind}\" \"{name}\" {{\n  {of}\n  {rest}\n}}\n");
    [
        one("connector_permission_set", &app, "apis = { microsoft_graph = { application = [\"User.Read.All\"] } }"),
        one("admin_consent", &principal, "permissions = [\"microsoft_graph/application/User.Read.All\"]"),
        one("connector_secret", &app, "display_name = \"siem\""),
        one("connector_certificate", &app, &format!("certificate = <<-PEM\n{certificate}PEM")),
        one("connector_federated_credential", &app, "name = \"pipeline\"\n  issuer = \"https://issuer.example\"\n  subject = \"s\""),
        one(
            "connector_credentials_exclusive",
            &app,
            &format!(
                "key_ids = setunion(m365_connector_secret.{name}.key_ids, [m365_connector_certificate.{name}.key_id])\n  \
                 federated_credential_names = [m365_connector_federated_credential.{name}.name]"
            ),
        ),
    ]
    .concat()
}

/// What most connectors are, at the address `name`.
fn connector(name: &str, body: &str) -> String {
    format!(
        r#"{}
resource "m365_connector_permission_set" "{name}" {{
  application_id = m365_connector_app.{name}.id
  apis           = {{ microsoft_graph = {{ application = ["User.Read.All"], delegated = ["User.Read"] }} }}
  {body}
}}
resource "m365_admin_consent" "{name}" {{
  service_principal_id = m365_connector_app.{name}.service_principal_id
  permissions          = m365_connector_permission_set.{name}.permissions
  {body}
}}
resource "m365_connector_secret" "{name}" {{
  application_id = m365_connector_app.{name}.id
  display_name   = "siem"
  {body}
}}
"#,
        app(name, body)
    )
}

const FIRST: &str = "lifecycle {\n    create_before_destroy = true\n  }";
const TAKEN: &str = "Another application already has the unique name \"siem\"";
const APPLY: [&str; 4] = ["apply", "-no-color", "-auto-approve", "-input=false"];

fn configuration(resources: &str) -> String {
    format!("{HEAD}{BLOCK}{resources}")
}

async fn only_application(tenant: &Tenant) -> serde_json::Value {
    let mut all = tenant.applications().await;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// A failed run's output, flat.
async fn failed(workspace: &Workspace, arguments: &[&str]) -> String {
    flat(&workspace.run(arguments).await.unwrap().expect(1).unwrap())
}

/// Somebody else's folder with a state of its own, on the same tenant.
fn second(workspace: &Workspace, folder: &tempfile::TempDir, tenant: &Tenant) -> Workspace {
    Workspace::new(workspace.cli(), folder.path(), Path::new(PROVIDER), &tenant.url()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn new_resources_on_an_application_that_somebody_deleted_wait_for_its_restoration() {
    every_cli(async |workspace, tenant| {
        workspace.write(&format!("{HEAD}{BLOCK}{}", app("x", ""))).unwrap();
        workspace.apply(&[]).await.unwrap();
        let made = tenant.applications().await.remove(0);
        tenant.admin(Method::DELETE, &format!("/applications/{}", made["id"].as_str().unwrap()), None).await;
        workspace.write(&format!("{HEAD}{BLOCK}{}{}", app("x", ""), everything("x", ""))).unwrap();
        let (code, _, output) = workspace.plan(&[]).await.unwrap();
        let output = flat(&output);
        assert_eq!(code, 2, "{output}");
        assert!(output.contains("The application \"SIEM\" is deleted"), "{output}");
        assert!(output.contains("The service principal of \"SIEM\" is deleted"), "{output}");
        workspace.apply(&[]).await.unwrap();
        assert_eq!(tenant.applications().await.remove(0)["id"], made["id"], "it was restored");
        assert_no_change(&workspace).await;
    })
    .await;
}

/// Whichever of the two comes first, by whatever is slow.
#[tokio::test(flavor = "multi_thread")]
async fn an_application_alone_that_is_renamed_at_once_is_taken_over_or_restored() {
    let slow = |method: &str, path: &str| json!({ "methods": [method], "path": path, "action": { "delay": { "milliseconds": 400 } } });
    for rule in [
        slow("POST", "*/applications"),
        slow("DELETE", "*/applications/*"),
        slow("GET", "*/applications*"),
        slow("PATCH", "*/applications/*"),
    ] {
        every_cli(async |workspace, tenant| {
            workspace.write(&configuration(&app("old", ""))).unwrap();
            workspace.apply(&[]).await.unwrap();
            let made = only_application(&tenant).await;
            tenant.fault(rule.clone()).await;
            workspace.write(&configuration(&app("new", ""))).unwrap();
            let (code, _, output) = workspace.plan(&[]).await.unwrap();
            assert_eq!(code, 2, "{output}");
            assert!(flat(&output).contains("The existing application \"SIEM\" will be taken over"), "{output}");
            workspace.apply(&[]).await.unwrap();
            tenant.control(Method::DELETE, "faults", None).await;
            assert_no_change(&workspace).await;
            assert_eq!(only_application(&tenant).await["id"], made["id"]);
            assert!(tenant.principal_of(made["appId"].as_str().unwrap()).await.is_some());
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_connector_is_refused_every_time_alike_and_moved_goes_on() {
    every_cli(async |workspace, tenant| {
        workspace.write(&configuration(&connector("old", ""))).unwrap();
        workspace.apply(&[]).await.unwrap();
        let made = only_application(&tenant).await;
        workspace.write(&configuration(&connector("new", ""))).unwrap();
        // Reads of some resources answer later than others, so that the calls of a plan come in several orders.
        for path in
            ["*/applications/*", "*/servicePrincipals*", "*/oauth2PermissionGrants*", "*uniqueName*", "*nothing*"]
        {
            tenant.control(Method::DELETE, "faults", None).await;
            tenant.fault(json!({ "path": path, "action": { "delay": { "milliseconds": 150 } } })).await;
            let output = failed_plan(&workspace, &tenant).await;
            assert!(
                output.contains(TAKEN) && output.contains("from = m365_connector_app.<former name>"),
                "{path}: {output}"
            );
            assert!(output.contains(made["id"].as_str().unwrap()), "{output}");
            tenant.forget_requests().await;
            let output = failed(&workspace, &["plan", "-no-color", "-input=false", "-refresh=false"]).await;
            assert!(output.contains(TAKEN), "{path}: {output}");
        }
        tenant.control(Method::DELETE, "faults", None).await;
        let kinds = ["connector_app", "connector_permission_set", "admin_consent", "connector_secret"];
        let moved =
            kinds.map(|kind| format!("moved {{\n  from = m365_{kind}.old\n  to   = m365_{kind}.new\n}}\n")).concat();
        workspace.write(&configuration(&format!("{}{moved}", connector("new", "")))).unwrap();
        workspace.apply(&[]).await.unwrap();
        assert_eq!(only_application(&tenant).await["id"], made["id"]);
        assert_no_change(&workspace).await;
        workspace.apply(&["-destroy"]).await.unwrap();
        assert!(tenant.applications().await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn created_before_destroyed_an_application_keeps_its_name_and_nothing_is_lost() {
    every_cli(async |workspace, tenant| {
        workspace.write(&configuration(&connector("x", FIRST))).unwrap();
        workspace.apply(&[]).await.unwrap();
        let made = only_application(&tenant).await;
        let principal = tenant.principal_of(made["appId"].as_str().unwrap()).await.unwrap();
        let granted = tenant.granted(principal["id"].as_str().unwrap()).await;
        tenant.forget_requests().await;
        let output = failed(&workspace, &[&APPLY[..], &["-replace=m365_connector_app.x"]].concat()).await;
        assert!(output.contains(TAKEN) && output.contains("leave `create_before_destroy` away"), "{output}");
        assert_eq!(tenant.writes().await, ["POST /graph/v1.0/applications"], "and that one was refused");
        // It is as it was: in the tenant, and for the next plan.
        assert_no_change(&workspace).await;
        workspace.apply(&[]).await.unwrap();
        assert_eq!(only_application(&tenant).await, made);
        assert_eq!(tenant.granted(principal["id"].as_str().unwrap()).await, granted);
        workspace.apply(&["-destroy"]).await.unwrap();
        assert!(tenant.applications().await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn created_before_destroyed_under_another_name_an_application_is_replaced() {
    every_cli(async |workspace, tenant| {
        workspace.write(&configuration(&connector("x", FIRST))).unwrap();
        workspace.apply(&[]).await.unwrap();
        let made = only_application(&tenant).await;
        let other = connector("x", FIRST).replace("display_name = \"SIEM\"", "display_name = \"SIEM\"\n  unique_name = \"other\"");
        workspace.write(&configuration(&other)).unwrap();
        // What cannot be destroyed stays in the state as deposed, and goes with the next apply.
        tenant.fault(json!({ "methods": ["DELETE"], "path": "*/applications/*", "times": 1, "action": { "fail": { "status": 403 } } })).await;
        failed(&workspace, &APPLY).await;
        assert_eq!(tenant.applications().await.len(), 2);
        workspace.apply(&[]).await.unwrap();
        let after = only_application(&tenant).await;
        assert_eq!((after["id"] == made["id"], &after["uniqueName"]), (false, &json!("other")));
        assert_no_change(&workspace).await;
        workspace.apply(&["-destroy"]).await.unwrap();
        assert!(tenant.applications().await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_connector_is_no_leftover_to_a_second_state() {
    every_cli(async |workspace, tenant| {
        // Without a permission set nothing but its use confirms the create.
        let whole = |name: &str, body: &str| {
            let consent = format!("resource \"m365_admin_consent\" \"{name}\" {{\n  service_principal_id = m365_connector_app.{name}.service_principal_id\n  permissions = [\"microsoft_graph/application/User.Read.All\"]\n}}\n");
            configuration(&format!("{}{consent}", app(name, body)))
        };
        workspace.write(&whole("x", "")).unwrap();
        workspace.apply(&[]).await.unwrap();
        let made = only_application(&tenant).await;
        let folder = tempfile::tempdir().unwrap();
        let second = second(&workspace, &folder, &tenant);
        second.write(&whole("x", "")).unwrap();
        let output = failed_plan(&second, &tenant).await;
        assert!(output.contains(TAKEN), "{output}");
        // Alone in a configuration nothing tells its plan from the one that is made again in apply: then apply refuses.
        second.write(&configuration(&app("x", ""))).unwrap();
        let (code, _, output) = second.plan(&[]).await.unwrap();
        assert_eq!(code, 2, "{output}");
        assert!(flat(&output).contains("The existing application \"SIEM\" will not be taken over"), "{output}");
        let output = failed(&second, &APPLY).await;
        assert!(output.contains(TAKEN), "{output}");
        // A principal that somebody deleted makes it no leftover either.
        let principal = tenant.principal_of(made["appId"].as_str().unwrap()).await.unwrap();
        tenant.later().await;
        tenant.admin(Method::DELETE, &format!("/servicePrincipals/{}", principal["id"].as_str().unwrap()), None).await;
        let output = failed(&second, &APPLY).await;
        assert!(output.contains(TAKEN), "{output}");
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        assert_eq!(only_application(&tenant).await, made, "nobody changed it");
        // Where the first state is lost, its own application is managed on, with what is on it.
        second.write(&whole("x", "on_existing = \"adopt_ours\"")).unwrap();
        let output = flat(&second.apply(&[]).await.unwrap());
        assert!(output.contains("`on_existing` is \"adopt_ours\", and this provider made it"), "{output}");
        assert_eq!(only_application(&tenant).await["id"], made["id"]);
        assert_no_change(&second).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn adopt_ours_takes_no_application_that_somebody_else_made() {
    every_cli(async |workspace, tenant| {
        tenant
            .admin(Method::POST, "/applications", Some(json!({ "displayName": "By hand", "uniqueName": "siem" })))
            .await;
        workspace.write(&configuration(&app("x", "on_existing = \"adopt_ours\""))).unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains(TAKEN), "{output}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tainted_application_is_replaced_with_and_without_a_refresh() {
    for refresh in ["-refresh=true", "-refresh=false"] {
        every_cli(async |workspace, tenant| {
            workspace.write(&configuration(&connector("x", ""))).unwrap();
            workspace.apply(&[]).await.unwrap();
            workspace.run(&["taint", "m365_connector_app.x"]).await.unwrap().expect(0).unwrap();
            let (code, plan, output) = workspace.plan(&[refresh]).await.unwrap();
            assert_eq!(
                (code, &change(&plan, "m365_connector_app.x")["actions"]),
                (2, &json!(["delete", "create"])),
                "{output}"
            );
            assert!(!output.contains("taken over"), "{output}");
            workspace.apply(&[refresh]).await.unwrap();
            only_application(&tenant).await;
            assert_no_change(&workspace).await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_state_lets_go_stays_as_it_is_and_is_managed_again() {
    every_cli(async |workspace, tenant| {
        workspace.write(&configuration(&connector("x", ""))).unwrap();
        workspace.apply(&[]).await.unwrap();
        let made = only_application(&tenant).await;
        let kinds = ["connector_app", "connector_permission_set", "admin_consent", "connector_secret"];
        let removed = kinds
            .map(|kind| format!("removed {{\n  from = m365_{kind}.x\n  lifecycle {{\n    destroy = false\n  }}\n}}\n"))
            .concat();
        workspace.write(&configuration(&removed)).unwrap();
        tenant.forget_requests().await;
        workspace.apply(&[]).await.unwrap();
        assert_eq!(tenant.writes().await, Vec::<String>::new());
        assert_eq!(only_application(&tenant).await, made);
        workspace
            .write(&configuration(&connector("x", "").replacen(
                "display_name",
                "on_existing = \"adopt_ours\"\n  display_name",
                1,
            )))
            .unwrap();
        workspace.apply(&[]).await.unwrap();
        assert_eq!(only_application(&tenant).await["id"], made["id"]);
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permanent_deletion_waits_for_the_deleted_item() {
    every_cli(async |workspace, tenant| {
        workspace.write(&configuration(&app("x", "deletion = \"permanent\""))).unwrap();
        workspace.apply(&[]).await.unwrap();
        let absent = json!({ "status": 404, "code": "Request_ResourceNotFound", "message": "Resource does not exist." });
        tenant.fault(json!({ "methods": ["DELETE"], "path": "*/directory/deletedItems/*", "times": 2, "action": { "fail": absent } })).await;
        workspace.apply(&["-destroy"]).await.unwrap();
        for kind in ["application", "servicePrincipal"] {
            let deleted = tenant.admin(Method::GET, &format!("/directory/deletedItems/microsoft.graph.{kind}"), None).await;
            assert!(list(&deleted).is_empty(), "{kind}: {deleted}");
        }
    })
    .await;
}
