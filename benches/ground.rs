//! Images a second through `detect`, `segment` and `region_score`, beside their bare models; and what the cache of
//! text embeddings saves.
//!
//! Each operator is measured from rows to verdicts, on an empty memo, with what comes before it remembered. Beside it, with
//! nothing else running: its preparing alone on every core, and its models alone, in as many sessions and in the same
//! batches, fed with what is ready. The limit is what a program without any cost of its own would reach on
//! these cores. All are taken one after the other, several times, and the medians of their ratios are what counts: where
//! others use the machine, rates mean little. The models are the demo's, which are small.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use benches::scenes::{Ground, Scenes, UpTo, model};
use operators::Texts;
use operators::models::aesthetic_model::AestheticModel;
use operators::models::clip_model::ClipModel;
use operators::models::detect_model::{self, DetectModel, DetectSettings, Detector};
use operators::models::segment_model::SegmentModel;
use operators::onnx::{SessionDevice, SessionPlan};
use operators::pixels::decode::{Purpose, Rgb, decode};
use operators::pixels::letterbox::Boxed;
use operators::pixels::region_crop::{Channels, crop_by_mask};
use operators::plan::noun_list::NounSource;
use operators::segment::MaskSource;
use threshflow::lane::{Operator, Question, Subject};
use threshflow::shard::{Catalogue, Picture};

/// A third of them have sidecars with nouns.
const SCENES: usize = 128;
const ROUNDS: usize = 3;
/// Pictures that nouns are embedded for: the drawn ones, over and over.
const OF_THE_BOOK: usize = 500;

fn main() {
    // `cargo bench -- NAME` shows its filter to every bench.
    let filters: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    if !filters.is_empty() && !filters.iter().any(|filter| "ground".contains(filter.as_str())) {
        return;
    }
    let scenes = Scenes::draw(SCENES);
    println!("{}, {} cores, {ROUNDS} rounds", scenes.backend.description(), scenes.cores);
    let rounds: Vec<[Round; 3]> = (0..ROUNDS).map(|round| operators_once(&scenes, round)).collect();
    for (place, name) in ["detect", "segment", "region_score"].into_iter().enumerate() {
        let of_all: Vec<Round> = rounds.iter().map(|round| round[place]).collect();
        print(name, &of_all);
    }
    cache(&scenes);
}

/// Seconds that one operator took for so many pictures.
#[derive(Clone, Copy)]
struct Round {
    pictures: usize,
    questions: usize,
    end_to_end: f64,
    prepare: f64,
    bare: f64,
}

fn print(name: &str, rounds: &[Round]) {
    let middle = |of: &dyn Fn(&Round) -> f64| median(rounds.iter().map(of));
    let rate = |of: &dyn Fn(&Round) -> f64| middle(&|round| round.pictures as f64 / of(round));
    let (pictures, questions) = (rounds[0].pictures, rounds[0].questions);
    println!(
        "ground/{name}: {pictures} pictures, {questions} questions; images/s: {:.1} end to end, {:.1} prepared alone, {:.1} \
         the bare model, limit {:.1}; end to end is {:.0} % of the bare model, {:.0} % of the limit",
        rate(&|round| round.end_to_end),
        rate(&|round| round.prepare),
        rate(&|round| round.bare),
        rate(&|round| round.prepare + round.bare),
        middle(&|round| 100.0 * round.bare / round.end_to_end),
        middle(&|round| 100.0 * (round.prepare + round.bare) / round.end_to_end),
    );
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn operators_once(scenes: &Scenes, round: usize) -> [Round; 3] {
    let ground = Ground::open(scenes, &format!("memo {round}"));
    let [detect, segment, region_score] =
        [UpTo::Detect, UpTo::Segment, UpTo::RegionScore].map(|up_to| ground.run(up_to).as_secs_f64());
    for status in ground.lanes.status() {
        assert!(status.asked.asked > 0, "{} was asked nothing", status.name);
    }
    let (pictures, regions) = (ground.pictures(), ground.regions());
    let of = |questions: &[Vec<Question>], end_to_end, prepare, bare| {
        let (pictures, questions) = (questions.len(), questions.iter().map(Vec::len).sum());
        Round { pictures, questions, end_to_end, prepare, bare }
    };
    [
        of(
            &pictures,
            detect,
            prepare_alone(scenes, ground.detect.operator(), &pictures),
            bare_detector(&ground, scenes),
        ),
        of(
            &regions,
            segment,
            prepare_alone(scenes, ground.segment.operator(), &regions),
            bare_segmenter(&ground, scenes),
        ),
        of(
            &regions,
            region_score,
            prepare_alone(scenes, ground.region_score.operator(), &regions),
            bare_scorers(&ground, scenes),
        ),
    ]
}

/// Seconds until `threads` threads are through with `items`; sessions are open before the clock starts.
fn on_threads<S, I: Sync>(
    threads: usize,
    items: &[I],
    open: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &I) + Sync,
) -> f64 {
    let (next, ready) = (AtomicUsize::new(0), Barrier::new(threads + 1));
    let one = || {
        let mut session = open();
        ready.wait();
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(&mut session, item);
        }
    };
    let begin = std::thread::scope(|scope| {
        (0..threads).for_each(|_| drop(scope.spawn(one)));
        ready.wait();
        Instant::now()
    });
    begin.elapsed().as_secs_f64()
}

/// The picture that the questions are about, for as long as `look` looks.
fn with_picture<T>(
    catalogue: &Catalogue,
    questions: &[Question],
    look: impl FnOnce(&Picture, &[u8]) -> T,
) -> T {
    let id = questions[0].id;
    let shard = catalogue.shard(id.shard).expect("it is open");
    let picture = shard.index.samples[id.member as usize].picture.as_ref().expect("it was asked about");
    look(picture, &shard.picture_bytes(id.member).expect("it was asked about"))
}

/// On every core, as the lanes' pool does. What is prepared is dropped.
fn prepare_alone<O: Operator>(scenes: &Scenes, operator: &O, asked: &[Vec<Question>]) -> f64 {
    let prepare = |_: &mut (), questions: &Vec<Question>| {
        with_picture(&scenes.catalogue, questions, |picture, bytes| {
            drop(operator.prepare(&Subject {
                questions,
                picture: Some((picture, bytes)),
                end_frame: None,
                sidecar: None,
            }));
        });
    };
    on_threads(scenes.cores, asked, || (), prepare)
}

/// The pictures that can be decoded, each with its questions.
fn decoded<'q>(scenes: &Scenes, asked: &'q [Vec<Question>], purpose: Purpose) -> Vec<(&'q [Question], Rgb)> {
    let one = |questions: &'q Vec<Question>| {
        let rgb = with_picture(&scenes.catalogue, questions, |picture, bytes| {
            decode(bytes, picture.format, picture.orientation, purpose)
        });
        rgb.ok().map(|rgb| (questions.as_slice(), rgb))
    };
    asked.iter().filter_map(one).collect()
}

/// A letterboxed picture, its nouns and their embeddings.
struct Looked {
    picture: Boxed,
    nouns: Vec<String>,
    embeddings: Vec<Vec<f32>>,
}

fn detector(scenes: &Scenes) -> DetectModel {
    DetectModel::open(&model("detect"), &scenes.backend, DetectSettings::default()).expect("opens")
}

fn looked(ground: &Ground<'_>, scenes: &Scenes, detector: &DetectModel) -> Vec<Looked> {
    let pictures = ground.pictures();
    let one = |(questions, rgb): (&[Question], Rgb)| {
        let nouns = ground.nouns.nouns(&questions[0]).expect("remembered");
        let nouns: Vec<String> = nouns.iter().map(str::to_owned).collect();
        let words: Vec<&str> = nouns.iter().map(String::as_str).collect();
        let embeddings = embedded(&ground.texts, &words);
        Looked { picture: detector.letterbox().fit(&rgb).expect("fits"), nouns, embeddings }
    };
    decoded(scenes, &pictures, detector.purpose()).into_iter().map(one).collect()
}

fn embedded(texts: &Texts, words: &[&str]) -> Vec<Vec<f32>> {
    texts.embed(words).into_iter().map(|embedding| embedding.expect("embedded")).collect()
}

fn find(detector: &mut Detector, batch: &[(&Boxed, &[Vec<f32>])]) {
    let rows: Vec<Vec<&[f32]>> =
        batch.iter().map(|(_, nouns)| nouns.iter().map(Vec::as_slice).collect()).collect();
    let questions: Vec<detect_model::Question<'_>> = batch
        .iter()
        .zip(&rows)
        .map(|((picture, _), nouns)| detect_model::Question { picture, nouns })
        .collect();
    detector.detect(&questions).expect("answers");
}

fn bare_detector(ground: &Ground<'_>, scenes: &Scenes) -> f64 {
    let (operator, detector) = (ground.detect.operator(), detector(scenes));
    let threads = SessionPlan::new(&scenes.backend, detector.bytes(), scenes.cores).threads;
    let ready = looked(ground, scenes, &detector);
    let batches: Vec<&[Looked]> = ready.chunks(operator.limits().batch).collect();
    let open = || detector.open_session(SessionDevice::Cpu, threads).expect("opens");
    on_threads(operator.limits().sessions(), &batches, open, |session, batch| {
        let batch: Vec<(&Boxed, &[Vec<f32>])> =
            batch.iter().map(|looked| (&looked.picture, looked.embeddings.as_slice())).collect();
        find(session, &batch);
    })
}

/// A picture as the encoder takes it, its size, and its boxes.
struct Prompted {
    pixels: Vec<f32>,
    size: (u32, u32),
    boxes: Vec<[f32; 4]>,
}

/// One picture a run; no mask is made of what comes out.
fn bare_segmenter(ground: &Ground<'_>, scenes: &Scenes) -> f64 {
    let model = SegmentModel::open(&model("segment"), &scenes.backend).expect("opens");
    let threads = SessionPlan::new(&scenes.backend, model.bytes(), scenes.cores).threads;
    let regions = ground.regions();
    let ready: Vec<Prompted> = decoded(scenes, &regions, model.purpose())
        .iter()
        .map(|(questions, rgb)| {
            let boxes =
                questions.iter().filter_map(|question| Some(question.region.as_ref()?.bbox())).collect();
            let size = (rgb.full_width, rgb.full_height);
            Prompted { pixels: model.prepare(rgb).expect("prepared"), size, boxes }
        })
        .collect();
    let open = || model.open_session(SessionDevice::Cpu, threads).expect("opens");
    on_threads(ground.segment.operator().limits().sessions(), &ready, open, |session, ready| {
        session
            .segment(&ready.pixels, ready.size, &ready.boxes, &mut |_, segmented| drop(segmented))
            .expect("answers");
    })
}

/// Both models, the cut-outs of one picture a run.
fn bare_scorers(ground: &Ground<'_>, scenes: &Scenes) -> f64 {
    let clip = ClipModel::open(&model("clip"), &scenes.backend).expect("opens");
    let scorer = AestheticModel::open(&model("aesthetic"), &scenes.backend).expect("opens");
    let threads = SessionPlan::new(&scenes.backend, clip.bytes() + scorer.bytes(), scenes.cores).threads;
    let regions = ground.regions();
    let cut = |(questions, rgb): &(&[Question], Rgb)| -> Vec<[Vec<u8>; 2]> {
        let one = |question: &Question| {
            let mask = ground.segment.mask(question).ok()?.mask(rgb.width, rgb.height).ok()?;
            let cut = crop_by_mask(rgb, &mask.bits, Channels::Rgb).ok()?;
            Some([clip.preprocess().crop_u8(&cut).ok()?, scorer.crop(&cut).ok()?])
        };
        questions.iter().filter_map(one).collect()
    };
    let ready: Vec<_> =
        decoded(scenes, &regions, Purpose::Full).iter().map(cut).filter(|cuts| !cuts.is_empty()).collect();
    let open = || {
        let vision = clip.open_vision(SessionDevice::Cpu, threads).expect("opens");
        (vision, scorer.open_session(SessionDevice::Cpu, threads).expect("opens"))
    };
    on_threads(ground.region_score.operator().limits().sessions(), &ready, open, |(vision, scorer), cuts| {
        let of = |which: usize| -> Vec<&[u8]> { cuts.iter().map(|cut| cut[which].as_slice()).collect() };
        vision.embed(&of(0)).expect("answers");
        scorer.score(&of(1)).expect("answers");
    })
}

/// Seconds of all pictures, and how many texts the cache had to ask for.
struct BookRound {
    anew: f64,
    cache: f64,
    asked: u64,
}

/// What is done with a picture's embedded nouns.
type Then = fn(&mut Detector, &Boxed, &[Vec<f32>]);

/// The nouns of letterboxed pictures from a cache that is empty at first, beside every picture's nouns embedded anew by a text
/// tower beside each detector: embedded alone, and then looked for, one picture a run.
fn cache(scenes: &Scenes) {
    let ground = Ground::open(scenes, "cache");
    ground.run(UpTo::Detect);
    let detector = detector(scenes);
    let drawn = looked(&ground, scenes, &detector);
    let ready: Vec<&Looked> = drawn.iter().cycle().take(OF_THE_BOOK).collect();
    let texts: usize = ready.iter().map(|looked| looked.nouns.len()).sum();
    let thens: [(&str, Then); 2] = [
        ("embedded", |_, _, _| ()),
        ("embedded and found", |session, picture, nouns| find(session, &[(picture, nouns)])),
    ];
    for (name, then) in thens {
        let memos = |round: usize| format!("cache {name} {round}");
        let rounds: Vec<BookRound> =
            (0..ROUNDS).map(|round| book_once(scenes, &detector, &ready, &memos(round), then)).collect();
        let rate = |took: &dyn Fn(&BookRound) -> f64| {
            median(rounds.iter().map(|round| ready.len() as f64 / took(round)))
        };
        println!(
            "ground/cache: {} pictures {name}; anew {texts} texts at {:.0} images/s; with the cache {} texts at {:.0} \
             images/s: {:.2} times as fast",
            ready.len(),
            rate(&|round| round.anew),
            rounds[0].asked,
            rate(&|round| round.cache),
            median(rounds.iter().map(|round| round.anew / round.cache)),
        );
    }
}

fn book_once(
    scenes: &Scenes,
    detector: &DetectModel,
    ready: &[&Looked],
    memos: &str,
    then: Then,
) -> BookRound {
    let clip = ClipModel::open(&model("clip"), &scenes.backend).expect("opens");
    let tokeniser = clip.tokeniser().expect("opens");
    let plan = SessionPlan::new(&scenes.backend, detector.bytes() + clip.bytes(), scenes.cores);
    let open = || detector.open_session(SessionDevice::Cpu, plan.threads).expect("opens");
    let open_both = || (open(), clip.open_text(SessionDevice::Cpu, plan.threads).expect("opens"));
    let anew = on_threads(plan.sessions, ready, open_both, |(session, tower), looked| {
        let tokens: Vec<Vec<i64>> =
            looked.nouns.iter().map(|noun| tokeniser.encode(noun).expect("encodes")).collect();
        then(session, &looked.picture, &tower.embed(&tokens).expect("answers"));
    });
    let lanes = scenes.lanes(memos);
    let texts = scenes.texts("noun_text", &lanes);
    let cache = on_threads(plan.sessions, ready, open, |session, looked| {
        let words: Vec<&str> = looked.nouns.iter().map(String::as_str).collect();
        then(session, &looked.picture, &embedded(&texts, &words));
    });
    BookRound { anew, cache, asked: lanes.status()[0].asked.asked }
}
