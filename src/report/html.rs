//! HTML as text: escaping, numbers, and the page's frame.

use std::fmt::Write;

use base64::Engine;

/// Text as it may stand between tags and in quoted attributes. Control characters, which XML forbids, become `�`.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' => escaped.push(' '),
            letter if letter.is_control() || is_bidi_control(letter) => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Characters that turn the direction of the text around them: a key could make the page read otherwise than it is.
fn is_bidi_control(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text's beginning, where it is longer than `most` characters.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// A score with at most four digits behind the point, and no more than it needs.
pub(super) fn number(value: f32) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A score beside a threshold: in full where rounding would make the two look the same.
pub(super) fn number_beside(value: f32, threshold: f32) -> String {
    let rounded = number(value);
    if value != threshold && rounded == number(threshold) { value.to_string() } else { rounded }
}

/// A count with its thousands apart: `1 234 567`, the spaces thin and not broken at.
pub(super) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A share of a whole: `12.5 %`, and nothing of nothing.
pub(super) fn percent(part: u64, whole: u64) -> String {
    match whole {
        0 => "–".to_owned(),
        whole => format!("{:.1}\u{202f}%", 100.0 * part as f64 / whole as f64),
    }
}

/// A picture that lies in the page itself.
pub(super) fn data_uri(media_type: &str, bytes: &[u8]) -> String {
    let mut uri = format!("data:{media_type};base64,");
    base64::engine::general_purpose::STANDARD.encode_string(bytes, &mut uri);
    uri
}

/// `#1a2b3c`.
pub(super) fn colour([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// The whole page around its body.
pub(super) fn frame(title: &str, body: &str) -> String {
    let mut page = String::with_capacity(body.len() + STYLE.len() + 1000);
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; \
         style-src 'unsafe-inline'\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        escape(title)
    );
    page
}

const STYLE: &str = include_str!("style.css");
