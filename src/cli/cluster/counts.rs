//! What one of several processes counted, for the one summary of all.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cli::errors::Counting;
use crate::cli::input::InputRemarks;
use crate::cli::summary::{Asks, Summary};
use crate::publish::{PieceSummary, StageDescription, add_classes, add_pieces};

/// Of the rows of one process.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::cli) struct Counts {
    rows: u64,
    kept: u64,
    gated: BTreeMap<String, u64>,
    refused: BTreeMap<String, BTreeMap<String, u64>>,
    regions: Option<PieceSummary>,
    edits: Option<PieceSummary>,
    failures: Counting,
    examples: Vec<((String, String), String)>,
    asks: BTreeMap<String, Asks>,
    /// Of its shards.
    pub(super) remarks: InputRemarks,
    store_damage: Vec<String>,
    endpoints: Vec<serde_json::Value>,
    endpoint_lines: Vec<String>,
    peak_rss_bytes: u64,
    objects: crate::object::Counts,
    /// To other processes, for the dataflow.
    pub(super) bytes_sent: u64,
}

impl Counts {
    pub(super) fn of(summary: &Summary, remarks: &InputRemarks, bytes_sent: u64) -> Self {
        Counts {
            rows: summary.rows,
            kept: summary.kept,
            gated: summary.gated.iter().map(|(dial, rows)| ((*dial).to_owned(), *rows)).collect(),
            refused: summary.refused.clone(),
            regions: summary.regions.clone(),
            edits: summary.edits.clone(),
            failures: summary.failures.clone(),
            examples: summary.examples.clone().into_iter().collect(),
            asks: summary.asks.iter().map(|(stage, asks)| ((*stage).to_owned(), asks.clone())).collect(),
            remarks: remarks.clone(),
            store_damage: summary.store_damage.clone(),
            endpoints: summary.endpoints.clone(),
            endpoint_lines: summary.endpoint_lines.clone(),
            peak_rss_bytes: crate::cli::peak_rss_bytes(),
            objects: summary.objects,
            bytes_sent,
        }
    }

    /// Adds it to the summary of process 0; what its endpoints did is told with the process's number.
    pub(super) fn add_to(self, summary: &mut Summary, process: usize, wiring: &[StageDescription]) {
        summary.rows += self.rows;
        summary.kept += self.kept;
        for (dial, rows) in &mut summary.gated {
            *rows += self.gated.get(*dial).copied().unwrap_or(0);
        }
        add_classes(&mut summary.refused, &self.refused);
        add_pieces(&mut summary.regions, self.regions.as_ref());
        add_pieces(&mut summary.edits, self.edits.as_ref());
        for (class, example) in self.examples {
            summary.examples.entry(class).or_insert(example);
        }
        for (stage, asks) in &mut summary.asks {
            if let Some(more) = self.asks.get(*stage) {
                asks.asked += more.asked;
                asks.remembered += more.remembered;
                asks.given += more.given;
            }
        }
        for damage in self.store_damage {
            if !summary.store_damage.contains(&damage) {
                summary.store_damage.push(damage);
            }
        }
        summary.endpoints.extend(self.endpoints);
        summary
            .endpoint_lines
            .extend(self.endpoint_lines.iter().map(|line| format!("process {process}: {line}")));
        summary.objects = summary.objects.and(&self.objects);
        summary.peak_rss_bytes = summary.peak_rss_bytes.max(self.peak_rss_bytes);
        summary.failures.add(self.failures);
        summary.errors = summary.failures.errors(summary, wiring);
    }
}

impl InputRemarks {
    /// Those of other shards, too.
    pub(super) fn add(&mut self, other: &InputRemarks) {
        self.left_aside += other.left_aside;
        self.passed_over += other.passed_over;
        self.sidecars += other.sidecars;
        self.no_numbers += other.no_numbers;
        if self.sidecar.is_none() {
            self.sidecar.clone_from(&other.sidecar);
        }
        if self.no_number.is_none() {
            self.no_number.clone_from(&other.no_number);
        }
    }
}
