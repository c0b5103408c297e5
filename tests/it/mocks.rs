//! `terraform test` with a mocked provider: configurations with made-up ids still come to `validate`.

use crate::workspace::{HEAD, every_cli, flat};

const CONNECTOR: &str = r#"
variable "keys" {
  default = ["microsoft_graph/application/User.Read.All"]
}
resource "m365_connector_app" "x" {
  display_name = "x"
}
resource "m365_connector_permission_set" "x" {
  application_id = m365_connector_app.x.id
  apis           = { microsoft_graph = { application = ["User.Read.All"] } }
}
resource "m365_admin_consent" "x" {
  service_principal_id = m365_connector_app.x.service_principal_id
  permissions          = var.keys
}
resource "m365_connector_secret" "x" {
  application_id = m365_connector_app.x.id
  display_name   = "x"
}
resource "m365_connector_federated_credential" "x" {
  application_id = m365_connector_app.x.id
  name           = "xyz"
  issuer         = "https://issuer.example"
  subject        = "s"
}
data "m365_tenant" "x" {
  tenant_id = m365_connector_app.x.tenant_id
}
"#;

const TEST: &str = r#"
mock_provider "m365" {}
run "applies" {
  assert {
    condition     = m365_connector_permission_set.x.application_id == m365_connector_app.x.id
    error_message = "another application"
  }
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_mocked_connector_applies_without_a_tenant() {
    every_cli(async |workspace, tenant| {
        workspace.write(&format!("{HEAD}{CONNECTOR}")).unwrap();
        std::fs::write(workspace.folder().join("x.tftest.hcl"), TEST).unwrap();
        tenant.forget_requests().await;
        let tested = workspace.run(&["test", "-no-color"]).await.unwrap();
        assert_eq!(tested.code, 0, "{}", flat(&tested.output));
        assert!(tested.output.contains("1 passed"), "{}", tested.output);
        assert_eq!(tenant.writes().await, Vec::<String>::new());
    })
    .await;
}
