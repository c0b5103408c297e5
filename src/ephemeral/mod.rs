//! Ephemeral resources, one file each: file name = type name without `m365_`.

mod connector_token;

pub use connector_token::ConnectorToken;
