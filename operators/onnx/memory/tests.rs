//! Halving against a session that has room for so many, and the words by which runtimes tell that memory ran out.

use std::path::PathBuf;

use super::*;

/// Answers ten times the item, for as many as it has room for; one item may be too large by itself, and one may be bad.
#[derive(Default)]
struct Fake {
    room: usize,
    too_large: Option<u32>,
    bad: Option<u32>,
    lost_device: bool,
    /// The items of every run, in order; `-` where the session was let go.
    log: Vec<String>,
}

impl Runs<u32, u32> for Fake {
    fn run(&mut self, items: &[u32]) -> Result<Vec<u32>, OnnxError> {
        self.log.push(items.len().to_string());
        let has = |item: Option<u32>| item.is_some_and(|item| items.contains(&item));
        let path = PathBuf::from("a/path");
        if self.lost_device {
            return Err(OnnxError::Device { device: "cuda:0".to_string(), why: "lost".to_string() });
        }
        if items.len() > self.room || has(self.too_large) {
            return Err(OnnxError::OutOfMemory { path, why: "no room".to_string() });
        }
        match has(self.bad) {
            true => Err(OnnxError::Run { path, why: "bad".to_string() }),
            false => Ok(items.iter().map(|item| item * 10).collect()),
        }
    }

    fn let_go(&mut self) {
        self.log.push("-".to_string());
    }
}

/// The answers to items 0, 1, ...; `!` and the class where one is refused.
fn ask(fake: &mut Fake, most: &mut usize, count: u32) -> Vec<String> {
    let items: Vec<u32> = (0..count).collect();
    let answers = halving(fake, most, &items);
    let text = |answer: &Result<u32, Refusal>| match answer {
        Ok(value) => value.to_string(),
        Err(refusal) => format!("!{}", refusal.class),
    };
    answers.iter().map(text).collect()
}

fn log(fake: &mut Fake) -> String {
    std::mem::take(&mut fake.log).join(" ")
}

#[test]
fn a_batch_that_does_not_fit_is_halved_once_and_for_all() {
    let mut fake = Fake { room: 3, ..Fake::default() };
    let mut most = 16;
    let all: Vec<String> = (0..16).map(|item| (item * 10).to_string()).collect();
    assert_eq!(ask(&mut fake, &mut most, 16), all);
    assert_eq!((log(&mut fake).as_str(), most), ("16 - 8 - 4 - 2 2 2 2 2 2 2 2", 2));
    assert_eq!(ask(&mut fake, &mut most, 5), all[..5]);
    assert_eq!((log(&mut fake).as_str(), most), ("2 2 1", 2));
    assert!(ask(&mut fake, &mut most, 0).is_empty());
    assert_eq!(log(&mut fake), "");
}

#[test]
fn odd_batches_are_halved_upwards() {
    let mut fake = Fake { room: 2, ..Fake::default() };
    let mut most = 64;
    assert_eq!(ask(&mut fake, &mut most, 5), ["0", "10", "20", "30", "40"]);
    assert_eq!((log(&mut fake).as_str(), most), ("5 - 3 - 2 1 2", 2));
}

#[test]
fn one_that_does_not_fit_alone_is_refused_and_its_neighbours_are_answered() {
    let mut fake = Fake { room: 8, too_large: Some(2), ..Fake::default() };
    let mut most = 4;
    assert_eq!(ask(&mut fake, &mut most, 6), ["0", "10", "!out_of_memory", "30", "40", "50"]);
    // What it did to its own batch is no measure for the next.
    assert_eq!((log(&mut fake).as_str(), most), ("4 - 2 2 - 1 - 1 2", 4));
    fake.room = 0;
    assert_eq!(ask(&mut fake, &mut most, 2), ["!out_of_memory", "!out_of_memory"]);
    assert_eq!(log(&mut fake), "2 - 1 - 1 -");
}

#[test]
fn what_fails_otherwise_is_run_one_by_one() {
    let mut fake = Fake { room: 8, bad: Some(1), ..Fake::default() };
    let mut most = 3;
    assert_eq!(ask(&mut fake, &mut most, 4), ["0", "!model_failed", "20", "30"]);
    assert_eq!((log(&mut fake).as_str(), most), ("3 1 1 1 1", 3));
    fake.lost_device = true;
    assert_eq!(ask(&mut fake, &mut most, 4), ["!model_failed"; 4]);
    assert_eq!(log(&mut fake), "3");
}

/// Messages as ONNX Runtime and what lies under it word them; the first was got from version 1.32.
#[test]
fn the_words_of_memory_that_ran_out_are_told_from_others() {
    for out in [
        "Non-zero status code returned while running ConstantOfShape node. Name:'' Status Message: bfc_arena.cc:360 void* \
         onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*) Failed to allocate memory for requested \
         buffer of size 281474976710656",
        "BFCArena::AllocateRawInternal Available memory of 34699008 is smaller than requested bytes of 945041920",
        "CUDA failure 2: out of memory ; GPU=0 ; hostname=h ; file=cuda_allocator.cc ; line=47 ; expr=cudaMalloc((void**)&p, size)",
        "cudaErrorMemoryAllocation",
        "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
        "CUDNN failure 5003: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "Error Code 2: OutOfMemory (Requested size was 8589934592 bytes.)",
        "std::bad_alloc",
    ] {
        assert!(ran_out(out), "{out}");
    }
    for other in [
        "Got invalid dimensions for input: pixel_values for the following indices",
        "CUDA failure 700: an illegal memory access was encountered",
        "CUDNN failure 4: CUDNN_STATUS_INTERNAL_ERROR",
        "the model gave 3 answers",
    ] {
        assert!(!ran_out(other), "{other}");
    }
}
