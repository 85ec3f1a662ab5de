//! WebDataset grouping: members that lie side by side and share a key become one sample.
//!
//! The rules, each so that nothing is merged or lost in silence:
//! - key = path up to the first dot of its last part, leading `./` dropped; extension = the rest, lower-cased.
//! - A key that comes back later in the shard makes a second, refused row of the files it came back with.
//! - The picture is the member whose extension is a picture's; without one, the one member whose extension ends with a picture's
//!   (`KEY.input.jpg`, `KEY.0.jpg`), unless its name says that it shows something else than the picture (`KEY.mask.png`).
//! - A member that is refused on its own (hostile name, link, device, sparse file) is a row of its own, and does
//!   not end the sample that it lies in: `a.jpg`, a link, `a.json` are the sample `a` and one refusal.
//! - A sample whose last member is cut off is not complete and makes no row of its own: the row of the damage
//!   names it.

use std::collections::HashSet;

use super::Member;
use super::names::{quoted, readable};
use super::walk::{Damage, Entry, Walk};
use crate::row::Refusal;

/// The extensions that make a member the sample's picture.
pub(super) const PICTURES: [&str; 8] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"];

/// A row of the index before its bytes were looked at.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draft {
    pub(super) key: String,
    pub(super) members: Vec<Member>,
    /// Where the members' payloads begin and end, or where the refused thing lies: for the fingerprint.
    pub(super) at: u64,
    /// The place of the picture among `members`, or why there is none to look at.
    pub(super) picture: Result<usize, Refusal>,
}

/// Groups what a walk found into rows, in the order of their first members.
pub(super) fn group(walk: Walk) -> Vec<Draft> {
    let mut grouping = Grouping::default();
    for entry in walk.entries {
        grouping.add(entry);
    }
    if let Some(damage) = walk.damage {
        grouping.damage(damage);
    } else {
        grouping.close();
    }
    grouping.rows
}

/// The row that is open: its place among the rows, and what can already be said against it.
struct Open {
    row: usize,
    extensions: HashSet<String>,
    refusal: Option<Refusal>,
}

#[derive(Default)]
struct Grouping {
    rows: Vec<Draft>,
    seen: HashSet<String>,
    open: Option<Open>,
}

impl Grouping {
    fn add(&mut self, entry: Entry) {
        if let Some(refusal) = entry.refusal {
            let key = row_key(&entry.path, entry.offset);
            self.rows.push(Draft { key, members: Vec::new(), at: entry.offset, picture: Err(refusal) });
            return;
        }
        let (key, extension) = key_and_extension(&entry.path);
        if self.open_key() != Some(key.as_str()) {
            self.close();
            self.start(key, &entry);
        }
        let Some(open) = &mut self.open else { return };
        if !open.extensions.insert(extension.clone()) && open.refusal.is_none() {
            open.refusal = Some(Refusal::permanent(
                "duplicate_member",
                format!(
                    "{} is the sample's second member with the extension {extension:?} (upper and lower case are the \
                     same); write the shard with one",
                    quoted(&entry.path)
                ),
            ));
        }
        if let Some(row) = self.rows.get_mut(open.row) {
            row.members.push(Member { extension, offset: entry.offset, len: entry.len });
        }
    }

    fn open_key(&self) -> Option<&str> {
        let open = self.open.as_ref()?;
        self.rows.get(open.row).map(|row| row.key.as_str())
    }

    fn start(&mut self, key: String, entry: &Entry) {
        let refusal = self.seen.contains(&key).then(|| {
            Refusal::permanent(
                "key_returns",
                format!(
                    "the key {key:?} was already used earlier in the shard and comes back with {}; the files of a \
                     sample must lie side by side",
                    quoted(&entry.path)
                ),
            )
        });
        self.seen.insert(key.clone());
        self.open = Some(Open { row: self.rows.len(), extensions: HashSet::new(), refusal });
        let picture = Err(Refusal::permanent("no_picture", String::new()));
        self.rows.push(Draft { key, members: Vec::new(), at: entry.offset, picture });
    }

    /// Ends the open sample: it has all the members that it will have.
    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let Some(row) = self.rows.get_mut(open.row) else { return };
        row.picture = match open.refusal {
            Some(refusal) => Err(refusal),
            None => the_picture(&row.members),
        };
    }

    fn damage(&mut self, damage: Damage) {
        let mut refusal = damage.refusal;
        let mut key = format!("@{}", damage.at);
        if let Some(path) = damage.cut_path {
            key = row_key(&path, damage.at);
            // The sample that the cut member belongs to is not complete.
            if self.open_key() == Some(key_and_extension(&path).0.as_str())
                && let Some(open) = self.open.take()
            {
                let row = self.rows.remove(open.row);
                refusal.message.push_str(&format!("; the sample {:?} is lost with it", row.key));
            }
        }
        self.close();
        self.rows.push(Draft { key, members: Vec::new(), at: damage.at, picture: Err(refusal) });
    }
}

/// What stands before the picture's extension of a member that shows something about the picture, not the picture.
const NOT_THE_PICTURE: [&str; 18] = [
    "end",
    "seg",
    "segm",
    "segmentation",
    "mask",
    "masks",
    "matte",
    "alpha",
    "depth",
    "normal",
    "normals",
    "canny",
    "edge",
    "edges",
    "pose",
    "thumb",
    "thumbnail",
    "preview",
];

/// Whether a member's extension ends with a picture's, behind words of its own: `input.jpg`.
fn is_picture_by_its_end(extension: &str) -> bool {
    let Some((words, end)) = extension.rsplit_once('.') else { return false };
    PICTURES.contains(&end) && !words.split(['.', '_', '-']).any(|word| NOT_THE_PICTURE.contains(&word))
}

/// The place of the one picture among a sample's members.
fn the_picture(members: &[Member]) -> Result<usize, Refusal> {
    let listed = |members: &mut dyn Iterator<Item = &Member>| {
        let shown: Vec<String> = members.take(8).map(|member| format!("{:?}", member.extension)).collect();
        shown.join(", ")
    };
    let those = |is_picture: &dyn Fn(&str) -> bool| -> Vec<(usize, &Member)> {
        members.iter().enumerate().filter(|(_, member)| is_picture(&member.extension)).collect()
    };
    let mut pictures = those(&|extension| PICTURES.contains(&extension));
    if pictures.is_empty() {
        pictures = those(&is_picture_by_its_end);
    }
    match pictures.as_slice() {
        [(place, _)] => Ok(*place),
        [] => Err(Refusal::permanent(
            "no_picture",
            format!(
                "the sample has no member with a picture's extension ({}), only {}",
                PICTURES.join(", "),
                listed(&mut members.iter())
            ),
        )),
        several => Err(Refusal::permanent(
            "several_pictures",
            format!(
                "the sample has {} pictures ({}); one is allowed, or one whose extension is a picture's and nothing more",
                several.len(),
                listed(&mut several.iter().map(|(_, member)| *member))
            ),
        )),
    }
}

/// The key of a path.
pub(super) fn key_of(path: &[u8]) -> String {
    key_and_extension(path).0
}

/// Splits a path at the first dot of its last part. What is not UTF-8 was refused before.
pub(super) fn key_and_extension(path: &[u8]) -> (String, String) {
    let text = readable(path);
    let mut text: &str = &text;
    while let Some(rest) = text.strip_prefix("./") {
        text = rest;
    }
    let last = text.rfind('/').map_or(0, |slash| slash + 1);
    match text[last..].find('.') {
        Some(dot) => (text[..last + dot].to_owned(), text[last + dot + 1..].to_lowercase()),
        None => (text.to_owned(), String::new()),
    }
}

/// The key of a row that is one refused member: its path, as far as a key goes; its place where it has none.
fn row_key(path: &[u8], at: u64) -> String {
    const MOST: usize = 1024;
    match path {
        [] => format!("@{at}"),
        path => readable(path.get(..MOST).unwrap_or(path)),
    }
}
