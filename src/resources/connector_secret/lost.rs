//! Secrets that a create or a rotation left behind when its answer was lost: how they are told from everybody else's, and removed.

use super::{ConnectorSecret, State};
use crate::framework::{Diagnostic, Result};
use crate::graph::{Date, Graph, Password};
use crate::provider::Cx;
use crate::resources::target;
use jiff::{SignedDuration, Timestamp};

/// Ends the name of every secret that this provider makes. A password cannot be renamed, so it stays; users never see it in
/// `display_name`.
pub(super) const MARKER: &str = " (m365)";
/// A lost create is looked for among secrets no older than this.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);
/// The server's dates are whole seconds, and a secret starts a second before it is made.
const COARSE: SignedDuration = SignedDuration::from_secs(2);

/// A fraction of a second, in microseconds, that tells which secret a new one was to replace. The state knows the old one: by this it
/// finds its own new one again when it never learnt of it.
pub(super) fn trace(replaced: &str) -> i32 {
    let number = uuid::Uuid::try_parse(replaced).map(|id| id.as_u128()).unwrap_or_default();
    i32::try_from(1 + number % 999_999).unwrap_or(1)
}

impl Password {
    pub(super) fn is(&self, key_id: &str) -> bool {
        self.key_id.eq_ignore_ascii_case(key_id)
    }

    /// The name without its marker; `None` for a secret that this provider did not make.
    pub(super) fn marked_name(&self) -> Option<&str> {
        self.display_name.as_deref()?.strip_suffix(MARKER)
    }

    pub(super) fn replaces(&self, key_id: &str) -> bool {
        let fraction = self.start_date_time.as_ref().and_then(Date::time).map(Timestamp::subsec_microsecond);
        self.marked_name().is_some() && fraction == Some(trace(key_id))
    }

    fn starts_after(&self, time: Timestamp) -> bool {
        self.start_date_time.as_ref().and_then(Date::time).is_some_and(|start| start >= time)
    }
}

impl State {
    /// Secrets of an update whose answer was lost: those that were to replace the present one, and marked ones of the name that
    /// appeared since the last refresh.
    pub(super) async fn lost(&self, prior: &Self, tenant: &str, graph: &Graph, cx: &Cx) -> Result<Vec<String>> {
        let found = graph.passwords(self.value.application_id.get()?).await?.unwrap_or_default();
        let own = prior.own();
        let key = prior.value.key_id.known().map(String::as_str).unwrap_or_default();
        let names = [self.value.display_name.known(), prior.value.display_name.known()];
        let since = self.private.observed_at.map(|observed| observed - COARSE);
        let mut lost = Vec::new();
        for one in found.iter().filter(|one| !own.iter().any(|id| one.is(id))) {
            let named = names.iter().flatten().any(|name| one.marked_name() == Some(name.as_str()));
            let young = since.is_some_and(|since| one.starts_after(since));
            if one.replaces(key) || (named && young && !known_to_run(tenant, one, cx)?) {
                lost.push(one.key_id.clone());
            }
        }
        Ok(lost)
    }
}

/// Whether a secret is in the state of another resource of this run.
fn known_to_run(tenant: &str, one: &Password, cx: &Cx) -> Result<bool> {
    Ok(cx.run()?.in_state::<serde_json::Value>(&target::<ConnectorSecret>(tenant, &one.key_id)).is_some())
}

impl ConnectorSecret {
    /// Removes the secret of a create whose answer was lost: nobody knows its value.
    pub(super) async fn remove_lost_create(&self, graph: &Graph, tenant: &str, cx: &Cx) -> Result<()> {
        let id = self.application_id.get()?;
        let name = self.display_name.get()?;
        let found = graph.passwords(id).await?.unwrap_or_default();
        let since = graph.now() - A_DAY;
        for one in found.iter().filter(|one| one.marked_name() == Some(name.as_str()) && one.starts_after(since)) {
            if known_to_run(tenant, one, cx)? {
                continue;
            }
            cx.warn(
                Diagnostic::warning(format!("The secret {} was replaced", one.key_id)).at("display_name").help(format!(
                    "The application {id} had a secret \"{name}\" less than a day old that this provider made and no state knows, as a create leaves it whose answer was lost. It was removed."
                )),
            );
            graph.remove_password(id, &one.key_id).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "0d9b3e63-9d3f-4f2f-8f0e-6b2b8a5f4c11";
    const SECOND: &str = "6f1f4b5e-6f0c-4c39-9a53-0a5c3b9f1d22";

    #[test]
    fn a_new_secret_tells_which_one_it_was_to_replace() {
        let replaced = |key: &str| Password {
            key_id: "x".to_owned(),
            display_name: Some(format!("siem{MARKER}")),
            hint: None,
            start_date_time: Some((Timestamp::UNIX_EPOCH + SignedDuration::from_micros(trace(key).into())).into()),
            end_date_time: None,
        };
        assert!(replaced(FIRST).replaces(FIRST) && !replaced(FIRST).replaces(SECOND));
        assert!(!Password { display_name: Some("siem".to_owned()), ..replaced(FIRST) }.replaces(FIRST));
        let whole = Password { start_date_time: Some(Timestamp::UNIX_EPOCH.into()), ..replaced(FIRST) };
        assert!(!whole.replaces(FIRST) && !whole.replaces("no guid"));
    }
}
