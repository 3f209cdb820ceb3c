//! The record of a request to a mock relying party, for printing and tests.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::relying_party::rules::{Check, Rule};
use crate::relying_party::verify::Report;

/// The result of checking a request. It is independent of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// A logout token that keeps every rule.
    Valid,
    /// A logout token that breaks a rule.
    Invalid,
    /// A valid token whose `jti` was received before.
    Replayed,
    /// No logout token: the request itself is wrong.
    Malformed,
    /// The OP's keys were not available, so the token could not be verified.
    Unverified,
}

/// One request. Serialized it contains the claims, which are personal data; `Debug` does not show them.
#[derive(Clone, Serialize)]
pub struct Received {
    /// When it came.
    pub at: Timestamp,
    /// The path it was posted to.
    pub path: String,
    /// The status of the answer; `None` without an answer.
    pub status: Option<u16>,
    /// The result of the check.
    pub verdict: Verdict,
    /// What is wrong with it, unless it is valid.
    pub problem: Option<String>,
    /// The token's header, if it could be read.
    pub header: Option<Map<String, Value>>,
    /// The token's claims, if they could be read.
    pub claims: Option<Map<String, Value>>,
    /// The outcome of every rule; empty without a token.
    pub checks: Vec<Check>,
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("at", &self.at)
            .field("path", &self.path)
            .field("status", &self.status)
            .field("verdict", &self.verdict)
            .field("problem", &self.problem)
            .finish_non_exhaustive()
    }
}

/// The result of checking a request, with the report.
pub(super) struct Assessment {
    pub(super) verdict: Verdict,
    pub(super) problem: Option<String>,
    pub(super) report: Option<Report>,
}

impl Assessment {
    /// There was no token to check.
    pub(super) fn malformed(problem: impl fmt::Display) -> Self {
        Self { verdict: Verdict::Malformed, problem: Some(problem.to_string()), report: None }
    }

    /// There were no keys to check it with.
    pub(super) fn unverified(problem: impl fmt::Display) -> Self {
        Self { verdict: Verdict::Unverified, problem: Some(problem.to_string()), report: None }
    }

    /// The result for a report.
    pub(super) fn by(report: Report) -> Self {
        let failed: Vec<_> =
            report.failures().map(|check| (check.rule, check.explanation.as_str())).collect();
        let verdict = match failed[..] {
            [] => Verdict::Valid,
            [(Rule::Replay, _)] => Verdict::Replayed,
            _ => Verdict::Invalid,
        };
        let problem =
            failed.iter().map(|(rule, why)| format!("{rule}: {why}")).collect::<Vec<_>>().join("; ");
        Self { verdict, problem: Some(problem).filter(|text| !text.is_empty()), report: Some(report) }
    }

    /// The session that a token ends: its `sid`, or its `sub` without a `sid`.
    pub(super) fn session(&self) -> Option<&str> {
        let report = self.report.as_ref()?;
        report.claim("sid").or_else(|| report.claim("sub"))
    }

    pub(super) fn into_received(self, at: Timestamp, path: String, status: Option<u16>) -> Received {
        let (header, claims, checks) = match self.report {
            Some(report) => (report.header, report.claims, report.checks),
            None => (None, None, Vec::new()),
        };
        Received { at, path, status, verdict: self.verdict, problem: self.problem, header, claims, checks }
    }
}
