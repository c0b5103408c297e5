//! `m365_connector_prerequisites`, through a real CLI: what is there, what is not, and what nobody could see.

use crate::bad_input::with_roles;
use crate::tenant::{Tenant, list};
use crate::workspace::{BLOCK, HEAD, Workspace, every_cli, flat};
use reqwest::Method;
use serde_json::{Value, json};

const SOURCE: &str = r#"
data "m365_connector_prerequisites" "x" {
  profile  = "threatdefence-graph"
  features = ["intune"]
}
output "x" {
  value = data.m365_connector_prerequisites.x
}
"#;
const CHECK: &str = r#"
check "licences" {
  assert {
    condition     = data.m365_connector_prerequisites.x.satisfied
    error_message = join(" ", [for name, one in data.m365_connector_prerequisites.x.items : "${name} is ${one.status}." if one.status != "satisfied" && one.kind != "step"])
  }
}
"#;
const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";

/// The value of the only output, and all that the apply printed.
async fn read(workspace: &Workspace, block: &str) -> (Value, String) {
    workspace.write(&format!("{HEAD}{block}{SOURCE}{CHECK}")).unwrap();
    let applied = workspace.run(&["apply", "-no-color", "-input=false", "-auto-approve"]).await.unwrap();
    let printed = flat(&applied.expect(0).unwrap());
    let output = workspace.run(&["output", "-json", "x"]).await.unwrap().expect(0).unwrap();
    (serde_json::from_str(output.trim()).unwrap(), printed)
}

fn statuses(found: &Value) -> Value {
    found["items"].as_object().unwrap().iter().map(|(name, one)| (name.clone(), one["status"].clone())).collect()
}

/// Somebody becomes Global Administrator.
async fn administrator(tenant: &Tenant) {
    let principal = tenant.principal_of(&tenant.connection().client_id).await.unwrap();
    let body =
        json!({ "principalId": principal["id"], "roleDefinitionId": GLOBAL_ADMINISTRATOR, "directoryScopeId": "/" });
    tenant.admin(Method::POST, "/roleManagement/directory/roleAssignments", Some(body)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_satisfied_and_a_missing_licence_is_named() {
    every_cli(async |workspace, tenant| {
        let (found, printed) = read(&workspace, BLOCK).await;
        let mut expected = json!({
            "consenting administrator": "missing", "Entra ID P1 or P2": "satisfied", "Entra ID P2": "satisfied", "Intune": "satisfied",
            "integration in ThreatDefence": "unknown",
        });
        assert_eq!((statuses(&found), &found["satisfied"]), (expected.clone(), &json!(false)));
        assert!(printed.contains("consenting administrator is missing."), "{printed}");
        assert_eq!(found["items"]["Intune"]["needed_by"].as_array().unwrap().len(), 3);

        administrator(&tenant).await;
        expected["consenting administrator"] = json!("satisfied");
        let (found, printed) = read(&workspace, BLOCK).await;
        // A step that only a person sees to does not count.
        assert_eq!((statuses(&found), &found["satisfied"]), (expected.clone(), &json!(true)));
        assert!(!printed.contains("Check block assertion failed"), "{printed}");

        let sku = list(&tenant.admin(Method::GET, "/subscribedSkus", None).await).remove(0);
        let plans: Vec<_> = sku["servicePlans"].as_array().unwrap().iter().filter(|plan| plan["servicePlanName"] != "INTUNE_A").collect();
        let path = format!("/subscribedSkus/{}", sku["id"].as_str().unwrap());
        tenant.admin(Method::PATCH, &path, Some(json!({ "servicePlans": plans }))).await;
        expected["Intune"] = json!("missing");
        let (found, printed) = read(&workspace, BLOCK).await;
        assert_eq!((statuses(&found), &found["satisfied"]), (expected, &json!(false)));
        assert!(printed.contains("Intune is missing."), "{printed}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_run_may_not_see_is_unknown_and_what_fails_is_an_error() {
    every_cli(async |workspace, tenant| {
        administrator(&tenant).await;
        let block = with_roles(&tenant, json!(["Application.ReadWrite.OwnedBy"])).await;
        let (found, printed) = read(&workspace, &block).await;
        let unknown = json!({
            "consenting administrator": "unknown", "Entra ID P1 or P2": "unknown", "Entra ID P2": "unknown", "Intune": "unknown",
            "integration in ThreatDefence": "unknown",
        });
        assert_eq!((statuses(&found), &found["satisfied"]), (unknown, &json!(false)));
        for text in ["may not see the tenant's subscriptions", "LicenseAssignment.Read.All", "RoleManagement.Read.Directory"] {
            assert!(printed.contains(text), "{text} is not in:\n{printed}");
        }

        for path in ["/graph/v1.0/subscribedSkus", "/graph/v1.0/roleManagement/directory/roleAssignments"] {
            tenant.control(Method::DELETE, "faults", None).await;
            tenant.fault(json!({ "path": path, "action": { "fail": { "status": 400, "code": "BadRequest" } } })).await;
            workspace.write(&format!("{HEAD}{BLOCK}{SOURCE}")).unwrap();
            let planned = workspace.run(&["plan", "-no-color", "-input=false"]).await.unwrap();
            let output = flat(&planned.expect(1).unwrap());
            assert!(output.contains("BadRequest"), "{output}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_its_api_is_missing() {
    every_cli(async |workspace, tenant| {
        let source = "data \"m365_connector_prerequisites\" \"x\" {\n  profile = \"threatdefence-ms365\"\n}\noutput \"x\" {\n  value = data.m365_connector_prerequisites.x.items\n}\n";
        let read = async || {
            workspace.write(&format!("{HEAD}{BLOCK}{source}")).unwrap();
            workspace.apply(&[]).await.unwrap();
            let output = workspace.run(&["output", "-json", "x"]).await.unwrap().expect(0).unwrap();
            serde_json::from_str::<Value>(output.trim()).unwrap()["unified audit log"]["status"].clone()
        };
        assert_eq!(read().await, "unknown");
        let path = format!("tenants/{}/first_party", tenant.connection().tenant_id);
        let gone = json!({ "app_id": "c5393580-f805-4401-95e8-94b7a6ef2fc2", "present": false });
        let (status, _) = tenant.control(Method::POST, &path, Some(gone)).await;
        assert!(status.is_success());
        assert_eq!(read().await, "missing");
    })
    .await;
}
