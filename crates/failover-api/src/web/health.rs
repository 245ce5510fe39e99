//! How well the server is.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use maud::{Markup, html};

use super::layout::{Frame, Part};
use super::report::{Problem, Report, Status};
use super::words::count;
use crate::http::{Answer, AppState, Parameters};

/// `GET /health`
pub(super) async fn page(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Response, Answer> {
    Parameters::read(query.as_deref(), &[])?;
    let frame = Frame::read(&state)?;
    let main = main(&frame.report);
    Ok(frame.page(Part::Health, "Health", &main))
}

fn main(report: &Report) -> Markup {
    let (class, word, sentence) = match report.status {
        Status::Ok => {
            ("pass", "Well", "The server sees the repository, and nothing keeps services from being moved.")
        }
        Status::Starting => ("not-known", "Starting", "The repository has not been read yet."),
        Status::Degraded => {
            ("warn", "Degraded", "The server works, but something below needs your attention.")
        }
        Status::Unavailable => ("block", "Unavailable", "The server cannot show or move services."),
    };
    html! {
        div id="health" data-live {
            div class="title" { h1 { "Health" } span class={ "badge " (class) } { (word) } }
            p class="lead" { (sentence) }
            section aria-labelledby="problems" {
                h2 id="problems" { "Problems" }
                @if report.problems.is_empty() { p { "None." } }
                ul class="findings" role="list" { @for one in &report.problems { (problem(one)) } }
            }
            section aria-labelledby="view" {
                h2 id="view" { "What it sees" }
                dl class="facts" {
                    dt { "Commit" }
                    dd { @match &report.revision { Some(revision) => code { (revision) }, None => "none yet" } }
                    dt { "Git read" }
                    dd {
                        @match report.view_age_seconds {
                            Some(age) => { span data-age { (count(usize::try_from(age).unwrap_or(usize::MAX), "second", "seconds")) } " ago" },
                            None => "never",
                        }
                    }
                    dt { "Files" }
                    dd {
                        (count(report.repository.files, "manifest file", "manifest files"))
                        @if report.repository.unreadable_files > 0 { ", " (report.repository.unreadable_files) " of them unreadable" }
                        @for file in &report.repository.unreadable { br; code { (file) } }
                    }
                }
            }
            section aria-labelledby="config" {
                h2 id="config" { "Config" }
                dl class="facts" {
                    dt { "State" }
                    dd { @if report.config.valid { "valid" } @else { "refused as it is now; the last good one is in force, if there was one" } }
                    dt { "Services" } dd { (report.services) }
                    dt { "Loaded" } dd { (count(usize::try_from(report.config.generation).unwrap_or(usize::MAX), "time", "times")) " since the start" }
                }
                ul class="findings" role="list" {
                    @for problem in &report.config.problems {
                        li class="block" {
                            @if let (Some(line), Some(column)) = (problem.line, problem.column) {
                                strong { "Line " (line) ", column " (column) }
                            }
                            p { (problem.message) }
                            @if let Some(hint) = &problem.hint { p class="hint" { (hint) } }
                        }
                    }
                }
            }
            p { "The same for programs: " a href="/api/health" { "/api/health" } }
        }
    }
}

fn problem(problem: &Problem) -> Markup {
    html! {
        li class=(if problem.leaves_moves_alone() { "warn" } else { "block" }) {
            strong { @if let Some(service) = &problem.service { a href={ "/services/" (service) } { (service) } " " } }
            code { (problem.code) }
            p {
                @if let Some(file) = &problem.file { (file) @if let Some(line) = problem.line { ":" (line) } ": " }
                (problem.detail)
            }
            p class="hint" { (problem.hint) }
        }
    }
}
