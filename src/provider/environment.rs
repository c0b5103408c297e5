//! The process environment, where the provider block says nothing.

/// A process environment: looked up by name, so that tests can bring their own.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// First of the variables that is set and not empty.
pub(super) fn from_environment(lookup: Lookup<'_>, names: &[&str]) -> Option<String> {
    variable(lookup, names).map(|(_, value)| value)
}

/// The same, with its name.
pub(super) fn variable<'a>(lookup: Lookup<'_>, names: &[&'a str]) -> Option<(&'a str, String)> {
    names.iter().find_map(|name| Some((*name, lookup(name).filter(|value| !value.is_empty())?)))
}
