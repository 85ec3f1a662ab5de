//! Output on stdout and stderr. Failed writes end nothing: a full disk or a reader that left must not end a run.
//!
//! `println!` and `eprintln!` panic in such cases. [`say!`](crate::say!) and [`note!`](crate::note!) replace them, and clippy enforces it.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

/// Why stdout took no more, the first time.
static LOST: OnceLock<String> = OnceLock::new();

/// A line on stdout, as `println!` writes it.
#[macro_export]
macro_rules! say {
    ($($words:tt)*) => { $crate::say::out(format_args!($($words)*)) };
}

/// A line on stderr, as `eprintln!` writes it.
#[macro_export]
macro_rules! note {
    ($($words:tt)*) => { $crate::say::err(format_args!($($words)*)) };
}

/// See [`say!`](crate::say!).
pub fn out(line: fmt::Arguments<'_>) {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{}", harmless(&line.to_string())).and_then(|()| stdout.flush());
    // Who reads no more, as in `… | head`, wants no more.
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        LOST.get_or_init(|| error.to_string());
    }
}

/// See [`note!`](crate::note!).
pub fn err(line: fmt::Arguments<'_>) {
    // In one piece: several processes may write to one place.
    let _ = io::stderr().lock().write_all(format!("{}\n", harmless(&line.to_string())).as_bytes());
}

/// Without what commands a terminal: keys, captions and the words of servers come from anywhere. Line breaks and tabs stay; other
/// control characters are written as JSON writes them, so that JSON stays the same JSON.
pub fn harmless(text: &str) -> Cow<'_, str> {
    let commands = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    if !text.contains(commands) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match commands(letter) {
            true => clean.push_str(&format!("\\u{:04x}", u32::from(letter))),
            false => clean.push(letter),
        }
    }
    Cow::Owned(clean)
}

/// Why not all of what was said on stdout got there; `None` where it did, or where its reader had left.
pub fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_commands_a_terminal() {
        assert_eq!(harmless("a key\n\tand more ä"), "a key\n\tand more ä");
        assert_eq!(harmless("\x1b[2J\x1b]0;title\x07"), "\\u001b[2J\\u001b]0;title\\u0007");
        assert_eq!(harmless("a\rb\u{9b}31m\u{7f}"), "a\\u000db\\u009b31m\\u007f");
        let json = serde_json::json!({ "key": "\u{9b}2J" }).to_string();
        let same: serde_json::Value = serde_json::from_str(&harmless(&json)).unwrap();
        assert_eq!(same["key"], "\u{9b}2J");
    }
}
