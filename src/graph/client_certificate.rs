//! Signing in with a certificate: a short-lived assertion, signed with the private key, which never leaves this machine.
//! Source: Microsoft's "application authentication certificate credentials".

use super::auth::{AccessToken, AuthError, TokenRequest, TokenSource, post_assertion, token_endpoint};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures_util::future::BoxFuture;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, crypto};
use p12_keystore::Pkcs12Archive;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Serialize;

/// Seconds that an assertion is good for. Microsoft advises five to ten minutes.
const LIFETIME: i64 = 9 * 60;
/// Seconds by which this machine's clock may be ahead of Entra's.
const LEEWAY: i64 = 30;

/// A certificate and its private key (RSA).
#[derive(Clone)]
pub struct Certificate {
    key: EncodingKey,
    /// SHA-256 of the certificate's DER form, as the header `x5t#S256` has it.
    thumbprint: String,
}

/// Why there is no usable certificate. Never says anything of the private key but what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// No certificate in a PEM text.
    #[error("There is no certificate in it: a block `-----BEGIN CERTIFICATE-----` is missing.")]
    NoCertificate,
    /// No private key in a PEM text.
    #[error(
        "There is no private key in it: append the block `-----BEGIN PRIVATE KEY-----`. The public certificate alone cannot sign in."
    )]
    NoKey,
    /// An encrypted key in a PEM text.
    #[error(
        "Its private key is encrypted, which is not supported in PEM: decrypt it (`openssl pkcs8 -in key.pem -out plain.pem`) or make a PFX file of it \
         (`openssl pkcs12 -export`), which may have a password."
    )]
    EncryptedPem,
    /// Another kind of key.
    #[error("Its private key is no RSA key of at least 2048 bits, the only kind that Entra takes.")]
    NotRsa,
    /// Key and certificate of different pairs.
    #[error("Its private key does not belong to any of its certificates.")]
    Mismatch,
    /// A PFX that cannot be opened.
    #[error("It cannot be opened as PFX (PKCS#12): {0}")]
    Pfx(String),
    /// Neither PEM nor base64.
    #[error("It is neither PEM text nor a PFX file in base64.")]
    Neither,
}

impl Certificate {
    /// From PEM text with a certificate (others of its chain may follow) and an RSA private key (PKCS#8 or PKCS#1).
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        if text.contains("ENCRYPTED") {
            return Err(CertificateError::EncryptedPem);
        }
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes()).filter_map(Result::ok).collect();
        if certificates.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| CertificateError::NoKey)?;
        let label = match &key {
            PrivateKeyDer::Pkcs8(_) => "PRIVATE KEY",
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            _ => return Err(CertificateError::NotRsa),
        };
        Self::paired(label, key.secret_der(), certificates.iter().map(AsRef::as_ref))
    }

    /// From a PFX (PKCS#12) file, old or new encryption. `password` is empty where it has none.
    pub fn from_pfx(bytes: &[u8], password: &str) -> Result<Self, CertificateError> {
        let archive = Pkcs12Archive::from_pkcs12(bytes, password).map_err(|why| {
            let wrong_password = matches!(why, p12_keystore::error::Error::MacError(_));
            CertificateError::Pfx(if wrong_password { "the password is wrong.".to_owned() } else { format!("{why}.") })
        })?;
        if archive.certs.is_empty() {
            return Err(CertificateError::Pfx("it holds no certificate.".to_owned()));
        }
        let Some(key) = archive.keys.first() else {
            return Err(CertificateError::Pfx("it holds no private key; export it together with the key.".to_owned()));
        };
        Self::paired("PRIVATE KEY", key.key.as_der(), archive.certs.iter().map(|one| one.cert.as_der()))
    }

    /// From the bytes of a file, or from text in a configuration: PEM, PFX, or PFX in base64.
    pub fn from_any(bytes: &[u8], password: &str) -> Result<Self, CertificateError> {
        match std::str::from_utf8(bytes) {
            Ok(text) if text.contains("-----BEGIN") => Self::from_pem(text),
            Ok(text) => {
                let packed: String = text.split_whitespace().collect();
                let decoded = STANDARD.decode(packed).map_err(|_| CertificateError::Neither)?;
                match std::str::from_utf8(&decoded) {
                    Ok(text) if text.contains("-----BEGIN") => Self::from_pem(text),
                    _ => Self::from_pfx(&decoded, password),
                }
            }
            Err(_) => Self::from_pfx(bytes, password),
        }
    }

    /// The certificate that belongs to the key, whichever place it has in its chain.
    fn paired<'a>(
        label: &str,
        key: &[u8],
        certificates: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Self, CertificateError> {
        let pem = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(key));
        let key = EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| CertificateError::NotRsa)?;
        let probe = crypto::sign(b"probe", &key, Algorithm::PS256).map_err(|_| CertificateError::NotRsa)?;
        let belongs = |der: &&[u8]| {
            let Ok((_, parsed)) = x509_parser::parse_x509_certificate(der) else { return false };
            let public = DecodingKey::from_rsa_der(&parsed.public_key().subject_public_key.data);
            crypto::verify(&probe, b"probe", &public, Algorithm::PS256).unwrap_or(false)
        };
        let certificate = certificates.into_iter().find(belongs).ok_or(CertificateError::Mismatch)?;
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
        Ok(Self { key, thumbprint: URL_SAFE_NO_PAD.encode(hash) })
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: String,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// A client id and its certificate.
pub struct ClientCertificate {
    client_id: String,
    certificate: Certificate,
}

impl ClientCertificate {
    /// No network.
    pub fn new(client_id: String, certificate: Certificate) -> Self {
        Self { client_id, certificate }
    }

    /// A new assertion for the token endpoint `audience`.
    fn assertion(&self, audience: &str) -> Result<String, AuthError> {
        let mut header = Header::new(Algorithm::PS256);
        header.x5t_s256 = Some(self.certificate.thumbprint.clone());
        let now = jiff::Timestamp::now().as_second();
        let claims = Claims {
            aud: audience,
            iss: &self.client_id,
            sub: &self.client_id,
            jti: uuid::Uuid::new_v4().to_string(),
            iat: now,
            nbf: now - LEEWAY,
            exp: now + LIFETIME,
        };
        jsonwebtoken::encode(&header, &claims, &self.certificate.key)
            .map_err(|why| AuthError::Source(format!("The certificate's private key cannot sign: {why}")))
    }
}

impl TokenSource for ClientCertificate {
    fn name(&self) -> &'static str {
        "client certificate"
    }

    fn fetch<'a>(&'a self, request: TokenRequest<'a>) -> BoxFuture<'a, Result<AccessToken, AuthError>> {
        Box::pin(async move {
            let assertion = self.assertion(&token_endpoint(request))?;
            post_assertion(request, &self.client_id, &assertion).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::dangerous::insecure_decode;
    use serde_json::{Map, Value};

    fn pem() -> String {
        let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        let made = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        format!("{}{}", made.pem(), key.serialize_pem())
    }

    #[test]
    fn an_assertion_is_fresh_short_lived_and_names_the_certificate() {
        let certificate = Certificate::from_pem(&pem()).unwrap();
        let thumbprint = certificate.thumbprint.clone();
        let source = ClientCertificate::new("client".to_owned(), certificate);
        let read = || {
            let text = source.assertion("https://login/token").unwrap();
            insecure_decode::<Map<String, Value>>(text).unwrap()
        };
        let (first, second) = (read(), read());
        assert_eq!((first.header.alg, first.header.x5t_s256), (Algorithm::PS256, Some(thumbprint)));
        let claims = first.claims;
        assert_eq!(
            (&claims["aud"], &claims["iss"], &claims["sub"]),
            (&"https://login/token".into(), &"client".into(), &"client".into())
        );
        let [start, issued, end] = ["nbf", "iat", "exp"].map(|name| claims[name].as_i64().unwrap());
        assert!(start <= issued && issued < end && end - start <= 600, "{claims:?}");
        assert_ne!(claims["jti"], second.claims["jti"]);
    }

    #[test]
    fn what_is_wrong_with_a_certificate_is_told_without_its_content() {
        let whole = pem();
        let (public, key) = whole.split_at(whole.find("-----BEGIN PRIVATE").unwrap());
        let error = |text: &str| Certificate::from_any(text.as_bytes(), "").err().unwrap();
        assert_eq!(error(public), CertificateError::NoKey);
        assert_eq!(error(key), CertificateError::NoCertificate);
        assert_eq!(error(&whole.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY")), CertificateError::EncryptedPem);
        assert_eq!(error("no certificate at all"), CertificateError::Neither);
        let other = pem();
        let mixed = format!("{public}{}", &other[other.find("-----BEGIN PRIVATE").unwrap()..]);
        assert_eq!(error(&mixed), CertificateError::Mismatch);
        assert!(matches!(error("AAAA"), CertificateError::Pfx(_)));
        assert!(Certificate::from_any(STANDARD.encode(&whole).as_bytes(), "").is_ok(), "PEM in base64 is PEM");
    }
}
