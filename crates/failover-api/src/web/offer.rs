//! What a page offers to ask the API for: the form, the question before it is sent, and the place for the answer.

use failover_core::name::{Revision, Role, ServiceName};
use failover_core::topology::Active;
use maud::{Markup, html};
use serde_json::Value;

use super::layout::Frame;
use crate::clock;

/// What is asked for; the script tells them apart by the form's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Move,
    Hold,
    Release,
}

impl Deed {
    fn id(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Hold => "hold",
            Self::Release => "release",
        }
    }

    fn method(self) -> &'static str {
        match self {
            Self::Move | Self::Hold => "POST",
            Self::Release => "DELETE",
        }
    }

    /// Whether nobody is asked for it without saying why.
    fn needs_reason(self) -> bool {
        match self {
            Self::Hold => true,
            Self::Move | Self::Release => false,
        }
    }

    /// An example of a reason.
    pub(super) fn because(self) -> &'static str {
        match self {
            Self::Move => "k3s-w1 is down",
            Self::Hold => "new disk in k3s-w2",
            Self::Release => "the disk is in",
        }
    }
}

/// What a move is bound to.
pub(super) struct Seen {
    /// Where all of it is, as the page shows it.
    pub(super) active: Option<Active>,
    pub(super) to: Role,
}

/// Something that the page offers to ask for.
pub(super) struct Offer<'o> {
    pub(super) deed: Deed,
    /// The API's route.
    pub(super) address: String,
    /// What the body says besides what is entered here, where it says something.
    pub(super) body: Option<Value>,
    /// What is done, in words, as on the button.
    pub(super) title: String,
    /// The same as it is asked of the API without a page: what a body would say with what is entered here.
    pub(super) example: Option<Value>,
    /// What it is about, in words.
    pub(super) what: String,
    /// The service, where it is only one.
    pub(super) service: Option<&'o ServiceName>,
    /// The commit that the page is about.
    pub(super) base: &'o Revision,
    pub(super) seen: Option<Seen>,
    /// What is entered before the reason, and after it.
    pub(super) before: Markup,
    pub(super) after: Markup,
    /// What is shown once more before it is asked for.
    pub(super) summary: Markup,
}

/// The form that asks the API. The key names this opened page, so that asking twice does it once. `pages` is where the Git
/// host shows commits.
pub(super) fn form(offer: &Offer<'_>, frame: &Frame, pages: Option<&str>) -> Markup {
    let Offer { deed, address, body, title, example, what, service, base, seen, before, after, summary } =
        offer;
    if frame.read_only() {
        return html! {
            p id="read-only" { "This server is read-only: it shows plans and carries none of them out." }
        };
    }
    html! {
        section id="act" aria-labelledby="act-title" {
            h2 id="act-title" { "Carry it out" }
            noscript {
                p { "Without JavaScript this page only shows. Ask the API:" }
                pre { code {
                    "curl -X " (deed.method()) " -H \"Authorization: Bearer $TOKEN\" "
                    @if let Some(example) = example { "-H 'Content-Type: application/json' -d '" (example) "' " }
                    "'…" (address) "'"
                } }
            }
            form id=(deed.id()) hidden data-method=(deed.method()) data-address=(address) data-body=[body.as_ref()] data-key=(clock::new_id())
                data-active=[seen.as_ref().and_then(|seen| seen.active)] data-to=[seen.as_ref().map(|seen| seen.to)]
                data-revision=(base) data-what=(what) data-service=[service.as_ref()]
                data-needs-token=[frame.needs_token().then_some("")] data-commits=[pages] {
                (before)
                label for="reason" {
                    "Reason " span class="optional" { (if deed.needs_reason() { "(stands in the commit)" } else { "(optional, stands in the commit)" }) }
                }
                input id="reason" maxlength="500" required[deed.needs_reason()] autocomplete="off" placeholder=(deed.because());
                (after)
                div id="token-field" hidden {
                    label for="token" { "Token" }
                    input id="token" type="password" autocomplete="current-password" spellcheck="false" autocapitalize="off" aria-describedby="token-note";
                    p id="token-note" class="details" { "Stays in this tab, and is gone when you close it." }
                }
                button class="first" { (title) "…" }
            }
            dialog id="confirm" aria-labelledby="confirm-title" {
                h2 id="confirm-title" { (title) "?" }
                p { "This commits to " code { (base.branch) } @if *deed == Deed::Move { ", and Flux applies it:" } @else { "; it moves nothing:" } }
                (summary)
                p id="confirm-reason" hidden { "Reason: " span {} }
                p id="confirm-for" hidden { "For how long: " span {} }
                p id="confirm-force" class="problem" hidden { "Overrides: " span {} }
                div class="actions" {
                    button id="cancel" type="button" autofocus { "Cancel" }
                    button id="confirm-ask" type="button" class="first" { (title) }
                }
            }
            div id="outcome" tabindex="-1" hidden {}
        }
    }
}
