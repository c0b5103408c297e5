//! `terraform-provider-m365`: security connectors to Microsoft 365, as code.
//!
//! The map, in the order in which a value travels (`docs/architecture.md` tells the story):
//! [`protocol`] (plugin protocol v6, the only home of generated code) → [`framework`] (values, schemas, planning)
//! → [`resources`] (one file per resource) → [`graph`] (typed Microsoft Graph client) and [`catalog`] (connector
//! profiles and permission ids). [`provider`] holds what a run configures, and [`registry`] lists everything that is served. [`sandbox`] is a simulated tenant that shares nothing with
//! the client but the permission ids. [`cli`] is what a person runs.

pub mod catalog;
pub mod cli;
pub mod data_sources;
pub mod ephemeral;
pub mod framework;
pub mod graph;
pub mod protocol;
pub mod provider;
pub mod registry;
pub mod resources;
pub mod sandbox;
