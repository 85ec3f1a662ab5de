//! Checks that the folders which a command writes to are separate. Each folder belongs to one thing alone.

use std::path::{Path, PathBuf};

use super::Failure;
use crate::object::{ObjectUrl, is_url};

/// An error where one of the folders, each with its flag, is another or lies in it.
pub fn apart(folders: &[(&str, &Path)]) -> Result<(), Failure> {
    if let Some((flag, store)) = folders.iter().find(|(flag, _)| *flag == "--store") {
        on_disk(flag, store)?;
    }
    let real: Vec<PathBuf> = folders.iter().map(|(_, folder)| real(folder)).collect();
    for (place, (flag, folder)) in folders.iter().enumerate() {
        for (other_place, (other_flag, other)) in folders.iter().enumerate() {
            let same = real[place] == real[other_place] && place < other_place;
            let inside = real[place] != real[other_place] && real[place].starts_with(&real[other_place]);
            if same || inside {
                let (is, shown, others) =
                    (if same { "is" } else { "lies in" }, folder.display(), other.display());
                return Err(Failure::Usage(format!(
                    "{flag} {shown} {is} {other_flag} {others}: each needs a folder of its own, outside of the other"
                )));
            }
        }
    }
    Ok(())
}

/// An error where a place that is to be on a disk is a URL.
pub(super) fn on_disk(flag: &str, place: &Path) -> Result<(), Failure> {
    match place.to_str().is_some_and(is_url) {
        false => Ok(()),
        true => Err(Failure::Usage(format!(
            "{flag} {}: it takes a place on a disk; in buckets lie shards (--shards) and what is published (--out, --export, --to)",
            place.display()
        ))),
    }
}

/// An error where a page, which may have pictures beside it, would lie in a folder of pictures: the next run would take them for some.
pub(super) fn outside(page: &Path, folders: &[String]) -> Result<(), Failure> {
    match folders.iter().find(|folder| real(page).starts_with(real(Path::new(folder)))) {
        None => Ok(()),
        Some(folder) => Err(Failure::Usage(format!(
            "--report {} would lie in --pictures {folder}, and the picture beside it would be one of them; name a place outside of it",
            page.display()
        ))),
    }
}

/// With links followed as far as the path is there.
fn real(folder: &Path) -> PathBuf {
    // As it is shown: a scheme may have two names.
    if let Some(Ok(url)) = folder.to_str().filter(|text| is_url(text)).map(ObjectUrl::parse) {
        return PathBuf::from(url.to_string());
    }
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    for above in absolute.ancestors() {
        if let (Ok(real), Ok(rest)) = (above.canonicalize(), absolute.strip_prefix(above)) {
            // Joined to nothing a path would end in a slash.
            return if rest == Path::new("") { real } else { real.join(rest) };
        }
    }
    absolute
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_share_a_place_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("store/memo")).unwrap();
        std::os::unix::fs::symlink(path("store"), path("link")).unwrap();
        let apart = |store: &str, out: &str| {
            apart(&[("--store", &path(store)), ("--out", &path(out))]).map_err(|failure| failure.to_string())
        };
        for (store, out) in [("store", "out"), ("store", "store-2"), ("new/store", "new/out")] {
            assert_eq!(apart(store, out), Ok(()), "{store}, {out}");
        }
        for (store, out, words) in [
            ("store", "store", "--store"),
            ("store", "store/out/deep", "--out"),
            ("out/store", "out", "lies in --out"),
            ("store", "link/out", "lies in --store"),
            ("link", "store", " is --out"),
        ] {
            let told = apart(store, out).unwrap_err();
            assert!(told.contains(words) && told.contains("a folder of its own"), "{store}, {out}: {told}");
        }
    }
}
