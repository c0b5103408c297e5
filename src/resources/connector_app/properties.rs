//! The properties of an application that users set: one table for writing, reading, comparing and keeping them.

use super::marker::visible_tags;
use super::model::ConnectorApp;
use crate::framework::Computed;
use crate::graph::{Application, ApplicationPatch, Patch};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// One property: an attribute of the resource, and a field of the same name of Graph's shapes.
pub(super) struct Property {
    /// Name of the attribute.
    pub name: &'static str,
    /// Its value, for telling one from another.
    pub shown: fn(&ConnectorApp) -> Value,
    /// Whether it is still to be decided.
    pub is_open: fn(&ConnectorApp) -> bool,
    /// Takes it from what Graph says.
    pub observe: fn(&mut ConnectorApp, &Application),
    /// Takes it from another state.
    pub keep: fn(&mut ConnectorApp, &ConnectorApp),
    /// Writes it where it is known.
    pub write: fn(&ConnectorApp, &mut ApplicationPatch),
}

macro_rules! property {
    ($kind:ident $name:ident) => {
        Property {
            name: stringify!($name),
            shown: |app| $kind::shown(&app.$name),
            is_open: |app| $kind::is_open(&app.$name),
            observe: |app, seen| $kind::observe(&mut app.$name, &seen.$name),
            keep: |app, other| app.$name.clone_from(&other.$name),
            write: |app, patch| $kind::write(&app.$name, &mut patch.$name),
        }
    };
}

pub(super) const PROPERTIES: &[Property] = &[
    property!(text unique_name),
    property!(text display_name),
    property!(clearable description),
    property!(clearable notes),
    property!(clearable service_management_reference),
    property!(text sign_in_audience),
    property!(uris web_redirect_uris),
    property!(uris spa_redirect_uris),
    property!(uris public_client_redirect_uris),
    property!(tags tags),
    property!(flag lock_instance_properties),
];

impl ConnectorApp {
    /// What has to be written to turn `prior` into this, tags apart; all of it where there is no prior.
    pub(super) fn changes(&self, prior: Option<&Self>) -> ApplicationPatch {
        let mut patch = ApplicationPatch::default();
        let differs = |one: &&Property| prior.is_none_or(|prior| (one.shown)(self) != (one.shown)(prior));
        PROPERTIES.iter().filter(differs).for_each(|one| (one.write)(self, &mut patch));
        patch
    }

    /// Replaces every property by what Graph says.
    pub(super) fn observe_properties(&mut self, seen: &Application) {
        PROPERTIES.iter().for_each(|one| (one.observe)(self, seen));
    }

    /// Whether an application is as this one is planned, all that is still to be decided apart.
    pub(super) fn is_like(&self, seen: &Application) -> bool {
        let (mut planned, mut there) = (self.clone(), self.clone());
        planned.decide_properties(seen);
        there.observe_properties(seen);
        planned.changes(Some(&there)) == ApplicationPatch::default()
    }

    /// The same as [`Self::observe_properties`] for what is still to be decided; planned values stay as planned.
    pub(super) fn decide_properties(&mut self, seen: &Application) {
        for one in PROPERTIES {
            if (one.is_open)(self) {
                (one.observe)(self, seen);
            }
        }
    }
}

/// A text that every application has, or has not yet.
mod text {
    use super::{Computed, Value, json};

    pub(super) fn shown(slot: &Computed<String>) -> Value {
        json!(slot.known())
    }

    pub(super) fn is_open(slot: &Computed<String>) -> bool {
        slot.is_unknown()
    }

    pub(super) fn observe(slot: &mut Computed<String>, seen: &(impl Clone + Into<Computed<String>>)) {
        *slot = seen.clone().into();
    }

    pub(super) fn write(slot: &Computed<String>, field: &mut Option<String>) {
        *field = slot.known().cloned();
    }
}

/// A text that `""` clears: null and `""` are one to Graph.
mod clearable {
    pub(super) use super::text::is_open;
    use super::{Computed, Patch, Value, json};

    pub(super) fn shown(slot: &Computed<String>) -> Value {
        json!(slot.known().map(String::as_str).unwrap_or_default())
    }

    /// A configured `""` is read back as such.
    pub(super) fn observe(slot: &mut Computed<String>, seen: &Option<String>) {
        let text = seen.clone().filter(|text| !text.is_empty());
        if text.is_some() || slot.known().is_none_or(|text| !text.is_empty()) {
            *slot = text.into();
        }
    }

    pub(super) fn write(slot: &Computed<String>, field: &mut Patch<String>) {
        *field = match slot.known() {
            None => Patch::Absent,
            Some(text) if text.is_empty() => Patch::Null,
            Some(text) => Patch::Value(text.clone()),
        };
    }
}

/// Redirect URIs of one platform.
mod uris {
    use super::{BTreeSet, Computed, Value, json};

    pub(super) fn shown(slot: &Computed<BTreeSet<String>>) -> Value {
        json!(slot.known().cloned().unwrap_or_default())
    }

    pub(super) fn is_open(slot: &Computed<BTreeSet<String>>) -> bool {
        slot.is_unknown()
    }

    pub(super) fn observe(slot: &mut Computed<BTreeSet<String>>, seen: &[String]) {
        *slot = seen.iter().cloned().collect::<BTreeSet<_>>().into();
    }

    pub(super) fn write(slot: &Computed<BTreeSet<String>>, field: &mut Option<Vec<String>>) {
        *field = slot.known().map(|uris| uris.iter().cloned().collect());
    }
}

/// Tags without our own, with which they are written together: see [`super::marker`].
mod tags {
    pub(super) use super::uris::{is_open, shown};
    use super::{BTreeSet, Computed, visible_tags};

    pub(super) fn observe(slot: &mut Computed<BTreeSet<String>>, seen: &[String]) {
        *slot = visible_tags(seen).into();
    }

    pub(super) fn write(_: &Computed<BTreeSet<String>>, _: &mut Option<Vec<String>>) {}
}

mod flag {
    use super::{Value, json};

    pub(super) fn shown(slot: &bool) -> Value {
        json!(slot)
    }

    pub(super) fn is_open(_: &bool) -> bool {
        false
    }

    pub(super) fn observe(slot: &mut bool, seen: &bool) {
        *slot = *seen;
    }

    pub(super) fn write(slot: &bool, field: &mut Option<bool>) {
        *field = Some(*slot);
    }
}
