//! A detector's graph: its inputs and outputs, and which of their lengths it fixes.

use crate::onnx::{Axis, Model, OnnxError, Port, Wanted};

/// The ports of a detector, found and checked.
#[derive(Clone, Debug)]
pub(super) struct Ports {
    pub(super) images: Port,
    pub(super) text: Option<Text>,
    pub(super) output: Output,
}

/// The inputs for nouns.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) embeds: Port,
    pub(super) mask: Option<Port>,
    /// Numbers of an embedding.
    pub(super) dimension: usize,
}

/// How boxes and scores come out.
#[derive(Clone, Debug)]
pub(super) enum Output {
    /// `[N,A,4]` xyxy, and `[N,A,K]`.
    Apart { boxes: Port, scores: Port },
    /// `[N,4+K,A]`, centre and size first.
    Together(Port),
}

/// Length of an axis, where the graph fixes it.
fn axis(port: &Port, at: usize) -> Option<usize> {
    port.shape.as_ref().and_then(|shape| shape.get(at).copied().flatten())
}

impl Ports {
    pub(super) fn of(model: &Model) -> Result<Self, OnnxError> {
        let (n, k) = (Axis::Any("N"), Axis::Any("K"));
        let images = Wanted::f32("", &[&[n, Axis::Is(3), Axis::Any("S"), Axis::Any("S")]]);
        let embeds = Wanted::f32("", &[&[n, k, Axis::Any("D")]]);
        let mask = Wanted::f32("", &[&[n, k]]);
        let boxes = Wanted::f32("boxes", &[&[n, Axis::Any("A"), Axis::Is(4)]]);
        let scores = Wanted::f32("scores", &[&[n, Axis::Any("A"), k]]);
        let apart = [boxes, scores];
        let together = [Wanted::f32("", &[&[n, Axis::Any("4+K"), Axis::Any("A")]])];
        let is_apart = model.signature.outputs.iter().any(|port| port.name == "boxes");
        let (inputs, outputs) = match model.signature.inputs.len() {
            1 if !is_apart && model.signature.outputs.len() == 1 => (vec![images], &together[..]),
            1 => (vec![images], &apart[..]),
            3 => (vec![images, embeds, mask], &apart[..]),
            _ => (vec![images, embeds], &apart[..]),
        };
        let (ins, outs) = model.fit(&inputs, outputs)?;
        // Two inputs without shapes could both be taken for the same one.
        if let Some(twice) = ins.iter().enumerate().find(|(at, port)| ins[..*at].contains(port)) {
            let wanted = format!("inputs that shapes tell apart, and `{}` could be several", twice.1.name);
            return Err(unfit(model, wanted));
        }
        let output = match &outs[..] {
            [boxes, scores] => Output::Apart { boxes: (*boxes).clone(), scores: (*scores).clone() },
            others => Output::Together(others[0].clone()),
        };
        let text = match ins.get(1) {
            None => None,
            Some(embeds) => Some(Text {
                embeds: (*embeds).clone(),
                mask: ins.get(2).map(|mask| (*mask).clone()),
                dimension: axis(embeds, 2).filter(|dimension| *dimension > 0).ok_or_else(|| {
                    let wanted = format!(
                        "`{}` [N,K,D] with D fixed, such as 512; export again with that axis fixed",
                        embeds.name
                    );
                    unfit(model, wanted)
                })?,
            }),
        };
        Ok(Ports { images: ins[0].clone(), text, output })
    }

    /// Numbers of an embedding; `None` where the vocabulary is baked in.
    pub(super) fn dimension(&self) -> Option<usize> {
        self.text.as_ref().map(|text| text.dimension)
    }

    /// How many pictures a run takes, where the graph fixes that.
    pub(super) fn batch(&self) -> Option<usize> {
        axis(&self.images, 0)
    }

    /// How many nouns a run takes, where the graph fixes that.
    pub(super) fn nouns(&self) -> Option<usize> {
        let text = self.text.as_ref()?;
        axis(&text.embeds, 1).or_else(|| text.mask.as_ref().and_then(|mask| axis(mask, 1)))
    }

    /// How many classes come out, where the graph says so.
    pub(super) fn classes(&self) -> Option<usize> {
        match &self.output {
            Output::Apart { scores, .. } => axis(scores, 2),
            Output::Together(both) => axis(both, 1).map(|length| length.saturating_sub(4)),
        }
    }

    /// How many boxes a picture has: as the graph says, else as detectors of this kind have it, with cells of 8, 16 and 32.
    pub(super) fn anchors(&self, size: u32) -> usize {
        let told = match &self.output {
            Output::Apart { boxes, scores } => axis(boxes, 1).or(axis(scores, 1)),
            Output::Together(both) => axis(both, 2),
        };
        told.unwrap_or_else(|| {
            [8, 16, 32].map(|cell| size.div_ceil(cell) as usize).map(|n| n * n).iter().sum()
        })
    }

    /// Whether the graph itself says how large its pictures are.
    pub(super) fn fixes_size(&self) -> bool {
        [2, 3].into_iter().any(|at| axis(&self.images, at).is_some())
    }

    /// The edge of the letterbox: the graph's, else the config's, else 640; the two must agree.
    pub(super) fn size(&self, model: &Model, config: Option<u32>) -> Result<u32, OnnxError> {
        let fixed = [2, 3].map(|at| axis(&self.images, at));
        let from_graph = fixed[0].or(fixed[1]).and_then(|edge| u32::try_from(edge).ok());
        let size = config.or(from_graph).unwrap_or(640);
        if size == 0 || fixed.into_iter().flatten().any(|edge| edge != size as usize) {
            let wanted = format!("pictures [N,3,{size},{size}], a square as the letterbox gives it");
            return Err(unfit(model, wanted));
        }
        Ok(size)
    }
}

fn unfit(model: &Model, wanted: String) -> OnnxError {
    OnnxError::Contract { path: model.path.clone(), wanted, found: model.signature.to_string() }
}
