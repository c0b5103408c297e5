//! Whether a client assertion proves who the client is: signed with one of its certificates, or by an issuer that one of its federated
//! credentials trusts. Source: Microsoft's "certificate credentials" and "workload identity federation", and the texts of the AADSTS
//! codes as users report them.

use super::refusal::Refusal;
use super::service::Service;
use crate::sandbox::moment::Moment;
use crate::sandbox::store::{Object, World, text};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use jsonwebtoken::dangerous::insecure_decode;
use jsonwebtoken::{Algorithm, DecodingKey, Header, crypto};
use serde_json::{Map, Value};

/// Seconds by which clocks may differ.
const SKEW: i64 = 300;

/// A presented assertion, not yet believed.
struct Assertion<'a> {
    text: &'a str,
    header: Header,
    claims: Map<String, Value>,
}

/// Proves that `assertion` speaks for `client` in `tenant`, or refuses.
pub(super) fn verify(
    world: &mut World,
    service: &Service,
    base: &str,
    tenant: &str,
    client: &str,
    assertion: &str,
) -> Result<(), Refusal> {
    let malformed = || Refusal::invalid_client(50_027, "JWT token is invalid or malformed.");
    let decoded = insecure_decode::<Map<String, Value>>(assertion).map_err(|_| malformed())?;
    let assertion = Assertion { text: assertion, header: decoded.header, claims: decoded.claims };
    if assertion.claim("iss").is_empty() || !assertion.claims.contains_key("exp") {
        return Err(malformed());
    }
    // Whoever vouches for himself does it with his certificate.
    if assertion.claim("iss").eq_ignore_ascii_case(client) || assertion.is_by_certificate() {
        by_certificate(world, base, tenant, client, &assertion)
    } else {
        by_issuer(world, service, base, client, &assertion)
    }
}

impl Assertion<'_> {
    fn claim(&self, name: &str) -> &str {
        self.claims.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn seconds(&self, name: &str) -> i64 {
        self.claims.get(name).and_then(Value::as_i64).unwrap_or_default()
    }

    fn is_by_certificate(&self) -> bool {
        self.header.x5t.is_some() || self.header.x5t_s256.is_some()
    }

    /// The audience may be one text or a list.
    fn audiences(&self) -> Vec<&str> {
        match self.claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    fn is_signed_by(&self, key: &DecodingKey) -> bool {
        let Some((message, signature)) = self.text.rsplit_once('.') else { return false };
        crypto::verify(signature, message.as_bytes(), key, self.header.alg).unwrap_or(false)
    }

    fn in_time(&self, now: Timestamp) -> Result<(), Refusal> {
        let (now, start, end) = (now.as_second(), self.seconds("nbf"), self.seconds("exp"));
        if start - SKEW <= now && now < end + SKEW {
            return Ok(());
        }
        let at = |second| Timestamp::from_second(second).unwrap_or_default();
        Err(Refusal::invalid_client(
            700_024,
            format!(
                "Client assertion is not within its valid time range. Current time: {}, assertion valid from {}, expiry time of assertion {}. \
                 Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
                at(now),
                at(start),
                at(end)
            ),
        ))
    }
}

/// One of the client's registered certificates.
struct Key {
    der: Vec<u8>,
    start: String,
    end: String,
}

/// Certificates on the client's application, wherever that lives, and on its principal in `tenant`.
fn keys(world: &mut World, tenant: &str, client: &str) -> Vec<Key> {
    world.tenant(tenant);
    let application = world.home_of(client).map(|(_, app)| app);
    let principal = world.tenants.get(&tenant.to_lowercase()).and_then(|here| here.principal_by("appId", client));
    let all = application.into_iter().chain(principal).filter_map(|holder| holder.get("keyCredentials")?.as_array());
    let read = |key: &Object| {
        let der = STANDARD.decode(text(key, "key")).ok()?;
        Some(Key { der, start: text(key, "startDateTime").to_owned(), end: text(key, "endDateTime").to_owned() })
    };
    all.flatten().filter_map(Value::as_object).filter_map(read).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn by_certificate(
    world: &mut World,
    base: &str,
    tenant: &str,
    client: &str,
    assertion: &Assertion<'_>,
) -> Result<(), Refusal> {
    let now = world.now();
    let refused = |code, what: String| Err(Refusal::invalid_client(code, what));
    if ![Algorithm::PS256, Algorithm::RS256].contains(&assertion.header.alg) {
        return refused(50_027, "JWT token is invalid or malformed.".to_owned());
    }
    let (algorithm, presented) = match (&assertion.header.x5t_s256, &assertion.header.x5t) {
        (Some(thumbprint), _) => (&SHA256, thumbprint),
        (None, Some(thumbprint)) => (&SHA1_FOR_LEGACY_USE_ONLY, thumbprint),
        (None, None) => return refused(50_027, "JWT token is invalid or malformed.".to_owned()),
    };
    let presented = URL_SAFE_NO_PAD.decode(presented.trim_end_matches('=')).unwrap_or_default();
    let thumbprint = hex(&presented);
    let all = keys(world, tenant, client);
    let Some(key) = all.iter().find(|key| digest(algorithm, &key.der).as_ref() == presented) else {
        return refused(
            700_027,
            format!(
                "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found., \
                 Thumbprint of key used by client: '{thumbprint}', Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see \
                 configured keys for app Id '{client}'.]"
            ),
        );
    };
    let found =
        format!("Thumbprint of key used by client: '{thumbprint}', Found key 'Start={}, End={}'", key.start, key.end);
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(&key.der) else {
        return refused(
            700_027,
            format!(
                "Client assertion contains an invalid signature. [Reason - The key is not a certificate., {found}]"
            ),
        );
    };
    let ended = certificate.validity().not_after.timestamp() <= now.as_second()
        || key.end.parse::<Moment>().is_ok_and(|end| end <= now.into());
    if ended {
        return refused(
            700_027,
            format!(
                "The certificate with identifier used to sign the client assertion is expired on application. [Reason - The key used is expired., {found}]"
            ),
        );
    }
    // What a key's start means is documented; this text is modelled on the one of an expired key.
    if key.start.parse::<Moment>().is_ok_and(|start| start > now.into()) {
        return refused(
            700_027,
            format!(
                "The certificate with identifier used to sign the client assertion is not valid yet on application. [Reason - The key used is not valid yet., {found}]"
            ),
        );
    }
    if !assertion.is_signed_by(&DecodingKey::from_rsa_der(&certificate.public_key().subject_public_key.data)) {
        return refused(
            700_027,
            format!(
                "Client assertion contains an invalid signature. [Reason - The provided signature value did not match the expected signature value., {found}]"
            ),
        );
    }
    if ["iss", "sub"].into_iter().any(|name| !assertion.claim(name).eq_ignore_ascii_case(client)) {
        return refused(
            700_021,
            "Client assertion application identifier doesn't match 'client_id' parameter. Review the documentation at \
             https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."
                .to_owned(),
        );
    }
    // The token endpoints of both versions and the issuer, as Microsoft's own libraries have sent them over the years.
    let authority = format!("{base}/login/{tenant}");
    let accepted =
        ["/oauth2/v2.0/token", "/oauth2/token", "/v2.0"].map(|end| format!("{authority}{end}").to_lowercase());
    if !assertion.audiences().iter().any(|audience| accepted.contains(&audience.to_lowercase())) {
        return refused(
            700_023,
            "Client assertion audience claim does not match Realm issuer. Review the documentation at \
             https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."
                .to_owned(),
        );
    }
    assertion.in_time(now)
}

/// Source: the three refusals differ in what of a credential does not match. All compare to the letter.
fn by_issuer(
    world: &World,
    service: &Service,
    base: &str,
    client: &str,
    assertion: &Assertion<'_>,
) -> Result<(), Refusal> {
    let (issuer, subject) = (assertion.claim("iss").to_owned(), assertion.claim("sub").to_owned());
    let trusted: Vec<Object> = match world.home_of(client) {
        Some((tenant, app)) => tenant.federated.get(text(app, "id")).cloned().unwrap_or_default(),
        None => Vec::new(),
    };
    let unmatched = |code, part: &str, value: &str| {
        Err(Refusal::invalid_client(
            code,
            format!(
                "No matching federated identity record found for presented assertion {part} '{value}'. Check your federated identity credential Subject, \
                 Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
            ),
        ))
    };
    let mut of_issuer = trusted.iter().filter(|one| text(one, "issuer") == issuer).peekable();
    if of_issuer.peek().is_none() {
        return unmatched(700_211, "issuer", &issuer);
    }
    let Some(credential) = of_issuer.find(|one| text(one, "subject") == subject) else {
        return unmatched(700_213, "subject", &subject);
    };
    let audiences = assertion.audiences();
    let expected = credential.get("audiences").and_then(Value::as_array).into_iter().flatten();
    if !expected.filter_map(Value::as_str).any(|expected| audiences.contains(&expected)) {
        return unmatched(700_212, "audience", audiences.first().copied().unwrap_or_default());
    }
    // The sandbox reads the keys of the issuer that it serves itself, and nobody else's.
    let Some(key) = service.issuer.key_of(base, &issuer) else {
        return Err(Refusal::invalid_client(50_166, "Request to External OIDC endpoint failed."));
    };
    if assertion.header.alg != Algorithm::RS256 || !assertion.is_signed_by(&key) {
        return Err(Refusal::invalid_client(
            50_013,
            "Assertion failed signature validation. [Reason - The provided signature value did not match the expected signature value.]",
        ));
    }
    assertion.in_time(world.now())
}
