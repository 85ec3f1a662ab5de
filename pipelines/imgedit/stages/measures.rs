//! What models measure of edits before they are judged, where flags ask for it.

use std::sync::Arc;

use kit::edit_record::RecordedStamp;
use kit::ground::Opening;
use operators::Texts;
use operators::clip_direction::{Direction, DirectionByClip};
use operators::edit::EditPictures;
use operators::redetect::{Redetect, Redetected};
use operators::similarity::{Similarities, Similarity};
use threshflow::cli::{Failure, Workbench};
use threshflow::lane::{Operator, Stage};

use crate::args::MeasureArgs;

/// The stages that flags ask for.
pub(crate) struct Measures {
    pub(crate) similarity: Option<Arc<Stage<Similarity>>>,
    pub(crate) clip_direction: Option<Arc<Stage<DirectionByClip>>>,
    pub(crate) redetect: Option<Arc<Stage<Redetect>>>,
}

impl Measures {
    /// `texts` are those of the CLIP that regions are held against; the pictures are those of the edits.
    pub(crate) fn open(
        wanted: &MeasureArgs,
        (workbench, opening): (&Workbench, &Opening<'_>),
        texts: &Arc<Texts>,
        pictures: &EditPictures,
    ) -> Result<Self, Failure> {
        let similarity = wanted.similarity.as_ref().map(|folder| {
            let opened = Similarity::open(folder, &opening.backend, workbench.cores, pictures.clone());
            opened.map_err(|error| Failure::Failed(error.to_string()))
        });
        let clip = wanted.clip_direction.then(|| opening.judge_clip(texts.clone())).transpose()?;
        let clip_direction = clip.map(|clip| DirectionByClip::new(clip, pictures.clone()));
        let redetect = wanted.redetect.then(|| Redetect::new(pictures.clone()));
        Ok(Measures {
            similarity: stage(similarity.transpose()?, workbench)?,
            clip_direction: stage(clip_direction, workbench)?,
            redetect: stage(redetect, workbench)?,
        })
    }

    /// The columns of those that are there, in their order.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &'static str> {
        let columns = [
            self.similarity.is_some().then_some(Similarities::COLUMNS.as_slice()),
            self.clip_direction.is_some().then_some(&Direction::COLUMNS),
            self.redetect.is_some().then_some(&Redetected::COLUMNS),
        ];
        columns.into_iter().flatten().flatten().copied()
    }

    /// Of those that are there, in their order.
    pub(crate) fn stamps(&self) -> impl Iterator<Item = RecordedStamp> {
        let stamps = [
            self.similarity.as_deref().map(RecordedStamp::of),
            self.clip_direction.as_deref().map(RecordedStamp::of),
            self.redetect.as_deref().map(RecordedStamp::of),
        ];
        stamps.into_iter().flatten()
    }
}

fn stage<O: Operator>(operator: Option<O>, workbench: &Workbench) -> Result<Option<Arc<Stage<O>>>, Failure> {
    Ok(operator.map(|operator| Stage::open(operator, &workbench.lanes)).transpose()?)
}
