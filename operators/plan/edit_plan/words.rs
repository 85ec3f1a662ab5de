//! Words of captions and instructions: how they are told apart, counted and looked for. No grammar is known, and of languages no
//! more than that some put no blanks between words.

/// The words of a text in lower case: runs of letters and digits, with the hyphens and apostrophes inside them. A `'s` at the
/// end is dropped: `the dog's tail` names a dog. Of scripts that put no blanks between words, and of Korean, which puts particles
/// behind them, every letter is a word of its own.
pub fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase().replace('\u{2019}', "'");
    let part =
        |letter: char| !(letter.is_alphanumeric() || is_mark(letter) || letter == '-' || letter == '\'');
    let trim = |word: &str| {
        let word = word.trim_matches(|letter| letter == '-' || letter == '\'');
        word.strip_suffix("'s").unwrap_or(word).to_owned()
    };
    lower.split(part).flat_map(apart).map(trim).filter(|word| !word.is_empty()).collect()
}

/// A run of letters, cut before and behind each letter that may be a word by itself.
fn apart(run: &str) -> Vec<&str> {
    let mut cut = Vec::new();
    let (mut from, mut alone) = (0, false);
    for (at, letter) in run.char_indices() {
        if is_mark(letter) {
            continue;
        }
        let was_alone = std::mem::replace(&mut alone, stands_alone(letter));
        if at > 0 && (alone || was_alone) {
            cut.push(&run[from..at]);
            from = at;
        }
    }
    cut.push(&run[from..]);
    cut
}

/// Whether nothing parts this letter from its neighbours where a word begins or ends: Chinese, Japanese, Thai, Lao, Khmer and
/// Burmese put no blanks there, Korean puts particles.
pub fn stands_alone(letter: char) -> bool {
    sixths_of_a_word(letter) > 0 || matches!(letter, '\u{1100}'..='\u{11ff}' | '\u{ac00}'..='\u{d7a3}')
}

/// Whether it is written above, below or behind the letter before it, and belongs to that one: Thai vowels and tones, Japanese
/// voicing.
pub fn is_mark(letter: char) -> bool {
    matches!(letter,
        '\u{300}'..='\u{36f}' | '\u{e31}' | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}' | '\u{eb1}'
        | '\u{eb4}'..='\u{ebc}' | '\u{ec8}'..='\u{ece}' | '\u{102b}'..='\u{103e}' | '\u{1056}'..='\u{1059}'
        | '\u{17b4}'..='\u{17d3}' | '\u{17dd}' | '\u{3099}' | '\u{309a}')
}

/// What a letter of a script without blanks is of a word, about: two thirds in Chinese and Japanese, a third where an alphabet is
/// written. 0 for all other letters.
fn sixths_of_a_word(letter: char) -> usize {
    match letter {
        _ if is_mark(letter) => 0,
        '\u{e01}'..='\u{e4f}' | '\u{e81}'..='\u{edf}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17dc}' => {
            2
        }
        '\u{2e80}'..='\u{2fdf}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3041}'..='\u{312f}'
        | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ff9f}'
        | '\u{20000}'..='\u{3ffff}' => 4,
        _ => 0,
    }
}

/// As [`words`], with what hyphens join taken apart: `top-left` tells of both.
pub fn parts(text: &str) -> Vec<String> {
    let apart = |word: String| word.split('-').map(str::to_owned).collect::<Vec<_>>();
    words(text).into_iter().flat_map(apart).filter(|part| !part.is_empty()).collect()
}

/// How many words there are, letter by letter.
#[derive(Clone, Copy, Default)]
struct Counter {
    /// Before the piece between blanks that is being read.
    words: usize,
    /// Of that piece: runs of other letters, sixths of words without blanks, and whether it is a sign only.
    runs: usize,
    sixths: usize,
    signs: bool,
    inside: bool,
}

impl Counter {
    fn read(mut self, letter: char) -> Self {
        let sixths = sixths_of_a_word(letter);
        if letter.is_whitespace() {
            return Counter { words: self.count(), ..Counter::default() };
        } else if is_mark(letter) {
            return self;
        } else if sixths > 0 {
            self.sixths += sixths;
            self.inside = false;
        } else if letter.is_alphanumeric() && !self.inside {
            // Of letters that signs part, such as `T-shirt`, the first counts for all.
            self.runs += usize::from(self.runs == 0 || self.sixths > 0);
            self.inside = true;
        } else {
            self.signs = true;
        }
        self
    }

    fn count(&self) -> usize {
        let piece = self.runs + self.sixths.div_ceil(6);
        self.words + piece.max(usize::from(self.signs))
    }
}

/// How many words there are between blanks: what limits are counted in. Where a script has no blanks, as many as its letters come
/// to: two words for three Chinese or Japanese letters, one for three Thai ones.
///
/// ```
/// use operators::plan::edit_plan::words::count;
/// assert_eq!((count("a T-shirt - red."), count("一只猫坐在沙发上。"), count("แมวนอนบนโซฟา")), (4, 6, 4));
/// ```
pub fn count(text: &str) -> usize {
    text.chars().fold(Counter::default(), Counter::read).count()
}

/// The beginning of a text that has so many words at most, with single blanks in it.
pub fn first(text: &str, most: usize) -> String {
    let mut beginning = String::new();
    let mut counter = Counter::default();
    for word in text.split_whitespace() {
        let mut read = word.chars().fold(counter, Counter::read);
        if read.count() > most {
            // Only where letters are words it may end within.
            let mut end = 0;
            read = counter;
            for (at, letter) in word.char_indices() {
                if stands_alone(letter) && sixths_of_a_word(letter) > 0 || is_mark(letter) {
                    read = read.read(letter);
                    if read.count() > most {
                        break;
                    }
                    end = at + letter.len_utf8();
                } else {
                    read = read.read(letter);
                }
            }
            if end > 0 {
                beginning.push_str(&word[..end]);
            }
            return beginning.trim_end().to_owned();
        }
        counter = read.read(' ');
        beginning.push_str(word);
        beginning.push(' ');
    }
    beginning.trim_end().to_owned()
}

/// Whether the noun stands in the text, its words together and whole, in any case: `dog` stands in `The Dog.`, not in `hotdog`.
/// Where nothing shows that a word is whole, its letters together will do: `猫` stands in `熊猫` as well.
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
/// use operators::plan::edit_plan::words::without_article;
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
    fn scripts_without_blanks_have_words_all_the_same() {
        assert!(names("一只猫坐在红色的沙发上。", "沙发") && names("一只猫坐在沙发上。", "猫"));
        assert!(!names("一只猫坐在沙发上。", "狗") && !names("一只猫坐在沙发上。", "沙上"));
        assert!(names("猫がソファの上で寝ている。", "ソファ") && names("แมวนอนอยู่บนโซฟาสีแดง", "โซฟา"));
        assert!(names("고양이가 소파 위에서 잔다", "고양이") && names("Remove the 狗 on the left.", "狗"));
        // Neither a vowel nor a tone is cut off its letter.
        assert!(!names("แมวนอนอยู่บนโซฟา", "อย") && names("แมวนอนอยู่บนโซฟา", "อยู่"));
        assert_eq!(words("T恤 and 2猫"), ["t", "恤", "and", "2", "猫"]);
        let counts = [
            ("", 0),
            ("一", 1),
            ("猫。", 1),
            ("一只猫在沙发上", 5),
            ("红色car。", 3),
            ("“一只猫”", 2),
            ("猫がソファの上で寝ている", 8),
            ("แมวนอนอยู่บนโซฟาสีแดง", 6),
            ("고양이가 소파 위에서 잔다", 4),
            ("- a -", 3),
            ("rock'n'roll", 1),
            ("top-left,right", 1),
        ];
        for (text, expected) in counts {
            assert_eq!(count(text), expected, "{text}");
        }
    }

    #[test]
    fn beginnings_have_no_more_words_than_they_may() {
        assert_eq!(first(" one  two three", 2), "one two");
        assert_eq!(first("一只猫坐在红色的沙发上。", 2), "一只猫");
        assert_eq!(first("see 一只猫坐在红色的沙发上", 3), "see 一只猫");
        assert_eq!(first("อยู่อยู่", 1), "อยู่อ");
        for text in ["一只猫。坐 在x红色 的", "a b-c d", "ที่นี่ ไหน", ". . .", "“猫” b"]
        {
            for most in 0..9 {
                let cut = first(text, most);
                assert!(count(&cut) <= most, "{cut:?} of {text:?}");
                assert_eq!(first(text, 99), text);
            }
        }
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
