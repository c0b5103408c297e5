//! How the process starts: as a plugin of a CLI, or as a person's tool.
#![cfg(unix)]

use crate::workspace::PROVIDER;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, PKCS_ECDSA_P521_SHA512};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

pub const COOKIE: (&str, &str) =
    ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2");
/// How a client of HTTP/2 begins, with an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// Starts the provider with these variables, and reads the first line of its standard output.
pub async fn started(variables: &[(&str, &str)]) -> (Child, String) {
    let mut child = Command::new(PROVIDER)
        .env_remove(COOKIE.0)
        .env_remove("PLUGIN_CLIENT_CERT")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    tokio::time::timeout(Duration::from_secs(60), output.read_line(&mut line)).await.expect("no line").unwrap();
    (child, line.trim_end().to_owned())
}

/// The first bytes that the socket of the handshake line answers to HTTP/2 without TLS.
pub async fn answer(line: &str) -> Vec<u8> {
    let mut stream = UnixStream::connect(line.split('|').nth(3).unwrap()).await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    let mut bytes = vec![0; 9];
    let read = tokio::time::timeout(Duration::from_secs(60), stream.read(&mut bytes)).await.expect("no answer");
    bytes.truncate(read.unwrap_or(0));
    bytes
}

#[tokio::test]
async fn without_the_cookie_it_is_a_tool_that_shows_its_help() {
    for cookie in [None, Some((COOKIE.0, "another"))] {
        let (mut child, line) = started(cookie.as_slice()).await;
        assert!(!line.is_empty() && !line.starts_with("1|"), "{line}");
        tokio::time::timeout(Duration::from_secs(60), child.wait()).await.expect("it should end").unwrap();
    }
}

#[tokio::test]
async fn version_6_is_spoken_on_a_socket() {
    let (_child, line) = started(&[COOKIE]).await;
    let fields: Vec<_> = line.split('|').collect();
    assert_eq!((fields.len(), &fields[..3], &fields[4..]), (6, &["1", "6", "unix"][..], &["grpc", ""][..]), "{line}");
    assert_eq!(answer(&line).await.get(3), Some(&4), "a SETTINGS frame: plain HTTP/2 where no certificate was given");
}

#[tokio::test]
async fn with_a_certificate_nobody_gets_in_without_it() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    let (_child, line) = started(&[COOKIE, ("PLUGIN_CLIENT_CERT", &pem)]).await;
    let certificate = line.split('|').nth(5).unwrap();
    assert!(certificate.len() > 50 && !certificate.contains('='), "{line}");
    // A TLS alert, if anything, and no SETTINGS frame.
    assert!([None, Some(&0x15)].contains(&answer(&line).await.first()));
}

#[tokio::test]
async fn a_certificate_that_is_none_ends_the_start_instead_of_opening_the_door() {
    let (mut child, line) = started(&[COOKIE, ("PLUGIN_CLIENT_CERT", "no certificate")]).await;
    assert_eq!(line, "");
    let ended = tokio::time::timeout(Duration::from_secs(60), child.wait()).await.expect("it should end").unwrap();
    assert!(!ended.success());
}
