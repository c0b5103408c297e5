//! Taking over what exists: by every form of id, with a plan that changes only what configuration alone knows, and without a write.

use crate::tenant::Tenant;
use crate::workspace::{BLOCK, HEAD, Workspace, assert_no_change, change, every_cli, flat};
use serde_json::json;

const APP: &str = "m365_connector_app.x";
const SET: &str = "m365_connector_permission_set.x";
const CONSENT: &str = "m365_admin_consent.x";

fn by_profile(more: &str) -> String {
    format!(
        r#"{HEAD}{BLOCK}
resource "m365_connector_app" "x" {{
  profile = "securends-office365"
}}
resource "m365_connector_permission_set" "x" {{
  application_id = m365_connector_app.x.id
  profile        = "securends-office365"
}}
resource "m365_admin_consent" "x" {{
  service_principal_id = m365_connector_app.x.service_principal_id
  permissions          = m365_connector_permission_set.x.permissions
}}
{more}
"#
    )
}

/// The same connector, written out with `apis` and defaults.
fn written_out() -> String {
    by_profile("")
        .replace("profile = \"securends-office365\"", "display_name = \"SecurEnds - Office 365\"\n  unique_name = \"securends-office365\"")
        .replace(
            "profile        = \"securends-office365\"",
            "apis = {\n    microsoft_graph = {\n      application = [\"User.Read.All\", \"Directory.Read.All\"]\n      delegated = [\"User.Read\", \"User.Read.All\", \"User.ReadBasic.All\", \"Directory.AccessAsUser.All\", \"Directory.Read.All\"]\n    }\n  }",
        )
}

/// Makes the connector and gives object id, client id and the principal's object id.
async fn made(workspace: &Workspace, tenant: &Tenant) -> (String, String, String) {
    workspace.write(&by_profile("")).unwrap();
    workspace.apply(&[]).await.unwrap();
    let app = tenant.applications().await.remove(0);
    let client = app["appId"].as_str().unwrap().to_owned();
    let principal = tenant.principal_of(&client).await.unwrap()["id"].as_str().unwrap().to_owned();
    (app["id"].as_str().unwrap().to_owned(), client, principal)
}

async fn forget(workspace: &Workspace) {
    for address in [CONSENT, SET, APP] {
        workspace.run(&["state", "rm", address]).await.unwrap().expect(0).unwrap();
    }
}

async fn import(workspace: &Workspace, address: &str, id: &str) {
    workspace.run(&["import", "-no-color", "-input=false", address, id]).await.unwrap().expect(0).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn by_every_form_of_id_without_a_write_and_then_without_a_change() {
    every_cli(async |workspace, tenant| {
        let (id, client, principal) = made(&workspace, &tenant).await;
        let home = tenant.connection().tenant_id.clone();
        for app_id in [id.clone(), client, "securends-office365".to_owned(), format!("{home}/{id}")] {
            for prefix in ["", &format!("{home}/")] {
                forget(&workspace).await;
                import(&workspace, APP, &app_id).await;
                import(&workspace, SET, &format!("{prefix}{id}")).await;
                import(&workspace, CONSENT, &format!("{prefix}{principal}")).await;
            }
        }
        let (_, plan, _) = workspace.plan(&[]).await.unwrap();
        let changed = |address: &str| {
            let change = change(&plan, address);
            let (before, after) = (change["before"].as_object().unwrap(), change["after"].as_object().unwrap());
            before.keys().filter(|name| before[*name] != after[*name]).cloned().collect::<Vec<_>>()
        };
        assert_eq!(changed(APP), ["profile"]);
        assert_eq!(changed(SET), ["apis", "profile", "profile_version"]);
        assert_eq!(changed(CONSENT), Vec::<String>::new());
        tenant.forget_requests().await;
        workspace.apply(&[]).await.unwrap();
        assert_eq!(tenant.writes().await, Vec::<String>::new());
        assert_no_change(&workspace).await;

        forget(&workspace).await;
        workspace.write(&written_out()).unwrap();
        import(&workspace, APP, &id).await;
        import(&workspace, SET, &id).await;
        import(&workspace, CONSENT, &principal).await;
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_import_blocks_and_by_identity_where_the_cli_has_it() {
    every_cli(async |workspace, tenant| {
        let (id, _, principal) = made(&workspace, &tenant).await;
        forget(&workspace).await;
        let by_id = format!("import {{\n  to = {APP}\n  id = \"{id}\"\n}}\nimport {{\n  to = {SET}\n  id = \"{id}\"\n}}\nimport {{\n  to = {CONSENT}\n  id = \"{principal}\"\n}}\n");
        workspace.write(&by_profile(&by_id)).unwrap();
        tenant.forget_requests().await;
        workspace.apply(&[]).await.unwrap();
        assert_eq!(tenant.writes().await, Vec::<String>::new());
        assert_no_change(&workspace).await;

        forget(&workspace).await;
        let by_identity = format!("import {{\n  to = {APP}\n  identity = {{ id = \"{id}\" }}\n}}\nimport {{\n  to = {SET}\n  identity = {{ application_id = \"{id}\" }}\n}}\nimport {{\n  to = {CONSENT}\n  identity = {{ service_principal_id = \"{principal}\" }}\n}}\n");
        workspace.write(&by_profile(&by_identity)).unwrap();
        // Terraform and OpenTofu alike have it since 1.12.
        let version = workspace.version().await.unwrap();
        let minor: u32 = version.split('.').nth(1).unwrap().parse().unwrap();
        if minor < 12 {
            return println!("{version} has no import by identity");
        }
        workspace.apply(&[]).await.unwrap();
        assert_eq!(tenant.writes().await, Vec::<String>::new());
        assert_no_change(&workspace).await;

        forget(&workspace).await;
        for bad in ["", "securends-office365", "x/../y?z"] {
            let by = format!("import {{\n  to = {APP}\n  identity = {{ id = \"{bad}\" }}\n}}\n");
            workspace.write(&by_profile(&by)).unwrap();
            tenant.forget_requests().await;
            let refused = workspace.run(&["plan", "-no-color", "-input=false"]).await.unwrap();
            assert!(flat(&refused.expect(1).unwrap()).contains("[<tenant_id>/]<id>"), "{bad}");
            assert_eq!(tenant.writes().await, Vec::<String>::new());
        }
        // In capitals it is the same identity.
        let upper = format!("import {{\n  to = {APP}\n  identity = {{ id = \"{}\" }}\n}}\n", id.to_uppercase());
        workspace.write(&by_profile(&upper)).unwrap();
        workspace.run(&["plan", "-no-color", "-input=false"]).await.unwrap().expect(0).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_shows_what_is_there_beyond_the_configuration() {
    every_cli(async |workspace, tenant| {
        let (id, _, principal) = made(&workspace, &tenant).await;
        tenant.grant(&principal, "810c84a8-4a9e-49e6-bf7d-12d183f40d01").await;
        forget(&workspace).await;
        import(&workspace, APP, &id).await;
        import(&workspace, SET, &id).await;
        import(&workspace, CONSENT, &principal).await;
        let (_, plan, _) = workspace.plan(&[]).await.unwrap();
        let consent = change(&plan, CONSENT);
        assert!(
            consent["before"]["permissions"]
                .as_array()
                .unwrap()
                .contains(&json!("microsoft_graph/application/Mail.Read"))
        );
        assert_eq!(consent["after"]["permissions"].as_array().unwrap().len(), 7);
        workspace.apply(&[]).await.unwrap();
        assert_eq!(tenant.granted(&principal).await.len(), 2);
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_imported_says_why() {
    every_cli(async |workspace, tenant| {
        let (id, ..) = made(&workspace, &tenant).await;
        forget(&workspace).await;
        let refusal = async |address: &str, named: &str| {
            flat(
                &workspace
                    .run(&["import", "-no-color", "-input=false", address, named])
                    .await
                    .unwrap()
                    .expect(1)
                    .unwrap(),
            )
        };
        let output = refusal(SET, "a/b/c/d").await;
        assert!(
            output.contains("is not an import id of this resource")
                && output.contains("[<tenant_id>/]<application_id>"),
            "{output}"
        );
        for bad in [
            "common?x/".to_owned() + &id,
            "contoso.com/".to_owned() + &id,
            format!("{id}/"),
            String::new(),
            " ".to_owned(),
        ] {
            tenant.forget_requests().await;
            let output = refusal(SET, &bad).await;
            assert!(output.contains("[<tenant_id>/]<application_id>"), "{bad}: {output}");
            let (_, log) = tenant.control(reqwest::Method::GET, "requests", None).await;
            assert_eq!(log["value"], json!([]), "{bad}: nothing is asked for it");
        }
        let output = refusal(APP, "11111111-2222-3333-4444-555555555555").await;
        assert!(output.contains("non-existent"), "{output}");
        tenant.admin(reqwest::Method::DELETE, &format!("/applications/{id}"), None).await;
        let output = refusal(APP, &id).await;
        assert!(output.contains("is deleted") && output.contains("Restore it first"), "{output}");
    })
    .await;
}
