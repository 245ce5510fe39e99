//! What messages look like, and that nobody's words can be more than words in them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use failover_core::code::Code;
use failover_core::name::{Reason, ServiceName};
use failover_core::notice::{self, ContentType, Event, Notice, Template};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

fn notice(event: Event) -> Notice {
    Notice::example(event, "2026-11-24T02:55:12Z".parse().unwrap())
}

fn with_reason(reason: &str) -> Notice {
    Notice { reason: Some(Reason::new(reason).unwrap()), ..notice(Event::Moved) }
}

fn plain(notice: &Notice, missed: u64) -> Value {
    serde_json::from_slice(&notice::json(notice, missed, None).unwrap().1).unwrap()
}

/// Every form of a message.
fn forms(notice: &Notice, missed: u64) -> [Value; 5] {
    [
        plain(notice, missed),
        notice::ntfy(notice, missed, "t"),
        notice::discord(notice, missed),
        notice::slack(notice, missed),
        notice::gotify(notice, missed),
    ]
}

#[test]
fn a_webhook_gets_every_value_under_a_key_that_is_always_there() {
    let moved = plain(&notice(Event::Moved), 0);
    assert_eq!(
        moved,
        json!({
            "source": "failover-api", "event": "moved", "title": "sonarr, radarr moved to backup",
            "text": "The commit is on the branch; the apps follow when it is applied.\nLeft behind: jellyfin (field-anchored)\n\
                     Reason: node \"k3s-w1\" is down\nBy: alice\nCommit: 5b75f80181",
            "time": "2026-11-24T02:55:12Z", "services": ["sonarr", "radarr"],
            "left_behind": [{"service": "jellyfin", "code": "field-anchored"}], "to": "backup",
            "reason": "node \"k3s-w1\" is down", "requested_by": "alice",
            "operation_id": "01a20b7a-95ac-73c0-9820-79d78200b931",
            "commit": "5b75f80181c5f33fea8362e2f49f66d852d62707",
            "revision": "main@sha1:5b75f80181c5f33fea8362e2f49f66d852d62707",
            "link": "https://git.example.org/me/home/commit/5b75f80181c5f33fea8362e2f49f66d852d62707",
            "code": null, "detail": null, "hint": null, "missed": 0,
        })
    );
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for event in Event::ALL {
        assert_eq!(keys(&plain(&notice(event), 0)), keys(&moved), "{event:?}");
    }
}

#[test]
fn what_is_not_so_is_not_said() {
    for (event, title, first) in [
        (Event::Moved, "sonarr, radarr moved to backup", "The commit is on the branch"),
        (
            Event::Refused,
            "sonarr, radarr not moved to backup: check-blocked",
            "Nothing of it is on the branch.",
        ),
        (
            Event::OutcomeUnknown,
            "sonarr, radarr: not known whether moved to backup",
            "The commit may be on the branch",
        ),
        (Event::ConfigInvalid, "the config is refused", "The last good config"),
        (Event::ViewStale, "the repository cannot be read", "Answers rest on what was seen last"),
        (Event::Test, "TEST: nothing was moved", "This message was sent to see"),
    ] {
        let message = plain(&notice(event), 0);
        assert_eq!(message["title"], title);
        assert!(message["text"].as_str().unwrap().starts_with(first), "{message}");
    }
    // Before they are chosen.
    let none = Notice { services: Vec::new(), ..notice(Event::Refused) };
    assert_eq!(plain(&none, 0)["title"], "services not moved to backup: check-blocked");
}

#[test]
fn what_was_missed_is_said_in_every_form() {
    for form in forms(&notice(Event::Moved), 3) {
        assert!(form.to_string().replace('\\', "").contains("3 earlier messages may be missing."), "{form}");
    }
    assert!(
        plain(&notice(Event::Moved), 1)["text"]
            .as_str()
            .unwrap()
            .ends_with("\n1 earlier message may be missing.")
    );
    assert_eq!(plain(&notice(Event::Moved), 3)["missed"], 3);
}

#[test]
fn nobodys_words_call_anybody_or_become_markup() {
    let reason = "@everyone <!channel> <@U1> **b** [x](http://e) `c` \"q\" \\ & *i* :boom: # h";
    let notice = with_reason(reason);
    let discord = notice::discord(&notice, 0);
    assert_eq!((&discord["allowed_mentions"], &discord["flags"]), (&json!({ "parse": [] }), &json!(4)));
    let content = discord["content"].as_str().unwrap();
    assert!(
        content.contains(r#"Reason\: \@everyone \<!channel\> \<\@U1\> \*\*b\*\* \[x\]\(http\://e\) \`c\` "q" \\ & \*i\* \:boom\: \# h"#),
        "{content}"
    );
    let slack = notice::slack(&notice, 0);
    let section = &slack["blocks"][0]["text"];
    assert_eq!((&section["type"], &section["verbatim"]), (&json!("mrkdwn"), &json!(true)));
    let text = section["text"].as_str().unwrap();
    assert!(
        text.contains("@everyone &lt;!channel&gt; &lt;@U1&gt; **b**") && text.contains("\\ &amp; *i*"),
        "{text}"
    );
    assert_eq!(text.matches('<').count(), 1, "only our own link: {text}");
    let gotify = notice::gotify(&notice, 0);
    assert_eq!(gotify["extras"]["client::display"]["contentType"], "text/plain");
    assert!(gotify["message"].as_str().unwrap().contains(reason));
    let ntfy = notice::ntfy(&notice, 0, "t");
    assert!(ntfy["message"].as_str().unwrap().contains(reason) && ntfy.get("markdown").is_none());
    assert_eq!(ntfy["click"], notice.link.clone().unwrap());
}

#[test]
fn more_urgent_events_are_louder() {
    let loud = |event| {
        let notice = notice(event);
        (notice::ntfy(&notice, 0, "t")["priority"].as_u64(), notice::gotify(&notice, 0)["priority"].as_u64())
    };
    assert_eq!(loud(Event::Moved), (Some(3), Some(5)));
    assert_eq!(loud(Event::Refused), (Some(4), Some(8)));
    assert_eq!(loud(Event::OutcomeUnknown), (Some(5), Some(10)));
}

#[test]
fn a_batch_of_any_size_fits() {
    let services = |many: usize| {
        (0..many).map(|n| ServiceName::new(format!("a-service-with-a-name-{n}")).unwrap()).collect()
    };
    let batch = Notice {
        services: services(500),
        detail: Some("x & < > * \u{1F600}".repeat(10_000)),
        ..notice(Event::Refused)
    };
    let message = plain(&batch, 0);
    assert_eq!(message["title"], "500 services not moved to backup: check-blocked");
    assert!(
        message["text"].as_str().unwrap().contains("a-service-with-a-name-19, and 480 more"),
        "{message}"
    );
    assert_eq!(message["services"].as_array().unwrap().len(), 500);
    // Also by a template that shows everything.
    let template =
        Template::new("[{{ text }}, {{ detail }}, {{ services }}]".to_owned(), ContentType::Json).unwrap();
    notice::json(&batch, 0, Some(&template)).unwrap();
    let units = |text: &Value| text.as_str().unwrap().encode_utf16().count();
    assert!(units(&notice::discord(&batch, 0)["content"]) <= 2000);
    assert!(units(&notice::slack(&batch, 0)["blocks"][0]["text"]["text"]) <= 3000);
    assert!(notice::ntfy(&batch, 0, "t")["message"].as_str().unwrap().len() <= 4096);
}

#[test]
fn templates_write_json_or_text() {
    let make = |text: &str, content_type, notice: &Notice| {
        let template = Template::new(text.to_owned(), content_type).unwrap();
        String::from_utf8(notice::json(notice, 2, Some(&template)).unwrap().1).unwrap()
    };
    let moved = with_reason("\"}, {\"a\": \u{00fc} \\");
    let body = make(
        "{\"summary\": {{ title ~ \": \" ~ reason }}, \"services\": {{ services }}, \"first\": {{ services[0] if services else none }}, \"n\": {{ missed }}{% if link %}, \"url\": {{ link }}{% endif %}}",
        ContentType::Json,
        &moved,
    );
    let body: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
    assert_eq!(body["summary"], "sonarr, radarr moved to backup: \"}, {\"a\": \u{00fc} \\");
    assert_eq!((&body["services"], &body["n"]), (&json!(["sonarr", "radarr"]), &json!(2)));
    assert_eq!(body["url"], moved.link.clone().unwrap());
    assert_eq!(
        make("{{ title }} & {{ reason }}", ContentType::Text, &with_reason("<b>\"x\"")),
        "sonarr, radarr moved to backup & <b>\"x\""
    );
}

#[test]
fn a_template_that_works_with_the_examples_alone_fails_without_a_word_of_what_it_was_given() {
    let template =
        Template::new("{{ services[1] if event == \"moved\" }}".to_owned(), ContentType::Text).unwrap();
    let one = Notice {
        services: vec![ServiceName::new("hunter2").unwrap()],
        code: Some(Code::Busy),
        ..notice(Event::Moved)
    };
    let error = notice::json(&one, 0, Some(&template)).unwrap_err().to_string();
    assert!(error.starts_with("its template failed; ") && !error.contains("hunter2"), "{error}");
}

proptest! {
    /// Whatever somebody writes: the forms stay within their limits, and what a template makes of it is JSON that says it.
    #[test]
    fn any_reason_stays_a_reason(reason in "[^\\p{Cc}\u{2028}\u{2029}]{1,500}") {
        prop_assume!(!reason.trim().is_empty());
        let notice = with_reason(&reason);
        let template = Template::new("{\"a\": {{ reason }}, \"b\": {{ text }}}".to_owned(), ContentType::Json).unwrap();
        let made: Value = serde_json::from_slice(&notice::json(&notice, 0, Some(&template)).unwrap().1).unwrap();
        prop_assert_eq!(&made["a"], &reason);
        prop_assert_eq!(&made["b"], &plain(&notice, 0)["text"]);
        let discord = notice::discord(&notice, 0);
        prop_assert!(discord["content"].as_str().unwrap().encode_utf16().count() <= 2000);
        let slack = notice::slack(&notice, 0);
        let text = slack["blocks"][0]["text"]["text"].as_str().unwrap();
        prop_assert!(text.encode_utf16().count() <= 3000);
        prop_assert!(text.matches('<').count() == 1 && text.matches('>').count() == 1);
        prop_assert!(notice::ntfy(&notice, 0, "t")["message"].as_str().unwrap().len() <= 4096);
    }
}

#[test]
fn a_time_is_one_of_utc() {
    assert_eq!(plain(&Notice::new(Event::Moved, Timestamp::UNIX_EPOCH), 0)["time"], "1970-01-01T00:00:00Z");
}

#[test]
fn a_template_that_nests_deeper_than_anybody_needs_ends_nothing() {
    for chain in ["not ".repeat(4000), "-".repeat(16_000), "1 + ".repeat(4000), "a.".repeat(8000)] {
        // Made or refused, either is right.
        let _ = Template::new(format!("{{{{ {chain}1 }}}}"), ContentType::Text);
    }
    for refused in [
        "x".repeat(17 * 1024),
        "{% set ns = namespace(x=[1]) %}{% for i in range(40) %}{% set ns.x = ns.x + ns.x %}{% endfor %}"
            .into(),
    ] {
        assert!(Template::new(refused, ContentType::Text).is_err());
    }
}
