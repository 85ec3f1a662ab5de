//! Whether an instruction names an object.

/// Whether `text` has the noun to the letter, or else its head: the last word of it, or of what stands before `of`; one or many
/// of it alike.
pub(crate) fn names(text: &str, noun: &str) -> bool {
    let (text, noun) = (text.to_lowercase(), noun.to_lowercase());
    let said: Vec<&str> = words(&text).map(stem).collect();
    let nouns: Vec<&str> = words(&noun).map(stem).collect();
    if nouns.is_empty() {
        return true;
    }
    // Some scripts put nothing between words.
    if !noun.is_ascii() && text.contains(noun.trim()) {
        return true;
    }
    let before_of = nouns.iter().position(|word| *word == "of").and_then(|at| nouns.get(at.checked_sub(1)?));
    before_of.into_iter().chain(nouns.last()).any(|head| said.contains(head))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Without what makes a plural of it, again and again: `glasses`, `glass` and `glas` are one.
fn stem(word: &str) -> &str {
    let without = |end: &&str| word.strip_suffix(*end).filter(|stem| stem.len() >= 2);
    ["ies", "es", "s", "y", "e"].iter().find_map(without).map_or(word, stem)
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_noun_is_named_by_its_head_in_any_number() {
        for (text, noun) in [
            ("Remove the red car at the left.", "red car"),
            ("remove the cars", "red car"),
            ("Remove the group in the middle", "group of people"),
            ("remove the people snowshoeing", "group of people"),
            ("paint the boxes blue", "box"),
            ("replace the berry", "berries"),
            ("remove the wine glasses", "glass"),
            ("remove the ties", "bow tie"),
            ("去掉汽车吧", "汽车"),
        ] {
            assert!(names(text, noun), "{text} / {noun}");
        }
        for (text, noun) in [
            ("remove the red bicycle", "red car"),
            ("make it scarlet", "car"),
            ("", "car"),
            ("carry on", "car"),
            ("去掉汽车吧", "狗"),
        ] {
            assert!(!names(text, noun), "{text} / {noun}");
        }
    }
}
