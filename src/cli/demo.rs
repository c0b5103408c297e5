//! `demo`: the whole story against a simulated tenant, with the real CLI: five vendors' connectors are planned, made, tampered with,
//! seen drifting, repaired and taken away. What it says of the tenant it reads by itself, not through the provider.

mod cast;
mod tenant;

use super::terraform::{Workspace, find};
use super::{interrupted, print};
use crate::sandbox::Sandbox;
use anyhow::{Context, Result, bail, ensure};
use cast::{BAD, BOLD, CHANGED, DIM, Expect, GOOD, LURED, PROFILES, VICTIM};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tenant::{Connector, Reader};
use tokio::time::Instant;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Leave the connectors, the simulated tenant and the folder to play with, until Ctrl-C.
    #[arg(long)]
    keep: bool,
}

/// The configuration of the story. Also an example for users.
const CONFIGURATION: &str = include_str!("../../examples/five-connectors/main.tf");
const STEPS: usize = 8;
/// What an interrupted CLI is given to end by itself.
const GRACE: Duration = Duration::from_secs(20);

pub(super) async fn run(arguments: Arguments) -> Result<()> {
    let stop = interrupted().context("cannot listen for interrupts")?;
    tokio::pin!(stop);
    let cli = find()?.into_iter().next().context("no CLI was found")?;
    let sandbox =
        Sandbox::start(([127, 0, 0, 1], 0).into()).await.context("the simulated tenant could not be started")?;
    let folder =
        tempfile::Builder::new().prefix("m365-demo-").tempdir().context("no temporary folder could be made")?;
    let base = sandbox.connection().graph.trim_end_matches("/graph").to_owned();
    let provider = std::env::current_exe().context("this program does not know where it is")?;
    let workspace = Workspace::new(&cli, folder.path(), &provider, &base)?.by_itself();
    let reader = Reader::new(&sandbox)?;
    let mut told = Box::pin(story(&workspace, &reader, &base, arguments.keep));
    tokio::select! {
        told = &mut told => told?,
        () = &mut stop => {
            // The CLI ends its providers when it is asked to end; killed, it would leave them behind.
            workspace.interrupt().await;
            tokio::time::timeout(GRACE, &mut told).await.ok();
            workspace.kill().await;
            bail!("interrupted; the simulated tenant and its folder are gone")
        }
    }
    drop(told);
    if arguments.keep {
        how_to_play_on(&cli, folder.path(), &base, &sandbox.connection().control, &sandbox.connection().tenant_id);
        stop.await;
        print("\nThe simulated tenant and its folder are gone.");
    }
    Ok(())
}

async fn story(workspace: &Workspace, reader: &Reader, base: &str, keep: bool) -> Result<()> {
    print(&format!(
        "{BOLD}Five vendors' connectors in one tenant{BOLD:#}\n{DIM}{} · simulated tenant at {base} · examples/five-connectors/main.tf{DIM:#}",
        workspace.version().await?
    ));
    let mut steps = Steps::start();

    steps.next("A vendor's portal makes an application of its own, as some do");
    let defense_com = reader.add_foreign_application().await?;
    workspace.write(CONFIGURATION)?;
    workspace.write_variables(&format!("defense_com_client_id = \"{}\"\n", defense_com.client_id))?;
    print("    Defense.com, with 1 permission; its client id goes into the configuration");
    let connectors = documented(&defense_com)?;

    steps.next("Plan: what each vendor will be allowed, before anything happens");
    let (code, plan, text) = workspace.plan(&[]).await?;
    ensure!(code == 2, "the first plan should propose to create the connectors");
    check_promises(&plan, &connectors)?;
    print(&excerpt(&text, &format!("m365_admin_consent.this[\"{VICTIM}\"]"), "permissions"));
    print(&format!("    {DIM}… the same for the others …{DIM:#}\n    {}", summary(&text)));

    steps.next("Apply, and look at the tenant");
    workspace.apply(&["plan.out"]).await?;
    reader.show(&connectors, Expect::Right).await?;

    steps.next("Plan again");
    ensure!(workspace.plan(&[]).await?.0 == 0, "the second plan is not empty");
    print(&format!("    {GOOD}No changes.{GOOD:#}"));

    steps.next("Three weeks later: an attacker was here, and somebody revoked too much");
    reader.three_weeks_later().await?;
    reader.tamper(&connectors).await?;
    reader.show(&connectors, Expect::Wrong).await?;

    steps.next("Plan: drift in both directions, by name");
    let (code, plan, text) = workspace.plan(&[]).await?;
    ensure!(code == 2, "the drift is not seen");
    let (consent, app) =
        (format!("m365_admin_consent.this[\"{VICTIM}\"]"), format!("m365_connector_app.this[\"{LURED}\"]"));
    ensure!(
        changed(&plan) == BTreeSet::from([consent.clone(), app.clone()]),
        "the plan shows something else: {:?}",
        changed(&plan)
    );
    print(&excerpt(&text, &consent, "permissions"));
    print(&excerpt(&text, &app, "web_redirect_uris"));
    print(&format!("    {}", summary(&text)));

    steps.next("Apply: repaired");
    workspace.apply(&["plan.out"]).await?;
    reader.show(&connectors, Expect::Right).await?;
    ensure!(workspace.plan(&[]).await?.0 == 0, "the plan after the repair is not empty");
    print(&format!("    {GOOD}No changes{GOOD:#} in the plan after that."));

    if keep {
        return Ok(());
    }
    steps.next("Destroy: what is ours goes, what the vendor made stays");
    workspace.apply(&["-destroy"]).await?;
    ensure!(reader.own_applications(&connectors).await? == 0, "an application is left");
    reader.show(&[defense_com], Expect::Right).await?;
    steps.end();
    print(&format!(
        "\n{BOLD}Done in {:.1} s.{BOLD:#} `demo --keep` leaves it all to play with.",
        steps.started.elapsed().as_secs_f32()
    ));
    Ok(())
}

/// Numbered steps, each with the time that it took.
struct Steps {
    started: Instant,
    step: Option<Instant>,
    number: usize,
}

impl Steps {
    fn start() -> Self {
        Self { started: Instant::now(), step: None, number: 0 }
    }

    fn next(&mut self, title: &str) {
        self.end();
        self.number += 1;
        self.step = Some(Instant::now());
        print(&format!("\n{BOLD}{}/{STEPS}  {title}{BOLD:#}", self.number));
    }

    fn end(&self) {
        if let Some(step) = self.step {
            print(&format!("    {DIM}{:.1} s{DIM:#}", step.elapsed().as_secs_f32()));
        }
    }
}

/// The connectors with what their documents list.
fn documented(defense_com: &Connector) -> Result<Vec<Connector>> {
    let mut all = PROFILES.iter().map(|profile| Connector::of_profile(profile)).collect::<Result<Vec<_>>>()?;
    all.push(defense_com.with_profile("defense-com-users")?);
    Ok(all)
}

/// The plan has to name exactly what the documents list.
fn check_promises(plan: &Value, connectors: &[Connector]) -> Result<()> {
    for connector in connectors.iter().filter(|one| PROFILES.contains(&one.name.as_str())) {
        let address = format!("m365_admin_consent.this[\"{}\"]", connector.name);
        let changes = plan["resource_changes"].as_array().context("the plan has no changes")?;
        let consent = changes
            .iter()
            .find(|one| one["address"] == *address)
            .with_context(|| format!("{address} is not planned"))?;
        let keys =
            consent["change"]["after"]["permissions"].as_array().context("the plan does not know the permissions")?;
        let promised: BTreeSet<&str> = keys.iter().filter_map(Value::as_str).collect();
        ensure!(
            promised == connector.documented.iter().map(String::as_str).collect(),
            "the plan of {} does not show what its document lists",
            connector.name
        );
    }
    Ok(())
}

/// Addresses of what a plan changes.
fn changed(plan: &Value) -> BTreeSet<String> {
    let changes = plan["resource_changes"].as_array().into_iter().flatten();
    changes
        .filter(|one| one["change"]["actions"] != serde_json::json!(["no-op"]))
        .filter_map(|one| one["address"].as_str().map(str::to_owned))
        .collect()
}

/// What the CLI's plan says of one attribute of a resource, as it stands there but for the colours.
fn excerpt(text: &str, address: &str, attribute: &str) -> String {
    let heading = format!("  # {address} will be ");
    let block: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with(&heading))
        .take_while(|line| !line.starts_with("    }"))
        .collect();
    let names = |line: &&&str| {
        let words: Vec<_> = line.split_whitespace().take(3).collect();
        matches!(words.as_slice(), ["+" | "-" | "~", name, "="] if *name == attribute)
    };
    let start = block.iter().position(|line| names(&line)).unwrap_or(block.len());
    let end =
        block.iter().skip(start).position(|line| line.trim_start() == "]").map_or(block.len(), |end| start + end + 1);
    let shown = block.iter().take(2).chain(block.get(start..end).unwrap_or_default());
    shown.map(|line| format!("  {}", coloured(line))).collect::<Vec<_>>().join("\n")
}

fn coloured(line: &str) -> String {
    let style = match line.trim_start().chars().next() {
        Some('+') => GOOD,
        Some('-') => BAD,
        Some('~') => CHANGED,
        _ => DIM,
    };
    format!("{style}{line}{style:#}")
}

/// The CLI's own count.
fn summary(text: &str) -> &str {
    text.lines().find(|line| line.starts_with("Plan: ")).unwrap_or_default()
}

fn how_to_play_on(cli: &Path, folder: &Path, base: &str, control: &str, tenant: &str) {
    print(&format!(
        "\n{BOLD}The tenant and the folder are yours until Ctrl-C.{BOLD:#} In another terminal:\n
    cd '{folder}'
    export TF_CLI_CONFIG_FILE='{folder}/cli.tfrc' M365_SANDBOX_URL={base}
    '{cli}' plan

What an administrator sees, and may change by hand, with `curl` and no sign-in:\n
    curl {control}/tenants/{tenant}/v1.0/applications",
        folder = folder.display(),
        cli = cli.display(),
    ));
}
