//! The flags of scorers of the user's own, `--score` and `--score-from-sidecar`, and the opening of their stages.

use std::sync::Arc;

use operators::edit::EditPictures;
use operators::onnx::Backend;
use operators::score::{
    LooksAt, NamedField, NamedFolder, ResultScorer, Results, ScorersError, SourceScorer, UserScore,
    UserScorer, alone, dials_of, name_of_results,
};
use threshflow::cli::{Failure, Workbench};
use threshflow::flow::DialSpec;
use threshflow::lane::Stage;

use clap::{Args as _, FromArgMatches as _};

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
    pub fn dials(&self, results: Results) -> Result<Vec<DialSpec>, Failure> {
        dials_of(&self.score, &self.score_from_sidecar, results).map_err(|error| match error {
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
        let mut scorers = Scorers { sources: self.of_sidecars(workbench)?, results: Vec::new() };
        for named in &self.score {
            let scorer = self.open_one(named, backend, workbench)?;
            let looks_at = scorer.spec().looks_at;
            if looks_at != LooksAt::Results {
                scorers.sources.push(self.source(named, scorer.clone(), workbench)?);
            }
            if looks_at != LooksAt::Sources {
                let name = name_of_results(&named.name, looks_at);
                let results = ResultScorer::of(&name, scorer, pictures.clone());
                scorers.results.push(Stage::open(results, &workbench.lanes)?);
            }
        }
        Ok(scorers)
    }

    /// The stages of a pipeline that makes no results. `backend` is called where a model is named.
    pub fn open_sources(
        &self,
        backend: impl FnOnce() -> Result<Backend, Failure>,
        workbench: &Workbench,
    ) -> Result<Vec<Arc<Stage<SourceScorer>>>, Failure> {
        let mut sources = self.of_sidecars(workbench)?;
        if !self.score.is_empty() {
            let backend = backend()?;
            for named in &self.score {
                let scorer = self.open_one(named, &backend, workbench)?;
                sources.push(self.source(named, scorer, workbench)?);
            }
        }
        Ok(sources)
    }

    /// Numbers of sidecars alone. They cost nothing, and so they come first.
    fn of_sidecars(&self, workbench: &Workbench) -> Result<Vec<Arc<Stage<SourceScorer>>>, Failure> {
        let open = |named: &NamedField| {
            let scorer = SourceScorer::of_sidecar(named);
            workbench.stage_or_sidecar_within(scorer, &named.field, named.ends())
        };
        alone(&self.score, &self.score_from_sidecar).map(open).collect()
    }

    fn open_one(
        &self,
        NamedFolder { name, folder }: &NamedFolder,
        backend: &Backend,
        workbench: &Workbench,
    ) -> Result<Arc<UserScorer<UserScore>>, Failure> {
        UserScorer::open(name, folder, backend, workbench.cores).map(Arc::new).map_err(failed)
    }

    /// The stage about source pictures, behind the numbers of the sidecars where there are some of its name.
    fn source(
        &self,
        named: &NamedFolder,
        scorer: Arc<UserScorer<UserScore>>,
        workbench: &Workbench,
    ) -> Result<Arc<Stage<SourceScorer>>, Failure> {
        let field = self.score_from_sidecar.iter().find(|it| it.name == named.name);
        let range = scorer.spec().range;
        let source = SourceScorer::of(scorer);
        match field {
            None => Ok(Stage::open(source, &workbench.lanes)?),
            Some(field) => workbench.stage_or_sidecar_within(source, &field.field, range),
        }
    }
}

/// The command `dials`, with the flags that name scorers.
pub fn dials_command(command: clap::Command) -> clap::Command {
    ScoreArgs::augment_args(command)
}

/// What the flags of the command `dials` say.
pub fn dials_by(matches: &clap::ArgMatches, results: Results) -> Result<Vec<DialSpec>, Failure> {
    let flags = ScoreArgs::from_arg_matches(matches);
    flags.map_err(|error| Failure::Usage(error.to_string()))?.dials(results)
}

/// In `impl App` of a pipeline whose flags have [`ScoreArgs`] in the field `scorers`: the functions that tell of their dials.
#[macro_export]
macro_rules! dials_of_scorers {
    ($results:expr) => {
        fn named_dials(
            args: &Self::Args,
        ) -> Result<Vec<threshflow::flow::DialSpec>, threshflow::cli::Failure> {
            args.scorers.dials($results)
        }

        fn dials_command(command: $crate::clap::Command) -> $crate::clap::Command {
            $crate::scorers::dials_command(command)
        }

        fn named_dials_of(
            matches: &$crate::clap::ArgMatches,
        ) -> Result<Vec<threshflow::flow::DialSpec>, threshflow::cli::Failure> {
            $crate::scorers::dials_by(matches, $results)
        }
    };
}
