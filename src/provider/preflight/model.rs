//! What is compared: the work of a plan with what a token says that its holder may do. Pure; what is needed stands in `graph::needed`.

use crate::graph::Claims;
use crate::graph::needed::{Operation, Right, WRITERS};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

/// What becomes of a missing right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PreflightMode {
    /// An error when the identity may write, but not all that is needed; a warning when it may write nothing and can only be planning.
    #[default]
    Auto,
    /// An error.
    Error,
    /// A warning.
    Warn,
    /// Nothing is compared.
    Off,
}

/// Whose the object is that is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The run's: it is going to make it, or owns it.
    Run,
    /// Somebody else's.
    Other,
    /// It cannot be read.
    Unknown,
}

/// Something that a plan is going to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work<'a> {
    /// What sort of call.
    pub operation: &'static Operation,
    /// Object id of the application that is changed; `None` where the run makes it, or where it does not matter whose it is.
    pub application: Option<&'a str>,
    /// Client id of an API: the work is done only where the tenant has no principal of it.
    pub absent_api: Option<&'a str>,
}

impl Work<'_> {
    /// Work that needs the same right on anybody's object, or that is on an object of the run's own.
    pub fn new(operation: &'static Operation) -> Self {
        Self { operation, application: None, absent_api: None }
    }
}

/// A permission that the run's identity lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Value of the app role of Microsoft Graph.
    pub role: &'static str,
    /// What it is for.
    pub purposes: BTreeSet<&'static str>,
    /// The narrower one does not do here, because the object is somebody else's.
    pub is_of_another: bool,
}

/// The provider block's choice, and what has been advised already.
#[derive(Debug, Default)]
pub struct Preflight {
    /// What becomes of a missing right.
    pub mode: PreflightMode,
    advised: Mutex<HashSet<(String, &'static str)>>,
}

impl Preflight {
    /// With nothing said yet.
    pub fn new(mode: PreflightMode) -> Self {
        Self { mode, ..Self::default() }
    }

    /// Whether this right of this identity is missed for the first time in the run: then the whole advice is given.
    pub(super) fn is_first(&self, identity: &str, role: &'static str) -> bool {
        self.advised.lock().unwrap_or_else(PoisonError::into_inner).insert((identity.to_owned(), role))
    }
}

/// Whether a token says what its holder may do. One of a person does not: that rests on the person's roles too.
pub fn is_readable(claims: &Claims) -> bool {
    claims.scp.is_none() && (claims.roles.is_some() || claims.oid.is_some())
}

pub(super) fn holds(claims: &Claims, role: &str) -> bool {
    claims.roles.iter().flatten().any(|held| held == role)
}

/// What is missing for a right, if anything: the permission to give.
fn lacks(right: &Right, claims: &Claims, owner: Owner) -> Option<&'static str> {
    let wide = [right.least].into_iter().chain(right.or).chain(right.wider.iter().copied());
    if wide.into_iter().any(|role| holds(claims, role)) {
        return None;
    }
    match right.own {
        Some(own) if owner != Owner::Other => (!holds(claims, own)).then_some(own),
        _ => Some(right.least),
    }
}

/// Everything that the holder of a token lacks for some work; nothing where the token does not say.
pub fn missing(claims: &Claims, work: &[(&'static Operation, Owner)]) -> Vec<Missing> {
    let mut found: BTreeMap<&'static str, Missing> = BTreeMap::new();
    if !is_readable(claims) {
        return Vec::new();
    }
    for (operation, owner) in work {
        let may = |role: &&str| claims.wids.iter().flatten().any(|held| held.eq_ignore_ascii_case(role));
        if operation.directory_roles.iter().any(may) {
            continue;
        }
        for right in operation.rights {
            let Some(role) = lacks(right, claims, *owner) else { continue };
            let one = found.entry(role).or_insert(Missing { role, purposes: BTreeSet::new(), is_of_another: false });
            one.purposes.insert(operation.purpose);
            one.is_of_another |= right.own.is_some_and(|own| holds(claims, own));
        }
    }
    found.into_values().collect()
}

/// Whether the holder of a token may write anything that this provider writes.
pub(super) fn may_write(claims: &Claims) -> bool {
    WRITERS.iter().any(|role| holds(claims, role))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Catalog, Kind};
    use crate::graph::needed::{GRANT_ROLE, OPERATIONS, READ_SCOPES, WRITE_APPLICATION, WRITE_SCOPES};

    fn with(roles: &[&str]) -> Claims {
        Claims {
            oid: Some("11111111-1111-4111-8111-111111111111".to_owned()),
            appid: Some("22222222-2222-4222-8222-222222222222".to_owned()),
            roles: Some(roles.iter().map(|role| (*role).to_owned()).collect()),
            ..Claims::default()
        }
    }

    fn names(claims: &Claims, work: &[(&'static Operation, Owner)]) -> Vec<&'static str> {
        missing(claims, work).iter().map(|one| one.role).collect()
    }

    #[test]
    fn all_that_is_missing_is_found_at_once_and_each_only_once() {
        let work = [
            (&GRANT_ROLE, Owner::Run),
            (&GRANT_ROLE, Owner::Run),
            (&WRITE_SCOPES, Owner::Run),
            (&READ_SCOPES, Owner::Run),
        ];
        assert_eq!(
            names(&with(&[]), &work),
            [
                "AppRoleAssignment.ReadWrite.All",
                "Application.Read.All",
                "DelegatedPermissionGrant.ReadWrite.All",
                "Directory.Read.All"
            ]
        );
        let held = with(&[
            "AppRoleAssignment.ReadWrite.All",
            "DelegatedPermissionGrant.ReadWrite.All",
            "Application.ReadWrite.All",
        ]);
        assert!(names(&held, &work).is_empty());
    }

    #[test]
    fn an_application_of_another_needs_the_wide_permission() {
        let owned = with(&["Application.ReadWrite.OwnedBy"]);
        assert!(names(&owned, &[(&WRITE_APPLICATION, Owner::Run)]).is_empty());
        assert!(names(&owned, &[(&WRITE_APPLICATION, Owner::Unknown)]).is_empty());
        let found = missing(&owned, &[(&WRITE_APPLICATION, Owner::Other)]);
        assert_eq!((found[0].role, found[0].is_of_another), ("Application.ReadWrite.All", true));
        assert_eq!(names(&with(&[]), &[(&WRITE_APPLICATION, Owner::Run)]), ["Application.ReadWrite.OwnedBy"]);
        assert!(names(&with(&["Application.ReadWrite.All"]), &[(&WRITE_APPLICATION, Owner::Other)]).is_empty());
    }

    #[test]
    fn what_a_token_does_not_say_is_no_finding() {
        let work = [(&GRANT_ROLE, Owner::Run)];
        assert!(names(&Claims::default(), &work).is_empty());
        assert!(names(&Claims { scp: Some("User.Read".to_owned()), ..with(&[]) }, &work).is_empty());
        // One without any application permission leaves `roles` out.
        assert_eq!(names(&Claims { roles: None, ..with(&[]) }, &work).len(), 2);
        let administrator = Claims { wids: Some(vec!["62E90394-69F5-4237-9190-012177145E10".to_owned()]), ..with(&[]) };
        assert!(names(&administrator, &work).is_empty());
    }

    #[test]
    fn every_permission_of_the_table_exists_and_can_be_given() {
        let api = Catalog::built_in().api("microsoft_graph").unwrap();
        for right in OPERATIONS.iter().flat_map(|one| one.rights) {
            let all = [right.least].into_iter().chain(right.own).chain(right.or).chain(right.wider.iter().copied());
            for role in all {
                assert!(api.find(Kind::Application, role).is_ok_and(|one| one.enabled), "{role}");
            }
        }
    }

    #[test]
    fn only_the_first_finding_of_a_run_has_the_advice() {
        let preflight = Preflight::new(PreflightMode::Error);
        assert!(preflight.is_first("a", "X") && !preflight.is_first("a", "X"));
        assert!(preflight.is_first("b", "X") && preflight.is_first("a", "Y"));
    }
}
