//! Certificates for tests.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize, date_time_ymd};
use std::sync::LazyLock;

/// Entra takes RSA alone. One key serves all: what tells certificates apart is their serial number.
static KEY: LazyLock<KeyPair> =
    LazyLock::new(|| KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap());

/// A certificate and its private key.
pub struct Pem {
    pub certificate: String,
    pub private_key: String,
    /// DER in base64, as Graph has it.
    pub base64: String,
}

/// A certificate for `CN=name`, valid from 2020 to the first day of `year`.
pub fn until(name: &str, year: i32) -> Pem {
    signed(name, year, &KEY)
}

/// The same for a key of its own.
pub fn signed(name: &str, year: i32, key: &KeyPair) -> Pem {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.serial_number = Some(uuid::Uuid::new_v4().as_bytes().to_vec().into());
    (parameters.not_before, parameters.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(year, 1, 1));
    let made = parameters.self_signed(key).unwrap();
    Pem {
        certificate: framed("CERTIFICATE", made.der()),
        private_key: framed("PRIVATE KEY", &key.serialize_der()),
        base64: STANDARD.encode(made.der()),
    }
}

/// One that is valid for long.
pub fn certificate(name: &str) -> Pem {
    until(name, 2090)
}

fn framed(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
