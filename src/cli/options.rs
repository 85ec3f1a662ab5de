//! The flags that every pipeline's `run` and `plan` share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgGroup, Args};

use super::{Failure, InBuckets, signals};
use crate::object::{CacheOptions, ObjectSettings, Objects};
use crate::shard::{FoundPictures, ReadOptions, find_pictures, find_with, sorted_by_name};

/// The group of the flags that name pictures: at least one of them is needed.
pub(super) const SOURCE: &str = "source";

/// Where pictures come from, and how they are read.
#[derive(Args, Clone, Debug)]
#[command(group(ArgGroup::new(SOURCE).args(["shards", "pictures"]).required(true).multiple(true)))]
pub struct SourceOptions {
    /// Tar shards: files, folders or quoted globs, also URLs of objects: s3://BUCKET/FOLDER/*.tar, gs://, az://,
    /// hf://datasets/OWNER/NAME/FOLDER/*.tar, and https://HOST/PATH/{000..127}.tar; may be given several times
    #[arg(long, num_args = 1.., value_name = "TARS")]
    pub shards: Vec<String>,
    /// Folders of pictures that lie loose, at any depth, with KEY.json and KEY.txt beside them as in a tar; may be given several times,
    /// and beside --shards
    #[arg(long, num_args = 1.., value_name = "FOLDER")]
    pub pictures: Vec<String>,
    /// The most pixels that a picture may have
    #[arg(long, default_value_t = 178_956_970, value_name = "PIXELS")]
    pub max_pixels: u64,
    /// The most bytes that one file of a shard may have
    #[arg(long, default_value_t = 512 << 20, value_name = "BYTES")]
    pub max_bytes: u64,
    /// Take pictures as they are stored; do not turn them by their EXIF orientation
    #[arg(long)]
    pub no_exif: bool,
    /// Read shards instead of mapping them: use it for files that may be truncated while they are read
    #[arg(long)]
    pub no_mmap: bool,
    #[command(flatten)]
    pub objects: ObjectOptions,
}

/// How shards that lie in object stores are read, and kept.
#[derive(Args, Clone, Debug)]
pub struct ObjectOptions {
    /// The folder that keeps shards that lie in object stores, whole, as long as there is room [default: cache/ in the store]
    #[arg(long, value_name = "FOLDER")]
    pub cache: Option<PathBuf>,
    /// The most bytes that the folder of --cache may have
    #[arg(long, default_value_t = 50 << 30, value_name = "BYTES")]
    pub cache_bytes: u64,
    /// How often a request to an object store that failed in passing is tried again
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(0..=30), allow_negative_numbers = true, value_name = "TIMES")]
    pub object_retries: u8,
    /// Seconds that an object store may give nothing
    #[arg(long, default_value_t = 30.0, value_parser = seconds, allow_negative_numbers = true, value_name = "SECONDS")]
    pub object_timeout: f64,
    /// Who reads objects, and counts what is read
    #[arg(skip)]
    pub reader: Objects,
}

/// As where no flag is given.
impl Default for ObjectOptions {
    fn default() -> Self {
        let CacheOptions { folder: cache, bytes: cache_bytes, read_only: _ } = CacheOptions::default();
        let ObjectSettings { retries, patience, is_stopped: _ } = ObjectSettings::default();
        ObjectOptions {
            cache,
            cache_bytes,
            object_retries: retries as u8,
            object_timeout: patience.as_secs_f64(),
            reader: Objects::default(),
        }
    }
}

impl ObjectOptions {
    /// For a command that reads all pictures of shards that a store knows: a shard in an object store is fetched whole.
    pub fn read_known(&self, store: &Path) -> ReadOptions {
        ReadOptions {
            cache: self.cache().or_in(store, false),
            objects: self.reader(),
            // What a shard was read with, limits and orientation, the store's index knows.
            max_pixels: u64::MAX,
            max_bytes: u64::MAX,
            ..ReadOptions::default()
        }
    }

    /// Who reads objects so.
    pub fn reader(&self) -> Objects {
        self.reader.set(ObjectSettings {
            retries: self.object_retries.into(),
            patience: Duration::from_secs_f64(self.object_timeout),
            is_stopped: signals::stopped,
        });
        self.reader.clone()
    }

    /// Where they are kept; the store's, where none is named.
    pub(super) fn cache(&self) -> CacheOptions {
        CacheOptions { folder: self.cache.clone(), bytes: self.cache_bytes, read_only: false }
    }
}

impl SourceOptions {
    /// The shards that the flags name, and what lies in folders of pictures beside them.
    pub fn find(&self) -> Result<FoundPictures, Failure> {
        let only_pictures = self.shards.is_empty() && !self.pictures.is_empty();
        let tars = if only_pictures { Vec::new() } else { find_with(&self.shards, &self.objects.reader())? };
        let mut found = find_pictures(&self.pictures)?;
        found.shards = sorted_by_name(found.shards.into_iter().chain(tars).collect())?;
        Ok(found)
    }

    pub fn read_options(&self) -> ReadOptions {
        ReadOptions {
            mmap: !self.no_mmap,
            cache: self.objects.cache(),
            objects: self.objects.reader(),
            max_pixels: self.max_pixels,
            max_bytes: self.max_bytes,
            exif_orientation: !self.no_exif,
        }
    }
}

#[derive(Args, Clone, Debug)]
pub struct RunOptions {
    #[command(flatten)]
    pub source: SourceOptions,
    /// The folder that stores the answers; runs and pipelines can share it
    #[arg(long, default_value = "store")]
    pub store: PathBuf,
    /// The folder to publish to, or one in a bucket: s3://BUCKET/FOLDER, gs://, az://
    #[arg(long, default_value = "out")]
    pub out: PathBuf,
    /// Move a dial (a threshold): name=value, or name=top:30% for the best 30 %; `dials` lists them; may be given several times
    #[arg(long, value_name = "DIAL=VALUE")]
    pub set: Vec<String>,
    /// Workers of the dataflow [default: 1, since rows are cheap; of a session that stays one for each core, up to 4]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// Cores for decoding and for models on the CPU; 0 means all
    #[arg(long, default_value_t = 0)]
    pub cores: usize,
    /// The most bytes of decoded pictures at once, counted before a picture is decoded. A picture that takes more is decoded alone.
    /// Pictures that editors made, and those of a report, may take as many bytes again
    #[arg(long, default_value_t = 1 << 30, value_name = "BYTES")]
    pub decoded_bytes: u64,
    /// The most epochs in the dataflow at once; when they are reached, the source waits. Epochs have 64 rows or more. Beside slow
    /// servers, many epochs are needed to keep the models on this machine busy
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub window: u16,
    /// Seconds that one answer may take
    #[arg(long, default_value_t = 600.0, value_name = "SECONDS")]
    pub deadline: f64,
    /// Ask again the questions whose refusals are remembered
    #[arg(long)]
    pub retry: bool,
    /// The run fails if more than this share of the pictures was refused, or of the pictures, regions or edits that came to any one
    /// stage. Its answers are kept, and nothing is published. Regions and edits count if a server, a device or a disk failed them,
    /// or if a stage refused all of them
    #[arg(long, default_value_t = 0.05, value_name = "SHARE")]
    pub max_error_rate: f64,
    /// The run fails and publishes nothing if it would remove more than this share of the published rows because their shards are
    /// gone, or no longer hold them: 0 to 1, or 5%. To remove them all, give 100%
    #[arg(long, default_value = "5%", value_parser = share, value_name = "SHARE")]
    pub max_removed: f64,
    /// The run fails and publishes nothing if it would take away more than this share of the published pictures or edits because a
    /// server, a device or a disk failed, or because a budget did not pay for them: 0 to 1, or 5%
    #[arg(long, default_value = "0%", value_parser = share, value_name = "SHARE")]
    pub max_lost: f64,
    /// Also copy the published pictures into WebDataset tars in this folder, or in one of a bucket
    #[arg(long, value_name = "FOLDER")]
    pub export: Option<PathBuf>,
    /// Also write a page about what was published, one HTML file: funnels, histograms, pictures. If the pipeline draws a contact
    /// sheet of the kept pictures, it is beside the page, as .png
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Report every stage during the run, not only the one that holds the others up
    #[arg(long)]
    pub verbose: bool,
    /// Print one JSON object at the end and nothing else
    #[arg(long)]
    pub json: bool,
    /// Those of the places that lie in buckets: their mirrors are in their place then
    #[arg(skip)]
    pub in_buckets: InBuckets,
}

/// Reads a number of seconds that somebody waits.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.001..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "it takes seconds, from 0.001 to 86400".to_owned())
}

/// Reads a share, written as a number from 0 to 1 or with a percent sign.
fn share(text: &str) -> Result<f64, String> {
    let (number, whole) = match text.trim().strip_suffix('%') {
        Some(number) => (number.trim_end(), 100.0),
        None => (text.trim(), 1.0),
    };
    let share = number.parse::<f64>().map(|number| number / whole);
    share
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "it takes a share from 0 to 1, or from 0% to 100%".to_owned())
}

impl RunOptions {
    pub fn cores(&self) -> usize {
        RunOptions::cores_of(self.cores)
    }

    pub(super) fn cores_of(cores: usize) -> usize {
        match cores {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            cores => cores,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_numbers_or_percents() {
        for (text, wanted) in
            [("0", 0.0), ("1", 1.0), ("0.05", 0.05), ("5%", 0.05), ("100 %", 1.0), ("0%", 0.0)]
        {
            assert_eq!(share(text), Ok(wanted), "{text}");
        }
        for text in ["", "%", "-1", "1.01", "101%", "NaN", "nan%", "inf", "5 percent", "0,5"] {
            assert!(share(text).is_err(), "{text}");
        }
    }
}
