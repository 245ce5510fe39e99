//! Bodies that monitors send of themselves: whether something broke, and how the move that follows is named.

use failover_core::code::{Code, Problem};
use failover_core::name::{IdempotencyKey, Reason, Role, ServiceName};
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// How to read a monitor's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Webhook {
    /// Prometheus Alertmanager, version 4 of its webhook's body.
    Alertmanager,
    /// Uptime Kuma's notification "Webhook" with its JSON preset.
    UptimeKuma,
    /// Not at all: whoever calls means it.
    Any,
}

/// What a monitor's body says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    /// Something broke.
    Raised {
        /// The monitor's own words, for a move without a reason of its own.
        reason: Option<Reason>,
        /// The same for each repetition of this alarm.
        key: Option<IdempotencyKey>,
        /// When the youngest part of it began. Whoever moved the service after that knew of it.
        began: Option<Timestamp>,
    },
    /// Nothing is to do, and why.
    Quiet(String),
}

impl Webhook {
    /// Every way, as it is written in an address.
    pub(super) const ALL: [(&'static str, Self); 3] =
        [("alertmanager", Self::Alertmanager), ("uptime-kuma", Self::UptimeKuma), ("any", Self::Any)];

    /// The way with this name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, webhook)| webhook)
    }

    /// Reads the body of an alarm that is to move `service` to `to`.
    ///
    /// # Errors
    /// It is not a body of this monitor; nothing may be concluded from it.
    pub(super) fn read(self, body: &[u8], service: &ServiceName, to: Role) -> Result<Alarm, Problem> {
        let wrong = |sender: &str, why: String| {
            let detail = format!("the body is not what {sender} sends: {why}");
            let hint = "see docs/integrations.md; webhook=any moves without looking at the body";
            Problem::new(Code::InvalidBody, detail, hint)
        };
        match self {
            Self::Any => Ok(Alarm::Raised { reason: None, key: None, began: None }),
            Self::Alertmanager => match serde_json::from_slice(body) {
                Ok(Object(notification)) => {
                    alertmanager(&notification, service, to).map_err(|why| wrong("Alertmanager", why))
                }
                Err(error) => Err(wrong("Alertmanager", error.to_string())),
            },
            Self::UptimeKuma => match serde_json::from_slice(body) {
                Ok(Object(beat)) => uptime_kuma(beat).map_err(|why| wrong("Uptime Kuma", why)),
                Err(error) => Err(wrong("Uptime Kuma", error.to_string())),
            },
        }
    }
}

/// A JSON object: by itself a list of the same length would do as well.
#[derive(Default)]
struct Object<T>(T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Map::deserialize(deserializer)?;
        T::deserialize(Value::Object(object)).map(Self).map_err(serde::de::Error::custom)
    }
}

#[derive(Deserialize)]
struct Notification {
    version: String,
    /// How many alerts of the group do not stand here, for `max_alerts`.
    #[serde(rename = "truncatedAlerts", default)]
    truncated_alerts: u64,
    status: Status,
    #[serde(rename = "groupKey")]
    group_key: String,
    #[serde(rename = "commonLabels", default)]
    common_labels: Object<Labels>,
    #[serde(rename = "commonAnnotations", default)]
    common_annotations: Object<Annotations>,
    alerts: Vec<Object<Alert>>,
}

#[derive(Deserialize, Default)]
struct Labels {
    alertname: Option<String>,
}

#[derive(Deserialize, Default)]
struct Annotations {
    summary: Option<String>,
}

#[derive(Deserialize)]
struct Alert {
    status: Status,
    #[serde(rename = "startsAt")]
    starts_at: Timestamp,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Status {
    Firing,
    Resolved,
}

fn alertmanager(notification: &Notification, service: &ServiceName, to: Role) -> Result<Alarm, String> {
    if notification.version != "4" {
        return Err(format!("its version is {:?}, and only 4 is known", notification.version));
    }
    let alerts = notification.alerts.iter().map(|Object(alert)| alert);
    let firing = alerts.filter(|alert| alert.status == Status::Firing).map(|alert| alert.starts_at);
    let (Status::Firing, Some(began), Some(youngest)) =
        (notification.status, firing.clone().min(), firing.max())
    else {
        return Ok(Alarm::Quiet("the alarm is resolved".to_owned()));
    };
    // Of those left out nobody can say whether they are new.
    if notification.truncated_alerts > 0 {
        let left_out = notification.truncated_alerts;
        return Err(format!("max_alerts left out {left_out} alerts; raise it, or group by fewer things"));
    }
    let Object(labels) = &notification.common_labels;
    let Object(annotations) = &notification.common_annotations;
    let name = labels.alertname.as_deref().unwrap_or("alarm");
    let text = match &annotations.summary {
        Some(summary) => format!("Alertmanager, {name}: {summary}"),
        None => format!("Alertmanager, {name}"),
    };
    // Alertmanager repeats a firing alarm for hours. Who has moved the service back meanwhile meant it.
    let identity = [&*notification.group_key, &began.to_string(), service.as_str(), to.as_str()].join("\n");
    let hash = digest(&SHA256, identity.as_bytes());
    let hash: String = hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let key = IdempotencyKey::new(format!("alertmanager-{hash}")).ok();
    Ok(Alarm::Raised { reason: one_line(&text), key, began: Some(youngest) })
}

#[derive(Deserialize)]
struct Beat {
    heartbeat: Option<Object<Heartbeat>>,
    monitor: Option<Object<Monitor>>,
    msg: Option<String>,
}

#[derive(Deserialize)]
struct Heartbeat {
    status: u8,
    msg: Option<String>,
}

#[derive(Deserialize)]
struct Monitor {
    name: Option<String>,
}

fn uptime_kuma(beat: Beat) -> Result<Alarm, String> {
    let Some(Object(heartbeat)) = beat.heartbeat else {
        // Its button "Test" sends only a message.
        return match beat.msg {
            Some(_) => Ok(Alarm::Quiet("the message is about no heartbeat".to_owned())),
            None => Err("it has neither heartbeat nor msg".to_owned()),
        };
    };
    match heartbeat.status {
        0 => {
            let name =
                beat.monitor.and_then(|Object(monitor)| monitor.name).unwrap_or_else(|| "monitor".to_owned());
            let text = match heartbeat.msg {
                Some(message) => format!("Uptime Kuma, {name}: {message}"),
                None => format!("Uptime Kuma, {name}"),
            };
            Ok(Alarm::Raised { reason: one_line(&text), key: None, began: None })
        }
        1 => Ok(Alarm::Quiet("the monitor is up".to_owned())),
        2 => Ok(Alarm::Quiet("the monitor is not sure yet".to_owned())),
        3 => Ok(Alarm::Quiet("the monitor is in maintenance".to_owned())),
        other => Err(format!("heartbeat.status {other} is not known")),
    }
}

/// The beginning of a text as a reason; what would break a line becomes a space.
fn one_line(text: &str) -> Option<Reason> {
    let is_fit = |c: &char| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}');
    let line: String = text.chars().map(|c| if is_fit(&c) { c } else { ' ' }).take(300).collect();
    Reason::new(line.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOWN: &str = r#"{"version": "4", "groupKey": "{}:{alertname=\"NodeDown\"}", "status": "firing", "receiver": "r",
        "commonLabels": {"alertname": "NodeDown", "node": "k3s-w1"}, "commonAnnotations": {"summary": "k3s-w1\nis gone"},
        "alerts": [{"status": "firing", "startsAt": "2026-11-24T02:00:00.5Z", "endsAt": "0001-01-01T00:00:00Z"},
                   {"status": "firing", "startsAt": "2026-11-24T03:00:00Z"}]}"#;

    fn read(webhook: Webhook, body: &str) -> Result<Alarm, Problem> {
        webhook.read(body.as_bytes(), &ServiceName::new("sonarr").unwrap(), Role::Backup)
    }

    fn key(body: &str, service: &str, to: Role) -> IdempotencyKey {
        match Webhook::Alertmanager.read(body.as_bytes(), &ServiceName::new(service).unwrap(), to) {
            Ok(Alarm::Raised { key: Some(key), .. }) => key,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_alarm_keeps_its_name_while_it_lasts() {
        let first = key(DOWN, "sonarr", Role::Backup);
        // A second alert of the group ends, another comes: the oldest still fires.
        assert_eq!(first, key(&DOWN.replace("T03:00", "T04:00"), "sonarr", Role::Backup));
        assert_ne!(first, key(&DOWN.replace("T02:00", "T05:00"), "sonarr", Role::Backup));
        assert_ne!(first, key(DOWN, "radarr", Role::Backup));
        assert_ne!(first, key(DOWN, "sonarr", Role::Primary));
        let Ok(Alarm::Raised { reason, .. }) = read(Webhook::Alertmanager, DOWN) else {
            panic!("not raised")
        };
        assert_eq!(reason.unwrap().as_str(), "Alertmanager, NodeDown: k3s-w1 is gone");
    }

    #[test]
    fn what_is_over_moves_nothing() {
        let resolved = DOWN.replacen("firing", "resolved", 1);
        assert!(matches!(read(Webhook::Alertmanager, &resolved), Ok(Alarm::Quiet(_))));
        let none_left = DOWN.replace(r#"[{"status": "firing""#, r#"[{"status": "resolved""#);
        let none_left = none_left.replace(
            r#"{"status": "firing", "startsAt": "2026-11-24T03"#,
            r#"{"status": "resolved", "startsAt": "2026-11-24T03"#,
        );
        assert!(matches!(read(Webhook::Alertmanager, &none_left), Ok(Alarm::Quiet(_))));
        for body in [
            r#"{"heartbeat": {"status": 1}}"#,
            r#"{"heartbeat": {"status": 3}}"#,
            r#"{"heartbeat": null, "monitor": null, "msg": "Testing"}"#,
        ] {
            assert!(matches!(read(Webhook::UptimeKuma, body), Ok(Alarm::Quiet(_))), "{body}");
        }
    }

    #[test]
    fn what_is_not_a_monitors_body_is_refused() {
        for body in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"status": "firing"}"#,
            &DOWN.replacen("firing", "burning", 1),
            &DOWN[..200],
            &DOWN.replacen('4', "3", 1),
            &DOWN.replacen("\"status\"", "\"truncatedAlerts\": 1, \"status\"", 1),
            r#"["4", 0, "firing", "x", {}, {}, [["firing", "2026-11-24T02:00:00Z"]]]"#,
        ] {
            assert!(read(Webhook::Alertmanager, body).is_err(), "{body}");
        }
        for body in [
            "",
            "{}",
            "[]",
            r#"{"heartbeat": {}}"#,
            r#"{"heartbeat": {"status": 7}}"#,
            "[[0, null], [null], null]",
            r#"{"heartbeat": [0, null]}"#,
            r#"{"heartbeat": {"status": "0"}}"#,
        ] {
            assert!(read(Webhook::UptimeKuma, body).is_err(), "{body}");
        }
        let down = r#"{"heartbeat": {"status": 0, "msg": "timeout of 48000ms exceeded"}, "monitor": {"name": "k3s-w1"}, "msg": "x"}"#;
        let Ok(Alarm::Raised { reason, key: None, .. }) = read(Webhook::UptimeKuma, down) else {
            panic!("not raised")
        };
        assert_eq!(reason.unwrap().as_str(), "Uptime Kuma, k3s-w1: timeout of 48000ms exceeded");
    }
}
