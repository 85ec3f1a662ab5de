//! The words that the embedded editor knows: colours, things that it can draw, looks, grounds and styles.

use threshflow::row::Refusal;

/// Colours by name, in sRGB.
pub const COLOURS: [(&str, [u8; 3]); 13] = [
    ("red", [208, 36, 36]),
    ("orange", [238, 130, 30]),
    ("yellow", [244, 208, 50]),
    ("green", [52, 158, 70]),
    ("teal", [28, 142, 142]),
    ("blue", [42, 94, 204]),
    ("purple", [124, 66, 182]),
    ("pink", [236, 110, 172]),
    ("brown", [122, 78, 44]),
    ("gold", [212, 166, 48]),
    ("white", [244, 244, 240]),
    ("grey", [132, 134, 138]),
    ("black", [30, 30, 34]),
];

/// What `replace` can draw where it is given no reference: pictograms, in any of the [`COLOURS`].
pub fn drawable() -> &'static [&'static str] {
    &["star", "heart", "balloon", "box", "pot", "umbrella", "mushroom", "tent", "barrel", "flower"]
}

/// What `adjust` can do besides changing a colour.
pub fn looks() -> &'static [&'static str] {
    &["darker", "brighter", "striped", "spotted", "metallic"]
}

/// What `background` can paint.
pub fn grounds() -> &'static [&'static str] {
    &[
        "a starry night sky",
        "a sunset sky",
        "a clear blue sky",
        "a plain grey studio backdrop",
        "a plain white wall",
        "a green meadow",
        "a sandy desert",
        "a snowy field",
        "a calm blue sea",
        "a brick wall",
    ]
}

/// What `style` can make of a picture.
pub fn styles() -> &'static [&'static str] {
    &[
        "pencil sketch",
        "oil painting",
        "watercolour",
        "pixel art",
        "black and white photograph",
        "sepia photograph",
        "pop art",
        "comic",
    ]
}

/// A colour that stands in `text` as a word of its own, the first if there are several.
pub fn colour_in(text: &str) -> Option<(&'static str, [u8; 3])> {
    words(text).iter().find_map(|word| {
        let word = match word.as_str() {
            "gray" => "grey",
            "golden" => "gold",
            word => word,
        };
        COLOURS.into_iter().find(|(name, _)| *name == word)
    })
}

/// The last of `names` that stands in `text`, as whole words: what a noun phrase is about stands at its end.
pub fn name_in(names: &[&'static str], text: &str) -> Option<&'static str> {
    let text = format!(" {} ", words(text).join(" "));
    let place = |name: &str| text.rfind(&format!(" {} ", without_article(name)));
    names.iter().filter_map(|&name| place(name).map(|at| (at, name))).max().map(|(_, name)| name)
}

fn without_article(name: &str) -> &str {
    name.strip_prefix("a ").unwrap_or(name)
}

fn words(text: &str) -> Vec<String> {
    let parts = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    parts.map(str::to_lowercase).map(|word| if word == "gray" { "grey".to_owned() } else { word }).collect()
}

/// That `text` names nothing of what is allowed.
pub fn unknown(what: &str, text: &str, allowed: &[&str]) -> Refusal {
    let message = format!("the embedded editor finds no {what} in '{text}': it knows {}", allowed.join(", "));
    Refusal::permanent("cannot_paint", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_as_whole_words() {
        assert_eq!(colour_in("a Blue star").map(|(name, _)| name), Some("blue"));
        assert_eq!(colour_in("a bored gray-haired man").map(|(name, _)| name), Some("grey"));
        assert_eq!(name_in(drawable(), "a blue star"), Some("star"));
        assert_eq!(name_in(drawable(), "a box with a heart."), Some("heart"));
        assert_eq!(name_in(drawable(), "a starfish"), None);
        assert_eq!(name_in(grounds(), "Starry night sky"), Some("a starry night sky"));
        assert_eq!(name_in(styles(), "a Black-and-white photograph"), Some("black and white photograph"));
    }

    #[test]
    fn every_name_finds_itself() {
        for names in [drawable(), looks(), grounds(), styles()] {
            for name in names {
                assert_eq!(name_in(names, name), Some(*name));
            }
        }
        for (name, rgb) in COLOURS {
            assert_eq!(colour_in(name), Some((name, rgb)));
        }
    }
}
