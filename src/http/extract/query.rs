//! The query string of a request, parameter by parameter, with errors that name the parameter.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use crate::domain::time;
use crate::http::error::ApiError;
use crate::http::schema::{DEFAULT_PAGE, MAX_PAGE};

/// The parameters of a query string. A handler takes those it knows, and then [finishes](Query::finish), which rejects
/// what is left.
pub(crate) struct Query {
    parameters: BTreeMap<String, String>,
    known: Vec<&'static str>,
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::of(&parts.uri)
    }
}

impl Query {
    /// Parses it. A parameter that is given twice is an error.
    pub(crate) fn of(uri: &Uri) -> Result<Self, ApiError> {
        let mut parameters = BTreeMap::new();
        if !is_percent_encoded(uri.query().unwrap_or_default()) {
            return Err(ApiError::invalid_query("query string", NOT_ENCODED));
        }
        let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        for (name, value) in pairs.into_owned() {
            if parameters.contains_key(&name) {
                return Err(ApiError::invalid_query(&name, "must be given once"));
            }
            parameters.insert(name, value);
        }
        Ok(Self { parameters, known: Vec::new() })
    }

    /// A parameter that can be parsed from text.
    pub(crate) fn take<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, ApiError> {
        self.known.push(name);
        match self.parameters.remove(name) {
            None => Ok(None),
            Some(text) => match parse(&text) {
                Ok(value) => Ok(Some(value)),
                Err(error) => Err(ApiError::invalid_query(name, &error.to_string())),
            },
        }
    }

    /// A time.
    pub(crate) fn time(&mut self, name: &'static str) -> Result<Option<Timestamp>, ApiError> {
        self.take(name, time::parse)
    }

    /// A whole number from `min` to `max`.
    pub(crate) fn number(&mut self, name: &'static str, min: u32, max: u32) -> Result<Option<u32>, ApiError> {
        self.take(name, |text| match text.parse() {
            Ok(number) if (min..=max).contains(&number) => Ok(number),
            _ => Err(format!("must be a whole number from {min} to {max}")),
        })
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self, name: &'static str) -> Result<Option<bool>, ApiError> {
        self.take(name, |text| text.parse().map_err(|_| "must be true or false"))
    }

    /// Auth0's `fields` and `include_fields`: names of members of the answer, which must be among `known`.
    pub(crate) fn fields<'n>(
        &mut self,
        known: impl IntoIterator<Item = &'n str>,
    ) -> Result<(Option<BTreeSet<String>>, bool), ApiError> {
        let known: Vec<_> = known.into_iter().collect();
        let named = |name: &str| match name.trim() {
            name if known.contains(&name) => Ok(name.to_owned()),
            name => Err(format!("`{name}` is no member of the answer; use {}", known.join(", "))),
        };
        let fields = self.take("fields", |text| text.split(',').map(named).collect())?;
        Ok((fields, self.boolean("include_fields")?.unwrap_or(true)))
    }

    /// Accepts `include_totals`, which Auth0's SDKs send for every list: checkpoint paging has no totals.
    pub(crate) fn no_totals(&mut self) -> Result<(), ApiError> {
        self.boolean("include_totals")?;
        Ok(())
    }

    /// `take`: the most items of a page in checkpoint paging.
    pub(crate) fn take_count(&mut self) -> Result<u32, ApiError> {
        Ok(self.number("take", 1, MAX_PAGE)?.unwrap_or(DEFAULT_PAGE))
    }

    /// Rejects parameters that were not taken: a misspelt filter would show, or redeliver, more than was meant.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        match self.parameters.into_keys().next() {
            None => Ok(()),
            Some(name) => {
                let known = if self.known.is_empty() { "none".to_owned() } else { self.known.join(", ") };
                let message = format!("is no parameter of this resource; it takes {known}");
                Err(ApiError::invalid_query(&name, &message))
            }
        }
    }
}

/// Whether every `%` begins the two hexadecimal digits of a byte, and these bytes are UTF-8.
pub(crate) fn is_percent_encoded(text: &str) -> bool {
    let escapes = text.split('%').skip(1);
    let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    escapes.clone().all(is_escape) && percent_decode_str(text).decode_utf8().is_ok()
}

/// The error of a path or query string that is not percent-encoded.
pub(crate) const NOT_ENCODED: &str = "must be percent-encoded UTF-8";

/// The error of a `from` that is no checkpoint.
pub(crate) const NOT_A_CHECKPOINT: &str = "must be the `next` of an earlier page";
