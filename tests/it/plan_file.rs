//! What is in a plan file: a zip archive of the plan, the state before it and the configuration.

use flate2::read::DeflateDecoder;
use std::io::Read;
use std::path::Path;

fn number(bytes: &[u8], at: usize, size: usize) -> usize {
    bytes[at..at + size].iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte))
}

/// Name and contents of each file in the archive, by its central directory. Source: PKWARE's APPNOTE, 4.3.
pub fn entries(path: &Path) -> Vec<(String, Vec<u8>)> {
    let archive = std::fs::read(path).unwrap();
    let end = archive.windows(4).rposition(|window| window == b"PK\x05\x06").unwrap();
    let (count, mut at) = (number(&archive, end + 10, 2), number(&archive, end + 16, 4));
    let mut found = Vec::new();
    for _ in 0..count {
        assert_eq!(&archive[at..at + 4], b"PK\x01\x02");
        let (method, packed, unpacked) =
            (number(&archive, at + 10, 2), number(&archive, at + 20, 4), number(&archive, at + 24, 4));
        let (name, extra, comment) =
            (number(&archive, at + 28, 2), number(&archive, at + 30, 2), number(&archive, at + 32, 2));
        let local = number(&archive, at + 42, 4);
        let start = local + 30 + number(&archive, local + 26, 2) + number(&archive, local + 28, 2);
        let body = &archive[start..start + packed];
        let mut contents = Vec::new();
        match method {
            0 => contents.extend(body),
            _ => {
                DeflateDecoder::new(body).read_to_end(&mut contents).unwrap();
            }
        }
        assert_eq!(contents.len(), unpacked);
        found.push((String::from_utf8_lossy(&archive[at + 46..at + 46 + name]).into_owned(), contents));
        at += 46 + name + extra + comment;
    }
    found
}
