//! What a server says first: where its branches are, and what it can do.

use gix_hash::Kind;

use crate::packet::{Packet, PacketError, Packets, without_newline};

/// A server with more to say than this, in bytes, is not listened to: a hundred thousand branches and tags fit.
const LONGEST: usize = 32 * 1024 * 1024;

/// Where the branch is that was asked about, and what the server can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertisement {
    /// The branch's commit in hexadecimal digits; `None` when there is no such branch.
    pub tip: Option<String>,
    /// Whether the repository has any branch or tag at all.
    pub has_refs: bool,
    /// Which hash names the objects.
    pub format: Kind,
    capabilities: Vec<String>,
}

impl Advertisement {
    /// Whether the server offers `name`, or `name=` with a value.
    #[must_use]
    pub fn offers(&self, name: &str) -> bool {
        self.capabilities.iter().any(|word| word.split('=').next() == Some(name))
    }

    /// The values of `name=value`.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.capabilities
            .iter()
            .filter_map(move |word| word.split_once('=').filter(|(key, _)| *key == name))
            .map(|(_, value)| value)
    }

    /// The branch that the server's HEAD names, where it says so.
    #[must_use]
    pub fn head_branch(&self) -> Option<&str> {
        self.values("symref").find_map(|value| value.strip_prefix("HEAD:refs/heads/"))
    }
}

/// Why an advertisement is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdvertisementError {
    /// The bytes are no packet lines.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// The server answered with an error of its own.
    #[error("{0}")]
    Server(String),
    /// The server said something else than an advertisement.
    #[error("what arrived is not a list of branches: {0}")]
    Malformed(&'static str),
    /// The object format is none that is known.
    #[error("the repository names its objects by {0}, which is not known here")]
    Format(String),
    /// It does not end.
    #[error("the list of branches has more than {LONGEST} bytes")]
    TooLong,
}

/// Reads an advertisement that arrives in pieces.
#[derive(Debug)]
pub struct AdvertisementReader {
    packets: Packets,
    /// The full name of the branch that is asked about.
    wanted: Vec<u8>,
    stage: Stage,
    received: usize,
    tip: Option<String>,
    has_refs: bool,
    capabilities: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Over HTTP, a line that names the service comes before everything else.
    Service(&'static str),
    /// And a flush behind it.
    AfterService,
    Refs,
}

impl AdvertisementReader {
    /// Asks about the branch `refs/heads/…` of this full name. Over HTTP, `service` is what was asked for, such as
    /// `git-receive-pack`.
    #[must_use]
    pub fn new(wanted: &str, http_service: Option<&'static str>) -> Self {
        Self {
            packets: Packets::default(),
            wanted: wanted.as_bytes().to_owned(),
            stage: http_service.map_or(Stage::Refs, Stage::Service),
            received: 0,
            tip: None,
            has_refs: false,
            capabilities: None,
        }
    }

    /// Takes the next bytes; answers when the advertisement is complete.
    ///
    /// # Errors
    /// Why it is of no use.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<Advertisement>, AdvertisementError> {
        self.received += bytes.len();
        if self.received > LONGEST {
            return Err(AdvertisementError::TooLong);
        }
        let Self { packets, wanted, stage, tip, has_refs, capabilities, .. } = self;
        packets.feed(bytes);
        while let Some(packet) = packets.next_packet()? {
            let line = match packet {
                Packet::Data(data) => without_newline(data),
                Packet::Flush if *stage == Stage::AfterService => {
                    *stage = Stage::Refs;
                    continue;
                }
                Packet::Flush if *stage == Stage::Refs => {
                    if packets.has_rest() {
                        return Err(AdvertisementError::Malformed("it goes on behind its end"));
                    }
                    return self.complete().map(Some);
                }
                Packet::Flush => return Err(AdvertisementError::Malformed("it ends where it should begin")),
            };
            if let Some(words) = line.strip_prefix(b"ERR ") {
                return Err(AdvertisementError::Server(String::from_utf8_lossy(words).into_owned()));
            }
            match *stage {
                Stage::Service(service) => {
                    if line.strip_prefix(b"# service=") != Some(service.as_bytes()) {
                        return Err(AdvertisementError::Malformed("it is of another service"));
                    }
                    *stage = Stage::AfterService;
                }
                Stage::AfterService => {
                    return Err(AdvertisementError::Malformed("it does not name its service alone"));
                }
                Stage::Refs => {
                    if capabilities.is_none() && line == b"version 1" {
                        continue;
                    }
                    // Where the server's own history ends; nothing that a push needs.
                    if capabilities.is_some() && line.starts_with(b"shallow ") {
                        continue;
                    }
                    let line = match (line.iter().position(|byte| *byte == 0), &capabilities) {
                        (Some(nul), None) => {
                            let words = String::from_utf8_lossy(&line[nul + 1..]);
                            *capabilities = Some(
                                words.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect(),
                            );
                            &line[..nul]
                        }
                        (None, Some(_)) => line,
                        (Some(_), Some(_)) | (None, None) => {
                            return Err(AdvertisementError::Malformed(
                                "its first line, and only that, says what the server can do",
                            ));
                        }
                    };
                    let (id, name) = split_ref(line)?;
                    if name == b"capabilities^{}" || name == b".have" {
                        continue;
                    }
                    *has_refs = true;
                    if name == wanted.as_slice() {
                        *tip = Some(id.to_owned());
                    }
                }
            }
        }
        Ok(None)
    }

    fn complete(&mut self) -> Result<Advertisement, AdvertisementError> {
        // An empty repository of old servers: nothing at all.
        let capabilities = self.capabilities.take().unwrap_or_default();
        let mut advertisement =
            Advertisement { tip: self.tip.take(), has_refs: self.has_refs, format: Kind::Sha1, capabilities };
        // The first value is the repository's own; servers that can convert would list others behind it.
        let format = advertisement.values("object-format").next().map(str::to_owned);
        advertisement.format = match format.as_deref() {
            None | Some("sha1") => Kind::Sha1,
            Some("sha256") => Kind::Sha256,
            Some(other) => return Err(AdvertisementError::Format(other.chars().take(40).collect())),
        };
        match &advertisement.tip {
            Some(tip) if tip.len() != advertisement.format.len_in_hex() => {
                Err(AdvertisementError::Malformed(
                    "a commit's id does not have the length of the repository's hash",
                ))
            }
            Some(_) | None => Ok(advertisement),
        }
    }
}

/// The id and the name of `<id> <name>`.
fn split_ref(line: &[u8]) -> Result<(&str, &[u8]), AdvertisementError> {
    let malformed = AdvertisementError::Malformed("a line is not a commit's id and a name");
    let Some(space) = line.iter().position(|byte| *byte == b' ') else { return Err(malformed) };
    let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    match std::str::from_utf8(&line[..space]) {
        Ok(id) if matches!(id.len(), 40 | 64) && id.bytes().all(|byte| is_digit(&byte)) => {
            Ok((id, &line[space + 1..]))
        }
        Ok(_) | Err(_) => Err(malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "95d09f2b10159347eece71399a7e2e907ea3df4f";

    fn packets(lines: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines {
            match *line {
                "" => bytes.extend_from_slice(crate::packet::FLUSH),
                line => crate::packet::append(&mut bytes, &[line.as_bytes()]),
            }
        }
        bytes
    }

    fn read(
        bytes: &[u8],
        service: Option<&'static str>,
    ) -> Result<Option<Advertisement>, AdvertisementError> {
        // In every pair of pieces: where a network cuts must not matter.
        let whole = AdvertisementReader::new("refs/heads/main", service).feed(bytes);
        for cut in 1..bytes.len() {
            let mut reader = AdvertisementReader::new("refs/heads/main", service);
            let mut answer = reader.feed(&bytes[..cut]);
            if answer == Ok(None) {
                answer = reader.feed(&bytes[cut..]);
            }
            assert_eq!(answer, whole, "cut at {cut}");
        }
        whole
    }

    #[test]
    fn the_branch_and_the_abilities_are_read() {
        let first = format!(
            "{ID} refs/heads/main\0report-status-v2 side-band-64k object-format=sha1 agent=git/2.39.5\n"
        );
        let other = format!("{} refs/heads/main2\n", ID.replace('9', "8"));
        let shallow = format!("shallow {ID}");
        let read = read(&packets(&[&first, &other, &shallow, ""]), None).unwrap().unwrap();
        assert_eq!(read.tip.as_deref(), Some(ID));
        assert!(read.offers("side-band-64k") && read.offers("agent") && !read.offers("atomic"));
        assert_eq!(read.format, Kind::Sha1);
    }

    #[test]
    fn an_empty_repository_and_another_hash_are_told() {
        let zero = "0".repeat(64);
        let line = format!("{zero} capabilities^{{}}\0report-status object-format=sha256");
        let read = read(&packets(&["version 1\n", &line, ""]), None).unwrap().unwrap();
        assert_eq!((read.tip.as_deref(), read.has_refs, read.format), (None, false, Kind::Sha256));
    }

    #[test]
    fn over_http_the_service_comes_first() {
        let line = format!("{ID} HEAD\0symref=HEAD:refs/heads/production symref=OTHER:refs/heads/x");
        let bytes = packets(&["# service=git-upload-pack\n", "", &line, ""]);
        let advertisement = read(&bytes, Some("git-upload-pack")).unwrap().unwrap();
        assert_eq!(advertisement.head_branch(), Some("production"));
        assert!(read(&bytes, Some("git-receive-pack")).is_err());
        assert!(read(b"<!DOCTYPE html><title>Sign in</title>", Some("git-receive-pack")).is_err());
    }

    #[test]
    fn what_is_no_advertisement_is_refused() {
        let first = format!("{ID} refs/heads/main\0report-status");
        let error = |lines: &[&str]| read(&packets(lines), None).unwrap_err();
        assert_eq!(error(&["ERR access denied\n"]), AdvertisementError::Server("access denied".to_owned()));
        assert_eq!(
            error(&[&format!("{ID} a\0object-format=sha512"), ""]),
            AdvertisementError::Format("sha512".to_owned())
        );
        for lines in [
            &[ID, ""][..],
            &["hello world\0", ""],
            &[&format!("{ID} refs/heads/main"), ""],
            &[&first, &first, ""],
            &[&format!("{ID} refs/heads/main\0object-format=sha256"), ""],
        ] {
            assert!(matches!(error(lines), AdvertisementError::Malformed(_)), "{lines:?}");
        }
        assert!(matches!(read(b"zzzz", None), Err(AdvertisementError::Packet(_))));
        assert_eq!(read(&packets(&[&first]), None), Ok(None));
    }
}
