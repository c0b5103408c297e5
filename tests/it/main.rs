//! Behaviour of the whole: the provider against the sandbox, in process and through the real CLIs.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says by panicking what is wrong, and prints which CLI it ran"
)]

mod attributes;
mod bad_input;
mod connector_life;
mod contract;
mod data_sources;
mod drift;
mod five_connectors;
mod imports;
mod kill_and_resume;
mod layering;
mod read_your_writes;
mod sandbox_faults;
mod sandbox_lag;
mod sandbox_refusals;
mod sandbox_state;
mod schemas;
mod stored_states;
mod tenant;
mod together;
mod workspace;
