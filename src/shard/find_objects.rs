//! Finds shards in stores that are read over the network: URLs, folders and globs of URLs, and ranges in braces.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use glob::{MatchOptions, Pattern};

use super::find::{chunk_of, is_shard_name, listed_chunks, usage};
use super::listing::is_glob;
use super::{ShardError, ShardSource};
use crate::object::{Object, ObjectUrl, Objects, braces};

/// Looks at single objects that are made side by side.
const AT_ONCE: usize = 16;
/// So many objects of one folder are looked up in a list of it.
const WORTH_A_LIST: usize = 4;

/// The shards that a URL names: of an object, of a folder (it ends with `/`), or of many by a glob or by braces.
///
/// Names are as for files: relative to the fixed part of the pattern, without `.tar`.
pub(super) fn find_objects(pattern: &str, objects: &Objects) -> Result<Vec<ShardSource>, ShardError> {
    match find_as_named(pattern, objects) {
        // As of a folder of files: without the slash at its end.
        Err(ShardError::Usage(why)) if may_be_a_folder(pattern) => {
            find_as_named(&format!("{pattern}/"), objects).map_err(|error| match error {
                ShardError::Usage(of_folder) => usage(format!("{why}\n{of_folder}")),
                error => error,
            })
        }
        found => found,
    }
}

fn may_be_a_folder(pattern: &str) -> bool {
    let url = ObjectUrl::parse(pattern).ok().filter(|url| url.can_list() && !url.key().is_empty());
    let is_plain = !pattern.ends_with('/') && !pattern.contains('{') && !is_glob(pattern);
    is_plain && url.is_some_and(|url| !is_shard_name(std::path::Path::new(url.key())))
}

fn find_as_named(pattern: &str, objects: &Objects) -> Result<Vec<ShardSource>, ShardError> {
    // As URLs are shown: whatever word its scheme was given by.
    let base = fixed_part(&ObjectUrl::parse(pattern)?.to_string());
    let mut found: Vec<Object> = Vec::new();
    let mut single = Vec::new();
    for url in braces(pattern).map_err(usage)? {
        let url = ObjectUrl::parse(&url)?;
        if is_glob(url.key()) {
            found.extend(matches_of(&url, objects)?);
        } else if url.key().is_empty() || url.key().ends_with('/') {
            found.extend(beneath(&url, objects)?);
        } else {
            single.push(url);
        }
    }
    found.extend(named_one_by_one(single, objects)?);
    if found.is_empty() {
        return Err(usage(format!(
            "{pattern:?} names no shards; they must be objects called *.tar or *.tar.split.000; a folder ends with a slash"
        )));
    }
    with_siblings(&mut found, objects)?;
    shards_of(&base, found)
}

/// One chunk of a split tar stands for all the chunks in its folder, where that can be listed.
fn with_siblings(found: &mut Vec<Object>, objects: &Objects) -> Result<(), ShardError> {
    let mut stems: BTreeMap<ObjectUrl, BTreeSet<String>> = BTreeMap::new();
    for object in found.iter().filter(|object| object.url.can_list()) {
        let (folder, name) = split(object.url.key());
        if let Some((stem, _)) = chunk_of(name) {
            stems.entry(object.url.with_key(folder)).or_default().insert(stem.to_owned());
        }
    }
    for (folder, stems) in stems {
        let is_sibling = |object: &Object| {
            chunk_of(file_name(object.url.key())).is_some_and(|(stem, _)| stems.contains(stem))
        };
        found.extend(objects.list(&folder, false)?.into_iter().filter(is_sibling));
    }
    Ok(())
}

/// What comes before the first wildcard or brace, up to its last slash; of a single object its folder.
fn fixed_part(pattern: &str) -> String {
    let wild = pattern.find(['*', '?', '[', '{']).unwrap_or(pattern.len());
    let until = pattern[..wild].rfind('/').map_or(0, |slash| slash + 1);
    pattern[..until].to_owned()
}

fn split(key: &str) -> (&str, &str) {
    key.rfind('/').map_or(("", key), |slash| key.split_at(slash + 1))
}

fn file_name(key: &str) -> &str {
    split(key).1
}

fn is_shard(object: &Object) -> bool {
    is_shard_name(std::path::Path::new(object.url.key()))
}

fn beneath(folder: &ObjectUrl, objects: &Objects) -> Result<Vec<Object>, ShardError> {
    let all = objects.list(folder, true)?;
    let found: Vec<Object> = all.into_iter().filter(is_shard).collect();
    if found.is_empty() {
        return Err(usage(format!(
            "the folder {folder} holds no shards; it must hold objects called *.tar or *.tar.split.000 (at any depth)"
        )));
    }
    Ok(found)
}

fn matches_of(url: &ObjectUrl, objects: &Objects) -> Result<Vec<Object>, ShardError> {
    let unfit = |error: glob::PatternError| {
        usage(format!("{url} is not a glob that can be read: {error}; use *, ?, [abc] and ** (any depth)"))
    };
    if !url.can_list() {
        return Err(usage(format!(
            "{url} is a glob, and a server of plain files does not say what it holds; name each shard, or all of them as \
             https://HOST/PATH/{{000..127}}.tar"
        )));
    }
    let pattern = Pattern::new(url.key()).map_err(unfit)?;
    let (folder, name) = split(&url.key()[..url.key().find(['*', '?', '[']).unwrap_or(0)]);
    // Where only the last part is a glob, what lies deeper is not listed.
    let is_flat = !url.key()[folder.len() + name.len()..].contains('/') && !url.key().contains("**");
    let all = objects.list(&url.with_key(folder), !is_flat)?;
    let options = MatchOptions { require_literal_separator: true, ..MatchOptions::default() };
    let number = all.len();
    let matched: Vec<Object> =
        all.into_iter().filter(|object| pattern.matches_with(object.url.key(), options)).collect();
    let count = matched.len();
    let found: Vec<Object> = matched.into_iter().filter(is_shard).collect();
    match (found.is_empty(), count) {
        (false, _) => Ok(found),
        (true, 0) => Err(usage(format!(
            "nothing matches {url}, of {number} objects in {}; check the URL, or name a folder, with a slash at its end, to take every \
             *.tar beneath it",
            url.with_key(folder)
        ))),
        (true, count) => Err(usage(format!(
            "{url} matches {count} objects, but none is called *.tar or *.tar.split.000; decompress compressed tars first (they can't be \
             read in place)"
        ))),
    }
}

/// Objects that are named one by one. Where many of a folder are, the folder is listed once.
fn named_one_by_one(urls: Vec<ObjectUrl>, objects: &Objects) -> Result<Vec<Object>, ShardError> {
    let mut folders: BTreeMap<ObjectUrl, Vec<ObjectUrl>> = BTreeMap::new();
    for url in urls {
        folders.entry(url.with_key(split(url.key()).0)).or_default().push(url);
    }
    let (mut found, mut alone) = (Vec::new(), Vec::new());
    for (folder, urls) in folders {
        if urls.len() < WORTH_A_LIST || !folder.can_list() {
            alone.extend(urls);
            continue;
        }
        let listed = objects.list(&folder, false)?;
        let mut there: BTreeMap<ObjectUrl, Object> =
            listed.into_iter().map(|object| (object.url.clone(), object)).collect();
        for url in urls {
            let object = there.remove(&url);
            found.push(
                object
                    .ok_or_else(|| usage(format!("{url} does not exist; {folder} holds no such object")))?,
            );
        }
    }
    found.extend(looked_at(alone, objects)?);
    Ok(found)
}

/// Objects, each with the version that is there now.
fn looked_at(urls: Vec<ObjectUrl>, objects: &Objects) -> Result<Vec<Object>, ShardError> {
    let next = AtomicUsize::new(0);
    let looked: Mutex<Vec<Result<Object, ShardError>>> = Mutex::default();
    let push = |found| looked.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(found);
    let work = || {
        while let Some(url) = urls.get(next.fetch_add(1, Ordering::Relaxed)) {
            let version = objects.look(url).map_err(ShardError::from);
            let failed = version.is_err();
            push(version.map(|version| Object {
                url: url.clone(),
                version: Some(version),
                objects: objects.clone(),
            }));
            if failed {
                next.store(urls.len(), Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..urls.len().min(AT_ONCE) {
            let _ = std::thread::Builder::new().name("look".into()).spawn_scoped(scope, work);
        }
        work();
    });
    looked.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).into_iter().collect()
}

/// Objects as shards: the chunks of one tar are one shard.
fn shards_of(base: &str, found: Vec<Object>) -> Result<Vec<ShardSource>, ShardError> {
    let mut whole: BTreeMap<ObjectUrl, Object> = BTreeMap::new();
    let mut chunked: BTreeMap<ObjectUrl, BTreeMap<ObjectUrl, Object>> = BTreeMap::new();
    for object in found {
        let (folder, name) = split(object.url.key());
        match chunk_of(name) {
            Some((stem, _)) => {
                let tar = object.url.with_key(format!("{folder}{stem}"));
                chunked.entry(tar).or_default().insert(object.url.clone(), object);
            }
            None => drop(whole.insert(object.url.clone(), object)),
        }
    }
    let named = |url: &ObjectUrl| {
        let url = url.to_string();
        let name = url.strip_prefix(base).unwrap_or(&url).trim_start_matches('/').to_owned();
        name.strip_suffix(".tar")
            .filter(|name| !name.is_empty() && !name.ends_with('/'))
            .unwrap_or(&name)
            .to_owned()
    };
    let mut shards: Vec<ShardSource> = whole
        .into_values()
        .map(|object| ShardSource::of_objects(named(&object.url), vec![Ok(object)]))
        .collect();
    for (tar, chunks) in chunked {
        let name = named(&tar);
        let (folder, stem) = split(tar.key());
        let mut numbered: BTreeMap<u64, (String, Object)> = BTreeMap::new();
        for (url, object) in chunks {
            let digits = chunk_of(file_name(url.key())).map_or("", |(_, digits)| digits).to_owned();
            let number = digits.parse().unwrap_or(0);
            if let Some((_, other)) = numbered.insert(number, (digits, object)) {
                return Err(usage(format!(
                    "two objects are chunk {number} of the same tar: {} and {url}; keep one of them",
                    other.url
                )));
            }
        }
        let width = numbered.values().map(|(digits, _)| digits.len()).max().unwrap_or(3);
        let numbered = numbered.into_iter().map(|(number, (_, object))| (number, object));
        let chunks = listed_chunks(numbered, |missing| {
            tar.with_key(format!("{folder}{stem}.tar.split.{missing:0width$}")).to_string()
        });
        shards.push(ShardSource::of_objects(name, chunks));
    }
    Ok(shards)
}
