//! What a plan says of the permissions that it asks for, beyond whether they exist: the guardrails' verdict, and one warning of those
//! with which a connector could take over the tenant.

mod doubts;

pub(crate) use doubts::Doubts;

use super::ownership::listed;
use super::permissions::{Declared, Names, PermissionId};
use crate::catalog::{PermissionKey, Risk};
use crate::framework::{Diagnostic, Diagnostics, Path, Result, Step};
use crate::provider::Cx;
use crate::provider::guardrails::Asked;
use crate::provider::risk::rating;
use std::collections::{BTreeMap, BTreeSet};

/// Permissions that a plan asks for, and what is known beside them.
pub(crate) struct Review<'a> {
    /// What is asked for.
    pub declared: &'a Declared<PermissionId>,
    /// What is there already of it.
    pub held: &'a BTreeSet<PermissionId>,
    /// What is tolerated, and what of it was so before.
    pub tolerated: (&'a Declared<PermissionId>, &'a BTreeSet<PermissionId>),
    /// Directory roles of the connector, where they are known.
    pub roles: &'a BTreeSet<String>,
    /// Why a permission is asked for all the same, by permission key.
    pub acknowledge: Option<&'a BTreeMap<String, String>>,
    /// What findings are about.
    pub at: Path,
    /// Where the tenant is asked for what only it can name.
    pub tenant_id: Option<&'a str>,
}

impl Review<'_> {
    /// Says what there is to say: an error where the guardrails forbid what the plan brings.
    pub(crate) async fn say(&self, names: &mut Names<'_>, cx: &Cx) -> Result<()> {
        let mut found = Diagnostics::default();
        let acknowledged = self.acknowledged(names, cx);
        if let Some(guardrails) = cx.guardrails().filter(|guardrails| guardrails.limits_permissions()) {
            self.ask_for_names(names, cx).await;
            let asked = self.asked(names, &acknowledged, cx);
            for one in guardrails.judge(&asked, &self.at) {
                found.say(one, cx);
            }
        }
        if let Some(warning) = self.critical(names, &acknowledged, cx) {
            cx.warn(warning);
        }
        found.into_result()
    }

    fn all(&self) -> impl Iterator<Item = (&PermissionId, &BTreeSet<String>, bool)> {
        let declared = self.declared.iter().map(|(one, spelled)| (one, spelled, self.held.contains(one)));
        let (tolerated, before) = self.tolerated;
        declared.chain(tolerated.iter().map(|(one, spelled)| (one, spelled, before.contains(one))))
    }

    /// Asks the tenant for what neither the catalogue nor the state can name. A look-up that fails leaves it unknown: that is judged
    /// as the worst that it could be.
    async fn ask_for_names(&self, names: &mut Names<'_>, cx: &Cx) {
        let nameless = |one: &PermissionId| one.id().is_none() || names.name(one).is_none();
        let apis: BTreeSet<String> =
            self.all().filter(|(one, ..)| nameless(one)).map(|(one, ..)| one.app_id().to_owned()).collect();
        if apis.is_empty() || !cx.configured_services().is_some_and(crate::provider::Services::is_known) {
            return;
        }
        if let Ok(tenant) = cx.tenant(self.tenant_id).await {
            let _ = names.ask(&tenant, apis, cx).await;
        }
    }

    /// Everything by which a guardrail can know what is asked for.
    fn asked(&self, names: &Names<'_>, acknowledged: &BTreeSet<PermissionId>, cx: &Cx) -> Vec<Asked> {
        let one = |(one, spelled, is_held): (&PermissionId, &BTreeSet<String>, bool)| {
            // What was only text may have an id by now.
            let meant = names.again(one);
            let key = names.key(&meant);
            let api = cx.catalog().api(meant.app_id()).map(|api| api.key.clone());
            let written = spelled.iter().filter_map(|text| text.parse::<PermissionKey>().ok()).map(|key| key.value);
            let values = written.chain(names.name(&meant)).chain(meant.id().map(str::to_owned));
            Asked {
                key: spelled.first().cloned().unwrap_or_else(|| key.to_string()),
                apis: [meant.app_id().to_owned()].into_iter().chain(api).collect(),
                kind: meant.kind().to_string(),
                values: values.collect::<BTreeSet<_>>().into_iter().collect(),
                risk: rating(&key, self.roles, cx).risk,
                is_known: meant.id().is_some() && names.name(&meant).is_some(),
                is_acknowledged: acknowledged.contains(one),
                is_held,
            }
        };
        self.all().map(one).collect()
    }

    /// What `acknowledge` gives reasons for; an entry for what nobody asks for is said.
    fn acknowledged(&self, names: &Names<'_>, cx: &Cx) -> BTreeSet<PermissionId> {
        let mut all = BTreeSet::new();
        for text in self.acknowledge.iter().flat_map(|entries| entries.keys()) {
            let meant = text.parse::<PermissionKey>().ok().map(|key| names.id(&key));
            match meant.filter(|meant| self.all().any(|(one, ..)| one == meant)) {
                Some(meant) => {
                    all.insert(meant);
                }
                None => cx.warn(
                    Diagnostic::warning(format!("Nothing asks for {text}, which is acknowledged"))
                        .at(Path::attribute("acknowledge").then(Step::Key(text.clone())))
                        .help("An entry that stays behind would silence the warning when somebody asks for it again. Remove it, or check its spelling."),
                ),
            }
        }
        all
    }

    /// The one warning of critical permissions that nobody has given a reason for. What is tolerated has one.
    fn critical(&self, names: &Names<'_>, acknowledged: &BTreeSet<PermissionId>, cx: &Cx) -> Option<Diagnostic> {
        let line = |(one, spelled): (&PermissionId, &BTreeSet<String>)| {
            let rating = rating(&names.key(one), self.roles, cx);
            let why = rating.why.as_deref().unwrap_or("it has been rated so");
            let is_critical = rating.risk == Risk::Critical && !acknowledged.contains(one);
            is_critical.then(|| format!("{}: {why}", spelled.iter().cloned().collect::<Vec<_>>().join(", ")))
        };
        let lines: Vec<_> = self.declared.iter().filter_map(line).collect();
        let first = lines.first()?.split_once(": ").map_or("", |(key, _)| key).to_owned();
        let summary = match lines.len() {
            1 => "A critical permission is asked for".to_owned(),
            count => format!("{count} critical permissions are asked for"),
        };
        Some(
            Diagnostic::warning(summary)
                .at(self.at.clone())
                .help(format!("Who holds the connector's credential could take over the tenant, or lock its administrators out:\n{}", listed(lines)))
                .help(format!("Where the connector needs it, write down why; that also ends this warning:\n  acknowledge = {{\n    \"{first}\" = \"…\"\n  }}")),
        )
    }
}

/// Reasons are for those who read the plan: an empty one is none.
pub(crate) fn check_acknowledge(entries: Option<&BTreeMap<String, String>>) -> Result<()> {
    let mut found = Diagnostics::default();
    for (text, _) in entries.into_iter().flatten().filter(|(_, reason)| reason.trim().is_empty()) {
        found.push(
            Diagnostic::error(format!("The acknowledgement of {text} gives no reason"))
                .at(Path::attribute("acknowledge").then(Step::Key(text.clone())))
                .help("Say why the connector needs the permission, for those who read the plan."),
        );
    }
    found.into_result()
}

impl Diagnostics {
    /// Keeps an error, and lets a warning go its way.
    pub(crate) fn say(&mut self, one: Diagnostic, cx: &Cx) {
        match one.severity {
            crate::framework::Severity::Error => self.push(one),
            crate::framework::Severity::Warning => cx.warn(one),
        }
    }
}
