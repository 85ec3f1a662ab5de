//! Scorers of source pictures in the pipelines that make no results.

use pipelines::distinct::Distinct;
use pipelines::prepare::Prepare;
use pipelines::recap_mask::RecapMask;
use threshflow::cli::App;

use super::*;

/// The words of [`command`] that `prepare` takes, too.
fn prepare_command(folder: &Path, subcommand: &str, more: &[&str]) -> Vec<String> {
    let path = |part: &str| folder.join(part).to_string_lossy().into_owned();
    let (_, scorer) =
        tests::demo_models().into_iter().find(|(flag, _)| *flag == "--aesthetic").expect("the demo's scorer");
    let mut command = vec![subcommand.to_owned(), "--aesthetic".to_owned(), scorer];
    command.extend(
        ["--backend=embedded", "--max-error-rate=1", "--set=short_side=0", "--set=aesthetic=3"]
            .map(str::to_owned),
    );
    for (flag, part) in [("--shards", "shards"), ("--store", "store"), ("--out", "out")] {
        command.extend([flag.to_owned(), path(part)]);
    }
    command.extend(more.iter().map(|word| (*word).to_owned()));
    command
}

fn asked<P: App>(command: &[String]) -> BTreeMap<&'static str, usize> {
    let log = AskLog::default();
    invoke::run_logged::<P>(command, log.clone()).expect("runs");
    let mut asked = BTreeMap::new();
    for (stage, _) in log.lock().expect("nobody panicked").iter() {
        *asked.entry(*stage).or_default() += 1;
    }
    asked
}

#[test]
fn pictures_are_scored_where_no_edits_are_made() {
    let folder = scenes(12);
    let (folder, out) = (folder.path(), folder.path().join("out"));
    asked::<Prepare>(&prepare_command(folder, "run", &[]));
    let before = trees::read(&out);
    let (red, green) = (scorer(folder, "red", 0, "both"), scorer(folder, "green", 1, "sources"));
    let with = |more: &[&str]| prepare_command(folder, "run", &[&[red.as_str(), &green], more].concat());
    let foretold = invoke::plan::<Prepare>(&prepare_command(folder, "plan", &[&red, &green])).expect("plans");
    let first = asked::<Prepare>(&with(&[]));
    assert_eq!(
        first.keys().copied().collect::<Vec<_>>(),
        ["green", "red"],
        "there is nothing made to look at"
    );
    assert_eq!(first["red"] as u64, foretold.total.asks["red"]);
    let reds = reds(folder);
    // One of the demo's shards is in chunks, and the sum is of the first.
    let both: Vec<(f32, f32)> =
        scores(&out, "red").into_iter().filter_map(|(key, score)| Some((score, *reds.get(&key)?))).collect();
    assert!(both.len() > 4 && both.iter().all(|(score, plain)| (score - plain).abs() < 4.0), "{both:?}");
    // `distinct` goes on from the answers of `prepare`.
    let same: Vec<String> = with(&["--set=green=top:3"]);
    let of_distinct = asked::<Distinct>(&same);
    assert!(!of_distinct.contains_key("red") && !of_distinct.contains_key("green"), "{of_distinct:?}");
    assert!(scores(&out, "green").len() <= 3);
    assert!(asked::<Prepare>(&prepare_command(folder, "run", &[])).is_empty());
    assert!(before == trees::read(&out), "as if they had never been there");

    // One of results has nothing to look at.
    let results = scorer(folder, "blue", 2, "results");
    let Err(Failure::Usage(error)) = invoke::run::<Prepare>(&prepare_command(folder, "run", &[&results]))
    else {
        panic!("there are no results")
    };
    assert!(error.contains("looks at results") && error.contains("sources"), "{error}");
}

#[test]
fn regions_are_found_in_the_pictures_that_pass() {
    let folder = scenes(10);
    let (folder, out) = (folder.path(), folder.path().join("out"));
    let red = scorer(folder, "red", 0, "sources");
    let more = ["--set=red=top:4", red.as_str()];
    let command: Vec<String> = command(folder, "run", &more)
        .into_iter()
        .filter(|word| {
            !["--edits", "--set=follows", "--set=natural"].iter().any(|other| word.starts_with(other))
        })
        .collect();
    let vocabulary = command.iter().position(|word| word == "--vocabulary").expect("a vocabulary");
    let command: Vec<String> = [&command[..vocabulary], &command[vocabulary + 2..]].concat();
    let first = asked::<RecapMask>(&command);
    let kept = scores(&out, "red").len();
    assert!((1..=4).contains(&kept) && first["red"] > kept && first["detect"] <= 4, "{first:?}");
    assert!(asked::<RecapMask>(&command).is_empty());
}
