//! A run whose identity lacks a right fails at plan, and what the message says to do is enough for the next plan to pass.

use crate::tenant::{Tenant, list};
use crate::workspace::{BLOCK, HEAD, PROVIDER, Workspace, change, every_cli, failed_plan, flat};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;
use terraform_provider_m365::cli::terraform::find;

const CONNECTOR: &str = r#"
resource "m365_connector_app" "x" {
  display_name = "x"
}
resource "m365_connector_permission_set" "x" {
  application_id = m365_connector_app.x.id
  apis           = { microsoft_graph = { application = ["AuditLog.Read.All"], delegated = ["User.Read"] } }
}
resource "m365_admin_consent" "x" {
  service_principal_id = m365_connector_app.x.service_principal_id
  permissions          = m365_connector_permission_set.x.permissions
}
"#;
const ALL: [&str; 4] = [
    "Application.ReadWrite.OwnedBy",
    "AppRoleAssignment.ReadWrite.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    "Application.Read.All",
];

/// A new identity with just these roles: its object id, and the provider block that signs in as it.
async fn runner(tenant: &Tenant, roles: &[&str], further: &str) -> (String, String) {
    let path = format!("tenants/{}/callers", tenant.connection().tenant_id);
    let (status, made) = tenant.control(Method::POST, &path, Some(json!({ "roles": roles }))).await;
    assert_eq!(status, 201, "{made}");
    let block = format!(
        "provider \"m365\" {{\n  environment = \"sandbox\"\n  client_id = {}\n  client_secret = {}\n{further}}}\n",
        made["client_id"], made["client_secret"]
    );
    (made["object_id"].as_str().unwrap().to_owned(), block)
}

async fn plan(workspace: &Workspace) -> String {
    workspace.run(&["plan", "-no-color", "-input=false", "-detailed-exitcode"]).await.unwrap().output
}

/// The configurations that a message tells to apply, each with a label of its own.
fn told(output: &str) -> String {
    let lines: Vec<&str> = output.lines().map(|line| line.trim_start_matches(['│', '|', ' '])).collect();
    let mut found = Vec::new();
    for (number, line) in
        lines.iter().enumerate().filter(|(_, line)| line.starts_with("resource \"m365_admin_consent\""))
    {
        let block = lines[number..].iter().take_while(|line| **line != "}").copied().collect::<Vec<_>>().join("\n");
        assert!(line.contains("\"runner\""));
        found.push(format!("{}\n}}\n", block.replace("\"runner\"", &format!("\"runner{}\"", found.len()))));
    }
    found.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_missing_right_fails_at_plan_and_what_the_message_says_is_enough() {
    every_cli(async |workspace, tenant| {
        let cli = find().unwrap().remove(0);
        for without in ALL {
            let roles: Vec<_> = ALL.into_iter().filter(|role| *role != without).collect();
            let (_, block) = runner(&tenant, &roles, "").await;
            workspace.write(&format!("{HEAD}{block}{CONNECTOR}")).unwrap();
            assert!(
                failed_plan(&workspace, &tenant).await.contains(&format!("The run's identity lacks {without}")),
                "{without}"
            );
            let told = told(&plan(&workspace).await);
            assert!(told.contains(&format!("microsoft_graph/application/{without}")), "{told}");
            // Somebody who may consent does as the message says.
            let folder = tempfile::tempdir().unwrap();
            let other = Workspace::new(&cli, folder.path(), Path::new(PROVIDER), &tenant.url()).unwrap();
            other.write(&format!("{HEAD}{BLOCK}{told}")).unwrap();
            other.apply(&[]).await.unwrap();
            let (code, _, output) = workspace.plan(&[]).await.unwrap();
            assert_eq!(code, 2, "{without}: {output}");
            assert!(!output.contains("The run's identity lacks"), "{output}");
        }
        workspace.apply(&[]).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_advice_stands_once_and_the_finding_on_each_resource() {
    every_cli(async |workspace, tenant| {
        let roles: Vec<_> = ALL.into_iter().filter(|role| *role != "AppRoleAssignment.ReadWrite.All").collect();
        let (_, block) = runner(&tenant, &roles, "").await;
        let second = CONNECTOR.replace("\"x\"", "\"y\"").replace(".x.", ".y.");
        workspace.write(&format!("{HEAD}{block}{CONNECTOR}{second}")).unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        let count = |text: &str| output.matches(text).count();
        assert_eq!(count("Error: The run's identity lacks AppRoleAssignment.ReadWrite.All"), 2, "{output}");
        assert_eq!(count("resource \"m365_admin_consent\" \"runner\""), 1, "{output}");
        assert_eq!(count("az rest --method POST"), 1, "{output}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_first_names_the_rights_of_what_is_not_planned_for_it() {
    every_cli(async |workspace, tenant| {
        let (_, block) = runner(&tenant, &["AppRoleAssignment.ReadWrite.All"], "").await;
        workspace.write(&format!("{HEAD}{block}{CONNECTOR}")).unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains("Error: The run's identity lacks Application.ReadWrite.OwnedBy"), "{output}");
        assert!(output.contains("- DelegatedPermissionGrant.ReadWrite.All: Grant and revoke delegated"), "{output}");
        assert!(output.contains("- Application.Read.All: ") && !output.contains("- AppRoleAssignment"), "{output}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_has_to_be_added_needs_the_wide_permission() {
    every_cli(async |workspace, tenant| {
        let defender = "fc780465-2017-40d4-a0c5-307022471b92";
        let connector = CONNECTOR.replace(
            "microsoft_graph = { application = [\"AuditLog.Read.All\"]",
            "windows_defender_atp = { application = [\"Machine.Read.All\"] }, microsoft_graph = { application = []",
        );
        let (_, block) = runner(&tenant, &ALL, "").await;
        workspace.write(&format!("{HEAD}{block}{connector}")).unwrap();
        let path = format!("tenants/{}/first_party", tenant.connection().tenant_id);
        tenant.control(Method::POST, &path, Some(json!({ "app_id": defender, "present": false }))).await;
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains("Error: The run's identity lacks Application.ReadWrite.All"), "{output}");
        assert!(output.contains("Add the service principal of an API"), "{output}");
        let wide: Vec<_> = ALL.into_iter().chain(["Application.ReadWrite.All"]).collect();
        let (_, block) = runner(&tenant, &wide, "").await;
        workspace.write(&format!("{HEAD}{block}{connector}")).unwrap();
        workspace.apply(&[]).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_s_application_needs_ownership_or_the_wide_permission() {
    every_cli(async |workspace, tenant| {
        let app = tenant.admin(Method::POST, "/applications", Some(json!({ "displayName": "theirs", "signInAudience": "AzureADMyOrg" }))).await;
        let id = app["id"].as_str().unwrap();
        let (run, block) = runner(&tenant, &["Application.ReadWrite.OwnedBy", "Directory.Read.All"], "").await;
        let set = format!("resource \"m365_connector_permission_set\" \"x\" {{\n  application_id = \"{id}\"\n  apis = {{ microsoft_graph = {{ application = [\"AuditLog.Read.All\"] }} }}\n}}\n");
        workspace.write(&format!("{HEAD}{block}{set}")).unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains("The run's identity lacks Application.ReadWrite.All"), "{output}");
        let owner = format!("az ad app owner add --id {id} --owner-object-id {run}");
        assert!(output.contains(&owner), "{output}");
        // What that command does. Source: Azure CLI's `az ad app owner add`.
        let reference = json!({ "@odata.id": format!("{}/v1.0/directoryObjects/{run}", tenant.connection().graph) });
        tenant.admin(Method::POST, &format!("/applications/{id}/owners/$ref"), Some(reference)).await;
        let (code, planned, output) = workspace.plan(&[]).await.unwrap();
        assert_eq!(code, 2, "{output}");
        assert_eq!(change(&planned, "m365_connector_permission_set.x")["actions"], json!(["create"]));
        workspace.apply(&[]).await.unwrap();
        let after = tenant.admin(Method::GET, &format!("/applications/{id}"), None).await;
        assert_eq!(after["requiredResourceAccess"].as_array().map(Vec::len), Some(1), "{after}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_can_only_plan_is_told_so_unless_it_asked_for_more() {
    every_cli(async |workspace, tenant| {
        let lacks = "The run's identity lacks Application.ReadWrite.OwnedBy";
        for (mode, code, said) in [
            ("", 2, Some("Warning: ")),
            ("error", 1, Some("Error: ")),
            ("warn", 2, Some("Warning: ")),
            ("off", 2, None),
        ] {
            let further = if mode.is_empty() { String::new() } else { format!("  preflight = \"{mode}\"\n") };
            let (_, block) = runner(&tenant, &["Directory.Read.All"], &further).await;
            workspace.write(&format!("{HEAD}{block}{CONNECTOR}")).unwrap();
            let outcome = workspace.run(&["plan", "-no-color", "-input=false", "-detailed-exitcode"]).await.unwrap();
            let output = flat(&outcome.expect(code).unwrap());
            match said {
                Some(severity) => assert!(output.contains(&format!("{severity}{lacks}")), "{mode}: {output}"),
                None => assert!(!output.contains("lacks"), "{output}"),
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_nothing_and_what_destroys_is_not_compared() {
    every_cli(async |workspace, tenant| {
        workspace.write(&format!("{HEAD}{BLOCK}{CONNECTOR}")).unwrap();
        workspace.apply(&[]).await.unwrap();
        let (_, block) = runner(&tenant, &["Directory.Read.All"], "  preflight = \"error\"\n").await;
        workspace.write(&format!("{HEAD}{block}{CONNECTOR}")).unwrap();
        let (code, _, output) = workspace.plan(&[]).await.unwrap();
        assert_eq!(code, 0, "{output}");
        assert!(!output.contains("lacks"), "{output}");
        let (code, _, output) = workspace.plan(&["-destroy"]).await.unwrap();
        assert_eq!(code, 2, "{output}");
        assert!(!output.contains("lacks"), "{output}");
        // Drift that an apply would mend needs the right again.
        let principal =
            list(&tenant.admin(Method::GET, "/servicePrincipals?$filter=displayName%20eq%20'x'", None).await);
        let granted = tenant.granted(principal[0]["id"].as_str().unwrap()).await;
        tenant.revoke(principal[0]["id"].as_str().unwrap(), granted.first().unwrap()).await;
        tenant.later().await;
        assert!(failed_plan(&workspace, &tenant).await.contains("lacks AppRoleAssignment.ReadWrite.All"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_mode_in_the_environment_is_named() {
    every_cli(async |mut workspace, tenant| {
        workspace.set_environment(vec![("M365_PREFLIGHT".to_owned(), "loud".to_owned())]);
        workspace.write(&format!("{HEAD}{BLOCK}{CONNECTOR}")).unwrap();
        assert!(failed_plan(&workspace, &tenant).await.contains("There is no preflight mode \"loud\""));
        let (_, block) = runner(&tenant, &[], "").await;
        workspace.set_environment(vec![("M365_PREFLIGHT".to_owned(), "OFF".to_owned())]);
        workspace.write(&format!("{HEAD}{block}{CONNECTOR}")).unwrap();
        let (code, planned, output): (i32, Value, String) = workspace.plan(&[]).await.unwrap();
        assert_eq!(code, 2, "{output}");
        assert!(planned["resource_changes"].is_array() && !output.contains("lacks"), "{output}");
    })
    .await;
}
