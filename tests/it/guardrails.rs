//! What the provider block forbids, whichever way it enters a configuration; and what a plan points out of the permissions it asks for.

use crate::bad_input::with_roles;
use crate::pem;
use crate::tenant::Tenant;
use crate::workspace::{BLOCK, HEAD, Workspace, assert_no_change, every_cli, failed_plan, flat};
use serde_json::json;

const CRITICAL: &str = "microsoft_graph/application/User.EnableDisableAccount.All";
const APP: &str = "resource \"m365_connector_app\" \"x\" {\n  display_name = \"x\"\n}\n";

/// A profile that may bring the permission in each way that a profile knows.
fn profile(required: &str, optional: &str, of_feature: &str) -> String {
    let list = |name: &str, permission: &str| format!("[{name}.microsoft_graph]\napplication = [{permission}]\n");
    format!(
        "slug = \"ways\"\nversion = 1\nvendor = \"v\"\ntitle = \"t\"\nkind = \"own_registration\"\n[source]\ntitle = \"s\"\nurl = \"https://example.com/s\"\nread_on = 2026-11-22\ncomplete = true\n[app]\ndisplay_name = \"d\"\ncredentials = [\"secret\"]\n{}{}[features.remediation]\ntitle = \"f\"\n{}",
        list("permissions", required),
        list("optional", optional),
        list("features.remediation.permissions", of_feature)
    )
}

fn block(guardrails: &str) -> String {
    format!(
        "provider \"m365\" {{\n  environment = \"sandbox\"\n  catalog_paths = [\"profiles\"]\n  guardrails = {{ {guardrails} }}\n}}\n"
    )
}

fn set(arguments: &str) -> String {
    format!(
        "{APP}resource \"m365_connector_permission_set\" \"x\" {{\n  application_id = m365_connector_app.x.id\n{arguments}\n}}\n"
    )
}

fn consent(arguments: &str) -> String {
    format!(
        "{APP}resource \"m365_admin_consent\" \"x\" {{\n  service_principal_id = m365_connector_app.x.service_principal_id\n{arguments}\n}}\n"
    )
}

fn write_profile(workspace: &Workspace) {
    let (reads, acts) = ("\"AuditLog.Read.All\"", "\"User.EnableDisableAccount.All\"");
    let folder = workspace.folder().join("profiles");
    std::fs::create_dir_all(&folder).unwrap();
    let in_list = profile(acts, reads, "\"User.Read.All\"");
    std::fs::write(folder.join("list.toml"), in_list.replace("\"ways\"", "\"in-list\"")).unwrap();
    std::fs::write(folder.join("ways.toml"), profile(reads, acts, "\"User.Read.All\"")).unwrap();
    let of_feature = profile(reads, "\"User.Read.All\"", acts).replace("\"ways\"", "\"of-feature\"");
    std::fs::write(folder.join("feature.toml"), of_feature).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_permission_fails_at_plan_whichever_way_it_comes_in() {
    every_cli(async |workspace, tenant| {
        write_profile(&workspace);
        let by_id =
            "\"00000003-0000-0000-c000-000000000000\" = { application = [\"3011c876-62b7-4ada-afa2-506cbbecc68c\"] }";
        let ways = [
            set("  profile = \"in-list\""),
            set("  profile = \"ways\"\n  include_optional = true"),
            set("  profile = \"of-feature\"\n  features = [\"remediation\"]"),
            set("  apis = { microsoft_graph = { application = [\"User.EnableDisableAccount.All\"] } }"),
            set(&format!("  apis = {{ {by_id} }}")),
            consent(&format!("  permissions = [\"{CRITICAL}\"]")),
            consent(&format!(
                "  permissions = []\n  exceptions = {{ \"{CRITICAL}\" = {{ until = \"2099-01-31\", reason = \"r\" }} }}"
            )),
        ];
        for way in &ways {
            workspace.write(&format!("{HEAD}{}{way}", block("max_risk = \"high\""))).unwrap();
            let output = failed_plan(&workspace, &tenant).await;
            assert!(output.contains("The guardrails forbid what this plan asks for"), "{way}\n{output}");
        }
        // Each of the other limits once is enough: the verdict is one function.
        for limit in [
            "deny_permissions = [\"microsoft_graph/application/3011C876-*\"]",
            "allow_permissions = [\"*.Read.All\"]",
            "require_acknowledgement = \"high\"",
        ] {
            workspace.write(&format!("{HEAD}{}{}", block(limit), ways[3])).unwrap();
            assert!(failed_plan(&workspace, &tenant).await.contains(CRITICAL), "{limit}");
        }
    })
    .await;
}

async fn planned(workspace: &Workspace, code: i32) -> String {
    let outcome = workspace.run(&["plan", "-no-color", "-input=false", "-detailed-exitcode"]).await.unwrap();
    flat(&outcome.expect(code).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_plans_silently_and_what_is_there_only_warns() {
    every_cli(async |workspace, tenant: Tenant| {
        write_profile(&workspace);
        let both = |names: &str, acknowledge: &str| {
            let set = set(&format!("  apis = {{ microsoft_graph = {{ application = [{names}] }} }}\n{acknowledge}"));
            format!("{set}resource \"m365_admin_consent\" \"x\" {{\n  service_principal_id = m365_connector_app.x.service_principal_id\n  permissions = m365_connector_permission_set.x.permissions\n{acknowledge}\n}}\n")
        };
        let names = "\"User.Read.All\", \"User.EnableDisableAccount.All\"";
        let reason = format!("  acknowledge = {{ \"{CRITICAL}\" = \"disables accounts on an alert\" }}");
        workspace.write(&format!("{HEAD}{BLOCK}{}", both(names, ""))).unwrap();
        let output = planned(&workspace, 2).await;
        assert!(output.contains("A critical permission is asked for") && output.contains(&format!("{CRITICAL}: ")), "{output}");
        workspace.write(&format!("{HEAD}{BLOCK}{}", both(names, &reason))).unwrap();
        let output = planned(&workspace, 2).await;
        // The CLI's own, of the development override.
        assert_eq!(output.matches("Warning: ").count(), 1, "{output}");
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        // The limit comes later: what is there is pointed out, and nothing else is stopped.
        let forbidding = block("max_risk = \"high\"");
        workspace.write(&format!("{HEAD}{forbidding}{}", both(names, &reason))).unwrap();
        let output = planned(&workspace, 0).await;
        assert!(output.contains("The guardrails forbid what is there already"), "{output}");
        let more = format!("{names}, \"AuditLog.Read.All\"");
        workspace.write(&format!("{HEAD}{forbidding}{}", both(&more, &reason))).unwrap();
        planned(&workspace, 2).await;
        workspace.write(&format!("{HEAD}{forbidding}{}", both("\"User.Read.All\"", &reason))).unwrap();
        let output = planned(&workspace, 2).await;
        assert!(output.contains("Nothing asks for") && !output.contains("The guardrails forbid"), "{output}");
        workspace.apply(&[]).await.unwrap();
        // And it does not come back.
        workspace.write(&format!("{HEAD}{forbidding}{}", both(names, &reason))).unwrap();
        assert!(failed_plan(&workspace, &tenant).await.contains("its risk is critical, and `max_risk` is high"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_known_late_is_enforced_before_the_first_write() {
    every_cli(async |workspace, tenant| {
        let late = "resource \"terraform_data\" \"limit\" {\n  input = \"high\"\n}\n";
        write_profile(&workspace);
        let block = block("max_risk = terraform_data.limit.output");
        let set = set("  apis = { microsoft_graph = { application = [\"User.EnableDisableAccount.All\"] } }");
        workspace.write(&format!("{HEAD}{late}{block}{set}")).unwrap();
        planned(&workspace, 2).await;
        let failed = workspace.run(&["apply", "-no-color", "-auto-approve", "-input=false"]).await.unwrap();
        let output = flat(&failed.expect(1).unwrap());
        assert!(output.contains("The guardrails forbid what this plan asks for"), "{output}");
        for app in tenant.applications().await {
            assert_eq!(app["requiredResourceAccess"], json!([]), "something was asked for");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_limits_nothing_is_refused() {
    every_cli(async |workspace, tenant| {
        write_profile(&workspace);
        let faulty = [
            (
                "deny_permissions = [\"User.ReadWrite.All\"]",
                "`guardrails.deny_permissions` has a pattern that matches nothing",
            ),
            (
                "allow_permissions = [\"microsoft_graph/User.*\"]",
                "`guardrails.allow_permissions` has a pattern that matches nothing",
            ),
            ("deny_permissions = [\"microsoft_grap/*\"]", "There is no API \"microsoft_grap\""),
            ("max_risk = \"huge\"", "max_risk"),
        ];
        for (limit, said) in faulty {
            workspace.write(&format!("{HEAD}{}{APP}", block(limit))).unwrap();
            let output = failed_plan(&workspace, &tenant).await;
            assert!(output.contains(said), "{output}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_tenant_can_name_is_looked_up() {
    every_cli(async |workspace, tenant| {
        write_profile(&workspace);
        // Nobody knows this one: it could be anything of its API.
        let unknown =
            set("  apis = { microsoft_graph = { application = [\"99999999-9999-4999-8999-999999999999\"] } }");
        workspace
            .write(&format!("{HEAD}{}{unknown}", block("deny_permissions = [\"microsoft_graph/application/Mail.*\"]")))
            .unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains("neither the catalogue nor the tenant knows it"), "{output}");
        workspace
            .write(&format!("{HEAD}{}{unknown}", block("deny_permissions = [\"windows_defender_atp/*\"]")))
            .unwrap();
        planned(&workspace, 2).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_limit_and_no_missing_right_stands_in_the_way_of_a_destroy() {
    every_cli(async |workspace, tenant| {
        write_profile(&workspace);
        let asks = |names: &str| set(&format!("  apis = {{ microsoft_graph = {{ application = [{names}] }} }}"));
        workspace.write(&format!("{HEAD}{BLOCK}{}", asks("\"User.Read.All\""))).unwrap();
        workspace.apply(&[]).await.unwrap();
        // A change that nobody has applied and nobody may apply.
        let pending = asks("\"User.Read.All\", \"User.EnableDisableAccount.All\"");
        workspace.write(&format!("{HEAD}{}{pending}", block("max_risk = \"high\""))).unwrap();
        failed_plan(&workspace, &tenant).await;
        let (code, _, output) = workspace.plan(&["-destroy", "-refresh=false"]).await.unwrap();
        assert_eq!(code, 2, "{output}");
        let reader = with_roles(&tenant, json!(["Application.Read.All"])).await.replace("\"off\"", "\"error\"");
        workspace.write(&format!("{HEAD}{reader}{pending}")).unwrap();
        assert!(failed_plan(&workspace, &tenant).await.contains("The run's identity lacks"));
        let (code, _, output) = workspace.plan(&["-destroy", "-refresh=false"]).await.unwrap();
        assert_eq!(code, 2, "{output}");
        // What was applied under other limits goes without further ado.
        workspace.write(&format!("{HEAD}{BLOCK}{pending}")).unwrap();
        workspace.apply(&[]).await.unwrap();
        workspace.write(&format!("{HEAD}{}{pending}", block("max_risk = \"high\""))).unwrap();
        workspace.apply(&["-destroy"]).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_keeps_to_the_limit_on_lifetimes() {
    every_cli(async |workspace, tenant| {
        write_profile(&workspace);
        std::fs::write(workspace.folder().join("siem.pem"), pem::certificate("siem").certificate).unwrap();
        let certificate = format!("{APP}resource \"m365_connector_certificate\" \"x\" {{\n  application_id = m365_connector_app.x.id\n  certificate = file(\"siem.pem\")\n}}\n");
        workspace.write(&format!("{HEAD}{}{certificate}", block("max_secret_lifetime = \"P30D\""))).unwrap();
        assert!(failed_plan(&workspace, &tenant).await.contains("allow a certificate to be valid for P30D at most"));
        workspace.write(&format!("{HEAD}{BLOCK}{certificate}")).unwrap();
        workspace.apply(&[]).await.unwrap();
        workspace.write(&format!("{HEAD}{}{certificate}", block("max_secret_lifetime = \"P30D\""))).unwrap();
        assert!(planned(&workspace, 0).await.contains("allow a certificate to be valid for P30D at most"));
    })
    .await;
}
