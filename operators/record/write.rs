//! From a record to its text: compact, in the order that its keys had, otherwise in upstream's order.

use super::keys::WriteJson;
use super::values::{Form, Json, Measure, Number, Text};
use super::{Captions, Counts, Record, Region, Resolution, Segmentation, Tags};

impl Record {
    /// The record as compact JSON: of a record that was read, its own text without white space, where known keys were
    /// not escaped in themselves and no NaN stood in it.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }
}

/// A field for [`super::keys::Keys::write`].
fn field<T: WriteJson>(value: &Option<T>) -> Option<&dyn WriteJson> {
    value.as_ref().map(|value| value as &dyn WriteJson)
}

impl WriteJson for Record {
    fn write_json(&self, out: &mut String) {
        let fields = [
            ("path", field(&self.path)),
            ("cap", field(&self.cap)),
            ("resolution", field(&self.resolution)),
            ("aes", field(&self.aes)),
            ("border", field(&self.border)),
            ("tags", field(&self.tags)),
            ("segmentation", field(&self.segmentation)),
            ("bg_count", field(&self.bg_count)),
            ("obj_count", field(&self.obj_count)),
        ];
        self.keys.write(out, &fields);
    }
}

impl WriteJson for Resolution {
    fn write_json(&self, out: &mut String) {
        let (height, width) = (u64::from(self.height), u64::from(self.width));
        self.keys.write(out, &[("height", Some(&height)), ("width", Some(&width))]);
    }
}

impl WriteJson for Tags {
    fn write_json(&self, out: &mut String) {
        let fields = [
            ("background", field(&self.background)),
            ("object", field(&self.object)),
            ("summary", field(&self.summary)),
        ];
        self.keys.write(out, &fields);
    }
}

impl WriteJson for Segmentation {
    fn write_json(&self, out: &mut String) {
        let fields = [
            ("background", field(&self.background)),
            ("object", field(&self.object)),
            ("box_format", field(&self.box_format)),
        ];
        self.keys.write(out, &fields);
    }
}

impl WriteJson for Region {
    fn write_json(&self, out: &mut String) {
        let fields: [(&'static str, Option<&dyn WriteJson>); 8] = [
            ("class_name", Some(&self.class_name)),
            ("bbox", Some(&self.bbox)),
            ("mask", field(&self.mask)),
            ("score", field(&self.score)),
            ("clip_score", field(&self.clip_score)),
            ("aes_score", field(&self.aes_score)),
            ("mask_score", field(&self.mask_score)),
            ("number", field(&self.number)),
        ];
        self.keys.write(out, &fields);
    }
}

impl WriteJson for Captions {
    fn write_json(&self, out: &mut String) {
        match self {
            Captions::One(caption) => caption.write(out),
            Captions::List(captions) => captions.write_json(out),
        }
    }
}

impl WriteJson for Counts {
    fn write_json(&self, out: &mut String) {
        let mut before = '{';
        for (noun, count) in &self.0 {
            out.push(std::mem::replace(&mut before, ','));
            noun.write(out);
            out.push(':');
            count.write_json(out);
        }
        out.push_str(if before == '{' { "{}" } else { "}" });
    }
}

impl WriteJson for Measure {
    fn write_json(&self, out: &mut String) {
        match self.form {
            Form::Alone => self.value.write_json(out),
            Form::Listed => [self.value.clone()].write_json(out),
        }
    }
}

impl WriteJson for Number {
    fn write_json(&self, out: &mut String) {
        out.push_str(self.text());
    }
}

impl WriteJson for u64 {
    fn write_json(&self, out: &mut String) {
        out.push_str(&self.to_string());
    }
}

impl WriteJson for Text {
    fn write_json(&self, out: &mut String) {
        self.write(out);
    }
}

impl WriteJson for Json {
    fn write_json(&self, out: &mut String) {
        out.push_str(self.text());
    }
}

impl<T: WriteJson, const LENGTH: usize> WriteJson for [T; LENGTH] {
    fn write_json(&self, out: &mut String) {
        write_list(self, out);
    }
}

impl<T: WriteJson> WriteJson for Vec<T> {
    fn write_json(&self, out: &mut String) {
        write_list(self, out);
    }
}

fn write_list<T: WriteJson>(list: &[T], out: &mut String) {
    out.push('[');
    for (at, item) in list.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        item.write_json(out);
    }
    out.push(']');
}
