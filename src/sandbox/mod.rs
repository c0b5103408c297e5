//! A simulated Microsoft 365 tenant over real HTTP, with its own shapes and rules: a judge of the Graph client, which it shares
//! nothing with but the permission ids. For tests and for trying things out, on this machine only.
//!
//! - `{base}/login/{tenant}/oauth2/v2.0/token`, and `…/oauth2/token`: Entra's token endpoint for client credentials: secrets, assertions
//!   signed with a certificate, federated assertions. Every tenant GUID exists; one that does is known by its domain too. Beside it the
//!   documents of OpenID and instance discovery, and the keys that tokens are signed with. All of it also without `/login`, since some
//!   clients take the first segment of a path for the tenant; and `{base}/metadata/endpoints`, where clients of Azure look for addresses.
//! - `{base}/oidc`: an OIDC issuer for federated credentials to trust, with its discovery document and keys.
//! - `{base}/metadata/identity/oauth2/token`: Azure's metadata service, whose machine is the development identity.
//! - `{base}/platforms/app_service/token`, `…/github/token`, `…/azure_devops/oidctoken`: what App Service, GitHub Actions and Azure DevOps
//!   offer to what runs there.
//! - `{base}/graph/v1.0/…`, `{base}/v1.0/…`, and the same with `beta`, which has what the other has: Microsoft Graph. Tokens carry the roles that their principal holds in the directory.
//! - `{base}/pages`: pages for a person, see `pages/mod.rs`; `{base}/login/{tenant}/adminconsent` and `…/v2.0/adminconsent`: Entra's
//!   admin consent page.
//! - `{base}/control/tenants/{tenant}/v1.0/…`: the same directory for an administrator who needs no token: changes behind a client's
//!   back, also where an application locks its principals. Not in the request log. Only there subscriptions come and go (`POST`, `PATCH`
//!   and `DELETE` of `/subscribedSkus`), and roles that somebody may take (`POST …/roleEligibilitySchedules`).
//! - `{base}/control/clock`: `GET`; `POST {"now": "…Z"}`, `{"advance": "P1D"}` or `{"tick": "PT5S"}`. The clock decides what has expired and
//!   shows in `Date`. With a tick it moves on by so much before each request from outside, so that no client has to wait for real.
//! - `{base}/control/requests`: `GET` lists every request since the last `DELETE` as `{method, path, status}`; no status for one
//!   whose connection was cut before it was carried out.
//! - `{base}/control/tenants/{tenant}/first_party`: `POST {"app_id": "…", "present": false, "licensed": false}` takes away a principal
//!   of Microsoft's, and with `licensed: false` keeps it from being made again.
//! - `{base}/control/tenants/{tenant}/callers`: `POST {"roles": ["Application.Read.All"]}` makes an application that holds just these
//!   roles of Microsoft Graph, and answers with its `client_id`, `client_secret` and `object_id`.
//! - `{base}/control/platforms`: `GET` gives the variables that each platform sets, with the subjects of its tokens; `POST
//!   {"system_assigned": "…", "user_assigned": ["…"], "tenant_id": "…", "github_subject": "…", "azure_devops_subject": "…"}` changes the
//!   machine's identities (client ids, "" for none) and those subjects.
//! - `{base}/control/oidc/tokens`: `POST {"sub": "…", "aud": "…", "expires_in": 300}` gives a `token` of the OIDC issuer.
//! - `{base}/control/tokens`: `GET` lists every token that was handed out and every assertion that was presented, since
//!   the last `DELETE`.
//! - `{base}/control/page_size`: `POST {"size": 3}` makes default pages small, so that a client has to follow them.
//! - `{base}/control/faults`: requests that fail, wait or lose their connection; see `server/faults.rs`.
//! - `{base}/control/lag`: reads that do not see the last writes yet; see `server/lag.rs`.
//!
//! Each file imports only what stands further down here: `server/http`, `pages`, `control`, `server` (the HTTP door, batches, faults, replicas, the state file),
//! `login` (tokens), `directory` (paths), a file for each of Graph's entities, `odata`, `call`, `types`, `shapes`, `store`.

mod answers;
mod application;
mod call;
mod certificates;
mod control;
mod credentials;
mod deleted;
mod directory;
mod errors;
mod federated;
mod grants;
mod licences;
mod lock;
mod login;
mod moment;
mod odata;
mod organization;
mod owners;
mod pages;
mod policies;
mod principal;
mod relations;
mod roles;
mod rules;
mod seed;
mod server;
mod shapes;
mod store;
mod types;

pub use server::state::StateError;
pub use server::{Connection, Sandbox, Settings, StartError};
pub use store::{CLIENT, SECRET, TENANT};
