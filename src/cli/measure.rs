//! `measure`: how many requests and how long a number of connectors takes, with each CLI, against a simulated tenant. For
//! `docs/performance.md`, which is what it prints.

use super::print;
use super::terraform::{Workspace, find};
use crate::sandbox::Sandbox;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::Instant;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Numbers of connectors to measure with.
    #[arg(default_values_t = [1, 10, 200])]
    connectors: Vec<usize>,
}

const STARTS: usize = 21;
/// What a CLI sets for a plugin. Source: go-plugin's handshake, and the value that Terraform and OpenTofu share.
const COOKIE: (&str, &str) =
    ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2");

pub(super) async fn run(arguments: Arguments) -> Result<()> {
    let provider = std::env::current_exe().context("this program does not know where it is")?;
    print("# Performance\n");
    print(
        "Made by `cargo run --release -- measure` against the simulated tenant on one machine: times are for comparison with each other, counts hold everywhere.\n",
    );
    let start = started(&provider).await?;
    print(&format!(
        "A provider process is ready {:.1} ms after its start (median of {STARTS}){}.\n",
        start.milliseconds,
        start.resident.map(|size| format!(" and then holds {size:.1} MiB")).unwrap_or_default()
    ));
    print(
        "A connector here is an application with its service principal, a permission set of two permissions and the consent to both. Reads and writes are those of Microsoft Graph; several reads may share one HTTP call. Signing in is one more in each process.\n",
    );
    for cli in find()? {
        let mut version = None;
        for connectors in &arguments.connectors {
            let folder = tempfile::tempdir().context("no temporary folder could be made")?;
            let sandbox = Sandbox::start(([127, 0, 0, 1], 0).into()).await.context("no simulated tenant")?;
            let base = sandbox.connection().graph.trim_end_matches("/graph").to_owned();
            let workspace = Workspace::new(&cli, folder.path(), &provider, &base)?;
            if version.is_none() {
                let name = workspace.version().await?;
                print(&format!(
                    "## {name}\n\n| connectors | command | seconds | reads | writes | HTTP calls | of these per connector |\n| ---: | --- | ---: | ---: | ---: | ---: | ---: |"
                ));
                version = Some(name);
            }
            measure(&workspace, &sandbox, *connectors).await?;
        }
        print("");
    }
    Ok(())
}

async fn measure(workspace: &Workspace, sandbox: &Sandbox, connectors: usize) -> Result<()> {
    workspace.write(&configuration(connectors))?;
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
    let log = format!("{}/requests", sandbox.connection().control);
    for command in ["apply", "plan", "destroy"] {
        http.delete(&log).send().await?;
        let begun = Instant::now();
        match command {
            "plan" => {
                let code = workspace.run(&["plan", "-no-color", "-input=false", "-detailed-exitcode"]).await?.code;
                ensure!(code == 0, "the plan after the apply is not empty");
            }
            "apply" => drop(workspace.apply(&[]).await?),
            _ => drop(workspace.apply(&["-destroy"]).await?),
        }
        let seconds = begun.elapsed().as_secs_f64();
        let all: Value = http.get(&log).send().await?.json().await?;
        let to_graph = |one: &&Value| one["path"].as_str().is_some_and(|path| path.starts_with("/graph/"));
        let all: Vec<&Value> = all["value"].as_array().into_iter().flatten().filter(to_graph).collect();
        let reads = all.iter().filter(|one| one["method"] == "GET").count();
        let batches = all.iter().filter(|one| one["path"] == "/graph/v1.0/$batch").count();
        let calls = all.iter().filter(|one| one["batched"] != true).count();
        let each = f64::from(u32::try_from(calls)?) / f64::from(u32::try_from(connectors)?);
        let writes = all.len() - reads - batches;
        print(&format!("| {connectors} | {command} | {seconds:.1} | {reads} | {writes} | {calls} | {each:.1} |"));
    }
    Ok(())
}

/// So many connectors, each with its permission set and consent, in the simulated tenant.
pub fn configuration(connectors: usize) -> String {
    format!(
        r#"terraform {{
  required_providers {{
    m365 = {{ source = "connectors/m365" }}
  }}
}}
provider "m365" {{
  environment = "sandbox"
}}
locals {{
  connectors = toset([for number in range({connectors}) : format("connector-%03d", number)])
}}
resource "m365_connector_app" "each" {{
  for_each     = local.connectors
  display_name = each.key
}}
resource "m365_connector_permission_set" "each" {{
  for_each       = local.connectors
  application_id = m365_connector_app.each[each.key].id
  apis           = {{ microsoft_graph = {{ application = ["User.Read.All"], delegated = ["User.Read"] }} }}
}}
resource "m365_admin_consent" "each" {{
  for_each             = local.connectors
  service_principal_id = m365_connector_app.each[each.key].service_principal_id
  permissions          = m365_connector_permission_set.each[each.key].permissions
}}
"#
    )
}

/// How a provider process starts.
struct Start {
    /// From the start to the handshake line, median.
    milliseconds: f64,
    /// Resident memory then, in MiB, where the system tells.
    resident: Option<f64>,
}

async fn started(provider: &Path) -> Result<Start> {
    let (mut times, mut resident) = (Vec::new(), None);
    for _ in 0..STARTS {
        let begun = Instant::now();
        let mut process = tokio::process::Command::new(provider)
            .env(COOKIE.0, COOKIE.1)
            .env("PLUGIN_PROTOCOL_VERSIONS", "6")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("the provider cannot be started")?;
        let output = process.stdout.take().context("the provider has no output")?;
        let line = BufReader::new(output).lines().next_line().await?;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
        ensure!(line.is_some_and(|line| line.starts_with("1|6|")), "the provider gave no handshake");
        resident = process.id().and_then(resident_memory);
        process.kill().await?;
    }
    times.sort_by(f64::total_cmp);
    Ok(Start { milliseconds: times[STARTS / 2], resident })
}

/// Resident memory of a process in MiB. Source: proc(5).
fn resident_memory(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<f64>().ok()? / 1024.0)
}
