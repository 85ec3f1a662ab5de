//! What ultralytics writes into a graph that it exports (ModelProto.metadata_props): names, size, task.
//!
//! Lists and dictionaries are written as Python prints them: `{0: 'person', 1: "driver's seat"}`, `[640, 640]`. JSON is read too. Source:
//! ultralytics `engine/exporter.py`.

use crate::onnx::Model;

/// What an export says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The labels, by class.
    pub(super) names: Option<Vec<String>>,
    /// The edge of its pictures, where they are squares.
    pub(super) size: Option<u32>,
    /// Whether it is an export of ultralytics, whose letterbox it then takes.
    pub(super) ultralytics: bool,
}

/// A value of Python's, of the kinds that stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Literal {
    Number(i64),
    Text(String),
    List(Vec<Literal>),
    Entries(Vec<(Literal, Literal)>),
}

/// Reads what the graph says of itself. `Err` says in words what of it can't be meant, or isn't a detector that is taken.
pub(super) fn read(model: &Model) -> Result<Told, String> {
    let of = |key: &str| model.metadata.get(key).map(String::as_str);
    let by_ultralytics = |key: &str| of(key).is_some_and(|text| text.to_lowercase().contains("ultralytics"));
    let signs = ["author", "description", "docs"].into_iter().any(by_ultralytics);
    let ultralytics = signs || (of("names").is_some() && of("stride").is_some());
    if let Some(task) = of("task").filter(|task| ultralytics && *task != "detect") {
        return Err(format!(
            "the graph's metadata says that its task is `{task}`, and only `detect` is taken"
        ));
    }
    if ultralytics && of("end2end").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        let why = "the graph's metadata says that it thins its boxes itself (end2end), and boxes before that are wanted";
        return Err(format!("{why}; export again without nms and end2end"));
    }
    let shortened = |text: &str| -> String { text.chars().take(60).collect() };
    let names = of("names").map(|text| {
        let wrong = || {
            format!(
                "the graph's metadata has the names {}; names by class from 0 on are wanted",
                shortened(text)
            )
        };
        literal(text).and_then(labels).ok_or_else(wrong)
    });
    let size = of("imgsz").filter(|_| ultralytics).map(|text| {
        let wrong = || {
            format!(
                "the graph's metadata has the imgsz {}; one length, or two that are the same, are taken",
                shortened(text)
            )
        };
        literal(text).and_then(edge).ok_or_else(wrong)
    });
    Ok(Told { names: names.transpose()?, size: size.transpose()?, ultralytics })
}

fn edge(value: Literal) -> Option<u32> {
    let length = match value {
        Literal::Number(length) => length,
        Literal::List(list) => match &list[..] {
            [Literal::Number(only)] => *only,
            [Literal::Number(height), Literal::Number(width)] if height == width => *height,
            _ => return None,
        },
        _ => return None,
    };
    u32::try_from(length).ok().filter(|length| (1..=4096).contains(length))
}

/// A list of names, or names by index from 0 on without gaps, in any order.
fn labels(value: Literal) -> Option<Vec<String>> {
    let text = |value: &Literal| match value {
        Literal::Text(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        _ => None,
    };
    let labels: Option<Vec<String>> = match &value {
        Literal::List(list) => list.iter().map(text).collect(),
        Literal::Entries(entries) => {
            let of = |index: usize| {
                let is = |key: &Literal| match key {
                    Literal::Number(number) => usize::try_from(*number) == Ok(index),
                    Literal::Text(text) => text.parse() == Ok(index),
                    _ => false,
                };
                let mut found = entries.iter().filter(|(key, _)| is(key));
                found.next().filter(|_| found.next().is_none()).and_then(|(_, name)| text(name))
            };
            (0..entries.len()).map(of).collect()
        }
        _ => None,
    };
    labels.filter(|labels| !labels.is_empty())
}

/// Reads one literal, which must be all of the text.
fn literal(text: &str) -> Option<Literal> {
    let mut letters = Letters { rest: text.trim() };
    let value = letters.value(0)?;
    letters.skip();
    letters.rest.is_empty().then_some(value)
}

/// A text that is being read.
struct Letters<'a> {
    rest: &'a str,
}

impl Letters<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn takes(&mut self, letter: char) -> bool {
        self.skip();
        let rest = self.rest.strip_prefix(letter);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn value(&mut self, depth: usize) -> Option<Literal> {
        if depth > 4 {
            return None;
        }
        self.skip();
        match self.rest.chars().next()? {
            '[' => self.list(']', depth),
            '(' => self.list(')', depth),
            '{' => self.entries(depth),
            quote @ ('\'' | '"') => self.text(quote),
            _ => {
                let end = self.rest.find(|letter: char| !letter.is_ascii_digit() && letter != '-');
                let (number, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                self.rest = rest;
                number.parse().ok().map(Literal::Number)
            }
        }
    }

    fn list(&mut self, end: char, depth: usize) -> Option<Literal> {
        self.rest = &self.rest[1..];
        let mut list = Vec::new();
        while !self.takes(end) {
            list.push(self.value(depth + 1)?);
            if !self.takes(',')
                && !{
                    self.skip();
                    self.rest.starts_with(end)
                }
            {
                return None;
            }
        }
        Some(Literal::List(list))
    }

    fn entries(&mut self, depth: usize) -> Option<Literal> {
        self.rest = &self.rest[1..];
        let mut entries = Vec::new();
        while !self.takes('}') {
            let key = self.value(depth + 1)?;
            if !self.takes(':') {
                return None;
            }
            entries.push((key, self.value(depth + 1)?));
            if !self.takes(',')
                && !{
                    self.skip();
                    self.rest.starts_with('}')
                }
            {
                return None;
            }
        }
        Some(Literal::Entries(entries))
    }

    fn text(&mut self, quote: char) -> Option<Literal> {
        let mut letters = self.rest[1..].chars();
        let mut text = String::new();
        loop {
            match letters.next()? {
                letter if letter == quote => break,
                '\\' => text.push(match letters.next()? {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    'x' => code(&mut letters, 2)?,
                    'u' => code(&mut letters, 4)?,
                    'U' => code(&mut letters, 8)?,
                    letter @ ('\\' | '\'' | '"' | '/') => letter,
                    _ => return None,
                }),
                letter => text.push(letter),
            }
        }
        self.rest = letters.as_str();
        Some(Literal::Text(text))
    }
}

/// A letter by its number, in so many hex digits.
fn code(letters: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let hex: String = letters.take(digits).collect();
    char::from_u32(u32::from_str_radix(&hex, 16).ok().filter(|_| hex.len() == digits)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Option<Vec<String>> {
        literal(text).and_then(labels)
    }

    #[test]
    fn names_are_read_as_python_writes_them() {
        let two = Some(vec!["cat".to_owned(), "dog's bowl".to_owned()]);
        for text in [
            r#"{0: 'cat', 1: "dog's bowl"}"#,
            r#"{1: "dog's bowl", 0: 'cat'}"#,
            r"{0: 'cat', 1: 'dog\'s bowl'}",
            r#"{"0": "cat", "1": "dog's bowl"}"#,
            r#"['cat', "dog's bowl"]"#,
            r#"("cat", "dog's bowl",)"#,
            "{0: 'cat',\n 1: 'dog\\x27s bowl', }",
        ] {
            assert_eq!(names(text), two, "{text}");
        }
        assert_eq!(names(r"{0: '\u732b'}"), Some(vec!["猫".to_owned()]));
        assert_eq!(names("{0: '猫'}"), Some(vec!["猫".to_owned()]));
        for text in [
            "",
            "{}",
            "[]",
            "{0: 'a', 2: 'b'}",
            "{0: 'a', 0: 'b'}",
            "{0: 'a'",
            "{0 'a'}",
            "['a' 'b']",
            "{0: ''}",
            "3",
            "'a'",
            "[[[[[[[['a']]]]]]]]",
            "['a'] x",
            r"{0: '\q'}",
            "{0: 7}",
        ] {
            assert_eq!(names(text), None, "{text}");
        }
    }

    #[test]
    fn a_size_is_one_length() {
        for (text, size) in [
            ("[640, 640]", Some(640)),
            ("640", Some(640)),
            ("[320]", Some(320)),
            ("[480, 640]", None),
            ("[0, 0]", None),
            ("[a]", None),
        ] {
            assert_eq!(literal(text).and_then(edge), size, "{text}");
        }
    }
}
