//! Random records: what is read and written back is the same text, and what is built reads back as it was.

use super::*;

/// SplitMix64: the same numbers in every run.
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    fn number(&mut self) -> String {
        let fixed =
            ["0", "-0", "1.0", "0.10", "1e5", "1E-7", "6.132755279541016", "0.505828857421875", "-2000.0"];
        match self.below(3) {
            0 => self.one_of(&fixed).to_owned(),
            1 => format!("{}", self.next() as i32),
            _ => format!("{}.{:03}", self.below(5000), self.below(1000)),
        }
    }

    fn string(&mut self) -> String {
        let pieces = [
            "a",
            "bow tie",
            "é",
            "\\u00e9",
            "\\\"",
            "\\\\",
            "\\/",
            "\\n",
            "\\ud83d\\udc10",
            "🐐",
            "\u{7f}",
            "NaN",
            "{",
            "]",
            ",",
            ": ",
        ];
        let text: String = (0..self.below(5)).map(|_| self.one_of(&pieces)).collect();
        format!("\"{text}\"")
    }

    fn any(&mut self, deep: usize) -> String {
        match self.below(if deep == 0 { 3 } else { 5 }) {
            0 => self.number(),
            1 => self.string(),
            2 => self.one_of(&["null", "true", "false", "[]", "{}"]).to_owned(),
            3 => self.list(|random| random.any(deep - 1)),
            // Nobody looks into it: even a key that stands twice is kept.
            _ => format!(
                "{{{}:{},{}:{}}}",
                self.string(),
                self.any(deep - 1),
                self.string(),
                self.any(deep - 1)
            ),
        }
    }

    fn list(&mut self, item: impl Fn(&mut Self) -> String) -> String {
        let items: Vec<String> = (0..self.below(4)).map(|_| item(self)).collect();
        format!("[{}]", items.join(","))
    }

    /// An object: some of `fields` in any order, `null` now and then, unknown keys in between.
    fn object(&mut self, needed: usize, fields: Vec<(&str, String)>) -> String {
        let mut entries = Vec::new();
        for (at, (key, value)) in fields.into_iter().enumerate() {
            match self.below(6) {
                0 if at >= needed => {}
                1 if at >= needed => entries.push(format!("\"{key}\":null")),
                _ => entries.push(format!("\"{key}\":{value}")),
            }
            if self.below(4) == 0 {
                entries.push(format!("\"odd\\u00e9{at}\":{}", self.any(2)));
            }
        }
        for at in (1..entries.len()).rev() {
            entries.swap(at, self.below(at + 1));
        }
        format!("{{{}}}", entries.join(","))
    }

    fn measure(&mut self) -> String {
        let number = self.number();
        if self.below(2) == 0 { number } else { format!("[{number}]") }
    }

    fn counts(&mut self) -> String {
        let counts: Vec<String> =
            (0..self.below(4)).map(|at| format!("\"n\\u00e9 {at}\":{}", self.below(9))).collect();
        format!("{{{}}}", counts.join(","))
    }

    fn region(&mut self) -> String {
        let corners: Vec<String> = (0..4).map(|_| self.number()).collect();
        let fields = vec![
            ("class_name", self.string()),
            ("bbox", format!("[{}]", corners.join(","))),
            ("mask", self.string()),
            ("score", self.measure()),
            ("clip_score", self.measure()),
            ("aes_score", self.measure()),
            ("mask_score", self.measure()),
            ("number", self.below(100).to_string()),
        ];
        self.object(2, fields)
    }

    fn record(&mut self) -> String {
        let resolution =
            vec![("height", (1 + self.below(9)).to_string()), ("width", "4294967295".to_owned())];
        let tags = vec![
            ("background", self.list(Self::string)),
            ("object", self.list(Self::string)),
            ("summary", self.string()),
        ];
        let segmentation = vec![
            ("background", self.list(Self::region)),
            ("object", self.list(Self::region)),
            ("box_format", "\"xyxy\"".to_owned()),
        ];
        let captions = if self.below(2) == 0 { self.string() } else { self.list(Self::string) };
        let fields = vec![
            ("path", self.string()),
            ("cap", captions),
            ("resolution", self.object(2, resolution)),
            ("aes", self.number()),
            ("border", self.any(1)),
            ("tags", self.object(0, tags)),
            ("segmentation", self.object(0, segmentation)),
            ("bg_count", self.counts()),
            ("obj_count", self.counts()),
        ];
        self.object(0, fields)
    }

    /// The text with white space between its tokens.
    fn spaced(&mut self, json: &str) -> String {
        let mut out = String::from(" ");
        let (mut in_string, mut escaped) = (false, false);
        for letter in json.chars() {
            let token = !in_string && "{}[]:,".contains(letter);
            if token {
                out.push_str(self.one_of(&["", " ", "\n\t"]));
            }
            out.push(letter);
            if token {
                out.push_str(self.one_of(&["", "\r\n", "  "]));
            }
            match (in_string, escaped, letter) {
                (true, true, _) => escaped = false,
                (true, false, '\\') => escaped = true,
                (_, _, '"') => in_string = !in_string,
                _ => {}
            }
        }
        out
    }
}

#[test]
fn random_records_come_back_to_the_byte() {
    let mut random = Random(1);
    for round in 0..3000 {
        let json = random.record();
        let record = Record::parse(random.spaced(&json).as_bytes())
            .unwrap_or_else(|error| panic!("round {round}: {error}\n{json}"));
        assert_eq!(record.to_json(), json, "round {round}");
    }
}

#[test]
fn random_records_of_ours_read_back_as_they_were() {
    let mut random = Random(2);
    for _ in 0..500 {
        let mut float = || loop {
            let value = f32::from_bits(random.next() as u32);
            if value.is_finite() {
                return value;
            }
        };
        let regions: Vec<RegionParts> = (0..4)
            .map(|number| RegionParts {
                class_name: ["goat", "é\"\\", "sky"][number % 3].to_owned(),
                bbox: std::array::from_fn(|_| float()),
                score: Some(float()),
                mask_score: Some(float()),
                number: Some(number as u64),
                ..RegionParts::default()
            })
            .collect();
        let parts = RecordParts {
            path: "a/b.jpg".to_owned(),
            height: 1,
            width: 1,
            aes: Some(float()),
            object_nouns: vec!["goat".to_owned(), "é\"\\".to_owned()],
            regions: regions.clone(),
            ..RecordParts::default()
        };
        let aes = parts.aes;
        let json = parts.build().unwrap().to_json();
        let record = Record::parse(json.as_bytes()).unwrap();
        assert_eq!(record.aes.as_ref().map(Number::as_f32), aes);
        assert_eq!((objects(&record).len(), record.obj_count.as_ref().unwrap().of("goat")), (3, Some(2)));
        for region in objects(&record) {
            let made = &regions[region.number.unwrap() as usize];
            assert_eq!((&*region.class_name, region.bbox_f32()), (made.class_name.as_str(), made.bbox));
            assert_eq!(region.score.as_ref().map(|it| it.value.as_f32()), made.score);
        }
    }
}
