//! Against a Graph that is known by `endpoints`, `ca_certificate_path`, tenant, client id and secret alone: over TLS, with a certificate
//! of a private authority.

use crate::tenant::Tenant;
use crate::workspace::{HEAD, assert_no_change, every_cli, failed_plan};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Takes TLS connections.
struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let Ok((stream, address)) = self.listener.accept().await else { continue };
            // A client that does not trust us ends the handshake: that is its answer.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

#[derive(Clone)]
struct Behind {
    sandbox: String,
    host: String,
    http: reqwest::Client,
}

async fn forward(State(behind): State<Behind>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut request = behind
        .http
        .request(method, format!("{}{uri}", behind.sandbox))
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", behind.host)
        .body(body);
    for name in ["authorization", "content-type", "prefer", "client-request-id"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    let Ok(answer) = request.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = (status, answer.bytes().await.unwrap()).into_response();
    for name in ["content-type", "date", "request-id", "retry-after"] {
        if let Some(value) = headers.get(name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// Puts TLS in front of a tenant, writes the authority's certificate into `folder`, and gives the base URL.
async fn serve(tenant: &Tenant, folder: &Path) -> String {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(parameters, authority_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf =
        rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let encoded = base64::engine::general_purpose::STANDARD.encode(authority.der());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{encoded}\n-----END CERTIFICATE-----\n");
    std::fs::write(folder.join("authority.pem"), pem).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("localhost:{}", listener.local_addr().unwrap().port());
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let behind = Behind { sandbox: tenant.url(), host: host.clone(), http };
    let router = axum::Router::new().fallback(forward).with_state(behind);
    tokio::spawn(
        async move { axum::serve(Tls { listener, acceptor: TlsAcceptor::from(Arc::new(config)) }, router).await },
    );
    format!("https://{host}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_lives_and_without_the_authority_nothing_is_sent() {
    every_cli(async |workspace, tenant| {
        let base = serve(&tenant, workspace.folder()).await;
        let connection = tenant.connection();
        let configuration = |authority: &str| {
            format!(
                r#"{HEAD}
provider "m365" {{
  tenant_id     = "{}"
  client_id     = "{}"
  client_secret = "{}"
  endpoints     = {{ login = "{base}/login", graph = "{base}/graph" }}
  max_retries   = 0
  {authority}
}}
resource "m365_connector_app" "x" {{
  profile = "securends-office365"
}}
resource "m365_connector_permission_set" "x" {{
  application_id = m365_connector_app.x.id
  profile        = "securends-office365"
}}
resource "m365_admin_consent" "x" {{
  service_principal_id = m365_connector_app.x.service_principal_id
  permissions          = m365_connector_permission_set.x.permissions
}}
"#,
                connection.tenant_id, connection.client_id, connection.client_secret
            )
        };
        workspace.write(&configuration("")).unwrap();
        let refused = failed_plan(&workspace, &tenant).await;
        assert!(refused.contains("could not be reached") && refused.contains("ca_certificate_path"), "{refused}");
        workspace.write(&configuration("ca_certificate_path = \"authority.pem\"")).unwrap();
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        assert_eq!(tenant.applications().await.len(), 1);
        workspace.apply(&["-destroy"]).await.unwrap();
        assert_eq!(tenant.applications().await.len(), 0);
    })
    .await;
}
