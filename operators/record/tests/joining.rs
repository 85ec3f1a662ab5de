//! The rule by which a picture finds its record, case by case and against a plain reading of it.

use super::random::Random;
use crate::record::join::{Joined, Names};

fn names(paths: &[&str]) -> Names {
    let mut names = Names::default();
    paths.iter().for_each(|path| assert!(names.push(path), "{path} names nothing"));
    names.sort();
    names
}

/// The names that are found, after a word for how.
fn found(names: &Names, shard: &str, key: &str) -> String {
    let all = |places: std::ops::Range<usize>| places.map(|at| names.shown(at)).collect::<Vec<_>>().join(" ");
    match names.find(shard, key) {
        Joined::None => "none".to_owned(),
        Joined::One(at) => names.shown(at),
        Joined::Twice(places) => format!("twice {}", all(places)),
        Joined::Ambiguous(places) => format!("ambiguous {}", all(places)),
        Joined::Short(at) => format!("short {}", names.shown(at)),
    }
}

#[test]
fn a_path_of_three_parts_fits_every_way_to_lay_out_its_tar() {
    let names = names(&["00095/00019/000197953.jpg", "00094/00019/000197954.jpg"]);
    let layouts = [
        ("00095", "00019/000197953"),
        ("laion/00095", "00019/000197953"),
        ("00095/00019", "000197953"),
        ("00019", "000197953"),
        ("anything", "00095/00019/000197953"),
        ("anything", "images/00095/00019/000197953"),
        ("./00095/", "00019//000197953"),
    ];
    for (shard, key) in layouts {
        assert_eq!(found(&names, shard, key), "00095/00019/000197953", "{shard} {key}");
    }
    let others = [
        ("00094", "00019/000197953"),
        ("00018", "000197953"),
        ("00095", "000197953"),
        ("anything", "00019/000197953"),
        ("00095", "00019/00019795"),
        ("95", "00019/000197953"),
        ("", ""),
    ];
    for (shard, key) in others {
        assert_eq!(found(&names, shard, key), "none", "{shard} {key}");
    }
}

#[test]
fn the_whole_name_wins_then_most_parts() {
    let names = names(&["00019/1.jpg", "00095/00019/1.jpg", "2.jpg", "a/2.jpg", "z/a/2.jpg"]);
    assert_eq!(found(&names, "00019", "1"), "00019/1", "it is the whole name");
    assert_eq!(found(&names, "x/00095/00019", "1"), "00095/00019/1");
    assert_eq!(found(&names, "00096/00019", "1"), "00019/1");
    assert_eq!(found(&names, "b", "2"), "2", "the whole key is a file name");
    assert_eq!(found(&names, "b", "a/2"), "a/2");
    assert_eq!(found(&names, "z", "a/2"), "z/a/2");
}

#[test]
fn what_could_be_several_is_refused() {
    let several = names(&[
        "00094/00019/1.jpg",
        "00095/00019/1.jpg",
        "00095/00019-1.jpg",
        "5.jpg",
        "a/b/9.jpg",
        "a/b/9.png",
    ]);
    assert_eq!(found(&several, "00019", "1"), "ambiguous 00094/00019/1 00095/00019/1");
    assert_eq!(found(&several, "00095/00019", "1"), "00095/00019/1");
    assert_eq!(found(&several, "x", "cats/5"), "short 5");
    assert_eq!(found(&several, "x", "5"), "5");
    assert_eq!(found(&several, "a", "b/9"), "twice a/b/9 a/b/9");
    assert_eq!(found(&several, "b", "9"), "twice a/b/9 a/b/9", "one picture, two records");
    let repeated: Vec<_> = several.repeated().map(|same| several.shown(same.start)).collect();
    assert_eq!(repeated, ["a/b/9"]);
}

#[test]
fn names_are_told_by_their_parts() {
    let mut odd = Names::default();
    for nothing in ["", "/", "a/", ".jpg", "a/.jpg", "./"] {
        assert!(!odd.push(nothing), "{nothing}");
    }
    let odd = names(&["/data/./a//b.c.jpg", "e.f/g.jpg", "ü/ß"]);
    assert_eq!(found(&odd, "a", "b"), "data/a/b");
    assert_eq!(found(&odd, "e.f", "g"), "e.f/g");
    assert_eq!(found(&odd, "ü", "ß"), "ü/ß");
    assert!((0..odd.len()).any(|at| odd.is_named(at, "data/a/b.png")));
    assert!(!(0..odd.len()).any(|at| odd.is_named(at, "data/a/c.png") || odd.is_named(at, "")));
}

/// The rule read plainly: every record is looked at.
fn plainly(paths: &[String], shard: &str, key: &str) -> String {
    let picture: Vec<&str> = shard.split('/').chain(key.split('/')).collect();
    let (mut best, mut hits) = (0, Vec::new());
    for path in paths {
        let record: Vec<&str> = path.split('/').collect();
        let agree = if record == picture {
            usize::MAX
        } else if record.ends_with(&picture) || picture.ends_with(&record) {
            record.len().min(picture.len())
        } else {
            continue;
        };
        if agree > best {
            (best, hits) = (agree, Vec::new());
        }
        if agree == best {
            hits.push(path.as_str());
        }
    }
    let by_end = |path: &&str| path.rsplit('/').collect::<Vec<_>>().join("/");
    hits.sort_by_key(by_end);
    match hits.as_slice() {
        [] => "none".to_owned(),
        [only] if best == 1 && key.contains('/') => format!("short {only}"),
        [only] => (*only).to_owned(),
        [first, .., last] if first == last => format!("twice {}", hits.join(" ")),
        _ => format!("ambiguous {}", hits.join(" ")),
    }
}

#[test]
fn random_names_are_joined_as_the_rule_reads() {
    let mut random = Random(3);
    let mut path = |most: usize| {
        let parts: Vec<&str> =
            (0..=random.below(most)).map(|_| ["a", "b", "a-", "0"][random.below(4)]).collect();
        parts.join("/")
    };
    for _ in 0..2000 {
        let paths: Vec<String> = (0..6).map(|_| path(4)).collect();
        let names = names(&paths.iter().map(String::as_str).collect::<Vec<_>>());
        for _ in 0..10 {
            let (shard, key) = (path(2), path(3));
            assert_eq!(found(&names, &shard, &key), plainly(&paths, &shard, &key), "{paths:?} {shard} {key}");
        }
    }
}
