//! Words of a host that repeat a secret are shown without it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// So many characters of a secret are enough to know it by.
const BEGINNING: usize = 8;

/// Takes what the request carried out of words that a host sent back. They may have been cut off within it.
pub(crate) fn strike(words: &mut String, authorization: &str) {
    let token = authorization.split_once(' ').map_or("", |(_, token)| token);
    let decoded =
        STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let password = decoded.split_once(':').map_or("", |(_, password)| password);
    for secret in [authorization, &decoded].into_iter().filter(|secret| !secret.is_empty()) {
        *words = words.replace(secret, "***");
    }
    for secret in [token, password].into_iter().filter(|secret| !secret.is_empty()) {
        strike_beginnings(words, secret);
    }
}

/// Strikes the secret, and whatever begins like it for as long as it goes on like it.
fn strike_beginnings(words: &mut String, secret: &str) {
    let shortest = secret.char_indices().nth(BEGINNING).map_or(secret.len(), |(end, _)| end);
    let mut kept = String::new();
    let mut rest = words.as_str();
    while let Some(at) = rest.find(&secret[..shortest]) {
        let same = rest[at..].chars().zip(secret.chars()).take_while(|(a, b)| a == b);
        let length: usize = same.map(|(a, _)| a.len_utf8()).sum();
        kept += &rest[..at];
        kept += "***";
        rest = &rest[at + length..];
    }
    *words = kept + rest;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_sends_back_is_struck() {
        for echoed in ["Basic bWU6aHVudGVyMg==", "bWU6aHVudGVyMg==", "me:hunter2", "hunter2"] {
            let mut words = format!("your header was: {echoed}!");
            strike(&mut words, "Basic bWU6aHVudGVyMg==");
            assert!(words.starts_with("your header was: ***") && !words.contains("hunter2"), "{words}");
        }
    }

    #[test]
    fn what_is_cut_off_within_a_secret_is_struck() {
        let authorization = "Basic bWU6aHVudGVyMi1odW50ZXIy"; // me:hunter2-hunter2
        for (sent, struck) in [
            ("it was bWU6aHVudGVyMi1od", "it was ***"),
            ("it was bWU6aHVu and bWU6aHVudGVyMi1odW50ZXIy.", "it was *** and ***."),
            ("hunter2-hun", "***"),
            ("hunter2", "hunter2"),
        ] {
            let mut words = sent.to_owned();
            strike(&mut words, authorization);
            assert_eq!(words, struck);
        }
    }
}
