//! What pages are made of besides their text: one style sheet, one script, one picture. They are part of the program.

use std::sync::LazyLock;

use axum::extract::{Path, RawQuery};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use failover_core::code::Code;
use ring::digest::{SHA256, digest};

use crate::http::Answer;

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

/// `GET /assets/{file}`. Only under the address of this version may a browser keep the file.
pub(super) async fn file(Path(file): Path<String>, RawQuery(query): RawQuery) -> Result<Response, Answer> {
    let asset = Asset::ALL.into_iter().find(|asset| asset.parts().0 == file).ok_or_else(|| {
        let detail = format!("there is no file {file:?}");
        Answer::problem(Code::RouteNotFound, detail, "pages name the files that they are made of")
    })?;
    let (_, media_type, text) = asset.parts();
    let is_this_version = query.is_some_and(|query| query.strip_prefix("v=") == Some(VERSION.as_str()));
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (
            header::CACHE_CONTROL,
            if is_this_version { "public, max-age=31536000, immutable" } else { "no-store" },
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, text).into_response())
}

impl Asset {
    const ALL: [Self; 3] = [Self::Style, Self::Script, Self::Icon];

    /// Its name, its media type and its text.
    fn parts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Style => ("dashboard.css", "text/css; charset=utf-8", STYLE),
            Self::Script => ("dashboard.js", "text/javascript; charset=utf-8", SCRIPT),
            Self::Icon => ("icon.svg", "image/svg+xml", ICON),
        }
    }

    /// Its address, as pages refer to it.
    pub(super) fn address(self) -> String {
        format!("/assets/{}?v={}", self.parts().0, *VERSION)
    }
}
