//! Prompts are files of their own with named gaps, `{caption}`; here they are filled.

/// The template with every `{name}` replaced. What is put in is never looked into again: a caption may hold braces.
pub(super) fn fill(template: &str, gaps: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let gap = after.split_once('}').and_then(|(name, after)| {
            let (_, text) = gaps.iter().find(|(known, _)| *known == name)?;
            Some((text, after))
        });
        match gap {
            Some((text, after)) => {
                filled.push_str(text);
                rest = after;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled.trim_end().to_owned()
}

/// The hash of prompts, for a stamp: of each its length and its text.
pub(super) fn version<'a>(prompts: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    for prompt in prompts {
        hasher.update(&(prompt.len() as u64).to_le_bytes());
        hasher.update(prompt.as_bytes());
    }
    hasher.finalize().as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_once() {
        let filled = fill("a {one} {two} {\"json\": 1} {", &[("one", "{two}"), ("two", "2")]);
        assert_eq!(filled, "a {two} 2 {\"json\": 1} {");
    }

    #[test]
    fn a_version_tells_prompts_apart() {
        assert_ne!(version(["ab", "c"]), version(["a", "bc"]));
        assert_eq!(version(["ab"]), version(["ab"]));
    }
}
