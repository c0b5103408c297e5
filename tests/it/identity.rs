//! Certificates and assertions for tests, made with nothing of the provider's own code.

use crate::tenant::{Tenant, list};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::OnceLock;

pub const AUDIENCE: &str = "api://AzureADTokenExchange";
/// What the provider needs.
pub const ROLES: &[&str] = &["Application.ReadWrite.All", "Organization.Read.All"];

/// A certificate with its key.
pub struct Certificate {
    pub pem: String,
    pub key_pem: String,
    pub der: Vec<u8>,
    pub key_der: Vec<u8>,
}

impl Certificate {
    pub fn new(years: std::ops::Range<i32>) -> Self {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let mut params = CertificateParams::new(vec!["test.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
        let made = params.self_signed(&key).unwrap();
        Self { pem: made.pem(), key_pem: key.serialize_pem(), der: made.der().to_vec(), key_der: key.serialize_der() }
    }

    /// One for all tests that need just any: making a key takes a while.
    pub fn any() -> &'static Self {
        static ONE: OnceLock<Certificate> = OnceLock::new();
        ONE.get_or_init(|| Self::new(2020..2090))
    }

    /// Another one.
    pub fn other() -> &'static Self {
        static ONE: OnceLock<Certificate> = OnceLock::new();
        ONE.get_or_init(|| Self::new(2020..2090))
    }

    /// Certificate and key in one text.
    pub fn both(&self) -> String {
        format!("{}{}", self.pem, self.key_pem)
    }

    pub fn sha256(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, &self.der))
    }

    pub fn sha1(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.der))
    }

    pub fn sign(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &EncodingKey::from_rsa_pem(self.key_pem.as_bytes()).unwrap()).unwrap()
    }

    /// As a PFX file, with the old or the new encryption.
    pub fn pfx(&self, password: &str, old: bool) -> Vec<u8> {
        use p12_keystore::{
            Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKey, PrivateKeyChain,
        };
        let key = PrivateKey::from_der(&self.key_der).unwrap();
        let chain = PrivateKeyChain::new("1", key, [Certificate::from_der(&self.der).unwrap()]);
        let mut store = KeyStore::new();
        store.add_entry("one", KeyStoreEntry::PrivateKeyChain(chain));
        let (encryption, mac) = if old {
            (EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc, MacAlgorithm::HmacSha1)
        } else {
            (EncryptionAlgorithm::PbeWithHmacSha256AndAes256, MacAlgorithm::HmacSha256)
        };
        store.writer(password).encryption_algorithm(encryption).mac_algorithm(mac).write().unwrap()
    }
}

/// An application without any credential that the provider may know.
pub struct Caller {
    pub client_id: String,
    pub secret: String,
    /// Object id of the application.
    pub application: String,
}

impl Tenant {
    pub async fn caller(&self) -> Caller {
        let path = format!("tenants/{}/callers", self.connection().tenant_id);
        let (status, made) = self.control(Method::POST, &path, Some(json!({ "roles": ROLES }))).await;
        assert_eq!(status, 201, "{made}");
        let client_id = made["client_id"].as_str().unwrap().to_owned();
        let found = self.admin(Method::GET, &format!("/applications?$filter=appId%20eq%20'{client_id}'"), None).await;
        Caller {
            client_id,
            secret: made["client_secret"].as_str().unwrap().to_owned(),
            application: list(&found)[0]["id"].as_str().unwrap().to_owned(),
        }
    }

    pub async fn register(&self, caller: &Caller, certificate: &Certificate) {
        let key = json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "displayName": "test", "key": STANDARD.encode(&certificate.der) });
        let path = format!("/applications/{}", caller.application);
        self.admin(Method::PATCH, &path, Some(json!({ "keyCredentials": [key] }))).await;
    }

    /// Lets the application trust tokens of the sandbox's own issuer with this subject.
    pub async fn trust(&self, caller: &Caller, subject: &str) {
        let body = json!({ "name": "test", "issuer": self.issuer(), "subject": subject, "audiences": [AUDIENCE] });
        let path = format!("/applications/{}/federatedIdentityCredentials", caller.application);
        self.admin(Method::POST, &path, Some(body)).await;
    }

    pub fn issuer(&self) -> String {
        format!("{}/oidc", self.url())
    }

    pub async fn oidc_token(&self, claims: Value) -> String {
        let (status, made) = self.control(Method::POST, "oidc/tokens", Some(claims)).await;
        assert_eq!(status, 201, "{made}");
        made["token"].as_str().unwrap().to_owned()
    }

    /// Variables of a platform, such as "github".
    pub async fn platform(&self, name: &str) -> Vec<(String, String)> {
        let (_, all) = self.control(Method::GET, "platforms", None).await;
        let variables = all[name].as_object().unwrap().iter();
        variables.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
    }

    /// Where tokens are asked for.
    pub fn token_endpoint(&self) -> String {
        format!("{}/{}/oauth2/v2.0/token", self.connection().login, self.connection().tenant_id)
    }
}

/// The usual claims of an assertion that a client signs itself.
pub fn claims(client: &str, audience: &str) -> Value {
    let now = jiff::Timestamp::now().as_second();
    json!({ "iss": client, "sub": client, "aud": audience, "jti": "1", "nbf": now, "iat": now, "exp": now + 300 })
}

pub fn header(algorithm: Algorithm, certificate: &Certificate) -> Header {
    let mut header = Header::new(algorithm);
    header.x5t_s256 = Some(certificate.sha256());
    header
}
