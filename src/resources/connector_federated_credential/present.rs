//! What an application trusts already, held against a federated credential that is to be made: equal ones are taken over, any other
//! that is in the way is an error that says how to go on. The verdict rests on the tenant alone.

use crate::framework::Diagnostic;
use crate::graph::FederatedCredential;
use std::collections::BTreeSet;

/// Most federated credentials of one application. Source: Microsoft's documentation of workload identity federation.
pub(super) const MOST: usize = 20;

/// What is to be made.
pub(super) struct Wanted<'a> {
    /// Object id of the application.
    pub app: &'a str,
    pub name: &'a str,
    pub issuer: &'a str,
    pub subject: &'a str,
    pub audiences: &'a BTreeSet<String>,
}

/// What is there of it.
#[derive(Debug, PartialEq)]
pub(super) enum Met<'a> {
    /// Nothing that is in the way.
    Nothing,
    /// The same trust under the same name.
    Same(&'a FederatedCredential),
    /// The same trust under another name. A name never changes, and Entra allows a trust once: it has to go before ours can be made.
    UnderAnotherName(&'a FederatedCredential),
}

impl Wanted<'_> {
    /// What is there of it. Fails where another one has its name, or its issuer and subject with another audience.
    pub fn meets<'a>(&self, present: &'a [FederatedCredential]) -> Result<Met<'a>, Diagnostic> {
        if let Some(found) = present.iter().find(|one| one.name == self.name) {
            return if self.equals(found) { Ok(Met::Same(found)) } else { Err(self.name_is_taken(found)) };
        }
        match present.iter().find(|one| self.has_tokens_of(one)) {
            Some(found) if self.equals(found) => Ok(Met::UnderAnotherName(found)),
            Some(found) => Err(self.is_trusted_already(found)),
            None => Ok(Met::Nothing),
        }
    }

    /// Fails where another one than `own` has its issuer and subject: a change to them would be refused.
    pub fn stands_alone(&self, own: &str, present: &[FederatedCredential]) -> Result<(), Diagnostic> {
        let others = present.iter().filter(|one| !one.id.eq_ignore_ascii_case(own));
        others
            .into_iter()
            .find(|one| self.has_tokens_of(one))
            .map_or(Ok(()), |found| Err(self.is_trusted_already(found)))
    }

    /// Entra allows each issuer and subject once per application, whatever the audience. Source: azure-workload-identity#434.
    fn has_tokens_of(&self, one: &FederatedCredential) -> bool {
        one.issuer.as_deref() == Some(self.issuer) && one.subject.as_deref() == Some(self.subject)
    }

    fn equals(&self, one: &FederatedCredential) -> bool {
        self.has_tokens_of(one) && one.audiences.iter().collect::<BTreeSet<_>>() == self.audiences.iter().collect()
    }

    fn name_is_taken(&self, found: &FederatedCredential) -> Diagnostic {
        Diagnostic::error(format!("Another federated credential already has the name \"{}\"", self.name))
            .at("name")
            .help(format!("It trusts {}.", tokens(found)))
            .help(format!(
                "To manage that one, import it with the id `{}/{}`; a plan then shows what would change. Where this configuration has it under another address, a `moved` block hands it on. Else choose another `name`.",
                self.app, self.name
            ))
    }

    fn is_trusted_already(&self, found: &FederatedCredential) -> Diagnostic {
        Diagnostic::error("The application already trusts this issuer and subject")
            .at("subject")
            .help(format!("Its federated credential \"{}\" trusts {}, and Entra allows no second one.", found.name, tokens(found)))
            .help(format!(
                "To manage that one, set `name = \"{0}\"` and import it with the id `{1}/{0}`. Where this configuration has it already, change or remove it in an apply of its own first.",
                found.name, self.app
            ))
    }
}

fn tokens(one: &FederatedCredential) -> String {
    format!(
        "tokens of {} about \"{}\" for {}",
        one.issuer.as_deref().unwrap_or_default(),
        one.subject.as_deref().unwrap_or_default(),
        one.audiences.join(", ")
    )
}

/// There is no room for another one.
pub(super) fn no_room(name: &str) -> Diagnostic {
    Diagnostic::error("The application has no room for another federated credential").at("name").help(format!(
        "Entra allows {MOST} of one application, and it has them without \"{name}\". Remove one that is not needed in an apply of its own, or use a further application."
    ))
}

/// This configuration declares more than fit.
pub(super) fn too_many(declared: usize) -> Diagnostic {
    Diagnostic::error(format!("{declared} federated credentials are declared for one application"))
        .at("application_id")
        .help(format!("Entra allows {MOST}. Spread them over several applications, or trust a subject that covers several of them, such as an environment."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, subject: &str, audience: &str) -> FederatedCredential {
        FederatedCredential {
            id: format!("id of {name}"),
            name: name.to_owned(),
            issuer: Some("https://i.example".to_owned()),
            subject: Some(subject.to_owned()),
            audiences: vec![audience.to_owned()],
            description: None,
        }
    }

    fn wanted(audiences: &BTreeSet<String>) -> Wanted<'_> {
        Wanted { app: "app", name: "new", issuer: "https://i.example", subject: "s", audiences }
    }

    #[test]
    fn an_equal_trust_is_taken_over_under_any_name_and_what_only_resembles_it_is_in_the_way() {
        let audiences = BTreeSet::from(["a".to_owned()]);
        let wanted = wanted(&audiences);
        let meets = |present: &[FederatedCredential]| match wanted.meets(present) {
            Ok(Met::Nothing) => "nothing".to_owned(),
            Ok(Met::Same(found)) => format!("same {}", found.name),
            Ok(Met::UnderAnotherName(found)) => format!("renamed {}", found.name),
            Err(why) => why.summary,
        };
        assert_eq!(meets(&[one("old", "other", "a")]), "nothing");
        assert_eq!(meets(&[one("old", "other", "a"), one("new", "s", "a")]), "same new");
        assert_eq!(meets(&[one("old", "s", "a")]), "renamed old");
        assert_eq!(meets(&[one("old", "s", "b")]), "The application already trusts this issuer and subject");
        let taken = "Another federated credential already has the name \"new\"";
        assert_eq!(meets(&[one("new", "s", "b")]), taken);
        assert_eq!(meets(&[one("old", "s", "a"), one("new", "other", "a")]), taken, "the name comes first");
    }

    #[test]
    fn a_change_is_held_against_the_others_alone() {
        let audiences = BTreeSet::from(["a".to_owned()]);
        let wanted = wanted(&audiences);
        assert!(wanted.stands_alone("ID OF NEW", &[one("new", "s", "b")]).is_ok());
        assert!(wanted.stands_alone("id of new", &[one("new", "other", "a"), one("old", "s", "a")]).is_err());
    }
}
