//! What was found damaged in a memo's file.

use std::fmt;

/// What of a memo's file is no sound record. Nothing that holds is lost by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// The header does not say what the file's name does.
    pub header: bool,
    /// How many places between sound records hold none, and their bytes.
    pub places: usize,
    pub bytes: u64,
    /// Bytes behind the last sound record: torn by what ended a run, or damaged.
    pub tail: u64,
    /// Bytes that an earlier opening found damaged, told of, and marked.
    pub marked: u64,
    /// Sound records: answers, refusals, and what was forgotten.
    pub records: u64,
}

impl Damage {
    /// Whether there is anything that was not told of before.
    pub fn is_new(&self) -> bool {
        self.header || self.places > 0 || self.tail > 0
    }
}

/// `its header is damaged; 1048605 bytes in 1 place hold no sound answer`.
impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = Vec::new();
        if self.header {
            said.push("its header is damaged".to_owned());
        }
        if self.places > 0 {
            let places = if self.places == 1 { "place holds" } else { "places hold" };
            said.push(format!("{} bytes in {} {places} no sound answer", self.bytes, self.places));
        }
        if self.tail > 0 {
            said.push(format!("its last {} bytes are no whole answer", self.tail));
        }
        f.write_str(&said.join("; "))
    }
}
