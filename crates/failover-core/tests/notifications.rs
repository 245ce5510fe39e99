//! The notifications file: every form is read, every mistake has its place, and no message repeats an address.

#![expect(clippy::panic, reason = "helpers of tests")]

use failover_core::config::{Address, Notification, parse_notifications};
use failover_core::name::ServiceName;
use failover_core::notice::{Event, Form, Notice, Occasion};
use jiff::Timestamp;

fn only(item: &str) -> Notification {
    let text = format!("notifications:\n- {item}\n");
    let mut found = parse_notifications(&text).unwrap_or_else(|errors| panic!("{text}\n{errors}"));
    assert_eq!(found.len(), 1);
    found.remove(0)
}

#[test]
fn every_form_is_read() {
    let hook = only(
        "{name: hook, type: webhook, url: 'https://h/x', headers: {X-Team: 'night shift'}, token_file: t}",
    );
    let Form::Webhook { template: None, headers } = &hook.form else { panic!("{hook:?}") };
    assert_eq!(headers, &[("X-Team".to_owned(), "night shift".to_owned())]);
    assert_eq!((hook.token_file.as_deref(), hook.services.is_none()), (Some("t"), true));
    assert_eq!(hook.events.iter().collect::<Vec<_>>(), [&Occasion::Moved]);
    let ntfy = only(
        "{name: phone, type: ntfy, url: 'https://ntfy.sh/t', ca_file: ca.crt, events: [moved, refused, config, view]}",
    );
    assert_eq!((ntfy.form, ntfy.events.len(), ntfy.ca_file.as_deref()), (Form::Ntfy, 4, Some("ca.crt")));
    let discord = only("{name: chat, type: discord, url_file: discord, services: [sonarr]}");
    assert_eq!((discord.form, &discord.address), (Form::Discord, &Address::File("discord".to_owned())));
    assert_eq!(only("{name: a, type: slack, url_file: /s}").form, Form::Slack);
    assert_eq!(only("{name: a, type: gotify, url: 'http://g/sub/', token_file: t}").form, Form::Gotify);
    let template = only("{name: a, type: webhook, url: 'http://h', template: '{\"text\": {{ text }}}'}");
    assert!(matches!(template.form, Form::Webhook { template: Some(_), .. }));
    only("{name: a, type: webhook, url: 'http://h', content_type: text/plain, template: '{{ title }}'}");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let mut wrong = Vec::new();
    let too_many = format!("notifications:\n{}", "- {name: a, type: slack, url_file: s}\n".repeat(17));
    for (text, place, words) in [
        ("", (1, 1), "the notifications file is empty"),
        ("notifications: []", (1, 1), "0 items"),
        (&too_many, (1, 1), "17 items"),
        ("notification: []", (1, 1), "did you mean 'notifications'?"),
        ("notifications:\n- {name: a, type: webhok, url: 'http://h'}", (2, 19), "did you mean 'webhook'?"),
        ("notifications:\n- {name: a, type: slack}", (2, 3), "neither 'url' nor 'url_file'"),
        (
            "notifications:\n- {name: a, type: slack, url: 'http://h', url_file: s}",
            (2, 43),
            "both 'url' and 'url_file'",
        ),
        (
            "notifications:\n- {name: a, type: slack, url_file: s, token_file: t}",
            (2, 39),
            "unknown key 'token_file'",
        ),
        (
            "notifications:\n- {name: a, type: ntfy, url_file: s, template: t}",
            (2, 38),
            "unknown key 'template'",
        ),
        ("notifications:\n- {name: a, type: gotify, url: 'http://h'}", (2, 3), "no 'token_file'"),
        (
            "notifications:\n- {name: a, type: slack, url_file: s, evnts: [moved]}",
            (2, 39),
            "did you mean 'events'?",
        ),
        (
            "notifications:\n- {name: a, type: slack, url_file: s, events: [moved, refusd]}",
            (2, 55),
            "did you mean 'refused'?",
        ),
        ("notifications:\n- {name: a, type: slack, url_file: s, events: []}", (2, 39), "is empty"),
        ("notifications:\n- {name: a, type: slack, url_file: s, events: [view, view]}", (2, 54), "twice"),
        ("notifications:\n- {name: a, type: slack, url_file: s, events: moved}", (2, 47), "must be a list"),
        (
            "notifications:\n- {name: a, type: slack, url_file: s, services: [So narr]}",
            (2, 50),
            "it must be at most",
        ),
        (
            "notifications:\n- {name: a, type: webhook, url: 'http://h', headers: {Host: x}}",
            (2, 55),
            "set by the request",
        ),
        (
            "notifications:\n- {name: a, type: webhook, url: 'http://h', headers: {'A B': x}}",
            (2, 55),
            "not the name of a header",
        ),
        (
            "notifications:\n- {name: a, type: webhook, url: 'http://h', headers: {A: \"x\\ny\"}}",
            (2, 58),
            "cannot be sent",
        ),
        (
            "notifications:\n- {name: a, type: webhook, url: 'http://h', token_file: t, headers: {authorization: x}}",
            (2, 70),
            "token_file",
        ),
        (
            "notifications:\n- {name: a, type: webhook, url: 'http://h', content_type: text/plain}",
            (2, 45),
            "without a template",
        ),
        (
            "notifications:\n- {name: a, type: webhook, url: 'http://h', content_type: text/html, template: x}",
            (2, 59),
            "application/json and text/plain",
        ),
        (
            "notifications:\n- {name: a, type: slack, url_file: s}\n- {name: a, type: slack, url_file: s}",
            (3, 10),
            "given twice",
        ),
    ] {
        let errors = parse_notifications(text).unwrap_err();
        let found = errors.as_slice().iter().any(|error| {
            (error.place.line, error.place.column) == place && error.to_string().contains(words)
        });
        if !found {
            wrong.push(format!("{text}\n{errors}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_mistake_in_a_template_is_shown_where_it_stands() {
    let block = |template: &str| {
        let lines: String = template.lines().map(|line| format!("      {line}\n")).collect();
        format!("notifications:\n- name: a\n  type: webhook\n  url: http://h/x\n  template: |\n{lines}")
    };
    let mut wrong = Vec::new();
    for (template, place, words) in [
        ("{\n  \"a\": {{ servces }}\n}", (7, 17), "there is no variable 'servces'"),
        ("{\"a\": {{ title }},\n \"b\": {{ title", (7, 16), "syntax error"),
        ("{\"a\": {{ title | shout }}}", (6, 24), "unknown filter"),
        ("{\"a\": {{ title | safe }}}", (6, 24), "unknown filter"),
        ("{\"a\": {{ title.first.second }}}", (6, 21), "undefined"),
        // In a branch that no example takes.
        (
            "{\"a\": 1 {% if missed > 999 %}{{ nothing_at_all }}{% endif %}}",
            (6, 39),
            "the variables are source, event",
        ),
        ("{\"a\": \"{{ reason }}\"}", (6, 7), "does not make JSON"),
        ("{\"a\": {{ title }}", (6, 7), "does not make JSON"),
        ("{% autoescape false %}{\"a\": {{ title }}}{% endautoescape %}", (6, 38), "cannot be changed"),
        (
            "[{% for a in range(200) %}{% for b in range(200) %}{{ text }},{% endfor %}{% endfor %}0]",
            (6, 7),
            "65536 bytes",
        ),
        (
            "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}0",
            (6, 7),
            "50000 steps",
        ),
        ("{% include 'secret' %}", (6, 10), "syntax error"),
    ] {
        let text = block(template);
        let errors = parse_notifications(&text).unwrap_err();
        let [error] = errors.as_slice() else { panic!("{errors}") };
        if !error.to_string().contains(words) || (error.place.line, error.place.column) != place {
            wrong.push(format!(
                "{template}
{error}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    // In quotes the file's lines are not those of the text.
    let text =
        "notifications:\n- {name: a, type: webhook, url: 'http://h', template: \"{\\n{{ servces }}\"}\n";
    let error = parse_notifications(text).unwrap_err().to_string();
    assert!(error.starts_with("2:55: template of notification 1, line 2, column 4: there is no"), "{error}");
}

#[test]
fn no_message_repeats_an_address_or_a_header() {
    for item in [
        "{name: a, type: slack, url: 'ftp://h/hunter2'}",
        "{name: a, type: slack, url: 'http://hunter2@h/x'}",
        "{name: a, type: slack, url: [http://h/hunter2]}",
        "{name: a, type: 'http://h/hunter2', url: 'http://h/x'}",
        "{name: a, type: webhook, url: 'http://h', headers: {A: \"hunter2\\u00fc\"}}",
        "{name: a, type: webhook, url: 'http://h', template: '{{ x }}http://h/hunter2'}",
        "{name: a, type: slack, events: ['http://h/hunter2'], url_file: s}",
    ] {
        let text = format!("notifications:\n- {item}\n");
        let errors = parse_notifications(&text).unwrap_err();
        assert!(!format!("{errors} {errors:?}").contains("hunter2"), "{text}\n{errors}");
    }
}

#[test]
fn each_hears_what_it_wants_to() {
    let of = |event, services: &[&str]| Notice {
        services: services.iter().map(|name| ServiceName::new(*name).unwrap()).collect(),
        ..Notice::new(event, Timestamp::UNIX_EPOCH)
    };
    let all = only("{name: a, type: slack, url_file: s, events: [moved, refused]}");
    assert!(all.wants(&of(Event::Moved, &["radarr"])) && all.wants(&of(Event::OutcomeUnknown, &[])));
    assert!(!all.wants(&of(Event::ConfigInvalid, &[])) && !all.wants(&of(Event::Test, &[])));
    let some = only("{name: a, type: slack, url_file: s, events: [moved, view], services: [sonarr]}");
    assert!(some.wants(&of(Event::Moved, &["radarr", "sonarr"])) && some.wants(&of(Event::ViewFresh, &[])));
    assert!(!some.wants(&of(Event::Moved, &["radarr"])) && !some.wants(&of(Event::Refused, &["sonarr"])));
}
