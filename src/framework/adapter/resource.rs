//! A managed resource as the protocol calls it.

use super::call::{Call, does_not_fit, encode, gather, guarded, referred, validate};
use super::import;
use super::private::{self, Planned};
use crate::framework::codec::{CodecError, from_dynamic};
use crate::framework::diagnostic::{Diagnostic, Result};
use crate::framework::dynamic::Dynamic;
use crate::framework::model::schema_of;
use crate::framework::requests::{Apply, ImportTarget, Plan, PlanAnswer, Read, StateAnswer};
use crate::framework::resource::{Context, Phase, Resource, Stored, StoredOf};
use crate::framework::schema::Schema;
use crate::framework::timeouts::{Operation, limit};
use crate::framework::{json, planning};
use futures_util::future::BoxFuture;
use std::marker::PhantomData;

/// A managed resource as the protocol sees it.
pub trait Served<S>: Send + Sync {
    /// Of its configuration and state.
    fn schema(&self) -> &Schema;
    /// Of its identity.
    fn identity(&self) -> &Schema;
    /// Checks a configuration; unknown values are tolerated.
    fn validate(&self, config: Dynamic, call: Call<S>) -> Vec<Diagnostic>;
    /// Converts a stored state (the attributes' JSON, of schema version `version`) to the present schema.
    fn upgrade(&self, version: i64, stored: &[u8], call: Call<S>) -> Result<Dynamic>;
    /// Converts a stored identity likewise.
    fn upgrade_identity(&self, version: i64, stored: &[u8]) -> Result<Dynamic>;
    /// Starts to manage an existing object; the CLI reads it next.
    fn import(&self, target: ImportTarget) -> StateAnswer;
    /// Observes an object. A null state in the answer, without an error: the object is gone.
    fn read<'a>(&'a self, request: Read, call: Call<S>) -> BoxFuture<'a, StateAnswer>;
    /// Decides what apply will do.
    fn plan<'a>(&'a self, request: Plan, call: Call<S>) -> BoxFuture<'a, PlanAnswer>;
    /// Creates, updates or deletes.
    fn apply<'a>(&'a self, request: Apply, call: Call<S>) -> BoxFuture<'a, StateAnswer>;
}

pub(in crate::framework) struct Adapter<R> {
    schema: Schema,
    identity: Schema,
    resource: PhantomData<fn() -> R>,
}

impl<R: Resource> Adapter<R> {
    pub(in crate::framework) fn new() -> std::result::Result<Self, String> {
        let schema = Schema { version: R::VERSION, ..schema_of::<R>()? };
        let mut identity = schema_of::<R::Key>()?;
        for (name, part) in &mut identity.attributes {
            let same = schema.attributes.get(name);
            part.checks
                .clone_from(&same.ok_or_else(|| format!("{}: no attribute `{name}` of its identity", R::NAME))?.checks);
        }
        Ok(Self { schema, identity, resource: PhantomData })
    }

    fn stored(&self, value: &Dynamic, private: R::Private) -> std::result::Result<StoredOf<R>, CodecError> {
        Ok(Stored { value: from_dynamic(value)?, private, exists: !value.is_null() })
    }

    /// What is stored of an object. `None`, with a warning, where its state cannot be used: then it is looked at as after an import.
    fn remembered(&self, state: &Dynamic, bytes: &[u8], cx: &Context<R::Services>) -> Option<StoredOf<R>> {
        let private = private::open::<R>(bytes);
        private.lost.into_iter().for_each(|lost| cx.warn(lost));
        if private.imported {
            return None;
        }
        match self.stored(state, private.value) {
            Ok(stored) => Some(stored),
            Err(why) => {
                cx.warn(
                    Diagnostic::warning(format!("The stored state of this {} cannot be used", R::NAME))
                        .help(format!("{why}. The object is observed anew, as after an import.")),
                );
                None
            }
        }
    }

    /// What a state says of which object it is. Its references end in URLs: one that is none is refused here, too.
    fn key(&self, state: &Dynamic, imported: bool) -> Result<R::Key> {
        let parts = self.identity.attributes.keys().map(|name| (name.clone(), state.get(name).clone()));
        let parts = Dynamic::Map(parts.collect());
        // What names the object of an import has passed its check, and may be another attribute's value.
        if !imported {
            referred(&self.identity, &parts)?;
        }
        from_dynamic(&planning::folded(&self.identity, parts)).map_err(does_not_fit)
    }

    /// `like`: what was planned or stored, whose spelling stays.
    fn answer(&self, stored: &StoredOf<R>, like: &Dynamic) -> Result<StateAnswer> {
        let state = planning::respelled(&self.schema, encode(&stored.value)?.unknown_as_null(), like);
        let identity = planning::project(&self.identity, &state);
        Ok(StateAnswer {
            state,
            identity,
            private: private::seal::<R>(None, &stored.private)?,
            diagnostics: Vec::new(),
        })
    }

    /// The answer after a write. What does not encode is answered as it was planned, with the fault: an object that nobody knows of
    /// would be worse.
    fn written(&self, stored: &StoredOf<R>, request: &Apply, mut found: Vec<Diagnostic>) -> StateAnswer {
        match self.answer(stored, &request.planned) {
            Ok(answer) => StateAnswer { diagnostics: found, ..answer },
            Err(why) => {
                found.extend(why.0);
                let state = request.planned.clone().unknown_as_null();
                let identity = planning::project(&self.identity, &state);
                StateAnswer { state, identity, private: request.private.clone(), diagnostics: found }
            }
        }
    }

    async fn read_object(&self, request: &Read, cx: &Context<R::Services>) -> Result<StateAnswer> {
        let key = self.key(&request.state, private::open::<R>(&request.private).imported)?;
        let prior = self.remembered(&request.state, &request.private, cx);
        match guarded(R::read(key, prior, cx)).await? {
            Some(stored) => self.answer(&stored, &request.state),
            None => Ok(StateAnswer::default()),
        }
    }

    async fn plan_object(
        &self,
        request: &Plan,
        base: &Dynamic,
        cx: &Context<R::Services>,
    ) -> Result<(Dynamic, Vec<u8>)> {
        referred(&self.schema, &request.config)?;
        let private = private::open::<R>(&request.private);
        private.lost.into_iter().for_each(|lost| cx.warn(lost));
        let planned = Some(planned_as(request, private.planned));
        let mut state = match self.stored(base, private.value.clone()) {
            Ok(state) => state,
            // Something plain is not known yet: what the schema alone decides stands, and apply plans once more.
            Err(CodecError::Unknown) => return Ok((base.clone(), private::seal::<R>(planned, &private.value)?)),
            Err(why) => return Err(does_not_fit(why)),
        };
        let prior = match request.prior {
            Dynamic::Null => None,
            ref prior => Some(self.stored(prior, private.value).map_err(does_not_fit)?),
        };
        state.exists = prior.is_some();
        guarded(R::plan(&mut state, prior.as_ref(), cx)).await?;
        let decided = planning::respelled(&self.schema, encode(&state.value)?, &request.prior);
        let planned_state = planning::overlay(&self.schema, base, decided, &request.prior, &request.config);
        Ok((planned_state, private::seal::<R>(planned, &state.private)?))
    }

    async fn plan_change(&self, request: Plan, call: Call<R::Services>) -> PlanAnswer {
        let before = private::open::<R>(&request.private).planned;
        let second = planned_as(&request, before) == Planned::Replacement;
        let cx = call.context(Phase::Plan { second }, &request.config, limit(&request.prior, Operation::Read));
        if request.config.is_null() {
            return self.plan_destroy(request, cx).await;
        }
        if !request.config.is_wholly_known() {
            cx.held.plans();
        }
        let held = cx.held.clone();
        let base = planning::initial(&self.schema, &request.prior, &request.config);
        let result = self.plan_object(&request, &base, &cx).await;
        let (warnings, mut requires_replace) = cx.finish();
        let (planned, private, found) = match result {
            Ok((planned, private)) => (planned, private, None),
            Err(found) => (base, request.private, Some(found)),
        };
        if request.prior.is_null() {
            requires_replace.clear();
        } else {
            requires_replace.extend(planning::replacements(&self.schema, &request.prior, &planned));
        }
        let identity = match planning::project(&self.identity, &planned) {
            // The one that is stored is that of the object which goes, where another takes its place.
            Dynamic::Null if !request.prior.is_null() => request.identity,
            known => known,
        };
        let mut diagnostics = gather(found, warnings);
        diagnostics.extend(held.due());
        PlanAnswer { planned, requires_replace, private, identity, diagnostics }
    }

    async fn plan_destroy(&self, request: Plan, cx: Context<R::Services>) -> PlanAnswer {
        cx.held.plans();
        let held = cx.held.clone();
        // A state that cannot be used has nothing to say, and must not keep anybody from destroying its object.
        let prior = self.stored(&request.prior, private::open::<R>(&request.private).value);
        let result = match prior {
            Ok(prior) => guarded(R::plan_destroy(&prior, &cx)).await,
            Err(_) => Ok(()),
        };
        let mut diagnostics = gather(result.err(), cx.finish().0);
        diagnostics.extend(held.due());
        PlanAnswer { private: request.private, identity: request.identity, diagnostics, ..PlanAnswer::default() }
    }

    async fn apply_change(&self, request: Apply, call: Call<R::Services>) -> StateAnswer {
        let (operation, subject) = match (request.prior.is_null(), request.planned.is_null()) {
            (true, _) => (Operation::Create, &request.planned),
            (_, true) => (Operation::Delete, &request.prior),
            _ => (Operation::Update, &request.planned),
        };
        let private = private::open::<R>(&request.private);
        let tainted = private.planned == Some(Planned::Create);
        let mut cx = call.context(Phase::Apply { tainted }, &request.config, limit(subject, operation));
        if operation == Operation::Create {
            cx = cx.planned_with(&private.value);
        }
        let answer = match operation {
            Operation::Delete => self.delete(&request, &cx).await,
            Operation::Create => self.create(&request, &cx).await,
            _ => self.update(&request, &cx).await,
        };
        let mut answer = answer.unwrap_or_else(|found| StateAnswer {
            state: request.prior.clone(),
            private: request.private.clone(),
            identity: planning::project(&self.identity, &request.prior),
            diagnostics: found.0,
        });
        answer.diagnostics.extend(cx.finish().0);
        answer
    }

    async fn create(&self, request: &Apply, cx: &Context<R::Services>) -> Result<StateAnswer> {
        // Nothing is remembered of a new object: what a replacement's plan carries is the old one's.
        let mut state = self.stored(&request.planned, R::Private::default()).map_err(does_not_fit)?;
        state.exists = false;
        match guarded(R::create(&mut state, cx)).await {
            Ok(()) => Ok(self.written(&state, request, Vec::new())),
            // Half made: what exists goes into the state with the error, or it would be orphaned. The CLI taints it.
            Err(found) if state.exists => Ok(self.written(&state, request, found.0)),
            Err(found) => Err(found),
        }
    }

    async fn update(&self, request: &Apply, cx: &Context<R::Services>) -> Result<StateAnswer> {
        let private = private::open::<R>(&request.private);
        private.lost.into_iter().for_each(|lost| cx.warn(lost));
        self.key(&request.prior, false)?;
        let mut state = self.stored(&request.planned, private.value.clone()).map_err(does_not_fit)?;
        let prior = self.stored(&request.prior, private.value).map_err(does_not_fit)?;
        let Err(found) = guarded(R::update(&mut state, prior, cx)).await else {
            return Ok(self.written(&state, request, Vec::new()));
        };
        // The next refresh sees what was reached; until then the prior state is the better guess than the planned one.
        Ok(StateAnswer {
            state: request.prior.clone(),
            identity: planning::project(&self.identity, &request.prior),
            private: private::seal::<R>(None, &state.private)?,
            diagnostics: found.0,
        })
    }

    async fn delete(&self, request: &Apply, cx: &Context<R::Services>) -> Result<StateAnswer> {
        let key = self.key(&request.prior, false)?;
        let prior = match self.remembered(&request.prior, &request.private, cx) {
            Some(prior) => Some(prior),
            None => guarded(R::read(key, None, cx)).await?,
        };
        if let Some(prior) = prior {
            guarded(R::delete(prior, cx)).await?;
        }
        Ok(StateAnswer::default())
    }

    fn upgraded(&self, version: i64, stored: &[u8]) -> Result<Dynamic> {
        if version >= R::VERSION {
            return stored_json(&self.schema, version, stored);
        }
        let upgraded = serde_json::from_slice(stored).map_err(|why| why.to_string());
        let upgraded = upgraded.and_then(|stored| R::upgrade_state(version, stored)).map_err(|why| {
            Diagnostic::error(format!("The state of schema version {version} cannot be converted")).help(why)
        })?;
        stored_json(&self.schema, R::VERSION, upgraded.to_string().as_bytes())
    }

    fn named(&self, target: ImportTarget) -> Result<Dynamic> {
        let (key, also) = match target {
            ImportTarget::Identity(identity) => (identity, [].as_slice()),
            ImportTarget::Id(text) => (import::parts(&self.identity, &text)?, R::ALSO_NAMED_BY),
        };
        import::check(&self.identity, &self.schema, &key, also)?;
        Ok(planning::folded(&self.identity, key))
    }
}

/// Which plan this is, told by the one that wrote the private data.
fn planned_as(request: &Plan, before: Option<Planned>) -> Planned {
    match (request.prior.is_null(), before) {
        (false, _) => Planned::Change,
        // The plan in apply is told by the one before it, where the CLI hands that one's private data on.
        (true, Some(Planned::Change | Planned::Replacement)) => Planned::Replacement,
        (true, _) => Planned::Create,
    }
}

impl<R: Resource> Served<R::Services> for Adapter<R> {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn identity(&self) -> &Schema {
        &self.identity
    }

    fn validate(&self, config: Dynamic, call: Call<R::Services>) -> Vec<Diagnostic> {
        validate::<R, _>(&self.schema, &config, call, R::validate)
    }

    fn upgrade(&self, version: i64, stored: &[u8], call: Call<R::Services>) -> Result<Dynamic> {
        let state = self.upgraded(version, stored)?;
        // A state that cannot be used says nothing.
        if let (Some(services), Ok(value)) = (call.services, from_dynamic::<R>(&state)) {
            value.stored(&services);
        }
        Ok(state)
    }

    fn upgrade_identity(&self, version: i64, stored: &[u8]) -> Result<Dynamic> {
        stored_json(&self.identity, version, stored).map(|identity| planning::folded(&self.identity, identity))
    }

    fn import(&self, target: ImportTarget) -> StateAnswer {
        let by_identity = matches!(target, ImportTarget::Identity(_));
        let key = match self.named(target) {
            Ok(key) => key,
            Err(found) => return StateAnswer { diagnostics: found.0, ..StateAnswer::default() },
        };
        let state =
            Dynamic::Map(self.schema.attributes.keys().map(|name| (name.clone(), key.get(name).clone())).collect());
        // An import by id may name the object in another way than its identity does; the read that follows tells.
        let identity = if by_identity { key } else { Dynamic::Null };
        StateAnswer { state, private: private::imported(), identity, diagnostics: Vec::new() }
    }

    fn read<'a>(&'a self, request: Read, call: Call<R::Services>) -> BoxFuture<'a, StateAnswer> {
        Box::pin(async move {
            let cx = call.context(Phase::Refresh, &Dynamic::Null, limit(&request.state, Operation::Read));
            cx.held.plans();
            let held = cx.held.clone();
            let mut answer = self.read_object(&request, &cx).await.unwrap_or_else(|found| StateAnswer {
                state: request.state.clone(),
                private: request.private.clone(),
                identity: request.identity.clone(),
                diagnostics: found.0,
            });
            answer.diagnostics.extend(cx.finish().0);
            answer.diagnostics.extend(held.due());
            answer
        })
    }

    fn plan<'a>(&'a self, request: Plan, call: Call<R::Services>) -> BoxFuture<'a, PlanAnswer> {
        Box::pin(self.plan_change(request, call))
    }

    fn apply<'a>(&'a self, request: Apply, call: Call<R::Services>) -> BoxFuture<'a, StateAnswer> {
        Box::pin(self.apply_change(request, call))
    }
}

fn stored_json(schema: &Schema, version: i64, stored: &[u8]) -> Result<Dynamic> {
    if version > schema.version {
        return Err(Diagnostic::error("The state was written by a newer version of the provider").help(format!("Its schema version is {version}, this provider knows up to {}. Use at least the provider version that wrote it.", schema.version)).into());
    }
    // What the state lacks was added since: it is as if it had been left out of the configuration.
    json::from_json_text(&schema.object_type(), stored)
        .map(|stored| planning::with_defaults(schema, &stored))
        .map_err(|why| Diagnostic::error("The stored state does not fit the schema").help(why).into())
}
