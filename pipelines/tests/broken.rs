//! Broken input through the real pipeline: one verdict each, no panic, bounded memory, and good neighbours unharmed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tests::Rng;
use tests::program::{Desk, ended};
use tests::tars::{Member, black_png, blocks, claim, file, png_of, special, tar_of};
use threshflow::publish::{Ended, find_verdict};

/// The most memory that the whole corpus may take; nearly all of it is the one picture of nine megapixels.
const MOST_MEMORY: u64 = 256 << 20;
/// A picture of 12,000 x 12,000 is above this, and one of 3,000 x 3,000 below.
const LIMITS: &str = "--max-pixels 100000000 --decoded-bytes 33554432";

/// Where a row must end.
#[derive(Clone, Debug, PartialEq)]
enum End {
    /// With the score that this picture has in a clean shard.
    Scored(&'static str),
    Refused(&'static str, &'static str),
}
use End::{Refused, Scored};

const fn damaged() -> End {
    Refused("probe", "damaged_tar")
}

const GOOD: [&str; 6] =
    ["colour_420.jpg", "colour_444.jpg", "progressive.jpg", "rgba.png", "lossy.webp", "exif_6.jpg"];
/// All of one colour: large or small, it is the same to the scorer.
const BLACK: &str = "black";
const UNUSUAL: [&str; 14] = [
    "cmyk.jpg",
    "grey.jpg",
    "grey16.png",
    "rgb16.png",
    "grey_alpha.png",
    "palette.png",
    "palette_transparent.png",
    "one_bit.png",
    "animated.gif",
    "animated.webp",
    "lossless.webp",
    "plain.bmp",
    "plain.tiff",
    "panorama.jpg",
];

fn picture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../operators/fixtures/pictures");
    std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A member `<key>.<extension of the picture>`.
fn member(key: &str, name: &str) -> Member {
    file(format!("{key}.{}", name.rsplit('.').next().unwrap_or_default()), picture(name))
}

/// Every good picture and its sidecar, as samples `0` to `5`.
fn good_members() -> Vec<Member> {
    let sample =
        |(n, name): (usize, &&str)| [member(&n.to_string(), name), file(format!("{n}.json"), "{\"aes\": 5}")];
    GOOD.iter().enumerate().flat_map(sample).collect()
}

/// The shards, and where every one of their rows must end, by `shard/key`.
struct Corpus {
    desk: Desk,
    ends: BTreeMap<String, End>,
}

impl Corpus {
    fn put(&mut self, shard: &str, bytes: &[u8], ends: &[(&str, End)]) {
        self.piece(&format!("{shard}.tar"), bytes);
        for (key, end) in ends {
            assert!(self.ends.insert(format!("{shard}/{key}"), end.clone()).is_none(), "{shard}/{key} twice");
        }
    }

    fn piece(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.desk.path("shards").join(name), bytes).unwrap();
    }
}

fn tar_damage(corpus: &mut Corpus) {
    let tar = tar_of(&good_members());
    let ends: Vec<usize> = {
        let mut at = 0;
        good_members().iter().map(|member| (at += blocks(member).len(), at).1).collect()
    };
    let starts = std::iter::once(&0).chain(&ends);
    let payload_ends: Vec<usize> =
        starts.zip(good_members()).map(|(start, member)| start + 512 + member.payload_len()).collect();
    let mut dice = Rng(3);
    let content = tar.len() - 1024;
    let near =
        (1..content / 512).step_by(7).flat_map(|block| [block * 512 - 1, block * 512, block * 512 + 1]);
    for (n, cut) in near.chain((0..30).map(|_| 1 + dice.below(content - 1))).enumerate() {
        let shard = format!("cut{n:03}");
        corpus.piece(&format!("{shard}.tar"), &tar[..cut]);
        // What is missing of a block behind the payload costs nothing but the tar's good name.
        let whole = payload_ends.iter().filter(|end| **end <= cut).count();
        // Members come in pairs, a picture and its sidecar. A picture whose sidecar was never announced is a sample;
        // one whose sidecar is cut is lost with it.
        let announced = whole % 2 == 1 && cut >= ends[whole - 1] + 512;
        let complete = if announced { whole / 2 } else { whole.div_ceil(2) };
        for (key, name) in GOOD.iter().enumerate().take(complete) {
            corpus.ends.insert(format!("{shard}/{key}"), Scored(name));
        }
        if !ends.contains(&cut) {
            corpus.ends.insert(format!("{shard}/DAMAGE"), damaged());
        }
    }
    let third = ends[3];
    let mut flipped = tar.clone();
    flipped[third + 2] ^= 1;
    let checked = format!("@{third}");
    corpus.put(
        "checksum",
        &flipped,
        &[("0", Scored(GOOD[0])), ("1", Scored(GOOD[1])), (&checked, damaged())],
    );
    for (n, size) in [1 << 33, 1 << 40, u64::MAX, u64::MAX - 511, u64::MAX / 2].into_iter().enumerate() {
        let absurd = [&blocks(&member("a", GOOD[0]))[..], &claim("b.png", size), &[0; 2048]].concat();
        corpus.put(&format!("absurd{n}"), &absurd, &[("a", Scored(GOOD[0])), ("b.png", damaged())]);
    }
    corpus.put("empty", &[0; 1024], &[]);
    corpus.put("nothing", b"", &[("@0", damaged())]);
    corpus.put(
        "text",
        b"I am not a tar, whatever they call me.\n".repeat(100).as_slice(),
        &[("@0", damaged())],
    );
    corpus.put("gzip", b"\x1f\x8b\x08\x00 and so on", &[("@0", damaged())]);
}

fn tar_structure(corpus: &mut Corpus) {
    let [a, b, c] = ["a", "b", "c"].map(|key| member(key, GOOD[0]));
    corpus.put(
        "returning",
        &tar_of(&[a.clone(), b.clone(), file("a.txt", "late"), c.clone()]),
        // Asked for `a`, explain tells of the first; the other row is told beside it.
        &[
            ("a", Scored(GOOD[0])),
            ("b", Scored(GOOD[0])),
            ("c", Scored(GOOD[0])),
            ("ALSO a", Refused("probe", "key_returns")),
        ],
    );
    corpus.put(
        "doubled",
        &tar_of(&[a.clone(), file("a.JPG", "again"), file("b.png", "x"), b, c.clone()]),
        &[
            ("a", Refused("probe", "duplicate_member")),
            ("b", Refused("probe", "several_pictures")),
            ("c", Scored(GOOD[0])),
        ],
    );
    let hostile = ["/etc/passwd.png", "../a.png", "s/../../a.png", "s/.png", ".png"];
    let mut members = vec![a.clone()];
    members.extend(hostile.iter().map(|name| file(name, picture("rgba.png"))));
    members.push(file(b"caf\xe9.png", picture("rgba.png")));
    members.push(file("a.json", "{}"));
    members.push(c.clone());
    let mut ends: Vec<(&str, End)> =
        hostile.iter().map(|name| (*name, Refused("probe", "hostile_name"))).collect();
    ends.push((r"caf\xe9.png", Refused("probe", "hostile_name")));
    ends.extend([("a", Scored(GOOD[0])), ("c", Scored(GOOD[0]))]);
    corpus.put("hostile", &tar_of(&members), &ends);
    let links = [
        special("hard.png", b'1'),
        special("soft.png", b'2'),
        special("device.png", b'3'),
        special("fifo.png", b'6'),
    ];
    let names = ["hard.png", "soft.png", "device.png", "fifo.png"];
    let mut ends: Vec<(&str, End)> =
        names.iter().map(|name| (*name, Refused("probe", "not_a_file"))).collect();
    ends.extend([("a", Scored(GOOD[0])), ("c", Scored(GOOD[0]))]);
    corpus.put("links", &tar_of(&[&[a][..], &links, &[c]].concat()), &ends);
    let tar = tar_of(&good_members());
    let first = blocks(&good_members()[0]).len() + blocks(&good_members()[1]).len();
    corpus.piece("pieces.tar.split.000", &tar[..first + 100]);
    corpus.piece("pieces.tar.split.002", &tar[first + 5000..]);
    corpus.ends.insert("pieces/0".into(), Scored(GOOD[0]));
    corpus.ends.insert(format!("pieces/@{first}"), Refused("probe", "missing_piece"));
}

fn pictures(corpus: &mut Corpus) {
    let mut members = vec![member("good", GOOD[1])];
    let mut ends = vec![("good".to_owned(), Scored(GOOD[1]))];
    for name in UNUSUAL {
        let key = name.replace('.', "_");
        members.push(member(&key, name));
        ends.push((key, Scored(name)));
    }
    let whole = picture("colour_444.jpg");
    let mut damaged_png = picture("rgb16.png");
    let middle = damaged_png.len() / 2;
    damaged_png[middle..middle + 40].fill(0xa5);
    let broken: [(&str, &str, Vec<u8>, End); 9] = [
        ("text", "jpg", b"<html>404 Not Found</html>".to_vec(), Refused("probe", "not_a_picture")),
        ("void", "png", Vec::new(), Refused("probe", "not_a_picture")),
        ("cut", "jpg", whole[..whole.len() / 2].to_vec(), Refused("aesthetic", "cut_picture")),
        ("stump", "jpg", whole[..20].to_vec(), Refused("probe", "broken_picture")),
        ("bomb_header", "png", png_of(60_000, 60_000, b"tiny"), Refused("probe", "too_many_pixels")),
        ("bomb", "png", black_png(12_000, 12_000), Refused("probe", "too_many_pixels")),
        ("damaged", "png", damaged_png, Refused("aesthetic", "bad_picture")),
        ("large", "png", black_png(3_000, 3_000), Scored(BLACK)),
        ("sidecar", "jpg", picture(GOOD[2]), Scored(GOOD[2])),
    ];
    for (key, extension, bytes, end) in broken {
        members.push(file(format!("{key}.{extension}"), bytes));
        ends.push((key.to_owned(), end));
    }
    members.push(file("sidecar.json", "{\"aes\": "));
    members.push(file("words.txt", "no picture at all"));
    ends.push(("words".into(), Refused("probe", "no_picture")));
    let ends: Vec<(&str, End)> = ends.iter().map(|(key, end)| (key.as_str(), end.clone())).collect();
    corpus.put("pictures", &tar_of(&members), &ends);
}

fn run(desk: &Desk, max_error_rate: &str) -> serde_json::Value {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo/aesthetic");
    let flags =
        format!("--json --backend embedded --set short_side=0 --set aesthetic=10 {LIMITS} {max_error_rate}");
    let ended = ended(desk.command("run", &flags).arg("--aesthetic").arg(model)).expect(0, &[]);
    assert!(!ended.stderr.contains("panicked"), "{ended:#?}");
    ended.json()
}

/// The score of a row; the dial is so tight that every scored row is held back by it.
fn score(out: &Path, key: &str) -> Result<f32, Box<Ended>> {
    match find_verdict(out, key).unwrap().unwrap_or_else(|| panic!("{key} has no verdict")).ended {
        Ended::Gated { dial, score, .. } if dial == "aesthetic" => Ok(score),
        Ended::Kept(kept) => Ok(kept.scores[1].1),
        other => Err(Box::new(other)),
    }
}

/// The scores of the sound pictures, from a shard with nothing else in it, and a store of its own.
fn clean_scores() -> BTreeMap<&'static str, f32> {
    let desk = Desk::of_pipeline(env!("CARGO_BIN_EXE_threshflow"), "prepare");
    let names: Vec<&'static str> = GOOD.iter().chain(&UNUSUAL).copied().collect();
    let mut members: Vec<Member> = names.iter().map(|name| member(&name.replace('.', "_"), name)).collect();
    members.push(file(format!("{BLACK}.png"), black_png(64, 64)));
    std::fs::write(desk.path("shards/clean.tar"), tar_of(&members)).unwrap();
    let json = run(&desk, "--max-error-rate 0");
    assert_eq!(json["rows"], members.len());
    let out: PathBuf = desk.path("out");
    let score =
        |name: &&'static str| (*name, score(&out, &format!("clean/{}", name.replace('.', "_"))).unwrap());
    let mut scores: BTreeMap<&'static str, f32> = names.iter().map(score).collect();
    scores.insert(BLACK, crate::score(&out, &format!("clean/{BLACK}")).unwrap());
    scores
}

#[test]
fn everything_broken_has_its_verdict_and_harms_nothing_else() {
    let clean = clean_scores();
    let mut corpus = Corpus {
        desk: Desk::of_pipeline(env!("CARGO_BIN_EXE_threshflow"), "prepare"),
        ends: BTreeMap::new(),
    };
    tar_damage(&mut corpus);
    tar_structure(&mut corpus);
    pictures(&mut corpus);
    let json = run(&corpus.desk, "--max-error-rate 1");
    let out = corpus.desk.path("out");
    let wrong: Vec<String> =
        corpus.ends.iter().filter_map(|(key, end)| disagrees(&out, key, end, &clean)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    assert_eq!(number(&json["rows"]), corpus.ends.len() as u64, "a row too many or too few: {json}");
    let refused = corpus.ends.values().filter(|end| matches!(end, Refused(..))).count() as u64;
    let classes =
        json["refused"].as_object().unwrap().values().flat_map(|stage| stage.as_object().unwrap().values());
    assert_eq!(classes.map(number).sum::<u64>(), refused, "{json}");
    let peak = number(&json["peak_rss_bytes"]);
    assert!(peak > 0 && peak < MOST_MEMORY, "{peak} bytes of memory at most");
    println!("{} rows, {refused} refused, {peak} bytes of memory", corpus.ends.len());
    assert!(
        !corpus.desk.path("etc").exists()
            && std::fs::read_dir(corpus.desk.folder.path()).unwrap().count() == 3
    );
    let sidecar = find_verdict(&out, "pictures/sidecar").unwrap().unwrap().sidecar_error;
    assert!(sidecar.is_some(), "a broken sidecar costs its fields, not its picture");
}

/// What is wrong with the verdict of `key`, if anything is.
fn disagrees(out: &Path, key: &str, end: &End, clean: &BTreeMap<&'static str, f32>) -> Option<String> {
    if key.ends_with("/DAMAGE") {
        return None; // counted; its key is the member that was cut
    }
    if let Some((shard, also)) = key.split_once("/ALSO ") {
        let Refused(_, wanted) = end else { return Some(format!("{key}: {end:?}")) };
        let found = find_verdict(out, &format!("{shard}/{also}")).unwrap()?.also;
        let told = found.iter().any(|ended| matches!(ended, Ended::Refused { class, .. } if class == wanted));
        return (!told).then(|| format!("{key}: {found:?} instead of {end:?}"));
    }
    let found = match find_verdict(out, key).unwrap() {
        None => return Some(format!("{key}: no verdict instead of {end:?}")),
        Some(_) => score(out, key),
    };
    let agrees = match (&found, end) {
        (Ok(score), Scored(name)) => (score - clean[name]).abs() < 1e-5,
        (Err(ended), Refused(at, wanted)) => match &**ended {
            Ended::Refused { stage, class, message } => stage == at && class == wanted && !message.is_empty(),
            _ => false,
        },
        _ => false,
    };
    (!agrees).then(|| format!("{key}: {found:?} instead of {end:?}"))
}

/// A JPEG whose header says that it has 20,000 x 20,000 pixels.
fn claims_to_be_large() -> Vec<u8> {
    let mut jpeg = picture("colour_420.jpg");
    let at = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap() + 5;
    jpeg[at..at + 4].copy_from_slice(&[0x4E, 0x20, 0x4E, 0x20]);
    jpeg
}

#[cfg(target_os = "linux")]
#[test]
fn a_picture_that_memory_has_no_room_for_is_refused_and_asked_about_again() {
    let desk = Desk::of_pipeline(env!("CARGO_BIN_EXE_threshflow"), "prepare");
    let members = [file("large.jpg", claims_to_be_large()), member("good", GOOD[1])];
    std::fs::write(desk.path("shards/large.tar"), tar_of(&members)).unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo/aesthetic");
    let flags = "--json --backend embedded --set short_side=0 --set aesthetic=10 --max-pixels 500000000 \
                 --decoded-bytes 1048576";
    let ended_at = |kibibytes: &str, class: &str| {
        let whole = desk.command("run", flags);
        let mut limited = std::process::Command::new("sh");
        limited.args(["-c", &format!("ulimit -v {kibibytes}; exec \"$@\""), "sh"]).arg(whole.get_program());
        limited.args(whole.get_args()).arg("--aesthetic").arg(&model).current_dir(desk.folder.path());
        let ended = ended(&mut limited).expect(0, &[]);
        assert!(!ended.stderr.contains("panicked"), "{ended:#?}");
        assert!(score(&desk.path("out"), "large/good").is_ok());
        let verdict = score(&desk.path("out"), "large/large").unwrap_err();
        assert!(matches!(&*verdict, Ended::Refused { class: found, .. } if found == class), "{verdict:?}");
    };
    // It takes 2.4 GB: with 2 GB of address space there is no room, and that says nothing of the picture.
    ended_at("2000000", "out_of_memory");
    ended_at("unlimited", "cut_picture");
}
