//! The words that the embedded editor knows: colours, things that it can draw, looks, grounds and styles.

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
