//! A notice in plain words.

use serde_json::{Value, json};

use super::model::{Event, Notice};

/// A title names so many services; more are counted.
const IN_TITLE: usize = 3;
/// A text names so many; more are counted.
const IN_TEXT: usize = 20;
/// The most of somebody else's words in a text, in UTF-16 units.
const WORDS: usize = 600;
/// The most of them as a value: a batch may have a reason for each of its services.
const DETAIL: usize = 4000;

impl Notice {
    /// What happened, on one short line.
    pub(super) fn title(&self) -> String {
        let who = match self.services.as_slice() {
            [] => "services".to_owned(),
            few if few.len() <= IN_TITLE => joined(few.iter(), IN_TITLE),
            many => format!("{} services", many.len()),
        };
        let to = self.to.map_or_else(|| "another".to_owned(), |to| to.to_string());
        match self.event {
            Event::Moved => format!("{who} moved to {to}"),
            Event::Refused => {
                let code = self.code.map(|code| format!(": {code}")).unwrap_or_default();
                format!("{who} not moved to {to}{code}")
            }
            Event::OutcomeUnknown => format!("{who}: not known whether moved to {to}"),
            Event::ConfigInvalid => "the config is refused".to_owned(),
            Event::ConfigValid => "the config is in force again".to_owned(),
            Event::ViewStale => "the repository cannot be read".to_owned(),
            Event::ViewFresh => "the repository can be read again".to_owned(),
            Event::Test => "TEST: nothing was moved".to_owned(),
        }
    }

    /// Everything else that a person wants to know, line by line, without the link. `missed` earlier messages may not
    /// have arrived.
    pub(super) fn text(&self, missed: u64) -> String {
        let mut lines = vec![
            match self.event {
                Event::Moved => "The commit is on the branch; the apps follow when it is applied.",
                Event::Refused => "Nothing of it is on the branch.",
                Event::OutcomeUnknown => {
                    "The commit may be on the branch, or may still come there. It is being found out."
                }
                Event::ConfigInvalid => "The last good config stays in force, if there was one.",
                Event::ConfigValid => "The file as it is now was read without mistakes.",
                Event::ViewStale => "Answers rest on what was seen last, and moves cannot be made.",
                Event::ViewFresh => "Answers are up to date.",
                Event::Test => {
                    "This message was sent to see whether it arrives. What it says of services is made up."
                }
            }
            .to_owned(),
        ];
        let mut say = |label: &str, text: String| lines.push(format!("{label}: {text}"));
        if self.services.len() > IN_TITLE || self.event == Event::Test {
            say("Services", joined(self.services.iter(), IN_TEXT));
        }
        if !self.left_behind.is_empty() {
            let named = self.left_behind.iter().map(|one| format!("{} ({})", one.service, one.code));
            say("Left behind", joined(named, IN_TEXT));
        }
        if let Some(reason) = &self.reason {
            say("Reason", one_line(reason.as_str()));
        }
        if let Some(by) = &self.requested_by {
            say("By", one_line(by.as_str()));
        }
        if let Some(detail) = &self.detail {
            say("Why", one_line(detail));
        }
        if let Some(hint) = &self.hint {
            say("Next", one_line(hint));
        }
        if let Some(commit) = &self.commit {
            say("Commit", commit.as_str().get(..10).unwrap_or_default().to_owned());
        }
        if let (Some(operation), Event::OutcomeUnknown | Event::Refused) = (&self.operation_id, self.event) {
            say("Operation", operation.to_string());
        }
        match missed {
            0 => {}
            1 => lines.push("1 earlier message may be missing.".to_owned()),
            _ => lines.push(format!("{missed} earlier messages may be missing.")),
        }
        lines.join("\n")
    }

    /// Everything, for programs and templates. Every key is always there; what there is nothing to say of is `null`.
    pub(super) fn values(&self, missed: u64) -> Value {
        json!({
            "source": "failover-api",
            "event": self.event,
            "title": self.title(),
            "text": self.text(missed),
            "time": self.time,
            "services": self.services,
            "left_behind": self.left_behind,
            "to": self.to,
            "reason": self.reason,
            "requested_by": self.requested_by,
            "operation_id": self.operation_id,
            "commit": self.commit,
            "revision": self.revision,
            "link": self.link,
            "code": self.code,
            "detail": self.detail.as_deref().map(|detail| cut(detail, DETAIL)),
            "hint": self.hint,
            "missed": missed,
        })
    }
}

fn joined<T: ToString>(items: impl ExactSizeIterator<Item = T>, most: usize) -> String {
    let more = items.len().saturating_sub(most);
    let mut named: Vec<String> = items.take(most).map(|item| item.to_string()).collect();
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    named.join(", ")
}

/// Somebody else's words, not too many of them.
fn one_line(text: &str) -> String {
    cut(&text.split(char::is_control).collect::<Vec<_>>().join(" "), WORDS)
}

/// At most so many UTF-16 units, which is how the strictest of the services count; an ellipsis says that it was cut.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.encode_utf16().count() <= most {
        return text.to_owned();
    }
    let mut units = 0;
    let kept = text.chars().take_while(|letter| {
        units += letter.len_utf16();
        units < most
    });
    kept.chain(['…']).collect()
}
