//! The flags of scorers of the user's own, `--score` and `--score-from-sidecar`, and the opening of their stages.

use std::sync::Arc;

use operators::edit::EditPictures;
use operators::onnx::Backend;
use operators::score::{
    LooksAt, NamedField, NamedFolder, ResultScorer, ScorersError, SourceScorer, UserScore, UserScorer,
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
    /// Of source pictures, in the order of the flags.
    pub sources: Vec<Arc<Stage<SourceScorer>>>,
    /// Of what editors made, likewise.
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
        for NamedFolder { name, folder } in &self.score {
            let open = || UserScorer::open(name, folder, backend, workbench.cores).map_err(failed);
            let looks_at = UserScorer::<UserScore>::read_spec(folder).map_err(failed)?.looks_at;
            if looks_at != LooksAt::Results {
                let field = self.score_from_sidecar.iter().find(|it| it.name == *name);
                let field = field.map(|it| it.field.as_str());
                scorers.sources.push(workbench.stage_or_sidecar(SourceScorer::of(open()?), field)?);
            }
            if looks_at != LooksAt::Sources {
                let name = name_of_results(name, looks_at);
                let scorer = ResultScorer::of(&name, Arc::new(open()?), pictures.clone());
                scorers.results.push(Stage::open(scorer, &workbench.lanes)?);
            }
        }
        let alone = self.score_from_sidecar.iter();
        for named in alone.filter(|field| self.score.iter().all(|folder| folder.name != field.name)) {
            let stage = workbench.stage_or_sidecar(SourceScorer::of_sidecar(named), Some(&named.field))?;
            scorers.sources.push(stage);
        }
        Ok(scorers)
    }
}
