//! Whether and how a secret is rotated: from configuration, state and what the last refresh observed, and from nothing else.

use super::model::{ConnectorSecret, State, known};
use crate::framework::{Computed, Value};
use jiff::SignedDuration;
use std::collections::{BTreeMap, BTreeSet};

/// Whether a plan rotates.
pub(super) enum Rotation {
    /// No.
    None,
    /// Yes, and why.
    Certain(String),
    /// Something that decides it is not known yet.
    Open,
}

impl ConnectorSecret {
    pub(super) fn rotation(&self, prior: &State, rotate_before: SignedDuration) -> Rotation {
        let before = &prior.value;
        let certain = |why: &str| Rotation::Certain(why.to_owned());
        if before.value.known().is_none() && before.encrypted_value.known().is_none() {
            return certain("its value is not known here");
        }
        if before.key_id.known().is_none_or(|key| !before.listed().contains(key)) {
            return certain("somebody removed it");
        }
        if let (Some(end), Some(now)) = (before.end(), prior.private.observed_at)
            && end - rotate_before <= now
        {
            return certain(if end <= now { "it has ended" } else { "it ends soon" });
        }
        let mut open = false;
        let mut changed = |before: Option<String>, now: Option<Value<String>>| match now {
            Some(Value::Unknown) => {
                open = true;
                false
            }
            Some(Value::Known(now)) => before != Some(now),
            None => before.is_some(),
        };
        let text = |one: &Value<String>| one.known().cloned();
        if changed(text(&before.display_name), Some(self.display_name.clone())) {
            return certain("its name changes");
        }
        if changed(before.recipient.as_ref().and_then(text), self.recipient.clone()) {
            return certain("its recipient changes");
        }
        let triggers = |one: &Option<Value<BTreeMap<String, String>>>| match one {
            None => Some(BTreeMap::new()),
            Some(triggers) => triggers.known().cloned(),
        };
        match triggers(&self.rotation_triggers) {
            None => Rotation::Open,
            now if now != triggers(&before.rotation_triggers) => certain("a trigger changes"),
            _ if open => Rotation::Open,
            _ => Rotation::None,
        }
    }

    /// Nothing but the configuration changes, and what is left over on the application goes.
    pub(super) fn keep(&mut self, state: &State) {
        let prior = &state.value;
        self.key_id = prior.key_id.clone();
        self.value = prior.value.clone();
        self.encrypted_value = prior.encrypted_value.clone();
        self.hint = prior.hint.clone();
        self.start_date_time = prior.start_date_time.clone();
        self.end_date_time = prior.end_date_time.clone();
        self.previous_key_id = prior.previous_key_id.clone();
        self.key_ids = known(prior.listed().intersection(&state.held()));
    }

    pub(super) fn plan_rotation(&mut self, prior: &Self) {
        self.plan_open();
        self.plan_values();
        let (previous, kept) = self.previous(prior);
        self.previous_key_id = previous.into();
        let kept = kept.into_iter().map(Value::Known);
        self.key_ids = kept.chain([Value::Unknown]).collect::<BTreeSet<_>>().into();
    }

    /// Which of the two texts a new secret has is known as soon as the recipient is.
    pub(super) fn plan_values(&mut self) {
        (self.value, self.encrypted_value) = match self.recipient {
            None => (Computed::Unknown, Computed::Null),
            Some(Value::Known(_)) => (Computed::Null, Computed::Unknown),
            // It may turn out to be null.
            Some(Value::Unknown) => (Computed::Unknown, Computed::Unknown),
        };
    }

    pub(super) fn plan_open(&mut self) {
        self.key_id = Computed::Unknown;
        self.value = Computed::Unknown;
        self.encrypted_value = Computed::Unknown;
        self.hint = Computed::Unknown;
        self.start_date_time = Computed::Unknown;
        self.end_date_time = Computed::Unknown;
        self.previous_key_id = Computed::Unknown;
        self.key_ids = Computed::Unknown;
    }

    /// What a rotation has for the previous key, and what it keeps on the application.
    pub(super) fn previous(&self, prior: &Self) -> (Option<String>, BTreeSet<String>) {
        let listed = prior.listed();
        let there = |id: &&String| self.keep_previous && listed.contains(*id);
        let present = prior.key_id.known();
        // Where somebody removed the present one, the vendor can only be using the one before it.
        let survivor = prior.previous_key_id.known().filter(there).filter(|_| present.is_none_or(|id| !there(&id)));
        let previous = survivor.or(present);
        (previous.cloned(), previous.filter(there).cloned().into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framework::{Secret, Stored};
    use crate::resources::connector_secret::model::{ConnectorSecretPrivate, a_month, half_a_year};

    const FIRST: &str = "0d9b3e63-9d3f-4f2f-8f0e-6b2b8a5f4c11";
    const SECOND: &str = "6f1f4b5e-6f0c-4c39-9a53-0a5c3b9f1d22";

    /// A secret in its second life, of which these keys are on the application.
    fn secret(listed: &[&str]) -> ConnectorSecret {
        let ids: Vec<_> = listed.iter().map(|id| (*id).to_owned()).collect();
        ConnectorSecret {
            tenant_id: Computed::Null,
            application_id: Value::Unknown,
            display_name: "siem".to_owned().into(),
            valid_for: half_a_year(),
            rotate_before: a_month(),
            keep_previous: true,
            recipient: None,
            rotation_triggers: None,
            timeouts: None,
            key_id: SECOND.to_owned().into(),
            value: Secret::from("text".to_owned()).into(),
            encrypted_value: Computed::Null,
            hint: Computed::Null,
            start_date_time: "2026-01-01T00:00:00Z".to_owned().into(),
            end_date_time: "2026-06-30T00:00:00Z".to_owned().into(),
            previous_key_id: FIRST.to_owned().into(),
            key_ids: known(&ids),
        }
    }

    fn observed(secret: ConnectorSecret, now: &str) -> State {
        let private = ConnectorSecretPrivate { observed_at: now.parse().ok(), ..ConnectorSecretPrivate::default() };
        Stored { value: secret, private, exists: true }
    }

    fn rotates(now: &ConnectorSecret, prior: &State) -> Option<bool> {
        let (_, rotate_before) = now.lifetimes().unwrap();
        match now.rotation(prior, rotate_before) {
            Rotation::None => Some(false),
            Rotation::Certain(_) => Some(true),
            Rotation::Open => None,
        }
    }

    #[test]
    fn it_rotates_from_the_observed_day_on_whatever_the_clock_says() {
        let secret = secret(&[FIRST, SECOND]);
        let at = |now: &str| rotates(&secret, &observed(secret.clone(), now));
        assert_eq!(at("2026-05-30T23:59:59Z"), Some(false));
        assert_eq!(at("2026-05-31T00:00:00Z"), Some(true));
        let later = ConnectorSecret { rotate_before: "P1D".to_owned(), ..secret.clone() };
        assert_eq!(rotates(&later, &observed(secret.clone(), "2026-05-31T00:00:00Z")), Some(false));
        assert_eq!(rotates(&secret, &observed(secret.clone(), "never observed")), Some(false));
    }

    #[test]
    fn what_is_not_known_yet_may_rotate_and_what_is_certain_does() {
        let prior = observed(secret(&[FIRST, SECOND]), "2026-01-02T00:00:00Z");
        let with = |change: fn(&mut ConnectorSecret)| {
            let mut now = prior.value.clone();
            change(&mut now);
            rotates(&now, &prior)
        };
        assert_eq!(with(|now| now.rotation_triggers = Some(Value::Known(BTreeMap::new()))), Some(false));
        assert_eq!(with(|now| now.rotation_triggers = Some(Value::Unknown)), None);
        assert_eq!(with(|now| now.recipient = Some(Value::Unknown)), None);
        assert_eq!(with(|now| now.display_name = Value::Unknown), None);
        assert_eq!(with(|now| now.display_name = "soc".to_owned().into()), Some(true));
        assert_eq!(
            with(|now| (now.display_name, now.recipient) = ("soc".to_owned().into(), Some(Value::Unknown))),
            Some(true)
        );
        assert_eq!(with(|now| now.valid_for = "P26W".to_owned()), Some(false));
        let gone = observed(secret(&[FIRST]), "2026-01-02T00:00:00Z");
        assert_eq!(rotates(&gone.value, &gone), Some(true));
    }

    #[test]
    fn a_rotation_keeps_the_present_key_or_the_one_that_survived_it() {
        let kept = |listed: &[&str], keep_previous: bool| {
            let secret = ConnectorSecret { keep_previous, ..secret(listed) };
            let (previous, kept) = secret.previous(&secret);
            (previous.unwrap(), kept.into_iter().collect::<Vec<_>>())
        };
        assert_eq!(kept(&[FIRST, SECOND], true), (SECOND.to_owned(), vec![SECOND.to_owned()]));
        assert_eq!(kept(&[FIRST, SECOND], false), (SECOND.to_owned(), vec![]));
        assert_eq!(kept(&[FIRST], true), (FIRST.to_owned(), vec![FIRST.to_owned()]));
        assert_eq!(kept(&[], true), (SECOND.to_owned(), vec![]));
    }
}
