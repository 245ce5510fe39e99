//! The receivers file: who is told at once that a commit landed. Its addresses may be secrets, so no message repeats one.

use super::error::ConfigErrors;
use super::fields::{Field, Fields, Reader, shown};
use super::hook::{HookUrl, List, file, required_file, url};
use super::value::Placed;
use crate::name::{Namespace, ObjectName};
use crate::yaml::Node;

/// The most receivers of one file: each has a task and metrics of its own.
pub const MAX_RECEIVERS: usize = 16;
/// Where Flux's notification controller listens as `flux install` sets it up.
const FLUX_ADDRESS: &str = "http://webhook-receiver.flux-system.svc.cluster.local";

/// Somebody who is told that a commit landed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// What logs, metrics and operations call it; unique in the file.
    pub name: ObjectName,
    /// Where and how.
    pub hook: Hook,
    /// The certificates of the authorities to trust instead of the system's; relative to the receivers file.
    pub ca_file: Option<String>,
}

/// Where a receiver listens, and how it knows who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hook {
    /// By nothing but the address, which only its friends know.
    Generic {
        /// The address.
        url: HookUrl,
    },
    /// By an HMAC of the body.
    GenericHmac {
        /// The address.
        url: HookUrl,
        /// The file with the key; relative to the receivers file.
        token_file: String,
    },
    /// As a Flux `Receiver` of type `generic-hmac` or `generic`: its path follows from the token.
    Flux {
        /// Where Flux's notification controller listens.
        address: HookUrl,
        /// The namespace of the `Receiver`.
        namespace: Namespace,
        /// The name of the `Receiver`.
        receiver: ObjectName,
        /// The file with the field `token` of the Secret that the `Receiver` names.
        token_file: String,
    },
}

/// Reads and checks the text of the receivers file.
///
/// # Errors
/// Everything that is wrong, with its place; also a file without any receiver. No message repeats an address.
pub fn parse_receivers(text: &str) -> Result<Vec<Receiver>, ConfigErrors> {
    let list = List {
        key: "receivers",
        what: "receiver",
        most: MAX_RECEIVERS,
        name: |receiver: &Receiver| &receiver.name,
        read: receiver,
    };
    list.parse(text)
}

fn receiver<'a>(
    reader: &mut Reader<'a>,
    item: &'a Node,
    number: usize,
    _text: &'a str,
) -> Option<Placed<Receiver>> {
    let fields = reader.fields(item, format!("receiver {number}"), item.place)?;
    let name = reader.required_name::<ObjectName>(&fields, "name");
    let hook = match (fields.get("flux"), fields.get("url")) {
        (Some(flux), None) => {
            reader.only(&fields, &["name", "flux", "token_file", "ca_file"]);
            flux_hook(reader, &fields, flux)
        }
        (None, Some(_)) => {
            reader.only(&fields, &["name", "url", "type", "token_file", "ca_file"]);
            plain_hook(reader, &fields)
        }
        (Some(flux), Some(_)) => {
            let message = format!("{} has both 'url' and 'flux'", fields.what);
            reader.error(flux.place, message, "keep 'flux' for a Flux Receiver, 'url' for any other");
            None
        }
        (None, None) => {
            let message = format!("{} has neither 'url' nor 'flux'", fields.what);
            reader.error(fields.place, message, "add 'flux: {namespace: …, name: …}' or 'url:' and 'type:'");
            None
        }
    };
    let ca_file = match fields.get("ca_file") {
        Some(_) => Some(file(reader, &fields, "ca_file")?),
        None => None,
    };
    let Placed { value: name, place } = name?;
    Some(Placed { value: Receiver { name, hook: hook?, ca_file }, place })
}

fn plain_hook<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>) -> Option<Hook> {
    let url = fields.get("url").and_then(|field| url(reader, field, &format!("url of {}", fields.what)));
    let field = reader.required(fields, "type")?;
    let kind = reader.text(field, &format!("type of {}", fields.what))?;
    match (kind.value, fields.get("token_file")) {
        ("generic", None) => Some(Hook::Generic { url: url? }),
        ("generic", Some(token)) => {
            let message = format!("{} is of type generic, which has no token", fields.what);
            reader.error(token.place, message, "remove 'token_file', or make it 'type: generic-hmac'");
            None
        }
        ("generic-hmac", _) => {
            let token_file = required_file(reader, fields, "token_file");
            Some(Hook::GenericHmac { url: url?, token_file: token_file? })
        }
        (other, _) => {
            let message = format!("type of {} is {}", fields.what, shown(other));
            reader.error(kind.place, message, "the types are generic-hmac and generic");
            None
        }
    }
}

fn flux_hook<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>, flux: Field<'a>) -> Option<Hook> {
    let token_file = required_file(reader, fields, "token_file");
    let flux = reader.fields(flux.node, format!("flux of {}", fields.what), flux.place)?;
    reader.only(&flux, &["namespace", "name", "address"]);
    let namespace = reader.required_name::<Namespace>(&flux, "namespace");
    let receiver = reader.required_name::<ObjectName>(&flux, "name");
    let address = match flux.get("address") {
        None => HookUrl::parse(FLUX_ADDRESS).ok(),
        Some(field) => {
            let what = format!("address of {}", flux.what);
            let address = url(reader, field, &what);
            if address.as_ref().is_some_and(HookUrl::has_path) {
                let hint = "remove everything behind host and port: the path follows from the token";
                reader.error(field.node.place, format!("{what} has a path"), hint);
            }
            address
        }
    };
    let (namespace, receiver) = (namespace?.value, receiver?.value);
    Some(Hook::Flux { address: address?, namespace, receiver, token_file: token_file? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let text = "receivers:\n- {name: argo, url: 'https://argo.example:8443/api/webhook?x=1', type: generic, ca_file: ca.crt}\n\
            - {name: hub, url: 'http://[::1]:9/hook', type: generic-hmac, token_file: hub}\n\
            - name: flux\n  flux: {namespace: flux-system, name: failover}\n  token_file: token\n\
            - name: far\n  flux: {namespace: flux-system, name: failover, address: 'http://10.0.0.1:9292/'}\n  token_file: /t\n";
        let receivers = parse_receivers(text).unwrap();
        let names: Vec<&str> = receivers.iter().map(|receiver| receiver.name.as_str()).collect();
        assert_eq!(names, ["argo", "hub", "flux", "far"]);
        assert_eq!(receivers[0].ca_file.as_deref(), Some("ca.crt"));
        assert!(
            matches!(&receivers[0].hook, Hook::Generic { url } if url.to_string() == "https://argo.example:8443")
        );
        assert!(
            matches!(&receivers[1].hook, Hook::GenericHmac { url, token_file } if token_file == "hub" && url.secret() == "http://[::1]:9/hook")
        );
        assert!(
            matches!(&receivers[2].hook, Hook::Flux { address, .. } if address.to_string() == FLUX_ADDRESS)
        );
        assert!(
            matches!(&receivers[3].hook, Hook::Flux { address, .. } if address.with_path("/hook/x") == "http://10.0.0.1:9292/hook/x")
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, place, words) in [
            ("", (1, 1), "empty"),
            ("receivers: []", (1, 1), "0 items"),
            ("receiver: []", (1, 1), "'receivers'"),
            ("receivers:\n- {name: A, url: 'http://h/x', type: generic}", (2, 10), "must be at most 253"),
            ("receivers:\n- {name: a, url: 'http://h/x', type: gneric}", (2, 38), "generic-hmac and generic"),
            ("receivers:\n- {name: a, url: 'http://h/x'}", (2, 3), "no 'type'"),
            (
                "receivers:\n- {name: a, url: 'http://h/x', type: generic, token_file: t}",
                (2, 47),
                "has no token",
            ),
            ("receivers:\n- {name: a, url: 'http://h/x', type: generic-hmac}", (2, 3), "no 'token_file'"),
            ("receivers:\n- {name: a, type: generic}", (2, 3), "neither 'url' nor 'flux'"),
            ("receivers:\n- {name: a, url: 'ftp://h/x', type: generic}", (2, 18), "http:// or https://"),
            ("receivers:\n- {name: a, flux: {name: b}, token_file: t}", (2, 13), "no 'namespace'"),
            (
                "receivers:\n- {name: a, flux: {name: b, namespace: c, address: 'http://h/hook/x'}, token_file: t}",
                (2, 52),
                "has a path",
            ),
            ("receivers:\n- {name: a, flux: {name: b, namespace: c}, token: t}", (2, 44), "token_file"),
            (
                "receivers:\n- {name: a, url: 'http://h/x', type: generic}\n- {name: a, url: 'http://h/y', type: generic}",
                (3, 10),
                "given twice",
            ),
        ] {
            let errors = parse_receivers(text).unwrap_err();
            let found = errors.as_slice().iter().any(|error| {
                (error.place.line, error.place.column) == place && error.to_string().contains(words)
            });
            assert!(found, "{text}\n{errors}");
        }
    }

    #[test]
    fn no_message_repeats_an_address() {
        for text in [
            "receivers:\n- {name: a, url: 'ftp://h/hunter2', type: generic}",
            "receivers:\n- {name: a, url: 'http://hunter2@h/x', type: generic}",
            "receivers:\n- {name: a, url: 'http://h:x/hunter2', type: generic}",
            "receivers:\n- {name: a, url: 'http://h/hunter2 x', type: generic}",
            "receivers:\n- {name: a, url: [http://h/hunter2], type: generic}",
            "receivers:\n- {name: 'http://h/hunter2', url: 'http://h/x', type: generic}",
            "receivers:\n- {name: a, url: 'http://h/x', type: 'http://h/hunter2'}",
            "receivers:\n- {'http://h/hunter2': a}",
            "receivers:\n- name: a\n  url http://h/hunter2\n  type: generic",
            "receivers:\n- http://h/hunter2: http://h/hunter2\n  http://h/hunter2: 7",
            "receivers: http://h/hunter2",
            "receivers:\n- {name: a, url: \"http://h/hunter2\\q\"}",
        ] {
            let errors = parse_receivers(text).unwrap_err();
            assert!(!format!("{errors} {errors:?}").contains("hunter2"), "{text}\n{errors}");
        }
        let url = HookUrl::parse("http://h:1/hunter2?x=hunter2").unwrap();
        assert_eq!(format!("{url} {url:?}"), "http://h:1 HookUrl(http://h:1)");
    }
}
