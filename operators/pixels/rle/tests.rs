//! Run lengths against pycocotools' and against a walk down the columns; strings that nobody vouches for.

use std::path::Path;

use super::*;

struct Known {
    mask: Mask,
    name: String,
    counts: String,
    area: u64,
    bounds: Option<[u32; 4]>,
}

/// The masks of tests/fixtures/make_rle.py.
fn known() -> Vec<Known> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/rle/masks.json");
    let all: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let number = |value: &serde_json::Value| value.as_u64().unwrap() as u32;
    let read = |entry: &serde_json::Value| {
        let (width, height) = (number(&entry["width"]), number(&entry["height"]));
        let mut mask = Mask::empty(width, height);
        for pixel in entry["inside"].as_array().into_iter().flatten() {
            mask.bits[(number(&pixel[1]) * width + number(&pixel[0])) as usize] = 1;
        }
        let hex = entry["bits"].as_str().unwrap_or_default();
        for (at, bit) in mask.bits.iter_mut().enumerate().take(hex.len() * 4) {
            let byte = u8::from_str_radix(&hex[at / 8 * 2..at / 8 * 2 + 2], 16).unwrap();
            *bit = byte >> (7 - at % 8) & 1;
        }
        let bounds = entry["bounds"].as_array().map(|edges| std::array::from_fn(|at| number(&edges[at])));
        let text = |field: &str| entry[field].as_str().unwrap().to_string();
        let area = entry["area"].as_u64().unwrap();
        Known { mask, name: text("name"), counts: text("counts"), area, bounds }
    };
    all.as_array().unwrap().iter().map(read).collect()
}

/// The plain twin: down the columns, pixel by pixel.
fn encode_plainly(mask: &Mask) -> String {
    let mut writer = RunWriter::default();
    for x in 0..mask.width {
        (0..mask.height).for_each(|y| writer.push(u8::from(mask.holds(x, y)), 1));
    }
    writer.finish()
}

/// Numbers without rhyme, the same each time (Marsaglia's xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[test]
fn strings_are_pycocotools_both_ways() {
    let known = known();
    assert!(known.len() > 15);
    for Known { mask, name, counts, area: inside, bounds } in known {
        assert_eq!(encode(&mask), counts, "{name}");
        assert_eq!(encode_plainly(&mask), counts, "{name}");
        assert_eq!(decode(&counts, mask.width, mask.height).as_ref(), Ok(&mask), "{name}");
        assert_eq!((area(&counts), mask.area()), (Ok(inside), inside), "{name}");
        assert_eq!(mask.bounds(), bounds, "{name}");
    }
}

#[test]
fn random_masks_come_back_as_they_went() {
    let mut dice = Dice(0x5EED);
    for round in 0..300 {
        let (width, height) = (1 + dice.below(200) as u32, 1 + dice.below(200) as u32);
        // From noise to long runs, along rows or down columns.
        let (keep, down) = (1 + dice.below(60), dice.below(2) == 0);
        let mut mask = Mask::empty(width, height);
        let mut bit = 0;
        for at in 0..mask.bits.len() {
            if dice.below(keep) == 0 {
                bit ^= 1;
            }
            let place = if down { at % height as usize * width as usize + at / height as usize } else { at };
            mask.bits[place] = bit;
        }
        let counts = encode(&mask);
        assert_eq!(counts, encode_plainly(&mask), "round {round}: {width} x {height}");
        assert_eq!(area(&counts), Ok(mask.area()));
        assert_eq!(decode(&counts, width, height), Ok(mask), "round {round}: {width} x {height}");
    }
}

#[test]
fn any_byte_but_0_counts_as_inside() {
    let odd = Mask { width: 9, height: 1, bits: vec![0, 1, 2, 4, 8, 0, 0x80, 0x10, 0xFF] };
    let plain = Mask { bits: odd.bits.iter().map(|&byte| byte.min(1)).collect(), ..odd };
    assert_eq!(encode(&odd), encode(&plain));
    assert_eq!(odd.area(), 7);
}

#[test]
fn a_mask_without_pixels_has_a_string_too() {
    for (width, height) in [(0, 0), (5, 0), (0, 5)] {
        assert_eq!(encode(&Mask::empty(width, height)), "0");
        assert_eq!(decode("0", width, height), Ok(Mask::empty(width, height)));
    }
}

#[test]
fn hostile_strings_are_told() {
    let wrong = |counts: &str| decode(counts, 4, 4).unwrap_err();
    assert_eq!(wrong(""), RleError::Sum { found: 0, wanted: 16, width: 4, height: 4 });
    assert_eq!(wrong("?"), RleError::Sum { found: 15, wanted: 16, width: 4, height: 4 });
    assert_eq!(wrong("31="), RleError::Sum { found: 17, wanted: 16, width: 4, height: 4 });
    assert_eq!(wrong("/"), RleError::Character { at: 0, byte: 0x2F });
    assert_eq!(wrong("0p"), RleError::Character { at: 1, byte: 0x70 });
    assert_eq!(wrong("0é"), RleError::Character { at: 1, byte: 0xC3 });
    assert_eq!(wrong("[0, 16]"), RleError::Character { at: 2, byte: b',' });
    assert_eq!(wrong("P"), RleError::Cut { length: 1 });
    assert_eq!(wrong("3oo"), RleError::Cut { length: 3 });
    assert_eq!(wrong("O"), RleError::Run { at: 0, run: -1 });
    // The fourth run is a difference to the second: 1 - 2.
    assert_eq!(wrong("111N"), RleError::Run { at: 3, run: -1 });
    assert_eq!(wrong("ooooooo0"), RleError::Long { at: 0 });
    assert_eq!(wrong(&"o".repeat(1 << 20)), RleError::Long { at: 0 });
    assert!(matches!(wrong("oooooo?"), RleError::Run { .. }));
    assert!(matches!(area("11oooooo?"), Err(RleError::Run { .. })));
    assert!(decode("0", u32::MAX, u32::MAX).unwrap_err().to_string().contains("at most 536870912 pixels"));
    // Runs of nothing are no runs, and do no harm.
    assert_eq!(decode(&"0".repeat(100_000), 0, 0), Ok(Mask::empty(0, 0)));
}

#[test]
fn no_string_makes_it_panic() {
    let mut dice = Dice(0xF022);
    let sound = encode(&known().swap_remove(11).mask);
    let mut decoded = 0;
    for _ in 0..20_000 {
        let mut bytes = sound.clone().into_bytes();
        bytes.truncate(1 + dice.below(bytes.len() as u64) as usize);
        for _ in 0..1 + dice.below(3) {
            let at = dice.below(bytes.len() as u64) as usize;
            bytes[at] = if dice.below(4) == 0 { dice.below(128) } else { 48 + dice.below(64) } as u8;
        }
        let counts = String::from_utf8(bytes).unwrap();
        if let (Ok(mask), Ok(inside)) = (decode(&counts, 190, 131), area(&counts)) {
            assert_eq!(mask.area(), inside);
            decoded += 1;
        }
    }
    println!("{decoded} of 20,000 still made a mask");
}
