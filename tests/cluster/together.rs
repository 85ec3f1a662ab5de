//! Processes that are threads, as far as the room of the cluster is concerned: they join by a store, and talk over sockets of this machine.

use std::path::Path;
use std::sync::Arc;

use threshflow::cluster::{Cluster, Joining, Place, Same};

/// How one of them joins.
pub fn joining<'a>(place: Place, store: &'a Path, shards: &'a [String]) -> Joining<'a> {
    Joining {
        place,
        hosts: None,
        bind: Some("127.0.0.1".to_owned()),
        store,
        shards,
        same: vec![Same { what: "the dials".to_owned(), is: "as usual".to_owned() }],
        ends_the_process: false,
    }
}

/// Joins so many of them, and lets each do its work.
pub fn together<T: Send>(
    of: usize,
    shards: &[String],
    work: impl Fn(Arc<Cluster>) -> T + Send + Sync,
) -> Vec<T> {
    let store = tempfile::tempdir().expect("a folder");
    let (store, work) = (store.path(), &work);
    std::thread::scope(|threads| {
        let one = |index| {
            threads.spawn(move || {
                let place = Place { index, of };
                work(joining(place, store, shards).join(&mut || Ok(())).expect("joins"))
            })
        };
        let threads: Vec<_> = (0..of).map(one).collect();
        threads.into_iter().map(|thread| thread.join().expect("a process ends")).collect()
    })
}
