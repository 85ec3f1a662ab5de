//! Where items come from: a benchmark's file becomes a shard whose samples are the items. Each has its picture, its words as the sidecar,
//! and beside them what somebody made of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use benchmarks::{Benchmark, Item, Items};
use threshflow::cli::Failure;
use threshflow::shard::{DEMONSTRATION, FileBytes, FileMember, ShardSource};

use crate::args::Args;

/// The extension of a reference picture. It is none of a picture, so that it is never taken for the item's own.
pub const REFERENCE: &str = "reference";
/// The extension of the second frame of a film.
pub const FILM: &str = "film";
/// The extensions of pictures in a folder of results, in the order in which they are looked for.
const RESULTS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

/// The extension of the edited picture of a turn, from 0.
pub fn result_extension(turn: u32) -> String {
    format!("result{turn}")
}

/// The benchmark that flags name.
pub fn benchmark(args: &Args) -> Result<&'static Benchmark, Failure> {
    let unknown = || Failure::Usage(format!("there is no benchmark {}; --help lists them", args.benchmark));
    benchmarks::by_name(&args.benchmark).ok_or_else(unknown)
}

/// The items that flags name.
pub fn items(args: &Args) -> Result<Items, Failure> {
    (benchmark(args)?.items)(&args.items).map_err(|error| Failure::Usage(error.to_string()))
}

/// The shard of the items, with the results that lie in a folder.
///
/// # Errors
/// [`Failure::Usage`] if the folder of results has none of the items, or two pictures for one.
pub fn shard(args: &Args, items: &Items) -> Result<ShardSource, Failure> {
    let mut members = Vec::new();
    let mut with_results = 0;
    if let Some(folder) = &args.results
        && !folder.is_dir()
    {
        return Err(Failure::Usage(format!(
            "--results {} is no folder; name the one that holds KEY.png for each item",
            folder.display()
        )));
    }
    for (item, (picture, reference)) in items.items.iter().zip(&items.pictures) {
        let found = match &args.results {
            Some(folder) => results(folder, item)?,
            None => Vec::new(),
        };
        with_results += usize::from(!found.is_empty());
        // Nobody can be asked about an item that lacks something: it is a sample without a picture, and counts so.
        let picture = (!items.lacks.contains_key(&item.key)).then_some(picture.as_path());
        add(&mut members, item, (picture, reference.as_deref()), found)?;
    }
    if let (Some(folder), 0) = (&args.results, with_results) {
        let example = items.items.first().map_or("KEY", |item| item.key.as_str());
        return Err(Failure::Usage(format!(
            "--results {} has a picture for none of the {} items; it must hold files such as {example}.png, {example}.jpg or \
             {example}.webp",
            folder.display(),
            items.items.len()
        )));
    }
    let folder = if args.items.is_dir() { args.items.as_path() } else { parent(&args.items) };
    Ok(ShardSource::of_files(&args.benchmark, folder, members))
}

/// The folder that a file lies in.
pub fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// Where the second frame of a film lies, whose first is `picture`.
pub fn film(picture: &Path) -> PathBuf {
    picture.with_extension("end.png")
}

/// Where the pictures of a folder of results lie, by key and turn, from 0.
pub fn all_results(args: &Args, items: &Items) -> Result<BTreeMap<(String, usize), PathBuf>, Failure> {
    let mut all = BTreeMap::new();
    let Some(folder) = &args.results else { return Ok(all) };
    for item in &items.items {
        let found = results(folder, item)?;
        all.extend(found.into_iter().enumerate().map(|(turn, path)| ((item.key.clone(), turn), path)));
    }
    Ok(all)
}

/// A key as part of a file's name: what a sample's key ends at, and what a path is parted by, is written as `%XX`.
pub fn encoded(key: &str) -> String {
    let one = |letter: char| match letter {
        '.' | '/' | '%' | '\\' => format!("%{:02X}", letter as u32),
        other => other.to_string(),
    };
    key.chars().map(one).collect()
}

fn add(
    members: &mut Vec<FileMember>,
    item: &Item,
    (picture, reference): (Option<&Path>, Option<&Path>),
    results: Vec<PathBuf>,
) -> Result<(), Failure> {
    let name = encoded(&item.key);
    let json = serde_json::to_vec(item).map_err(|error| Failure::Failed(error.to_string()))?;
    let mut push = |extension: &str, from: FileBytes| {
        members.push(FileMember::new(format!("{name}.{extension}"), from));
    };
    let file = |path: &Path| FileBytes::File(path.to_path_buf());
    push("json", FileBytes::Text(json.into()));
    if let Some(picture) = picture.filter(|path| path.is_file()) {
        let extension = picture.extension().map(|it| it.to_string_lossy().to_lowercase());
        push(extension.as_deref().unwrap_or("jpg"), file(picture));
    }
    if let Some(reference) = reference.filter(|path| path.is_file()) {
        push(REFERENCE, file(reference));
    }
    if let Some(plan) = &item.plan {
        // Only the demo's items have a plan. The second frame of its films lies beside them.
        push(DEMONSTRATION, FileBytes::Text(Arc::from(&b""[..])));
        let is_film = plan.get("film").and_then(serde_json::Value::as_bool) == Some(true);
        if let Some(picture) = picture.filter(|_| is_film) {
            push(FILM, file(&film(picture)));
        }
    }
    for (turn, result) in (0..).zip(&results) {
        push(&result_extension(turn), file(result));
    }
    Ok(())
}

/// The edited pictures of an item, one a turn, as far as they lie there.
fn results(folder: &Path, item: &Item) -> Result<Vec<PathBuf>, Failure> {
    let stems: Vec<&str> =
        std::iter::once(item.key.as_str()).chain(item.places.iter().map(String::as_str)).collect();
    let turns = item.prompts.len();
    let names = |turn: usize| -> Vec<String> {
        let of = |stem: &&str| match turns {
            1 => vec![(*stem).to_owned()],
            _ => vec![format!("{stem}_turn{}", turn + 1), format!("{stem}_{}", turn + 1)],
        };
        stems.iter().flat_map(of).collect()
    };
    let mut found = Vec::new();
    for turn in 0..turns {
        let Some(path) = result(folder, &names(turn), &item.key)? else { break };
        found.push(path);
    }
    Ok(found)
}

fn result(folder: &Path, names: &[String], key: &str) -> Result<Option<PathBuf>, Failure> {
    for name in names {
        let paths = RESULTS.iter().map(|extension| folder.join(format!("{name}.{extension}")));
        let there: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
        if let [first, second, ..] = &there[..] {
            return Err(Failure::Usage(format!(
                "two pictures of item {key:?}: {} and {}; keep one of them",
                first.display(),
                second.display()
            )));
        }
        if let [only] = &there[..] {
            return Ok(Some(only.clone()));
        }
    }
    Ok(None)
}
