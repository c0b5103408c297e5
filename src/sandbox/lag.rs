//! Replication lag: for a while after a write some replicas still show what was there before, and refuse a write to what they do not
//! know yet. Set at the control endpoint:
//!
//! - `POST {control}/lag` with `{"requests": 6, "seconds": 60, "replicas": ["stale", "fresh"]}`: a write is seen everywhere after so many
//!   further requests to its tenant, or so many seconds of the sandbox's clock, whichever comes first; one of the two has to be given.
//!   Requests meet the replicas in turn (stale and fresh where none are named), from the first one after a write on.
//! - `DELETE {control}/lag` ends it, and all replicas are fresh.
//!
//! A stale replica has the state before the oldest write that has not arrived. The administrator of the control endpoint always sees and
//! changes the fresh one, which is no write that lags.
//! Source of the refusals: the `graph` client of the azuread provider, which waits for them, and reports in its issues.

use super::errors::Failure;
use super::store::{Tenant, World};
use super::{Call, Caller, Reply, directory};
use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    requests: Option<u64>,
    seconds: Option<u32>,
    #[serde(default = "mixed")]
    replicas: Vec<Replica>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Replica {
    Stale,
    Fresh,
}

fn mixed() -> Vec<Replica> {
    vec![Replica::Stale, Replica::Fresh]
}

/// A tenant as it was before a write.
struct Past {
    before: Tenant,
    at: Timestamp,
    requests: u64,
}

/// What lags.
#[derive(Default)]
pub(super) struct Lag {
    wish: Option<Wish>,
    /// By tenant, the oldest first.
    pasts: BTreeMap<String, VecDeque<Past>>,
    turn: usize,
}

impl Lag {
    /// `/control/lag`.
    pub(super) fn control(&mut self, method: &Method, body: &Bytes) -> Result<(StatusCode, Option<Value>), Failure> {
        match *method {
            Method::POST => {
                let wish: Wish = serde_json::from_slice(body).map_err(|why| Failure::bad_request(why.to_string()))?;
                if wish.replicas.is_empty() || (wish.requests.is_none() && wish.seconds.is_none()) {
                    return Err(Failure::bad_request("A lag needs 'requests' or 'seconds', and at least one replica."));
                }
                *self = Self { wish: Some(wish), ..Self::default() };
            }
            Method::DELETE => *self = Self::default(),
            _ => return Err(Failure::wrong_method()),
        }
        Ok((StatusCode::NO_CONTENT, None))
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
        let replica = wish.replicas.get(self.turn % wish.replicas.len()).copied().unwrap_or(Replica::Fresh);
        self.turn += 1;
        replica
    }

    /// Exchanges the tenant with its oldest state that a replica still has: twice is as before.
    fn exchange(world: &mut World, tenant: &str) {
        let World { tenants, lag, .. } = world;
        if let (Some(fresh), Some(past)) =
            (tenants.get_mut(tenant), lag.pasts.get_mut(tenant).and_then(VecDeque::front_mut))
        {
            std::mem::swap(fresh, &mut past.before);
        }
    }
}

/// Answers one request to a tenant's directory from the replica that it meets.
pub(super) fn handle(world: &mut World, tenant: &str, caller: &Caller, call: &Call) -> Reply {
    if world.lag.wish.is_none() || matches!(caller, Caller::Administrator) {
        return directory::handle(world, tenant, caller, call);
    }
    let (tenant, now) = (tenant.to_lowercase(), world.now());
    let replica = world.lag.meet(&tenant, now);
    if call.method == Method::GET {
        return on(replica, world, &tenant, |world| directory::handle(world, &tenant, caller, call));
    }
    if replica == Replica::Stale && depends_on_replication(call) {
        refuse_unknown(world, &tenant, caller, call)?;
    }
    let before = world.tenant(&tenant).clone();
    let reply = directory::handle(world, &tenant, caller, call);
    if reply.is_ok() {
        world.lag.pasts.entry(tenant).or_default().push_back(Past { before, at: now, requests: 0 });
    }
    reply
}

/// A sign-in, which reads the directory too: a new application or secret is unknown for a while.
pub(super) fn sign_in<T>(world: &mut World, tenant: &str, work: impl FnOnce(&mut World) -> T) -> T {
    let (tenant, now) = (tenant.to_lowercase(), world.now());
    let replica = world.lag.meet(&tenant, now);
    on(replica, world, &tenant, work)
}

fn on<T>(replica: Replica, world: &mut World, tenant: &str, work: impl FnOnce(&mut World) -> T) -> T {
    if replica == Replica::Fresh {
        return work(world);
    }
    Lag::exchange(world, tenant);
    let done = work(world);
    Lag::exchange(world, tenant);
    done
}

/// Writes that are refused for want of what they refer to. A delete, and what is done to deleted items, goes to where the data is.
fn depends_on_replication(call: &Call) -> bool {
    call.method != Method::DELETE && !call.path.starts_with("/directory")
}

/// Tries a write on a copy of the stale state, only to see whether that knows what the write refers to.
fn refuse_unknown(world: &mut World, tenant: &str, caller: &Caller, call: &Call) -> Result<(), Failure> {
    Lag::exchange(world, tenant);
    let stale = world.tenant(tenant).clone();
    let tried = directory::handle(world, tenant, caller, call);
    *world.tenant(tenant) = stale;
    Lag::exchange(world, tenant);
    match tried {
        Err(failure) if failure.misses_an_object() => Err(match call.path.rsplit('/').next() {
            Some("appRoleAssignedTo" | "appRoleAssignments") => Failure::bad_request("Not a valid reference update."),
            Some("oauth2PermissionGrants") => failure.into_bad_request(),
            _ => failure,
        }),
        _ => Ok(()),
    }
}
