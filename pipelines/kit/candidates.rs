//! The rules by which regions are candidates for an edit. `imgedit` and `recap_mask` share them, for objects and for backgrounds.

use operators::{Area, ClipScore, MaskScore};
use threshflow::prelude::*;
use threshflow::row::{Has, RegionKind};

/// The dials of a pipeline that say which regions are candidates: see [`candidate_dials!`](crate::candidate_dials).
pub struct CandidateDials<'d, 's> {
    pub object_area: &'d Dial<'s, Area>,
    pub object_area_most: &'d Dial<'s, Area>,
    pub object_clip: &'d Dial<'s, ClipScore>,
    pub object_area_sure: &'d Dial<'s, Area>,
    pub object_mask: &'d Dial<'s, MaskScore>,
    pub background_area: &'d Dial<'s, Area>,
    pub background_area_most: &'d Dial<'s, Area>,
    pub background_clip: &'d Dial<'s, ClipScore>,
    pub background_area_sure: &'d Dial<'s, Area>,
    pub background_mask: &'d Dial<'s, MaskScore>,
}

/// The [`CandidateDials`] of a pipeline that names its dials so.
#[macro_export]
macro_rules! candidate_dials {
    ($dial:expr) => {{
        let dial = $dial;
        $crate::candidates::CandidateDials {
            object_area: &dial.object_area,
            object_area_most: &dial.object_area_most,
            object_clip: &dial.object_clip,
            object_area_sure: &dial.object_area_sure,
            object_mask: &dial.object_mask,
            background_area: &dial.background_area,
            background_area_most: &dial.background_area_most,
            background_clip: &dial.background_clip,
            background_area_sure: &dial.background_area_sure,
            background_mask: &dial.background_mask,
        }
    }};
}

impl<'s> CandidateDials<'_, 's> {
    /// Keeps the regions that are neither too small nor too large, before anything is asked about them.
    pub fn by_area<R: Has<Score<Area>, I>, I: 'static>(&self, regions: Flow<'s, R>) -> Flow<'s, R> {
        regions
            .only(is_object, |objects| objects.gate(self.object_area).gate(self.object_area_most))
            .only(is_background, |backgrounds| {
                backgrounds.gate(self.background_area).gate(self.background_area_most)
            })
    }

    /// Keeps the regions that surely show their noun, and large ones whose mask is good enough.
    pub fn by_scores<R, A, C, M>(&self, regions: Flow<'s, R>) -> Flow<'s, R>
    where
        R: Has<Score<Area>, A> + Has<Score<ClipScore>, C> + Has<Score<MaskScore>, M>,
    {
        regions
            .only(is_object, |objects| {
                objects.gate_either([
                    vec![self.object_clip.passes()],
                    vec![self.object_area_sure.passes(), self.object_mask.passes()],
                ])
            })
            .only(is_background, |backgrounds| {
                backgrounds.gate_either([
                    vec![self.background_clip.passes()],
                    vec![self.background_area_sure.passes(), self.background_mask.passes()],
                ])
            })
    }
}

fn is_object<R: Row>(row: &R) -> bool {
    row.region().is_some_and(|region| region.kind == RegionKind::Object)
}

fn is_background<R: Row>(row: &R) -> bool {
    row.region().is_some_and(|region| region.kind == RegionKind::Background)
}
