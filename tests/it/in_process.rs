//! A CLI in miniature, against the provider in this process: it refreshes, plans, plans again and applies in the order and with the
//! states and private data of the real ones, keeps its rules, and ends a process wherever its future is dropped.

use crate::cli_rules::{apply_faults, final_faults, plan_faults};
use crate::tenant::Tenant;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use terraform_provider_m365::framework::requests::{Apply, Plan, Read, StateAnswer};
use terraform_provider_m365::framework::{Diagnostic, Dynamic, Served, Server, Severity, from_json};
use terraform_provider_m365::provider::{M365, Services};
use terraform_provider_m365::registry;

/// One `resource` block. A text `${address.attribute}` in its configuration stands for what that object has there.
pub struct Declared {
    pub address: String,
    pub resource: &'static str,
    pub config: Value,
}

/// A configuration: what is in one stage refers to earlier ones only.
pub type Configuration = Vec<Vec<Declared>>;

/// The provider's errors, each with its object.
pub type Refused = Vec<String>;

#[derive(Clone)]
struct Object {
    resource: &'static str,
    /// Addresses that it refers to.
    needs: BTreeSet<String>,
    state: Dynamic,
    private: Vec<u8>,
    identity: Dynamic,
    tainted: bool,
}

type Objects = BTreeMap<String, Object>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Nothing,
    Create,
    Update,
    /// Of what is tainted.
    Replace,
}

struct Change {
    action: Action,
    planned: Dynamic,
    private: Vec<u8>,
}

/// What a plan says: the refreshed objects, the declared changes, and what goes with the private data of its plan.
pub struct Planned {
    objects: Objects,
    changes: BTreeMap<String, Change>,
    goes: BTreeMap<String, Vec<u8>>,
}

impl Planned {
    /// What it changes.
    pub fn changes(&self) -> Vec<String> {
        let declared = self.changes.iter().filter(|(_, change)| change.action != Action::Nothing);
        let declared = declared.map(|(address, change)| format!("{:?} {address}", change.action));
        declared.chain(self.goes.keys().map(|address| format!("Delete {address}"))).collect()
    }
}

/// A workspace: a provider block, and the state between runs.
pub struct Cli {
    block: Value,
    objects: Mutex<Objects>,
    /// Objects at once.
    at_once: usize,
}

impl Cli {
    /// `further`: more attributes of the provider block.
    pub fn new(tenant: &Tenant, at_once: usize, further: &Value) -> Self {
        let connection = tenant.connection();
        let mut block = json!({
            "tenant_id": connection.tenant_id, "client_id": connection.client_id, "client_secret": connection.client_secret,
            "endpoints": { "login": connection.login, "graph": connection.graph },
        });
        block.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        Self { block, objects: Mutex::default(), at_once }
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap()
    }

    /// A process of the provider: it knows nothing of those before it, and is told every state that there is.
    fn process(&self, objects: &mut Objects) -> Server<M365> {
        let server = registry::server();
        let block = from_json(&server.schema().object_type(), &self.block).unwrap();
        assert_eq!(server.configure(&block), Vec::new());
        for object in objects.values_mut() {
            let served = server.resource(object.resource).unwrap();
            let stored = to_json(&object.state).to_string();
            object.state = served.upgrade(served.schema().version, stored.as_bytes(), server.call()).ok().unwrap();
        }
        server
    }

    /// Refreshes and plans.
    pub async fn plan(&self, configuration: &Configuration) -> Result<Planned, Refused> {
        let mut objects = self.objects().clone();
        let server = self.process(&mut objects);
        let (mut changes, mut refused) = (BTreeMap::<String, Change>::new(), Refused::new());
        for stage in configuration {
            let known: BTreeMap<_, _> =
                changes.iter().map(|(address, change)| (address.clone(), change.planned.clone())).collect();
            let each = stage.iter().filter(|one| needs(&one.config).iter().all(|other| known.contains_key(other)));
            let each = each.map(|one| planned(&server, one, objects.get(&one.address).cloned(), &known));
            for answer in self.all(each).await {
                match answer {
                    Ok((address, object, change)) => {
                        objects.remove(&address);
                        objects.extend(object.map(|object| (address.clone(), object)));
                        changes.insert(address, change);
                    }
                    Err(found) => refused.extend(found),
                }
            }
        }
        let declared: BTreeSet<_> = configuration.iter().flatten().map(|one| one.address.clone()).collect();
        let undeclared: Vec<_> = objects.keys().filter(|address| !declared.contains(*address)).cloned().collect();
        let mut goes = BTreeMap::new();
        let each = undeclared.iter().map(|address| planned_destroy(&server, address.clone(), objects[address].clone()));
        for (address, answer) in undeclared.iter().zip(self.all(each).await) {
            match answer {
                Ok(Some((object, private))) => {
                    objects.insert(address.clone(), object);
                    goes.insert(address.clone(), private);
                }
                Ok(None) => drop(objects.remove(address)),
                Err(found) => refused.extend(found),
            }
        }
        if refused.is_empty() { Ok(Planned { objects, changes, goes }) } else { Err(refused) }
    }

    /// Plans, and carries the plan out in another process. What is done is in the state when the future is dropped.
    pub async fn apply(&self, configuration: &Configuration) -> Result<(), Refused> {
        let plan = self.plan(configuration).await?;
        let mut objects = plan.objects;
        let server = self.process(&mut objects);
        *self.objects() = objects;
        let (mut refused, mut failed) = (Refused::new(), BTreeSet::new());
        self.destroy(&server, plan.goes, &mut refused).await;
        for stage in configuration {
            let ready = stage.iter().filter(|one| {
                let ready = needs(&one.config).is_disjoint(&failed);
                if !ready {
                    failed.insert(one.address.clone());
                }
                ready
            });
            let ready: Vec<_> = ready.collect();
            let each = ready.iter().map(|one| self.carried_out(&server, one, &plan.changes[&one.address]));
            for (one, answer) in ready.iter().zip(self.all(each).await) {
                if let Err(found) = answer {
                    failed.insert(one.address.clone());
                    refused.extend(found);
                }
            }
        }
        if refused.is_empty() { Ok(()) } else { Err(refused) }
    }

    /// What nothing refers to goes first. An object that others still refer to since they could not be deleted stays.
    async fn destroy(&self, server: &Server<M365>, mut goes: BTreeMap<String, Vec<u8>>, refused: &mut Refused) {
        loop {
            let needed: BTreeSet<_> = self.objects().values().flat_map(|one| one.needs.clone()).collect();
            let free: Vec<_> = goes.keys().filter(|address| !needed.contains(*address)).cloned().collect();
            if free.is_empty() {
                return;
            }
            let each = free.iter().map(|address| self.deleted(server, address.clone(), goes[address].clone()));
            for answer in self.all(each).await {
                refused.extend(answer.err().unwrap_or_default());
            }
            goes.retain(|address, _| !free.contains(address));
        }
    }

    async fn all<'a, T: Send + 'a>(&self, each: impl Iterator<Item = BoxFuture<'a, T>>) -> Vec<T> {
        let each: Vec<_> = each.collect();
        stream::iter(each).buffered(self.at_once).collect().await
    }

    fn deleted<'a>(
        &'a self,
        server: &'a Server<M365>,
        address: String,
        private: Vec<u8>,
    ) -> BoxFuture<'a, Result<(), Refused>> {
        Box::pin(async move {
            let object = self.objects()[&address].clone();
            let request = Apply { prior: object.state.clone(), private, identity: object.identity, ..Apply::default() };
            let answer = server.resource(object.resource).unwrap().apply(request, server.call()).await;
            let found = errors(&address, &answer.diagnostics);
            self.record(&address, object.resource, &object.needs, answer, object.tainted);
            if found.is_empty() { Ok(()) } else { Err(found) }
        })
    }

    /// The new state of an object; a null one is none.
    fn record(
        &self,
        address: &str,
        resource: &'static str,
        needs: &BTreeSet<String>,
        answer: StateAnswer,
        tainted: bool,
    ) {
        let StateAnswer { state, private, identity, .. } = answer;
        let object = Object { resource, needs: needs.clone(), state, private, identity, tainted };
        let mut objects = self.objects();
        objects.remove(address);
        if !object.state.is_null() {
            objects.insert(address.to_owned(), object);
        }
    }

    fn carried_out<'a>(
        &'a self,
        server: &'a Server<M365>,
        declared: &'a Declared,
        change: &'a Change,
    ) -> BoxFuture<'a, Result<(), Refused>> {
        Box::pin(async move {
            let (address, served) = (&declared.address, server.resource(declared.resource).unwrap());
            match change.action {
                Action::Nothing => return Ok(()),
                Action::Replace => self.deleted(server, address.clone(), change.private.clone()).await?,
                Action::Create | Action::Update => {}
            }
            let values: BTreeMap<_, _> =
                self.objects().iter().map(|(address, one)| (address.clone(), one.state.clone())).collect();
            let config = configured(served, &declared.config, &values);
            let prior = self.objects().get(address).cloned();
            let (answer, planned) = asked(server, declared.resource, prior.as_ref(), &config).await;
            let found = errors(address, &answer);
            if !found.is_empty() {
                return Err(found);
            }
            assert_eq!(final_faults(&change.planned, &planned.planned), Vec::<String>::new(), "{address}: final plan");
            let request = Apply {
                prior: prior.as_ref().map_or(Dynamic::Null, |one| one.state.clone()),
                planned: planned.planned.clone(),
                config,
                private: planned.private,
                identity: prior.as_ref().map_or(Dynamic::Null, |one| one.identity.clone()),
            };
            let answer = served.apply(request, server.call()).await;
            let found = errors(address, &answer.diagnostics);
            if found.is_empty() {
                assert_eq!(apply_faults(&planned.planned, &answer.state), Vec::<String>::new(), "{address}: applied");
            }
            let tainted = prior.is_none() && !found.is_empty();
            self.record(address, declared.resource, &needs(&declared.config), answer, tainted);
            if found.is_empty() { Ok(()) } else { Err(found) }
        })
    }
}

fn errors(address: &str, found: &[Diagnostic]) -> Refused {
    let errors = found.iter().filter(|one| one.severity == Severity::Error);
    errors.map(|one| format!("{address}: {}: {}", one.summary, one.detail)).collect()
}

/// One request for a plan, as of an object that is there or is not.
async fn asked(
    server: &Server<M365>,
    resource: &str,
    prior: Option<&Object>,
    config: &Dynamic,
) -> (Vec<Diagnostic>, Change) {
    let served = server.resource(resource).unwrap();
    let (state, private, identity) = prior.map_or((Dynamic::Null, Vec::new(), Dynamic::Null), |one| {
        (one.state.clone(), one.private.clone(), one.identity.clone())
    });
    let request = Plan { prior: state.clone(), config: config.clone(), private, identity };
    let answer = served.plan(request, server.call()).await;
    let is_error = answer.diagnostics.iter().any(|one| one.severity == Severity::Error);
    if !is_error {
        assert_eq!(plan_faults(served.schema(), &state, config, &answer.planned), Vec::<String>::new(), "{resource}");
        assert_eq!(answer.requires_replace, Vec::new(), "{resource}: nothing here changes what it belongs to");
    }
    let action = match prior {
        None => Action::Create,
        Some(_) if answer.planned == state => Action::Nothing,
        Some(_) => Action::Update,
    };
    (answer.diagnostics, Change { action, planned: answer.planned, private: answer.private })
}

/// The object as it is now, and what is to become of it.
type Outcome = (String, Option<Object>, Change);

fn planned<'a>(
    server: &'a Server<M365>,
    declared: &'a Declared,
    stored: Option<Object>,
    known: &BTreeMap<String, Dynamic>,
) -> BoxFuture<'a, Result<Outcome, Refused>> {
    let served = server.resource(declared.resource).unwrap();
    let config = configured(served, &declared.config, known);
    Box::pin(async move {
        let address = &declared.address;
        let invalid = errors(address, &served.validate(config.clone(), server.call()));
        if !invalid.is_empty() {
            return Err(invalid);
        }
        let object = match stored {
            Some(stored) => refreshed(server, address, stored).await?,
            None => None,
        };
        // What is tainted is planned as if it were not there.
        let prior = object.as_ref().filter(|one| !one.tainted);
        let (found, mut change) = asked(server, declared.resource, prior, &config).await;
        let found = errors(address, &found);
        if object.as_ref().is_some_and(|one| one.tainted) {
            change.action = Action::Replace;
        }
        if found.is_empty() { Ok((address.clone(), object, change)) } else { Err(found) }
    })
}

/// What is to be destroyed, with the private data of its plan; `None` where it is gone.
type Destroyed = Option<(Object, Vec<u8>)>;

fn planned_destroy(
    server: &Server<M365>,
    address: String,
    stored: Object,
) -> BoxFuture<'_, Result<Destroyed, Refused>> {
    Box::pin(async move {
        let Some(object) = refreshed(server, &address, stored).await? else { return Ok(None) };
        let request = Plan {
            prior: object.state.clone(),
            private: object.private.clone(),
            identity: object.identity.clone(),
            ..Plan::default()
        };
        let answer = server.resource(object.resource).unwrap().plan(request, server.call()).await;
        let found = errors(&address, &answer.diagnostics);
        if found.is_empty() { Ok(Some((object, answer.private))) } else { Err(found) }
    })
}

/// `None`: it is gone.
async fn refreshed(server: &Server<M365>, address: &str, stored: Object) -> Result<Option<Object>, Refused> {
    let Object { resource, needs, state, private, identity, tainted } = stored;
    let answer = server.resource(resource).unwrap().read(Read { state, private, identity }, server.call()).await;
    let found = errors(address, &answer.diagnostics);
    if !found.is_empty() {
        return Err(found);
    }
    let StateAnswer { state, private, identity, .. } = answer;
    Ok((!state.is_null()).then_some(Object { resource, needs, state, private, identity, tainted }))
}

/// Address and attribute of a reference.
fn reference(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("${")?.strip_suffix('}')?.rsplit_once('.')
}

/// Addresses that a configuration refers to.
fn needs(config: &Value) -> BTreeSet<String> {
    match config {
        Value::String(text) => reference(text).map(|(address, _)| address.to_owned()).into_iter().collect(),
        Value::Array(items) => items.iter().flat_map(needs).collect(),
        Value::Object(items) => items.values().flat_map(needs).collect(),
        _ => BTreeSet::new(),
    }
}

/// A configuration with the values that it refers to.
fn configured(served: &dyn Served<Services>, config: &Value, known: &BTreeMap<String, Dynamic>) -> Dynamic {
    let mut plain = config.as_object().unwrap().clone();
    let referred: BTreeMap<_, _> = plain
        .iter()
        .filter_map(|(name, value)| {
            let (address, attribute) = reference(value.as_str()?)?;
            Some((name.clone(), known[address].get(attribute).clone()))
        })
        .collect();
    plain.retain(|name, _| !referred.contains_key(name));
    let Dynamic::Map(mut parts) = from_json(&served.schema().object_type(), &Value::Object(plain)).unwrap() else {
        panic!("a configuration is an object");
    };
    parts.extend(referred);
    within(Dynamic::Map(parts), known)
}

/// References within lists, which are sets wherever they refer to something here.
fn within(value: Dynamic, known: &BTreeMap<String, Dynamic>) -> Dynamic {
    match value {
        Dynamic::String(text) => match reference(&text) {
            Some((address, attribute)) => known[address].get(attribute).clone(),
            None => Dynamic::String(text),
        },
        Dynamic::List(items) if items.iter().any(|item| item.as_str().and_then(reference).is_some()) => {
            Dynamic::set(items.into_iter().map(|item| within(item, known)).collect())
        }
        Dynamic::List(items) => Dynamic::List(items.into_iter().map(|item| within(item, known)).collect()),
        Dynamic::Map(items) => Dynamic::Map(items.into_iter().map(|(key, item)| (key, within(item, known))).collect()),
        other => other,
    }
}

/// A state as the CLI stores it.
fn to_json(value: &Dynamic) -> Value {
    match value {
        Dynamic::Bool(value) => (*value).into(),
        Dynamic::Number(number) => serde_json::from_str(number.as_str()).unwrap(),
        Dynamic::String(text) => text.as_str().into(),
        Dynamic::List(items) => items.iter().map(to_json).collect(),
        Dynamic::Map(items) => items.iter().map(|(key, item)| (key.clone(), to_json(item))).collect(),
        other => {
            assert!(other.is_null(), "a state is known");
            Value::Null
        }
    }
}
