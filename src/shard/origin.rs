//! Where a picture comes from, whose it is, and under which licence, as far as its sidecar says so.
//!
//! Nobody agrees on the names of these fields. The table below has those of img2dataset and LAION (`url`, `URL`, `LICENSE`), of Open Images
//! (`OriginalURL`, `License`, `Author`), of YFCC100M and CommonCatalog (`downloadurl`, `pageurl`, `licensename`, `unickname`), of Flickr
//! (`ownername`), of PD12M (`license`, `source`), of Wikimedia Commons (`LicenseShortName`, `Artist`, each an object with a `value`), of Unsplash
//! (`photo_image_url`, `photographer_username`), and the usual words beside them. Letters of either case are the same, and `_`, `-`, `:` and
//! spaces do not count. Of several such fields the first in the table counts that says something.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Sidecar;

/// Raise it where the same sidecar comes to another [`Origin`]: what is published of it is then written anew.
pub const VERSION: &str = "origin/1";

const SOURCE_URL: &[&str] = &[
    "url",
    "imageurl",
    "originalurl",
    "downloadurl",
    "photoimageurl",
    "urlo",
    "sourceurl",
    "originallandingurl",
    "landingurl",
    "pageurl",
    "photourl",
    "descriptionurl",
];
const SOURCE: &[&str] = &["source", "provider", "credit"];
const LICENSE: &[&str] = &[
    "license",
    "licence",
    "licensename",
    "licenseshortname",
    "licensetitle",
    "licenseurl",
    "rights",
    "usageterms",
];
const AUTHOR: &[&str] = &[
    "author",
    "creator",
    "artist",
    "photographer",
    "photographerusername",
    "ownername",
    "unickname",
    "usernickname",
    "owner",
    "uploader",
    "byline",
];

/// What a sidecar says of its picture's origin, to the letter. What it does not say is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_url: Option<String>,
    /// A site, a museum, a collection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
}

impl Origin {
    /// The names of the columns, in the order of [`Origin::texts`].
    pub const COLUMNS: [&'static str; 4] = ["source_url", "source", "license", "author"];

    /// What the `.json` of a sidecar says.
    pub fn of(sidecar: &Sidecar) -> Self {
        sidecar.json.as_deref().map_or_else(Origin::default, Origin::read)
    }

    /// Nothing, if it is no JSON object.
    fn read(json: &str) -> Self {
        let Ok(fields) = serde_json::from_str::<HashMap<String, &RawValue>>(json) else {
            return Origin::default();
        };
        // Fields that differ in nothing but case: the first by name counts, on every machine.
        let mut named: Vec<(String, &String, &RawValue)> =
            fields.iter().map(|(name, value)| (plain(name), name, *value)).collect();
        named.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
        let first = |names: &[&str]| {
            let of_name = |name: &&str| {
                let named = named.iter().filter(move |field| field.0 == *name);
                named.filter_map(|field| text(field.2.get())).next()
            };
            names.iter().find_map(of_name)
        };
        Origin {
            source_url: first(SOURCE_URL),
            source: first(SOURCE),
            license: first(LICENSE),
            author: first(AUTHOR),
        }
    }

    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        *self == Origin::default()
    }

    /// In the order of [`Origin::COLUMNS`].
    pub fn texts(&self) -> [Option<&str>; 4] {
        [&self.source_url, &self.source, &self.license, &self.author].map(Option::as_deref)
    }
}

/// A field's name as the table has it.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|letter| !matches!(letter, '_' | '-' | ':' | ' '));
    letters.flat_map(char::to_lowercase).collect()
}

/// What of an object says it, the first that does.
const SAYS_IT: [&str; 5] = ["value", "name", "title", "id", "url"];

/// What a value says: a text, a number (Flickr's licences), several of these, or a field of an object that is one of these.
fn text(value: &str) -> Option<String> {
    match serde_json::from_str(value).ok()? {
        Value::Array(values) => {
            let texts: Vec<String> = values.iter().filter_map(of_one).collect();
            (!texts.is_empty()).then(|| texts.join("; "))
        }
        value => of_one(&value),
    }
}

fn of_one(value: &Value) -> Option<String> {
    match value {
        Value::Object(object) => SAYS_IT.iter().find_map(|name| scalar(object.get(*name)?)),
        value => scalar(value),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(_) | Value::Object(_) | Value::Null | Value::Bool(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn says(json: &str, wanted: [Option<&str>; 4]) {
        let sidecar = Sidecar { json: Some(json.to_owned()), caption: None };
        assert_eq!(Origin::of(&sidecar).texts(), wanted, "{json}");
    }

    #[test]
    fn the_fields_of_well_known_sets_are_found() {
        let url = Some("https://x.org/1.jpg");
        says(r#"{"url":"https://x.org/1.jpg","caption":"a","key":"0"}"#, [url, None, None, None]);
        says(
            r#"{"SAMPLE_ID":1,"URL":"https://x.org/1.jpg","TEXT":"a","LICENSE":"?","NSFW":"UNLIKELY"}"#,
            [url, None, Some("?"), None],
        );
        says(
            r#"{"ImageID":"00","OriginalURL":"https://x.org/1.jpg","OriginalLandingURL":"https://x.org/p","License":"https://c.org/by/2.0/","AuthorProfileURL":"https://x.org/u","Author":"A. B."}"#,
            [url, None, Some("https://c.org/by/2.0/"), Some("A. B.")],
        );
        says(
            r#"{"unickname":"a+b","licensename":"Attribution License","licenseurl":"http://c.org","pageurl":"http://f.com/p","downloadurl":"https://x.org/1.jpg"}"#,
            [url, None, Some("Attribution License"), Some("a+b")],
        );
        says(
            r#"{"url":"https://x.org/1.jpg","license":"https://c.org/pd","source":"Met Museum"}"#,
            [url, Some("Met Museum"), Some("https://c.org/pd"), None],
        );
        says(
            r#"{"Artist":{"value":"<a>Me</a>","source":"commons-desc-page"},"LicenseShortName":{"value":"CC BY-SA 4.0"}}"#,
            [None, None, Some("CC BY-SA 4.0"), Some("<a>Me</a>")],
        );
        says(r#"{"license":4,"ownername":"me","creators":["x"]}"#, [None, None, Some("4"), Some("me")]);
        says(
            r#"{"creator":["a","b"],"dc:rights":"mine","rights":"all"}"#,
            [None, None, Some("all"), Some("a; b")],
        );
    }

    #[test]
    fn what_says_nothing_hides_nothing() {
        says(
            r#"{"license":" ","licence":null,"LICENSE":"CC0","author":{},"artist":"me"}"#,
            [None, None, Some("CC0"), Some("me")],
        );
        says(r#"{"license":["",""],"licence":"CC0"}"#, [None, None, Some("CC0"), None]);
        says(r#"{"license":["CC-BY",null," "],"author":[4]}"#, [None, None, Some("CC-BY"), Some("4")]);
        says(
            r#"{"license":{"url":"u","name":"CC-BY"},"author":[{"name":"a"},{"name":""},"b"]}"#,
            [None, None, Some("CC-BY"), Some("a; b")],
        );
        says(r#"{"licensed":true,"resource":"x","authority":"y"}"#, [None; 4]);
        says("[1]", [None; 4]);
        assert!(Origin::of(&Sidecar::default()).is_unknown());
    }
}
