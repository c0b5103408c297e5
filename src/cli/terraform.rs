//! The real `terraform` or `tofu`: found on the machine, and run in a folder of its own with this build of the provider.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// Variable with the CLI to use: a name or a path.
pub const OVERRIDE: &str = "M365_CLI";

/// Every CLI on this machine, or just the one that `M365_CLI` names. Fails with how to get one.
pub fn find() -> Result<Vec<PathBuf>> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let names = set(OVERRIDE).map_or_else(|| vec!["tofu".to_owned(), "terraform".to_owned()], |name| vec![name]);
    let folders: Vec<PathBuf> = set("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    let located = |name: &String| {
        let here = PathBuf::from(name);
        let candidates = if here.components().count() > 1 {
            vec![here]
        } else {
            folders.iter().map(|folder| folder.join(name)).collect()
        };
        candidates.into_iter().find(|path| path.is_file()).and_then(|path| path.canonicalize().ok())
    };
    let found: Vec<_> = names.iter().filter_map(located).collect();
    if found.is_empty() {
        bail!(
            "neither `tofu` nor `terraform` is on this machine ({} was looked for). Install OpenTofu (https://opentofu.org/docs/intro/install) or \
             Terraform, or set {OVERRIDE} to the path of one.",
            names.join(", ")
        );
    }
    Ok(found)
}

/// A folder with a configuration, and a CLI that runs in it.
pub struct Workspace {
    cli: PathBuf,
    folder: PathBuf,
    sandbox: String,
}

/// What a run of the CLI gave.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Exit code: for `plan -detailed-exitcode` 0 means no change, 2 changes.
    pub code: i32,
    /// Standard output and error.
    pub output: String,
}

impl Outcome {
    /// The output of a run that ended with `code`; any other is an error that shows it.
    pub fn expect(self, code: i32) -> Result<String> {
        if self.code == code {
            Ok(self.output)
        } else {
            bail!("exit code {} instead of {code}:\n{}", self.code, self.output)
        }
    }
}

impl Workspace {
    /// A workspace in an existing folder. `provider` is the provider's binary, `sandbox` the base URL of the simulated tenant.
    pub fn new(cli: &Path, folder: &Path, provider: &Path, sandbox: &str) -> Result<Self> {
        let binaries = provider.parent().context("the provider's binary has no folder")?;
        let overrides = format!(
            "provider_installation {{\n  dev_overrides {{\n    \"connectors/m365\" = {binaries:?}\n  }}\n  direct {{}}\n}}\n"
        );
        std::fs::write(folder.join("cli.tfrc"), overrides)?;
        Ok(Self { cli: cli.to_owned(), folder: folder.to_owned(), sandbox: sandbox.to_owned() })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Replaces the configuration.
    pub fn write(&self, configuration: &str) -> Result<()> {
        std::fs::write(self.folder.join("main.tf"), configuration).context("the configuration cannot be written")
    }

    /// The CLI, ready to be run here; dropping what is spawned from it ends it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.cli);
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env("TF_CLI_CONFIG_FILE", self.folder.join("cli.tfrc"))
            .env("M365_SANDBOX_URL", &self.sandbox)
            .env("TF_IN_AUTOMATION", "1")
            .env("CHECKPOINT_DISABLE", "1")
            .env_remove("TF_LOG")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs the CLI and waits for its end.
    pub async fn run(&self, arguments: &[&str]) -> Result<Outcome> {
        let done =
            self.command(arguments).output().await.with_context(|| format!("{} cannot be run", self.cli.display()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Outcome { code: done.status.code().unwrap_or(-1), output: text(&done.stdout) + &text(&done.stderr) })
    }

    /// Plans into a file and gives the exit code of `-detailed-exitcode` with the plan as JSON.
    pub async fn plan(&self, further: &[&str]) -> Result<(i32, Value, String)> {
        let mut arguments = vec!["plan", "-no-color", "-input=false", "-detailed-exitcode", "-out=plan.out"];
        arguments.extend(further);
        let planned = self.run(&arguments).await?;
        if planned.code == 1 {
            bail!("the plan failed:\n{}", planned.output);
        }
        let shown = self.run(&["show", "-json", "plan.out"]).await?.expect(0)?;
        let json = shown.lines().find(|line| line.starts_with('{')).context("`show -json` gave no JSON")?;
        Ok((planned.code, serde_json::from_str(json)?, planned.output))
    }

    /// Applies the configuration, or destroys what it made.
    pub async fn apply(&self, further: &[&str]) -> Result<String> {
        let mut arguments = vec!["apply", "-no-color", "-input=false", "-auto-approve"];
        arguments.extend(further);
        self.run(&arguments).await?.expect(0)
    }

    /// Name and version of the CLI.
    pub async fn version(&self) -> Result<String> {
        Ok(self.run(&["version"]).await?.expect(0)?.lines().next().unwrap_or_default().to_owned())
    }
}
