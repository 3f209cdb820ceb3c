//! Prints an attempt.

use serde_json::Value;

use super::output::{seconds, text};
use super::style::{BAD, DIM, GOOD, paint};
use super::terminal::println;

/// The phases of an attempt, in their order.
const PHASES: [&str; 5] = ["sign", "dns", "connect", "answer", "body"];

/// Prints an attempt: its outcome, its phases, and the answer.
pub(super) fn show(attempt: &Value) {
    let error = text(attempt, "error");
    let (style, outcome) = if error.is_empty() { (GOOD, "delivered") } else { (BAD, error) };
    println!(
        "attempt {:<3} {}  {}  {:.1} ms  {}",
        attempt["number"].to_string(),
        seconds(text(attempt, "started_at")),
        paint(style, format_args!("{outcome:<16}")),
        attempt["duration_ms"].as_f64().unwrap_or_default(),
        text(attempt, "remote_address"),
    );
    let phase = |name: &&str| Some(format!("{name} {:.1}", attempt["phases_ms"][*name].as_f64()?));
    let phases: Vec<String> = PHASES.iter().filter_map(phase).collect();
    let key = format!("kid {}  jti {}", text(attempt, "kid"), text(attempt, "jti"));
    println!("            {}", paint(DIM, format_args!("ms: {}  {key}", phases.join(", "))));
    if attempt["outcome_unknown"] == true {
        println!("            no answer came, but the relying party may have received the token");
    }
    if attempt["refused_after_unknown"] == true {
        println!("            refused after such an attempt: the relying party may have received it before");
    }
    for line in text(attempt, "answer").lines() {
        println!("            {} {line}", paint(DIM, "│"));
    }
}
