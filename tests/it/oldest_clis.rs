//! A connector's whole life, by means that the oldest supported CLIs have: CI runs just this with them.

use crate::workspace::{BLOCK, HEAD, assert_no_change, every_cli};

const CONNECTOR: &str = r#"
resource "m365_connector_app" "x" {
  display_name = "x"
}
resource "m365_connector_permission_set" "x" {
  application_id = m365_connector_app.x.id
  apis           = { microsoft_graph = { application = ["User.Read.All"], delegated = ["User.Read"] } }
}
resource "m365_admin_consent" "x" {
  service_principal_id = m365_connector_app.x.service_principal_id
  permissions          = m365_connector_permission_set.x.permissions
}
resource "m365_connector_secret" "x" {
  application_id = m365_connector_app.x.id
  display_name   = "x"
}
output "id" {
  value = provider::m365::permission_id("microsoft_graph", "application", "User.Read.All")
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_is_made_kept_and_removed() {
    every_cli(async |workspace, tenant| {
        workspace.write(&format!("{HEAD}{BLOCK}{CONNECTOR}")).unwrap();
        workspace.run(&["validate", "-no-color"]).await.unwrap().expect(0).unwrap();
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        assert_eq!(tenant.applications().await.len(), 1);
        workspace.apply(&["-destroy"]).await.unwrap();
        assert!(tenant.applications().await.is_empty());
    })
    .await;
}
