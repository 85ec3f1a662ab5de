//! Articles, plurals, lists: the parts that phrases are made of.

use crate::plan::edit_plan::words::words;

/// The phrase with `a` or `an` before it; a plural and what has an article already stay as they are.
pub(super) fn with_article(phrase: &str) -> String {
    let first = words(phrase).into_iter().next().unwrap_or_default();
    if matches!(first.as_str(), "a" | "an" | "the") || is_plural(phrase) {
        return phrase.to_owned();
    }
    format!("{} {phrase}", article(&first))
}

/// By the letter, but for the usual words whose sound differs from it.
fn article(word: &str) -> &'static str {
    const AN: [&str; 4] = ["hour", "heir", "honest", "honour"];
    const A: [&str; 6] = ["uni", "use", "eu", "one", "ukulele", "uk"];
    let opens = |known: &[&str]| known.iter().any(|known| word.starts_with(known));
    let vowel = word.starts_with(['a', 'e', 'i', 'o', 'u']);
    if opens(&AN) || (vowel && !opens(&A)) { "an" } else { "a" }
}

/// Whether a noun looks like a plural: `mountains`, not `bus` nor `glass`.
pub(super) fn is_plural(noun: &str) -> bool {
    const PLURALS: [&str; 8] = ["people", "children", "men", "women", "feet", "teeth", "geese", "mice"];
    const SINGULARS: [&str; 4] = ["canvas", "atlas", "lens", "gas"];
    let last = words(noun).pop().unwrap_or_default();
    let ending = last.len() > 3 && last.ends_with('s');
    let single = ["ss", "us", "is"].iter().any(|ending| last.ends_with(ending));
    PLURALS.contains(&last.as_str()) || (ending && !single && !SINGULARS.contains(&last.as_str()))
}

/// The plural of a noun. What isn't spelt in small Latin letters, or is a plural already, stays as it is.
pub(super) fn plural(noun: &str) -> String {
    const IRREGULAR: [(&str, &str); 21] = [
        ("man", "men"),
        ("woman", "women"),
        ("child", "children"),
        ("person", "people"),
        ("foot", "feet"),
        ("tooth", "teeth"),
        ("goose", "geese"),
        ("mouse", "mice"),
        ("knife", "knives"),
        ("shelf", "shelves"),
        ("bookshelf", "bookshelves"),
        ("leaf", "leaves"),
        ("wolf", "wolves"),
        ("calf", "calves"),
        ("scarf", "scarves"),
        ("sheep", "sheep"),
        ("deer", "deer"),
        ("moose", "moose"),
        ("fish", "fish"),
        ("potato", "potatoes"),
        ("tomato", "tomatoes"),
    ];
    if let Some((kind, of)) = noun.split_once(" of ") {
        return format!("{} of {of}", plural(kind));
    }
    let latin = noun.ends_with(|letter: char| letter.is_ascii_lowercase());
    if !latin || is_plural(noun) {
        return noun.to_owned();
    }
    let (before, last) = noun.rsplit_once(' ').unwrap_or(("", noun));
    if let Some((_, plural)) = IRREGULAR.iter().find(|(single, _)| *single == last) {
        return spaced(&[before, plural]);
    }
    let hissing = ["s", "x", "z", "ch", "sh"].iter().any(|ending| noun.ends_with(ending));
    let before_y = noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    match (hissing, before_y) {
        (true, _) => format!("{noun}es"),
        (_, Some(stem)) => format!("{stem}ies"),
        _ => format!("{noun}s"),
    }
}

/// `two`, up to `twelve`; then digits.
pub(super) fn number(count: usize) -> String {
    const NAMES: [&str; 13] = [
        "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve",
    ];
    NAMES.get(count).map_or_else(|| count.to_string(), |name| (*name).to_owned())
}

/// `a, b and c`.
pub(super) fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// The parts that say something, with blanks between them.
pub(super) fn spaced(parts: &[&str]) -> String {
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn articles_fit_the_sound() {
        let known = [
            ("car", "a car"),
            ("apple", "an apple"),
            ("Apple", "an Apple"),
            ("hour glass", "an hour glass"),
            ("unicorn", "a unicorn"),
            ("umbrella", "an umbrella"),
            ("猫", "a 猫"),
            ("mountains", "mountains"),
            ("the sea", "the sea"),
            ("glass", "a glass"),
            ("bus", "a bus"),
            ("lens", "a lens"),
        ];
        for (noun, phrase) in known {
            assert_eq!(with_article(noun), phrase);
        }
    }

    #[test]
    fn plurals_are_spelt_as_usual() {
        let known = [
            ("car", "cars"),
            ("fire truck", "fire trucks"),
            ("box", "boxes"),
            ("berry", "berries"),
            ("toy", "toys"),
            ("bench", "benches"),
            ("bus", "buses"),
            ("hills", "hills"),
            ("猫", "猫"),
            ("BMX", "BMX"),
            ("old man", "old men"),
            ("glass of water", "glasses of water"),
        ];
        for (noun, phrase) in known {
            assert_eq!(plural(noun), phrase);
        }
    }

    #[test]
    fn lists_and_numbers_read_well() {
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
        assert_eq!((number(2), number(13)), ("two".to_owned(), "13".to_owned()));
        assert_eq!(spaced(&["the", "", "car"]), "the car");
    }
}
