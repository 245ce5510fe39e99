//! What people are told of a move, of the config and of the repository; and the forms that chat and push services take it in.

mod model;
mod words;
mod template;
mod form;

pub use form::{Form, discord, gotify, json, ntfy, slack};
pub use model::{Event, LeftBehind, Notice, Occasion, Urgency};
pub use template::{ContentType, MAX_BODY, Template, TemplateError, TemplateFailed};
