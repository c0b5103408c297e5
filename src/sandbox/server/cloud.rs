//! Everything that one sandbox simulates: what it holds, what goes wrong on order, and what was asked of it.

use super::faults::Faults;
use super::lag::Lag;
use crate::sandbox::login;
use crate::sandbox::store::World;
use jiff::SignedDuration;
use serde_json::{Value, json};

pub(in crate::sandbox) struct Cloud {
    pub world: World,
    pub login: login::Service,
    pub faults: Faults,
    /// What has not been replicated.
    pub lag: Lag,
    /// By how much each request from outside moves the clock on.
    pub tick: SignedDuration,
    /// The log of requests.
    pub requests: Vec<Value>,
}

impl Cloud {
    pub(super) fn new(world: World) -> Self {
        Self {
            world,
            login: login::Service::default(),
            faults: Faults::default(),
            lag: Lag::default(),
            tick: SignedDuration::ZERO,
            requests: Vec::new(),
        }
    }

    pub(super) fn log(&mut self, method: &str, path: &str, status: Option<u16>) {
        self.requests.push(json!({ "method": method, "path": path, "status": status }));
    }

    /// A request within a batch, which is in the log too, after its requests.
    pub(super) fn log_part(&mut self, method: &str, url: &str, status: u16) {
        let path = format!("/graph/v1.0/{}", url.trim_start_matches('/'));
        self.requests.push(json!({ "method": method, "path": path, "status": status, "batched": true }));
    }
}
