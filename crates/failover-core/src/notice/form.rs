//! The forms that services take messages in. Whatever a caller wrote shows as it was written, and calls nobody.

use serde_json::{Value, json};

use super::model::{Event, Notice, Urgency};
use super::template::{ContentType, Template, TemplateFailed};
use super::words::cut;

/// Which form a message has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// A webhook of one's own: all values as JSON, or what a template makes of them.
    Webhook {
        /// The template.
        template: Option<Template>,
        /// More headers: names and values.
        headers: Vec<(String, String)>,
    },
    /// [ntfy](https://docs.ntfy.sh/publish/#publish-as-json).
    Ntfy,
    /// A webhook of [Discord](https://discord.com/developers/docs/resources/webhook#execute-webhook).
    Discord,
    /// An incoming webhook of [Slack](https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks).
    Slack,
    /// [Gotify](https://gotify.net/docs/pushmsg).
    Gotify,
}

/// The body of a webhook of one's own, and its type.
///
/// # Errors
/// The template fails, although it worked with the examples.
pub fn json(
    notice: &Notice,
    missed: u64,
    template: Option<&Template>,
) -> Result<(ContentType, Vec<u8>), TemplateFailed> {
    match template {
        Some(template) => Ok((template.content_type(), template.render(notice, missed)?)),
        None => Ok((ContentType::Json, notice.values(missed).to_string().into_bytes())),
    }
}

/// A message for a topic. As JSON, since a title with other than ASCII letters does not survive as a header. ntfy keeps
/// 4096 bytes of a message as text.
#[must_use]
pub fn ntfy(notice: &Notice, missed: u64, topic: &str) -> Value {
    let priority = match notice.event.urgency() {
        Urgency::Normal => 3,
        Urgency::High => 4,
        Urgency::Highest => 5,
    };
    let mut message = json!({
        "topic": topic,
        "title": cut(&notice.title(), 200),
        "message": cut(&notice.text(missed), 1300),
        "priority": priority,
        "tags": [tag(notice.event)],
    });
    if let Some(link) = &notice.link {
        message["click"] = json!(link);
    }
    message
}

/// The name of an emoji, which ntfy shows before the title.
fn tag(event: Event) -> &'static str {
    match event {
        Event::Moved | Event::ConfigValid | Event::ViewFresh => "white_check_mark",
        Event::Refused | Event::ConfigInvalid | Event::ViewStale => "warning",
        Event::OutcomeUnknown => "question",
        Event::Test => "test_tube",
    }
}

/// Content of at most 2000 characters; nobody is mentioned whatever stands there, and no link is unfolded (flag 4).
#[must_use]
pub fn discord(notice: &Notice, missed: u64) -> Value {
    const MOST: usize = 2000;
    let title = format!("**{}**", without_markdown(&cut(&notice.title(), 400)));
    let link = notice.link.as_ref().map(|link| format!("\n<{link}>")).unwrap_or_default();
    let room = MOST.saturating_sub(title.encode_utf16().count() + link.encode_utf16().count() + 1);
    // Backslashes take room, too; a cut between one and its letter shows a backslash and harms nothing.
    let text = cut(&without_markdown(&notice.text(missed)), room);
    json!({
        "content": format!("{title}\n{text}{link}"),
        "allowed_mentions": { "parse": [] },
        "flags": 4,
    })
}

/// Letters that Discord's Markdown knows, each behind a backslash.
fn without_markdown(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        if "\\*_~`|>[]()#<@:-".contains(letter) {
            plain.push('\\');
        }
        plain.push(letter);
    }
    plain
}

/// A section of at most 3000 characters, and a text for where only that is shown. `&`, `<` and `>` are all that can make
/// a mention or a link; nothing else is looked for (`verbatim`).
#[must_use]
pub fn slack(notice: &Notice, missed: u64) -> Value {
    const MOST: usize = 3000;
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let title = escaped(&cut(&notice.title(), 400));
    let link = notice.link.as_ref().map(|link| format!("\n<{}>", escaped(link))).unwrap_or_default();
    // What is escaped is at most five times as long, and an escape that is cut is no escape: cut before.
    let mut most = MOST;
    let text = loop {
        let text = escaped(&cut(&notice.text(missed), most));
        let length = [&*title, &*text, &*link].map(|part| part.encode_utf16().count()).iter().sum::<usize>();
        if length + 3 <= MOST || most < 100 {
            break text;
        }
        most -= 100;
    };
    let section = json!({ "type": "mrkdwn", "text": format!("*{title}*\n{text}{link}"), "verbatim": true });
    json!({ "text": title, "blocks": [{ "type": "section", "text": section }] })
}

/// A plain text, never Markdown; the app opens the link.
#[must_use]
pub fn gotify(notice: &Notice, missed: u64) -> Value {
    let priority = match notice.event.urgency() {
        Urgency::Normal => 5,
        Urgency::High => 8,
        Urgency::Highest => 10,
    };
    let mut extras = json!({ "client::display": { "contentType": "text/plain" } });
    if let Some(link) = &notice.link {
        extras["client::notification"] = json!({ "click": { "url": link } });
    }
    json!({
        "title": cut(&notice.title(), 400),
        "message": cut(&notice.text(missed), 8000),
        "priority": priority,
        "extras": extras,
    })
}
