//! The server's word on a push.

use crate::packet::{Packet, PacketError, Packets, without_newline};
use crate::request::Update;

/// More words for people than these, in bytes, are dropped.
const MAX_WORDS: usize = 16 * 1024;
/// A report of one branch is a few lines; a longer one, in bytes, is no report.
const LONGEST: usize = 4 * 1024 * 1024;

/// What the server reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Why the pack could not be taken, when it could not.
    pub unpack_error: Option<String>,
    /// What became of our branch.
    pub branch: BranchReport,
}

/// What became of our branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BranchReport {
    /// It is at our commit.
    Moved,
    /// The server took the commit and put it, or something else, somewhere else.
    Elsewhere(String),
    /// It was not moved, with the server's reason.
    Rejected(String),
    /// The report does not speak of it.
    Silent,
}

impl BranchReport {
    /// Whether the branch was not moved for a reason that begins like this.
    #[must_use]
    pub fn is_rejected_with(&self, beginning: &str) -> bool {
        matches!(self, Self::Rejected(reason) if reason.starts_with(beginning))
    }
}

/// Why there is no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// The bytes are no packet lines.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// The server gave up.
    #[error("the Git remote gave up: {0}")]
    Fatal(String),
    /// The server said something else than a report.
    #[error("what arrived is not a report on a push: {0}")]
    Malformed(&'static str),
}

/// Reads a report that arrives in pieces. What comes behind it, such as the words of hooks that run after the branch
/// moved, is not waited for.
#[derive(Debug)]
pub struct ReportReader {
    outer: Packets,
    /// The report's own packets, carried in packets of the side band.
    inner: Option<Packets>,
    reference: String,
    new: String,
    unpack: Option<Result<(), String>>,
    branch: BranchReport,
    /// Whether options belong to our branch.
    of_ours: bool,
    words: Vec<u8>,
    received: usize,
}

impl ReportReader {
    /// Expects the report on this update, in a side band when one was asked for.
    #[must_use]
    pub fn new(update: &Update, side_band: bool) -> Self {
        Self {
            outer: Packets::default(),
            inner: side_band.then(Packets::default),
            reference: update.reference.clone(),
            new: update.new.clone(),
            unpack: None,
            branch: BranchReport::Silent,
            of_ours: false,
            words: Vec::new(),
            received: 0,
        }
    }

    /// Takes the next bytes; answers when the report is complete.
    ///
    /// # Errors
    /// Why there will be none.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<Report>, ReportError> {
        self.received += bytes.len();
        if self.received > LONGEST {
            return Err(ReportError::Malformed("it does not end"));
        }
        let mut outer = std::mem::take(&mut self.outer);
        outer.feed(bytes);
        let report = self.read(&mut outer);
        self.outer = outer;
        report
    }

    fn read(&mut self, outer: &mut Packets) -> Result<Option<Report>, ReportError> {
        let Some(mut inner) = self.inner.take() else { return self.lines(outer) };
        let report = self.bands(outer, &mut inner);
        self.inner = Some(inner);
        report
    }

    /// Reads packets until the report is complete, and not one more: what comes behind it is nobody's business.
    fn bands(&mut self, outer: &mut Packets, inner: &mut Packets) -> Result<Option<Report>, ReportError> {
        while let Some(packet) = outer.next_packet()? {
            match packet {
                Packet::Data([1, data @ ..]) => {
                    inner.feed(data);
                    if let Some(report) = self.lines(inner)? {
                        return Ok(Some(report));
                    }
                }
                Packet::Data([2, words @ ..]) => {
                    let room = MAX_WORDS.saturating_sub(self.words.len());
                    self.words.extend_from_slice(&words[..words.len().min(room)]);
                }
                Packet::Data([3, words @ ..]) => {
                    return Err(ReportError::Fatal(String::from_utf8_lossy(words).into_owned()));
                }
                Packet::Data(_) => return Err(ReportError::Malformed("a side band of no known number")),
                Packet::Flush => return Err(ReportError::Malformed("it ends before it is complete")),
            }
        }
        Ok(None)
    }

    fn lines(&mut self, packets: &mut Packets) -> Result<Option<Report>, ReportError> {
        while let Some(packet) = packets.next_packet()? {
            match packet {
                Packet::Data(line) => self.line(without_newline(line))?,
                Packet::Flush => {
                    let unpack = self
                        .unpack
                        .take()
                        .ok_or(ReportError::Malformed("it does not say whether the pack was taken"))?;
                    return Ok(Some(Report { unpack_error: unpack.err(), branch: self.branch.clone() }));
                }
            }
        }
        Ok(None)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), ReportError> {
        let line = String::from_utf8_lossy(line);
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match (word, &self.unpack) {
            ("unpack", None) => {
                self.unpack = Some(if rest == "ok" { Ok(()) } else { Err(rest.to_owned()) });
            }
            ("ok" | "ng", Some(_)) => {
                let (name, reason) =
                    if word == "ok" { (rest, "") } else { rest.split_once(' ').unwrap_or((rest, "")) };
                self.of_ours = name == self.reference;
                if self.of_ours {
                    if self.branch != BranchReport::Silent {
                        return Err(ReportError::Malformed("it speaks of the branch twice"));
                    }
                    self.branch = if word == "ok" {
                        BranchReport::Moved
                    } else {
                        BranchReport::Rejected(reason.to_owned())
                    };
                }
            }
            ("option", Some(_)) if self.of_ours => {
                let (option, value) = rest.split_once(' ').unwrap_or((rest, ""));
                let as_asked = match option {
                    "refname" => value == self.reference,
                    "new-oid" => value == self.new,
                    "forced-update" => false,
                    _ => true,
                };
                if !as_asked && self.branch == BranchReport::Moved {
                    self.branch = BranchReport::Elsewhere(format!("{option} {value}").trim_end().to_owned());
                }
            }
            ("option", Some(_)) => {}
            _ => return Err(ReportError::Malformed("a line that no report has")),
        }
        Ok(())
    }

    /// What the server has said to people so far.
    #[must_use]
    pub fn words(&self) -> String {
        String::from_utf8_lossy(&self.words).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update() -> Update {
        Update { reference: "refs/heads/main".into(), old: "1".repeat(40), new: "2".repeat(40) }
    }

    fn plain(lines: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines {
            match *line {
                "" => bytes.extend_from_slice(crate::packet::FLUSH),
                line => crate::packet::append(&mut bytes, &[line.as_bytes(), b"\n"]),
            }
        }
        bytes
    }

    fn band(number: u8, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        crate::packet::append(&mut bytes, &[&[number], data]);
        bytes
    }

    fn read(bytes: &[u8], side_band: bool) -> Result<Option<Report>, ReportError> {
        let whole = ReportReader::new(&update(), side_band).feed(bytes);
        for cut in 1..bytes.len() {
            let mut reader = ReportReader::new(&update(), side_band);
            let mut answer = reader.feed(&bytes[..cut]);
            if answer == Ok(None) {
                answer = reader.feed(&bytes[cut..]);
            }
            assert_eq!(answer, whole, "cut at {cut}");
        }
        whole
    }

    fn branch(lines: &[&str]) -> BranchReport {
        let plain = plain(lines);
        let report = read(&plain, false).unwrap().unwrap();
        // What comes behind a report, whatever it is, does not change it.
        assert_eq!(read(&[&plain[..], b"zzzz"].concat(), false).unwrap().unwrap(), report);
        // The side band cuts the report's packets where it likes.
        let (head, tail) = plain.split_at(plain.len() / 2);
        let banded = [
            band(2, b"Resolving deltas\n"),
            band(1, head),
            band(2, b"more"),
            band(1, tail),
            band(2, b"hook"),
        ]
        .concat();
        assert_eq!(read(&banded, true).unwrap().unwrap(), report);
        report.branch
    }

    #[test]
    fn a_report_says_what_became_of_the_branch() {
        let moved = ["unpack ok", "ok refs/heads/main", ""];
        assert_eq!(branch(&moved), BranchReport::Moved);
        assert_eq!(
            branch(&["unpack ok", "ng refs/heads/main pre-receive hook declined", ""]),
            BranchReport::Rejected("pre-receive hook declined".into())
        );
        assert_eq!(branch(&["unpack ok", "ok refs/heads/main2", ""]), BranchReport::Silent);
        assert_eq!(branch(&["unpack ok", ""]), BranchReport::Silent);
    }

    #[test]
    fn a_commit_that_was_put_elsewhere_is_no_success() {
        let with = |option: &str| branch(&["unpack ok", "ok refs/heads/main", option, ""]);
        let same = format!("option new-oid {}", "2".repeat(40));
        assert_eq!(with("option refname refs/heads/main"), BranchReport::Moved);
        assert_eq!(with(&same), BranchReport::Moved);
        for option in ["option refname refs/changes/1", "option new-oid 33", "option forced-update"] {
            assert!(matches!(with(option), BranchReport::Elsewhere(_)), "{option}");
        }
    }

    #[test]
    fn a_pack_that_was_not_taken_is_told() {
        let bytes = plain(&["unpack index-pack failed", "ng refs/heads/main unpacker error", ""]);
        let report = read(&bytes, false).unwrap().unwrap();
        assert_eq!(report.unpack_error.as_deref(), Some("index-pack failed"));
    }

    #[test]
    fn what_is_no_report_is_none() {
        let fatal = [band(2, b"unpacking"), band(3, b"fatal: out of memory")].concat();
        assert_eq!(read(&fatal, true), Err(ReportError::Fatal("fatal: out of memory".into())));
        for bytes in [
            plain(&[""]),
            plain(&["ok refs/heads/main", ""]),
            plain(&["unpack ok", "ok refs/heads/main", "ng refs/heads/main no", ""]),
            plain(&["unpack ok", "hello", ""]),
        ] {
            assert!(matches!(read(&bytes, false), Err(ReportError::Malformed(_))));
        }
        assert!(matches!(read(crate::packet::FLUSH, true), Err(ReportError::Malformed(_))));
        assert!(matches!(read(&band(9, b"x"), true), Err(ReportError::Malformed(_))));
        assert_eq!(read(&plain(&["unpack ok", "ok refs/heads/main"]), false), Ok(None));
    }

    #[test]
    fn the_words_for_people_are_kept_up_to_a_limit() {
        let mut reader = ReportReader::new(&update(), true);
        for _ in 0..20 {
            reader.feed(&band(2, &[b'x'; 1000])).unwrap();
        }
        assert_eq!(reader.words().len(), MAX_WORDS);
    }
}
