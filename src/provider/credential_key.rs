//! How a credential is named. A client may choose the id of a certificate, so an id alone does not tell one from another: what holds a
//! credential, its kind and its id do.

use crate::framework::is_guid;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// What a credential is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// The application.
    Application,
    /// Its service principal, where no portal page shows it.
    ServicePrincipal,
}

/// What a credential is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A password.
    Secret,
    /// A key.
    Certificate,
}

/// A credential by meaning. Of those of one id the first one in order is what the plain id names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CredentialKey {
    id: String,
    on: On,
    kind: Kind,
}

impl fmt::Display for On {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Application => "application",
            Self::ServicePrincipal => "service_principal",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Secret => "secret",
            Self::Certificate => "certificate",
        })
    }
}

impl CredentialKey {
    /// Ids compare without regard to case, as Graph's do.
    pub fn new(on: On, kind: Kind, id: &str) -> Self {
        Self { id: id.to_lowercase(), on, kind }
    }

    /// Its id, in lower case.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it is on.
    pub fn on(&self) -> On {
        self.on
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its name among `all`: the plain id, unless that names another one.
    pub fn spelled_among<V>(&self, all: &BTreeMap<Self, V>) -> String {
        if Self::first(&self.id, all).is_none_or(|first| first >= self) { self.id.clone() } else { self.to_string() }
    }

    /// The one of `all` that `text` names: just one, be the id met more than once.
    pub fn named<'a, V>(text: &str, all: &'a BTreeMap<Self, V>) -> Option<&'a Self> {
        match text.parse::<Self>() {
            Ok(key) => all.get_key_value(&key).map(|(key, _)| key),
            Err(_) => Self::first(&text.to_lowercase(), all),
        }
    }

    /// Whether `text` has the form of such a name.
    pub fn is_name(text: &str) -> bool {
        is_guid(text) || text.parse::<Self>().is_ok_and(|key| is_guid(&key.id))
    }

    fn first<'a, V>(id: &str, all: &'a BTreeMap<Self, V>) -> Option<&'a Self> {
        all.keys().find(|one| one.id == id)
    }
}

/// In full: `certificate@service_principal/<id>`.
impl fmt::Display for CredentialKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}@{}/{}", self.kind, self.on, self.id)
    }
}

impl FromStr for CredentialKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let lower = text.to_lowercase();
        let (what, id) = lower.split_once('/').ok_or(())?;
        let (kind, on) = match what {
            "secret@application" => (Kind::Secret, On::Application),
            "certificate@application" => (Kind::Certificate, On::Application),
            "secret@service_principal" => (Kind::Secret, On::ServicePrincipal),
            "certificate@service_principal" => (Kind::Certificate, On::ServicePrincipal),
            _ => return Err(()),
        };
        Ok(Self { id: id.to_owned(), on, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0d9b3e63-9d3f-4f2f-8f0e-6b2b8a5f4c11";
    const ALL: [(On, Kind); 4] = [
        (On::Application, Kind::Secret),
        (On::Application, Kind::Certificate),
        (On::ServicePrincipal, Kind::Secret),
        (On::ServicePrincipal, Kind::Certificate),
    ];

    fn keys(which: &[usize]) -> BTreeMap<CredentialKey, ()> {
        which.iter().map(|at| (CredentialKey::new(ALL[*at].0, ALL[*at].1, ID), ())).collect()
    }

    #[test]
    fn a_plain_id_names_exactly_one_and_the_others_are_spelled_in_full() {
        for present in 0..16_usize {
            let which: Vec<usize> = (0..4).filter(|at| present & (1 << at) != 0).collect();
            let all = keys(&which);
            let spelled: Vec<String> = all.keys().map(|key| key.spelled_among(&all)).collect();
            let plain = spelled.iter().filter(|text| *text == ID).count();
            assert_eq!(plain, usize::from(!which.is_empty()), "{spelled:?}");
            let first = which.first().map(|at| CredentialKey::new(ALL[*at].0, ALL[*at].1, ID));
            assert_eq!(CredentialKey::named(&ID.to_uppercase(), &all), first.as_ref(), "{which:?}");
            for (key, text) in all.keys().zip(&spelled) {
                assert_eq!(CredentialKey::named(text, &all), Some(key));
                assert_eq!(CredentialKey::named(&key.to_string().to_uppercase(), &all), Some(key), "also in full");
            }
        }
    }

    #[test]
    fn what_is_not_there_is_named_by_nothing() {
        let all = keys(&[0]);
        assert_eq!(CredentialKey::named("certificate@application/0d9b3e63-9d3f-4f2f-8f0e-6b2b8a5f4c11", &all), None);
        assert_eq!(CredentialKey::named("other", &all), None);
    }

    #[test]
    fn names_have_a_form() {
        for fine in [ID.to_owned(), ID.to_uppercase(), format!("certificate@service_principal/{ID}")] {
            assert!(CredentialKey::is_name(&fine), "{fine}");
        }
        for wrong in
            ["", "x", &format!("key@application/{ID}"), "secret@application/x", &format!("secret@application {ID}")]
        {
            assert!(!CredentialKey::is_name(wrong), "{wrong}");
        }
    }
}
