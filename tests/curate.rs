//! A pipeline for tests: sized pictures, judged by a plain function of their bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use threshflow::cli::{App, Failure, Workbench};
use threshflow::lane::{Limits, Operator, Reply, Subject};
use threshflow::prelude::*;
use threshflow::row::{ContentHash, Refusal, Stamp, Verdict};
use threshflow::shard::Picture;

use crate::shards::Sample;

pub struct ShortSide;
impl Unit for ShortSide {
    const NAME: &'static str = "short_side";
    const UNIT: &'static str = "px";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 100.0;
}

/// From 0 to 10, by the content's hash.
pub struct Taste;
impl Unit for Taste {
    const NAME: &'static str = "taste";
    const UNIT: &'static str = "0 to 10";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 10.0;
}

dials! {
    /// Of the test's pipeline.
    pub struct Dials {
        /// The shorter side.
        short_side: ShortSide > 12,
        /// Taste.
        taste: Taste >= 4.5,
    }
}

/// What the judge finds: scores in steps of a half, so that dials meet ties; one content in 23 is refused.
pub fn taste(content: ContentHash) -> Result<f32, Refusal> {
    let n = u32::from_le_bytes([content.0[0], content.0[1], content.0[2], 0]);
    if n.is_multiple_of(23) {
        return Err(Refusal::permanent("distasteful", "the judge will not look at this"));
    }
    Ok((n % 21) as f32 / 2.0)
}

#[derive(clap::Args, Clone, Debug, Default)]
pub struct Args {
    /// Which judge: another one has another stamp
    #[arg(long, default_value_t = 0)]
    pub judge: u64,
    /// Nobody judges
    #[arg(long)]
    pub no_judge: bool,
    /// Milliseconds that a batch takes
    #[arg(long, default_value_t = 0)]
    pub slow: u64,
    /// Milliseconds that preparing a picture takes
    #[arg(long, default_value_t = 0)]
    pub slow_prepare: u64,
    /// Bytes that a picture is said to take
    #[arg(long, default_value_t = 1000)]
    pub bytes: u64,
    /// A file that gets a line for every question, the moment it is taken up
    #[arg(long)]
    pub log_asks: Option<PathBuf>,
    /// What goes wrong with the contents whose hash starts so: KIND:HEX; may be given several times
    #[arg(long, value_name = "KIND:HEX")]
    pub trouble: Vec<Trouble>,
}

/// What the judge does when it meets a certain picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Preparing never ends.
    HangPreparing,
    /// The batch that it is in never ends.
    HangAnswering,
    PanicPreparing,
    /// The batch that it is in panics.
    PanicAnswering,
    /// The score is no number.
    NotANumber,
    /// The batch that it is in gets an answer too few.
    OneTooFew,
    /// No session opens, whatever the picture.
    NoSession,
    /// Opening a session panics, whatever the picture.
    PanicOpening,
}

#[derive(Clone, Debug)]
pub struct Trouble {
    pub kind: Kind,
    /// How the content's hash starts.
    pub hash: String,
}

impl std::str::FromStr for Trouble {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, hash) = text.split_once(':').ok_or("it is written KIND:HEX")?;
        Ok(Trouble { kind: clap::ValueEnum::from_str(kind, false)?, hash: hash.to_owned() })
    }
}

pub struct Judge {
    args: Args,
    log: Option<File>,
    pub preparing: AtomicUsize,
    pub answering: AtomicUsize,
}

impl Judge {
    fn meets(&self, kind: Kind, content: ContentHash) -> bool {
        let starts = |trouble: &Trouble| content.to_string().starts_with(&trouble.hash);
        self.args.trouble.iter().any(|trouble| trouble.kind == kind && starts(trouble))
    }
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

impl Operator for Judge {
    type Answer = Score<Taste>;
    type Prepared = ContentHash;
    type Session = ();

    fn name(&self) -> &'static str {
        "judge"
    }
    fn stamp(&self) -> Stamp {
        Stamp::of(&[("operator", b"judge/1"), ("which", &self.args.judge.to_le_bytes())])
    }
    fn model(&self) -> String {
        format!("judge {}", self.args.judge)
    }
    fn bytes_to_prepare(&self, _picture: &Picture, _bytes: &[u8]) -> u64 {
        self.args.bytes
    }
    fn bytes_prepared(&self, _questions: usize) -> u64 {
        self.args.bytes / 10
    }
    fn prepare(&self, subject: &Subject<'_>) -> Result<ContentHash, Refusal> {
        self.preparing.fetch_add(1, Ordering::Relaxed);
        if let Some(mut log) = self.log.as_ref() {
            // One write a line: what a killed process had taken up can be counted.
            log.write_all(format!("{}\n", subject.content()).as_bytes())
                .expect("the log of asks can be written");
        }
        std::thread::sleep(Duration::from_millis(self.args.slow_prepare));
        if self.meets(Kind::HangPreparing, subject.content()) {
            hang();
        }
        assert!(!self.meets(Kind::PanicPreparing, subject.content()), "the judge cannot bear this");
        let (_, bytes) =
            subject.picture.ok_or_else(|| Refusal::permanent("no_bytes", "nothing to look at"))?;
        // The bytes, not the row's word for them: a lane that mixed pictures up would be seen.
        Ok(ContentHash::of(bytes))
    }
    fn limits(&self) -> Limits {
        Limits::of_pool(2, 8)
    }
    fn open_session(&self) -> Result<(), String> {
        let is = |kind| self.args.trouble.iter().any(|trouble| trouble.kind == kind);
        assert!(!is(Kind::PanicOpening), "the judge will not come");
        if is(Kind::NoSession) { Err("the judge is ill".to_owned()) } else { Ok(()) }
    }
    fn answer(&self, _session: &mut (), batch: &[ContentHash]) -> Vec<Result<Reply<Score<Taste>>, Refusal>> {
        self.answering.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(self.args.slow));
        let any = |kind| batch.iter().any(|content| self.meets(kind, *content));
        if any(Kind::HangAnswering) {
            hang();
        }
        assert!(!any(Kind::PanicAnswering), "the judge drops the batch");
        let score = |content: &ContentHash| match self.meets(Kind::NotANumber, *content) {
            true => Ok(Score::of(f32::NAN).into()),
            false => taste(*content).map(|taste| Score::of(taste).into()),
        };
        batch.iter().map(score).skip(usize::from(any(Kind::OneTooFew))).collect()
    }
}

pub fn open_judge(args: &Args, workbench: &Workbench) -> Result<Arc<Stage<Judge>>, Failure> {
    let append = |path: &PathBuf| File::options().create(true).append(true).open(path);
    let log = args.log_asks.as_ref().map(append).transpose();
    let log = log.map_err(|error| Failure::Usage(format!("--log-asks: {error}")))?;
    let (preparing, answering) = (AtomicUsize::new(0), AtomicUsize::new(0));
    Ok(Stage::open(Judge { args: args.clone(), log, preparing, answering }, &workbench.lanes)?)
}

pub struct Curate {
    judge: Option<Arc<Stage<Judge>>>,
}

impl Curate {
    /// The stage, in a run that has it.
    pub fn judge(&self) -> &Stage<Judge> {
        self.judge.as_ref().expect("a run with a judge")
    }
}

pub fn short_side(image: Image) -> Scored<Image, ShortSide> {
    let score = Score::of(image.short_side().into());
    With::new(image, score)
}

impl Pipeline for Curate {
    const NAME: &'static str = "curate";
    type Dials<'s> = Dials<'s>;

    fn wire<'s>(&self, images: Flow<'s, Image>, dial: &Dials<'s>) -> Flow<'s, impl Row> {
        images.each(short_side).gate(&dial.short_side).ask(&self.judge).gate(&dial.taste)
    }
}

impl App for Curate {
    const ABOUT: &'static str = "A pipeline for tests";
    type Args = Args;

    fn open(args: &Args, workbench: &Workbench) -> Result<Self, Failure> {
        Ok(Curate { judge: (!args.no_judge).then(|| open_judge(args, workbench)).transpose()? })
    }

    fn subcommands() -> Vec<clap::Command> {
        let words = clap::Arg::new("words").required(true).help("What is to be said");
        vec![clap::Command::new("say").about("Says words that are not \"rude\"").arg(words)]
    }

    fn subcommand(name: &str, matches: &clap::ArgMatches) -> Result<(), Failure> {
        match matches.get_one::<String>("words") {
            Some(words) if words == "rude" => Err(Failure::Failed(format!("{name}: these are rude words"))),
            words => {
                threshflow::say!("{}", words.map_or("", String::as_str));
                Ok(())
            }
        }
    }
}

/// Where a sample must end, worked out from its bytes alone.
pub fn verdict(sample: &Sample, short_side: f32, taste_at: f32) -> Verdict {
    let Ok(picture) = image::load_from_memory(&sample.picture) else {
        return refused("probe", "not_a_picture");
    };
    let side = picture.width().min(picture.height()) as f32;
    if side <= short_side {
        return Verdict::Gated { dial: "short_side", score: side };
    }
    match taste(ContentHash::of(&sample.picture)) {
        Err(refusal) => refused("judge", &refusal.class),
        Ok(score) if score >= taste_at => Verdict::Kept([side, score].into()),
        Ok(score) => Verdict::Gated { dial: "taste", score },
    }
}

pub fn refused(stage: &'static str, class: &str) -> Verdict {
    let refusal = Refusal { class: class.to_owned().into(), ..Refusal::transient("", "") };
    Verdict::Refused(Box::new(threshflow::row::Refused { stage: stage.into(), refusal }))
}

/// A verdict without its message, so that a test states what it must be and not how it is said.
pub fn plainly(verdict: &Verdict) -> Verdict {
    match verdict {
        Verdict::Refused(was) => match refused("", &was.refusal.class) {
            Verdict::Refused(mut plain) => {
                plain.stage = was.stage.clone();
                Verdict::Refused(plain)
            }
            other => other,
        },
        other => other.clone(),
    }
}

/// The contents that a run over `samples` has to ask about, each once.
pub fn asked(samples: &[Sample], short_side: f32) -> BTreeMap<ContentHash, usize> {
    let passes = |sample: &&Sample| {
        let picture = image::load_from_memory(&sample.picture);
        picture.is_ok_and(|picture| picture.width().min(picture.height()) as f32 > short_side)
    };
    samples.iter().filter(passes).map(|sample| (ContentHash::of(&sample.picture), 1)).collect()
}
