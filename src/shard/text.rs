//! Text from files that others wrote: UTF-8, UTF-16 and UTF-32 with or without a byte-order mark, otherwise Windows-1252.
//!
//! The rules for JSON are those of Python's `json.loads`. What a rule had to guess, and what Unicode cannot hold, is reported. The rules
//! are small enough for a table here: `encoding_rs` has no UTF-32, and no rule for which encoding a file is in.

use std::borrow::Cow;

/// Bytes as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// Without a byte-order mark.
    pub text: Cow<'a, str>,
    /// What the text is not to the letter: it was read as Windows-1252 for want of a better guess, or has a replacement
    /// character (U+FFFD) where the file has what is no character. `None` where it is exact.
    pub told: Option<String>,
}

/// What the bytes are known to hold, which says how an encoding without a mark can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    /// Its first two characters are ASCII.
    Json,
    /// Anything; it has no reason to hold NULs.
    Prose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16 { big: bool },
    Utf32 { big: bool },
}

impl Encoding {
    fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "UTF-8",
            Encoding::Utf16 { .. } => "UTF-16",
            Encoding::Utf32 { .. } => "UTF-32",
        }
    }

    /// By the byte-order mark, which is taken off.
    fn marked(bytes: &[u8]) -> Option<(Self, &[u8])> {
        // The mark of UTF-32 begins with that of UTF-16.
        const MARKS: [(&[u8], Encoding); 5] = [
            (b"\xff\xfe\0\0", Encoding::Utf32 { big: false }),
            (b"\0\0\xfe\xff", Encoding::Utf32 { big: true }),
            (b"\xff\xfe", Encoding::Utf16 { big: false }),
            (b"\xfe\xff", Encoding::Utf16 { big: true }),
            (b"\xef\xbb\xbf", Encoding::Utf8),
        ];
        MARKS.iter().find_map(|(mark, encoding)| Some((*encoding, bytes.strip_prefix(*mark)?)))
    }

    /// By where the NULs of two ASCII characters lie (RFC 4627), as Python has it.
    fn of_json(bytes: &[u8]) -> Self {
        match bytes {
            [0, 0, _, _, ..] => Encoding::Utf32 { big: true },
            [0, _, _, _, ..] | [0, _] => Encoding::Utf16 { big: true },
            [_, 0, 0, 0, ..] => Encoding::Utf32 { big: false },
            [_, 0, _, _, ..] | [_, 0] => Encoding::Utf16 { big: false },
            _ => Encoding::Utf8,
        }
    }

    /// By where the NULs of the text lie: prose has none in UTF-8, and one beside every ASCII letter in UTF-16.
    fn of_prose(bytes: &[u8]) -> Self {
        let nuls_at = |place: usize, of: usize| {
            let letters = bytes.chunks_exact(of);
            letters.filter(|letter| letter.get(place) == Some(&0)).count()
        };
        let nuls = bytes.iter().filter(|&&byte| byte == 0).count();
        if nuls == 0 || !bytes.len().is_multiple_of(2) {
            return Encoding::Utf8;
        }
        let all = bytes.len() / 4;
        if bytes.len().is_multiple_of(4) && nuls_at(3, 4) == all && nuls_at(2, 4) >= all.div_ceil(2) {
            return Encoding::Utf32 { big: false };
        }
        if bytes.len().is_multiple_of(4) && nuls_at(0, 4) == all && nuls_at(1, 4) >= all.div_ceil(2) {
            return Encoding::Utf32 { big: true };
        }
        // A stray NUL in UTF-8 is not enough.
        let is_likely = nuls * 3 > bytes.len() || std::str::from_utf8(bytes).is_err();
        // Few characters have a zero for their lower half.
        match (nuls_at(0, 2), nuls_at(1, 2)) {
            (even, odd) if is_likely && odd > even * 2 => Encoding::Utf16 { big: false },
            (even, odd) if is_likely && even > odd * 2 => Encoding::Utf16 { big: true },
            _ => Encoding::Utf8,
        }
    }
}

/// Decodes text that is JSON, or prose such as a caption.
pub fn decode(bytes: &[u8], holding: Holding) -> Decoded<'_> {
    let (encoding, bytes) = Encoding::marked(bytes).unwrap_or_else(|| match holding {
        Holding::Json => (Encoding::of_json(bytes), bytes),
        Holding::Prose => (Encoding::of_prose(bytes), bytes),
    });
    let (text, replaced) = match encoding {
        Encoding::Utf8 => match std::str::from_utf8(bytes) {
            Ok(text) => (Cow::Borrowed(text), 0),
            Err(_) => match utf8(bytes) {
                Some((text, replaced)) => (Cow::Owned(text), replaced),
                None => {
                    let told = "it is not UTF-8, and was read as Windows-1252".to_owned();
                    return Decoded { text: Cow::Owned(windows_1252(bytes)), told: Some(told) };
                }
            },
        },
        Encoding::Utf16 { big } => owned(utf16(bytes, big)),
        Encoding::Utf32 { big } => owned(utf32(bytes, big)),
    };
    let told = (replaced > 0).then(|| {
        let places = if replaced == 1 { "place of it is" } else { "places of it are" };
        format!("{replaced} {places} not {}; U+FFFD stands there", encoding.name())
    });
    Decoded { text, told }
}

fn owned((text, replaced): (String, usize)) -> (Cow<'static, str>, usize) {
    (Cow::Owned(text), replaced)
}

/// Broken UTF-8, and how often it had to be mended; `None` where nothing in it speaks for UTF-8: then it is something else.
fn utf8(mut bytes: &[u8]) -> Option<(String, usize)> {
    let (mut text, mut replaced, mut speaks_for_it) = (String::with_capacity(bytes.len()), 0, false);
    while !bytes.is_empty() {
        let (valid, rest) = match std::str::from_utf8(bytes) {
            Ok(valid) => (valid, &[][..]),
            Err(error) => {
                let (valid, broken) = bytes.split_at(error.valid_up_to());
                // A surrogate by itself, as Python's `surrogatepass` writes it, is one character that is none.
                let surrogate = matches!(broken, [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..]);
                let len = if surrogate { 3 } else { error.error_len().unwrap_or(broken.len()) };
                speaks_for_it |= surrogate;
                (std::str::from_utf8(valid).unwrap_or_default(), broken.get(len..).unwrap_or_default())
            }
        };
        speaks_for_it |= !valid.is_ascii();
        text.push_str(valid);
        if valid.len() < bytes.len() {
            text.push(char::REPLACEMENT_CHARACTER);
            replaced += 1;
        }
        bytes = rest;
    }
    speaks_for_it.then_some((text, replaced))
}

fn utf16(bytes: &[u8], big: bool) -> (String, usize) {
    let unit = |pair: &[u8]| match pair {
        [a, b] if big => u16::from_be_bytes([*a, *b]),
        [a, b] => u16::from_le_bytes([*a, *b]),
        // Half a unit at the end: a surrogate by itself, so that it is seen.
        _ => 0xd800,
    };
    gathered(char::decode_utf16(bytes.chunks(2).map(unit)).map(Result::ok))
}

fn utf32(bytes: &[u8], big: bool) -> (String, usize) {
    let letter = |four: &[u8]| {
        let four: [u8; 4] = four.try_into().ok()?;
        char::from_u32(if big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) })
    };
    gathered(bytes.chunks(4).map(letter))
}

fn gathered(letters: impl Iterator<Item = Option<char>>) -> (String, usize) {
    let mut replaced = 0;
    let whole = |letter: Option<char>| {
        letter.unwrap_or_else(|| {
            replaced += 1;
            char::REPLACEMENT_CHARACTER
        })
    };
    (letters.map(whole).collect(), replaced)
}

/// Of the bytes 0x80 to 0x9f; the five that Windows-1252 has no character for are replacement characters.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{fffd}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{fffd}', 'Ž', '\u{fffd}',
    '\u{fffd}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{fffd}', 'ž', 'Ÿ',
];

fn windows_1252(bytes: &[u8]) -> String {
    let letter = |byte: &u8| match byte {
        0x80..=0x9f => WINDOWS_1252[usize::from(byte - 0x80)],
        // The rest is Latin-1, and so Unicode's own.
        byte => char::from(*byte),
    };
    bytes.iter().map(letter).collect()
}
