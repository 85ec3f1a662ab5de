//! What the demo's items know of their pictures: what is to be done, and where. The embedded editor and the embedded judge work by it.

use operators::judge::pixels;
use operators::pixels::mask::Mask;
use operators::pixels::rle;
use operators::plan::edit_plan::Operation;
use serde::{Deserialize, Serialize};
use threshflow::row::Refusal;

/// The field `plan` of an item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemPlan {
    /// What the embedded editor does, one after the other, and what the embedded judge looks for.
    pub steps: Vec<ItemStep>,
    /// What is done by an editor that takes the wrong object.
    pub wrong: Vec<ItemStep>,
    /// Whether the edited picture is the second frame of a film, which lies beside the item, and nobody makes it.
    #[serde(default)]
    pub film: bool,
}

/// One operation on one region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemStep {
    pub operation: Operation,
    /// What the region shows: `red ball`. Empty where it is about the whole picture.
    pub object: String,
    /// What must come of it; empty where the operation has none.
    pub result: String,
    /// The region's run lengths, as COCO writes them; `None` for the whole picture.
    pub mask: Option<String>,
}

impl ItemPlan {
    /// The plan of an item.
    ///
    /// # Errors
    /// `no_plan` where the item has none, or one that cannot be read.
    pub fn of(item: &benchmarks::Item) -> Result<Self, Refusal> {
        let missing = |why: String| {
            let message = format!(
                "the item says nothing of what is where in its picture ({why}); the embedded editor and judge know the demo's items \
                 alone: name an editor by --edit-url or --results, and a judge by --judge-model"
            );
            Refusal::permanent("no_plan", message)
        };
        let plan = item.plan.clone().ok_or_else(|| missing("it has no field plan".to_owned()))?;
        serde_json::from_value(plan).map_err(|error| missing(error.to_string()))
    }
}

impl ItemStep {
    /// The region as a mask of this size; a permanent refusal `foreign_mask` where it is another picture's.
    pub fn mask(&self, (width, height): (u32, u32)) -> Result<Option<Mask>, Refusal> {
        let decoded = self.mask.as_ref().map(|counts| rle::decode(counts, width, height)).transpose();
        decoded.map_err(|error| Refusal::permanent("foreign_mask", error.to_string()))
    }

    /// The operation by which pixels are measured: what was put in stands in the picture after, here, and where something moved is
    /// known.
    pub fn measured(&self) -> Operation {
        match (self.operation, &self.mask) {
            (Operation::Add, _) | (Operation::Action, Some(_)) => Operation::Visual,
            (other, _) => other,
        }
    }
}

/// What the embedded judge says of a pair: how well the plan was followed, and how natural it looks, 1 to 5 each.
pub fn judged(
    plan: &ItemPlan,
    [before, after]: [&image::RgbImage; 2],
) -> Result<operators::plan::judgement::Judgement, Refusal> {
    use operators::editors::paint::{reach, widened};
    let size = before.dimensions();
    let masks = plan.steps.iter().map(|step| {
        let mask = step.mask(size)?;
        Ok(mask.map(|mask| widened(&mask, reach(mask.area()))))
    });
    let masks: Vec<Option<Mask>> = masks.collect::<Result<_, Refusal>>()?;
    let steps = plan.steps.iter().zip(&masks);
    let steps: Vec<pixels::Step<'_>> =
        steps.map(|(step, mask)| pixels::Step { operation: step.measured(), mask: mask.as_ref() }).collect();
    pixels::judge(before, after, &steps)
}
