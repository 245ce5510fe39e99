//! Messengers: told everything that they want to hear, in order, in the form of their service.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use failover_core::config::{Address, ConfigErrors, HookUrl, Notification, parse_notifications};
use failover_core::name::ObjectName;
use failover_core::notice::{self, Form, Notice};
use serde_json::Value;

use super::delivery::{NotTold, Request};
use super::listener::{Listener, Progress, Queue};
use super::reach::{Authorities, token};
use crate::metrics::{Deliveries, Metrics};
use crate::operations::{Step, Tracked};
use crate::reload::Files;

/// So many messages wait for a messenger at most.
pub(super) const CAPACITY: usize = 64;

/// A messenger as it can be reached now. It holds secrets, so it has no way to be shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Messenger {
    pub(super) notification: Notification,
    /// Where and how, or why that is not known; the reason holds no secret.
    way: Result<Way, String>,
}

/// Where and how.
#[derive(Clone, PartialEq, Eq)]
struct Way {
    /// The whole address.
    url: String,
    /// What ntfy calls the channel.
    topic: String,
    token: Option<String>,
    authorities: Authorities,
}

/// A message, and the move that it is about.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) notice: Notice,
    pub(super) tracked: Option<Tracked>,
}

impl fmt::Debug for Messenger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Messenger({})", self.notification.name)
    }
}

impl Listener for Messenger {
    type News = Message;

    const ONE: &'static str = "notification";
    const MANY: &'static str = "notifications";
    const QUEUE: Queue = Queue::InOrder(CAPACITY);
    const LIMIT: Duration = Duration::from_secs(10 * 60);
    const LONGEST_PAUSE: Duration = Duration::from_secs(30);

    fn parse(text: &str, folder: &Path, files: &mut Files) -> Result<Vec<Self>, ConfigErrors> {
        let read = |notification: Notification| {
            let way = Way::read(&notification, folder, files);
            Self { notification, way }
        };
        Ok(parse_notifications(text)?.into_iter().map(read).collect())
    }

    fn name(&self) -> &ObjectName {
        &self.notification.name
    }

    fn trouble(&self) -> Option<&str> {
        self.way.as_ref().err().map(String::as_str)
    }

    fn request(&self, news: &Message, missed: u64) -> Result<Request, NotTold> {
        // What is missing may be there in a moment.
        let way = self.way.as_ref().map_err(|detail| NotTold::for_now(detail.clone()))?;
        let as_json = |value: Value| (notice::ContentType::Json, value.to_string().into_bytes());
        let notice = &news.notice;
        let (content_type, body) = match &self.notification.form {
            Form::Webhook { template, .. } => notice::json(notice, missed, template.as_ref())
                .map_err(|error| NotTold::for_good(error.to_string()))?,
            Form::Ntfy => as_json(notice::ntfy(notice, missed, &way.topic)),
            Form::Discord => as_json(notice::discord(notice, missed)),
            Form::Slack => as_json(notice::slack(notice, missed)),
            Form::Gotify => as_json(notice::gotify(notice, missed)),
        };
        let mut headers = vec![("content-type".to_owned(), content_type.as_str().to_owned())];
        if let Some(token) = &way.token {
            headers.push(match &self.notification.form {
                Form::Gotify => ("x-gotify-key".to_owned(), token.clone()),
                Form::Webhook { .. } | Form::Ntfy | Form::Discord | Form::Slack => {
                    ("authorization".to_owned(), format!("Bearer {token}"))
                }
            });
        }
        if let Form::Webhook { headers: own, .. } = &self.notification.form {
            headers.extend(own.iter().cloned());
        }
        Ok(Request { url: way.url.clone(), headers, body, authorities: way.authorities.clone() })
    }

    fn meaning(status: u16) -> &'static str {
        match status {
            400 | 422 => "; it does not take the message as it is: check its type, address and template",
            401 | 403 => "; check its token and address",
            404 | 405 | 410 => "; check its address",
            413 => "; the message is too long for it",
            _ => "",
        }
    }

    fn counted(metrics: &Metrics) -> &Deliveries {
        &metrics.notifications
    }

    fn progress(news: &Message, name: &ObjectName, progress: Progress<'_>) {
        let Progress { outcome, tries, detail, milliseconds } = progress;
        let detail = detail.to_owned();
        match &news.tracked {
            Some(tracked) => {
                let notification = name.clone();
                tracked.told(Step::Notified { notification, outcome, tries, detail, milliseconds });
            }
            None if outcome == "told" => {
                tracing::info!(notification = %name, outcome, tries, milliseconds, "notification sent");
            }
            None => {
                tracing::warn!(notification = %name, outcome, tries, detail, milliseconds, "notification not sent");
            }
        }
    }
}

impl Way {
    fn read(notification: &Notification, folder: &Path, files: &mut Files) -> Result<Self, String> {
        let url = match &notification.address {
            Address::Url(url) => url.clone(),
            Address::File(file) => address(files.read(&folder.join(file)))?,
        };
        let token = match &notification.token_file {
            None => None,
            Some(file) => Some(words(&token(file, folder, files)?)?),
        };
        let authorities = Authorities::read(notification.ca_file.as_deref(), folder, files)?;
        let mut topic = String::new();
        let url = match &notification.form {
            Form::Webhook { .. } | Form::Slack => url.secret().to_owned(),
            // Otherwise it says yes to a message that it does not keep.
            Form::Discord => {
                let url = url.secret();
                let more = if url.contains('?') { '&' } else { '?' };
                format!("{url}{more}wait=true")
            }
            Form::Ntfy => {
                topic =
                    channel(&url).ok_or("its url must end with a topic, as in https://ntfy.sh/mytopic")?;
                url.with_path("/")
            }
            Form::Gotify => {
                if url.secret().contains('?') {
                    return Err("its url must be that of the Gotify server, without a query".to_owned());
                }
                format!("{}/message", url.secret().trim_end_matches('/'))
            }
        };
        Ok(Self { url, topic, token, authorities })
    }
}

/// The address in a file, which may end with a line break.
fn address(bytes: Result<&[u8], &str>) -> Result<HookUrl, String> {
    let bytes = bytes.map_err(|reason| format!("its url_file cannot be read: {reason}"))?;
    let text = std::str::from_utf8(bytes).map_err(|_| "its url_file is not text".to_owned())?;
    HookUrl::parse(text.trim()).map_err(|error| format!("the address in its url_file {error}"))
}

/// A token as a header takes it. A line break at the end of its file is no part of it.
fn words(token: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(token).unwrap_or_default().trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("its token_file does not hold one token of visible ASCII characters".to_owned());
    }
    Ok(text.to_owned())
}

/// The topic of an address of ntfy, whose rule for names this is.
fn channel(url: &HookUrl) -> Option<String> {
    let topic = url.secret().strip_prefix(&url.with_path("/"))?;
    let is_fit = (1..=64).contains(&topic.len())
        && topic.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    is_fit.then(|| topic.to_owned())
}
