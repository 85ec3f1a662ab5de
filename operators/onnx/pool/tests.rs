//! Pools of pretended sessions, which record what is done with them, and of a real one that runs out of memory.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::backend::Runtime;
use super::super::tests::backends;
use super::super::{ModelFolder, Session, TensorIn};
use super::*;

/// What was done, in order, by all sessions of a pool.
type Log = Arc<Mutex<Vec<String>>>;

fn said(log: &Log) -> String {
    std::mem::take(&mut *lock(log)).join(", ")
}

fn plan(places: &[SessionDevice], most_a_batch: usize) -> SessionPlan {
    SessionPlan { sessions: 2 * places.len(), threads: 3, places: places.to_vec(), most_a_batch }
}

fn no_room() -> OnnxError {
    OnnxError::OutOfMemory { path: PathBuf::new(), why: "no room".to_string() }
}

/// A pool whose sessions are their places, and have room for `room` at once.
fn pool(plan: SessionPlan, room: usize) -> (Result<SessionPool<SessionDevice>, OnnxError>, Log) {
    let log = Log::default();
    let (opened, warmed) = (log.clone(), log.clone());
    let opens = move |place: SessionDevice, threads: usize| {
        lock(&opened).push(format!("open {place} for {threads}"));
        Ok(place)
    };
    let warms_up = move |place: &mut SessionDevice, batch: usize| {
        lock(&warmed).push(format!("warm {place} with {batch}"));
        if batch > room { Err(no_room()) } else { Ok(()) }
    };
    (SessionPool::open(plan, opens, warms_up), log)
}

#[test]
fn the_first_is_opened_at_once_and_the_others_when_they_are_asked_for() {
    let (pool, log) = pool(plan(&[SessionDevice::Cpu], 8), 0);
    let pool = pool.unwrap();
    assert_eq!(said(&log), "open cpu for 3");
    let first = pool.session().unwrap();
    assert_eq!((said(&log).as_str(), first.session), ("", Some(SessionDevice::Cpu)));
    let _second = pool.session().unwrap();
    assert_eq!(said(&log), "open cpu for 3");
}

#[test]
fn sessions_go_round_the_places_and_a_lost_one_comes_back_to_its_own() {
    let (pool, _) = pool(plan(&[SessionDevice::Cuda(0), SessionDevice::Cuda(2)], 1), 1);
    let pool = pool.unwrap();
    let mut held: Vec<Pooled<SessionDevice>> = (0..4).map(|_| pool.session().unwrap()).collect();
    let places =
        |held: &[Pooled<SessionDevice>]| held.iter().map(|pooled| pooled.session).collect::<Vec<_>>();
    let (one, other) = (Some(SessionDevice::Cuda(0)), Some(SessionDevice::Cuda(2)));
    assert_eq!(places(&held), [one, other, one, other]);
    for lost in [1, 1, 0] {
        held.remove(lost);
        held.push(pool.session().unwrap());
    }
    assert_eq!(places(&held).iter().filter(|place| **place == one).count(), 2, "{:?}", places(&held));
}

#[test]
fn a_gpu_is_warmed_up_with_the_largest_batch_that_fits() {
    let (opened, log) = pool(plan(&[SessionDevice::Cuda(0)], 64), 20);
    let pooled = opened.unwrap().session().unwrap();
    assert_eq!(
        said(&log),
        "open cuda:0 for 3, warm cuda:0 with 64, open cuda:0 for 3, warm cuda:0 with 32, open cuda:0 for 3, \
         warm cuda:0 with 16"
    );
    assert_eq!(pooled.most, 16);
    let (none, log) = pool(plan(&[SessionDevice::TensorRt(1)], 2), 0);
    assert!(none.err().unwrap().to_string().contains("no room"));
    assert!(said(&log).ends_with("warm tensorrt:1 with 1"));
    let (nowhere, _) = pool(plan(&[], 2), 0);
    assert!(nowhere.err().unwrap().to_string().contains("at least one device"));
}

#[test]
fn memory_that_runs_out_opens_the_session_anew_in_its_place() {
    let (opened, log) = pool(plan(&[SessionDevice::Cpu], 8), 0);
    let pool = opened.unwrap();
    let mut pooled = pool.session().unwrap();
    said(&log);
    let run = |_: &mut SessionDevice, items: &[u32]| {
        lock(&log).push(format!("run {}", items.len()));
        if items.len() > 2 { Err(no_room()) } else { Ok(items.to_vec()) }
    };
    let answers = pool.run(&mut pooled, &[1, 2, 3, 4, 5], run);
    assert_eq!(answers.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(said(&log), "run 5, open cpu for 3, run 3, open cpu for 3, run 2, run 1, run 2");
    assert_eq!(pool.run(&mut pooled, &[1, 2, 3], run).len(), 3);
    assert_eq!(said(&log), "run 2, run 1");
}

#[test]
fn a_pool_whose_model_does_not_open_again_refuses_the_rest() {
    let opened = AtomicUsize::new(0);
    let opens = move |_, _| match opened.fetch_add(1, Ordering::Relaxed) {
        0 => Ok(()),
        _ => Err(OnnxError::Device { device: "cuda:0".to_string(), why: "it fell off the bus".to_string() }),
    };
    let pool = SessionPool::open(plan(&[SessionDevice::Cpu], 4), opens, |_, _| Ok(())).unwrap();
    let mut pooled = pool.session().unwrap();
    let answers: Vec<Result<u32, Refusal>> = pool.run(&mut pooled, &[1, 2, 3], |_, _| Err(no_room()));
    assert_eq!(answers.len(), 3);
    for answer in answers {
        let refusal = answer.unwrap_err();
        assert_eq!(refusal.class, "model_failed");
        assert!(refusal.message.contains("fell off the bus"), "{}", refusal.message);
    }
}

#[test]
fn a_plan_has_a_session_a_place_or_shares_the_cores() {
    for backend in backends() {
        let plan = SessionPlan::new(&backend, 600 << 20, 8);
        let wanted =
            SessionPlan { sessions: 3, threads: 2, places: vec![SessionDevice::Cpu], most_a_batch: 8 };
        assert_eq!(plan, wanted);
    }
}

/// ONNX Runtime itself says that memory ran out: the graph takes more than there are addresses on two rows and more.
#[test]
fn a_real_session_that_runs_out_of_memory_answers_in_halves() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/models/memory");
    let model = ModelFolder::open(&folder).unwrap().model("model.onnx").unwrap();
    let real = backends().into_iter().filter(|backend| matches!(backend.runtime, Runtime::OnnxRuntime(_)));
    for backend in real {
        let (model, opened) = (model.clone(), Arc::new(AtomicUsize::new(0)));
        let counted = opened.clone();
        let opens = move |place, threads| {
            counted.fetch_add(1, Ordering::Relaxed);
            Session::open(&model, &backend, place, threads)
        };
        let pool = SessionPool::open(plan(&[SessionDevice::Cpu], 8), opens, |_, _| Ok(())).unwrap();
        let mut pooled = pool.session().unwrap();
        let run = |session: &mut Session, items: &[f32]| {
            let outputs = session.run(&[("x", TensorIn::F32 { shape: &[items.len()], data: items })])?;
            Ok(outputs[0].as_f32().unwrap_or_default().to_vec())
        };
        let answers = pool.run(&mut pooled, &[1.5, 2.5, 3.5], run);
        assert_eq!(answers.into_iter().map(Result::unwrap).collect::<Vec<f32>>(), [1.5, 2.5, 3.5]);
        assert_eq!((opened.load(Ordering::Relaxed), pooled.most), (3, 1));
    }
}
