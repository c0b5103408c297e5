//! The provider as a process: interrupted with its CLI, with large messages, serving several provider blocks for a debugger, and ended.
#![cfg(unix)]

use crate::start::{COOKIE, answer, started};
use crate::workspace::{BLOCK, HEAD, PROVIDER, every_cli, flat};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Far beyond what anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

async fn signal(name: &str, process: &str) {
    assert!(Command::new("kill").args([name, "--", process]).status().await.unwrap().success());
}

async fn ended(child: &mut Child) -> std::process::ExitStatus {
    tokio::time::timeout(LIMIT, child.wait()).await.expect("it should end").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_in_mid_apply_keeps_what_was_made() {
    every_cli(async |workspace, tenant| {
        let workspace = workspace.by_itself();
        workspace.write(&format!("{HEAD}{BLOCK}resource \"m365_connector_app\" \"x\" {{\n  display_name = \"x\"\n}}\n")).unwrap();
        let hold = json!({ "methods": ["POST"], "path": "/graph/v1.0/applications", "times": 1, "action": { "hold": { "after_commit": true } } });
        let rule = tenant.fault(hold).await;
        let mut command = workspace.command(&["apply", "-no-color", "-input=false", "-auto-approve"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let group = format!("-{}", child.id().unwrap());
        tenant.until_held(rule).await;
        // As a terminal does: the CLI and the provider both get it.
        signal("-INT", &group).await;
        tenant.control(Method::DELETE, "faults", None).await;
        let done = tokio::time::timeout(LIMIT * 2, child.wait_with_output()).await.expect("it should end").unwrap();
        let output = flat(&(String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr)));
        for crashed in ["crashed", "did not respond", "panic"] {
            assert!(!output.contains(crashed), "{output}");
        }
        let state: Value =
            serde_json::from_str(&std::fs::read_to_string(workspace.folder().join("terraform.tfstate")).unwrap()).unwrap();
        let app = tenant.applications().await.remove(0);
        assert_eq!(state["resources"][0]["instances"][0]["attributes"]["id"], app["id"], "{output}");
        workspace.apply(&[]).await.unwrap();
        assert_eq!(tenant.applications().await.len(), 1);
        crate::workspace::assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_many_megabytes_pass_both_ways() {
    every_cli(async |workspace, tenant| {
        let app = tenant.admin(Method::POST, "/applications", Some(json!({ "displayName": "x" }))).await;
        std::fs::write(workspace.folder().join("large.txt"), "x".repeat(6 << 20)).unwrap();
        workspace.write(&format!("{HEAD}{BLOCK}resource \"m365_connector_secret\" \"x\" {{\n  application_id = {}\n  display_name = \"x\"\n  rotation_triggers = {{ large = file(\"large.txt\") }}\n}}\n", app["id"])).unwrap();
        let output = workspace.run(&["plan", "-no-color", "-input=false", "-out=plan.out"]).await.unwrap();
        // Not the whole output, which shows the value.
        assert_eq!(output.code, 0, "{}", flat(&output.output).chars().take(2000).collect::<String>());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debugged_provider_serves_each_provider_block_by_itself() {
    every_cli(async |mut workspace, tenant| {
        let mut provider = Command::new(PROVIDER)
            .arg("--debug")
            .env_remove(COOKIE.0)
            .env("M365_SANDBOX_URL", tenant.url())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(provider.stdout.take().unwrap()).lines();
        let reattach = loop {
            let line = tokio::time::timeout(LIMIT, lines.next_line()).await.expect("no line").unwrap().unwrap();
            if let Some((_, value)) = line.split_once("TF_REATTACH_PROVIDERS=") {
                break value.trim_matches('\'').to_owned();
            }
        };
        workspace.set_environment(vec![("TF_REATTACH_PROVIDERS".to_owned(), reattach)]);
        let other = "0b0b0000-0000-4000-8000-00000000000b";
        let home = tenant.connection().tenant_id.clone();
        workspace
            .write(&format!(
                r#"{HEAD}
provider "m365" {{
  environment = "sandbox"
}}
provider "m365" {{
  alias       = "other"
  environment = "sandbox"
  tenant_id   = "{other}"
}}
resource "m365_connector_app" "here" {{
  display_name = "here"
}}
resource "m365_connector_app" "there" {{
  provider     = m365.other
  display_name = "there"
}}
"#
            ))
            .unwrap();
        workspace.apply(&[]).await.unwrap();
        crate::workspace::assert_no_change(&workspace).await;
        for (id, name) in [(home.as_str(), "here"), (other, "there")] {
            let all = tenant.in_tenant(id, Method::GET, "/applications", None).await;
            let names: Vec<_> = all["value"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["displayName"].as_str().unwrap())
                .filter(|one| ["here", "there"].contains(one))
                .collect();
            assert_eq!(names, [name], "tenant {id}");
        }
        signal("-TERM", &provider.id().unwrap().to_string()).await;
        assert!(ended(&mut provider).await.success());
    })
    .await;
}

#[tokio::test]
async fn an_interrupt_right_after_the_start_ends_nothing() {
    let (mut child, line) = started(&[COOKIE]).await;
    signal("-INT", &child.id().unwrap().to_string()).await;
    assert_eq!(answer(&line).await.get(3), Some(&4), "it still answers");
    assert!(child.try_wait().unwrap().is_none());
}

#[tokio::test]
async fn asked_to_terminate_it_leaves_nothing_behind() {
    let (mut child, line) = started(&[COOKIE]).await;
    let folder = Path::new(line.split('|').nth(3).unwrap()).parent().unwrap().to_owned();
    assert!(folder.exists());
    signal("-TERM", &child.id().unwrap().to_string()).await;
    assert!(ended(&mut child).await.success());
    assert!(!folder.exists());
}

#[tokio::test]
async fn without_its_cli_it_ends_by_itself() {
    // Without TLS, which is no sign of a debugger.
    let (mut child, line) = started(&[COOKIE]).await;
    drop(answer(&line).await);
    assert!(ended(&mut child).await.success());
}
