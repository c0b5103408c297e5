//! The provider block's limits on what a plan may ask for: patterns, risk and acknowledgement. Pure: who asks brings everything by
//! which a permission can be known, and learns what stands against it.

use crate::catalog::{Catalog, LookupError, ROLE_KEY, Risk, directory_role, role_rating};
use crate::framework::{Diagnostic, Diagnostics, Path, Result, Step, is_guid};

/// A permission or directory role that is asked for, with everything by which a guardrail can know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its key, as the plan shows it.
    pub key: String,
    /// All spellings of its API: short name and client id; `directory` for a role.
    pub apis: Vec<String>,
    /// `application`, `delegated` or `role`.
    pub kind: String,
    /// All its names and ids.
    pub values: Vec<String>,
    /// Its class; [`Risk::High`] where nobody has rated it.
    pub risk: Risk,
    /// Whether `values` has all there are: not where neither the catalogue nor the tenant knows it.
    pub is_known: bool,
    /// Whether `acknowledge` gives a reason for it.
    pub is_acknowledged: bool,
    /// Whether it is there already, so that this plan does not bring it.
    pub is_held: bool,
}

/// What a provider cannot tell apart: the CLIs plan the configuration before they plan a destroy, as they plan any other.
pub const DESTROY: &str = "To destroy what is there all the same: the CLI plans the configuration first, unless it is given `-refresh=false`.";

/// How the keys of directory roles begin.
pub const DIRECTORY: &str = "directory";

impl Asked {
    /// A directory role, by its name, a former name or an id. One that the catalogue does not know, such as a custom one, is as
    /// unknown as a permission: who can name it in the tenant adds that to `values`.
    pub fn role(named: &str) -> Self {
        let known = directory_role(named).ok();
        let (name, values) = match known {
            Some(role) => {
                let all = [&role.name, &role.id].into_iter().chain(&role.former);
                (role.name.clone(), all.cloned().collect())
            }
            None => (named.to_owned(), vec![named.to_owned()]),
        };
        Self {
            key: format!("{ROLE_KEY}{name}"),
            apis: vec![DIRECTORY.to_owned()],
            kind: "role".to_owned(),
            values,
            risk: role_rating(named).risk,
            is_known: known.is_some(),
            is_acknowledged: false,
            is_held: false,
        }
    }
}

/// A permission key in which `*` stands for any text, compared without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    parts: Vec<char>,
}

impl Pattern {
    /// Fails with the reason where it could match no key: a limit that limits nothing would deceive.
    pub fn new(text: &str) -> std::result::Result<Self, &'static str> {
        let pattern = Self { text: text.to_owned(), parts: text.to_lowercase().chars().collect() };
        let kinds = ["application", "delegated", "role"];
        // Up to the first `*` a pattern is a key's beginning.
        let (fixed, is_whole) = text.split_once('*').map_or((text, true), |(before, _)| (before, false));
        let fixed = fixed.to_lowercase();
        let mut parts = fixed.splitn(3, '/');
        let (api, kind, value) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        if is_whole && value.is_none_or(str::is_empty) {
            return Err("without a `*` it has to be a whole permission key");
        }
        if kind.is_some() && api.is_empty() {
            return Err("it begins with an empty API");
        }
        let of_kind =
            |kind: &str| kinds.iter().any(|one| if value.is_some() { *one == kind } else { one.starts_with(kind) });
        if kind.is_some_and(|kind| !of_kind(kind)) {
            return Err("the second part of a key is `application`, `delegated`, or `role` of a directory role");
        }
        Ok(pattern)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The API that it names outright, without a `*`.
    pub fn api(&self) -> Option<&str> {
        let (api, _) = self.text.split_once('/')?;
        (!api.contains('*')).then_some(api)
    }

    /// Places in the pattern that reading `text` can lead to.
    fn after(&self, text: &str) -> Vec<bool> {
        let open = |mut places: Vec<bool>| {
            // A star may stand for nothing.
            for place in 0..self.parts.len() {
                places[place + 1] |= places[place] && self.parts[place] == '*';
            }
            places
        };
        let mut start = vec![false; self.parts.len() + 1];
        start[0] = true;
        text.to_lowercase().chars().fold(open(start), |places, next| {
            let mut then = vec![false; places.len()];
            for (place, part) in self.parts.iter().enumerate().filter(|(place, _)| places[*place]) {
                then[place] |= *part == '*';
                then[place + 1] |= *part == next;
            }
            open(then)
        })
    }

    /// Whether it stands for this text.
    pub fn matches(&self, text: &str) -> bool {
        self.after(text).last().copied().unwrap_or_default()
    }

    /// Whether it stands for a text that begins so.
    fn could_match(&self, start: &str) -> bool {
        self.after(start).contains(&true)
    }

    /// Whether it stands for one of the spellings of what is asked for. What is not known could be called anything in its API.
    fn covers(&self, asked: &Asked) -> bool {
        asked.apis.iter().any(|api| {
            let start = format!("{api}/{}/", asked.kind);
            let spelled = || asked.values.iter().any(|value| self.matches(&format!("{start}{value}")));
            spelled() || (!asked.is_known && self.could_match(&start))
        })
    }
}

/// The limits of one provider block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guardrails {
    /// What nobody may ask for.
    pub deny: Vec<Pattern>,
    /// All that may be asked for; no limit where not given.
    pub allow: Option<Vec<Pattern>>,
    /// Highest class that may be asked for.
    pub max_risk: Option<Risk>,
    /// Lowest class that needs an `acknowledge` entry.
    pub require_acknowledgement: Option<Risk>,
}

impl Guardrails {
    /// Whether they say anything of permissions.
    pub fn limits_permissions(&self) -> bool {
        *self != Self::default()
    }

    /// Fails where a pattern names an API that does not exist: it would limit nothing.
    pub fn check(&self, catalog: &Catalog) -> Result<()> {
        let mut found = Diagnostics::default();
        let lists = [("deny_permissions", Some(&self.deny)), ("allow_permissions", self.allow.as_ref())];
        for (name, pattern) in
            lists.iter().flat_map(|(name, list)| list.iter().flat_map(|all| all.iter()).map(|one| (*name, one)))
        {
            let Some(api) = pattern.api().map(str::to_lowercase) else { continue };
            if api == DIRECTORY || is_guid(&api) || catalog.api(&api).is_some() {
                continue;
            }
            let at = Path::attribute("guardrails").then(Step::Attribute(name.to_owned()));
            found.push(
                Diagnostic::error(format!("There is no API \"{api}\""))
                    .at(at)
                    .help(LookupError::no_such_api(catalog, &api).to_string())
                    .help(format!("The pattern \"{}\" would limit nothing.", pattern.as_str())),
            );
        }
        found.into_result()
    }

    /// Everything that stands against a permission; nothing where it may be asked for.
    fn objections(&self, asked: &Asked) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(pattern) = self.deny.iter().find(|pattern| pattern.covers(asked)) {
            found.push(format!("`deny_permissions` has \"{}\"", pattern.as_str()));
        }
        if let Some(allow) = self.allow.as_ref().filter(|allow| judges(allow, asked))
            && !allow.iter().any(|pattern| pattern.covers(asked))
        {
            found.push("`allow_permissions` does not list it".to_owned());
        }
        if let Some(most) = self.max_risk.filter(|most| asked.risk > *most) {
            found.push(format!("its risk is {}, and `max_risk` is {most}", asked.risk));
        }
        if let Some(least) = self.require_acknowledgement.filter(|least| asked.risk >= *least)
            && !asked.is_acknowledged
        {
            found.push(format!(
                "its risk is {}, and `require_acknowledgement` is {least}: it needs an entry in `acknowledge`",
                asked.risk
            ));
        }
        if !found.is_empty() && !asked.is_known {
            found.push("neither the catalogue nor the tenant knows it, so it counts as high and as whatever a pattern names of its API".to_owned());
        }
        found
    }

    /// What stands against a plan, at most one error and one warning: what it brings may not be forbidden; what is there already is
    /// only pointed out, or no plan could change anything else, and what it removes is not asked for.
    pub fn judge(&self, asked: &[Asked], at: &Path) -> Vec<Diagnostic> {
        let lines = |held: bool| {
            let judged = asked.iter().filter(|one| one.is_held == held).map(|one| (one, self.objections(one)));
            let lines = judged
                .filter(|(_, found)| !found.is_empty())
                .map(|(one, found)| format!("  - {}: {}", one.key, found.join("; ")));
            lines.collect::<Vec<_>>().join("\n")
        };
        let (new, held) = (lines(false), lines(true));
        let mut found = Vec::new();
        if !new.is_empty() {
            found.push(
                Diagnostic::error("The guardrails forbid what this plan asks for")
                    .at(at.clone())
                    .help(format!("`guardrails` of the provider block stand against:\n{new}"))
                    .help("Leave these out, or have the guardrails changed by whoever decides on them. Nothing was changed.")
                    .help(DESTROY),
            );
        }
        if !held.is_empty() {
            found.push(
                Diagnostic::warning("The guardrails forbid what is there already")
                    .at(at.clone())
                    .help(format!("`guardrails` of the provider block stand against:\n{held}"))
                    .help("This plan does not bring it, so it is no error. Remove it, or have the guardrails changed."),
            );
        }
        found
    }
}

/// Whether an allow list speaks of such a thing: of directory roles only where it mentions them.
fn judges(allow: &[Pattern], asked: &Asked) -> bool {
    let of_roles = |pattern: &Pattern| pattern.api().is_some_and(|api| api.eq_ignore_ascii_case(DIRECTORY));
    asked.kind != "role" || allow.iter().any(of_roles)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framework::Severity;
    use proptest::prelude::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    /// `User.EnableDisableAccount.All` of Microsoft Graph.
    fn critical() -> Asked {
        Asked {
            key: "microsoft_graph/application/User.EnableDisableAccount.All".to_owned(),
            apis: vec!["microsoft_graph".to_owned(), "00000003-0000-0000-c000-000000000000".to_owned()],
            kind: "application".to_owned(),
            values: vec!["User.EnableDisableAccount.All".to_owned(), "3011c876-62b7-4ada-afa2-506cbbecc68c".to_owned()],
            risk: Risk::Critical,
            is_known: true,
            is_acknowledged: false,
            is_held: false,
        }
    }

    fn unknown() -> Asked {
        let id = "99999999-9999-4999-8999-999999999999".to_owned();
        let key = format!("microsoft_graph/application/{id}");
        Asked { key, values: vec![id], risk: Risk::High, is_known: false, ..critical() }
    }

    fn denying(texts: &[&str]) -> Guardrails {
        Guardrails { deny: texts.iter().map(|text| pattern(text)).collect(), ..Guardrails::default() }
    }

    fn allowing(texts: &[&str]) -> Guardrails {
        Guardrails { allow: Some(texts.iter().map(|text| pattern(text)).collect()), ..Guardrails::default() }
    }

    fn severities(guardrails: &Guardrails, asked: &[Asked]) -> Vec<Severity> {
        guardrails.judge(asked, &Path::attribute("apis")).iter().map(|one| one.severity).collect()
    }

    #[track_caller]
    fn refuses(guardrails: &Guardrails, asked: Asked) -> String {
        let found = guardrails.judge(&[asked], &Path::attribute("apis"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].severity, Severity::Error);
        found[0].detail.clone()
    }

    #[test]
    fn a_pattern_stands_for_every_spelling_in_any_case() {
        let all = [
            "microsoft_graph/application/User.EnableDisableAccount.All",
            "MICROSOFT_GRAPH/application/user.enabledisableaccount.all",
            "00000003-0000-0000-C000-000000000000/application/User.EnableDisableAccount.All",
            "microsoft_graph/application/3011C876-62B7-4ADA-AFA2-506CBBECC68C",
            "microsoft_graph/*",
            "*/application/User.*",
            "*",
            "*enabledisable*",
            "microsoft_graph/app*.All",
        ];
        for text in all {
            assert!(refuses(&denying(&[text]), critical()).contains(text), "{text}");
        }
        let others = [
            "microsoft_graph/delegated/*",
            "windows_defender_atp/*",
            "*/User.EnableDisableAccount",
            "microsoft_graph/application/User.EnableDisableAccount.Al",
        ];
        for text in others {
            assert!(severities(&denying(&[text]), &[critical()]).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_pattern_that_can_match_nothing_is_refused() {
        for text in [
            "",
            "User.ReadWrite.All",
            "microsoft_graph",
            "microsoft_graph/application",
            "microsoft_graph/application/",
            "/application/*",
            "microsoft_graph/both/*",
            "microsoft_graph/User.*",
        ] {
            assert!(Pattern::new(text).is_err(), "{text}");
        }
        for text in
            ["*", "*.All", "micro*", "microsoft_graph/*", "microsoft_graph/app*", "directory/role/*", "x/delegated/a/b"]
        {
            assert!(Pattern::new(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn an_allow_list_allows_what_it_lists_and_denying_wins() {
        assert!(severities(&allowing(&["*/application/User.*"]), &[critical()]).is_empty());
        assert!(refuses(&allowing(&[]), critical()).contains("does not list it"));
        let both = Guardrails { allow: allowing(&["*"]).allow, ..denying(&["*User*"]) };
        assert!(refuses(&both, critical()).contains("deny_permissions"));
    }

    #[test]
    fn an_allow_list_judges_directory_roles_only_when_it_mentions_them() {
        assert!(severities(&allowing(&["*"]), &[Asked::role("Global Administrator")]).is_empty());
        assert!(severities(&allowing(&["microsoft_graph/*"]), &[Asked::role("Global Administrator")]).is_empty());
        assert!(severities(&allowing(&["directory/role/*Reader"]), &[Asked::role("Global Reader")]).is_empty());
        refuses(&allowing(&["directory/role/*Reader"]), Asked::role("Global Administrator"));
        for spelling in
            ["directory/role/global administrator", "directory/role/62E90394-*", "directory/role/Company Administrator"]
        {
            refuses(&denying(&[spelling]), Asked::role("Global Administrator"));
        }
        let custom = Asked::role("aaaaaaaa-0000-4000-8000-000000000001");
        assert_eq!((custom.risk, custom.is_known), (Risk::High, false));
        refuses(&denying(&["directory/role/Global Administrator"]), custom);
        let reader = Guardrails { max_risk: Some(Risk::High), ..Guardrails::default() };
        assert!(severities(&reader, &[Asked::role("Global Reader")]).is_empty());
        refuses(&reader, Asked::role("Privileged Role Administrator"));
    }

    #[test]
    fn risk_and_acknowledgement_are_judged_apart() {
        let most = |risk| Guardrails { max_risk: Some(risk), ..Guardrails::default() };
        assert!(refuses(&most(Risk::High), critical()).contains("its risk is critical, and `max_risk` is high"));
        assert!(severities(&most(Risk::Critical), &[critical()]).is_empty());
        let least = |risk| Guardrails { require_acknowledgement: Some(risk), ..Guardrails::default() };
        let acknowledged = Asked { is_acknowledged: true, ..critical() };
        assert!(refuses(&least(Risk::Critical), critical()).contains("needs an entry in `acknowledge`"));
        assert!(severities(&least(Risk::Low), std::slice::from_ref(&acknowledged)).is_empty());
        // An acknowledgement lifts nothing else.
        refuses(&most(Risk::High), acknowledged.clone());
        refuses(&denying(&["*"]), acknowledged);
    }

    #[test]
    fn what_nobody_knows_could_be_anything_of_its_api() {
        assert!(
            refuses(&denying(&["microsoft_graph/application/Mail.Send"]), unknown())
                .contains("neither the catalogue nor the tenant")
        );
        refuses(&denying(&["*/Mail.*"]), unknown());
        assert!(
            severities(&denying(&["windows_defender_atp/*", "microsoft_graph/delegated/*"]), &[unknown()]).is_empty()
        );
        refuses(&Guardrails { max_risk: Some(Risk::Medium), ..Guardrails::default() }, unknown());
        assert!(severities(&allowing(&["windows_defender_atp/*"]), &[unknown()]) == [Severity::Error]);
        // Of an allow list too; what it counts as, high, is judged by the other limits.
        assert!(severities(&allowing(&["microsoft_graph/application/Mail.*"]), &[unknown()]).is_empty());
    }

    #[test]
    fn a_pattern_of_an_api_that_does_not_exist_is_refused_with_the_nearest() {
        let check = |text: &str| denying(&[text]).check(Catalog::built_in());
        let found = check("microsoft_grap/*").unwrap_err();
        assert!(found.0[0].detail.contains("microsoft_graph"), "{found:?}");
        for text in ["Microsoft_Graph/*", "aaaaaaaa-0000-4000-8000-000000000001/*", "directory/role/*", "micro*", "*"] {
            assert!(check(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_there_already_is_only_pointed_out() {
        let held = Asked { is_held: true, ..critical() };
        assert_eq!(severities(&denying(&["*"]), std::slice::from_ref(&held)), [Severity::Warning]);
        assert_eq!(severities(&denying(&["*"]), &[unknown(), held]), [Severity::Error, Severity::Warning]);
        assert!(severities(&denying(&["*"]), &[]).is_empty());
    }

    proptest! {
        #[test]
        fn a_pattern_is_what_a_search_for_its_parts_says(
            parts in prop::collection::vec("[ab/]{0,2}", 1..5), text in "[ab/]{0,8}",
        ) {
            let pattern = Pattern { text: parts.join("*"), parts: parts.join("*").chars().collect() };
            // The same by hand: first part at the start, last at the end, the others in between in order.
            let expected = match parts.as_slice() {
                [only] => text == *only,
                [first, between @ .., last] => (|| {
                    let mut rest = text.strip_prefix(first.as_str())?;
                    for part in between {
                        rest = &rest[rest.find(part.as_str())? + part.len()..];
                    }
                    rest.ends_with(last.as_str()).then_some(())
                })().is_some(),
                [] => false,
            };
            prop_assert_eq!(pattern.matches(&text), expected);
        }

        #[test]
        fn what_matches_could_match_from_each_of_its_beginnings(text in "[ab/]{0,8}", parts in prop::collection::vec("[ab/]{0,2}", 1..5)) {
            let pattern = Pattern { text: String::new(), parts: parts.join("*").chars().collect() };
            if pattern.matches(&text) {
                for end in 0..=text.len() {
                    prop_assert!(pattern.could_match(&text[..end]));
                }
            }
        }
    }
}
