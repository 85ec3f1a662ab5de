//! Who edits and who judges in `edit_bench`.

use std::path::PathBuf;
use std::sync::Arc;

use benchmarks::{Benchmark, Counting, Items, Parser, Rubrics};
use kit::servers::{DEFAULT_CHAT_URL, Endpoints, editors};
use operators::edit::Editors;
use operators::editors::Editor;
use operators::editors::http_edit::Wording;
use operators::editors::paint::Paint;
use operators::onnx::{Backend, BackendChoice, Device};
use operators::words::chat::{ChatModel, JsonAnswers};
use threshflow::cli::{Failure, Workbench};
use threshflow::lane::Stage;

use crate::Stages;
use crate::args::{Args, Baseline, MOST_PASSES, ParserArg};
use crate::bench;
use crate::edit::{EditBy, EditItems};
use crate::flags;
use crate::items::ReadItems;
use crate::judge::{AskedBy, JudgeBy, JudgeItems};
use crate::record::BenchRecorder;
use crate::source;
use crate::written::Run;

fn said(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}

/// The caches of the passes, by name: pass N has the N-th.
const PASSES: [&str; MOST_PASSES as usize] = [
    "judge_pass_1",
    "judge_pass_2",
    "judge_pass_3",
    "judge_pass_4",
    "judge_pass_5",
    "judge_pass_6",
    "judge_pass_7",
    "judge_pass_8",
    "judge_pass_9",
    "judge_pass_10",
    "judge_pass_11",
    "judge_pass_12",
    "judge_pass_13",
    "judge_pass_14",
    "judge_pass_15",
    "judge_pass_16",
    "judge_pass_17",
    "judge_pass_18",
    "judge_pass_19",
    "judge_pass_20",
];

/// How answers are counted.
pub(crate) fn counting(args: &Args) -> Counting {
    let parser = match args.parser {
        ParserArg::Default => Parser::Default,
        ParserArg::Upstream => Parser::Upstream,
    };
    Counting { parser, clamp: args.clamp }
}

/// The file names under which benchmarks release their rubrics.
const PROMPT_FILES: [&str; 2] = ["judge_prompt.json", "prompts.json"];

/// The rubrics, and what they are called.
fn rubrics(
    args: &Args,
    benchmark: &'static Benchmark,
    items: &Items,
    workbench: &Workbench,
) -> Result<(Rubrics, String), Failure> {
    if flags::judges_by_pixels(args) {
        return Ok((Rubrics::own(benchmark), "none".to_owned()));
    }
    if args.own_rubrics {
        return Ok((Rubrics::own(benchmark), "threshflow's own".to_owned()));
    }
    let folder = if items.file.is_dir() { items.file.as_path() } else { source::parent(&items.file) };
    let beside = || PROMPT_FILES.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    let path: Option<PathBuf> = args.rubrics.clone().or_else(beside);
    let Some(path) = path else {
        return Err(Failure::Usage(format!(
            "there are no rubrics for the judge: none of {} lies in {}; give the benchmark's own prompt file by --rubrics FILE, or take \
             this program's by --own-rubrics (their scores compare with no published table)",
            PROMPT_FILES.join(", "),
            folder.display()
        )));
    };
    let rubrics = Rubrics::read(&path).map_err(|error| Failure::Usage(error.to_string()))?;
    if args.rubrics.is_none() {
        workbench.note(&format!("rubrics: {}", path.display()));
    }
    rubrics.missing(benchmark, items).map_err(|error| Failure::Usage(error.to_string()))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok((rubrics, name))
}

/// Opens all stages.
pub(crate) fn open(args: &Args, workbench: &Workbench) -> Result<Stages, Failure> {
    let (benchmark, read) = (source::benchmark(args)?, source::items(args)?);
    flags::check(args, &read)?;
    let (rubrics, rubrics_from) = rubrics(args, benchmark, &read, workbench)?;
    let rubrics = Arc::new(rubrics);
    let (lanes, models) = (&workbench.lanes, flags::models(args));
    // The key of --key-file is the judge's; that of OPENAI_API_KEY is for OpenAI's own endpoint, or the one that OPENAI_BASE_URL names.
    let usual = std::env::var("OPENAI_BASE_URL").unwrap_or_else(|_| DEFAULT_CHAT_URL.to_owned());
    let judge_url = args.judge.judge_url.clone().unwrap_or_else(|| usual.clone());
    let own_url = if args.endpoints.key_file.is_some() { &judge_url } else { &usual };
    let mut endpoints = Endpoints::of((&args.endpoints, &args.spending), own_url, &models, workbench)?;

    let items = Stage::open(ReadItems, lanes)?;
    let by = edit_by(args, workbench, &mut endpoints)?;
    let edits = Stage::open(EditItems::new(by, items.clone(), lanes.shards()), lanes)?;
    let by = match &args.judge.judge_model {
        None => JudgeBy::Embedded { passes: args.passes },
        Some(model) => {
            let chat = |pass: u32| ChatModel {
                temperature: args.judge.temperature,
                seed: Some(u64::from(pass)),
                max_tokens: args.judge.max_tokens,
                json: JsonAnswers::AsText,
                ..ChatModel::new(model.as_str())
            };
            let passes = (0..args.passes).zip(PASSES);
            let open = passes.map(|(pass, name)| endpoints.dated_chat(name, chat(pass), &judge_url));
            JudgeBy::Chat(open.collect::<Result<_, _>>()?)
        }
    };
    let asked =
        AskedBy { benchmark, rubrics: rubrics.clone(), pixels: args.pixels(), counting: counting(args) };
    let judge = JudgeItems::new(by, asked, items.clone(), edits.clone());
    let judge = Stage::open(judge, lanes)?;
    let recorder = BenchRecorder { items: items.clone(), edits: edits.clone(), judge: judge.clone() };
    let about = bench::About {
        format: bench::FORMAT.to_owned(),
        version: bench::VERSION,
        benchmark: benchmark.name.to_owned(),
        name: args.name(),
        items: read.hash.clone(),
        rubrics: rubrics_from,
        rubrics_hash: if flags::judges_by_pixels(args) { String::new() } else { rubrics.whole_hash() },
        judge: judge.operator().judge(),
        passes: args.passes,
        parser: counting(args).parser.name().to_owned(),
        clamp: args.clamp,
        editor: threshflow::lane::Operator::model(edits.operator()),
    };
    let results = source::all_results(args, &read)?;
    let run = Run { about, benchmark, counting: counting(args), read, results, edits: edits.clone() };
    Ok(Stages { items, edits, judge, recorder, run })
}

fn edit_by(args: &Args, workbench: &Workbench, endpoints: &mut Endpoints<'_>) -> Result<EditBy, Failure> {
    let cached = |editors: Vec<Arc<dyn Editor>>| Editors::open(editors, args.seed, &workbench.lanes);
    let painter = |wrong: bool| -> Result<EditBy, Failure> {
        Ok(EditBy::Painter { editors: cached(vec![Arc::new(Paint)])?, wrong })
    };
    match (&args.results, args.editor) {
        (Some(_), _) => Ok(EditBy::Results),
        (None, Some(Baseline::NoOp)) => Ok(EditBy::NoOp),
        (None, Some(Baseline::Embedded)) => painter(false),
        (None, Some(Baseline::WrongObject)) => painter(true),
        (None, None) => {
            let backend = || Backend::find(BackendChoice::Auto, Device::Cpu).map_err(said);
            let named = (&args.editors, &args.endpoints);
            let named = editors(named, Wording::Instruction, backend, workbench, endpoints)?;
            Ok(EditBy::Editors(cached(named)?))
        }
    }
}
