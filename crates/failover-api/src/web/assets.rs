//! What pages are made of besides their text: one style sheet, one script, one picture. They are part of the program.

use std::sync::LazyLock;

use axum::extract::RawQuery;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use ring::digest::{SHA256, digest};

/// A file that pages refer to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asset {
    Style,
    Script,
    Icon,
}

const STYLE: &str = include_str!("assets/dashboard.css");
const SCRIPT: &str = include_str!("assets/dashboard.js");
const ICON: &str = include_str!("assets/icon.svg");

/// Names this very set of files, so that browsers can keep them for good and never mix two versions.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let all = [STYLE, SCRIPT, ICON].concat();
    digest(&SHA256, all.as_bytes()).as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
});

impl Asset {
    fn parts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Style => ("/assets/dashboard.css", "text/css; charset=utf-8", STYLE),
            Self::Script => ("/assets/dashboard.js", "text/javascript; charset=utf-8", SCRIPT),
            Self::Icon => ("/assets/icon.svg", "image/svg+xml", ICON),
        }
    }

    /// Its path.
    pub(super) fn path(self) -> &'static str {
        self.parts().0
    }

    /// Its address, as pages refer to it.
    pub(super) fn address(self) -> String {
        format!("{}?v={}", self.path(), *VERSION)
    }

    /// The file. Only under the address of this version may it be kept.
    pub(super) fn answer(self, RawQuery(query): RawQuery) -> Response {
        let (_, media_type, text) = self.parts();
        let is_this_version = query.and_then(|query| query.strip_prefix("v=").map(|v| v == *VERSION));
        let keep = match is_this_version {
            Some(true) => "public, max-age=31536000, immutable",
            Some(false) | None => "no-store",
        };
        let headers = [
            (header::CONTENT_TYPE, media_type),
            (header::CACHE_CONTROL, keep),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        (headers, text).into_response()
    }
}
