//! A certificate as users write it: PEM, the public part alone. Nothing of what was written is ever repeated in an error, since it may
//! be a private key.

use crate::framework::Diagnostic;
use crate::graph::{Date, thumbprint};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::pem::{PemObject, SectionKind};

/// What the provider needs to know of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub der: Vec<u8>,
    /// SHA-1, upper-case hex.
    pub thumbprint: String,
    /// Whom it is for, such as `CN=siem.example.com`; may be empty.
    pub subject: String,
    pub not_before: Date,
    pub not_after: Date,
    /// Why nobody could sign in with it, where that is so.
    pub weakness: Option<String>,
}

/// The one certificate in a PEM text. The finding has no path: a path makes the CLI print the lines of the configuration it leads to.
pub(crate) fn read(pem: &str) -> Result<Certificate, Diagnostic> {
    if pem.contains("PRIVATE KEY") {
        return Err(Diagnostic::error("`certificate` holds a private key")
            .help("Only the public part is given to the vendor's application; the private key stays with whoever signs in with it, and never belongs into a configuration or a state.")
            .help("Give the part from `-----BEGIN CERTIFICATE-----` to `-----END CERTIFICATE-----` alone. Treat the key as disclosed if this configuration was shared."));
    }
    let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    let malformed = || {
        Diagnostic::error("`certificate` is no certificate in PEM")
            .help("It is a text from `-----BEGIN CERTIFICATE-----` to `-----END CERTIFICATE-----`, with base64 between. From a DER file: `openssl x509 -inform der -in certificate.cer`.")
    };
    let mut found =
        sections.map_err(|_| malformed())?.into_iter().filter(|(kind, _)| *kind == SectionKind::Certificate);
    let (_, der) = found.next().ok_or_else(malformed)?;
    let others = found.count();
    if others > 0 {
        return Err(Diagnostic::error("`certificate` holds several certificates")
            .help(format!("It holds {}. Give the connector's own certificate, without the chain that signed it; a second certificate of the connector is an `m365_connector_certificate` of its own.", others + 1)));
    }
    of_der(der).ok_or_else(malformed)
}

fn of_der(der: Vec<u8>) -> Option<Certificate> {
    let (rest, parsed) = x509_parser::parse_x509_certificate(&der).ok()?;
    let (not_before, not_after) = (date(parsed.validity().not_before)?, date(parsed.validity().not_after)?);
    let (subject, weakness, complete) = (parsed.subject().to_string(), weakness(&parsed), rest.is_empty());
    complete.then(|| Certificate { thumbprint: thumbprint(&der), subject, not_before, not_after, weakness, der })
}

/// Also what lies beyond [`Timestamp`]: 9999-12-31T23:59:59Z says that there is no end (RFC 5280, 4.1.2.5).
fn date(time: x509_parser::time::ASN1Time) -> Option<Date> {
    if let Ok(time) = Timestamp::from_second(time.timestamp()) {
        return Some(time.into());
    }
    let since_1970 = SignedDuration::from_secs(time.timestamp());
    let date = DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(since_1970).ok()?;
    Some(Date::new(format!("{date}Z")))
}

/// Entra takes signatures with RSA alone (azure-sdk-for-net#6521, microsoft-authentication-library-for-dotnet#2573), and its algorithms
/// ask for keys of at least 2048 bits (RFC 7518, 3.3 and 3.5).
fn weakness(certificate: &x509_parser::certificate::X509Certificate<'_>) -> Option<String> {
    const LEAST: usize = 2048;
    match certificate.public_key().parsed() {
        Ok(x509_parser::public_key::PublicKey::RSA(key)) => {
            let significant = key.modulus.iter().position(|byte| *byte != 0).map_or(&[][..], |at| &key.modulus[at..]);
            let bits = significant.first().map_or(0, |first| significant.len() * 8 - first.leading_zeros() as usize);
            (bits < LEAST)
                .then(|| format!("Its RSA key has {bits} bits, and the signatures that Entra takes ask for {LEAST}."))
        }
        _ => Some("Its key is no RSA key, and Entra takes no other signatures.".to_owned()),
    }
}

/// The same as PEM, in lines of 64 characters.
pub(crate) fn to_pem(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["siem.example.com".to_owned()]).unwrap();
        let key = to_pem(&made.signing_key.serialize_der()).replace("CERTIFICATE", "PRIVATE KEY");
        (to_pem(made.cert.der()), key)
    }

    fn refusal(pem: &str) -> String {
        let found = read(pem).unwrap_err();
        format!("{} {}", found.summary, found.detail)
    }

    #[test]
    fn a_certificate_is_read_and_written_again() {
        let (pem, _) = made();
        let certificate = read(&pem).unwrap();
        assert_eq!(certificate.thumbprint.len(), 40);
        assert!(certificate.not_before.time() < certificate.not_after.time());
        assert_eq!(certificate.subject, "CN=rcgen self signed cert");
        assert_eq!(read(&to_pem(&certificate.der)).unwrap(), certificate);
        assert_eq!(read(&pem.replace('\n', "\r\n")).unwrap(), certificate);
        assert_eq!(read(&format!("Some text of openssl's before it\n{pem}")).unwrap(), certificate);
    }

    #[test]
    fn a_private_key_is_refused_and_not_repeated() {
        let (pem, key) = made();
        let secret = key.lines().nth(1).unwrap();
        for text in
            [key.clone(), format!("{pem}{key}"), format!("{key}{pem}"), key.replace("PRIVATE", "ENCRYPTED PRIVATE")]
        {
            let refusal = refusal(&text);
            assert!(refusal.contains("private key") && !refusal.contains(secret), "{refusal}");
        }
        let bare = refusal(secret);
        assert!(bare.contains("no certificate") && !bare.contains(secret), "{bare}");
    }

    #[test]
    fn several_certificates_and_what_is_none_are_told_apart() {
        let (one, other) = (made().0, made().0);
        assert!(refusal(&format!("{one}{other}")).contains("It holds 2."));
        let broken = one.replacen("MII", "AII", 1);
        for text in [
            "",
            "text",
            &broken,
            one.trim_end_matches("-----\n"),
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        ] {
            assert!(refusal(text).contains("no certificate in PEM"), "{text}");
        }
    }

    #[test]
    fn a_certificate_without_an_end_has_one_that_is_far() {
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.not_after = rcgen::date_time_ymd(9999, 12, 31);
        let made = parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let certificate = read(&to_pem(made.der())).unwrap();
        assert_eq!(certificate.not_after.text(), "9999-12-31T00:00:00Z");
        assert_eq!(certificate.not_after.time(), Some(Timestamp::MAX));
    }

    /// With a key of 1024 bits, made by `openssl req -x509 -newkey rsa:1024`.
    const SMALL: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIB/jCCAWegAwIBAgIUF49NhBat4oxyEGia+VMjrMA9BSUwDQYJKoZIhvcNAQEL\n\
BQAwEDEOMAwGA1UEAwwFc21hbGwwIBcNMjYxMTI1MjIyNjIxWhgPMjEyNjExMDEy\n\
MjI2MjFaMBAxDjAMBgNVBAMMBXNtYWxsMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCB\n\
iQKBgQDxKaPhs0CLuTCoXvc5Odj97zuN7aNk6EYYzWtdvPe7MJEI3tvwYxp7qY7I\n\
E2O8ra5vhdCfRfBRO14J4VJ43Ew2gAKV2KABtDsIY8u4+Cai3XPM9FzGNU1zkrZx\n\
myz/qVLR8dlb7riDdSZ6eb78n0hu4HIu6c/hnjyW14gkZiv02QIDAQABo1MwUTAd\n\
BgNVHQ4EFgQU3KgP6qWZAmSHJYBZ20Daw7tfOoAwHwYDVR0jBBgwFoAU3KgP6qWZ\n\
AmSHJYBZ20Daw7tfOoAwDwYDVR0TAQH/BAUwAwEB/zANBgkqhkiG9w0BAQsFAAOB\n\
gQCORMZv4SP5rzzz8a9zWQOTbpjYIl2j5DUQYudxZaPq/Emmu4Qr5fq9BDM9P1C1\n\
tYVhcmdz/6vn+lhWfqSHj2RIcbbeFvJiaP2Nsgzqi7bIhjzeW3RwRPjLHx0H75Si\n\
KvJqFaDyEu1SJkZO+1gcK7npLixedF6W2wV/EkoCopRCeQ==\n\
-----END CERTIFICATE-----\n\
";

    #[test]
    fn only_large_rsa_keys_sign_in() {
        let weakness = |key: &rcgen::KeyPair| {
            let made = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(key).unwrap();
            read(&to_pem(made.der())).unwrap().weakness
        };
        let rsa = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        assert_eq!(weakness(&rsa), None);
        assert!(weakness(&rcgen::KeyPair::generate().unwrap()).unwrap().contains("no RSA key"));
        assert!(read(SMALL).unwrap().weakness.unwrap().contains("1024 bits"));
    }
}
