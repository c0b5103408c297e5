//! States that earlier versions stored: each version adds its own to `stored_states/`, and all of them stay readable.

use crate::workspace::{BLOCK, HEAD, assert_no_change, every_cli};
use serde_json::{Value, json};
use terraform_provider_m365::framework::{Dynamic, from_json};
use terraform_provider_m365::registry;

/// Type, schema version and the attributes as the CLI hands them over.
const STORED: &[(&str, i64, &str)] = &[
    ("m365_connector_app", 0, include_str!("stored_states/m365_connector_app.0.json")),
    ("m365_connector_permission_set", 0, include_str!("stored_states/m365_connector_permission_set.0.json")),
    ("m365_admin_consent", 0, include_str!("stored_states/m365_admin_consent.0.json")),
    ("m365_connector_secret", 0, include_str!("stored_states/m365_connector_secret.0.json")),
    ("m365_connector_certificate", 0, include_str!("stored_states/m365_connector_certificate.0.json")),
    (
        "m365_connector_federated_credential",
        0,
        include_str!("stored_states/m365_connector_federated_credential.0.json"),
    ),
    (
        "m365_connector_credentials_exclusive",
        0,
        include_str!("stored_states/m365_connector_credentials_exclusive.0.json"),
    ),
    // Before owners, exceptions and restoring.
    ("m365_connector_app", 0, include_str!("stored_states/m365_connector_app.0.first.json")),
    ("m365_admin_consent", 0, include_str!("stored_states/m365_admin_consent.0.first.json")),
];

#[test]
fn every_stored_state_is_read_without_loss() {
    let server = registry::server();
    for (name, version, text) in STORED {
        let resource = server.resource(name).unwrap();
        let (state, schema) = (resource.upgrade(*version, text.as_bytes(), server.call()).unwrap(), resource.schema());
        let stored: Value = serde_json::from_str(text).unwrap();
        let typed = from_json(&schema.object_type(), &stored).unwrap();
        for (attribute, value) in stored.as_object().unwrap() {
            assert!(schema.attributes.contains_key(attribute), "{name}: `{attribute}` would be lost");
            assert_eq!(state.get(attribute), typed.get(attribute), "{name}: {attribute} = {value}");
        }
        for (attribute, shape) in &schema.attributes {
            let value = state.get(attribute);
            assert!(
                shape.default.is_none() || *value != Dynamic::Null,
                "{name}: `{attribute}` has a default and is null"
            );
        }
    }
}

#[test]
fn a_state_of_a_newer_version_is_refused_with_advice() {
    let server = registry::server();
    let found = server.resource("m365_connector_app").unwrap().upgrade(99, b"{}", server.call()).unwrap_err().0;
    assert!(found[0].detail.contains("Use at least the provider version that wrote it"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_from_before_an_attribute_existed_plans_no_change() {
    every_cli(async |workspace, _| {
        let connector = format!(
            r#"{HEAD}{BLOCK}
resource "m365_connector_app" "x" {{
  profile = "md-eco-m365-defender"
}}
resource "m365_connector_permission_set" "x" {{
  application_id = m365_connector_app.x.id
  profile        = "md-eco-m365-defender"
}}
resource "m365_admin_consent" "x" {{
  service_principal_id = m365_connector_app.x.service_principal_id
  permissions          = m365_connector_permission_set.x.permissions
}}
"#
        );
        workspace.write(&connector).unwrap();
        workspace.apply(&[]).await.unwrap();
        let path = workspace.folder().join("terraform.tfstate");
        let mut state: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for resource in state["resources"].as_array_mut().unwrap() {
            let instance = resource["instances"][0].as_object_mut().unwrap();
            // Neither did private data hold what is remembered today.
            let private = json!({ "private": { "declared": instance["attributes"]["permissions"], "added": [] } });
            instance.insert("private".into(), base64(&private.to_string()).into());
            let attributes = instance["attributes"].as_object_mut().unwrap();
            for later in ["owners", "restore_deleted", "deleted_date_time", "exceptions"] {
                attributes.remove(later);
            }
        }
        std::fs::write(&path, state.to_string()).unwrap();
        assert_no_change(&workspace).await;
    })
    .await;
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}
