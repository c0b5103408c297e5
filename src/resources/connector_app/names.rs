//! The names of an application while it is planned: what comes from a profile, how `unique_name` is derived, and who has it already.

use super::marker::{is_ours, is_unfinished};
use super::model::{ConnectorApp, OnExisting, State};
use crate::catalog::ProfileVersion;
use crate::framework::{Computed, Diagnostic, Result};
use crate::graph::{Application, Graph};
use crate::provider::guardrails::DESTROY;
use crate::provider::{Cx, Planned};
use crate::resources::target;
use std::collections::BTreeSet;

impl ConnectorApp {
    /// Plans what comes from the profile or has a default, never from the prior state: or drift would be invisible.
    pub(super) fn fill_from(&mut self, profile: Option<&ProfileVersion>, cx: &Cx) {
        let app = profile.map(|profile| &profile.app);
        if !cx.is_configured("display_name")
            && let Some(name) = app.and_then(|app| app.display_name.clone())
        {
            self.display_name = name.into();
        }
        if !cx.is_configured("sign_in_audience") {
            self.sign_in_audience =
                app.and_then(|app| app.sign_in_audience.clone()).unwrap_or_else(|| "AzureADMyOrg".to_owned()).into();
        }
        let uris =
            |list: Option<&Vec<String>>| Computed::Known(list.into_iter().flatten().cloned().collect::<BTreeSet<_>>());
        if !cx.is_configured("web_redirect_uris") {
            self.web_redirect_uris = uris(app.map(|app| &app.web_redirect_uris));
        }
        if !cx.is_configured("spa_redirect_uris") {
            self.spa_redirect_uris = uris(app.map(|app| &app.spa_redirect_uris));
        }
        if !cx.is_configured("public_client_redirect_uris") {
            self.public_client_redirect_uris = uris(app.map(|app| &app.public_client_redirect_uris));
        }
    }

    pub(super) fn plan_unique_name(
        &mut self,
        profile: Option<&ProfileVersion>,
        before: Option<&Self>,
        cx: &Cx,
    ) -> Result<()> {
        match before {
            None if !cx.is_configured("unique_name") => {
                let name = profile
                    .map(|profile| profile.slug.clone())
                    .or_else(|| self.display_name.known().map(|name| slug(name)));
                match name {
                    // A name in another script has no letter of the slug's alphabet: two of them must not meet in one key.
                    Some(name) if name.is_empty() => {
                        return Err(Diagnostic::error("No `unique_name` can be derived from the display name")
                            .at("unique_name")
                            .help("It has no letter from a to z and no digit. Set `unique_name`, such as `acme-siem`.")
                            .into());
                    }
                    Some(name) => self.unique_name = name.into(),
                    None => {}
                }
            }
            // An application without one, such as an imported one, may be given one: Graph lets it be set once.
            Some(before) if before.unique_name.known().is_some() && before.unique_name != self.unique_name => {
                cx.requires_replacement("unique_name");
            }
            _ => {}
        }
        Ok(())
    }
}

impl State {
    /// What only the run as a whole, and the tenant, can tell of a plan: errors and warnings, never a value.
    pub(super) async fn plan_among_others(&mut self, is_create: bool, cx: &Cx) -> Result<()> {
        let Some(name) = self.value.unique_name.known().cloned() else { return Ok(()) };
        let target = target::<ConnectorApp>(self.value.tenant_id.known().map_or("", String::as_str), &name);
        let (run, second) = (cx.run()?, cx.is_second_plan());
        if !run.plan(target.clone(), Planned { exclusive: true, second }) {
            return Err(Diagnostic::error(format!("Two applications of this configuration have the unique name \"{name}\""))
                .at("unique_name")
                .help("The name is the key by which a repeated run finds its application again: it is used once in a tenant.")
                .help("Give one of them another `unique_name`. Where two have the same profile or display name it has to be written out.")
                .into());
        }
        if !is_create || second {
            return Ok(());
        }
        if let Some(private) = run.private_of(&target) {
            // A tainted application: its delete has to know what a refresh knew.
            self.private = private;
        }
        let Some(graph) = cx.graph_for_plan(self.value.tenant_id.known().map(String::as_str))? else { return Ok(()) };
        let Some(found) = holder(&name, &graph).await? else { return Ok(()) };
        let unfinished = is_unfinished(&found, &graph).await?;
        if unfinished || self.value.adopts(&found) {
            cx.warn(will_be_taken_over(&found, unfinished, self.value.on_existing).at("on_existing"));
            return Ok(());
        }
        let refusal = name_is_taken(&found);
        // Its own tainted self, which is destroyed first. Where that turns out not to be so, the planned destroy tells.
        if run.excuse(&target, &refusal) {
            return Ok(());
        }
        let refusal = refusal.at("unique_name");
        if !is_ours(&found) && !self.value.is_like(&found) {
            return Err(refusal.into());
        }
        // Perhaps its own deposed self, which may have been imported: then this is apply, and the create refuses.
        cx.refuse_in_plan(refusal)?;
        cx.warn(will_be_refused(&found).at("unique_name"));
        Ok(())
    }

    /// A planned destroy by itself: the object is no tainted one whose replacement was planned, whatever that plan took it for.
    pub(super) fn plan_destroy_among_others(&self, cx: &Cx) -> Result<()> {
        let Some(name) = self.value.unique_name.known() else { return Ok(()) };
        let target = target::<ConnectorApp>(self.value.tenant_id.get()?, name);
        match cx.run()?.plan_destroy(&target) {
            true => Ok(()),
            false => cx.run()?.excused(&target).map_or(Ok(()), |refusal| Err(refusal.into())),
        }
    }
}

/// Who has the name. An identity that may only make applications of its own cannot look at others': the create will tell.
async fn holder(name: &str, graph: &Graph) -> Result<Option<Application>> {
    match graph.application_by_unique_name(name).await {
        Err(error) if error.is_forbidden() => Ok(None),
        other => Ok(other?),
    }
}

/// The error of a create that may not take over what has its name: the same whichever call of the plan or of apply comes upon it.
pub(super) fn name_is_taken(found: &Application) -> Diagnostic {
    let name = found.unique_name.as_deref().unwrap_or_default();
    Diagnostic::error(format!("Another application already has the unique name \"{name}\""))
        .help(format!("It is \"{}\" with client id {} and object id {}.", found.display_name, found.app_id, found.id))
        .help("If this configuration manages it at another address, the resource was renamed. Say so, for it and for what is on it, and nothing is destroyed:\n\n  moved {\n    from = m365_connector_app.<former name>\n    to   = m365_connector_app.<present name>\n  }")
        .help(format!("Else, to manage that one, import it with the id `{}`, or set `on_existing = \"adopt\"`; or choose another `unique_name`.", found.id))
        .help(DESTROY)
}

fn will_be_taken_over(found: &Application, unfinished: bool, on_existing: OnExisting) -> Diagnostic {
    Diagnostic::warning(format!("The existing application \"{}\" will be taken over", found.display_name))
        .help(format!("Client id {}, object id {}. {}", found.app_id, found.id, why_taken(unfinished, on_existing)))
}

fn will_be_refused(found: &Application) -> Diagnostic {
    let (why, way) = match is_ours(found) {
        true => ("This provider made it, and it is in use", "adopt_ours"),
        false => ("This provider did not make it", "adopt"),
    };
    Diagnostic::warning(format!("The existing application \"{}\" will not be taken over", found.display_name)).help(format!(
        "Client id {}, object id {}. {why}: the apply refuses to make another one of its name. Import it, set `on_existing = \"{way}\"`, or \
         choose another `unique_name`.",
        found.app_id, found.id
    ))
}

/// Why an application that is there already is taken over.
pub(super) fn why_taken(unfinished: bool, on_existing: OnExisting) -> &'static str {
    match on_existing {
        _ if unfinished => {
            "An earlier create of this provider made it and did not end, and nobody uses it: whatever is on it by now is removed."
        }
        OnExisting::AdoptOurs => "`on_existing` is \"adopt_ours\", and this provider made it.",
        _ => "`on_existing` is \"adopt\".",
    }
}

/// Lower case, with every run of anything but letters and digits as one dash.
fn slug(name: &str) -> String {
    let dashed: String =
        name.chars().map(|one| if one.is_ascii_alphanumeric() { one.to_ascii_lowercase() } else { '-' }).collect();
    dashed.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_name_makes_a_readable_slug() {
        assert_eq!(slug("MD.ECO - Connector - M365 Defender"), "md-eco-connector-m365-defender");
    }
}
