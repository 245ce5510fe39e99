//! Templates of webhooks' bodies, checked when they are read. The language is Jinja's, without files and macros.

use std::io;
use std::thread;

use jiff::Timestamp;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};
use serde_json::Value;

use super::model::{Event, Notice};
use crate::name::nearest;
use crate::yaml::Place;

/// The most that a template may make, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// The most that a template may have, in bytes.
const MAX_TEMPLATE: usize = 16 * 1024;
/// The stack that is enough for whatever such a template nests, in bytes; what is not used costs nothing.
const STACK: usize = 256 * 1024 * 1024;
/// The most steps that a template may take.
const FUEL: u64 = 50_000;

/// What a template makes, which decides how values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentType {
    /// JSON: values are written as JSON, texts with their quotes.
    Json,
    /// Plain text: values are written as they are.
    Text,
}

impl ContentType {
    /// Every type.
    pub const ALL: [Self; 2] = [Self::Json, Self::Text];

    /// As the header has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
        }
    }

    /// As the notifications file has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Text => "text/plain",
        }
    }
}

/// A template that works with an example of every event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    content_type: ContentType,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// Where in its text, if that is known.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// A template failed with what it was given, although it worked with the examples. Says nothing of what it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its template failed; {0}")]
pub struct TemplateFailed(&'static str);

impl Template {
    /// Checks a template: its syntax, the names of its variables, and what it makes of an example of every event.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn new(text: String, content_type: ContentType) -> Result<Self, TemplateError> {
        let template = Self { text, content_type };
        if template.text.len() > MAX_TEMPLATE {
            let message = format!("the template has more than {MAX_TEMPLATE} bytes");
            return Err(TemplateError { place: None, message, hint: "make it shorter".to_owned() });
        }
        let checked = on_large_stack(|| template.check()).unwrap_or_else(|| {
            let message = "the template could not be read".to_owned();
            Err(TemplateError { place: None, message, hint: "make it simpler".to_owned() })
        });
        checked.map(|()| template)
    }

    fn check(&self) -> Result<(), TemplateError> {
        let template = self;
        let environment = template.environment();
        let parsed =
            environment.template_from_str(&template.text).map_err(|error| template.explained(&error))?;
        // Also those in branches that no example takes.
        let known = variables();
        let globals: Vec<&str> = environment.globals().map(|(name, _)| name).collect();
        let mut unknown: Vec<(Option<Place>, String)> = parsed
            .undeclared_variables(false)
            .into_iter()
            .filter(|name| !known.contains(name) && !globals.contains(&&**name))
            .map(|name| (template.place_of(&name), name))
            .collect();
        unknown.sort_by_key(|(place, name)| (place.is_none(), *place, name.clone()));
        if let Some((place, name)) = unknown.into_iter().next() {
            let hint = match nearest(&name, known.iter().map(String::as_str)).first() {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("the variables are {}", known.join(", ")),
            };
            return Err(TemplateError { place, message: format!("there is no variable '{name}'"), hint });
        }
        for event in Event::ALL {
            let notice = Notice::example(event, Timestamp::UNIX_EPOCH);
            let made = template.made(&notice, 2).map_err(|error| template.explained(&error))?;
            template.is_fit(&made).map_err(|message| TemplateError {
                place: None,
                message: format!("with the example of the event {}, {message}", shown(event)),
                hint: "values bring their own quotes: write {\"text\": {{ text }}}, and join texts as {{ title ~ \": \" ~ text }}".to_owned(),
            })?;
        }
        Ok(())
    }

    /// What it makes.
    #[must_use]
    pub fn content_type(&self) -> ContentType {
        self.content_type
    }

    /// The body for this notice.
    ///
    /// # Errors
    /// It fails, although it worked with the examples.
    pub(super) fn render(&self, notice: &Notice, missed: u64) -> Result<Vec<u8>, TemplateFailed> {
        let failed = |error: Error| {
            TemplateFailed(if error.kind() == ErrorKind::WriteFailure {
                "it makes more than 64 KiB"
            } else if error.kind() == ErrorKind::OutOfFuel {
                "it takes too many steps"
            } else {
                "it worked with the examples, so make it take every value that may be missing"
            })
        };
        let made = on_large_stack(|| self.made(notice, missed).map_err(failed));
        let made = made.unwrap_or(Err(TemplateFailed("it could not be carried out")))?;
        self.is_fit(&made).map_err(|_| TemplateFailed("what it makes is not JSON"))?;
        Ok(made)
    }

    fn environment(&self) -> Environment<'_> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_debug(true);
        environment.set_fuel(Some(FUEL));
        // A value must not be written as it is where it would be taken for JSON.
        environment.remove_filter("safe");
        environment.remove_global("debug");
        // With it a loop could double a list as often as it likes, in few steps.
        environment.remove_global("namespace");
        let content_type = self.content_type;
        let escape = move || match content_type {
            ContentType::Json => AutoEscape::Json,
            ContentType::Text => AutoEscape::None,
        };
        environment.set_auto_escape_callback(move |_| escape());
        environment.set_formatter(move |out, state, value| {
            if *state.auto_escape() != escape() {
                return Err(Error::new(ErrorKind::InvalidOperation, "autoescape cannot be changed here"));
            }
            minijinja::escape_formatter(out, state, value)
        });
        environment
    }

    fn made(&self, notice: &Notice, missed: u64) -> Result<Vec<u8>, Error> {
        let mut made = Bounded(Vec::new());
        let environment = self.environment();
        let values = minijinja::Value::from(Serde(notice.values(missed)));
        environment.template_from_str(&self.text)?.render_captured_to(values, &mut made)?;
        Ok(made.0)
    }

    fn is_fit(&self, made: &[u8]) -> Result<(), String> {
        match self.content_type {
            ContentType::Json => serde_json::from_slice::<serde::de::IgnoredAny>(made)
                .map(drop)
                .map_err(|error| format!("the template does not make JSON: {error} of what it makes")),
            ContentType::Text => Ok(()),
        }
    }

    /// An error of the template's own text or of what it does with the examples, so that it may be shown.
    fn explained(&self, error: &Error) -> TemplateError {
        let place = match (error.range(), error.line()) {
            (Some(range), _) => Some(self.place_at(range.start)),
            (None, Some(line)) => Some(Place { line, column: 1 }),
            (None, None) => None,
        };
        let too_much = if error.kind() == ErrorKind::WriteFailure {
            Some(format!("the template makes more than {MAX_BODY} bytes"))
        } else if error.kind() == ErrorKind::OutOfFuel {
            Some(format!("the template takes more than {FUEL} steps"))
        } else {
            None
        };
        if let Some(message) = too_much {
            return TemplateError { place: None, message, hint: "make it shorter".to_owned() };
        }
        let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
        TemplateError {
            place,
            message: format!("{}{detail}", error.kind()),
            hint: "correct the template here".to_owned(),
        }
    }

    /// Where a variable is first used.
    fn place_of(&self, name: &str) -> Option<Place> {
        let is_part = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.');
        let at = self.text.match_indices(name).map(|(at, _)| at).find(|at| {
            let (before, behind) = (&self.text[..*at], &self.text[at + name.len()..]);
            let opened = before.rfind("{{").max(before.rfind("{%"));
            let closed = before.rfind("}}").max(before.rfind("%}"));
            opened > closed && !before.ends_with(is_part) && !behind.starts_with(|c| c != '.' && is_part(c))
        })?;
        Some(self.place_at(at))
    }

    fn place_at(&self, at: usize) -> Place {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        Place { line, column: before[start..].chars().count() + 1 }
    }
}

/// A long chain of operators nests as deep as it is long. `None` if there is no such thread, or it ended abnormally.
fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        thread.ok()?.join().ok()
    })
}

/// The names of everything that a template can show.
fn variables() -> Vec<String> {
    match Notice::new(Event::Test, Timestamp::UNIX_EPOCH).values(0) {
        Value::Object(values) => values.into_iter().map(|(name, _)| name).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Vec::new(),
    }
}

fn shown(event: Event) -> String {
    serde_json::to_value(event).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Takes up to [`MAX_BODY`] bytes.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_BODY {
            return Err(io::Error::other("too much"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
