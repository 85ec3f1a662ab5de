//! `edit_bench demo`: a benchmark without a server. Scenes are drawn as items of all nine types; the embedded editor and two that are
//! deliberately worse run on them; the embedded judge scores them. Each step is a command that the user could type.

use std::fs;
use std::path::Path;

use edit_bench_stages::demo_items::write_demo_items;
use edit_bench_stages::subcommands;
use threshflow::cli::invoke::shell_word;
use threshflow::cli::{Commands, Failure, Output, print_json};

/// Of each type.
const ITEMS: usize = 3;
/// What stands for an editor, the best first.
const EDITORS: [&str; 3] = ["embedded", "wrong-object", "no-op"];

/// Draws items, runs the three editors, and prints their table.
pub(crate) fn run(folder: &Path, output: Output, commands: &Commands) -> Result<(), Failure> {
    let say = |line: &str| {
        if output == Output::Text {
            threshflow::say!("{line}");
        }
    };
    let at = |part: &str| folder.join(part).to_string_lossy().into_owned();
    let failed = |error: std::io::Error| {
        Failure::Failed(format!("the demo's items {}: {error}; --folder names another place", at("items")))
    };
    for part in ["items", "store", "bench"] {
        if folder.join(part).is_dir() {
            fs::remove_dir_all(folder.join(part)).map_err(failed)?;
        }
    }
    let drawn = write_demo_items(&folder.join("items"), ITEMS).map_err(failed)?;
    say(&format!("Drew {drawn} items of nine types: {}", at("items")));
    let mut runs = Vec::new();
    for editor in EDITORS {
        let command = ["run", "--benchmark", "imgedit-basic", "--editor", editor].map(str::to_owned);
        let places = [("--items", "items"), ("--store", "store"), ("--out", "bench")];
        let places = places.into_iter().flat_map(|(flag, part)| [flag.to_owned(), at(part)]);
        let command: Vec<String> = command.into_iter().chain(places).collect();
        let words: Vec<String> = command.iter().map(|word| shell_word(word)).collect();
        say(&format!("$ {} {}", commands.name, words.join(" ")));
        let report = (commands.run)(&command)?;
        report.check()?;
        runs.push(report.summary);
    }
    let (bench, page) = (at("bench"), at("bench.html"));
    match output {
        Output::Json => print_json(&serde_json::json!({ "demo": folder, "runs": runs })),
        Output::Text => {
            let [bench_word, page_word] = [&bench, &page].map(|word| shell_word(word));
            say(&format!("$ {} table {bench_word} --page {page_word}\n", commands.name));
            subcommands::table_of(Path::new(&bench), Some(Path::new(&page)))?;
            say(&format!(
                "\nThe page, with every item before and after: {page}. To benchmark your own editor: {} run --help",
                commands.name
            ));
            Ok(())
        }
    }
}
