//! What a pipeline is: a name, its dials, and the wiring of its steps.

use std::path::Path;
use std::sync::Arc;

use crate::dial::DialSet;
use crate::flow::{DialMaker, DialSpec, Engine, EngineOptions, Finished, Flow, Setting};
use crate::publish::Recorder;
use crate::report::Illustrator;
use crate::row::{Image, Row};

/// A pipeline, opened: it holds its stages, and wires them into a dataflow once a worker.
pub trait Pipeline: Send + Sync + 'static {
    /// As in `prepare run`, in summaries and in manifests.
    const NAME: &'static str;
    /// Declared with [`dials!`](crate::dials).
    type Dials<'s>: DialSet<'s>;
    /// From the source's pictures to the rows that are published, with all their scores. Called once a worker; must wire the
    /// same always.
    fn wire<'s>(&self, images: Flow<'s, Image>, dial: &Self::Dials<'s>) -> Flow<'s, impl Row>;

    /// How records are written, for a pipeline whose flow ends [`with`](Flow::with) regions.
    fn recorder(&self) -> Option<&dyn Recorder> {
        None
    }

    /// How pictures are shown in a run's report; none are where there is no illustrator.
    fn illustrator(&self) -> Option<&dyn Illustrator> {
        None
    }

    /// Writes what the pipeline has beside its published set, which stands in `out` by then. What it gives back is told to people behind
    /// the run's summary.
    ///
    /// # Errors
    /// What failed; the run then fails, and what was published stands.
    fn published(&self, _out: &Path) -> Result<Option<String>, String> {
        Ok(None)
    }
}

/// The dials that a pipeline declares.
pub fn dial_specs<P: Pipeline>() -> &'static [DialSpec] {
    <P::Dials<'static> as DialSet<'static>>::specs()
}

/// Starts the dataflow of `pipeline` with every dial where `settings` says: at a value, or by share.
pub fn start<P: Pipeline>(
    pipeline: Arc<P>,
    options: EngineOptions,
    settings: &[impl Into<Setting> + Copy],
) -> Result<Engine, String> {
    start_opened(pipeline, dial_specs::<P>(), options, settings)
}

/// All dials of a run: those of the pipeline, and behind them those of the [scorers that flags name](Flow::named_scores). They are never
/// freed.
///
/// # Errors
/// Two dials have one name.
pub fn dial_specs_with<P: Pipeline>(named: Vec<DialSpec>) -> Result<&'static [DialSpec], String> {
    let own = dial_specs::<P>();
    if named.is_empty() {
        return Ok(own);
    }
    for (place, spec) in named.iter().enumerate() {
        let others = own.iter().chain(&named[..place]);
        if others.into_iter().any(|other| other.dial() == spec.name) {
            return Err(format!(
                "{}: a dial has this name; give the scorer of --score or --score-from-sidecar another name, such as my_{0}",
                spec.name
            ));
        }
    }
    Ok(own.iter().copied().chain(named).collect::<Vec<_>>().leak())
}

/// As [`start`], with `dials` of [`dial_specs_with`].
pub fn start_with<P: Pipeline>(
    pipeline: Arc<P>,
    dials: &'static [DialSpec],
    options: EngineOptions,
    settings: &[impl Into<Setting> + Copy],
) -> Result<Engine, String> {
    start_opened(pipeline, dials, options, settings)
}

/// A pipeline that is opened, of whatever type it is: what works on one of these is compiled once, not anew for every pipeline.
pub(crate) trait OpenedPipeline: Send + Sync {
    /// Wires the whole flow, with all of these dials: the pipeline's own come first.
    fn wire_all<'s>(
        &self,
        images: Flow<'s, Image>,
        maker: &mut DialMaker<'s>,
        dials: &'static [DialSpec],
    ) -> Finished<'s>;
    /// [`Pipeline::recorder`].
    fn its_recorder(&self) -> Option<&dyn Recorder>;
    /// [`Pipeline::illustrator`].
    fn its_illustrator(&self) -> Option<&dyn Illustrator>;
    /// [`Pipeline::published`].
    fn is_published(&self, out: &Path) -> Result<Option<String>, String>;
}

impl<P: Pipeline> OpenedPipeline for P {
    fn wire_all<'s>(
        &self,
        images: Flow<'s, Image>,
        maker: &mut DialMaker<'s>,
        dials: &'static [DialSpec],
    ) -> Finished<'s> {
        let own = P::Dials::make(maker);
        let named = maker.named(&dials[dial_specs::<P>().len()..]);
        self.wire(images.with_named_dials(named), &own).finish()
    }

    fn its_recorder(&self) -> Option<&dyn Recorder> {
        self.recorder()
    }

    fn its_illustrator(&self) -> Option<&dyn Illustrator> {
        self.illustrator()
    }

    fn is_published(&self, out: &Path) -> Result<Option<String>, String> {
        self.published(out)
    }
}

/// As [`start`].
pub(crate) fn start_opened(
    pipeline: Arc<dyn OpenedPipeline>,
    dials: &'static [DialSpec],
    options: EngineOptions,
    settings: &[impl Into<Setting> + Copy],
) -> Result<Engine, String> {
    Engine::start(options, dials, settings, move |images, maker| pipeline.wire_all(images, maker, dials))
}
