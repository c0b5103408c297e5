//! The adapters around hooks that succeed, fail, panic, wait and forget, as a client of the registry sees them.

use crate::framework::cli_rules::plan_faults;
use crate::framework::requests::{Apply, ImportTarget, Plan, Read};
use crate::framework::{
    Computed, Context, Diagnostic, Dynamic, EphemeralResource, Function, Lease, Provider, Registry, Resource, Result,
    Served, ServedEphemeral, ServedFunction, Server, Stored, StoredOf, Timeouts, Value, forces_replacement, guid,
    keeps_state,
};
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value as Json, json};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A resource that does what it is told.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Thing {
    /// What its hooks do.
    wish: Value<String>,
    /// Whose it is.
    #[schemars(transform = forces_replacement, transform = guid)]
    owner: Value<String>,
    /// Who uses it.
    #[schemars(transform = guid)]
    members: Option<Value<BTreeSet<String>>>,
    /// Colour.
    colour: Option<Colour>,
    /// How long it may take.
    timeouts: Option<Timeouts>,
    /// Id.
    #[schemars(transform = keeps_state, transform = guid)]
    id: Computed<String>,
    /// What came of it.
    note: Computed<Note>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Colour {
    /// The one that is left of former versions.
    Red,
}

/// A text that some values of which do not encode.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Note(String);

impl Serialize for Note {
    fn serialize<S: Serializer>(&self, out: S) -> std::result::Result<S::Ok, S::Error> {
        if self.0 == "unencodable" { out.serialize_bytes(&[]) } else { out.serialize_str(&self.0) }
    }
}

impl JsonSchema for Note {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Note".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

/// Its identity.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Key {
    /// Whose it is.
    owner: Option<String>,
    /// Id.
    id: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Memory {
    seen: u32,
}

const ID: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const OWNER: &str = "bbbbbbbb-0000-4000-8000-000000000002";
const OTHER: &str = "cccccccc-0000-4000-8000-000000000003";

fn refused() -> Result<()> {
    Err(Diagnostic::error("Refused").into())
}

impl Resource for Thing {
    const NAME: &'static str = "m365_thing";
    const VERSION: i64 = 2;
    const ALSO_NAMED_BY: &'static [&'static str] = &["colour"];
    type Services = ();
    type Key = Key;
    type Private = Memory;

    fn upgrade_state(version: i64, mut stored: Json) -> std::result::Result<Json, String> {
        if version == 0 {
            return Err("It is too old.".to_owned());
        }
        stored["wish"] = stored["wanted"].take();
        Ok(stored)
    }

    fn upgrade_private(_: i64, stored: Json) -> std::result::Result<Json, String> {
        Ok(json!({ "seen": stored["looks"] }))
    }

    async fn create(state: &mut StoredOf<Self>, cx: &Context<()>) -> Result<()> {
        let wish = state.value.wish.get()?.clone();
        if wish == "refuse" {
            return refused();
        }
        state.value.id = ID.to_owned().into();
        state.exists = true;
        // Graph answers in lower case, whatever it was sent.
        state.value.owner = state.value.owner.get()?.to_lowercase().into();
        state.value.note = match wish.as_str() {
            "panic" => panic!("fell over"),
            "wait" => {
                cx.cancelled.cancelled().await;
                return Err(Diagnostic::error("Interrupted").into());
            }
            "forget" => Computed::Unknown,
            "limit" => Note((cx.deadline - tokio::time::Instant::now()).as_secs().to_string()).into(),
            other => Note(other.to_owned()).into(),
        };
        Ok(())
    }

    async fn read(key: Key, prior: Option<StoredOf<Self>>, _: &Context<()>) -> Result<Option<StoredOf<Self>>> {
        let private = Memory { seen: prior.as_ref().map_or(0, |prior| prior.private.seen + 1) };
        let wish = prior.as_ref().and_then(|prior| prior.value.wish.known().cloned());
        match wish.as_deref() {
            Some("gone") => return Ok(None),
            Some("refuse") => return refused().map(|()| None),
            _ => {}
        }
        let value = Self {
            wish: wish.unwrap_or_else(|| "observed".to_owned()).into(),
            owner: key.owner.unwrap_or_else(|| OWNER.to_owned()).into(),
            members: Some(BTreeSet::from([OWNER.to_owned(), OTHER.to_owned()]).into()),
            colour: Some(Colour::Red),
            timeouts: None,
            id: key.id.into(),
            note: Note("read".to_owned()).into(),
        };
        Ok(Some(Stored { value, private, exists: true }))
    }

    async fn update(state: &mut StoredOf<Self>, prior: StoredOf<Self>, _: &Context<()>) -> Result<()> {
        state.private.seen = prior.private.seen + 100;
        state.value.note = Note("changed".to_owned()).into();
        if state.value.wish.get()? == "refuse" { refused() } else { Ok(()) }
    }

    async fn delete(prior: StoredOf<Self>, _: &Context<()>) -> Result<()> {
        if prior.value.wish.get()? == "keep" { refused() } else { Ok(()) }
    }

    async fn plan_destroy(prior: &StoredOf<Self>, cx: &Context<()>) -> Result<()> {
        cx.warn(Diagnostic::warning(format!("Seen {} times", prior.private.seen)));
        Ok(())
    }
}

struct Nothing;

impl Provider for Nothing {
    type Config = Key;
    type Services = ();

    fn configure(&self, _: Key) -> Result<()> {
        Ok(())
    }
}

fn server() -> Server<Nothing> {
    let registry = Registry::default().resource::<Thing>().ephemeral::<Fleeting>().function::<Joined>();
    assert_eq!(registry.faults(), Vec::<String>::new());
    Server::new(Nothing, registry)
}

fn thing(server: &Server<Nothing>) -> &dyn Served<()> {
    server.resource(Thing::NAME).unwrap()
}

/// An object with these attributes; the others are null.
fn object(parts: &[(&str, Dynamic)]) -> Dynamic {
    let names = ["wish", "owner", "members", "colour", "timeouts", "id", "note"];
    let mut all: std::collections::BTreeMap<_, _> =
        names.map(|name| (name.to_owned(), Dynamic::Null)).into_iter().collect();
    all.extend(parts.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    Dynamic::Map(all)
}

fn config(wish: &str) -> Dynamic {
    object(&[("wish", wish.into()), ("owner", OWNER.into())])
}

fn stored(wish: &str) -> Dynamic {
    object(&[("wish", wish.into()), ("owner", OWNER.into()), ("id", ID.into()), ("note", "n".into())])
}

/// As a state of this version is stored with.
fn memory(seen: u32) -> Vec<u8> {
    json!({ "version": 2, "private": { "seen": seen } }).to_string().into_bytes()
}

fn seen(private: &[u8]) -> Json {
    serde_json::from_slice::<Json>(private).unwrap()["private"]["seen"].clone()
}

fn set(items: &[&str]) -> Dynamic {
    Dynamic::set(items.iter().map(|one| Dynamic::from(*one)).collect())
}

fn summaries(found: &[Diagnostic]) -> Vec<&str> {
    found.iter().map(|one| one.summary.as_str()).collect()
}

async fn created(wish: &str) -> crate::framework::requests::StateAnswer {
    let server = server();
    let planned = object(&[
        ("wish", wish.into()),
        ("owner", OWNER.into()),
        ("id", Dynamic::unknown()),
        ("note", Dynamic::unknown()),
    ]);
    let request = Apply { planned, config: config(wish), ..Apply::default() };
    thing(&server).apply(request, server.call()).await
}

#[tokio::test]
async fn a_panic_in_a_hook_is_an_error_that_keeps_what_was_made() {
    let answer = created("panic").await;
    assert_eq!(summaries(&answer.diagnostics), ["Bug in the m365 provider: fell over"]);
    assert_eq!(answer.state.get("id"), &ID.into());
}

#[tokio::test]
async fn a_state_holds_nothing_unknown() {
    let answer = created("forget").await;
    assert_eq!((answer.state.get("note"), answer.state.get("id")), (&Dynamic::Null, &ID.into()));
}

#[tokio::test]
async fn a_create_that_failed_before_anything_existed_leaves_nothing() {
    let answer = created("refuse").await;
    assert_eq!((answer.state, summaries(&answer.diagnostics)), (Dynamic::Null, vec!["Refused"]));
}

#[tokio::test]
async fn what_was_made_is_stored_though_its_state_does_not_encode() {
    let answer = created("unencodable").await;
    assert_eq!(answer.diagnostics.len(), 1);
    assert_eq!((answer.state.get("owner"), answer.state.get("id")), (&OWNER.into(), &Dynamic::Null));
}

#[tokio::test]
async fn a_stop_ends_running_work_which_still_answers() {
    let server = Arc::new(server());
    let work = tokio::spawn({
        let server = server.clone();
        async move {
            let request = Apply { planned: stored("wait"), config: config("wait"), ..Apply::default() };
            thing(&server).apply(request, server.call()).await
        }
    });
    tokio::task::yield_now().await;
    server.stop();
    let answer = work.await.unwrap();
    assert_eq!((summaries(&answer.diagnostics), answer.state.get("id")), (vec!["Interrupted"], &ID.into()));
}

#[tokio::test(start_paused = true)]
async fn an_operation_has_the_limit_that_its_timeouts_set() {
    let server = server();
    let limit = async |timeouts: Dynamic| {
        let planned = object(&[("wish", "limit".into()), ("owner", OWNER.into()), ("timeouts", timeouts)]);
        let request = Apply { planned: planned.clone(), config: planned, ..Apply::default() };
        thing(&server).apply(request, server.call()).await.state.get("note").as_str().unwrap().to_owned()
    };
    let timeouts = ["create", "read", "update", "delete"]
        .map(|name| (name.to_owned(), if name == "create" { "90s".into() } else { Dynamic::Null }));
    assert_eq!(limit(Dynamic::Map(timeouts.into())).await, "90");
    assert_eq!(limit(Dynamic::Null).await, "1200");
}

#[tokio::test]
async fn after_an_error_the_state_is_what_it_was() {
    let server = server();
    let (state, private) = (stored("refuse"), memory(7));
    let request = Read { state: state.clone(), private: private.clone(), identity: Dynamic::Null };
    let read = thing(&server).read(request, server.call()).await;
    assert_eq!((summaries(&read.diagnostics), &read.state, &read.private), (vec!["Refused"], &state, &private));

    let prior = stored("keep");
    let request = Apply { prior: prior.clone(), private: private.clone(), ..Apply::default() };
    let kept = thing(&server).apply(request, server.call()).await;
    assert_eq!((summaries(&kept.diagnostics), &kept.state, &kept.private), (vec!["Refused"], &prior, &private));
    assert_eq!(kept.identity.get("id"), &ID.into());

    let request = Apply {
        prior: prior.clone(),
        planned: stored("refuse"),
        config: config("refuse"),
        private,
        ..Apply::default()
    };
    let half = thing(&server).apply(request, server.call()).await;
    assert_eq!((summaries(&half.diagnostics), &half.state), (vec!["Refused"], &prior));
    assert_eq!(seen(&half.private), 107, "but what the hook remembered of the way is kept");
}

#[tokio::test]
async fn an_identity_is_known_with_the_plan_and_after_every_step() {
    let server = server();
    let identity = Dynamic::Map([("owner", OWNER.into()), ("id", ID.into())].map(|(k, v)| (k.to_owned(), v)).into());
    let plan = Plan { prior: stored("a"), config: config("b"), private: memory(1), identity: identity.clone() };
    let planned = thing(&server).plan(plan, server.call()).await;
    assert_eq!((planned.diagnostics, planned.identity), (Vec::new(), identity.clone()));
    let read = Read { state: stored("a"), private: memory(1), identity: Dynamic::Null };
    assert_eq!(thing(&server).read(read, server.call()).await.identity, identity);
    assert_eq!(created("x").await.identity, identity);
    let json = json!({ "owner": OWNER.to_uppercase(), "id": ID }).to_string();
    assert_eq!(thing(&server).upgrade_identity(0, json.as_bytes()), Ok(identity));
}

#[tokio::test]
async fn a_replacement_has_no_identity_yet() {
    let server = server();
    let identity = Dynamic::Map([("owner", OWNER.into()), ("id", ID.into())].map(|(k, v)| (k.to_owned(), v)).into());
    let elsewhere = object(&[("wish", "a".into()), ("owner", OTHER.into())]);
    let first = Plan { prior: stored("a"), config: elsewhere.clone(), private: memory(1), identity: identity.clone() };
    let first = thing(&server).plan(first, server.call()).await;
    assert_eq!(first.requires_replace, ["owner".into()]);
    let second = Plan { prior: Dynamic::Null, config: elsewhere, private: first.private, identity };
    let second = thing(&server).plan(second, server.call()).await;
    assert_eq!((second.identity, second.requires_replace), (Dynamic::Null, Vec::new()));
}

#[tokio::test]
async fn a_destroy_is_planned_with_what_its_hook_has_to_say() {
    let server = server();
    let destroy = Plan { prior: stored("a"), private: memory(3), ..Plan::default() };
    let planned = thing(&server).plan(destroy, server.call()).await;
    assert_eq!((summaries(&planned.diagnostics), planned.planned), (vec!["Seen 3 times"], Dynamic::Null));
}

#[tokio::test]
async fn guids_compare_without_case_and_keep_their_first_spelling() {
    let server = server();
    let upper = object(&[
        ("wish", "a".into()),
        ("owner", OWNER.to_uppercase().as_str().into()),
        ("members", set(&[&OWNER.to_uppercase(), OTHER])),
    ]);
    let plan = |prior: &Dynamic, config: &Dynamic| {
        let plan = Plan { prior: prior.clone(), config: config.clone(), private: memory(1), identity: Dynamic::Null };
        thing(&server).plan(plan, server.call())
    };
    let made = plan(&Dynamic::Null, &upper).await;
    let request = Apply { planned: made.planned, config: upper.clone(), private: made.private, ..Apply::default() };
    let applied = thing(&server).apply(request, server.call()).await;
    assert_eq!((applied.state.get("owner"), applied.state.get("members")), (upper.get("owner"), upper.get("members")));
    assert_eq!(applied.identity.get("owner"), &OWNER.into(), "an identity is in lower case");

    let read = Read { state: applied.state, private: applied.private, identity: applied.identity };
    let read = thing(&server).read(read, server.call()).await;
    assert_eq!((read.state.get("owner"), read.state.get("members")), (upper.get("owner"), upper.get("members")));

    let lower = object(&[("wish", "a".into()), ("owner", OWNER.into()), ("members", set(&[OWNER, OTHER]))]);
    let again = plan(&read.state, &lower).await;
    assert_eq!((again.requires_replace, again.planned.get("owner")), (Vec::new(), upper.get("owner")));
    assert_eq!(again.planned.get("members"), upper.get("members"), "the set as a whole is what it was");
    let more = object(&[("wish", "a".into()), ("owner", OWNER.into()), ("members", set(&[OWNER, OTHER, ID]))]);
    let changed = plan(&read.state, &more).await.planned;
    assert_eq!(changed.get("members"), more.get("members"), "one that differs is planned as it is written");
    let schema = thing(&server).schema();
    assert_eq!(plan_faults(schema, &read.state, &more, &changed), Vec::<String>::new());
}

#[tokio::test]
async fn the_form_of_references_is_checked_at_plan_and_not_before() {
    let server = server();
    let mocked = object(&[("wish", "a".into()), ("owner", "ib1bl3mb".into()), ("members", set(&["x"]))]);
    assert_eq!(thing(&server).validate(mocked.clone(), server.call()), Vec::new());
    let plan = Plan { config: mocked, ..Plan::default() };
    let found = thing(&server).plan(plan, server.call()).await.diagnostics;
    assert_eq!(summaries(&found), ["`members` is not a GUID", "`owner` is not a GUID"]);
    assert_eq!(found[1].path, Some("owner".into()));
}

#[test]
fn what_an_import_is_named_by_obeys_the_rules_of_the_attributes() {
    let server = server();
    let import = |target| thing(&server).import(target);
    let by_id = |text: &str| import(ImportTarget::Id(text.to_owned()));
    let identity = |id: Dynamic| {
        import(ImportTarget::Identity(Dynamic::Map(
            [("owner".to_owned(), Dynamic::Null), ("id".to_owned(), id)].into(),
        )))
    };
    let good = by_id(&format!("{}/{}", OWNER.to_uppercase(), ID));
    assert_eq!((good.diagnostics, good.state.get("owner")), (Vec::new(), &OWNER.into()));
    assert_eq!(by_id("red").state.get("id"), &"red".into(), "another attribute's value may name the object");
    for bad in [
        "common?x/".to_owned() + ID,
        "contoso.com/".to_owned() + ID,
        ID.to_owned() + "/",
        "x".to_owned(),
        String::new(),
        "a/b/c".to_owned(),
    ] {
        let answer = by_id(&bad);
        assert!(answer.state.is_null(), "{bad}");
        assert!(answer.diagnostics[0].detail.contains("[<owner>/]<id>"), "{bad}: {:?}", answer.diagnostics);
    }
    for bad in ["".into(), Dynamic::Null, Dynamic::unknown(), "red".into(), "x/../y?z".into()] {
        let answer = identity(bad);
        assert!(
            answer.state.is_null() && answer.diagnostics[0].detail.contains("[<owner>/]<id>"),
            "{:?}",
            answer.diagnostics
        );
    }
    let upper = identity(ID.to_uppercase().as_str().into());
    assert_eq!((upper.state.get("id"), upper.identity.get("id")), (&ID.into(), &ID.into()));
}

#[tokio::test]
async fn states_and_private_data_of_earlier_versions_are_converted() {
    let server = server();
    let json = json!({ "wanted": "a", "owner": OWNER, "id": ID });
    let upgraded = thing(&server).upgrade(1, json.to_string().as_bytes(), server.call()).unwrap();
    assert_eq!((upgraded.get("wish"), upgraded.get("id")), (&"a".into(), &ID.into()));
    let found = thing(&server).upgrade(0, b"{}", server.call()).unwrap_err().0;
    assert_eq!(
        (summaries(&found), found[0].detail.as_str()),
        (vec!["The state of schema version 0 cannot be converted"], "It is too old.")
    );
    assert!(
        thing(&server).upgrade(3, b"{}", server.call()).unwrap_err().0[0]
            .detail
            .contains("Use at least the provider version")
    );

    let private = br#"{"version":1,"private":{"looks":5}}"#.to_vec();
    let read = Read { state: stored("a"), private, identity: Dynamic::Null };
    let read = thing(&server).read(read, server.call()).await;
    assert_eq!((read.diagnostics, seen(&read.private)), (Vec::new(), json!(6)));
}

#[tokio::test]
async fn private_data_that_cannot_be_read_keep_nobody_from_refreshing_or_destroying() {
    let server = server();
    for private in [&br#"{"version":2,"private":{"seen":"often"}}"#[..], b"\xff", b"{"] {
        let read = Read { state: stored("a"), private: private.to_vec(), identity: Dynamic::Null };
        let read = thing(&server).read(read, server.call()).await;
        assert_eq!(summaries(&read.diagnostics), ["What was remembered of this m365_thing cannot be read"]);
        assert_eq!((read.state.get("note"), seen(&read.private)), (&"read".into(), json!(1)));
        let destroy = Plan { prior: stored("a"), private: private.to_vec(), ..Plan::default() };
        let planned = thing(&server).plan(destroy, server.call()).await;
        assert_eq!(summaries(&planned.diagnostics), ["Seen 0 times"]);
        let delete = Apply { prior: stored("a"), private: private.to_vec(), ..Apply::default() };
        let deleted = thing(&server).apply(delete, server.call()).await;
        assert_eq!((deleted.state, deleted.diagnostics.len()), (Dynamic::Null, 1));
    }
}

#[tokio::test]
async fn a_state_that_cannot_be_used_is_observed_anew_and_can_be_destroyed() {
    let server = server();
    // A colour of an earlier version.
    let state = object(&[("wish", "a".into()), ("owner", OWNER.into()), ("id", ID.into()), ("colour", "blue".into())]);
    let read = Read { state: state.clone(), private: memory(1), identity: Dynamic::Null };
    let read = thing(&server).read(read, server.call()).await;
    assert_eq!(summaries(&read.diagnostics), ["The stored state of this m365_thing cannot be used"]);
    assert_eq!((read.state.get("wish"), read.state.get("colour")), (&"observed".into(), &"red".into()));
    let destroy = Plan { prior: state.clone(), private: memory(1), ..Plan::default() };
    assert_eq!(thing(&server).plan(destroy, server.call()).await.diagnostics, Vec::new());
    let delete = Apply { prior: state, private: memory(1), ..Apply::default() };
    let deleted = thing(&server).apply(delete, server.call()).await;
    assert_eq!(
        (deleted.state, summaries(&deleted.diagnostics)),
        (Dynamic::Null, vec!["The stored state of this m365_thing cannot be used"])
    );
}

#[test]
fn no_value_is_in_debug_output() {
    let text = format!("{:?}", object(&[("wish", "hunter2".into()), ("members", set(&["hunter2"]))]));
    assert!(!text.contains("hunter2") && text.contains("wish"), "{text}");
}

/// An ephemeral resource that can fail in every way.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Fleeting {
    /// What to do.
    wish: Value<String>,
    /// Kept as it is.
    note: Option<String>,
    /// Result.
    answer: Computed<String>,
}

impl EphemeralResource for Fleeting {
    const NAME: &'static str = "m365_fleeting";
    type Services = ();
    type Private = Vec<String>;

    async fn open(&mut self, lease: &mut Lease<Vec<String>>, _: &Context<()>) -> Result<()> {
        lease.private.push("opened".to_owned());
        lease.renew_at = jiff::Timestamp::from_second(1000).ok();
        match self.wish.get()?.as_str() {
            "panic" => panic!("fell over"),
            "forget" => self.answer = Computed::Unknown,
            "meddle" => self.note = Some("meddled".to_owned()),
            "refuse" => return Err(Diagnostic::error("Refused").into()),
            wish => self.answer = wish.to_owned().into(),
        }
        Ok(())
    }

    async fn renew(lease: &mut Lease<Vec<String>>, _: &Context<()>) -> Result<()> {
        lease.private.push("renewed".to_owned());
        lease.renew_at = jiff::Timestamp::from_second(2000).ok().filter(|_| lease.private.len() < 3);
        Ok(())
    }

    async fn close(private: Vec<String>, cx: &Context<()>) -> Result<()> {
        cx.warn(Diagnostic::warning(private.join(", ")));
        Ok(())
    }

    fn validate(&self, _: &Context<()>) -> Result<()> {
        match self.wish.known() {
            Some(wish) if wish == "never" => Err(Diagnostic::error("Never").at("wish").into()),
            _ => Ok(()),
        }
    }
}

fn fleeting(wish: Dynamic, note: Dynamic, answer: Dynamic) -> Dynamic {
    Dynamic::Map(
        [("wish", wish), ("note", note), ("answer", answer)].map(|(key, value)| (key.to_owned(), value)).into(),
    )
}

fn ephemeral(server: &Server<Nothing>) -> &dyn ServedEphemeral<()> {
    server.ephemeral_resource(Fleeting::NAME).unwrap()
}

#[tokio::test]
async fn an_ephemeral_result_repeats_the_configuration_and_is_wholly_known() {
    let server = server();
    let open = async |wish: &str, note: Dynamic| {
        let config = fleeting(wish.into(), note, Dynamic::Null);
        let (opened, found) = ephemeral(&server).open(config.clone(), server.call()).await;
        if found.is_empty() {
            let schema = ephemeral(&server).schema();
            assert_eq!(plan_faults(schema, &Dynamic::Null, &config, &opened.result), Vec::<String>::new());
        }
        (opened.result, found.into_iter().map(|found| found.summary).collect::<Vec<_>>())
    };
    let note = || Dynamic::from("n");
    assert_eq!(open("x", note()).await, (fleeting("x".into(), note(), "x".into()), vec![]));
    assert_eq!(open("meddle", note()).await.0, fleeting("meddle".into(), note(), Dynamic::Null));
    assert_eq!(open("refuse", note()).await, (Dynamic::Null, vec!["Refused".to_owned()]));
    let bug = |what: &str| (Dynamic::Null, vec![format!("Bug in the m365 provider: {what}")]);
    assert_eq!(open("panic", note()).await, bug("fell over"));
    assert_eq!(open("forget", note()).await, bug("m365_fleeting left a value undecided"));
}

#[tokio::test]
async fn an_ephemeral_resource_is_renewed_when_it_asked_to_be_and_closed_with_what_it_remembers() {
    let server = server();
    let second = |at: Option<jiff::Timestamp>| at.map(jiff::Timestamp::as_second);
    let config = fleeting("x".into(), Dynamic::Null, Dynamic::Null);
    let (opened, _) = ephemeral(&server).open(config, server.call()).await;
    let (once, found) = ephemeral(&server).renew(opened.private, server.call()).await;
    let (twice, _) = ephemeral(&server).renew(once.private, server.call()).await;
    assert_eq!(
        (second(opened.renew_at), second(once.renew_at), second(twice.renew_at), found),
        (Some(1000), Some(2000), None, Vec::new())
    );
    let closed = ephemeral(&server).close(twice.private, server.call()).await;
    assert_eq!(summaries(&closed), ["opened, renewed, renewed"]);
}

#[test]
fn an_ephemeral_block_is_checked_also_where_it_is_unknown() {
    let server = server();
    let check = |wish| ephemeral(&server).validate(fleeting(wish, Dynamic::unknown(), Dynamic::Null), server.call());
    assert_eq!(check(Dynamic::unknown()), Vec::new());
    let known = fleeting("never".into(), Dynamic::Null, Dynamic::Null);
    let found = ephemeral(&server).validate(known, server.call());
    assert_eq!((found[0].summary.as_str(), found[0].path.clone()), ("Never", Some("wish".into())));
    assert!(server.ephemeral_resource("m365_x").is_err());
}

/// Joins texts.
struct Joined;

/// Joins texts.
///
/// With a separator between them.
#[derive(Deserialize, JsonSchema)]
struct Texts {
    /// What stands between them.
    separator: Option<String>,
    /// What is joined.
    #[schemars(inner(length(max = 3)))]
    texts: Vec<String>,
}

impl Function for Joined {
    const NAME: &'static str = "joined";
    const VARIADIC: bool = true;
    type Arguments = Texts;
    type Output = String;

    fn call(arguments: Texts) -> Result<String> {
        let separator = arguments.separator.as_deref().unwrap_or("-");
        match arguments.texts.iter().position(|text| text == "no") {
            Some(index) => {
                let at = crate::framework::Path::attribute("texts")
                    .then(crate::framework::Step::Index(index.try_into().unwrap()));
                Err(Diagnostic::error("Refused").at(at).help("Why.").into())
            }
            None if separator == "panic" => panic!("fell over"),
            None => Ok(arguments.texts.join(separator)),
        }
    }
}

fn joined(server: &Server<Nothing>) -> &dyn ServedFunction {
    server.function("joined").unwrap()
}

#[test]
fn a_function_is_its_arguments_struct() {
    let server = server();
    let function = joined(&server);
    assert_eq!(function.description(), "Joins texts.\n\nWith a separator between them.");
    assert_eq!(
        function.parameters().iter().map(|one| (one.name.as_str(), one.nullable)).collect::<Vec<_>>(),
        [("separator", true)]
    );
    assert_eq!(function.variadic().map(|one| &one.value_type), Some(&crate::framework::Type::String));
    let call = |all: &[&str]| function.call(all.iter().map(|one| Dynamic::from(*one)).collect());
    assert_eq!(call(&["+", "a", "b"]), Ok("a+b".into()));
    assert_eq!(function.call(vec![Dynamic::Null, "a".into(), "b".into()]), Ok("a-b".into()));
    assert_eq!(function.call(vec!["+".into(), Dynamic::unknown()]), Ok(Dynamic::unknown()));
}

#[test]
fn a_functions_error_names_the_argument_at_fault() {
    let server = server();
    let call = |all: &[&str]| joined(&server).call(all.iter().map(|one| Dynamic::from(*one)).collect());
    assert_eq!(call(&["+", "a", "no"]), Err(("Refused.\n\nWhy.".to_owned(), Some(2))));
    let (text, place) = call(&["+", "abcd"]).unwrap_err();
    assert!(text.contains("wrong length") && place == Some(1), "{text} {place:?}");
    let (text, place) = call(&["panic", "a"]).unwrap_err();
    assert!(text.contains("fell over") && place.is_none(), "{text}");
}
