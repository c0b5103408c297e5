//! What a reader of the document should know, although the profile can be used. Each is answered by a discrepancy that names it.

use super::{Entry, Finding, Place, Sort, chosen, chosen_entries, entries, listings, matches};
use crate::catalog::consent_roles::{MAY_CONSENT_TO_ALL, MAY_CONSENT_TO_OTHERS, PROTECTED};
use crate::catalog::permissions::Kind;
use crate::catalog::profiles::{Existing, PrerequisiteKind, Profile, ProfileKind, ROLE_KEY};
use crate::catalog::{Catalog, Holds, PermissionKey, Risk, directory_role, role_rating};
use std::collections::{BTreeMap, BTreeSet};

/// What is looked at: the profile, its names, and where findings go.
struct Lints<'a> {
    profile: &'a Profile,
    catalog: &'a Catalog,
    entries: Vec<Entry<'a>>,
    /// What alternatives offer.
    chosen: Vec<Entry<'a>>,
    found: Vec<Finding>,
}

pub(super) fn find(profile: &Profile, catalog: &Catalog) -> Vec<Finding> {
    let entries = entries(&listings(profile));
    let keys = chosen(profile);
    let mut lints = Lints { profile, catalog, entries, chosen: chosen_entries(&keys).collect(), found: Vec::new() };
    lints.counts();
    lints.consent_roles();
    lints.limits();
    lints.redundant();
    lints.delegated();
    lints.duplicates();
    lints.overlaps();
    lints.ambiguous();
    lints.privileges();
    lints.directory_roles();
    lints.licences();
    lints.services();
    lints.source();
    lints.registration();
    lints.found
}

/// Permissions for APIs that have ended or are ending, and what takes their place.
const OVERLAPS: &[(&str, &str)] = &[
    // Source: Microsoft Graph, "Migrate from legacy alerts to the alerts and incidents API": retired on 2026-08-31.
    (
        "microsoft_graph/*/SecurityEvents.*",
        "it is that of the former alerts API and of secure scores; SecurityAlert has that of the present one",
    ),
    // Source: Office 365 Management APIs, "Office 365 Service Communications API reference": retired.
    (
        "office_365_management/*/ServiceHealth.Read",
        "the API that it opens is retired; Microsoft Graph's ServiceHealth.Read.All takes its place",
    ),
    // Source: Elastic's document of its message trace integration: deprecated since 2026-03-18.
    (
        "office_365_exchange_online/*/ReportingWebService.Read*",
        "the message trace that it reads is deprecated; Microsoft Graph's ExchangeMessageTrace.Read.All takes its place",
    ),
    // Source: Microsoft 365 message center, MC1227454: off by default from 2026-10-01, for good from 2027-04-01.
    ("office_365_exchange_online/*/full_access_as_app", "it opens Exchange Web Services, which end on 2027-04-01"),
    ("office_365_exchange_online/*/EWS.AccessAsUser.All", "it opens Exchange Web Services, which end on 2027-04-01"),
];

/// Permissions that give nothing without a service plan, of which one is enough.
const LICENCES: &[(&str, &str, &[&str])] = &[
    // Source: Microsoft Graph, "signIn resource type".
    (
        "microsoft_graph/*/AuditLog.Read.All",
        "sign-in logs are there only with Entra ID P1 or P2",
        &["41781fb2-bc02-4b7c-bd55-b576c07bb09d", "eec0eb4f-6444-4f95-aba0-50c24d67f998"],
    ),
    // Source: Microsoft Entra ID Protection, "License requirements".
    (
        "microsoft_graph/*/IdentityRisk*",
        "risk data is there only with Entra ID P2",
        &["eec0eb4f-6444-4f95-aba0-50c24d67f998"],
    ),
    // Source: Microsoft Graph, "Working with Intune in Microsoft Graph".
    (
        "microsoft_graph/*/DeviceManagement*",
        "it gives nothing without Intune Plan 1",
        &["c1ec4a95-1f05-45b3-a911-aa3fa01094f5"],
    ),
    // Source: Microsoft Defender for Endpoint, "Use the Microsoft Defender for Endpoint APIs".
    (
        "windows_defender_atp/*",
        "the API is there only with Defender for Endpoint Plan 2 or Defender for Business",
        &["871d91ec-ec1a-452b-a83f-bd76c7d770ef", "bfc1bbd9-981b-4f71-9b82-17c35fd0e2a4"],
    ),
];

impl<'a> Lints<'a> {
    fn say(&mut self, sort: Sort, place: &[&str], message: String) {
        self.found.push(Finding {
            sort,
            subject: place.join("."),
            message,
            suggestions: Vec::new(),
            place: Place::at(place),
        });
    }

    fn say_of(&mut self, sort: Sort, say: impl Fn(&Self, &Entry<'a>) -> Option<String>) {
        let found = self.entries.iter().filter_map(|entry| Some(entry.finding(sort, say(self, entry)?, Vec::new())));
        let found: Vec<_> = found.collect();
        self.found.extend(found);
    }

    /// The same of what alternatives offer too.
    fn say_of_all(&mut self, sort: Sort, say: impl Fn(&Self, &Entry<'a>) -> Option<String>) {
        let chosen = self.chosen.iter().filter_map(|entry| Some(entry.finding(sort, say(self, entry)?, Vec::new())));
        let chosen: Vec<_> = chosen.collect();
        self.found.extend(chosen);
        self.say_of(sort, say);
    }

    /// The part that is always asked for.
    fn required(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.entries.iter().filter(|entry| !entry.optional && entry.feature.is_none())
    }

    fn counts(&mut self) {
        for (api, announced) in &self.profile.source.counts {
            let listed = self.required().filter(|entry| api == "total" || entry.api == api);
            let listed = listed.map(Entry::subject).collect::<BTreeSet<_>>().len();
            if listed != *announced as usize {
                let of = if api == "total" { "permissions".to_owned() } else { format!("permissions of {api}") };
                self.say(
                    Sort::COUNT,
                    &["source", "counts"],
                    format!("The document announces {announced} {of} and lists {listed}."),
                );
            }
        }
    }

    fn consent_roles(&mut self) {
        let protected = |entry: &&Entry<'_>| PROTECTED.contains(&entry.api) && entry.kind != Some(Kind::Delegated);
        let mentioned = self.profile.source.mentions.iter().any(|api| PROTECTED.contains(&api.as_str()));
        let graph = mentioned || self.entries.iter().any(|entry| protected(&entry));
        for name in &self.profile.consent_roles {
            let able =
                |role: &str| MAY_CONSENT_TO_ALL.contains(&role) || !graph && MAY_CONSENT_TO_OTHERS.contains(&role);
            let message = match directory_role(name) {
                Err(why) => format!("{why} The consent needs one of {}.", MAY_CONSENT_TO_ALL.join(" or ")),
                Ok(role) if !able(&role.name) => format!(
                    "{} cannot consent to this: application permissions of Microsoft Graph need {}, those of other APIs and delegated ones at least {}.",
                    role.name,
                    MAY_CONSENT_TO_ALL.join(" or "),
                    MAY_CONSENT_TO_OTHERS.join(" or ")
                ),
                Ok(_) => continue,
            };
            self.say(Sort::ROLE, &["consent_roles"], message);
        }
    }

    /// Source: Entra's validation differences by supported account types.
    fn limits(&mut self) {
        let apis = self.entries.iter().map(|entry| entry.api).collect::<BTreeSet<_>>().len();
        let all = self.entries.iter().map(Entry::subject).collect::<BTreeSet<_>>().len();
        if apis > 50 || all > 400 {
            let message =
                format!("Graph allows permissions of 50 APIs and 400 permissions in all; these are {apis} and {all}.");
            self.say(Sort::LIMIT, &["permissions"], message);
        }
    }

    /// What a name may mean: both kinds, where the document leaves open which one.
    fn meanings(&self, entry: &Entry<'_>) -> Vec<PermissionKey> {
        let open = || {
            let api = self.catalog.api(entry.api)?;
            let found = [Kind::Application, Kind::Delegated].into_iter().filter_map(|kind| api.get(kind, entry.value));
            Some(found.map(|one| api.key_of(one)).collect())
        };
        match entry.key() {
            Some(key) => vec![self.catalog.canonical(&key)],
            None => open().unwrap_or_default(),
        }
    }

    /// A narrower permission counts only where the wider one is asked for whenever it is.
    fn redundant(&mut self) {
        let keys: Vec<_> = self.entries.iter().map(|entry| self.meanings(entry)).collect();
        let mut found = Vec::new();
        for (entry, meant) in self.entries.iter().zip(&keys).filter(|(_, meant)| !meant.is_empty()) {
            let wider: Vec<_> = meant.iter().map(|key| self.catalog.implied_by(key)).collect();
            let beside = |other: &Entry<'_>| other.feature.is_none() && !other.optional || together(entry, other);
            let covering = |wider: &Vec<PermissionKey>| {
                let mut others = self.entries.iter().zip(&keys).filter(|(other, _)| beside(other));
                others.find(|(_, keys)| keys.iter().any(|key| wider.contains(key))).map(|(other, _)| other)
            };
            let covers = wider.iter().map(covering).collect::<Option<Vec<_>>>();
            if let Some(other) = covers.iter().flatten().next() {
                let message =
                    format!("{} is covered by {}: the connector can do without it.", entry.subject(), other.subject());
                found.push(entry.finding(Sort::REDUNDANT, message, Vec::new()));
                continue;
            }
            let partly: Vec<_> = meant.iter().flat_map(|key| self.catalog.implied_in_part_by(key)).collect();
            let part = self.entries.iter().zip(&keys).filter(|(other, _)| beside(other)).find_map(|(other, wider)| {
                let (_, part) = partly.iter().find(|(key, _)| wider.contains(key))?;
                Some((other, *part))
            });
            if let Some((other, part)) = part {
                let message =
                    format!("{} is covered in part by {}: {part} operations.", entry.subject(), other.subject());
                found.push(entry.finding(Sort::PARTLY, message, Vec::new()));
            }
        }
        self.found.extend(found);
    }

    fn delegated(&mut self) {
        let app = &self.profile.app;
        let redirects = [&app.web_redirect_uris, &app.spa_redirect_uris, &app.public_client_redirect_uris];
        let signs_in = redirects.iter().any(|uris| !uris.is_empty())
            || self.profile.kind == ProfileKind::VendorApp
            || self.profile.prerequisites.iter().any(|one| one.kind == PrerequisiteKind::ServiceAccount);
        if !signs_in {
            self.say_of(Sort::FLOW, |_, entry| {
                (entry.kind == Some(Kind::Delegated)).then(|| {
                    format!(
                        "{} has no effect: the connector signs in only as itself, without a user and a redirect URI.",
                        entry.subject()
                    )
                })
            });
            return;
        }
        self.say_of(Sort::BOTH_KINDS, |lints, entry| {
            let twin = |other: &Entry<'_>| {
                (other.api, other.value, other.kind) == (entry.api, entry.value, Some(Kind::Application))
            };
            (entry.kind == Some(Kind::Delegated) && lints.entries.iter().any(twin)).then(|| {
                format!(
                    "{} is asked for as application permission too: one of both is enough for most connectors.",
                    entry.subject()
                )
            })
        });
    }

    fn duplicates(&mut self) {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for entry in &self.entries {
            let required =
                |other: &Entry<'_>| !other.optional && other.feature.is_none() && other.subject() == entry.subject();
            let again = entry.optional || entry.feature.is_some();
            if !seen.insert((entry.feature, entry.optional, entry.subject()))
                || again && self.entries.iter().any(required)
            {
                found.push(entry.finding(Sort::DUPLICATE, format!("{} is listed twice.", entry.subject()), Vec::new()));
            }
        }
        self.found.extend(found);
        let parts: BTreeMap<_, BTreeSet<_>> = self
            .profile
            .features
            .keys()
            .map(|name| {
                let own = self.entries.iter().filter(|entry| entry.feature == Some(name));
                (name, own.map(Entry::subject).collect())
            })
            .collect();
        for (name, part) in parts.iter().filter(|(_, part)| !part.is_empty()) {
            let whole =
                parts.iter().find(|(other, whole)| *other != name && part.is_subset(whole) && part.len() < whole.len());
            if let Some((whole, _)) = whole {
                let message = format!("All that the feature \"{name}\" asks for is in the feature \"{whole}\" too.");
                self.say(Sort::DUPLICATE, &["features", name], message);
            }
        }
    }

    fn overlaps(&mut self) {
        self.say_of_all(Sort::OVERLAP, |_, entry| {
            let (_, why) = OVERLAPS.iter().find(|(pattern, _)| matches(pattern, &entry.subject()))?;
            Some(format!("{}: {why}.", entry.subject()))
        });
    }

    fn ambiguous(&mut self) {
        self.say_of(Sort::AMBIGUITY, |lints, entry| {
            let elsewhere = lints
                .entries
                .iter()
                .find(|other| (other.kind, other.value) == (entry.kind, entry.value) && other.api < entry.api)?;
            Some(format!(
                "{} of {} and of {} are two permissions with different ids.",
                entry.value, elsewhere.api, entry.api
            ))
        });
    }

    fn privileges(&mut self) {
        let writes = |entry: &Entry<'_>| entry.value.contains("ReadWrite");
        let acting_feature = self.entries.iter().any(|entry| entry.feature.is_some() && writes(entry));
        self.say_of(Sort::PRIVILEGE, |lints, entry| {
            if entry.optional || entry.feature.is_some() {
                return None;
            }
            let rating = lints.catalog.rating(&entry.key()?);
            match rating.why {
                Some(why) if rating.risk == Risk::Critical => {
                    Some(format!("{} is critical and always asked for: its holder {why}.", entry.subject()))
                }
                _ if acting_feature && writes(entry) => Some(format!(
                    "{} writes, and is always asked for, although writing is a feature of its own.",
                    entry.subject()
                )),
                _ => None,
            }
        });
    }

    fn directory_roles(&mut self) {
        let chooses = |feature: Option<&str>| {
            let roles = |one: &crate::catalog::Alternative| one.one_of.iter().any(|key| key.starts_with(ROLE_KEY));
            self.profile
                .alternatives
                .iter()
                .any(|one| roles(one) && (one.feature.is_none() || one.feature.as_deref() == feature))
        };
        let has_role = |feature: Option<&str>| {
            let own = feature.and_then(|name| self.profile.features.get(name));
            !self.profile.directory_roles.is_empty()
                || own.is_some_and(|own| !own.directory_roles.is_empty())
                || chooses(feature)
        };
        let lacking: Vec<_> = self
            .entries
            .iter()
            .filter(|entry| {
                entry.kind == Some(Kind::Application) && entry.value.contains("ManageAsApp") && !has_role(entry.feature)
            })
            .map(|entry| {
                entry.finding(
                    Sort::DIRECTORY_ROLE,
                    format!(
                        "{} gives nothing without a directory role of the service principal, and none is named.",
                        entry.subject()
                    ),
                    Vec::new(),
                )
            })
            .collect();
        self.found.extend(lacking);
        let own = self.profile.directory_roles.iter().map(|name| (name.clone(), Place::at(&["directory_roles"])));
        let of_features = self.profile.features.iter().flat_map(|(feature, one)| {
            one.directory_roles
                .iter()
                .map(move |name| (name.clone(), Place::at(&["features", feature, "directory_roles"])))
        });
        let chosen = self.profile.alternatives.iter().enumerate().flat_map(|(number, one)| {
            let place = Place::at(&["alternatives", &number.to_string(), "one_of"]);
            one.one_of.iter().filter_map(move |key| Some((key.strip_prefix(ROLE_KEY)?.to_owned(), place.clone())))
        });
        let named: Vec<_> = own.chain(of_features).chain(chosen).collect();
        for (name, place) in named {
            let message = match directory_role(&name) {
                Err(why) if !why.nearest.is_empty() => why.to_string(),
                Ok(role) if role.application == Holds::No => format!("{name} cannot be given to an application."),
                _ if role_rating(&name).risk == Risk::Critical => {
                    format!(
                        "The directory role {name} of a service principal is critical: whoever holds its credential has that role."
                    )
                }
                _ => continue,
            };
            let subject = format!("{ROLE_KEY}{name}");
            self.found.push(Finding { sort: Sort::DIRECTORY_ROLE, subject, message, suggestions: Vec::new(), place });
        }
    }

    fn licences(&mut self) {
        self.say_of_all(Sort::LICENCE, |lints, entry| {
            let (_, why, plans) = LICENCES.iter().find(|(pattern, ..)| matches(pattern, &entry.subject()))?;
            let covered = lints.profile.prerequisites.iter().any(|one| {
                let applies = one.needed_by.is_empty() || one.needed_by.contains(&entry.subject());
                let enough = !one.any_of.is_empty() && one.any_of.iter().all(|plan| plans.contains(&plan.as_str()));
                one.kind == PrerequisiteKind::Licence && applies && enough
            });
            (!covered).then(|| format!("{}: {why}, and no prerequisite says so.", entry.subject()))
        });
        let any = |profile: &Profile| {
            let whole = profile
                .prerequisites
                .iter()
                .filter(|one| one.kind == PrerequisiteKind::Licence && one.needed_by.is_empty());
            whole.map(|one| (one.name.clone(), one.any_of.is_empty())).collect::<Vec<_>>()
        };
        let own = any(self.profile);
        let siblings =
            self.catalog.profiles().filter(|one| one.vendor == self.profile.vendor && one.slug != self.profile.slug);
        let others: Vec<_> =
            siblings.flat_map(|one| any(one).into_iter().map(|(_, all)| (one.slug.clone(), all))).collect();
        for (name, every_one) in own {
            if let Some((slug, _)) = others.iter().find(|(_, all)| *all != every_one) {
                let message = match every_one {
                    true => format!("Every licence is said to do, while {slug} of the same vendor needs one of some."),
                    false => format!("\"{name}\" is needed, while {slug} of the same vendor takes every licence."),
                };
                self.say(Sort::LICENCE, &["prerequisites", &name], message);
            }
        }
    }

    fn services(&mut self) {
        self.say_of(Sort::SERVICE, |lints, entry| {
            let told = lints.profile.prerequisites.iter().any(|one| {
                one.kind == PrerequisiteKind::Service
                    && (one.needed_by.is_empty()
                        || one.needed_by.iter().any(|key| key.starts_with("office_365_management/")))
            });
            // Source: Office 365 Management APIs, "Get started": nothing is recorded before the unified audit log is on.
            (matches("office_365_management/*/ActivityFeed.*", &entry.subject()) && !told).then(|| {
                format!(
                    "{} reads nothing before the unified audit log is on, and no prerequisite says so.",
                    entry.subject()
                )
            })
        });
    }

    fn source(&mut self) {
        if !self.profile.source.complete {
            let message = "The list was not seen whole: permissions may be missing.".to_owned();
            self.say(Sort::INCOMPLETE, &["source", "complete"], message);
        }
        for api in &self.profile.source.mentions {
            if !self.entries.iter().any(|entry| entry.api == *api) {
                let message = format!("The document speaks of {api} and lists none of its permissions.");
                self.say(Sort::MENTION, &["source", "mentions"], message);
            }
        }
    }

    fn registration(&mut self) {
        let (profile, app) = (self.profile, &self.profile.app);
        if profile.kind == ProfileKind::VendorApp {
            return;
        }
        if app.existing == Existing::Required {
            let message = "It adds to an application that another document makes: `exclusive = false` keeps what that one asks for.";
            self.say(Sort::SCOPE, &["app", "existing"], message.to_owned());
        } else {
            let open = [
                ("display_name", app.display_name.is_none()),
                ("sign_in_audience", app.sign_in_audience.is_none()),
                ("credentials", app.credentials.is_empty()),
            ];
            for (name, _) in open.into_iter().filter(|(_, open)| *open) {
                self.say(Sort::UNSPECIFIED, &["app", name], format!("`{name}` of the application is left open."));
            }
        }
        if profile.outputs.is_empty() {
            self.say(Sort::UNSPECIFIED, &["outputs"], "What the vendor wants to be told is left open.".to_owned());
        }
        if app.sign_in_audience.as_ref().is_some_and(|audience| audience != "AzureADMyOrg") {
            let message = "Accounts of other tenants may sign in, although the connector serves one.".to_owned();
            self.say(Sort::AUDIENCE, &["app", "sign_in_audience"], message);
        }
        self.names();
    }

    fn names(&mut self) {
        let Some(name) = &self.profile.app.display_name else { return };
        if ["Microsoft", "Azure", "Office 365", "Entra"].iter().any(|own| name.starts_with(own)) {
            let message = format!("\"{name}\" reads like an application of Microsoft's.");
            self.say(Sort::NAMING, &["app", "display_name"], message);
        }
        let others = self.profile.features.values().filter_map(|one| self.catalog.profile(one.own_app.as_ref()?).ok());
        let others: Vec<_> =
            others.filter_map(|one| one.app.display_name).filter(|other| !other.starts_with(name)).collect();
        for other in others {
            let message = format!("\"{name}\" and \"{other}\" are two names of one product.");
            self.say(Sort::NAMING, &["app", "display_name"], message);
        }
    }
}

/// Whether two names stand in the same part.
fn together(one: &Entry<'_>, other: &Entry<'_>) -> bool {
    one.feature == other.feature && one.optional == other.optional
}
