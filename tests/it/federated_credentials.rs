//! Federated credentials of a connector: their life, what others do to them, what is taken over and what is refused.

use crate::tenant::{Tenant, list};
use crate::workspace::{BLOCK, HEAD, Workspace, assert_no_change, change, every_cli, failed_plan, flat};
use reqwest::Method;
use serde_json::{Value, json};

const ADDRESS: &str = "m365_connector_federated_credential.x";
const GITHUB: &str = "https://token.actions.githubusercontent.com";
const SUBJECT: &str = "repo:octo/app:environment:production";

fn app() -> String {
    format!("{HEAD}{BLOCK}resource \"m365_connector_app\" \"x\" {{\n  display_name = \"x\"\n}}\n")
}

fn configuration(name: &str, subject: &str, more: &str) -> String {
    format!(
        r#"{}
resource "m365_connector_federated_credential" "x" {{
  application_id = m365_connector_app.x.id
  name           = "{name}"
  issuer         = "{GITHUB}"
  subject        = "{subject}"
  {more}
}}
"#,
        app()
    )
}

async fn collection(tenant: &Tenant) -> String {
    format!("/applications/{}/federatedIdentityCredentials", tenant.applications().await[0]["id"].as_str().unwrap())
}

async fn all(tenant: &Tenant) -> Vec<Value> {
    list(&tenant.admin(Method::GET, &collection(tenant).await, None).await)
}

async fn plant(tenant: &Tenant, name: &str, subject: &str) -> Value {
    let body =
        json!({ "name": name, "issuer": GITHUB, "subject": subject, "audiences": ["api://AzureADTokenExchange"] });
    tenant.admin(Method::POST, &collection(tenant).await, Some(body)).await
}

async fn made(workspace: &Workspace) {
    workspace.write(&configuration("github", SUBJECT, "")).unwrap();
    workspace.apply(&[]).await.unwrap();
    assert_no_change(workspace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_federated_credential_is_made_changed_in_place_renamed_and_removed() {
    every_cli(async |workspace, tenant| {
        made(&workspace).await;
        let first = all(&tenant).await.remove(0);
        assert_eq!(
            (&first["name"], &first["issuer"], &first["subject"]),
            (&json!("github"), &json!(GITHUB), &json!(SUBJECT))
        );
        assert_eq!(
            (&first["audiences"], &first["description"]),
            (&json!(["api://AzureADTokenExchange"]), &Value::Null)
        );
        let other = "repo:octo/app:ref:refs/heads/main";
        let steps = [
            (other, "description = \"d\"", json!("d"), json!("api://AzureADTokenExchange")),
            (other, "audiences = [\"api://other\"]", json!("d"), json!("api://other")),
            (SUBJECT, "description = \"\"", Value::Null, json!("api://AzureADTokenExchange")),
        ];
        for (subject, more, description, audience) in steps {
            workspace.write(&configuration("github", subject, more)).unwrap();
            workspace.apply(&[]).await.unwrap();
            assert_no_change(&workspace).await;
            let now = all(&tenant).await.remove(0);
            assert_eq!((&now["id"], &now["subject"], &now["audiences"][0]), (&first["id"], &json!(subject), &audience));
            assert_eq!(now["description"], description);
        }
        workspace.write(&configuration("renamed", SUBJECT, "")).unwrap();
        let (_, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!(change(&plan, ADDRESS)["actions"], json!(["delete", "create"]));
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        assert_eq!(all(&tenant).await.iter().map(|one| one["name"].clone()).collect::<Vec<_>>(), [json!("renamed")]);
        workspace.run(&["apply", "-auto-approve", "-destroy", "-target", ADDRESS]).await.unwrap().expect(0).unwrap();
        assert_eq!(all(&tenant).await.len(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_by_hand_shows_and_is_repaired() {
    every_cli(async |workspace, tenant| {
        workspace.write(&configuration("github", SUBJECT, "description = \"d\"")).unwrap();
        workspace.apply(&[]).await.unwrap();
        let path = format!("{}/github", collection(&tenant).await);
        for (property, tampered, attribute) in [
            ("issuer", json!("https://evil.example"), "issuer"),
            ("subject", json!("repo:evil/app:environment:x"), "subject"),
            ("audiences", json!(["api://evil"]), "audiences"),
            ("description", json!("nothing to see"), "description"),
        ] {
            let before = all(&tenant).await;
            tenant.admin(Method::PATCH, &path, Some(json!({ property: tampered }))).await;
            let (code, plan, output) = workspace.plan(&[]).await.unwrap();
            let seen = change(&plan, ADDRESS);
            assert_eq!(
                (code, &seen["before"][attribute], &seen["actions"]),
                (2, &tampered, &json!(["update"])),
                "{output}"
            );
            workspace.apply(&[]).await.unwrap();
            assert_eq!(all(&tenant).await, before);
            assert_no_change(&workspace).await;
        }
        tenant.later().await;
        tenant.admin(Method::DELETE, &path, None).await;
        let (_, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!(change(&plan, ADDRESS)["actions"], json!(["create"]));
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;

        // Of a deleted application Graph does not show them: what the state holds stays.
        let app = path.split('/').nth(2).unwrap().to_owned();
        tenant.admin(Method::DELETE, &format!("/applications/{app}"), None).await;
        let (code, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!((code, &change(&plan, ADDRESS)["actions"]), (2, &json!(["no-op"])));
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        assert_eq!(all(&tenant).await.len(), 1);
        tenant.admin(Method::DELETE, &format!("/applications/{app}"), None).await;
        workspace.apply(&["-destroy", "-refresh=false"]).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_equal_one_is_taken_over_and_any_other_is_an_error_that_says_how_to_go_on() {
    every_cli(async |workspace, tenant| {
        workspace.write(&app()).unwrap();
        workspace.apply(&[]).await.unwrap();
        let planted = plant(&tenant, "github", SUBJECT).await;
        let id = tenant.applications().await[0]["id"].as_str().unwrap().to_owned();

        workspace.write(&configuration("github", "repo:octo/app:environment:test", "")).unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains("Another federated credential already has the name \"github\""), "{output}");
        assert!(output.contains(&format!("import it with the id `{id}/github`")), "{output}");

        workspace.write(&configuration("other", SUBJECT, "audiences = [\"api://other\"]")).unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        assert!(
            output.contains("already trusts this issuer and subject") && output.contains("name = \"github\""),
            "{output}"
        );

        workspace.write(&configuration("github", SUBJECT, "description = \"ours\"")).unwrap();
        let output = flat(&workspace.apply(&[]).await.unwrap());
        assert!(output.contains("had the federated credential \"github\" already"), "{output}");
        assert_no_change(&workspace).await;
        let found = all(&tenant).await;
        assert_eq!((found.len(), &found[0]["id"], &found[0]["description"]), (1, &planted["id"], &json!("ours")));

        for prefix in [String::new(), format!("{}/", tenant.connection().tenant_id)] {
            workspace.run(&["state", "rm", ADDRESS]).await.unwrap().expect(0).unwrap();
            let named = format!("{prefix}{id}/github");
            workspace.run(&["import", "-no-color", "-input=false", ADDRESS, &named]).await.unwrap().expect(0).unwrap();
            assert_no_change(&workspace).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_token_would_match_fails_before_anything_is_written() {
    every_cli(async |workspace, tenant| {
        let good = configuration("github", SUBJECT, "");
        for (from, to, why) in [
            (GITHUB, "http://token.actions.githubusercontent.com", "an `https` URL"),
            (GITHUB, "https://token.actions.githubusercontent.com/", "without a slash at the end"),
            (SUBJECT, "repo:octo/*:environment:production", "stands for itself"),
            (SUBJECT, "repo:octo/app", "neither an environment nor a branch"),
            (SUBJECT, " repo:octo/app:environment:x", "begins or ends with a blank"),
            ("\"github\"", "\"a b\"", "no usable name of a federated credential"),
            ("subject  ", "audiences = [\"a\", \"b\"]\n  subject  ", "exactly one audience"),
        ] {
            workspace.write(&good.replace(from, to)).unwrap();
            let output = failed_plan(&workspace, &tenant).await;
            assert!(output.contains(why), "{to}: {output}");
        }
        workspace.write(&configuration("github", "repo:octo/app:pull_request", "")).unwrap();
        let (_, _, output) = workspace.plan(&[]).await.unwrap();
        assert!(output.contains("Every pull request of the repository can sign in"), "{output}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_in_parallel_all_exist_and_a_further_one_has_no_room() {
    every_cli(async |workspace, tenant| {
        let many = |count: u32| {
            configuration("github-${count.index}", "repo:octo/app-${count.index}:environment:x", &format!("count = {count}"))
        };
        workspace.write(&many(20)).unwrap();
        let post = |skip: u64, every: u64, times: u64, action: Value| json!({ "methods": ["POST"], "path": "/graph/v1.0/applications/*/federatedIdentityCredentials", "skip": skip, "every": every, "times": times, "action": action });
        tenant.fault(post(0, 3, 4, json!("conflict"))).await;
        tenant.fault(post(1, 4, 3, json!("drop_after_commit"))).await;
        workspace.apply(&["-parallelism=20"]).await.unwrap();
        assert!(tenant.faults().await.iter().all(|one| one["struck"].as_u64() > Some(0)), "{:?}", tenant.faults().await);
        tenant.control(Method::DELETE, "faults", None).await;
        assert_eq!(all(&tenant).await.len(), 20);
        assert_no_change(&workspace).await;
        // What this configuration alone says: every one of them beyond the twentieth is refused.
        workspace.write(&many(21)).unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains("21 federated credentials are declared for one application"), "{output}");
        // New names for the same trusts need no room.
        workspace.write(&many(20).replace("github-${count.index}", "trust-${count.index}")).unwrap();
        let output = workspace.apply(&["-parallelism=20"]).await.unwrap();
        assert_eq!(all(&tenant).await.len(), 20, "{output}");
        assert_no_change(&workspace).await;
        for number in 0..20 {
            workspace.run(&["state", "rm", &format!("{ADDRESS}[{number}]")]).await.unwrap().expect(0).unwrap();
        }
        workspace.write(&configuration("github-x", "repo:octo/x:environment:x", "")).unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains("no room for another federated credential"), "{output}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_name_twice_in_a_run_is_an_error() {
    every_cli(async |workspace, tenant| {
        workspace.write(&app()).unwrap();
        workspace.apply(&[]).await.unwrap();
        workspace.write(&configuration("github", "repo:octo/app-${count.index}:environment:x", "count = 2")).unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains("of one application have the same name"), "{output}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_lags_behind_shows_no_drift() {
    every_cli(async |workspace, tenant| {
        let lag = json!({ "requests": 3, "replicas": ["stale", "fresh", "fresh"] });
        assert_eq!(tenant.control(Method::POST, "lag", Some(lag)).await.0, 204);
        for subject in [SUBJECT, "repo:octo/app:ref:refs/heads/main"] {
            workspace.write(&configuration("github", subject, "")).unwrap();
            workspace.apply(&[]).await.unwrap();
            assert_no_change(&workspace).await;
        }
        tenant.control(Method::DELETE, "lag", None).await;
        let found = all(&tenant).await;
        assert_eq!((found.len(), &found[0]["subject"]), (1, &json!("repo:octo/app:ref:refs/heads/main")));
    })
    .await;
}

/// Two credentials under one `for_each`, or one under any address.
fn each(keys: &[(&str, &str)], more: &str) -> String {
    let all: Vec<_> =
        keys.iter().map(|(name, subject)| format!("\"{name}\" = \"repo:octo/{subject}:environment:x\"")).collect();
    configuration("${each.key}", "${each.value}", &format!("for_each = {{ {} }}\n  {more}", all.join(", ")))
}

async fn names(tenant: &Tenant) -> Vec<String> {
    let mut names: Vec<_> = all(tenant).await.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

const CREDENTIALS: &str = "/graph/v1.0/applications/*/federatedIdentityCredentials";

/// Rules under which a create ends after a delete that was asked for at the same time has begun, and the other way round.
fn orders() -> [Value; 2] {
    let delay = json!({ "delay": { "milliseconds": 700 } });
    [
        json!({ "methods": ["POST"], "path": CREDENTIALS, "action": delay }),
        // The plan in apply looks first: its create begins later.
        json!({ "methods": ["GET"], "path": CREDENTIALS, "action": delay }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_an_address_without_moved_and_a_replacement_end_with_what_is_declared_in_any_order() {
    every_cli(async |workspace, tenant| {
        let first = "lifecycle {\n    create_before_destroy = true\n  }";
        workspace.write(&each(&[("old-key", "a"), ("other", "b")], "")).unwrap();
        workspace.apply(&[]).await.unwrap();
        for (round, order) in orders().into_iter().enumerate() {
            // Another key: the trust is exchanged, and every plan says so.
            let (new, fault) = (format!("key-{round}"), tenant.fault(order.clone()).await);
            workspace.write(&each(&[(&new, "a"), ("other", "b")], "")).unwrap();
            let (code, _, output) = workspace.plan(&[]).await.unwrap();
            assert!(code == 2 && flat(&output).contains(&format!("will be exchanged for \"{new}\"")), "{output}");
            workspace.apply(&[]).await.unwrap();
            assert_eq!(names(&tenant).await, [new.clone(), "other".to_owned()]);
            assert_no_change(&workspace).await;
            // Another address.
            workspace
                .write(
                    &each(&[(&new, "a"), ("other", "b")], "")
                        .replace("\"x\" {\n  application_id", &format!("\"y{round}\" {{\n  application_id")),
                )
                .unwrap();
            workspace.apply(&[]).await.unwrap();
            assert_eq!(names(&tenant).await, [new.clone(), "other".to_owned()]);
            assert_no_change(&workspace).await;
            workspace.write(&each(&[(&new, "a"), ("other", "b")], "")).unwrap();
            workspace.apply(&[]).await.unwrap();
            tenant.control(Method::DELETE, &format!("faults/{fault}"), None).await;
        }
        // A replacement, the new one first: under another name, and under the same.
        for name in ["before", "renamed"] {
            workspace.write(&configuration(name, "repo:octo/z:environment:x", first)).unwrap();
            workspace.apply(&[]).await.unwrap();
            assert_eq!(names(&tenant).await, [name]);
            assert_no_change(&workspace).await;
        }
        workspace.apply(&["-replace=m365_connector_federated_credential.x"]).await.unwrap();
        assert_eq!(names(&tenant).await, ["renamed"]);
        assert_no_change(&workspace).await;
        workspace.run(&["taint", ADDRESS]).await.unwrap().expect(0).unwrap();
        workspace.apply(&[]).await.unwrap();
        assert_eq!(names(&tenant).await, ["renamed"]);
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trust_twice_and_one_that_another_has_are_refused_by_every_plan() {
    every_cli(async |workspace, tenant| {
        workspace.write(&each(&[("one", "a"), ("two", "b")], "")).unwrap();
        workspace.apply(&[]).await.unwrap();
        workspace.write(&each(&[("one", "a"), ("two", "b"), ("three", "b")], "")).unwrap();
        for _ in 0..3 {
            let output = failed_plan(&workspace, &tenant).await;
            assert!(output.contains("Two federated credentials of one application trust the same tokens"), "{output}");
        }
        // Swapped, each would be refused by Entra while the other one still has it.
        workspace.write(&each(&[("one", "b"), ("two", "a")], "")).unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        assert_eq!(output.matches("already trusts this issuer and subject").count(), 2, "{output}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tenant_holds_already_stays_with_a_warning_and_what_is_new_is_refused() {
    every_cli(async |workspace, tenant| {
        workspace.write(&app()).unwrap();
        workspace.apply(&[]).await.unwrap();
        let subject = "repo:octo/*:environment:x";
        plant(&tenant, "github", subject).await;
        let id = tenant.applications().await[0]["id"].as_str().unwrap().to_owned();
        workspace.write(&configuration("github", subject, "")).unwrap();
        workspace
            .run(&["import", "-no-color", "-input=false", ADDRESS, &format!("{id}/github")])
            .await
            .unwrap()
            .expect(0)
            .unwrap();
        let (code, _, output) = workspace.plan(&[]).await.unwrap();
        assert!(
            code == 0 && output.contains("Warning: \"repo:octo/*:environment:x\" is no usable subject"),
            "{output}"
        );
        workspace.write(&configuration("github", "repo:evil/*:environment:x", "")).unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains("Error: \"repo:evil/*:environment:x\" is no usable subject"), "{output}");
        // An equal one that a create takes over is there already, too.
        workspace.run(&["state", "rm", ADDRESS]).await.unwrap().expect(0).unwrap();
        workspace.write(&configuration("github", subject, "audiences = [\"api://AzureADTokenExchange\"]")).unwrap();
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        // Entra's login of this cloud asks for another audience.
        workspace
            .write(&configuration("github", subject, "audiences = [\"api://AzureADTokenExchangeUSGov\"]"))
            .unwrap();
        let (code, _, output) = workspace.plan(&[]).await.unwrap();
        assert!(
            code == 2 && output.contains("Warning: Tokens for \"api://AzureADTokenExchangeUSGov\" are unusual"),
            "{output}"
        );
    })
    .await;
}
