//! Signing in as whoever is logged in to the Azure CLI. Source: `az account get-access-token --help`.

use super::auth::{AccessToken, AuthError, TokenRequest, TokenSource};
use super::http::Seconds;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use serde::Deserialize;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::Instant;

/// `az` starts slowly, and may have to talk to the login service.
const LIMIT: Duration = Duration::from_secs(60);
/// What is assumed where `az` (before 2.54) says the expiry in local time alone: it never gives a token of less than five minutes, and
/// ours is replaced five minutes before its end.
const ASSUMED: Duration = Duration::from_secs(10 * 60);
const INSTALL: &str = "Install it (https://learn.microsoft.com/cli/azure/install-azure-cli) and see that `az` is on the PATH, or choose another way to sign in than `use_cli`.";

/// The login of the Azure CLI.
#[derive(Default)]
pub struct AzureCli;

#[derive(Deserialize)]
struct Given {
    #[serde(rename = "accessToken")]
    token: SecretString,
    /// Seconds since 1970.
    expires_on: Option<Seconds>,
    tenant: Option<String>,
}

/// What a run gave.
struct Ended {
    succeeded: bool,
    output: Vec<u8>,
    errors: String,
}

async fn az(arguments: &[&str]) -> Result<Ended, AuthError> {
    // On Windows it is a batch file, which only the shell finds.
    let mut command = if cfg!(windows) { Command::new("cmd") } else { Command::new("az") };
    if cfg!(windows) {
        command.args(["/c", "az"]);
    }
    let run = command.args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let done = tokio::time::timeout(LIMIT, run).await.map_err(|_| {
        AuthError::Source(format!(
            "The Azure CLI gave no token within {} seconds. Try `az account get-access-token`.",
            LIMIT.as_secs()
        ))
    })?;
    let done = done.map_err(|why| {
        AuthError::Source(if why.kind() == std::io::ErrorKind::NotFound {
            format!("The Azure CLI is not installed. {INSTALL}")
        } else {
            format!("The Azure CLI cannot be run: {why}. {INSTALL}")
        })
    })?;
    Ok(Ended {
        succeeded: done.status.success(),
        output: done.stdout,
        errors: String::from_utf8_lossy(&done.stderr).into_owned(),
    })
}

/// What a failed run means.
fn failure(errors: &str, tenant: &str) -> AuthError {
    if errors.contains("is not recognized as an internal or external command") {
        return AuthError::Source(format!("The Azure CLI is not installed. {INSTALL}"));
    }
    let login = format!("Log in with `az login --tenant {tenant} --allow-no-subscriptions`.");
    if errors.contains("az login") || errors.contains("AADSTS") {
        return AuthError::Source(format!("The Azure CLI is not logged in to this tenant: {} {login}", said(errors)));
    }
    AuthError::Source(format!("The Azure CLI gave no token: {} {login}", said(errors)))
}

/// The line that says what is wrong. A long word may be a token or something else that nobody should read.
fn said(errors: &str) -> String {
    let lines = || errors.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines().find_map(|line| line.strip_prefix("ERROR:")).or_else(|| lines().next_back()).unwrap_or_default();
    let words = line.split_whitespace().take(60).map(|word| if word.len() > 100 { "…" } else { word });
    let text = words.collect::<Vec<_>>().join(" ");
    if text.is_empty() || text.ends_with('.') { text } else { format!("{text}.") }
}

async fn token(scope: &str, tenant: &str) -> Result<AccessToken, AuthError> {
    let asked = Instant::now();
    let base = ["account", "get-access-token", "--output", "json", "--scope", scope];
    let mut done = az(&[&base[..], &["--tenant", tenant]].concat()).await?;
    // Cloud Shell, and an `az` that is itself a managed identity, know one tenant and take no other.
    let fixed = !done.succeeded && done.errors.contains("shouldn't be specified");
    if fixed {
        done = az(&base).await?;
    }
    if !done.succeeded {
        return Err(failure(&done.errors, tenant));
    }
    let given: Given = serde_json::from_slice(&done.output).map_err(|_| {
        AuthError::Source(
            "The Azure CLI's answer holds no token. Try `az account get-access-token --output json`.".to_owned(),
        )
    })?;
    if let Some(found) = given
        .tenant
        .filter(|found| fixed && uuid::Uuid::try_parse(tenant).is_ok() && !found.eq_ignore_ascii_case(tenant))
    {
        return Err(AuthError::Source(format!(
            "The Azure CLI's login belongs to tenant {found}, and cannot be used for {tenant}. Choose another way to sign in."
        )));
    }
    let left = given.expires_on.map_or(ASSUMED, |end| end.from(jiff::Timestamp::now()));
    Ok(AccessToken::lasting(given.token, asked, left))
}

impl TokenSource for AzureCli {
    fn name(&self) -> &'static str {
        "login of the Azure CLI"
    }

    fn fetch<'a>(&'a self, request: TokenRequest<'a>) -> BoxFuture<'a, Result<AccessToken, AuthError>> {
        Box::pin(token(request.scope, request.tenant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_is_said_without_what_looks_like_a_token() {
        let long = "x".repeat(200);
        let text = failure(&format!("WARNING: old\nERROR: no token {long}\nTry again"), "t").to_string();
        assert!(text.contains("no token …") && !text.contains(&long) && text.contains("az login --tenant t"), "{text}");
    }

    #[test]
    fn the_ways_to_fail_are_told_apart() {
        let text = failure("ERROR: Please run 'az login' to setup account.", "t").to_string();
        assert!(text.contains("is not logged in"), "{text}");
        let text = failure("'az' is not recognized as an internal or external command,", "t").to_string();
        assert!(text.contains("is not installed"), "{text}");
    }
}
