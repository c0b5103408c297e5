//! Mutual TLS with the CLI. Its certificate is pinned: webpki refuses it (self-signed, a CA used as end entity, P-521), and
//! comparing it byte for byte is stricter anyway.

use anyhow::{Context, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// This process's own certificate, made anew for each run, and what accepts connections with it.
pub(super) struct Identity {
    /// DER, for the handshake line.
    pub certificate: Vec<u8>,
    pub acceptor: TlsAcceptor,
}

impl Identity {
    /// An identity that only talks to the holder of this certificate (PEM).
    pub(super) fn pinned_to(client_certificate: &str) -> anyhow::Result<Self> {
        let client = pem_to_der(client_certificate)?;
        let own =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).context("no certificate could be made")?;
        let certificate = own.cert.der().to_vec();
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).map_err(|why| anyhow!("{why}"))?;
        let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = Arc::new(Pinned { client, crypto: crypto.clone() });
        let mut config = ServerConfig::builder_with_provider(crypto)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![own.cert.der().clone()], key)?;
        // Newer CLIs refuse a connection without it.
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { certificate, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }
}

fn pem_to_der(pem: &str) -> anyhow::Result<Vec<u8>> {
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    let Some(body) = pem.split(begin).nth(1).and_then(|rest| rest.split(end).next()) else {
        bail!("PLUGIN_CLIENT_CERT holds no certificate")
    };
    STANDARD.decode(body.split_whitespace().collect::<String>()).context("PLUGIN_CLIENT_CERT is no valid PEM")
}

#[derive(Debug)]
struct Pinned {
    client: Vec<u8>,
    crypto: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if leaf.as_ref() == self.client {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.crypto.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.crypto.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.crypto.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, PKCS_ECDSA_P521_SHA512};
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::TlsConnector;

    /// A certificate as the CLI makes one for each plugin process: self-signed, P-521, a CA.
    struct Cli {
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
    }

    impl Cli {
        fn new() -> Self {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap();
            let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
            params.distinguished_name.push(DnType::OrganizationName, "HashiCorp");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let certificate = params.self_signed(&key).unwrap();
            Self { certificate: certificate.der().clone(), key: PrivateKeyDer::try_from(key.serialize_der()).unwrap() }
        }

        fn pem(&self) -> String {
            format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(&self.certificate))
        }

        /// As the CLI connects: it trusts just the certificate of the handshake line, and insists on HTTP/2.
        fn connector(&self, server: &[u8], present: bool) -> TlsConnector {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from(server.to_vec())).unwrap();
            let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let builder = ClientConfig::builder_with_provider(crypto)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots);
            let mut config = if present {
                builder.with_client_auth_cert(vec![self.certificate.clone()], self.key.clone_key()).unwrap()
            } else {
                builder.with_no_client_auth()
            };
            config.alpn_protocols = vec![b"h2".to_vec()];
            TlsConnector::from(Arc::new(config))
        }
    }

    /// Whether a byte goes both ways.
    async fn talks(identity: &Identity, connector: TlsConnector) -> bool {
        let (client, server) = tokio::io::duplex(1 << 14);
        let accepted = async {
            let mut stream = identity.acceptor.accept(server).await?;
            let byte = stream.read_u8().await?;
            stream.write_u8(byte).await?;
            stream.shutdown().await
        };
        let connected = async {
            let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), client).await?;
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "newer CLIs refuse anything else");
            stream.write_u8(42).await?;
            stream.read_u8().await
        };
        let (accepted, connected) = tokio::join!(accepted, connected);
        // In TLS 1.3 a client learns only from its first read that it was refused.
        accepted.is_ok() && connected.is_ok_and(|byte| byte == 42)
    }

    #[tokio::test]
    async fn only_the_clis_own_certificate_opens_the_connection() {
        let (cli, other) = (Cli::new(), Cli::new());
        let identity = Identity::pinned_to(&cli.pem()).unwrap();
        let certificate = identity.certificate.clone();
        assert!(talks(&identity, cli.connector(&certificate, true)).await);
        assert!(!talks(&identity, other.connector(&certificate, true)).await, "another certificate of the same kind");
        assert!(!talks(&identity, cli.connector(&certificate, false)).await, "no certificate");
    }

    #[tokio::test]
    async fn the_certificate_without_its_key_opens_nothing() {
        let (cli, other) = (Cli::new(), Cli::new());
        let identity = Identity::pinned_to(&cli.pem()).unwrap();
        let thief = Cli { certificate: cli.certificate.clone(), key: other.key };
        let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = crypto.key_provider.load_private_key(thief.key.clone_key()).unwrap();
        let signed = Arc::new(rustls::sign::CertifiedKey::new(vec![thief.certificate], key));
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(identity.certificate.clone())).unwrap();
        let mut config = ClientConfig::builder_with_provider(crypto)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(signed)));
        config.alpn_protocols = vec![b"h2".to_vec()];
        assert!(!talks(&identity, TlsConnector::from(Arc::new(config))).await);
    }

    #[test]
    fn what_is_no_certificate_is_refused_at_the_start() {
        assert!(Identity::pinned_to("").is_err());
        assert!(Identity::pinned_to("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----").is_err());
    }
}
