//! Behaviour of the whole: the provider against the sandbox, in process and through the real CLIs.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says by panicking what is wrong, and prints which CLI it ran"
)]

mod attributes;
mod bad_input;
mod catalog_cli;
mod catalog_documents;
mod catalog_risk;
mod certificates;
mod connector_life;
mod connector_token;
mod consent_status;
mod contract;
mod credentials_exclusive;
mod data_sources;
mod demo;
mod documentation;
mod drift;
mod elsewhere;
mod exactly_once;
mod federated_credentials;
mod five_connectors;
mod functions;
mod graph_client;
mod graph_reads;
mod guardrails;
mod guids;
mod identity;
mod imports;
mod in_process;
mod kill_and_resume;
mod layering;
mod least_roles;
mod mirror;
mod mocks;
mod module;
mod oldest_clis;
mod ownership;
mod pem;
mod permission_keys;
mod plan_file;
mod preflight;
mod prerequisites;
mod processes;
mod read_your_writes;
mod renames;
mod replacements;
mod sandbox_answers;
mod sandbox_certificates;
mod sandbox_clients;
mod sandbox_credentials;
mod sandbox_directory;
mod sandbox_faults;
mod sandbox_lag;
mod sandbox_lock;
mod sandbox_login;
mod sandbox_pages;
mod sandbox_refusals;
mod sandbox_roles;
mod sandbox_rules;
mod sandbox_sign_in;
mod sandbox_state;
mod scale;
mod schemas;
mod secrecy;
mod secret;
mod sign_in;
mod sources;
mod start;
mod stored_states;
mod tenant;
mod together;
mod workspace;

/// Where `cli_rules`, which the library's own tests share, looks for it.
use terraform_provider_m365::framework;
#[path = "../../src/framework/cli_rules.rs"]
mod cli_rules;
