//! What becomes of an application and of what is on it when its address, its state or its life in the tenant changes.

use crate::pem;
use crate::workspace::{BLOCK, HEAD, assert_no_change, every_cli, flat};
use reqwest::Method;

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
