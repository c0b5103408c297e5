//! The real `terraform` or `tofu`: found on the machine, and run in a folder of its own with this build of the provider.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::process::Command;

/// Variable with the CLIs to use: names or paths, separated as in `PATH`.
pub const OVERRIDE: &str = "M365_CLI";

/// Every CLI on this machine, or those that `M365_CLI` names. Fails with how to get one, and on a name that is not there.
pub fn find() -> Result<Vec<PathBuf>> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let list = |value: &OsStr| std::env::split_paths(value).collect::<Vec<_>>();
    locate(set(OVERRIDE).as_deref().map(list), &set("PATH").as_deref().map(list).unwrap_or_default())
}

fn locate(named: Option<Vec<PathBuf>>, folders: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let located = |name: &Path| {
        let candidates = if name.components().count() > 1 {
            vec![name.to_owned()]
        } else {
            folders.iter().map(|folder| folder.join(name)).collect()
        };
        candidates.into_iter().find(|path| path.is_file()).and_then(|path| path.canonicalize().ok())
    };
    if let Some(named) = named {
        let all = named.iter().map(|name| {
            located(name)
                .with_context(|| format!("{OVERRIDE} names `{}`, which is not on this machine", name.display()))
        });
        return all.collect();
    }
    let found: Vec<_> = ["tofu", "terraform"].iter().filter_map(|name| located(Path::new(name))).collect();
    if found.is_empty() {
        bail!(
            "neither `tofu` nor `terraform` is on this machine. Install OpenTofu (https://opentofu.org/docs/intro/install) or Terraform, \
             or set {OVERRIDE} to the path of one."
        );
    }
    Ok(found)
}

/// A folder with a configuration, and a CLI that runs in it.
pub struct Workspace {
    cli: PathBuf,
    folder: PathBuf,
    sandbox: String,
    environment: Vec<(String, String)>,
    by_itself: bool,
    running: Mutex<Running>,
}

/// The CLI that is running just now.
#[derive(Default)]
struct Running {
    process: Option<u32>,
    /// None may be started any more.
    stopped: bool,
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
        Ok(Self {
            cli: cli.to_owned(),
            folder: folder.to_owned(),
            sandbox: sandbox.to_owned(),
            environment: Vec::new(),
            by_itself: false,
            running: Mutex::default(),
        })
    }

    /// Keeps what a terminal sends from the CLI: whoever runs it decides how it is interrupted.
    #[must_use]
    pub fn by_itself(self) -> Self {
        Self { by_itself: true, ..self }
    }

    /// Replaces the variables that the CLI sees beside those of this process.
    pub fn set_environment(&mut self, variables: Vec<(String, String)>) {
        self.environment = variables;
    }

    /// The program that runs in it.
    pub fn cli(&self) -> &Path {
        &self.cli
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Replaces the configuration.
    pub fn write(&self, configuration: &str) -> Result<()> {
        std::fs::write(self.folder.join("main.tf"), configuration).context("the configuration cannot be written")
    }

    /// Sets the configuration's variables.
    pub fn write_variables(&self, text: &str) -> Result<()> {
        std::fs::write(self.folder.join("terraform.tfvars"), text).context("the variables cannot be written")
    }

    /// The CLI, ready to be run here; dropping what is spawned from it ends it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.cli);
        // Credentials of the machine's own are for real tenants.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| ["M365_", "ARM_", "AZURE_"].iter().any(|start| name.starts_with(start)))
            {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env("TF_CLI_CONFIG_FILE", self.folder.join("cli.tfrc"))
            .env("M365_SANDBOX_URL", &self.sandbox)
            .env("TF_IN_AUTOMATION", "1")
            .env("CHECKPOINT_DISABLE", "1")
            .env_remove("TF_LOG")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        #[cfg(unix)]
        if self.by_itself {
            command.process_group(0);
        }
        command
    }

    /// Runs the CLI and waits for its end.
    pub async fn run(&self, arguments: &[&str]) -> Result<Outcome> {
        let cannot = || format!("{} cannot be run", self.cli.display());
        let child = {
            let mut running = self.running();
            if running.stopped {
                bail!("interrupted");
            }
            let mut command = self.command(arguments);
            let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().with_context(cannot)?;
            running.process = child.id();
            child
        };
        let done = child.wait_with_output().await.with_context(cannot);
        self.running().process = None;
        let done = done?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Outcome { code: done.status.code().unwrap_or(-1), output: text(&done.stdout) + &text(&done.stderr) })
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the CLI that is running to end, and starts none any more.
    pub async fn interrupt(&self) {
        let process = {
            let mut running = self.running();
            running.stopped = true;
            running.process
        };
        if let Some(process) = process {
            signal("-INT", &process.to_string()).await;
        }
    }

    /// Ends the CLI that is still running, with all that it started. Needs [`Workspace::by_itself`].
    pub async fn kill(&self) {
        let process = self.running().process.filter(|_| self.by_itself);
        if let Some(process) = process {
            signal("-KILL", &format!("-{process}")).await;
        }
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

/// Signals without `unsafe`: the system's own command sends them. One that does not arrive finds its process gone.
async fn signal(name: &str, process: &str) {
    Command::new("kill").args([name, "--", process]).stderr(Stdio::null()).status().await.ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        names.iter().for_each(|name| std::fs::write(folder.path().join(name), "").unwrap());
        folder
    }

    #[test]
    fn every_cli_on_the_path_is_found() {
        let folder = folder_with(&["terraform", "tofu"]);
        let found = locate(None, &[folder.path().to_owned()]).unwrap();
        let names: Vec<_> = found.iter().filter_map(|path| path.file_name()).collect();
        assert_eq!(names, ["tofu", "terraform"]);
    }

    #[test]
    fn several_named_ones_are_all_used_in_their_order() {
        let folder = folder_with(&["terraform", "terraform-1.15"]);
        let named = vec![folder.path().join("terraform-1.15"), "terraform".into()];
        let found = locate(Some(named), &[folder.path().to_owned()]).unwrap();
        let names: Vec<_> = found.iter().filter_map(|path| path.file_name()).collect();
        assert_eq!(names, ["terraform-1.15", "terraform"]);
    }

    #[test]
    fn a_named_one_that_is_not_there_is_an_error_and_not_left_out() {
        let folder = folder_with(&["terraform"]);
        let named = vec!["terraform".into(), "tofu".into()];
        let why = locate(Some(named), &[folder.path().to_owned()]).unwrap_err();
        assert_eq!(why.to_string(), "M365_CLI names `tofu`, which is not on this machine");
    }
}
