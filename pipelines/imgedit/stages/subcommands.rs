//! The subcommands that `imgedit` has beside those of every pipeline: `release` writes a published set in ImgEdit's own layout, and `check`
//! checks such a folder.

use std::path::{Path, PathBuf};

use clap::{ArgMatches, Args, Command, FromArgMatches};
use serde_json::json;
use threshflow::cli::{
    Destination, Failure, ObjectOptions, apart, finished, look_at_published, print_json, sent_line,
    tell_mended,
};
use threshflow::publish::{Sent, Verified};

use crate::release::{OpenError, PublishedEdits};
use kit::released::{self, DEFAULT_PIECE_BYTES, Finding, PicturesIn, REMOTE, Released, Severity};

#[derive(Args)]
struct ReleaseOptions {
    /// The store of the run that published
    #[arg(long, default_value = "store")]
    store: PathBuf,
    /// The folder that was published to, also in a bucket
    #[arg(long, default_value = "out")]
    out: PathBuf,
    /// The folder for the released set, or one in a bucket: s3://BUCKET/FOLDER, gs://, az://
    #[arg(long)]
    to: PathBuf,
    /// The most bytes of a chunk of a tar; another number writes every tar again
    #[arg(long, default_value_t = DEFAULT_PIECE_BYTES, value_name = "BYTES",
          value_parser = clap::value_parser!(u64).range(1024..))]
    piece_bytes: u64,
    /// Put the pictures into the rows of the parquet files, for Hugging Face datasets, and write no tars
    #[arg(long, conflicts_with = "piece_bytes")]
    embed: bool,
    #[command(flatten)]
    objects: ObjectOptions,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct CheckOptions {
    /// A released folder: ours, or ImgEdit's own or a part of it
    folder: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// For [`App::subcommands`](threshflow::cli::App::subcommands).
pub fn subcommands() -> Vec<Command> {
    let release = Command::new("release")
        .about("Write the published edits and their pictures in ImgEdit's layout: tars in chunks (or with --embed, pictures in the rows), parquet files, scores");
    let check = Command::new("check").about("Check a released folder; exit code 1 if it has faults");
    vec![ReleaseOptions::augment_args(release), CheckOptions::augment_args(check)]
}

/// For [`App::subcommand`](threshflow::cli::App::subcommand).
pub fn subcommand(name: &str, matches: &ArgMatches) -> Result<(), Failure> {
    let usage = |error: clap::Error| Failure::Usage(error.to_string());
    match name {
        "release" => release(&ReleaseOptions::from_arg_matches(matches).map_err(usage)?),
        "check" => check(&CheckOptions::from_arg_matches(matches).map_err(usage)?),
        _ => Err(Failure::Usage(format!("there is no subcommand {name}; --help lists them"))),
    }
}

/// For [`App::verify`](threshflow::cli::App::verify).
pub fn verify(folder: &Path) -> Result<Option<Verified>, Failure> {
    released::verify(folder).map_err(|error| Failure::Failed(error.to_string()))
}

/// Releases what lies in `out` to the folder `to`; of one in a bucket also says what was sent.
pub fn release_to(
    to: &Path,
    [out, store]: [&Path; 2],
    layout: PicturesIn,
    objects: &ObjectOptions,
) -> Result<(Released, Option<Sent>), Failure> {
    let failed = |error: released::ReleaseError| Failure::Failed(error.to_string());
    // Before the tables are read, not after.
    apart(&[("--store", store), ("--out", out), ("--to", to)])?;
    if !store.is_dir() {
        return Err(Failure::Usage(OpenError::NoStore(store.to_owned()).to_string()));
    }
    let reader = objects.reader();
    let destination = Destination::open(to, &REMOTE, store, &reader)?;
    released::check_release(&destination.folder).map_err(|error| destination.told(failed(error)))?;
    let looked = look_at_published(out, store, &reader)?;
    let published = PublishedEdits::open(&looked.folder, store, objects.read_known(store))
        .map_err(|error| looked.told(Failure::Failed(error.to_string())))?;
    destination.put(|folder| released::release(folder, &published, layout).map_err(failed))
}

fn release(options: &ReleaseOptions) -> Result<(), Failure> {
    let tars = PicturesIn::Tars { piece_bytes: options.piece_bytes };
    let layout = if options.embed { PicturesIn::Rows } else { tars };
    let (done, sent) = release_to(&options.to, [&options.out, &options.store], layout, &options.objects)?;
    tell_mended(&options.to, &done.mended);
    if options.json {
        print_json(&json!({
            "mended": done.mended, "to": options.to, "parts_written": done.parts_written, "parts_removed": done.parts_removed,
            "parts_unchanged": done.parts_unchanged, "bytes_written": done.bytes_written, "sent": sent,
        }))?;
        return finished(sent.as_ref());
    }
    threshflow::say!(
        "released to {}: {} parts written ({:.1} MB), {} removed, {} left as they were",
        options.to.display(),
        done.parts_written,
        done.bytes_written as f64 / 1e6,
        done.parts_removed,
        done.parts_unchanged
    );
    if let Some(sent) = &sent {
        threshflow::say!("{}", sent_line(sent));
    }
    finished(sent.as_ref())
}

fn check(options: &CheckOptions) -> Result<(), Failure> {
    let folder = options.folder.display();
    if !options.folder.is_dir() {
        return Err(Failure::Usage(format!(
            "there is no folder {folder}; name one that was released to; a copy of it where it is in a bucket"
        )));
    }
    let findings = released::check(&options.folder);
    let faults = findings.iter().filter(|finding| finding.severity == Severity::Fault).count();
    if options.json {
        print_json(&json!({
            "folder": options.folder, "faults": faults, "notes": findings.len() - faults,
            "findings": findings.iter().map(finding).collect::<Vec<_>>(),
        }))?;
    } else {
        threshflow::say!("{}", released::report(&findings).trim_end());
    }
    match faults {
        0 => Ok(()),
        _ => Err(Failure::Failed(format!("{folder} has {faults} faults; each says what to do"))),
    }
}

fn finding(finding: &Finding) -> serde_json::Value {
    let severity = match finding.severity {
        Severity::Fault => "fault",
        Severity::Note => "note",
    };
    json!({ "severity": severity, "class": finding.class, "path": finding.path, "message": finding.message })
}
