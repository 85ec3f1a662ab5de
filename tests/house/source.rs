//! A source file, and what its code names of its own crate.

/// A file's path below the repository, and its text.
pub struct Source {
    pub path: String,
    pub text: String,
}

/// Where a path of modules leads: `["flow", "gate", "Gate"]`.
pub type Named = Vec<String>;

/// Crates that lie in the folder of another, the innermost first.
pub const NESTED: [&str; 9] = [
    "pipelines/edit_bench/stages",
    "pipelines/edit_bench",
    "pipelines/imgedit/stages",
    "pipelines/benchmarks",
    "pipelines/distinct",
    "pipelines/imgedit",
    "pipelines/kit",
    "pipelines/prepare",
    "pipelines/recap_mask",
];

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    /// The code: no comments, no unit tests at the end of the file.
    pub fn code(&self) -> String {
        let end = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        let line = |line: &str| match line.find("//") {
            // Not in a string such as "https://".
            Some(at) if !line[..at].ends_with(':') => line[..at].to_owned(),
            _ => line.to_owned(),
        };
        self.text[..end].lines().map(line).collect::<Vec<_>>().join("\n")
    }

    pub fn is_test(&self) -> bool {
        let unit_tests = self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.ends_with("/against_pillow.rs");
        self.path.starts_with("tests/") || unit_tests
    }

    /// The folder of its crate: `src`, `operators`, `pipelines/kit`.
    pub fn krate(&self) -> &str {
        let nested = NESTED
            .into_iter()
            .find(|krate| self.path.strip_prefix(krate).is_some_and(|below| below.starts_with('/')));
        nested.unwrap_or_else(|| self.path.split('/').next().unwrap_or_default())
    }

    /// The module that the file is: `["flow", "ask"]` for `src/flow/ask.rs`, `["onnx"]` for `operators/onnx/mod.rs`, none for a
    /// `lib.rs`.
    pub fn module(&self) -> Named {
        let below = self.path[self.krate().len()..].trim_start_matches('/');
        let below = below.strip_suffix(".rs").unwrap_or(below);
        let mut module: Named = below.split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| last == "mod" || module.len() == 1 && last == "lib") {
            module.pop();
        }
        module
    }

    /// What the code names of its crate by `crate::` or `super::`, as paths from the crate's root. Uses are taken apart:
    /// `crate::{flow::Flow, row}` names two. A path ends where no module can follow any more.
    pub fn named(&self) -> Vec<Named> {
        let (code, module) = (self.code(), self.module());
        let mut named = Vec::new();
        for (at, start) in starts(&code) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|letter| is_word(letter) || letter == '$' || letter == ':') {
                continue;
            }
            let mut rest = &code[at..];
            let mut path = if start == "crate::" { Vec::new() } else { module.clone() };
            match start {
                "crate::" => rest = &rest[start.len()..],
                _ => {
                    while let Some(up) = rest.strip_prefix("super::") {
                        path.pop();
                        rest = up;
                    }
                }
            }
            tree(rest, &path, &mut named);
        }
        named
    }
}

/// Where paths begin that lead somewhere in the crate.
fn starts(code: &str) -> Vec<(usize, &'static str)> {
    let of = |start: &'static str| code.match_indices(start).map(move |(at, _)| (at, start));
    of("crate::").chain(of("super::")).collect()
}

pub fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Adds the paths of a tree of uses, such as `a::{b::C, d}`, below `path`; gives what stands behind it.
fn tree<'a>(text: &'a str, path: &[String], named: &mut Vec<Named>) -> &'a str {
    let mut text = text.trim_start();
    if let Some(mut group) = text.strip_prefix('{') {
        loop {
            group = tree(group, path, named).trim_start();
            match group.strip_prefix(',') {
                Some(more) if !more.trim_start().starts_with('}') => group = more,
                Some(end) => return end.trim_start().trim_start_matches('}'),
                None => return group.strip_prefix('}').unwrap_or_default(),
            }
        }
    }
    let end = text.find(|letter| !is_word(letter)).unwrap_or(text.len());
    let mut path = path.to_vec();
    if end > 0 && &text[..end] != "self" {
        path.push(text[..end].to_owned());
    }
    text = &text[end..];
    match text.strip_prefix("::") {
        Some(below) if end > 0 => tree(below, &path, named),
        _ => {
            named.push(path);
            let behind = text.trim_start().strip_prefix("as ").map(str::trim_start);
            behind.map_or(text, |alias| alias.trim_start_matches(is_word))
        }
    }
}
