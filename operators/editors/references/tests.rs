//! Folders of pictures, good and bad.

use image::{Rgba, RgbaImage};

use super::*;
use crate::judge::clip::tests::lanes;

/// A folder with a red and half transparent, a blue and an upright picture, and a file that is none.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    RgbaImage::from_fn(6, 4, |x, _| Rgba([200, 0, 0, if x < 3 { 255 } else { 0 }]))
        .save(path("red_pot.png"))
        .unwrap();
    RgbImage::from_pixel(1200, 600, Rgb([0, 0, 250])).save(path("Blue  flag.jpg")).unwrap();
    RgbImage::from_pixel(5, 9, Rgb([0, 90, 0])).save(path("tree.webp")).unwrap();
    std::fs::write(path("README.txt"), "not a picture").unwrap();
    folder
}

fn open(folder: &Path, store: &Path) -> Result<Arc<References>, ReferencesError> {
    References::open(folder, &lanes(store))
}

#[test]
fn pictures_are_chosen_by_number_and_found_again() {
    let (folder, store) = (folder(), tempfile::tempdir().unwrap());
    let references = open(folder.path(), store.path()).unwrap();
    let chosen: Vec<Reference> = (0..4).map(|number| references.choose(number).unwrap()).collect();
    let names: Vec<&str> = chosen.iter().map(|reference| reference.name.as_str()).collect();
    assert_eq!(names, ["Blue flag", "red pot", "tree", "Blue flag"]);
    let [flag, pot, tree] = [0, 1, 2].map(|n| references.picture(&chosen[n]).unwrap());
    assert_eq!((flag.dimensions(), tree.dimensions()), ((1024, 512), (5, 9)));
    assert_eq!([pot[(0, 0)], pot[(5, 3)]], [Rgb([200, 0, 0]), Rgb([255; 3])], "white where nothing is");
    drop(references);
    // The store has what was chosen, though the file be another by now.
    let again = open(folder.path(), store.path()).unwrap();
    std::fs::write(folder.path().join("red_pot.png"), "gone").unwrap();
    assert_eq!(again.picture(&chosen[1]).unwrap(), pot);
}

#[test]
fn a_file_that_changes_while_it_is_needed_is_nobody_elses_fault() {
    let (folder, store) = (folder(), tempfile::tempdir().unwrap());
    let references = open(folder.path(), store.path()).unwrap();
    std::fs::write(folder.path().join("tree.webp"), "another").unwrap();
    let refused = references.choose(2).unwrap_err();
    assert!(refused.class == LOST_REFERENCE && !refused.is_permanent(), "{refused}");
    let foreign = Reference { name: "tree".into(), content: "0".repeat(32) };
    assert_eq!(references.picture(&foreign).unwrap_err().class, LOST_REFERENCE);
}

#[test]
fn what_the_folder_holds_is_in_its_hash_and_nothing_else() {
    let (folder, store) = (folder(), tempfile::tempdir().unwrap());
    let hash = || open(folder.path(), store.path()).unwrap().content_hash();
    let before = hash();
    std::fs::write(folder.path().join("notes.md"), "anything").unwrap();
    assert_eq!(hash(), before);
    std::fs::rename(folder.path().join("tree.webp"), folder.path().join("fir.webp")).unwrap();
    let renamed = hash();
    assert_ne!(renamed, before);
    RgbImage::from_pixel(5, 9, Rgb([0, 91, 0])).save(folder.path().join("fir.webp")).unwrap();
    assert_ne!(hash(), renamed);
}

#[test]
fn bad_folders_are_told_with_what_to_do() {
    let store = tempfile::tempdir().unwrap();
    let said = |folder: &Path| open(folder, store.path()).err().unwrap().to_string();
    let empty = tempfile::tempdir().unwrap();
    assert!(said(&empty.path().join("none")).contains("name a folder of pictures"));
    assert!(said(empty.path()).contains("holds no picture"), "{}", said(empty.path()));
    let (bad, file) = (folder(), "broken_cup.png");
    std::fs::write(bad.path().join(file), "no PNG").unwrap();
    assert!(said(bad.path()).contains(file) && said(bad.path()).contains("cannot be read as a picture"));
    std::fs::remove_file(bad.path().join(file)).unwrap();
    RgbImage::new(2, 2).save(bad.path().join("one two three four five six seven.png")).unwrap();
    assert!(said(bad.path()).contains("7 words"), "{}", said(bad.path()));
}

#[test]
fn what_the_store_lost_is_kept_again_and_nothing_else() {
    let (folder, store) = (folder(), tempfile::tempdir().unwrap());
    let references = open(folder.path(), store.path()).unwrap();
    let chosen = references.choose(1).unwrap();
    let hash = |name: &str| references.listed.iter().find(|it| it.reference.name == name).unwrap().hash;
    references.cache.forget(&hash("red pot")).unwrap();
    references.keep(&StoredReference { shows: Some(chosen.name.clone()), content: None });
    references.keep(&StoredReference { shows: Some("fir".into()), content: Some("0".repeat(32)) });
    assert!(!references.cache.knows(&hash("red pot")), "a drawn one, and one that is nowhere");
    references.keep(&StoredReference { shows: Some(chosen.name), content: Some(chosen.content) });
    let known = ["red pot", "tree"].map(|name| references.cache.knows(&hash(name)));
    assert_eq!(known, [true, false], "only what was chosen");
}
