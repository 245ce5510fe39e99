//! One route of the API with one method: the handler that answers it and what the OpenAPI document says of it.

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodRouter, delete, get, post};
use failover_core::code::Code;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::state::AppState;

/// Adds a type to the document and returns the reference to it.
pub(super) type Describe = fn(&mut SchemaGenerator) -> Schema;

/// A method on a path: what OpenAPI calls an operation.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) handler: MethodRouter<AppState>,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<(Describe, Value)>,
    pub(super) answers: Vec<Success>,
    /// The reasons to say no that are its own; those of the guard are added.
    pub(super) codes: Vec<Code>,
}

/// A parameter of a route.
#[derive(Clone)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) place: Place,
    pub(super) required: bool,
    pub(super) description: &'static str,
    pub(super) schema: Value,
    pub(super) example: Option<Value>,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Query,
    Header,
}

/// An answer that does not say no.
#[derive(Clone)]
pub(super) struct Success {
    pub(super) status: u16,
    pub(super) description: &'static str,
    pub(super) media_type: &'static str,
    pub(super) schema: Describe,
    pub(super) example: Value,
}

impl Route {
    /// Answers GET, and HEAD with it.
    pub(super) fn get<H, T>(path: &'static str, id: &'static str, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        Self::new(Method::GET, path, id, summary, get(handler))
    }

    /// Answers POST.
    pub(super) fn post<H, T>(path: &'static str, id: &'static str, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        Self::new(Method::POST, path, id, summary, post(handler))
    }

    /// Answers DELETE.
    pub(super) fn delete<H, T>(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        Self::new(Method::DELETE, path, id, summary, delete(handler))
    }

    fn new(
        method: Method,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: MethodRouter<AppState>,
    ) -> Self {
        let (parameters, answers, codes) = (Vec::new(), Vec::new(), Vec::new());
        Self { method, path, handler, id, summary, description: "", parameters, body: None, answers, codes }
    }

    pub(super) fn describe(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    pub(super) fn parameters(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// Takes a JSON body of this type.
    pub(super) fn body<T: JsonSchema>(mut self, example: Value) -> Self {
        self.body = Some((|generator| generator.subschema_for::<T>(), example));
        self
    }

    /// Answers 200 with JSON of this type.
    pub(super) fn answers<T: JsonSchema>(self, description: &'static str, example: Value) -> Self {
        self.answers_with::<T>(200, "application/json", description, example)
    }

    /// Answers with a body of this type.
    pub(super) fn answers_with<T: JsonSchema>(
        mut self,
        status: u16,
        media_type: &'static str,
        description: &'static str,
        example: Value,
    ) -> Self {
        let schema: Describe = |generator| generator.subschema_for::<T>();
        self.answers.push(Success { status, description, media_type, schema, example });
        self
    }

    /// May say no for these reasons.
    pub(super) fn codes<'a>(mut self, codes: impl IntoIterator<Item = &'a Code>) -> Self {
        self.codes.extend(codes);
        self
    }
}

impl Place {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
        }
    }
}
