//! The result of a run, for people and as JSON.

use std::path::PathBuf;

use serde::Serialize;

use super::export::{print_exported, sent_line, tell_mended};
use super::part::PartSummary;
use super::summary::Summary;
use super::{Failure, Output, RunOptions, buckets, print_json, removed};
use crate::publish::{self, Committed, Lost, PublishError, Remote, Sent};
use crate::report::{ReportError, Written};
use crate::shard::Catalogue;

/// What a run did.
pub struct RunReport {
    pub summary: Summary,
    /// Where it was one part of an array.
    pub part: Option<PartSummary>,
    pub committed: Option<Committed>,
    /// Where it is published in a bucket.
    pub sent: Option<Sent>,
    /// Where to, what was done there, and what was sent where it is in a bucket.
    pub exported: Option<(PathBuf, Committed, Option<Sent>)>,
    /// The page about the run, where one was asked for.
    pub page: Option<Written>,
    /// What the pipeline says behind the summary.
    pub told: Option<String>,
    pub(super) failure: Option<String>,
    pub(super) out: PathBuf,
    /// As the user knows it.
    pub(super) out_shown: String,
    /// Another process of the run tells the user.
    pub(super) is_told_by_another: bool,
}

/// As JSON.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    part: Option<&'a PartSummary>,
    #[serde(flatten)]
    summary: &'a Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<&'a Sent>,
}

impl RunReport {
    /// Of a run that has published nothing yet; `failure` says why it will not.
    pub(super) fn of(summary: Summary, failure: Option<String>, options: &RunOptions) -> Self {
        RunReport {
            summary,
            part: None,
            committed: None,
            sent: None,
            exported: None,
            page: None,
            told: None,
            failure,
            out: options.out.clone(),
            out_shown: options.out_shown(),
            is_told_by_another: false,
        }
    }

    /// The summary for people, or as JSON.
    pub fn print(&self, output: Output) {
        if self.is_told_by_another {
            return;
        }
        match output {
            Output::Json => drop(print_json(&Printed {
                part: self.part.as_ref(),
                summary: &self.summary,
                sent: self.sent.as_ref(),
            })),
            Output::Text => {
                if let Some(part) = &self.part {
                    part.print();
                }
                crate::say!("{}", self.summary);
                if let Some(done) = &self.committed {
                    crate::say!(
                        "published in {}: {} parts written, {} removed, {} left as they were",
                        self.out_shown,
                        done.parts_written,
                        done.parts_removed,
                        done.parts_unchanged
                    );
                }
                if let Some(sent) = &self.sent {
                    crate::say!("{}", sent_line(sent));
                }
                if let Some(written) = &self.page {
                    print_page(written);
                }
                if let Some((to, done, sent)) = &self.exported {
                    print_exported(to, done, sent.as_ref());
                }
                if let Some(told) = &self.told {
                    crate::say!("{}", told.trim_end());
                }
            }
        }
    }

    /// What was published is not replaced by less because something failed.
    pub(super) fn take_lost(&mut self, lost: Lost, options: &RunOptions) {
        if lost.share() > options.max_lost {
            self.failure = Some(removed::too_much_lost(&lost, options));
        }
        self.summary.lost = (lost.share() > 0.0).then_some(lost);
    }

    /// What was sent to a bucket, and what was not done behind it.
    pub(super) fn take_sent(&mut self, sent: Option<Sent>) {
        if let Some(why) = buckets::unfinished(sent.as_ref()) {
            self.failure = Some(why);
        }
        self.sent = sent;
    }

    /// What was published stands, even if the page about it could not be written.
    pub(super) fn take_page(&mut self, page: Option<Result<Written, ReportError>>) {
        match page {
            Some(Err(error)) => self.failure = Some(format!("published, but without a report: {error}")),
            page => self.page = page.and_then(Result::ok),
        }
    }

    /// What the pipeline wrote beside the published set, which stands even if that failed.
    pub(super) fn take_told(&mut self, told: Result<Option<String>, String>) {
        match told {
            Ok(told) => self.told = told,
            Err(why) => self.failure = Some(format!("published, but not all that belongs beside it: {why}")),
        }
    }

    /// Copies the pictures too, where that was asked for; what was published stands, even if that fails.
    pub(super) fn export(&mut self, options: &RunOptions, catalogue: &Catalogue) {
        let Some(to) = options.export.as_deref() else { return };
        let export = || {
            let writing = options.export_in_bucket().map(Remote::begin).transpose()?;
            let done = publish::export(&self.out, to, catalogue)?;
            tell_mended(&options.export_shown(to), &done.mended);
            Ok::<_, PublishError>((done, writing.map(buckets::send).transpose()?))
        };
        match export() {
            Ok((done, sent)) => {
                if let Some(why) = buckets::unfinished(sent.as_ref()) {
                    self.failure = Some(why);
                }
                self.exported = Some((options.export_shown(to), done, sent));
            }
            Err(error) => {
                let told = options.told(Failure::from(error));
                self.failure = Some(format!("published, but not exported: {told}"));
            }
        }
    }

    /// Whether the run counts as done: not if more rows were refused than it allows.
    pub fn check(&self) -> Result<(), Failure> {
        self.failure.clone().map_or(Ok(()), |failure| Err(Failure::Failed(failure)))
    }
}

fn print_page(written: &Written) {
    let [kept, dropped] = written.shown;
    let sheet = written.sheet.as_ref().map_or(String::new(), |sheet| format!(", and {}", sheet.display()));
    crate::say!("report: {} ({kept} kept and {dropped} dropped pictures){sheet}", written.page.display());
}
