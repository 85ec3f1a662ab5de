//! The flags of scorers of the user's own, `--score` and `--score-from-sidecar`, and the opening of their stages.

use std::sync::Arc;

use operators::edit::EditPictures;
use operators::onnx::Backend;
use operators::score::{
    LooksAt, NamedField, NamedFolder, ResultScorer, ScorersError, SourceScorer, UserScore, UserScorer, alone,
    dials_of, name_of_results,
};
use threshflow::cli::{Failure, Workbench};
use threshflow::flow::DialSpec;
use threshflow::lane::Stage;

/// Scorers of the user's own.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Scorers of your own")]
pub struct ScoreArgs {
    /// A scorer of your own: a folder with an ONNX model and a score.json, which says how pictures are put in and which number comes
    /// out. May be given several times; NAME is its column, its dial and its stage: nsfw=models/nsfw
    #[arg(long, value_name = "NAME=FOLDER")]
    pub score: Vec<NamedFolder>,
    /// Numbers of this field of the .json sidecars as scores. May be given several times; with --score of the same name, the model is asked
    /// only where the sidecar has no number. nsfw=punsafe:0..1:lower_is_better says their range and which are good
    #[arg(long, value_name = "NAME=FIELD")]
    pub score_from_sidecar: Vec<NamedField>,
}

/// Scorers of the user's own, opened.
#[derive(Default)]
pub struct Scorers {
    /// Of source pictures: numbers of sidecars, then models in the order of the flags.
    pub sources: Vec<Arc<Stage<SourceScorer>>>,
    /// Of what editors made, in the order of the flags.
    pub results: Vec<Arc<Stage<ResultScorer<UserScore>>>>,
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}

impl ScoreArgs {
    /// The dials of these scorers.
    pub fn dials(&self) -> Result<Vec<DialSpec>, Failure> {
        dials_of(&self.score, &self.score_from_sidecar).map_err(|error| match error {
            ScorersError::Name(error) => Failure::Usage(error.to_string()),
            ScorersError::Folder(error) => failed(error),
        })
    }

    /// Their stages. `pictures`: what the scorers of results look at.
    pub fn open(
        &self,
        backend: &Backend,
        workbench: &Workbench,
        pictures: &EditPictures,
    ) -> Result<Scorers, Failure> {
        let mut scorers = Scorers::default();
        // They cost nothing, and so they come first.
        for named in alone(&self.score, &self.score_from_sidecar) {
            let scorer = SourceScorer::of_sidecar(named);
            scorers.sources.push(workbench.stage_or_sidecar_within(scorer, &named.field, named.ends())?);
        }
        for NamedFolder { name, folder } in &self.score {
            let scorer = UserScorer::open(name, folder, backend, workbench.cores).map_err(failed)?;
            let (scorer, field) =
                (Arc::new(scorer), self.score_from_sidecar.iter().find(|it| it.name == *name));
            let (looks_at, range) = (scorer.spec().looks_at, scorer.spec().range);
            if looks_at != LooksAt::Results {
                let source = SourceScorer::of(scorer.clone());
                scorers.sources.push(match field {
                    None => Stage::open(source, &workbench.lanes)?,
                    Some(field) => workbench.stage_or_sidecar_within(source, &field.field, range)?,
                });
            }
            if looks_at != LooksAt::Sources {
                let results = ResultScorer::of(&name_of_results(name, looks_at), scorer, pictures.clone());
                scorers.results.push(Stage::open(results, &workbench.lanes)?);
            }
        }
        Ok(scorers)
    }
}
