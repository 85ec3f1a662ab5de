//! The pipeline's file is the documentation: what README says of `pipelines/imgedit/mod.rs` is what stands there.

use std::collections::BTreeSet;
use std::path::Path;

const PIPELINE: &str = "pipelines/imgedit/mod.rs";

/// What stands before a stage in `wire`.
const STAGES: &str = "&stages.";

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn without_comment(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// The lines of `fn wire`, from its head to the brace that closes it.
fn wire(source: &str) -> Vec<&str> {
    let lines: Vec<&str> = source.lines().collect();
    let Some(begin) = lines.iter().position(|line| line.trim_start().starts_with("fn wire")) else {
        return Vec::new();
    };
    let indent = lines[begin].len() - lines[begin].trim_start().len();
    let closes = |line: &&str| line.trim() == "}" && line.len() == indent + 1;
    let length = lines[begin..].iter().position(closes).map_or(lines.len() - begin, |length| length + 1);
    lines[begin..begin + length].to_vec()
}

/// What `wire` takes from the pipeline: every name behind `&stages.`.
fn stages_of_the_file(source: &str) -> BTreeSet<String> {
    let code = wire(source).into_iter().map(without_comment).collect::<Vec<_>>().join("\n");
    let name = |(at, _): (usize, &str)| -> String {
        let rest = &code[at + STAGES.len()..];
        rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
    };
    code.match_indices(STAGES).map(name).collect()
}

/// The first cells of README's table of stages, in code marks.
fn stages_of_the_table(readme: &str) -> Vec<String> {
    let table = readme.lines().skip_while(|line| !line.starts_with("| stage |"));
    let rows = table.skip(2).take_while(|line| line.starts_with('|'));
    let first = |row: &str| row.split('|').nth(1).unwrap_or_default().trim().trim_matches('`').to_owned();
    rows.map(first).collect()
}

/// The block of Rust in which README shows the wiring.
fn block_of_wire(readme: &str) -> Vec<&str> {
    let mut blocks = readme.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.find(|block| block.starts_with("fn wire")).map(|block| block.lines().collect()).unwrap_or_default()
}

/// Everything that README says otherwise than the file.
fn wrong(readme: &str, source: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let (file, table) = (stages_of_the_file(source), stages_of_the_table(readme));
    let named: BTreeSet<String> = table.iter().cloned().collect();
    if file.is_empty() {
        wrong.push(format!("{PIPELINE} asks nothing"));
    }
    if named.len() != table.len() {
        wrong.push("README's table names a stage twice".to_owned());
    }
    wrong.extend(
        named.difference(&file).map(|name| format!("{name} stands in README's table, not in `wire`")),
    );
    wrong.extend(
        file.difference(&named).map(|name| format!("{name} stands in `wire`, not in README's table")),
    );
    // What is left out is marked by a line of its own; the rest is the file's, in its order.
    let block = block_of_wire(readme);
    if block.is_empty() {
        wrong.push("README shows no `fn wire`".to_owned());
    }
    let mut lines = wire(source).into_iter().map(str::trim);
    for line in block.into_iter().map(str::trim).filter(|line| !line.is_empty() && *line != "// …") {
        if !lines.any(|known| known == line) {
            wrong.push(format!("README shows {line:?}, which {PIPELINE} has not, or not there"));
            break;
        }
    }
    wrong
}

#[test]
fn readme_tells_of_the_pipeline_as_it_is() {
    let wrong = wrong(&read("README.md"), &read(PIPELINE));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_differs_is_found() {
    let source = "impl Pipeline for P {\n    fn wire(&self) {\n        // &stages.commented\n        \
        a.ask(&stages.caption)\n            .ask(&stages.judge)\n    }\n\n    fn other(&self) {\n        &stages.recorder\n    }\n}\n";
    let readme = |rows: &str, block: &str| {
        format!(
            "```rust\nfn wire(&self) {{\n{block}}}\n```\n| stage | does |\n|---|---|\n{rows}\n| `no` | row |\n"
        )
    };
    let (rows, block) = ("| `caption` | x |\n| `judge` | y |\n", "    a.ask(&stages.caption)\n    // …\n");
    let found = |rows: &str, block: &str| wrong(&readme(rows, block), source);
    assert_eq!(found(rows, block), Vec::<String>::new());
    for (rows, block, words) in [
        ("| `caption` | x |\n", block, "judge stands in `wire`"),
        ("| `caption` | x |\n| `judge` | y |\n| `edit` | z |\n", block, "edit stands in README's table"),
        ("| `caption` | x |\n| `judge` | y |\n| `judge` | z |\n", block, "twice"),
        (rows, "    a.ask(&stages.captions)\n", "README shows"),
        (rows, "    .ask(&stages.judge)\n    a.ask(&stages.caption)\n", "README shows"),
    ] {
        let found = found(rows, block);
        assert!(found.len() == 1 && found[0].contains(words), "{found:?} instead of {words:?}");
    }
    assert!(!wrong("", source).is_empty() && !wrong(&readme(rows, block), "").is_empty());
}

#[test]
fn the_first_command_of_readme_runs_the_pipeline_that_it_shows() {
    let first = "cargo run --release -- demo";
    assert!(read("README.md").lines().take(8).any(|line| line.starts_with(first)), "README begins otherwise");
    let manifest = read("pipelines/Cargo.toml");
    assert!(
        manifest.lines().any(|line| line == "default-run = \"threshflow\""),
        "another program is run by default"
    );
    let register = read("pipelines/register.rs");
    let first = register.lines().find(|line| line.trim_start().starts_with('&'));
    assert_eq!(first.map(str::trim), Some("&imgedit::ENTRY,"), "another pipeline goes without its name");
}

/// The targets of a page's links that lie in this repository, without what follows a `#`.
fn links(page: &str) -> Vec<&str> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let here = targets.filter(|target| !target.contains("://"));
    here.map(|target| target.split('#').next().unwrap_or_default()).filter(|path| !path.is_empty()).collect()
}

#[test]
fn readme_is_short_and_every_link_of_every_page_leads_somewhere() {
    assert!(read("README.md").lines().count() <= 200, "what is long lies in docs/");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let pages =
        std::fs::read_dir(root.join("docs")).expect("docs").map(|entry| entry.expect("is listed").path());
    let pages = pages.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let mut pages: Vec<_> = pages.collect();
    assert!(pages.len() >= 7, "{pages:?}");
    pages.extend(
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "models/README.md"].map(|page| root.join(page)),
    );
    let mut checked = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("is read");
        let folder = page.parent().expect("lies in a folder");
        for link in links(&text) {
            assert!(folder.join(link).exists(), "{}: {link} leads nowhere", page.display());
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked} links");
}

/// What ARCHITECTURE says of the way of a row and the files do not have: each file stands in a cell with the functions and types of its row.
fn gone(page: &str) -> Vec<String> {
    let section = page.split("### To follow one row").nth(1).unwrap_or_default();
    let section = section.split("\n### ").next().unwrap_or_default();
    let mut gone = Vec::new();
    for row in section.lines() {
        let (files, names): (Vec<&str>, Vec<&str>) =
            row.split('`').skip(1).step_by(2).partition(|it| it.ends_with(".rs"));
        let text: String = files.iter().map(|file| read(file)).collect();
        let has = |name: &str| {
            let name = name.rsplit("::").next().unwrap_or(name);
            ["fn ", "struct ", "trait "].iter().any(|item| {
                text.match_indices(&format!("{item}{name}")).any(|(at, found)| {
                    !text[at + found.len()..].starts_with(|it: char| it.is_alphanumeric() || it == '_')
                })
            }) || text.contains(&format!(".{name}("))
        };
        gone.extend(names.into_iter().filter(|name| !name.contains('/') && !has(name)).map(str::to_owned));
    }
    gone
}

#[test]
fn the_way_of_a_row_is_in_the_files_that_architecture_names() {
    let page = read("ARCHITECTURE.md");
    assert!(page.contains("### To follow one row"));
    assert_eq!(gone(&page), [""; 0]);
    assert_eq!(gone(&page.replace("`commit`", "`commit_all`")), ["commit_all"]);
}

/// The blocks of this language on a page, in order.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("```{language}\n");
    page.split(&opening).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// What a page that walks through a file shows otherwise than the file has it: its blocks, in order, are the file's lines, but for empty
/// ones between the blocks.
fn walked_otherwise(page: &str, file: &str) -> Option<String> {
    let mut rest = file;
    for block in blocks(page, "rust") {
        rest = rest.trim_start_matches('\n');
        let Some(after) = rest.strip_prefix(block) else {
            let shown = block.lines().zip(rest.lines()).find(|(shown, known)| shown != known);
            return Some(format!("the page and the file differ: {shown:?}"));
        };
        rest = after;
    }
    let left = rest.trim();
    (!left.is_empty()).then(|| format!("the page does not show {left:?}"))
}

#[test]
fn the_page_about_a_pipeline_of_ones_own_shows_all_of_its_file() {
    let page = read("docs/your-own-pipeline.md");
    assert_eq!(walked_otherwise(&page, &read("docs/own-pipeline/src/main.rs")), None);
    let manifest = read("docs/own-pipeline/Cargo.toml");
    let shown = blocks(&page, "toml");
    assert!(shown.len() == 1 && manifest.contains(shown[0]), "{shown:?} is not in its Cargo.toml");
}

#[test]
fn a_page_that_shows_another_file_is_found() {
    let page = "```rust\nfn a() {}\n```\nwords\n```rust\nfn b() {}\n```\n";
    assert_eq!(walked_otherwise(page, "fn a() {}\n\nfn b() {}\n"), None);
    for file in
        ["fn a() {}\n\nfn b() { }\n", "fn a() {}\n\nfn b() {}\nfn c() {}\n", "fn b() {}\n\nfn a() {}\n", ""]
    {
        assert!(walked_otherwise(page, file).is_some(), "{file:?}");
    }
}
