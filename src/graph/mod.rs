//! Typed Microsoft Graph client. Knows neither Terraform nor the sandbox.
