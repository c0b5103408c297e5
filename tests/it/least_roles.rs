//! The table of roles that the guide shows: each set is enough for what it is said to be for, and none of its roles is too much.

use crate::bad_input::with_roles;
use crate::tenant::Tenant;
use crate::workspace::{BLOCK, HEAD, PROVIDER, Workspace, every_cli, flat};
use serde_json::json;
use std::path::Path;
use terraform_provider_m365::cli::terraform::{Outcome, find};
use terraform_provider_m365::graph::needed::DUTIES;

const MADE: &str = r#"
resource "m365_connector_app" "x" {
  display_name = "x"
}
resource "m365_connector_permission_set" "x" {
  application_id = m365_connector_app.x.id
  apis           = { microsoft_graph = { application = ["User.Read.All"] } }
}
"#;
const CONSENT: &str = r#"
resource "m365_admin_consent" "x" {
  service_principal_id = m365_connector_app.x.service_principal_id
  permissions          = m365_connector_permission_set.x.permissions
}
"#;

/// Does what a duty is for as an identity with just these roles, in a tenant of its own.
async fn attempt(duty: usize, roles: &[&str]) -> Outcome {
    let (tenant, folder) = (Tenant::start().await, tempfile::tempdir().unwrap());
    let cli = find().unwrap().remove(0);
    let workspace = Workspace::new(&cli, folder.path(), Path::new(PROVIDER), &tenant.url()).unwrap();
    let block = with_roles(&tenant, json!(roles)).await;
    let consented = MADE.replace("[\"User.Read.All\"]", "[\"User.Read.All\"], delegated = [\"User.Read\"]") + CONSENT;
    let configuration = match duty {
        // What is planned was made by somebody else.
        0 => {
            workspace.write(&format!("{HEAD}{BLOCK}{consented}")).unwrap();
            workspace.apply(&[]).await.unwrap();
            consented
        }
        1 => MADE.to_owned(),
        2 => format!("{MADE}{CONSENT}"),
        3 => consented,
        _ => panic!("the test does not know what the duty is: teach it"),
    };
    workspace.write(&format!("{HEAD}{block}{configuration}")).unwrap();
    let apply: &[&str] = &["apply", "-no-color", "-input=false", "-auto-approve"];
    let plan: &[&str] = &["plan", "-no-color", "-input=false", "-detailed-exitcode"];
    let destroy: &[&str] = &["destroy", "-no-color", "-input=false", "-auto-approve"];
    let steps: &[&[&str]] = if duty == 0 { &[plan] } else { &[apply, plan, destroy] };
    let mut last = Outcome { code: 0, output: String::new() };
    for step in steps {
        last = workspace.run(step).await.unwrap();
        if last.code != 0 {
            break;
        }
    }
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn each_set_of_roles_is_enough_and_none_of_them_is_too_much() {
    for (number, duty) in DUTIES.iter().enumerate() {
        let done = attempt(number, duty.roles).await;
        assert_eq!(done.code, 0, "{}:\n{}", duty.purpose, done.output);
        for without in duty.roles {
            let rest: Vec<_> = duty.roles.iter().copied().filter(|role| role != without).collect();
            let refused = attempt(number, &rest).await;
            assert_eq!(refused.code, 1, "{}: {without} is not needed:\n{}", duty.purpose, refused.output);
            let output = flat(&refused.output);
            assert!(
                output.contains("The provider's own identity needs `"),
                "{}: without {without}:\n{output}",
                duty.purpose
            );
        }
    }
}

/// Who manages only applications of its own may not look at deleted ones, which keep their names.
#[tokio::test(flavor = "multi_thread")]
async fn destroyed_and_made_again_without_a_look_at_deleted_applications() {
    every_cli(async |workspace, tenant| {
        let block = with_roles(&tenant, json!(["Application.ReadWrite.OwnedBy"])).await;
        let app = |body: &str| {
            format!("{HEAD}{block}resource \"m365_connector_app\" \"x\" {{\n  display_name = \"x\"\n  {body}\n}}\n")
        };
        workspace.write(&app("")).unwrap();
        workspace.apply(&[]).await.unwrap();
        workspace.apply(&["-destroy"]).await.unwrap();
        let refused = workspace.run(&["apply", "-no-color", "-auto-approve", "-input=false"]).await.unwrap();
        let output = flat(&refused.expect(1).unwrap());
        assert!(
            output.contains("The unique name \"x\" is taken, most likely by an application that was destroyed"),
            "{output}"
        );
        assert!(
            output.contains("The provider's own identity needs") && output.contains("deletion = \"permanent\""),
            "{output}"
        );
        workspace.write(&app("unique_name = \"y\"\n  deletion = \"permanent\"")).unwrap();
        for _ in 0..2 {
            workspace.apply(&[]).await.unwrap();
            workspace.apply(&["-destroy"]).await.unwrap();
        }
    })
    .await;
}
