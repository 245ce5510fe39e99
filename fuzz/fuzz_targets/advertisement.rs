//! A server's first words, cut into pieces anywhere: no panic, the same answer as in one piece, and an answer that fits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use send_pack::advertisement::{Advertisement, AdvertisementError, AdvertisementReader};

const BRANCH: &str = "refs/heads/main";

fn read(bytes: &[u8], pieces: &[u8], http: bool) -> Result<Option<Advertisement>, AdvertisementError> {
    let mut reader = AdvertisementReader::new(BRANCH, http.then_some("git-receive-pack"));
    let (mut rest, mut sizes) = (bytes, pieces.iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().map_or(rest.len(), |size| usize::from(*size) + 1).min(rest.len());
        let (piece, tail) = rest.split_at(size);
        rest = tail;
        if let Some(found) = reader.feed(piece)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fuzz_target!(|data: &[u8]| {
    let [head, data @ ..] = data else { return };
    let (pieces, bytes) = data.split_at(data.len().min(usize::from(head & 0b111)));
    let whole = read(bytes, &[], head & 0x80 != 0);
    let cut = read(bytes, pieces, head & 0x80 != 0);
    // Bytes behind the end are an error only for those who see them.
    if whole != Err(AdvertisementError::Malformed("it goes on behind its end")) {
        assert_eq!(whole, cut);
    }
    if let Ok(Some(found)) = whole {
        if let Some(tip) = &found.tip {
            assert_eq!(tip.len(), found.format.len_in_hex());
            assert!(found.has_refs);
            let text = String::from_utf8_lossy(bytes);
            assert!(text.contains(&format!("{tip} {BRANCH}")), "a tip that was not said");
        }
        let _ = (found.head_branch(), found.offers("report-status"));
    }
});
