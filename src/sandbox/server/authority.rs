//! The certificate authority of a sandbox that is reached by TLS: its own, trusted by nobody who is not told to.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// An authority, as it is kept with the state.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Authority {
    /// PEM.
    pub certificate: String,
    /// PEM.
    key: String,
}

impl Authority {
    pub(super) fn new() -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        Ok(Self { certificate: parameters()?.self_signed(&key)?.pem(), key: key.serialize_pem() })
    }

    /// Accepts connections to this machine's names and to `address`, with a certificate of this authority's.
    pub(super) fn acceptor(&self, address: IpAddr) -> Result<TlsAcceptor, Box<dyn std::error::Error + Send + Sync>> {
        let issuer = Issuer::new(parameters()?, KeyPair::from_pem(&self.key)?);
        let key = KeyPair::generate()?;
        let mut leaf = CertificateParams::new(vec!["localhost".to_owned()])?;
        for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST), address] {
            leaf.subject_alt_names.push(SanType::IpAddress(address));
        }
        leaf.distinguished_name.push(DnType::CommonName, "sandbox");
        (leaf.not_before, leaf.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1));
        leaf.use_authority_key_identifier_extension = true;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = leaf.signed_by(&key, &issuer)?;
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let key = PrivateKeyDer::try_from(key.serialize_der())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let configuration = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(TlsAcceptor::from(Arc::new(configuration)))
    }
}

/// The same whenever they are needed: whoever trusts the certificate trusts what is signed later.
fn parameters() -> Result<CertificateParams, rcgen::Error> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.distinguished_name.push(DnType::CommonName, "Sandbox of terraform-provider-m365, for tests only");
    (authority.not_before, authority.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1));
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(authority)
}
