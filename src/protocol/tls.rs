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

    #[test]
    fn only_the_pinned_certificate_is_accepted() {
        let certificate = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert;
        let (ours, other) = (certificate(), certificate());
        let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(ours.der()));
        let verifier = Pinned {
            client: pem_to_der(&pem).unwrap(),
            crypto: Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
        };
        assert!(verifier.verify_client_cert(ours.der(), &[], UnixTime::now()).is_ok());
        assert!(verifier.verify_client_cert(other.der(), &[], UnixTime::now()).is_err());
        assert!(verifier.client_auth_mandatory());
        assert!(verifier.supported_verify_schemes().contains(&SignatureScheme::ECDSA_NISTP521_SHA512));
    }
}
