//! Small pictures for the pages.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use operators::pixels::decode::decode_file;
use operators::pixels::full::as_image;

const QUALITY: u8 = 78;

/// Pictures as data URLs, or why there is none, by path.
pub(crate) struct Thumbs(HashMap<PathBuf, Result<String, String>>);

impl Thumbs {
    pub(crate) fn get(&self, path: &Path) -> Result<&str, &str> {
        match self.0.get(path) {
            Some(Ok(data)) => Ok(data),
            Some(Err(why)) => Err(why),
            None => Err("there is no picture"),
        }
    }
}

/// Makes the small pictures of these files, with at most `side` pixels on the longer side, on all cores.
pub(crate) fn of(paths: &[&Path], side: u32) -> Thumbs {
    let (next, made) = (AtomicUsize::new(0), Mutex::new(HashMap::new()));
    let work = || {
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            let data = of_file(path, side);
            made.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(path.to_path_buf(), data);
        }
    };
    std::thread::scope(|threads| {
        for _ in 1..std::thread::available_parallelism().map_or(1, usize::from) {
            // One that could be started does the work of all.
            let _ = std::thread::Builder::new().name("thumbs".into()).spawn_scoped(threads, work);
        }
        work();
    });
    Thumbs(made.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

fn of_file(path: &Path, most: u32) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("the picture cannot be read: {error}"))?;
    let decoded = decode_file(&bytes).and_then(as_image);
    let picture = decoded.map_err(|refusal| format!("the picture cannot be shown: {refusal}"))?;
    let (width, height) = picture.dimensions();
    let scale = (f64::from(most) / f64::from(width.max(height).max(1))).min(1.0);
    let side = |side: u32| ((f64::from(side) * scale).round() as u32).max(1);
    let small = image::imageops::thumbnail(&picture, side(width), side(height));
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode_image(&small)
        .map_err(|error| format!("the picture cannot be shown: {error}"))?;
    Ok(format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg)))
}
