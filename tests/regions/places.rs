//! Regions of a picture that lies in two shards, one of which cannot be read any more.

use std::collections::BTreeMap;

use tests::ground::{Args, At, Ground, pictures, piece_verdicts, plain};
use tests::live::{Live, Options};
use tests::shards::{spoil, write};
use threshflow::row::Of;

use crate::{DEFAULTS, SURE};

fn of_shard(all: BTreeMap<String, String>, shard: &str) -> BTreeMap<String, String> {
    all.into_iter().filter(|(name, _)| name.split('/').next() == Some(shard)).collect()
}

#[test]
fn regions_that_lie_in_a_sound_shard_too_are_masked_there() {
    let (mut refused, mut kept) = (0, 0);
    for (workers, names) in [(1, ["a", "b"]), (2, ["b", "a"]), (4, ["a", "b"])] {
        let [spoilt, sound] = names;
        let folder = tests::scratch();
        let path = |name: &str| folder.path().join(format!("{name}.tar"));
        let samples = pictures(11, 0..24, 0);
        names.iter().for_each(|name| write(&path(name), &samples));
        let options = Options { workers, pool_queue: 3, ..Options::default() };
        let mut strict = DEFAULTS;
        strict[SURE] = 1.0;
        let store = folder.path().join("store");
        let mut live = Live::<Ground>::open(&store, &options, &Args::default(), &strict, None);
        // All that was found is known of both; the masks are not.
        names.iter().for_each(|name| live.insert(&path(name)));
        live.settle();
        spoil(&path(spoilt));
        live.turn(SURE, DEFAULTS[SURE]);
        live.settle();
        let wanted = plain([(spoilt, samples.as_slice()), (sound, &samples)], At(&DEFAULTS), None).regions;
        let is = piece_verdicts(&live, Of::Regions);
        let of_sound = of_shard(is.clone(), sound);
        assert_eq!(of_sound, of_shard(wanted.clone(), sound), "{workers} workers");
        kept += of_sound.values().filter(|verdict| verdict.starts_with("kept")).count();
        for (name, verdict) in of_shard(is.clone(), spoilt) {
            let was_refused_there = ["mask", "judge"]
                .iter()
                .any(|stage| verdict == format!("refused by {stage}: changed_while_read"));
            assert!(was_refused_there || verdict == wanted[&name], "{workers} workers: {name} is {verdict}");
            refused += usize::from(was_refused_there);
        }
        for at in [1.0, DEFAULTS[SURE]] {
            live.turn(SURE, at);
            live.settle();
        }
        assert_eq!(piece_verdicts(&live, Of::Regions), is, "{workers} workers: back where it was");
        names.iter().for_each(|name| live.remove(name));
        live.settle();
        live.rest();
    }
    assert!(refused > 0 && kept > 0, "{refused} refused, {kept} kept");
}
