//! Receivers: told of the newest commit alone, in a form that Flux and others take.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use failover_core::config::{self, ConfigErrors, Hook, parse_receivers};
use failover_core::name::{Namespace, ObjectName, Revision, ServiceName};
use ring::{digest, hmac};
use serde_json::json;

use super::delivery::{NotTold, Request};
use super::listener::{Listener, Progress, Queue};
use super::reach::{Authorities, hex, token};
use crate::metrics::{Deliveries, Metrics};
use crate::operations::{Step, Tracked};
use crate::reload::Files;

/// A receiver as it can be reached now. It holds secrets, so it has no way to be shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Receiver {
    name: ObjectName,
    /// Where and how, or why that is not known; the reason holds no secret.
    way: Result<Way, String>,
}

/// Where and how.
#[derive(Clone, PartialEq, Eq)]
struct Way {
    /// The whole address.
    url: String,
    /// Signs what is sent.
    key: Option<Vec<u8>>,
    authorities: Authorities,
}

/// A commit of ours that the branch holds.
#[derive(Debug)]
pub(super) struct Landed {
    pub(super) tracked: Tracked,
    pub(super) services: Vec<ServiceName>,
    pub(super) revision: Revision,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver({})", self.name)
    }
}

impl Listener for Receiver {
    type News = Landed;

    const ONE: &'static str = "receiver";
    const MANY: &'static str = "receivers";
    const QUEUE: Queue = Queue::Newest;
    /// Flux looks by itself after its interval, a minute for most.
    const LIMIT: Duration = Duration::from_secs(60);
    const LONGEST_PAUSE: Duration = Duration::from_secs(10);

    fn parse(text: &str, folder: &Path, files: &mut Files) -> Result<Vec<Self>, ConfigErrors> {
        let receivers = parse_receivers(text)?;
        let read = |receiver: &config::Receiver| Self {
            name: receiver.name.clone(),
            way: Way::read(receiver, folder, files),
        };
        Ok(receivers.iter().map(read).collect())
    }

    fn name(&self) -> &ObjectName {
        &self.name
    }

    fn trouble(&self) -> Option<&str> {
        self.way.as_ref().err().map(String::as_str)
    }

    fn warning(&self) -> Option<&'static str> {
        let key = self.way.as_ref().ok().and_then(|way| way.key.as_deref());
        key.is_some_and(|key| key.ends_with(b"\n"))
            .then_some("the token ends with a line break, which is part of it, as it is for Flux")
    }

    fn request(&self, news: &Landed, _missed: u64) -> Result<Request, NotTold> {
        // A token that is missing may be there in a moment.
        let way = self.way.as_ref().map_err(|detail| NotTold::for_now(detail.clone()))?;
        let body = news.body();
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        if let Some(signature) = way.signature(&body) {
            headers.push(("x-signature".to_owned(), signature));
        }
        let authorities = way.authorities.clone();
        Ok(Request { url: way.url.clone(), headers, body, authorities })
    }

    fn meaning(status: u16) -> &'static str {
        match status {
            400 | 401 | 403 => "; check its token",
            404 => {
                "; check its address, and for a Flux Receiver its name, namespace and token, and that it is ready"
            }
            _ => "",
        }
    }

    fn counted(metrics: &Metrics) -> &Deliveries {
        &metrics.receivers
    }

    fn progress(news: &Landed, name: &ObjectName, progress: Progress<'_>) {
        let Progress { outcome, tries, detail, milliseconds } = progress;
        news.tracked.told(Step::Told {
            receiver: name.clone(),
            outcome,
            tries,
            detail: detail.to_owned(),
            milliseconds,
        });
    }
}

impl Landed {
    fn body(&self) -> Vec<u8> {
        let body = json!({
            "source": "failover-api",
            "revision": self.revision,
            "commit": self.revision.commit,
            "services": self.services,
            "to": self.tracked.to(),
            "operation_id": self.tracked.operation_id(),
        });
        body.to_string().into_bytes()
    }
}

impl Way {
    fn read(receiver: &config::Receiver, folder: &Path, files: &mut Files) -> Result<Self, String> {
        let (url, key) = match &receiver.hook {
            Hook::Generic { url } => (url.secret().to_owned(), None),
            Hook::GenericHmac { url, token_file } => {
                (url.secret().to_owned(), Some(token(token_file, folder, files)?))
            }
            Hook::Flux { address, namespace, receiver, token_file } => {
                let token = token(token_file, folder, files)?;
                (address.with_path(&flux_path(&token, receiver, namespace)), Some(token))
            }
        };
        let authorities = Authorities::read(receiver.ca_file.as_deref(), folder, files)?;
        Ok(Self { url, key, authorities })
    }

    /// The value of `X-Signature` for this body, for a receiver that checks one.
    fn signature(&self, body: &[u8]) -> Option<String> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.as_deref()?);
        Some(format!("sha256={}", hex(hmac::sign(&key, body).as_ref())))
    }
}

/// The path of a Flux `Receiver`: `Receiver.GetWebhookPath` in `fluxcd/notification-controller`, `api/v1`.
fn flux_path(token: &[u8], receiver: &ObjectName, namespace: &Namespace) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [token, receiver.as_str().as_bytes(), namespace.as_str().as_bytes()] {
        context.update(part);
    }
    format!("/hook/{}", hex(context.finish().as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_the_digest_of_token_name_and_namespace() {
        // printf 's3cr3tfailoverflux-system' | sha256sum
        let (name, namespace) =
            (ObjectName::new("failover").unwrap(), Namespace::new("flux-system").unwrap());
        assert_eq!(
            flux_path(b"s3cr3t", &name, &namespace),
            "/hook/0d3d3a1d461318c7b8f4d520d4a8f96e01c5d50c447dce948d40bbfaf38f44c8"
        );
    }

    #[test]
    fn a_body_is_signed_with_hmac_sha256() {
        // printf '{"a":1}' | openssl dgst -sha256 -hmac s3cr3t
        let authorities = Authorities::read(None, Path::new(""), &mut Files::default()).unwrap();
        let way = Way { url: String::new(), key: Some(b"s3cr3t".to_vec()), authorities };
        assert_eq!(
            way.signature(br#"{"a":1}"#).unwrap(),
            "sha256=d42927434049e0b8c73ce887062238cc1c6bb6644bfe66e66d8dd0f30b85679e"
        );
        let way = Way { key: None, ..way };
        assert_eq!(way.signature(b"x"), None);
    }
}
