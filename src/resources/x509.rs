//! A certificate as users write it: PEM, the public part alone. Nothing of what was written is ever repeated in an error, since it may
//! be a private key.

use crate::framework::Diagnostic;
use crate::graph::thumbprint;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rustls::pki_types::pem::{PemObject, SectionKind};

/// What the provider needs to know of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub der: Vec<u8>,
    /// SHA-1, upper-case hex.
    pub thumbprint: String,
    /// Whom it is for, such as `CN=siem.example.com`; may be empty.
    pub subject: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
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
    let time = |time: x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp()).ok();
    let (not_before, not_after) = (time(parsed.validity().not_before)?, time(parsed.validity().not_after)?);
    let (subject, complete) = (parsed.subject().to_string(), rest.is_empty());
    complete.then(|| Certificate { thumbprint: thumbprint(&der), subject, not_before, not_after, der })
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
        assert!(certificate.not_before < certificate.not_after);
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
}
