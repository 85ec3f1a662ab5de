//! Texts out of a Python file: `NAME = """…"""` at the beginning of a line. Nothing is run; what is computed is not there.

use std::collections::BTreeMap;

/// The texts by name. Escapes are read as Python reads them; a raw text (`r"""`) has none. The error is a text without an end.
pub(super) fn texts(source: &str) -> Result<BTreeMap<String, String>, String> {
    let (mut found, mut at) = (BTreeMap::new(), 0);
    while at < source.len() {
        let line = &source[at..];
        match assignment(line) {
            None => at += line.find('\n').map_or(line.len(), |end| end + 1),
            Some((name, raw, start, quote)) => {
                let body = &line[start..];
                let end = closing(body, quote).ok_or_else(|| format!("the text {name} has no end"))?;
                let text = if raw { body[..end].to_owned() } else { unescaped(&body[..end]) };
                // As Python has it: the later one counts.
                found.insert(name.to_owned(), text);
                at += start + end + quote.len();
            }
        }
    }
    Ok(found)
}

/// The name of an assignment that a line opens with, whether its text is raw, where it begins, and what ends it.
fn assignment(line: &str) -> Option<(&str, bool, usize, &'static str)> {
    let named = line.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))?;
    let name = &line[..named];
    if name.is_empty() || name.starts_with(|letter: char| letter.is_ascii_digit()) {
        return None;
    }
    let rest =
        line[named..].trim_start_matches([' ', '\t']).strip_prefix('=')?.trim_start_matches([' ', '\t']);
    let (raw, rest) = match rest.strip_prefix(['r', 'R']) {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let quote = ["\"\"\"", "'''"].into_iter().find(|quote| rest.starts_with(quote))?;
    Some((name, raw, line.len() - rest.len() + quote.len(), quote))
}

/// Where the text ends: at three quotes that no backslash stands before.
fn closing(body: &str, quote: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let next = body[from..].find(['\\', '"', '\''])? + from;
        if body[next..].starts_with(quote) {
            return Some(next);
        }
        let escaped = body[next..].starts_with('\\').then(|| body[next + 1..].chars().next()).flatten();
        from = next + 1 + escaped.map_or(0, char::len_utf8);
    }
}

fn unescaped(text: &str) -> String {
    let (mut plain, mut letters) = (String::with_capacity(text.len()), text.chars());
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            plain.push(letter);
            continue;
        }
        match letters.next() {
            Some('\n') => {}
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some(same @ ('\\' | '\'' | '"')) => plain.push(same),
            Some(other) => plain.extend(['\\', other]),
            None => plain.push('\\'),
        }
    }
    plain
}
