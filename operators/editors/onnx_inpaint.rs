//! Takes objects out of pictures by an ONNX inpainting model: a picture and a hole in, a picture out (LaMa and similar models).
//!
//! It takes graphs with two inputs and a picture as output: `image`, f32 `[1,3,H,W]`, RGB from 0 to 1, and `mask`, f32 `[1,1,H,W]`, 1 in
//! the hole. Other names are taken if the numbers of channels tell the inputs apart. One input `[1,4,H,W]` of both is taken too. `H` and
//! `W` are one fixed edge (512 for the common exports of LaMa, Carve/LaMa-ONNX and OpenCV's zoo), or both are free. The output `[1,3,H,W]`
//! is in 0..1 or 0..255. An `inpaint.json` in the model's folder says which:
//!
//! ```json
//! {"output": "0..255", "multiple": 8}
//! ```
//!
//! Both keys are optional. `multiple` is what the sides of a free graph must be multiples of, 8 by default. Without `output`, the model is
//! shown an even grey with a hole when it is opened. Outside the hole this must come back as 0.5 or as 127.5, give or take a half of that;
//! otherwise the model is refused.
//!
//! The hole is the region's mask, widened, with a rim over which the filling fades into the picture. The model sees a part of the picture
//! that is twice as wide and high as the hole's longer side. The part is made smaller if it is larger than the model's edge, and filled up
//! with its mirror image if the picture is smaller (as LaMa's own code pads). The hole itself is always black. Outside the hole every pixel
//! of the answer is the picture's own.

mod model;
mod view;
mod widen;

use std::io::Cursor;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use image::{ImageFormat, RgbImage};
use threshflow::row::{Refusal, Stamp};

use crate::editors::{Editor, Made, Pass};
use crate::onnx::{Backend, OnnxError, Pooled, SessionPlan, SessionPool, demonstration};
use crate::pixels::UnknownName;
use crate::pixels::mask::Mask;
use crate::plan::edit_plan::Operation;
use model::{InpaintModel, Inpainter, Range, not_run};
use view::{Canvas, View};
use widen::Hole;

/// Raise this when the code changes what is made.
const VERSION: &[u8] = b"onnx_inpaint/1";

/// What is decided beyond the model. All of it shapes the answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InpaintSettings {
    /// How far the hole reaches beyond the mask, as a share of the picture's longer side: 0 to 0.1. At least 3 pixels where it isn't 0.
    pub widening: f64,
    /// Over which share of the widening the filling fades, 0 (none) to 1.
    pub feather: f64,
    /// The longest side in pixels that a graph of free size is given, 64 to 4096.
    pub largest: u32,
}

impl Default for InpaintSettings {
    fn default() -> Self {
        InpaintSettings { widening: 0.01, feather: 0.5, largest: 1024 }
    }
}

impl InpaintSettings {
    fn check(&self) -> Result<(), OnnxError> {
        let usage =
            |what, found: String, allowed| Err(OnnxError::Usage(UnknownName { what, found, allowed }));
        match self {
            Self { widening, .. } if !(0.0..=0.1).contains(widening) => usage(
                "the widening of inpainting",
                widening.to_string(),
                "0 to 0.1 of the picture's longer side",
            ),
            Self { feather, .. } if !(0.0..=1.0).contains(feather) => {
                usage("the feather of inpainting", feather.to_string(), "0 to 1 of the widening")
            }
            Self { largest, .. } if !(64..=4096).contains(largest) => {
                usage("the largest side for inpainting", largest.to_string(), "64 to 4096 pixels")
            }
            _ => Ok(()),
        }
    }

    /// How far the hole reaches beyond the mask, and over how much of that it fades, in pixels.
    fn margins(&self, longer_side: u32) -> (u32, u32) {
        let margin = (f64::from(longer_side) * self.widening).round() as u32;
        let margin = if self.widening > 0.0 { margin.max(3) } else { 0 };
        (margin, (f64::from(margin) * self.feather).round() as u32)
    }
}

/// Takes objects out by an ONNX model.
pub struct OnnxInpaint {
    model: InpaintModel,
    range: Range,
    settings: InpaintSettings,
    pool: SessionPool<Inpainter>,
    /// Sessions that no pass is using.
    idle: Mutex<Vec<Pooled<Inpainter>>>,
}

impl OnnxInpaint {
    /// The model in `path`: an `.onnx` file, or a folder with `model.onnx` or a single graph; on `cores` cores. Checks what the graph
    /// takes and gives, and loads it once.
    pub fn open(
        path: &Path,
        backend: &Backend,
        settings: InpaintSettings,
        cores: usize,
    ) -> Result<Self, OnnxError> {
        settings.check()?;
        let model = InpaintModel::open(path, backend, settings.largest)?;
        let mut plan = SessionPlan::new(backend, model.model.bytes + bytes_of_a_run(model.canvas), cores);
        plan.most_a_batch = 1;
        let (opened, canvas) = (model.clone(), model.canvas);
        let opens = move |place, threads| opened.open_session(place, threads);
        let warms_up = move |inpainter: &mut Inpainter, _| match inpainter.look(canvas) {
            // What a GPU does only once is done; whether the answer makes sense is asked below.
            Err(error @ OnnxError::OutOfMemory { .. }) => Err(error),
            _ => Ok(()),
        };
        let pool = SessionPool::open(plan, opens, warms_up)?;
        let mut idle = Vec::new();
        let range = match model.range {
            Some(range) => range,
            None => {
                let mut pooled = pool.session()?;
                let mut looked = None;
                pool.run(&mut pooled, &[()], |inpainter, _| {
                    looked = Some(inpainter.look(canvas));
                    Ok(vec![()])
                });
                idle.push(pooled);
                let failed = || OnnxError::Run {
                    path: model.model.path.clone(),
                    why: "no session could be opened to look at its answers".to_string(),
                };
                looked.unwrap_or_else(|| Err(failed()))?
            }
        };
        Ok(OnnxInpaint { model, range, settings, pool, idle: Mutex::new(idle) })
    }

    /// The picture without what the mask covers.
    ///
    /// Refusal classes: `empty_mask`, `bad_mask` (not of the picture's size), `nothing_to_fill_from` (the hole is all there is),
    /// `not_a_number` (the model's answer is none), and of the device `model_failed`, `out_of_memory`.
    pub fn remove(&self, picture: &RgbImage, mask: &Mask) -> Result<RgbImage, Refusal> {
        let (width, height) = picture.dimensions();
        if (mask.width, mask.height) != (width, height) || mask.bits.len() != width as usize * height as usize
        {
            let message = format!(
                "a mask of {} x {} pixels for a picture of {width} x {height}; give one of the same size",
                mask.width, mask.height
            );
            return Err(Refusal::permanent("bad_mask", message));
        }
        let (margin, feather) = self.settings.margins(width.max(height));
        let hole = Hole::around(mask, margin, feather).ok_or_else(|| {
            Refusal::permanent(
                "empty_mask",
                "the mask holds no pixel, so there is nothing to take out".to_string(),
            )
        })?;
        let view = View::around(&hole, (width, height), self.model.canvas);
        let fed = view.feed(picture, &hole)?;
        let mut made = self.run(|inpainter| inpainter.run(view.canvas, &fed.image, &fed.mask))?;
        made.iter_mut().for_each(|value| *value *= self.range.factor());
        let mut emptied = picture.clone();
        view.paste(&mut emptied, &hole, fed, &made)?;
        Ok(emptied)
    }

    /// Runs the model once, on a session that no other thread is using.
    fn run(
        &self,
        mut run: impl FnMut(&mut Inpainter) -> Result<Vec<f32>, OnnxError>,
    ) -> Result<Vec<f32>, Refusal> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = idle().pop();
        let mut pooled = match waiting {
            Some(pooled) => pooled,
            None => self.pool.session().map_err(|error| not_run(&error))?,
        };
        let mut answers = self.pool.run(&mut pooled, &[()], |inpainter, _| Ok(vec![run(inpainter)?]));
        idle().push(pooled);
        let none = || Err(Refusal::transient("model_failed", "the model gave no answer".to_string()));
        answers.pop().unwrap_or_else(none)
    }
}

/// What a run of an inpainting network holds beside its weights: 4 KiB for each pixel of the canvas. A graph of Big-LaMa's structure
/// took 0.5 GB (embedded) to 0.9 GB (ONNX Runtime) at 512 x 512. So machines of many cores don't open more sessions than fit.
fn bytes_of_a_run(canvas: Canvas) -> u64 {
    let edge = match canvas {
        Canvas::Fixed(edge) => edge,
        Canvas::Free { largest, .. } => largest,
    };
    u64::from(edge) * u64::from(edge) * 4096
}

impl Editor for OnnxInpaint {
    fn stamp(&self) -> Stamp {
        let shape = format!("{:?} {:?} {:?}", self.model.canvas, self.range, self.settings);
        Stamp::of(&[
            ("editor", VERSION),
            ("model", &self.model.model.content.0),
            ("shape", shape.as_bytes()),
            ("backend", self.model.backend.stamp_class_for([&self.model.model]).as_bytes()),
        ])
    }

    fn name(&self) -> &'static str {
        "edit_onnx"
    }

    fn reads_the_instruction(&self) -> bool {
        false
    }

    fn description(&self) -> String {
        let content = self.model.model.content.to_string();
        format!("ONNX inpainting {} ({})", &content[..8], self.model.backend.stamp_class())
    }

    fn demonstration(&self) -> Option<String> {
        demonstration([&self.model.model].into_iter())
    }

    fn can(&self, operation: Operation) -> bool {
        operation == Operation::Remove
    }

    fn at_once(&self) -> usize {
        self.pool.plan().sessions
    }

    /// Refusal classes: those of [`OnnxInpaint::remove`], `unsupported_operation`, `no_mask`.
    fn edit(&self, pass: &Pass<'_>) -> Result<Made, Refusal> {
        if !self.can(pass.operation) {
            let message = format!("{} was asked of inpainting, which only removes", pass.operation.name());
            return Err(Refusal::permanent("unsupported_operation", message));
        }
        let mask = pass.mask.ok_or_else(|| {
            Refusal::permanent(
                "no_mask",
                "removing needs the mask of what is to go, and none was given".to_string(),
            )
        })?;
        let emptied = self.remove(pass.picture, mask)?;
        let mut bytes = Cursor::new(Vec::new());
        emptied.write_to(&mut bytes, ImageFormat::Png).map_err(|error| {
            Refusal::permanent("bad_picture", format!("writing a PNG of {:?}: {error}", emptied.dimensions()))
        })?;
        Ok(Made { bytes: bytes.into_inner() })
    }
}

#[cfg(test)]
mod tests;
