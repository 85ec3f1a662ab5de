//! Asking and parsing, put together: who has the raw answer is one question, what it says another.

use threshflow::row::Refusal;

use super::reader::said;
use super::response::{beginning, declines};
use super::{ChatRequest, Complaint};

/// Has raw answers: a server, or a cache of what a server said, with the server behind it.
pub trait Raw {
    /// The answer's text as the model wrote it.
    fn answer(&self, request: &ChatRequest) -> Result<String, Refusal>;
}

/// Asks and parses. An answer that doesn't parse is asked for once more, with what is wrong with it; the second that doesn't is
/// refused as `unparsable_answer`. A model that declines is not asked again: `model_declined`.
///
/// `parse` is pure: its error is a sentence that says what is wrong. Both questions and their answers are
/// [remembered](Raw) by [`ChatRequest::content`], so that another `parse` over the same answers asks nothing.
pub fn ask<T>(
    raw: &dyn Raw,
    request: &ChatRequest,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Refusal> {
    let first = heard(raw, request)?;
    let complaint = match parse(&first) {
        Ok(answer) => return Ok(answer),
        Err(complaint) => bounded(complaint),
    };
    let complaint = format!(
        "Your answer can't be used: {complaint}. Answer once more, in the form that was asked for and with nothing besides."
    );
    let again = ChatRequest { again: Some(Complaint { answer: first, complaint }), ..request.clone() };
    let second = heard(raw, &again)?;
    parse(&second).map_err(|complaint| {
        let complaint = bounded(complaint);
        let message = format!(
            "asked twice, the model's answer can't be used: {complaint}; it begins {:?}",
            beginning(&second)
        );
        Refusal::permanent("unparsable_answer", message)
    })
}

/// A complaint quotes what it is about, which may be of any length.
fn bounded(complaint: String) -> String {
    const MOST: usize = 1_000;
    match complaint.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &complaint[..end]),
        None => complaint,
    }
}

/// Whether an answer, without its thinking, is nothing but the model's word that it won't.
pub fn declined(answer: &str) -> bool {
    said(answer).is_ok_and(|words| declines(&words))
}

fn heard(raw: &dyn Raw, request: &ChatRequest) -> Result<String, Refusal> {
    let answer = raw.answer(request)?;
    match said(&answer) {
        Ok(words) if declines(&words) => {
            Err(Refusal::permanent("model_declined", format!("the model declined: {}", beginning(&words))))
        }
        _ => Ok(answer),
    }
}
