//! GUIDs compare without regard to case: the spelling of the configuration stays, and never replaces anything.

use crate::workspace::{BLOCK, HEAD, assert_no_change, change, every_cli};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_in_capitals_is_kept_as_it_is_written() {
    every_cli(async |workspace, tenant| {
        let upper = tenant.connection().tenant_id.to_uppercase();
        let configuration = |tenant: &str| {
            format!(
                r#"{HEAD}{BLOCK}
resource "m365_connector_app" "x" {{
  tenant_id    = "{tenant}"
  display_name = "x"
}}
resource "m365_connector_permission_set" "x" {{
  tenant_id      = "{tenant}"
  application_id = m365_connector_app.x.id
  apis           = {{ microsoft_graph = {{ application = ["User.Read.All"] }} }}
}}
resource "m365_admin_consent" "x" {{
  tenant_id            = "{tenant}"
  service_principal_id = m365_connector_app.x.service_principal_id
  permissions          = m365_connector_permission_set.x.permissions
}}
resource "m365_connector_secret" "x" {{
  tenant_id      = "{tenant}"
  application_id = m365_connector_app.x.id
  display_name   = "x"
}}
data "m365_tenant" "x" {{
  tenant_id = "{tenant}"
}}
output "tenant" {{
  value = [m365_connector_app.x.tenant_id, data.m365_tenant.x.tenant_id]
}}
"#
            )
        };
        workspace.write(&configuration(&upper)).unwrap();
        let (_, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!(change(&plan, "m365_connector_app.x")["after"]["tenant_id"], json!(upper));
        workspace.run(&["apply", "-no-color", "-input=false", "plan.out"]).await.unwrap().expect(0).unwrap();
        assert_no_change(&workspace).await;
        let shown = workspace.run(&["output", "-json"]).await.unwrap().output;
        assert!(shown.contains(&upper) && !shown.contains(&tenant.connection().tenant_id), "{shown}");
        // A change of case alone is none.
        workspace.write(&configuration(&tenant.connection().tenant_id)).unwrap();
        let (_, plan, _) = workspace.plan(&[]).await.unwrap();
        for address in [
            "m365_connector_app.x",
            "m365_connector_permission_set.x",
            "m365_admin_consent.x",
            "m365_connector_secret.x",
        ] {
            assert_eq!(change(&plan, address)["actions"], json!(["no-op"]), "{address}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_in_another_case_replaces_nothing() {
    every_cli(async |workspace, _| {
        let configuration = |of: &str| {
            format!(
                r#"{HEAD}{BLOCK}
resource "m365_connector_app" "x" {{
  display_name = "x"
}}
resource "m365_connector_permission_set" "x" {{
  application_id = {of}(m365_connector_app.x.id)
  apis           = {{ microsoft_graph = {{ application = ["User.Read.All"] }} }}
}}
resource "m365_connector_secret" "x" {{
  application_id = {of}(m365_connector_app.x.id)
  display_name   = "x"
}}
resource "m365_connector_federated_credential" "x" {{
  application_id = {of}(m365_connector_app.x.id)
  name           = "xyz"
  issuer         = "https://issuer.example"
  subject        = "s"
}}
resource "m365_connector_credentials_exclusive" "x" {{
  application_id             = {of}(m365_connector_app.x.id)
  key_ids                    = [{of}(m365_connector_secret.x.key_id)]
  federated_credential_names = [m365_connector_federated_credential.x.name]
}}
resource "m365_admin_consent" "x" {{
  service_principal_id = {of}(m365_connector_app.x.service_principal_id)
  permissions          = m365_connector_permission_set.x.permissions
}}
"#
            )
        };
        workspace.write(&configuration("lower")).unwrap();
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        workspace.write(&configuration("upper")).unwrap();
        assert_no_change(&workspace).await;
    })
    .await;
}
