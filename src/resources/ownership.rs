//! Exclusive and shared: which entries of an object (grants, requested permissions, credentials, roles) a resource declares, which of
//! them it added, and what it may take away again. Entries compare by meaning; how somebody spells one is only shown.

pub(crate) use crate::provider::permissions::Declared;

use crate::framework::{Diagnostic, Result, Severity};
use crate::provider::guardrails::DESTROY;
use crate::provider::{Claim, Cx, Target};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;

/// What a resource remembers of its entries, in its private data. `E`: an entry by meaning, as text through `Display` and `FromStr`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "E: Ord + Display", deserialize = "E: Ord + FromStr"))]
pub(crate) struct Ownership<E: Ord> {
    /// What was last declared.
    #[serde(default = "BTreeMap::new", serialize_with = "write_spelled", deserialize_with = "read_spelled")]
    declared: Declared<E>,
    /// Which of these this resource added.
    #[serde(default = "BTreeSet::new", serialize_with = "write_entries", deserialize_with = "read_entries")]
    added: BTreeSet<E>,
    /// The create did not end: a delete gives back only what was added.
    #[serde(default)]
    incomplete: bool,
    /// Only in a plan: what takes this one's place.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    replacement: Option<Replacement<E>>,
}

/// What the plan of a create in an object's place declares: the delete that comes first leaves that alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "E: Ord + Display", deserialize = "E: Ord + FromStr"))]
struct Replacement<E: Ord> {
    /// Id of the object that it is for.
    object: String,
    #[serde(serialize_with = "write_entries", deserialize_with = "read_entries")]
    entries: BTreeSet<E>,
}

impl<E: Ord> Default for Ownership<E> {
    fn default() -> Self {
        Self { declared: BTreeMap::new(), added: BTreeSet::new(), incomplete: false, replacement: None }
    }
}

impl<E: Ord + Clone> Ownership<E> {
    /// What an import starts from: whatever is there is taken for declared, and nothing for added.
    pub(crate) fn imported(declared: Declared<E>) -> Self {
        Self { declared, ..Self::default() }
    }

    /// The same by what is known today: an older version of the provider may have stored an entry by less.
    #[must_use]
    pub(crate) fn by(self, canonical: impl Fn(&E) -> E) -> Self {
        let entries = |all: BTreeSet<E>| all.iter().map(&canonical).collect();
        let mut declared = Declared::new();
        for (entry, spellings) in &self.declared {
            declared.entry(canonical(entry)).or_default().extend(spellings.iter().cloned());
        }
        let replacement = self.replacement.map(|one| Replacement { object: one.object, entries: entries(one.entries) });
        Self { declared, added: entries(self.added), incomplete: self.incomplete, replacement }
    }

    /// What was last declared.
    pub(crate) fn declared(&self) -> &Declared<E> {
        &self.declared
    }

    /// What this resource added.
    pub(crate) fn added(&self) -> &BTreeSet<E> {
        &self.added
    }

    /// A create has begun.
    pub(crate) fn begin(&mut self, declared: Declared<E>) {
        self.declared = declared;
        self.incomplete = true;
    }

    /// Remembers what was added just now, or what is taken over from whoever added it.
    pub(crate) fn add(&mut self, entry: E) {
        self.added.insert(entry);
    }

    /// All that was declared is there, and nothing is owned that is not declared any more.
    pub(crate) fn settle(&mut self, declared: Declared<E>) {
        self.added.retain(|entry| declared.contains_key(entry));
        *self = Self { declared, added: std::mem::take(&mut self.added), ..Self::default() };
    }

    /// Entries that an update may remove where they are not declared. `shown`: what the refreshed prior state listed, and so the plan.
    /// What appeared since then shows in the next plan.
    pub(crate) fn may_remove(&self, exclusive: bool, shown: impl IntoIterator<Item = E>) -> BTreeSet<E> {
        let shown = shown.into_iter().filter(|_| exclusive);
        self.added.iter().cloned().chain(shown).collect()
    }

    /// Entries that a destroy removes from `object`. `whole`: the object was finished and is not tainted.
    pub(crate) fn gives_back(
        &self,
        object: &str,
        exclusive: bool,
        whole: bool,
        shown: impl IntoIterator<Item = E>,
    ) -> BTreeSet<E> {
        let mut all = self.may_remove(exclusive && whole && !self.incomplete, shown);
        all.retain(|entry| !self.is_taken_over(object, entry));
        all
    }

    /// Whether what takes this one's place declares the entry on the same object.
    fn is_taken_over(&self, object: &str, entry: &E) -> bool {
        let replacement = self.replacement.as_ref().filter(|one| one.object.eq_ignore_ascii_case(object));
        replacement.is_some_and(|one| one.entries.contains(entry))
    }

    /// Of what this one added, what it leaves to what takes its place.
    pub(crate) fn leaves(&self, object: &str) -> BTreeSet<E> {
        self.added.iter().filter(|entry| self.is_taken_over(object, entry)).cloned().collect()
    }

    /// Notes in the plan of a create what it declares on `object`, for the delete of what it replaces.
    pub(crate) fn replaced_by(&mut self, object: &str, entries: impl IntoIterator<Item = E>) {
        self.replacement = Some(Replacement { object: object.to_owned(), entries: entries.into_iter().collect() });
    }
}

/// Entries as a list for people.
pub(crate) fn listed<T: Display>(entries: impl IntoIterator<Item = T>) -> String {
    entries.into_iter().map(|entry| format!("  - {entry}")).collect::<Vec<_>>().join("\n")
}

/// The words in which one resource says what all of them have to say.
pub(crate) struct Words {
    /// What has the entries: `The application`.
    pub holder: &'static str,
    /// `asks for`.
    pub has: &'static str,
    /// `asked for`.
    pub had: &'static str,
    /// `permissions`.
    pub entries: &'static str,
    /// What the resource is called for short: `set`.
    pub resource: &'static str,
    /// `withdraw`.
    pub remove: &'static str,
    /// `withdrawn`.
    pub removed: &'static str,
    /// Attribute that the findings are about.
    pub at: &'static str,
}

impl Words {
    fn undeclared(&self, id: &str, all: &[String]) -> Diagnostic {
        let Self { holder, has, entries, resource, remove, at, .. } = self;
        Diagnostic::error(format!("{holder} already {has} {entries} that are not declared"))
            .at(*at)
            .help(format!("An exclusive {resource} would {remove} these without the plan having shown it:\n{}", listed(all)))
            .help(format!("Declare them, import the {resource} with the id `{id}` so that a plan shows what will change, or set `exclusive = false`."))
            .help(format!("Where another address of this configuration managed them until now, say with a `moved` block that the {resource} has only been renamed. Under `create_before_destroy` the former {resource} still stands: apply once without replacing it, or do without."))
            .help(DESTROY)
    }

    fn on_their_way_out(&self, all: &[String]) -> Diagnostic {
        let Self { holder, has, entries, resource, remove, at, .. } = self;
        Diagnostic::warning(format!("{holder} {has} {entries} that are not declared")).at(*at).help(format!(
            "What the destroyed {resource} does not {remove} of these shows as drift in the next plan:\n{}",
            listed(all)
        ))
    }

    /// What a shared create says of what is there already.
    pub(crate) fn found(&self, all: &[String]) -> Diagnostic {
        let Self { holder, had, entries, resource, .. } = self;
        Diagnostic::warning(format!("{holder} {had} some of these {entries} already"))
            .help(format!("They are used as they are, and stay when this {resource} is destroyed:\n{}", listed(all)))
    }

    fn taken(&self, all: &[String]) -> Diagnostic {
        let Self { entries, removed, .. } = self;
        let (first, rest) = entries.split_at(1);
        let first = first.to_uppercase();
        Diagnostic::warning(format!("{first}{rest} were not {removed}, because a create in the same run declares them"))
            .help(listed(all))
    }
}

/// The plan of an exclusive create that meets what nobody declared: it would remove it without any plan having shown it. Where the
/// object in the state is this very instance's, because it is tainted or replaced, a destroy comes first: then it is only said.
/// `stands`: all that is declared is there already, as where this is apply and the target has a deposed self; then the create refuses.
pub(crate) fn refuse_in_plan(
    undeclared: &[String],
    words: &Words,
    target: &Target,
    stands: bool,
    cx: &Cx,
) -> Result<()> {
    if undeclared.is_empty() {
        return Ok(());
    }
    let error = words.undeclared(&target.id, undeclared);
    let run = cx.run()?;
    // In apply a create is planned once more, after the delete of what it replaces.
    if cx.is_second_plan() || run.left(target).is_some() || run.excuse(target, &error) {
        cx.warn(words.on_their_way_out(undeclared));
        return Ok(());
    }
    if !stands {
        return Err(error.into());
    }
    cx.refuse_in_plan(error.clone())?;
    cx.warn(Diagnostic { severity: Severity::Warning, ..error }.help("The apply refuses. Nothing will be changed."));
    Ok(())
}

/// The same in apply, before the first write, for a create whose object no plan could look at, or that comes before the destroy of
/// what it replaces. `destroyed_first`: a delete of this run has been at the object.
pub(crate) fn refuse_in_apply(
    undeclared: &[String],
    words: &Words,
    id: &str,
    destroyed_first: bool,
    cx: &Cx,
) -> Result<()> {
    if undeclared.is_empty() {
        return Ok(());
    }
    if destroyed_first {
        cx.warn(words.on_their_way_out(undeclared));
        return Ok(());
    }
    Err(words.undeclared(id, undeclared).into())
}

/// For `plan_destroy`: a create was planned on the strength of this object, which it took for its own. It is another address's, and
/// the create's error is due now, in the same words.
pub(crate) fn plan_destroy(target: &Target, cx: &Cx) -> Result<()> {
    let run = cx.run()?;
    match run.plan_destroy(target) {
        true => Ok(()),
        false => run.excused(target).map_or(Ok(()), |error| Err(error.into())),
    }
}

/// Leaves out of what a delete removes whatever a create of this run has found or made, and says so in the words of `spelled`.
pub(crate) fn spare_taken<E: Ord + Display>(
    going: &mut BTreeSet<E>,
    claim: &Claim<'_>,
    spelled: impl Fn(&E) -> String,
    words: &Words,
    cx: &Cx,
) -> Result<()> {
    let Some(taken) = claim.taken()? else { return Ok(()) };
    let spared: Vec<String> = going.iter().filter(|entry| taken.contains(&entry.to_string())).map(spelled).collect();
    if !spared.is_empty() {
        cx.warn(words.taken(&spared));
    }
    going.retain(|entry| !taken.contains(&entry.to_string()));
    Ok(())
}

/// Entries as texts.
pub(crate) fn write_entries<E: Display, S: Serializer>(
    all: &BTreeSet<E>,
    out: S,
) -> std::result::Result<S::Ok, S::Error> {
    out.collect_seq(all.iter().map(ToString::to_string))
}

/// Entries as texts. One that this version does not read is left out: it cannot be told from others, and a refresh must not fail on it.
pub(crate) fn read_entries<'de, E: Ord + FromStr, D: Deserializer<'de>>(
    input: D,
) -> std::result::Result<BTreeSet<E>, D::Error> {
    let all = Vec::<String>::deserialize(input)?;
    Ok(all.iter().filter_map(|text| text.parse().ok()).collect())
}

fn write_spelled<E: Display, S: Serializer>(all: &Declared<E>, out: S) -> std::result::Result<S::Ok, S::Error> {
    out.collect_map(all.iter().map(|(entry, spellings)| (entry.to_string(), spellings)))
}

/// Also as earlier versions wrote it: the spellings alone.
fn read_spelled<'de, E: Ord + FromStr, D: Deserializer<'de>>(input: D) -> std::result::Result<Declared<E>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Spelled(BTreeMap<String, BTreeSet<String>>),
        Plain(BTreeSet<String>),
    }
    let spelled = match Written::deserialize(input)? {
        Written::Spelled(all) => all,
        Written::Plain(all) => all.into_iter().map(|text| (text.clone(), BTreeSet::from([text]))).collect(),
    };
    Ok(spelled.into_iter().filter_map(|(text, spellings)| Some((text.parse().ok()?, spellings))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Owned = Ownership<String>;

    fn set(all: &[&str]) -> BTreeSet<String> {
        all.iter().map(|one| (*one).to_owned()).collect()
    }

    fn declared(all: &[&str]) -> Declared<String> {
        all.iter().map(|one| (one.to_lowercase(), set(&[one]))).collect()
    }

    fn owned(all: &[&str], added: &[&str]) -> Owned {
        let mut owned = Owned::default();
        added.iter().for_each(|entry| owned.add((*entry).to_owned()));
        owned.settle(declared(all));
        owned
    }

    #[test]
    fn an_update_removes_what_the_plan_showed_and_a_shared_one_only_what_it_added() {
        let owned = owned(&["a", "b"], &["a"]);
        assert_eq!(owned.may_remove(true, set(&["b", "planted"])), set(&["a", "b", "planted"]));
        assert_eq!(owned.may_remove(false, set(&["b", "planted"])), set(&["a"]));
    }

    #[test]
    fn a_destroy_gives_back_all_that_is_exclusive_and_only_its_own_where_it_was_not_finished() {
        let mut owned = owned(&["a", "b"], &["a"]);
        let gives = |owned: &Owned, exclusive, whole| owned.gives_back("o", exclusive, whole, set(&["a", "b"]));
        assert_eq!(gives(&owned, true, true), set(&["a", "b"]));
        assert_eq!((gives(&owned, false, true), gives(&owned, true, false)), (set(&["a"]), set(&["a"])));
        owned.begin(declared(&["a", "b"]));
        assert_eq!(gives(&owned, true, true), set(&["a"]));
    }

    #[test]
    fn what_takes_its_place_on_the_same_object_keeps_what_it_declares() {
        let mut owned = owned(&["a", "b"], &["a", "b"]);
        owned.replaced_by("O", set(&["b", "c"]));
        assert_eq!(owned.gives_back("o", true, false, set(&[])), set(&["a"]));
        assert_eq!(owned.leaves("o"), set(&["b"]));
        assert_eq!(owned.gives_back("another", true, false, set(&[])), set(&["a", "b"]));
    }

    #[test]
    fn what_is_declared_no_more_is_owned_no_more() {
        let mut owned = owned(&["a", "b"], &["a", "b"]);
        owned.settle(declared(&["B"]));
        assert_eq!((owned.added(), owned.declared()), (&set(&["b"]), &declared(&["B"])));
    }

    #[test]
    fn what_was_stored_by_less_is_known_again() {
        let older: Owned = serde_json::from_str(r#"{"declared":["A","b"],"added":["A"]}"#).unwrap();
        let owned = older.by(|entry| entry.to_lowercase());
        assert_eq!((owned.declared(), owned.added()), (&declared(&["A", "b"]), &set(&["a"])));
        let stored = serde_json::to_string(&owned).unwrap();
        assert_eq!(serde_json::from_str::<Owned>(&stored).unwrap(), owned);
        assert_eq!(serde_json::from_str::<Owned>("{}").unwrap(), Owned::default());
    }

    #[test]
    fn two_spellings_of_one_entry_are_one() {
        let older: Owned = serde_json::from_str(r#"{"declared":["A","a"],"added":["A","a"]}"#).unwrap();
        let owned = older.by(|entry| entry.to_lowercase());
        assert_eq!(owned.declared(), &Declared::from([("a".to_owned(), set(&["A", "a"]))]));
        assert_eq!(owned.added().len(), 1);
    }
}
