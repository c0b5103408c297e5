//! Replication lag: for a while after a write some replicas still show what was there before, and refuse a write to what they do not
//! know yet. Set at the control endpoint:
//!
//! - `POST {control}/lag` with `{"requests": 6, "seconds": 60, "replicas": ["stale", "fresh"]}`: a write is seen everywhere after so many
//!   further requests to its tenant, or so many seconds of the sandbox's clock, whichever comes first; one of the two has to be given.
//!   Requests meet the replicas in turn (stale and fresh where none are named), from the first one after a write on.
//! - `"stale_percent": 30` in place of `replicas` lets so many of a hundred requests, evenly spread, meet the stale one.
//! - `"entries": true` makes replicas disagree entry by entry: on each read every property, and every element of a collection, is for
//!   itself behind with that probability (50 percent unless given). Chance is a function of the number of the read, and so repeatable.
//! - `DELETE {control}/lag` ends it, and all replicas are fresh.
//!
//! A stale replica has the state before the oldest write that has not arrived. The administrator of the control endpoint always sees and
//! changes the fresh one, which is no write that lags. Time passes by the sandbox's clock alone (`{control}/clock`).
//! Source of the refusals: the `graph` client of the azuread provider, which waits for them, and reports in its issues.

use super::replicas::{Chance, mixed};
use crate::sandbox::call::{Call, Caller, Reply};
use crate::sandbox::directory;
use crate::sandbox::errors::Failure;
use crate::sandbox::store::{Tenant, World};
use axum::body::Bytes;
use axum::http::Method;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use std::collections::{BTreeMap, VecDeque};
use std::mem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    requests: Option<u64>,
    seconds: Option<u32>,
    replicas: Option<Vec<Replica>>,
    stale_percent: Option<u64>,
    #[serde(default)]
    entries: bool,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Replica {
    Stale,
    Fresh,
    /// Each entry for itself.
    #[serde(skip)]
    Mixed(Chance),
}

impl Wish {
    fn check(&self) -> Result<(), Failure> {
        let chosen = match (&self.replicas, self.stale_percent) {
            (Some(replicas), None) => !replicas.is_empty() && !self.entries,
            (None, Some(percent)) => percent <= 100,
            (None, None) => true,
            (Some(_), Some(_)) => false,
        };
        if chosen && (self.requests.is_some() || self.seconds.is_some()) {
            return Ok(());
        }
        Err(Failure::bad_request(
            "A lag needs 'requests' or 'seconds', and at least one of 'replicas', or 'stale_percent' from 0 to 100, or neither.",
        ))
    }

    /// Which replica the request with this number since the last write meets.
    fn replica(&self, turn: u64) -> Replica {
        if self.entries {
            return Replica::Mixed(Chance { percent: self.stale_percent.unwrap_or(50), turn });
        }
        match (self.stale_percent, &self.replicas) {
            (Some(percent), _) if (turn + 1) * percent / 100 > turn * percent / 100 => Replica::Stale,
            (Some(_), _) => Replica::Fresh,
            (None, Some(replicas)) => {
                let position = usize::try_from(turn).unwrap_or_default() % replicas.len();
                replicas.get(position).copied().unwrap_or(Replica::Fresh)
            }
            (None, None) if turn.is_multiple_of(2) => Replica::Stale,
            (None, None) => Replica::Fresh,
        }
    }
}

/// A tenant as it was before a write.
struct Past {
    before: Tenant,
    at: Timestamp,
    requests: u64,
}

/// What lags.
#[derive(Default)]
pub(in crate::sandbox) struct Lag {
    wish: Option<Wish>,
    /// By tenant, the oldest first.
    pasts: BTreeMap<String, VecDeque<Past>>,
    turn: u64,
}

impl Lag {
    /// `/control/lag`.
    pub(in crate::sandbox) fn control(&mut self, method: &Method, body: &Bytes) -> Result<(), Failure> {
        let wish = match *method {
            Method::POST => {
                let wish: Wish = serde_json::from_slice(body).map_err(|why| Failure::bad_request(why.to_string()))?;
                wish.check()?;
                Some(wish)
            }
            Method::DELETE => None,
            _ => return Err(Failure::wrong_method()),
        };
        *self = Self { wish, ..Self::default() };
        Ok(())
    }

    /// Which replica a request meets, where there is more than one.
    fn meet(&mut self, tenant: &str, now: Timestamp) -> Replica {
        let (Some(wish), Some(pasts)) = (&self.wish, self.pasts.get_mut(tenant)) else { return Replica::Fresh };
        let longest = wish.seconds.map(|seconds| SignedDuration::from_secs(seconds.into()));
        let arrived = |past: &Past| {
            wish.requests.is_some_and(|requests| past.requests >= requests)
                || longest.is_some_and(|longest| now.duration_since(past.at) >= longest)
        };
        while pasts.front().is_some_and(arrived) {
            pasts.pop_front();
        }
        if pasts.is_empty() {
            self.turn = 0;
            return Replica::Fresh;
        }
        for past in pasts {
            past.requests += 1;
        }
        self.turn += 1;
        wish.replica(self.turn - 1)
    }

    /// Does some work with a tenant as a replica has it; nothing of what the work changes stays.
    fn on<T>(&mut self, replica: Replica, world: &mut World, tenant: &str, work: impl FnOnce(&mut World) -> T) -> T {
        let past = self.pasts.get_mut(tenant).and_then(VecDeque::front_mut);
        let (Some(past), Some(fresh)) = (past, world.tenants.get(tenant)) else { return work(world) };
        let seen = match replica {
            Replica::Fresh => return work(world),
            Replica::Stale => past.before.clone(),
            Replica::Mixed(chance) => mixed(&past.before, fresh, chance),
        };
        let fresh = mem::replace(world.tenant(tenant), seen);
        let done = work(world);
        *world.tenant(tenant) = fresh;
        done
    }
}

/// Answers one request to a tenant's directory from the replica that it meets.
pub(super) fn handle(lag: &mut Lag, world: &mut World, tenant: &str, caller: &Caller, call: &Call) -> Reply {
    if lag.wish.is_none() || matches!(caller, Caller::Administrator) {
        return directory::handle(world, tenant, caller, call);
    }
    let (tenant, now) = (tenant.to_lowercase(), world.now());
    let replica = lag.meet(&tenant, now);
    let ask = |world: &mut World| directory::handle(world, &tenant, caller, call);
    if call.method == Method::GET {
        return lag.on(replica, world, &tenant, ask);
    }
    if replica != Replica::Fresh && depends_on_replication(call) {
        // Only to see whether the replica knows what the write refers to.
        refuse_unknown(call, lag.on(replica, world, &tenant, ask))?;
    }
    let before = world.tenant(&tenant).clone();
    let reply = ask(world);
    if reply.is_ok() {
        lag.pasts.entry(tenant.clone()).or_default().push_back(Past { before, at: now, requests: 0 });
    }
    reply
}

/// A sign-in, which reads the directory too: a new application or secret is unknown for a while.
pub(super) fn sign_in<T>(lag: &mut Lag, world: &mut World, tenant: &str, work: impl FnOnce(&mut World) -> T) -> T {
    let (tenant, now) = (tenant.to_lowercase(), world.now());
    let replica = lag.meet(&tenant, now);
    lag.on(replica, world, &tenant, work)
}

/// Writes that are refused for want of what they refer to. A delete, and what is done to deleted items, goes to where the data is.
fn depends_on_replication(call: &Call) -> bool {
    call.method != Method::DELETE && !call.path.starts_with("/directory")
}

fn refuse_unknown(call: &Call, tried: Reply) -> Result<(), Failure> {
    match tried {
        Err(failure) if failure.misses_an_object() => Err(match call.path.rsplit('/').next() {
            Some("appRoleAssignedTo" | "appRoleAssignments") => Failure::bad_request("Not a valid reference update."),
            Some("oauth2PermissionGrants") => failure.into_bad_request(),
            _ => failure,
        }),
        _ => Ok(()),
    }
}
