//! Nothing secret shows: not in the logs at their most talkative, not in plan files, states, or anything that the CLI prints.

use crate::identity::{AUDIENCE, Certificate};
use crate::plan_file::entries;
use crate::tenant::{Tenant, list};
use crate::workspace::{HEAD, Workspace, every_cli};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;

/// What must not show. Other tests may add theirs.
#[derive(Default)]
pub struct Secrets {
    all: Vec<(String, String)>,
}

impl Secrets {
    pub fn add(&mut self, name: &str, value: &str) {
        assert!(value.len() >= 8, "{name} is too short to be looked for");
        self.all.push((name.to_owned(), value.to_owned()));
    }

    /// A private key: also each of its lines, since it may be wrapped otherwise.
    pub fn add_key(&mut self, name: &str, pem: &str) {
        self.add(name, pem.trim());
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        self.add(name, &body);
        for line in pem.lines().filter(|line| !line.starts_with("-----") && line.len() >= 32) {
            self.add(name, line);
        }
    }

    /// A signed token: also its parts, which may be shown apart.
    pub fn add_token(&mut self, name: &str, token: &str) {
        self.add(name, token);
        for part in token.split('.').skip(1) {
            self.add(name, part);
        }
    }

    /// Which secrets show in a text, each with the form in which it does.
    pub fn shown_in(&self, bytes: &[u8]) -> BTreeSet<(String, &'static str)> {
        let text = String::from_utf8_lossy(bytes);
        // Which characters are escaped in a URL or a form is up to the writer: read it back.
        let escapes = [("URL-encoded", unescaped(bytes, false)), ("form-encoded", unescaped(bytes, true))];
        let mut found = BTreeSet::new();
        for (name, value) in &self.all {
            let as_is = forms(value).into_iter().filter(|(_, needle)| text.contains(needle));
            found.extend(as_is.map(|(form, _)| (name.clone(), form)));
            let escaped = escapes.iter().filter(|(_, text)| text.contains(value));
            found.extend(escaped.map(|(form, _)| (name.clone(), *form)));
        }
        found
    }
}

/// The text with `%xx`, and where `form` also `+`, read back.
fn unescaped(bytes: &[u8], form: bool) -> String {
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        out.push(match (byte, digit(at), digit(at + 1)) {
            (b'%', Some(high), Some(low)) => {
                at += 2;
                u8::try_from(high * 16 + low).unwrap()
            }
            (b'+', ..) if form => b' ',
            _ => *byte,
        });
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// How a value may be written, but for URLs.
fn forms(value: &str) -> Vec<(&'static str, String)> {
    let escaped = |text: &str| serde_json::to_string(text).unwrap().trim_matches('"').to_owned();
    let mut all = vec![
        ("plain", value.to_owned()),
        ("JSON-escaped", escaped(value)),
        ("JSON-escaped twice", escaped(&escaped(value))),
    ];
    // Inside something longer it may begin at any of three places of base64's groups; what surrounds it touches the characters at
    // its edges, which are left out.
    for before in 0..3 {
        let padded = [vec![0; before], value.as_bytes().to_vec()].concat();
        let (first, last) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
        all.push(("base64", STANDARD.encode(&padded)[first..last].to_owned()));
        all.push(("base64url", URL_SAFE_NO_PAD.encode(&padded)[first..last].to_owned()));
    }
    all
}

/// Every file below a folder, archives unpacked.
pub fn everything_in(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything_in(&path));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let name = path.display().to_string();
        if bytes.starts_with(b"PK\x03\x04") {
            found.extend(entries(&path).into_iter().map(|(_, content)| (name.clone(), content)));
        }
        found.push((name, bytes));
    }
    found
}

/// A whole life of a connector, all that the CLI says on the way, and all that is left in its folder.
async fn life(workspace: &mut Workspace, mut variables: Vec<(String, String)>) -> Vec<(String, Vec<u8>)> {
    let log = workspace.folder().join("trace.log").display().to_string();
    variables.extend([("TF_LOG".to_owned(), "TRACE".to_owned()), ("TF_LOG_PATH".to_owned(), log)]);
    workspace.set_environment(variables);
    workspace
        .write(&format!(
            r#"{HEAD}
provider "m365" {{
  environment = "sandbox"
}}
data "m365_client_config" "me" {{}}
output "who" {{
  value = data.m365_client_config.me.client_id
}}
resource "m365_connector_app" "x" {{
  profile = "md-eco-m365-defender"
}}
"#
        ))
        .unwrap();
    let mut said = Vec::new();
    for (arguments, code) in [
        (&["validate", "-json"][..], 0),
        (&["plan", "-no-color", "-input=false", "-out=plan.out"], 0),
        (&["show", "-json", "plan.out"], 0),
        (&["apply", "-no-color", "-input=false", "plan.out"], 0),
        (&["show", "-json"], 0),
        (&["plan", "-no-color", "-input=false", "-detailed-exitcode"], 0),
        (&["destroy", "-no-color", "-input=false", "-auto-approve", "-json"], 0),
    ] {
        let output = workspace.run(arguments).await.unwrap().expect(code).unwrap();
        said.push((arguments.join(" "), output.into_bytes()));
    }
    said.extend(everything_in(workspace.folder()));
    said
}

/// The variables of each life with what in them is secret.
async fn lives(tenant: &Tenant, client_id: &mut String, secrets: &mut Secrets) -> Vec<Vec<(String, String)>> {
    let caller = tenant.caller().await;
    let certificate = Certificate::any();
    tenant.register(&caller, certificate).await;
    client_id.clone_from(&caller.client_id);
    let password = "p@ss word/with+all \"of\" it";
    let pfx = STANDARD.encode(certificate.pfx(password, false));
    secrets.add("client secret", &caller.secret);
    secrets.add_key("private key", &certificate.key_pem);
    secrets.add("private key", &STANDARD.encode(&certificate.key_der));
    secrets.add("certificate password", password);
    secrets.add("PFX file", &pfx);
    for (platform, variable) in [
        ("github", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
        ("azure_devops", "SYSTEM_ACCESSTOKEN"),
        ("app_service", "IDENTITY_HEADER"),
    ] {
        let variables = tenant.platform(platform).await;
        secrets.add(variable, &variables.iter().find(|(name, _)| name == variable).unwrap().1);
    }
    for subject in ["github", "azure_devops"] {
        let (_, all) = tenant.control(Method::GET, "platforms", None).await;
        let body = json!({
            "name": subject, "issuer": tenant.issuer(), "subject": all["subjects"][subject], "audiences": [AUDIENCE],
        });
        let path = format!("/applications/{}/federatedIdentityCredentials", caller.application);
        tenant.admin(Method::POST, &path, Some(body)).await;
    }
    let wish = json!({ "system_assigned": caller.client_id, "user_assigned": [caller.client_id] });
    tenant.control(Method::POST, "platforms", Some(wish)).await;

    let own = |more: &[(&str, &str)]| {
        let id = [("M365_CLIENT_ID", &*caller.client_id)];
        id.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
    };
    let mut all = vec![
        own(&[("M365_CLIENT_SECRET", &caller.secret)]),
        own(&[("M365_CLIENT_CERTIFICATE", &certificate.both())]),
        own(&[("M365_CLIENT_CERTIFICATE", &pfx), ("M365_CLIENT_CERTIFICATE_PASSWORD", password)]),
    ];
    for (platform, switch) in [
        ("github", "M365_USE_OIDC"),
        ("azure_devops", "M365_USE_OIDC"),
        ("app_service", "M365_USE_MSI"),
        ("imds", "M365_USE_MSI"),
    ] {
        all.push([own(&[(switch, "true")]), tenant.platform(platform).await].concat());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credential_token_or_key_shows_anywhere_in_a_life() {
    every_cli(async |mut workspace, tenant| {
        let (mut secrets, mut client_id) = (Secrets::default(), String::new());
        for variables in lives(&tenant, &mut client_id, &mut secrets).await {
            let shown = life(&mut workspace, variables).await;
            let (_, tokens) = tenant.control(Method::GET, "tokens", None).await;
            assert!(!list(&tokens).is_empty(), "nobody signed in");
            for token in list(&tokens) {
                secrets.add_token("token", token.as_str().unwrap());
            }
            tenant.control(Method::DELETE, "tokens", None).await;
            // What is no secret is found by the same search in each kind of place, so these are really read.
            let request = "client_request_id";
            for (place, known) in [
                ("trace.log", request),
                ("plan.out", &client_id),
                ("show -json", &client_id),
                ("terraform.tfstate", &client_id),
            ] {
                let mut secrets = Secrets::default();
                secrets.add("no secret", known);
                let found =
                    shown.iter().any(|(name, bytes)| name.contains(place) && !secrets.shown_in(bytes).is_empty());
                assert!(found, "the search sees nothing in {place}");
            }
            for (place, bytes) in &shown {
                assert_eq!(secrets.shown_in(bytes), BTreeSet::new(), "in {place}");
            }
            std::fs::remove_file(workspace.folder().join("trace.log")).unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_does_not_show_either() {
    every_cli(async |mut workspace, tenant| {
        let caller = tenant.caller().await;
        let token = tenant.oidc_token(json!({ "sub": "nobody", "aud": AUDIENCE })).await;
        let mut secrets = Secrets::default();
        secrets.add("client secret", "wrong secret & more");
        secrets.add_token("OIDC token", &token);
        secrets.add("password", "wrong password & more");
        let pfx = STANDARD.encode(Certificate::any().pfx("right", true));
        secrets.add("PFX file", &pfx);
        let log = workspace.folder().join("trace.log").display().to_string();
        for variables in [
            vec![("M365_CLIENT_SECRET", "wrong secret & more")],
            vec![("M365_USE_OIDC", "true"), ("M365_OIDC_TOKEN", &token)],
            vec![("M365_CLIENT_CERTIFICATE", &pfx), ("M365_CLIENT_CERTIFICATE_PASSWORD", "wrong password & more")],
        ] {
            let common = [("M365_CLIENT_ID", &*caller.client_id), ("TF_LOG", "TRACE"), ("TF_LOG_PATH", &log)];
            let all = common.iter().chain(&variables);
            workspace.set_environment(all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
            workspace
                .write(&format!("{HEAD}\nprovider \"m365\" {{\n  environment = \"sandbox\"\n}}\ndata \"m365_client_config\" \"me\" {{}}\n"))
                .unwrap();
            let output = workspace.run(&["plan", "-no-color", "-input=false"]).await.unwrap().expect(1).unwrap();
            assert_eq!(secrets.shown_in(output.as_bytes()), BTreeSet::new());
            for (place, bytes) in everything_in(workspace.folder()) {
                assert_eq!(secrets.shown_in(&bytes), BTreeSet::new(), "in {place}");
            }
        }
    })
    .await;
}

#[test]
fn the_search_finds_a_secret_in_every_form_and_place() {
    let certificate = Certificate::any();
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJub2JvZHkifQ.c2lnbmF0dXJlLW9mLWl0";
    let mut secrets = Secrets::default();
    secrets.add("secret", "q~8Q \"x\"/y+z&ü=");
    secrets.add_token("token", token);
    secrets.add_key("key", &certificate.key_pem);
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    for (name, value) in [("secret", "q~8Q \"x\"/y+z&ü="), ("token", token), ("key", certificate.key_pem.trim())] {
        let json = json!({ "a": [value] }).to_string();
        let nested = json!({ "log": json }).to_string();
        let mut planted = vec![
            ("plain", format!("before {value} after")),
            ("JSON-escaped", json),
            ("JSON-escaped twice", nested),
            ("form-encoded", format!("client_secret={}&x=y", encoded(value))),
            ("URL-encoded", format!("/x?y={}", encoded(value).replace('+', "%20").replace('~', "%7E"))),
        ];
        for before in ["", "x", "xy"] {
            planted.push(("base64", STANDARD.encode(format!("{before}{value} and more"))));
            planted.push(("base64url", URL_SAFE_NO_PAD.encode(format!("{before}{value} and more"))));
        }
        for (form, text) in planted {
            let found = secrets.shown_in(text.as_bytes());
            assert!(found.iter().any(|(found, _)| found == name), "{name} as {form} is not found in {text}");
        }
    }
    let line = certificate.key_pem.lines().nth(5).unwrap();
    assert!(!secrets.shown_in(format!("key: {line}\n").as_bytes()).is_empty(), "one line of a key is enough");
    assert_eq!(secrets.shown_in(b"before and after, and the client id"), BTreeSet::new());
}
