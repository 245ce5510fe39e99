//! A server's report on a push, cut into pieces anywhere, with and without a side band: no panic, the same report as in
//! one piece, and success only where the server said so.
#![no_main]

use libfuzzer_sys::fuzz_target;
use send_pack::report::{BranchReport, Report, ReportError, ReportReader};
use send_pack::request::Update;

fn read(bytes: &[u8], pieces: &[u8], side_band: bool) -> (Result<Option<Report>, ReportError>, usize) {
    let update = Update { reference: "refs/heads/main".into(), old: "1".repeat(40), new: "2".repeat(40) };
    let mut reader = ReportReader::new(&update, side_band);
    let (mut rest, mut sizes) = (bytes, pieces.iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().map_or(rest.len(), |size| usize::from(*size) + 1).min(rest.len());
        let (piece, tail) = rest.split_at(size);
        rest = tail;
        match reader.feed(piece) {
            Ok(None) => {}
            answer => return (answer, reader.words().len()),
        }
    }
    (Ok(None), reader.words().len())
}

fuzz_target!(|data: &[u8]| {
    let [head, data @ ..] = data else { return };
    let (pieces, bytes) = data.split_at(data.len().min(usize::from(head & 0b111)));
    let side_band = head & 0x80 != 0;
    let (whole, words) = read(bytes, &[], side_band);
    let (cut, _) = read(bytes, pieces, side_band);
    assert_eq!(whole, cut);
    // Text is kept as it came, and a byte that is none takes three.
    assert!(words <= 3 * 16 * 1024);
    if let Ok(Some(Report { branch: BranchReport::Moved, .. })) = whole
        && !side_band
    {
        let said = |words: &[u8]| bytes.windows(words.len()).any(|window| window == words);
        assert!(said(b"unpack ") && said(b"ok refs/heads/main"), "a success that was not said");
    }
});
