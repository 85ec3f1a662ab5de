//! Words of captions and instructions: how they are told apart, counted and looked for. English, and plain: no grammar is known.

/// The words of a text in lower case: runs of letters and digits, with the hyphens and apostrophes inside them. A `'s` at the
/// end is dropped: `the dog's tail` names a dog.
pub fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase().replace('\u{2019}', "'");
    let part = |letter: char| !(letter.is_alphanumeric() || letter == '-' || letter == '\'');
    let trim = |word: &str| {
        let word = word.trim_matches(|letter| letter == '-' || letter == '\'');
        word.strip_suffix("'s").unwrap_or(word).to_owned()
    };
    lower.split(part).map(trim).filter(|word| !word.is_empty()).collect()
}

/// As [`words`], with what hyphens join taken apart: `top-left` tells of both.
pub fn parts(text: &str) -> Vec<String> {
    let apart = |word: String| word.split('-').map(str::to_owned).collect::<Vec<_>>();
    words(text).into_iter().flat_map(apart).filter(|part| !part.is_empty()).collect()
}

/// How many words there are between blanks: what limits are counted in.
pub fn count(text: &str) -> usize {
    text.split_whitespace().count()
}

/// Whether the noun stands in the text, its words together and whole, in any case: `dog` stands in `The Dog.`, not in `hotdog`.
pub fn names(text: &str, noun: &str) -> bool {
    let (text, noun) = (words(text), words(noun));
    !noun.is_empty() && text.windows(noun.len()).any(|some| some == noun)
}

/// The word of a noun phrase that says what kind of thing it is: `tie` of `a red bow tie`, `cup` of `cup of coffee`.
pub fn head(phrase: &str) -> Option<String> {
    const AFTER: [&str; 14] = [
        "of", "with", "in", "on", "at", "from", "under", "behind", "beside", "near", "for", "and", "wearing",
        "made",
    ];
    let words = words(phrase);
    let end = words.iter().skip(1).position(|word| AFTER.contains(&word.as_str()));
    let end = end.map_or(words.len(), |at| at + 1);
    words[..end].last().cloned()
}

/// A phrase without the article that it opens with.
///
/// ```
/// use operators::edit_plan::words::without_article;
/// assert_eq!(without_article("A blue star"), "blue star");
/// assert_eq!(without_article("anchor"), "anchor");
/// ```
pub fn without_article(phrase: &str) -> &str {
    let article = |word: &&str| ["a", "an", "the"].contains(&word.to_lowercase().as_str());
    match phrase.split_once(' ') {
        Some((first, rest)) if article(&first) => rest.trim_start(),
        _ => phrase,
    }
}

/// Whether two words are one but for a plural's ending.
pub fn same_kind(a: &str, b: &str) -> bool {
    let stem = |word: &str| {
        let ies = word.strip_suffix("ies").map(|stem| format!("{stem}y"));
        ies.unwrap_or_else(|| {
            let word = word.strip_suffix('s').unwrap_or(word);
            word.strip_suffix('e').unwrap_or(word).to_owned()
        })
    };
    a == b || stem(a) == stem(b)
}

/// The words that carry a meaning of their own: no articles, prepositions, auxiliaries.
pub fn telling(text: &str) -> Vec<String> {
    const OTHERS: [&str; 34] = [
        "the", "and", "with", "into", "from", "that", "this", "its", "for", "are", "is", "a", "an", "of",
        "to", "in", "on", "at", "by", "as", "it", "be", "or", "all", "any", "each", "but", "not", "over",
        "under", "has", "have", "their", "them",
    ];
    words(text).into_iter().filter(|word| !OTHERS.contains(&word.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_stand_whole_and_in_any_case() {
        assert!(names("A Bow Tie, red.", "bow tie"));
        assert!(names("the dog\u{2019}s tail", "dog"));
        assert!(!names("a hotdog", "dog") && !names("a bow and a tie", "bow tie") && !names("dog", " "));
        assert!(names("a T-shirt", "t-shirt"));
        assert!(names("the \u{2018}dog\u{2019} - or 'cat'", "cat") && names("the 'cat' sign", "cat"));
        assert_eq!(words("-- 'well-known' - dogs' --"), ["well-known", "dogs"]);
        assert_eq!(parts("top-left, right-hand"), ["top", "left", "right", "hand"]);
        assert_eq!(count(" one  two-three four. "), 3);
    }

    #[test]
    fn the_head_is_the_kind() {
        let heads = [("a red bow tie", "tie"), ("cup of coffee", "cup"), ("dog", "dog")];
        for (phrase, kind) in heads {
            assert_eq!(head(phrase).as_deref(), Some(kind));
        }
        assert_eq!(head("  "), None);
        assert!(same_kind("cars", "car") && same_kind("berries", "berry") && same_kind("boxes", "box"));
        assert!(!same_kind("car", "cat"));
    }

    #[test]
    fn telling_words_are_what_remains() {
        assert_eq!(telling("A vase of the flowers"), ["vase", "flowers"]);
    }
}
