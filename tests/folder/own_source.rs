//! A pipeline that finds its pictures itself.

use std::path::PathBuf;
use std::sync::Arc;

use tests::curate::{Args, Dials, Judge, open_judge, short_side};
use tests::scratch;
use tests::shards::png;
use threshflow::cli::{App, Entry, Failure, Program, RunOptions, Workbench, invoke};
use threshflow::lane::Stage;
use threshflow::prelude::*;
use threshflow::publish::published_keys;
use threshflow::shard::{FileBytes, FileMember, ShardSource};

#[derive(clap::Args, Clone, Debug)]
struct ItemArgs {
    /// A JSON list of captions: an item each
    #[arg(long)]
    items: PathBuf,
    #[command(flatten)]
    curate: Args,
}

struct Items(Arc<Stage<Judge>>);

impl Pipeline for Items {
    const NAME: &'static str = "items";
    type Dials<'s> = Dials<'s>;

    fn wire<'s>(&self, images: Flow<'s, Image>, dial: &Dials<'s>) -> Flow<'s, impl Row> {
        images.each(short_side).gate(&dial.short_side).ask(&self.0).gate(&dial.taste)
    }
}

impl App for Items {
    const ABOUT: &'static str = "Items of a list";
    type Args = ItemArgs;
    const OWN_SOURCE: bool = true;

    fn source(args: &ItemArgs, options: &mut RunOptions) -> Result<Option<Vec<ShardSource>>, Failure> {
        let failed = |error: String| Failure::Usage(format!("--items {}: {error}", args.items.display()));
        let text = std::fs::read_to_string(&args.items).map_err(|error| failed(error.to_string()))?;
        let captions: Vec<String> = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
        let folder = args.items.parent().unwrap_or(&args.items);
        options.out = folder.join("out");
        options.store = folder.join("store");
        let members = captions.iter().enumerate().flat_map(|(number, caption)| {
            let json = serde_json::json!({ "caption": caption }).to_string().into_bytes();
            [
                FileMember::new(format!("{number}.png"), FileBytes::File(folder.join("one.png"))),
                FileMember::new(format!("{number}.json"), FileBytes::Text(json.into())),
            ]
        });
        Ok(Some(vec![ShardSource::of_files("items", folder, members.collect())]))
    }

    fn open(args: &ItemArgs, workbench: &Workbench) -> Result<Self, Failure> {
        open_judge(&args.curate, workbench).map(Items)
    }
}

#[test]
fn its_source_is_found_before_anything_is_opened_and_has_no_flag() {
    let folder = scratch();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("one.png"), png(20, 20, 5)).unwrap();
    std::fs::write(path("items.json"), "[\"a cat\", \"a dog\", \"a cow\"]").unwrap();
    let command = |more: &[&str]| -> Vec<String> {
        let words = [
            "run".to_owned(),
            format!("--items={}", path("items.json").display()),
            "--set=taste=0".to_owned(),
        ];
        words.into_iter().chain(more.iter().map(|word| (*word).to_owned())).collect()
    };
    let report = invoke::run::<Items>(&command(&["--max-error-rate=1"])).unwrap();
    report.check().unwrap();
    assert_eq!((report.summary.rows, report.summary.asks["judge"].asked), (3, 1));
    assert_eq!(published_keys(&path("out")).unwrap().len() as u64, report.summary.kept);
    assert!(path("store/shards.log").exists());
    let planned = invoke::plan::<Items>(&command(&[])).unwrap();
    assert_eq!((planned.rows, planned.total.leave), (3, 0));
    for flag in ["--pictures", "--shards"] {
        let Err(Failure::Usage(told)) = invoke::run::<Items>(&command(&[flag, "x"])) else {
            panic!("{flag} is taken")
        };
        assert!(told.contains("items finds its pictures by its own flags"), "{told}");
    }
    static ENTRIES: [&Entry; 1] = [&Entry::of::<Items>()];
    let mut program = Program { name: "p", about: "p", pipelines: &ENTRIES }.command();
    program.build();
    let run = program.find_subcommand_mut("run").unwrap();
    let help = run.render_help().to_string();
    assert!(help.contains("--items") && !help.contains("--pictures") && !help.contains("--shards"), "{help}");
    let line = |words: &str| program.clone().try_get_matches_from(words.split(' ')).map(drop);
    line("p run --items x").unwrap();
    line("p plan --items x").unwrap();
    assert!(line("p run").is_err_and(|error| error.to_string().contains("--items")));
}
