//! `m365_connector_secret` through the real CLIs: made, rotated in time, lost and found, guarded.

use crate::secrecy::{Secrets, everything_in};
use crate::tenant::{Tenant, list};
use crate::workspace::{
    BLOCK, HEAD, PROVIDER, Workspace, assert_no_change, change, every_cli, failed_plan, flat, texts,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use terraform_provider_m365::cli::terraform::find;

const SECRET: &str = "m365_connector_secret.x";

/// An application that somebody else made, with a principal: what the secret is on is not what these tests are about.
struct App {
    id: String,
    client_id: String,
}

impl App {
    async fn made(tenant: &Tenant) -> Self {
        let body = json!({ "displayName": "x", "signInAudience": "AzureADMyOrg" });
        let app = tenant.admin(Method::POST, "/applications", Some(body)).await;
        tenant.admin(Method::POST, "/servicePrincipals", Some(json!({ "appId": app["appId"] }))).await;
        let text = |name: &str| app[name].as_str().unwrap().to_owned();
        Self { id: text("id"), client_id: text("appId") }
    }

    async fn secrets(&self, tenant: &Tenant) -> Vec<Value> {
        let app = tenant.admin(Method::GET, &format!("/applications/{}", self.id), None).await;
        app["passwordCredentials"].as_array().unwrap().clone()
    }

    async fn key_ids(&self, tenant: &Tenant) -> BTreeSet<String> {
        self.secrets(tenant).await.iter().map(|one| one["keyId"].as_str().unwrap().to_owned()).collect()
    }

    async fn remove(&self, tenant: &Tenant, key_id: &str) {
        let path = format!("/applications/{}/removePassword", self.id);
        tenant.admin(Method::POST, &path, Some(json!({ "keyId": key_id }))).await;
    }

    async fn plant(&self, tenant: &Tenant, wish: Value) -> String {
        let path = format!("/applications/{}/addPassword", self.id);
        let made = tenant.admin(Method::POST, &path, Some(json!({ "passwordCredential": wish }))).await;
        made["keyId"].as_str().unwrap().to_owned()
    }

    async fn opens(&self, tenant: &Tenant, value: &str) -> bool {
        tenant.sign_in_as(&self.client_id, value).await.0 == 200
    }

    fn secret(&self, further: &str) -> String {
        self.named("x", "siem", further)
    }

    fn named(&self, label: &str, name: &str, further: &str) -> String {
        format!(
            r#"
resource "m365_connector_secret" "{label}" {{
  application_id = "{}"
  display_name   = "{name}"
  {further}
}}
"#,
            self.id
        )
    }
}

fn write(workspace: &Workspace, resources: &str) {
    workspace.write(&format!("{HEAD}{BLOCK}{resources}")).unwrap();
}

/// The secret's attributes as the state holds them.
fn state(workspace: &Workspace) -> Value {
    let text = std::fs::read_to_string(workspace.folder().join("terraform.tfstate")).unwrap();
    let state: Value = serde_json::from_str(&text).unwrap();
    let all = state["resources"].as_array().unwrap();
    all.iter().find(|one| one["name"] == "x").unwrap()["instances"][0]["attributes"].clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

const DAY_0: &str = "2026-01-01T00:00:00Z";

/// Sets the sandbox's clock to so many days after day 0.
async fn day(tenant: &Tenant, days: i64) {
    tenant.control(Method::POST, "clock", Some(json!({ "now": DAY_0 }))).await;
    let (status, _) = tenant.control(Method::POST, "clock", Some(json!({ "advance": format!("P{days}D") }))).await;
    assert_eq!(status, 204);
}

/// Applies the plan that `Workspace::plan` left.
async fn apply_saved(workspace: &Workspace) -> String {
    workspace.run(&["apply", "-no-color", "-input=false", "plan.out"]).await.unwrap().expect(0).unwrap()
}

/// A plan whose exit code and actions are as expected; gives the planned change and the output.
async fn planned(workspace: &Workspace, code: i32, action: &str) -> (Value, String) {
    let (found, plan, output) = workspace.plan(&[]).await.unwrap();
    assert_eq!(found, code, "{output}");
    let change = change(&plan, SECRET).clone();
    assert_eq!(change["actions"], json!([action]), "{output}");
    (change, flat(&output))
}

/// What a plan that rotates promises: the present key becomes the previous one, and one more key is still to be known.
fn assert_rotates(change: &Value, keeps: bool) {
    let (before, after, unknown) = (&change["before"], &change["after"], &change["after_unknown"]);
    assert_eq!(after["previous_key_id"], before["key_id"], "{change}");
    let kept = if keeps { vec![before["key_id"].clone(), Value::Null] } else { vec![Value::Null] };
    let sorted = |all: &Value| {
        let mut all = all.as_array().unwrap().clone();
        all.sort_by_key(|one| one.as_str().is_none());
        all
    };
    assert_eq!(sorted(&after["key_ids"]), kept, "{change}");
    assert_eq!(unknown["key_ids"].as_array().unwrap().iter().filter(|one| **one == json!(true)).count(), 1, "{change}");
    for attribute in ["key_id", "start_date_time", "end_date_time", "hint"] {
        assert_eq!(unknown[attribute], true, "{attribute}: {change}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_made_for_half_a_year_and_then_nothing_changes() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        day(&tenant, 0).await;
        write(&workspace, &app.secret(""));
        workspace.apply(&[]).await.unwrap();
        let made = state(&workspace);
        let secrets = app.secrets(&tenant).await;
        assert_eq!((secrets.len(), &secrets[0]["keyId"], &secrets[0]["hint"]), (1, &made["key_id"], &made["hint"]));
        assert_eq!((&made["display_name"], &made["key_ids"]), (&json!("siem"), &json!([made["key_id"]])));
        assert_eq!((&made["previous_key_id"], &made["encrypted_value"]), (&Value::Null, &Value::Null));
        assert_ne!(secrets[0]["displayName"], "siem", "the marker is on the tenant's side alone");
        let time = |name: &str| text(&made[name]).parse::<jiff::Timestamp>().unwrap();
        assert_eq!(time("end_date_time").duration_since(time("start_date_time")).as_hours(), 180 * 24);
        assert!(app.opens(&tenant, &text(&made["value"])).await);
        assert_no_change(&workspace).await;
        let (_, _, output) = workspace.plan(&[]).await.unwrap();
        assert!(!output.contains("Warning: The secret"), "{output}");

        // Half a plan later nothing is written for what only the configuration knows.
        tenant.forget_requests().await;
        write(&workspace, &app.secret("valid_for = \"P26W\"\n  rotate_before = \"P2W\""));
        let (change, _) = planned(&workspace, 2, "update").await;
        assert_eq!((&change["after"]["key_id"], &change["after"]["key_ids"]), (&made["key_id"], &made["key_ids"]));
        apply_saved(&workspace).await;
        assert_eq!(tenant.writes().await, Vec::<String>::new());
        assert_no_change(&workspace).await;

        workspace.apply(&["-destroy"]).await.unwrap();
        assert_eq!(app.secrets(&tenant).await, Vec::<Value>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_travel() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        day(&tenant, 0).await;
        write(&workspace, &app.secret(""));
        workspace.apply(&[]).await.unwrap();
        let first = text(&state(&workspace)["key_id"]);

        for quiet in [0, 149] {
            day(&tenant, quiet).await;
            let (_, output) = planned(&workspace, 0, "no-op").await;
            assert!(!output.contains("Warning: The secret"), "day {quiet}: {output}");
        }
        // A plan of the day before rotation was due does what it said, though it is due when it is applied.
        day(&tenant, 151).await;
        apply_saved(&workspace).await;
        assert_eq!(app.key_ids(&tenant).await, BTreeSet::from([first.clone()]));

        for (late, end) in [(151, "it ends soon"), (179, "it ends soon"), (181, "it has ended")] {
            day(&tenant, late).await;
            let (change, output) = planned(&workspace, 2, "update").await;
            assert_rotates(&change, true);
            assert!(
                output.contains("Warning: The secret \"siem\" will be rotated") && output.contains(end),
                "day {late}: {output}"
            );
        }
        // Nothing of that depends on when it is applied.
        day(&tenant, 182).await;
        apply_saved(&workspace).await;
        let rotated = state(&workspace);
        assert_eq!(rotated["previous_key_id"], first.as_str());
        assert_eq!(texts(&rotated["key_ids"]), BTreeSet::from([first.clone(), text(&rotated["key_id"])]));
        assert_eq!(
            app.key_ids(&tenant).await,
            texts(&rotated["key_ids"]),
            "the ended one stays until the next rotation"
        );
        assert!(app.opens(&tenant, &text(&rotated["value"])).await);
        assert_no_change(&workspace).await;

        // Where it is rotated late, its end is a warning all the same.
        write(&workspace, &app.secret("rotate_before = \"P1D\""));
        workspace.apply(&[]).await.unwrap();
        day(&tenant, 182 + 149).await;
        assert!(!planned(&workspace, 0, "no-op").await.1.contains("Warning: The secret"));
        day(&tenant, 182 + 151).await;
        assert!(planned(&workspace, 0, "no-op").await.1.contains("Warning: The secret \"siem\" ends on"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_values_work_until_the_next_rotation_and_then_the_newer_two() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        let with = |trigger: &str| app.secret(&format!("rotation_triggers = {{ ticket = \"{trigger}\" }}"));
        let mut values = Vec::new();
        for trigger in ["one", "two", "three"] {
            write(&workspace, &with(trigger));
            if !values.is_empty() {
                let (change, _) = planned(&workspace, 2, "update").await;
                assert_rotates(&change, true);
            }
            workspace.apply(&[]).await.unwrap();
            assert_no_change(&workspace).await;
            values.push(text(&state(&workspace)["value"]));
            let newer = values.len().saturating_sub(2);
            for (index, value) in values.iter().enumerate() {
                assert_eq!(app.opens(&tenant, value).await, index >= newer, "value {index} after {trigger}");
            }
        }
        assert_eq!(app.secrets(&tenant).await.len(), 2);

        // Without `keep_previous` a rotation leaves one.
        write(&workspace, &app.secret("rotation_triggers = { ticket = \"four\" }\n  keep_previous = false"));
        let (change, _) = planned(&workspace, 2, "update").await;
        assert_rotates(&change, false);
        apply_saved(&workspace).await;
        assert_eq!(app.key_ids(&tenant).await, BTreeSet::from([text(&state(&workspace)["key_id"])]));
        assert!(!app.opens(&tenant, &values[2]).await);
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_rotates_and_a_previous_one_that_ends_or_goes_is_no_drift() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        write(&workspace, &app.secret(""));
        workspace.apply(&[]).await.unwrap();
        let first = text(&state(&workspace)["key_id"]);
        write(&workspace, &app.named("x", "soc", ""));
        let (change, _) = planned(&workspace, 2, "update").await;
        assert_rotates(&change, true);
        apply_saved(&workspace).await;
        assert_no_change(&workspace).await;
        tenant.later().await;
        app.remove(&tenant, &first).await;
        assert_no_change(&workspace).await;
        assert_eq!(app.secrets(&tenant).await.len(), 1);
        workspace.apply(&["-destroy"]).await.unwrap();
        assert_eq!(app.secrets(&tenant).await.len(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_somebody_removed_is_made_anew_and_the_surviving_one_stays() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        let with = |trigger: &str| app.secret(&format!("rotation_triggers = {{ ticket = \"{trigger}\" }}"));
        for trigger in ["one", "two"] {
            write(&workspace, &with(trigger));
            workspace.apply(&[]).await.unwrap();
        }
        let before = state(&workspace);
        tenant.control(Method::POST, "clock", Some(json!({ "advance": "PT1H" }))).await;
        app.remove(&tenant, &text(&before["key_id"])).await;
        let (change, output) = planned(&workspace, 2, "update").await;
        assert!(output.contains("somebody removed it"), "{output}");
        // The vendor can only be using the one before it.
        assert_eq!(change["after"]["previous_key_id"], before["previous_key_id"]);
        apply_saved(&workspace).await;
        let after = state(&workspace);
        let both = BTreeSet::from([text(&before["previous_key_id"]), text(&after["key_id"])]);
        assert_eq!(app.key_ids(&tenant).await, both);
        assert_no_change(&workspace).await;

        // And when none survives.
        tenant.control(Method::POST, "clock", Some(json!({ "advance": "PT1H" }))).await;
        for key in both {
            app.remove(&tenant, &key).await;
        }
        planned(&workspace, 2, "update").await;
        apply_saved(&workspace).await;
        assert_eq!(app.key_ids(&tenant).await, BTreeSet::from([text(&state(&workspace)["key_id"])]));
        assert_no_change(&workspace).await;
    })
    .await;
}

/// A key pair as `age-keygen` makes it.
fn key_pair() -> (age::x25519::Identity, String) {
    let identity = age::x25519::Identity::generate();
    let public = identity.to_public().to_string();
    (identity, public)
}

/// Opens an armoured file with the `age` tool; `None` where this machine has none.
fn open_with_age(identity: &age::x25519::Identity, armoured: &str) -> Option<String> {
    use age::secrecy::ExposeSecret;
    let folder = tempfile::tempdir().unwrap();
    let (key, file) = (folder.path().join("key"), folder.path().join("secret.age"));
    std::fs::write(&key, identity.to_string().expose_secret()).unwrap();
    std::fs::write(&file, armoured).unwrap();
    let mut age = Command::new("age");
    let done = age.arg("--decrypt").arg("-i").arg(&key).arg(&file).stdin(Stdio::null()).output().ok()?;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Some(String::from_utf8(done.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_recipient_only_its_key_opens_the_secret() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        let (identity, public) = key_pair();
        write(&workspace, &app.secret(&format!("recipient = \"{public}\"")));
        let (change, _) = planned(&workspace, 2, "create").await;
        assert_eq!(
            (&change["after"]["value"], &change["after_unknown"]["encrypted_value"]),
            (&Value::Null, &json!(true))
        );
        apply_saved(&workspace).await;
        let made = state(&workspace);
        assert_eq!(made["value"], Value::Null);
        let armoured = text(&made["encrypted_value"]);
        assert!(armoured.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"), "{armoured}");
        let value = String::from_utf8(age::decrypt(&identity, armoured.as_bytes()).unwrap()).unwrap();
        assert!(app.opens(&tenant, &value).await);
        match open_with_age(&identity, &armoured) {
            Some(opened) => {
                println!("`age` opened the file");
                assert_eq!(opened, value);
            }
            None => println!("`age` is not on this machine: the file was opened by the crate alone"),
        }
        assert_no_change(&workspace).await;

        // The search would have found it: the state without a recipient holds the value.
        let holds = |value: &str| {
            std::fs::read_to_string(workspace.folder().join("terraform.tfstate")).unwrap().contains(value)
        };
        assert!(!holds(&value));
        let (other, public) = key_pair();
        write(&workspace, &app.secret(&format!("recipient = \"{public}\"")));
        let (change, _) = planned(&workspace, 2, "update").await;
        assert_rotates(&change, true);
        apply_saved(&workspace).await;
        let second = age::decrypt(&other, text(&state(&workspace)["encrypted_value"]).as_bytes()).unwrap();
        assert!(app.opens(&tenant, std::str::from_utf8(&second).unwrap()).await);
        write(&workspace, &app.secret(""));
        let (change, _) = planned(&workspace, 2, "update").await;
        assert_rotates(&change, true);
        apply_saved(&workspace).await;
        let clear = state(&workspace);
        assert_eq!(clear["encrypted_value"], Value::Null);
        assert!(holds(&text(&clear["value"])));
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_secret_may_not_say_fails_with_its_path_and_never_with_a_private_key() {
    every_cli(async |workspace, tenant| {
        use age::secrecy::ExposeSecret;
        let app = App::made(&tenant).await;
        let cases = [
            ("valid_for = \"P6M\"", "`valid_for` is not a lifetime", "valid_for"),
            ("rotate_before = \"30d\"", "`rotate_before` is not a lifetime", "rotate_before"),
            ("rotate_before = \"P180D\"", "`rotate_before` is not shorter than `valid_for`", "rotate_before = "),
            ("recipient = \"age1nonsense\"", "`recipient` is not an age public key", "recipient"),
            ("recipient = \"ssh-ed25519 AAAA\"", "`recipient` is not an age public key", "recipient"),
        ];
        for (line, summary, path) in cases {
            write(&workspace, &app.secret(line));
            let output = failed_plan(&workspace, &tenant).await;
            assert!(output.contains(summary) && output.contains(path), "{line}: {output}");
        }
        write(&workspace, &app.named("x", "siem (m365)", ""));
        assert!(failed_plan(&workspace, &tenant).await.contains("`display_name` may not end with"));
        write(&workspace, &app.named("x", &"n".repeat(81), ""));
        assert!(failed_plan(&workspace, &tenant).await.contains("`display_name` has the wrong length"));

        let private = key_pair().0.to_string();
        let private = private.expose_secret();
        for spelling in [private.to_owned(), private.to_lowercase()] {
            for line in [format!("recipient = \"{spelling}\""), "recipient = var.key".to_owned()] {
                let variable = format!("variable \"key\" {{\n  default = \"{spelling}\"\n}}\n");
                write(&workspace, &(app.secret(&line) + &variable));
                let output = failed_plan(&workspace, &tenant).await;
                assert!(output.contains("`recipient` holds a secret key"), "{output}");
                assert!(!output.contains(&spelling[20..40]), "the key is echoed: {output}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_secrets_of_one_name_are_refused_and_of_two_names_live_side_by_side() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        write(&workspace, &(app.secret("") + &app.named("y", "siem", "")));
        assert!(failed_plan(&workspace, &tenant).await.contains("Two secrets of one application are called \"siem\""));
        write(&workspace, &(app.secret("") + &app.named("y", "soc", "")));
        workspace.apply(&[]).await.unwrap();
        assert_eq!(app.secrets(&tenant).await.len(), 2);
        assert_no_change(&workspace).await;
        // A client id where an object id belongs is named as that, before anything is written.
        write(&workspace, &app.named("z", "other", "").replace(&app.id, &app.client_id));
        assert!(failed_plan(&workspace, &tenant).await.contains(&format!("its object id is {}", app.id)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lifetime_beyond_the_guardrail_is_an_error_and_one_that_was_there_before_a_warning() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        let guarded = |most: &str, further: &str| {
            let block = format!("provider \"m365\" {{\n  environment = \"sandbox\"\n  guardrails = {{ max_secret_lifetime = \"{most}\" }}\n}}\n");
            workspace.write(&format!("{HEAD}{block}{}", app.secret(further))).unwrap();
        };
        guarded("P90D", "");
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains("guardrails allow a secret to live for P90D at most") && output.contains("valid_for"), "{output}");
        guarded("P26W", "");
        workspace.apply(&[]).await.unwrap();
        guarded("P90D", "");
        let (_, output) = planned(&workspace, 0, "no-op").await;
        assert!(output.contains("Warning: The provider's guardrails allow"), "{output}");
        guarded("P90D", "rotation_triggers = { now = \"1\" }");
        assert!(failed_plan(&workspace, &tenant).await.contains("guardrails allow"));
        guarded("P90D", "valid_for = \"P181D\"");
        assert!(failed_plan(&workspace, &tenant).await.contains("guardrails allow"));
        guarded("P90D", "valid_for = \"P90D\"");
        workspace.apply(&[]).await.unwrap();
        guarded("a while", "");
        assert!(failed_plan(&workspace, &tenant).await.contains("`guardrails.max_secret_lifetime` is not a lifetime"));
        guarded("P1D", "valid_for = \"P90D\"");
        workspace.apply(&["-destroy"]).await.unwrap();
    })
    .await;
}

async fn restrict(tenant: &Tenant, restrictions: Value) {
    let body = json!({ "isEnabled": true, "displayName": "Contoso's rules", "applicationRestrictions": { "passwordCredentials": restrictions } });
    tenant.admin(Method::PATCH, "/policies/defaultAppManagementPolicy", Some(body)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tenants_policy_speaks_while_planning() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        write(&workspace, &app.secret(""));
        restrict(&tenant, json!([{ "restrictionType": "passwordLifetime", "maxLifetime": "P90D" }])).await;
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains("policy allows secrets to live for P90D at most") && output.contains("Contoso's rules"), "{output}");
        restrict(&tenant, json!([{ "restrictionType": "passwordAddition" }])).await;
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains("policy forbids secrets") && output.contains("m365_connector_certificate"), "{output}");
        // Whether the provider's identity is one that the rule leaves out only Graph knows.
        let attribute = json!([{ "id": "Engineering_Trusted", "operator": "equals", "value": "true" }]);
        restrict(&tenant, json!([{ "restrictionType": "passwordAddition", "excludeActors": { "customSecurityAttributes": attribute } }])).await;
        let (_, output) = planned(&workspace, 2, "create").await;
        assert!(output.contains("Warning: The tenant's policy forbids secrets") && output.contains("`excludeActors`"), "{output}");
        let failed = workspace.run(&["apply", "-no-color", "-input=false", "plan.out"]).await.unwrap().expect(1).unwrap();
        assert!(flat(&failed).contains("m365_connector_secret.x"), "{failed}");
        // It is older than the rule.
        let later = json!([{ "restrictionType": "passwordAddition", "restrictForAppsCreatedAfterDateTime": "2999-01-01T00:00:00Z" }]);
        restrict(&tenant, later).await;
        planned(&workspace, 2, "create").await;
        // A rule that comes after the plan: Graph's own refusal, with advice.
        restrict(&tenant, json!([{ "restrictionType": "passwordLifetime", "maxLifetime": "P90D" }])).await;
        let failed = workspace.run(&["apply", "-no-color", "-input=false", "plan.out"]).await.unwrap().expect(1).unwrap();
        assert!(flat(&failed).contains("P90D at most"), "{failed}");
        assert_eq!(app.secrets(&tenant).await, Vec::<Value>::new());

        // An exempt application.
        let own = json!({ "displayName": "exempt", "isEnabled": true, "restrictions": { "passwordCredentials": [] } });
        let own = tenant.admin(Method::POST, "/policies/appManagementPolicies", Some(own)).await;
        let path = format!("/applications/{}/appManagementPolicies/$ref", app.id);
        let reference = json!({ "@odata.id": format!("https://x/{}", own["id"].as_str().unwrap()) });
        tenant.admin(Method::POST, &path, Some(reference)).await;
        workspace.apply(&[]).await.unwrap();
        // What is there already is nobody's business.
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_policy_may_not_be_read_graphs_refusal_is_explained() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        restrict(&tenant, json!([{ "restrictionType": "passwordAddition" }])).await;
        let callers = format!("tenants/{}/callers", tenant.connection().tenant_id);
        let (_, caller) =
            tenant.control(Method::POST, &callers, Some(json!({ "roles": ["Application.ReadWrite.All"] }))).await;
        let block = format!(
            "provider \"m365\" {{\n  environment = \"sandbox\"\n  client_id = \"{}\"\n  client_secret = \"{}\"\n}}\n",
            text(&caller["client_id"]),
            text(&caller["client_secret"])
        );
        workspace.write(&format!("{HEAD}{block}{}", app.secret(""))).unwrap();
        planned(&workspace, 2, "create").await;
        let failed =
            workspace.run(&["apply", "-no-color", "-input=false", "plan.out"]).await.unwrap().expect(1).unwrap();
        let failed = flat(&failed);
        assert!(
            failed.contains("CredentialTypeNotAllowedAsPerAppPolicy") && failed.contains("use a certificate"),
            "{failed}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_knows_everything_but_the_value_and_is_rotated_by_the_next_apply() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        let key = app.plant(&tenant, json!({ "displayName": "siem" })).await;
        write(&workspace, &app.secret(""));
        workspace
            .run(&["import", "-no-color", "-input=false", SECRET, &format!("{}/{key}", app.id)])
            .await
            .unwrap()
            .expect(0)
            .unwrap();
        let imported = state(&workspace);
        assert_eq!((&imported["display_name"], &imported["value"]), (&json!("siem"), &Value::Null));
        assert_eq!((text(&imported["key_id"]), imported["key_ids"].clone()), (key.clone(), json!([key])));
        let (change, output) = planned(&workspace, 2, "update").await;
        assert_rotates(&change, true);
        assert!(output.contains("its value is not known here"), "{output}");
        apply_saved(&workspace).await;
        assert_no_change(&workspace).await;
        assert_eq!(app.secrets(&tenant).await.len(), 2);
        assert!(app.opens(&tenant, &text(&state(&workspace)["value"])).await);
    })
    .await;
}

/// A second folder with the same tenant.
fn second_workspace(first: &Workspace, tenant: &Tenant, folder: &Path) -> Workspace {
    let cli = find().unwrap().into_iter().find(|cli| first.cli() == cli).unwrap();
    Workspace::new(&cli, folder, Path::new(PROVIDER), &tenant.url()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_workspaces_secret_of_the_same_name_survives() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        let folder = tempfile::tempdir().unwrap();
        let other = second_workspace(&workspace, &tenant, folder.path());
        day(&tenant, 0).await;
        write(&workspace, &app.secret(""));
        workspace.apply(&[]).await.unwrap();
        day(&tenant, 2).await;
        write(&other, &app.secret(""));
        other.apply(&[]).await.unwrap();
        assert_eq!(app.secrets(&tenant).await.len(), 2, "a create takes only what is younger than a day");

        // Each rotates, and neither touches the other's, though both were away for long.
        for (at, one) in [(160, &workspace), (161, &other), (320, &other), (321, &workspace)] {
            day(&tenant, at).await;
            one.apply(&[]).await.unwrap();
            for each in [&workspace, &other] {
                assert!(app.opens(&tenant, &text(&state(each)["value"])).await, "day {at}");
            }
        }
        assert_no_change(&workspace).await;
        assert_no_change(&other).await;
        workspace.apply(&["-destroy"]).await.unwrap();
        assert_eq!(app.key_ids(&tenant).await, texts(&state(&other)["key_ids"]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_application_keeps_its_secret_and_a_purged_one_takes_it_along() {
    every_cli(async |workspace, tenant| {
        let connector = r#"
resource "m365_connector_app" "x" {
  display_name = "x"
}
resource "m365_connector_secret" "x" {
  application_id = m365_connector_app.x.id
  display_name   = "siem"
}
"#;
        write(&workspace, connector);
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        let app = tenant.applications().await.remove(0);
        let id = text(&app["id"]);
        tenant.control(Method::POST, "clock", Some(json!({ "advance": "PT1H" }))).await;
        tenant.admin(Method::DELETE, &format!("/applications/{id}"), None).await;
        planned(&workspace, 2, "no-op").await;
        apply_saved(&workspace).await;
        assert_no_change(&workspace).await;
        let restored = tenant.applications().await.remove(0);
        assert_eq!(restored["passwordCredentials"], app["passwordCredentials"]);

        tenant.admin(Method::DELETE, &format!("/applications/{id}"), None).await;
        tenant.admin(Method::DELETE, &format!("/directory/deletedItems/{id}"), None).await;
        planned(&workspace, 2, "create").await;
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;

        // A destroy does not mind that the application is gone already.
        let id = text(&tenant.applications().await.remove(0)["id"]);
        let (code, _, _) = workspace.plan(&["-destroy"]).await.unwrap();
        assert_eq!(code, 2);
        tenant.admin(Method::DELETE, &format!("/applications/{id}"), None).await;
        apply_saved(&workspace).await;
        assert_eq!(list(&tenant.admin(Method::GET, "/applications", None).await).len(), 1, "the operator's");
    })
    .await;
}

const ADD: &str = "/graph/v1.0/applications/*/addPassword";
const REMOVE: &str = "/graph/v1.0/applications/*/removePassword";

impl App {
    /// The tenant holds exactly what the state lists, the present secret opens the login, and the next plan is empty.
    async fn is_as_declared(&self, workspace: &Workspace, tenant: &Tenant, count: usize) {
        let state = state(workspace);
        assert_eq!(self.key_ids(tenant).await, texts(&state["key_ids"]));
        assert_eq!(self.secrets(tenant).await.len(), count);
        assert!(self.opens(tenant, &text(&state["value"])).await);
        assert_no_change(workspace).await;
    }
}

async fn fails(workspace: &Workspace) -> String {
    let run = workspace.run(&["apply", "-no-color", "-input=false", "-auto-approve"]).await.unwrap();
    flat(&run.expect(1).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_lost_after_the_commit_leaves_nothing_behind() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        let lose = json!({ "path": ADD, "times": 1, "action": "drop_after_commit" });
        write(&workspace, &app.secret(""));
        tenant.fault(lose.clone()).await;
        fails(&workspace).await;
        let lost = app.key_ids(&tenant).await.pop_first().unwrap();
        let output = flat(&workspace.apply(&[]).await.unwrap());
        assert!(output.contains(&format!("The secret {lost} was replaced")), "{output}");
        app.is_as_declared(&workspace, &tenant, 1).await;

        // A rotation, and somebody else's secret of the same name, made after our last refresh.
        write(&workspace, &app.secret("rotation_triggers = { n = \"1\" }"));
        tenant.control(Method::POST, "clock", Some(json!({ "advance": "PT1H" }))).await;
        let others = app.plant(&tenant, json!({ "displayName": "siem (m365)" })).await;
        tenant.control(Method::POST, "clock", Some(json!({ "advance": "PT1H" }))).await;
        tenant.fault(lose).await;
        fails(&workspace).await;
        assert_eq!(app.secrets(&tenant).await.len(), 3);
        let (change, _) = planned(&workspace, 2, "update").await;
        assert_rotates(&change, true);
        apply_saved(&workspace).await;
        app.remove(&tenant, &others).await;
        app.is_as_declared(&workspace, &tenant, 2).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_rotation_that_nobody_wants_any_more_is_cleaned_up() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        write(&workspace, &app.secret(""));
        workspace.apply(&[]).await.unwrap();
        let key = text(&state(&workspace)["key_id"]);
        write(&workspace, &app.secret("rotation_triggers = { n = \"1\" }"));
        tenant.fault(json!({ "path": ADD, "times": 1, "action": "drop_after_commit" })).await;
        fails(&workspace).await;
        write(&workspace, &app.secret(""));
        let (change, _) = planned(&workspace, 2, "update").await;
        assert_eq!((&change["after"]["key_ids"], &change["after"]["key_id"]), (&json!([key]), &json!(key)));
        assert_eq!(change["before"]["key_ids"].as_array().unwrap().len(), 2);
        apply_saved(&workspace).await;
        app.is_as_declared(&workspace, &tenant, 1).await;
    })
    .await;
}

/// Applies, kills the CLI and the provider the moment that the rule holds a request, and lets the request go on.
pub async fn apply_and_kill(workspace: &Workspace, tenant: &Tenant, rule: u64) {
    let mut apply = workspace
        .command(&["apply", "-no-color", "-input=false", "-auto-approve"])
        .process_group(0)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    tenant.until_held(rule).await;
    let group = format!("-{}", apply.id().unwrap());
    assert!(Command::new("kill").args(["-KILL", "--", &group]).status().unwrap().success());
    apply.wait().await.unwrap();
    tenant.control(Method::DELETE, "faults", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_commit_an_apply_is_done_again_without_a_leftover() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        let hold = json!({ "path": ADD, "times": 1, "action": { "hold": { "after_commit": true } } });
        write(&workspace, &app.secret(""));
        apply_and_kill(&workspace, &tenant, tenant.fault(hold.clone()).await).await;
        assert_eq!(app.secrets(&tenant).await.len(), 1);
        workspace.apply(&[]).await.unwrap();
        app.is_as_declared(&workspace, &tenant, 1).await;

        write(&workspace, &app.secret("rotation_triggers = { n = \"1\" }"));
        apply_and_kill(&workspace, &tenant, tenant.fault(hold).await).await;
        assert_eq!(app.secrets(&tenant).await.len(), 2);
        workspace.apply(&[]).await.unwrap();
        app.is_as_declared(&workspace, &tenant, 2).await;

        // And between the new secret and the removal of the one before the previous.
        write(&workspace, &app.secret("rotation_triggers = { n = \"2\" }"));
        let hold = json!({ "path": REMOVE, "times": 1, "action": { "hold": { "after_commit": true } } });
        apply_and_kill(&workspace, &tenant, tenant.fault(hold).await).await;
        // What a run of ours removed without the state's knowledge is no lag.
        tenant.later().await;
        workspace.apply(&[]).await.unwrap();
        app.is_as_declared(&workspace, &tenant, 2).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn throttled_refused_and_dropped_requests_are_repeated_where_that_is_safe() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        write(&workspace, &app.secret("keep_previous = false"));
        for action in [json!("conflict"), json!({ "throttle": { "retry_after": 0 } }), json!({ "fail": { "status": 503 } })] {
            tenant.fault(json!({ "path": ADD, "times": 1, "action": action })).await;
        }
        workspace.apply(&[]).await.unwrap();
        app.is_as_declared(&workspace, &tenant, 1).await;
        write(&workspace, &app.secret("keep_previous = false\n  rotation_triggers = { n = \"1\" }"));
        for action in [json!("conflict"), json!("drop_after_commit")] {
            tenant.fault(json!({ "path": REMOVE, "times": 1, "action": action })).await;
        }
        workspace.apply(&[]).await.unwrap();
        app.is_as_declared(&workspace, &tenant, 1).await;

        // A removal that is refused is a warning: the new secret is not lost for it, and the next apply tries again.
        write(&workspace, &app.secret("keep_previous = false\n  rotation_triggers = { n = \"2\" }"));
        let rule = tenant.fault(json!({ "path": REMOVE, "action": { "fail": { "status": 403, "code": "Authorization_RequestDenied" } } })).await;
        let output = flat(&workspace.apply(&[]).await.unwrap());
        assert!(output.contains("Warning: A former secret could not be removed"), "{output}");
        let value = text(&state(&workspace)["value"]);
        tenant.control(Method::DELETE, &format!("faults/{rule}"), None).await;
        let (change, _) = planned(&workspace, 2, "update").await;
        assert_eq!(change["after"]["key_ids"], json!([change["before"]["key_id"]]));
        apply_saved(&workspace).await;
        assert_eq!(state(&workspace)["value"], value.as_str());
        app.is_as_declared(&workspace, &tenant, 1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_lags_behind_costs_a_moment_and_no_second_secret() {
    every_cli(async |workspace, tenant| {
        tenant.control(Method::POST, "lag", Some(json!({ "requests": 8 }))).await;
        let connector = |trigger: &str| {
            format!(
                r#"
resource "m365_connector_app" "a" {{
  display_name = "x"
}}
resource "m365_connector_secret" "x" {{
  application_id    = m365_connector_app.a.id
  display_name      = "siem"
  rotation_triggers = {{ n = "{trigger}" }}
}}
"#
            )
        };
        for (trigger, count) in [("1", 1), ("2", 2), ("3", 2)] {
            write(&workspace, &connector(trigger));
            workspace.apply(&[]).await.unwrap();
            assert_no_change(&workspace).await;
            let app = tenant.applications().await.remove(0);
            assert_eq!(app["passwordCredentials"].as_array().unwrap().len(), count, "{app}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_planted_beside_a_rotating_secret_is_removed_and_just_that() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        let guarded = |trigger: &str| {
            let guard = format!(
                r#"
resource "m365_connector_credentials_exclusive" "x" {{
  application_id = "{}"
  key_ids        = m365_connector_secret.x.key_ids
}}
"#,
                app.id
            );
            write(&workspace, &(app.secret(&format!("rotation_triggers = {{ n = \"{trigger}\" }}")) + &guard));
        };
        guarded("1");
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        let planted = app.plant(&tenant, json!({ "displayName": "planted" })).await;
        guarded("2");
        let (code, plan, output) = workspace.plan(&[]).await.unwrap();
        assert_eq!(code, 2, "{output}");
        assert_rotates(change(&plan, SECRET), true);
        let guard = change(&plan, "m365_connector_credentials_exclusive.x");
        assert!(guard["before"]["key_ids"].as_array().unwrap().contains(&planted.clone().into()), "{guard}");
        assert!(!guard["after"]["key_ids"].as_array().unwrap().contains(&planted.into()), "{guard}");
        apply_saved(&workspace).await;
        let secret = app.key_ids(&tenant).await;
        assert_eq!(secret.len(), 2);
        assert_no_change(&workspace).await;
        guarded("3");
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        assert_eq!(app.secrets(&tenant).await.len(), 2);
    })
    .await;
}

/// Everything that the CLI says and leaves in its folder, at its most talkative, while a secret is made and rotated.
async fn overheard(
    workspace: &mut Workspace,
    tenant: &Tenant,
    app: &App,
    recipient: &str,
    values: &mut Secrets,
    open: impl Fn(&Value) -> String,
) -> Vec<(String, Vec<u8>)> {
    let log = workspace.folder().join("trace.log").display().to_string();
    workspace.set_environment(vec![("TF_LOG".to_owned(), "TRACE".to_owned()), ("TF_LOG_PATH".to_owned(), log)]);
    let mut said = Vec::new();
    for trigger in ["1", "2", "3"] {
        write(workspace, &app.secret(&format!("rotation_triggers = {{ n = \"{trigger}\" }}\n  {recipient}")));
        for arguments in [
            &["plan", "-no-color", "-input=false", "-out=plan.out"][..],
            &["show", "-json", "plan.out"],
            &["apply", "-no-color", "-input=false", "plan.out"],
            &["show", "-json"],
        ] {
            let output = workspace.run(arguments).await.unwrap().expect(0).unwrap();
            said.push((arguments.join(" "), output.into_bytes()));
        }
        let value = open(&state(workspace));
        assert!(app.opens(tenant, &value).await);
        values.add(trigger, &value);
        said.extend(everything_in(workspace.folder()));
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_recipient_no_log_plan_state_or_output_ever_holds_the_value() {
    every_cli(async |mut workspace, tenant| {
        let app = App::made(&tenant).await;
        let (identity, public) = key_pair();
        let open = |state: &Value| {
            let opened = age::decrypt(&identity, text(&state["encrypted_value"]).as_bytes()).unwrap();
            String::from_utf8(opened).unwrap()
        };
        let mut values = Secrets::default();
        let recipient = format!("recipient = \"{public}\"");
        let said = overheard(&mut workspace, &tenant, &app, &recipient, &mut values, open).await;
        assert!(said.iter().any(|(name, text)| name.ends_with("trace.log") && text.len() > 10_000));
        for (name, text) in &said {
            assert_eq!(values.shown_in(text), BTreeSet::new(), "{name}");
        }

        // The same search finds it where there is no recipient: in the state, and in nothing that the provider says.
        let mut values = Secrets::default();
        let said = overheard(&mut workspace, &tenant, &app, "", &mut values, |state| text(&state["value"])).await;
        let found: Vec<_> =
            said.iter().filter(|(_, text)| !values.shown_in(text).is_empty()).map(|(name, _)| name).collect();
        assert!(found.iter().any(|name| name.ends_with("terraform.tfstate")), "{found:?}");
        assert!(
            !found
                .iter()
                .any(|name| name.ends_with("trace.log") || name.starts_with("plan ") || name.starts_with("apply ")),
            "{found:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_in_parallel_all_exist_though_writes_collide() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        let twenty = |trigger: &str| {
            let further = format!("count = 20\n  rotation_triggers = {{ n = \"{trigger}\" }}");
            app.named("x", "siem-${count.index}", &further)
        };
        tenant.fault(json!({ "path": ADD, "every": 3, "action": "conflict" })).await;
        write(&workspace, &twenty("1"));
        workspace.apply(&["-parallelism=20"]).await.unwrap();
        let first = app.key_ids(&tenant).await;
        assert_eq!(first.len(), 20);
        assert_no_change(&workspace).await;
        // A rotation of all removes none of the others' new ones.
        write(&workspace, &twenty("2"));
        workspace.apply(&["-parallelism=20"]).await.unwrap();
        let both = app.key_ids(&tenant).await;
        assert!(both.len() == 40 && both.is_superset(&first), "{}", both.len());
        assert_no_change(&workspace).await;
        workspace.apply(&["-destroy"]).await.unwrap();
        assert_eq!(app.secrets(&tenant).await, Vec::<Value>::new());
    })
    .await;
}

/// Lets the sandbox's clock run while something is done: some seconds with each request that was seen meanwhile.
pub async fn while_time_passes<T>(tenant: &Tenant, work: impl Future<Output = T>) -> T {
    let clock = async {
        let mut seen = 0;
        loop {
            let count = list(&tenant.control(Method::GET, "requests", None).await.1).len();
            if count > seen {
                seen = count;
                tenant.control(Method::POST, "clock", Some(json!({ "advance": "PT4S" }))).await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        done = work => done,
        () = clock => unreachable!("the clock never stops"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_seconds_of_lag_cost_no_second_secret_and_no_rotation() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        for lag in [json!({ "seconds": 50, "replicas": ["stale"] }), json!({ "seconds": 50, "entries": true })] {
            tenant.control(Method::POST, "lag", Some(lag)).await;
            for trigger in ["1", "2", "3"] {
                write(&workspace, &app.secret(&format!("rotation_triggers = {{ n = \"{trigger}\" }}")));
                while_time_passes(&tenant, workspace.apply(&[])).await.unwrap();
                // The next plan may meet a replica that is behind; so may a process that knows nothing of this one.
                while_time_passes(&tenant, assert_no_change(&workspace)).await;
            }
            assert_eq!(app.key_ids(&tenant).await, texts(&state(&workspace)["key_ids"]));
            assert_eq!(app.secrets(&tenant).await.len(), 2);
            tenant.control(Method::DELETE, "lag", None).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_after_the_commit_leaves_exactly_one_secret() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        for (status, trigger, count) in [(503, "1", 1), (500, "2", 2), (503, "3", 2)] {
            let fail =
                json!({ "path": ADD, "times": 1, "action": { "fail": { "status": status, "after_commit": true } } });
            let rule = tenant.fault(fail).await;
            write(&workspace, &app.secret(&format!("rotation_triggers = {{ n = \"{trigger}\" }}")));
            let applied = workspace.run(&["apply", "-no-color", "-input=false", "-auto-approve"]).await.unwrap();
            assert!(tenant.faults().await.iter().any(|one| one["id"] == rule && one["struck"] == 1));
            if applied.code != 0 {
                // What cannot be repeated is found by the next apply.
                workspace.apply(&[]).await.unwrap();
            }
            app.is_as_declared(&workspace, &tenant, count).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_never_ends_blinds_nobody() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        write(&workspace, &app.secret(""));
        workspace.apply(&[]).await.unwrap();
        let planted =
            app.plant(&tenant, json!({ "displayName": "siem (m365)", "endDateTime": "9999-12-31T23:59:59Z" })).await;
        assert_no_change(&workspace).await;
        // It is imported, and what its end is shows as it is.
        let never = app.named("never", "siem (m365)", "").replace("siem (m365)", "other");
        write(&workspace, &(app.secret("") + &never));
        workspace
            .run(&[
                "import",
                "-no-color",
                "-input=false",
                "m365_connector_secret.never",
                &format!("{}/{planted}", app.id),
            ])
            .await
            .unwrap()
            .expect(0)
            .unwrap();
        let text = std::fs::read_to_string(workspace.folder().join("terraform.tfstate")).unwrap();
        assert!(text.contains("9999-12-31T23:59:59Z"), "{text}");
        workspace.apply(&["-destroy"]).await.unwrap();
        assert_eq!(app.secrets(&tenant).await, Vec::<Value>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_handed_on_within_a_day_is_refused_by_every_plan_and_nothing_live_is_removed() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        day(&tenant, 0).await;
        write(&workspace, &app.named("one", "siem", ""));
        workspace.apply(&[]).await.unwrap();
        let live = app.key_ids(&tenant).await;
        let refused = async |resources: &str| {
            write(&workspace, resources);
            for _ in 0..3 {
                let output = failed_plan(&workspace, &tenant).await;
                assert!(output.contains("The secret \"siem\" is another resource's until now"), "{output}");
                assert!(output.contains("`moved` block") && output.contains("two applies"), "{output}");
            }
        };
        refused(&(app.named("one", "siem-old", "") + &app.named("two", "siem", ""))).await;
        // Another address, without a word to the CLI.
        refused(&app.named("two", "siem", "")).await;
        let moved = "moved {\n  from = m365_connector_secret.one\n  to   = m365_connector_secret.two\n}\n";
        write(&workspace, &(app.named("two", "siem", "") + moved));
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        assert_eq!(app.key_ids(&tenant).await, live);

        // A day later it can be no leftover.
        day(&tenant, 2).await;
        write(&workspace, &app.named("three", "siem", ""));
        workspace.apply(&[]).await.unwrap();
        assert_eq!(app.secrets(&tenant).await.len(), 1);
        assert!(app.key_ids(&tenant).await.is_disjoint(&live));
        assert_no_change(&workspace).await;

        // Where its own destroy comes first, or is still to come, nothing is in the way.
        let first = "lifecycle {\n    create_before_destroy = true\n  }";
        for (more, taint) in [("", true), (first, false), (first, true), ("", false)] {
            write(&workspace, &app.named("three", "siem", more));
            workspace.apply(&[]).await.unwrap();
            let before = app.key_ids(&tenant).await;
            if taint {
                workspace.run(&["taint", "m365_connector_secret.three"]).await.unwrap().expect(0).unwrap();
                workspace.apply(&[]).await.unwrap();
            } else {
                workspace.apply(&["-replace=m365_connector_secret.three"]).await.unwrap();
            }
            assert!(app.secrets(&tenant).await.len() == 1 && app.key_ids(&tenant).await.is_disjoint(&before));
            assert_no_change(&workspace).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_state_may_have_is_named_by_the_plan_before_it_is_removed() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        let folder = tempfile::tempdir().unwrap();
        let other = second_workspace(&workspace, &tenant, folder.path());
        write(&workspace, &app.secret(""));
        workspace.apply(&[]).await.unwrap();
        let live = text(&state(&workspace)["key_id"]);
        write(&other, &app.secret(""));
        let (_, _, output) = other.plan(&[]).await.unwrap();
        let output = flat(&output);
        assert!(
            output.contains("A secret \"siem\" of the application will be removed") && output.contains(&live),
            "{output}"
        );
        assert!(output.contains("import it there or here"), "{output}");
        // What a rotation has replaced is known to a state, and stays.
        write(&workspace, &app.secret("rotation_triggers = { n = \"1\" }"));
        workspace.apply(&[]).await.unwrap();
        let (_, _, output) = other.plan(&[]).await.unwrap();
        assert!(!output.contains(&live) && output.contains(&text(&state(&workspace)["key_id"])), "{output}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nameless_secret_is_imported_and_declared_as_it_is() {
    every_cli(async |workspace, tenant| {
        let app = App::made(&tenant).await;
        let key = app.plant(&tenant, json!({})).await;
        write(&workspace, &app.named("x", "", ""));
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains("`display_name` has the wrong length"), "a new one has a name: {output}");
        let id = format!("{}/{key}", app.id);
        workspace.run(&["import", "-no-color", "-input=false", SECRET, &id]).await.unwrap().expect(0).unwrap();
        let (change, _) = planned(&workspace, 2, "update").await;
        assert_rotates(&change, true);
        apply_saved(&workspace).await;
        assert_no_change(&workspace).await;
        assert_eq!(app.secrets(&tenant).await.len(), 2);
    })
    .await;
}
