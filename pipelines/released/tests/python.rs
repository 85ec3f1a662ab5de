//! Released tars, joined by `cat` and read by Python: ImgEdit's own readers are `tarfile` and webdataset.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ::tests::python::read_tar;
use operators::edit_plan::EditType;

use super::super::*;
use super::made_up::MadeUp;

#[test]
fn python_reads_the_joined_pieces_of_every_tar() {
    let mut made_up = MadeUp::new();
    made_up.keep(&[EditType::Add, EditType::Visual, EditType::VersionBacktracking]);
    // The 100th byte of a name that no header holds is a slash: of the edits of one type in either shard.
    for (shard, edit_type) in [(0, EditType::Add), (2, EditType::Visual)] {
        let (name, edits) = &mut made_up.shards[shard];
        *name = format!("laion_{shard}_{}", "s".repeat(91 - format!("results_{edit_type}_").len()));
        assert_eq!(format!("results_{edit_type}_{name}/").len(), 100);
        for (place, edit) in edits.iter_mut().enumerate() {
            edit.shard.clone_from(name);
            edit.key = format!("{}{place}", "k".repeat(160 + 30 * place));
        }
    }
    let to = tempfile::tempdir().unwrap();
    release(to.path(), &made_up, 5_000).unwrap();
    let mut tars: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for folder in ["Singleturn", "Multiturn"] {
        for entry in std::fs::read_dir(to.path().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let (stem, _) = path.to_str().unwrap().rsplit_once('.').unwrap();
            tars.entry(stem.to_owned()).or_default().push(path.clone());
        }
    }
    assert_eq!(tars.len(), 6);
    for (stem, mut pieces) in tars {
        pieces.sort();
        assert!(pieces.len() > 1, "{stem} is in one piece");
        let joined: Vec<u8> = pieces.iter().flat_map(|piece| std::fs::read(piece).unwrap()).collect();
        let mut wanted = Vec::new();
        let mut archive = tar::Archive::new(&joined[..]);
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            wanted.push((String::from_utf8(entry.path_bytes().into_owned()).unwrap(), bytes));
        }
        let Some((found, _)) = read_tar(&pieces) else { return };
        assert!(found == wanted, "{stem}");
        let results = wanted.iter().filter(|(name, _)| name.ends_with("/result.json")).count();
        assert_eq!(results, 2, "a task for each of two edits");
    }
}
