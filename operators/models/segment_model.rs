//! The segmenter's arithmetic: a picture and boxes in, a mask and its quality for each box out, by SAM 2 as two ONNX graphs.
//!
//! A folder holds an encoder (a picture -> embeddings) and a decoder (embeddings and boxes -> logits and qualities). Three kinds of decoder
//! are taken, recognised by the names of their inputs: transformers' with `input_boxes`, transformers' with `input_points` and
//! `input_labels`, samexporter's with `point_coords` and `point_labels`. `segment_model/family.rs` says what each takes. All sizes are
//! those of the graphs. Source of the arithmetic: facebookresearch/sam2 `sam2_image_predictor.py`, transformers `Sam2Processor`.
//!
//! Some decoders give several candidates for each box (samexporter's gives three). The candidate with the highest predicted quality is the
//! answer; of equal ones, the first.

mod family;
mod logits;
mod preprocess;
mod prompt;

use std::path::Path;

use threshflow::row::{ContentHash, Refusal};

use crate::onnx::{
    Backend, ModelFolder, OnnxError, Session, SessionDevice, TensorIn, TensorOut, demonstration,
};
use crate::pixels::decode::{Decoding, Purpose, Rgb, decoder_stamp};
use crate::pixels::mask::Mask;

use family::{Decoder, Encoder};
use logits::Logits;
use preprocess::Squash;

/// Boxes that every run of a decoder takes which leaves their number open, the last repeated. Always the same: kernels are chosen
/// by shape and round differently, and a mask may not depend on which other boxes were asked about with it.
pub(crate) const BOXES_AT_ONCE: usize = 4;

/// A segmenter, looked into and checked, not loaded.
#[derive(Clone, Debug)]
pub struct SegmentModel {
    encoder: Encoder,
    decoder: Decoder,
    squash: Squash,
    decoding: Decoding,
    content: ContentHash,
    backend: Backend,
}

impl SegmentModel {
    /// Opens the segmenter in the folder `path`: `encoder.onnx` and `decoder.onnx`, or `vision_encoder.onnx` and
    /// `prompt_encoder_mask_decoder.onnx` as transformers.js has them, or else one `*encoder*.onnx` and one `*decoder*.onnx`;
    /// and `preprocessor_config.json`, where there is one. Checks that the graphs fit each other and what a segmenter must be.
    pub fn open(path: &Path, backend: &Backend) -> Result<Self, OnnxError> {
        let folder = ModelFolder::open(path)?;
        let (encoder, decoder) = family::find(&folder)?;
        let encoder = Encoder::check(encoder)?;
        let decoder = Decoder::check(decoder, &encoder)?;
        let config = folder.preprocessor_config()?;
        let squash = Squash::decide(config.as_deref(), encoder.edge)
            .map_err(|why| OnnxError::Folder { path: folder.root().to_path_buf(), why })?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&encoder.model.content.0).update(&decoder.model.content.0);
        let content = ContentHash::from_hasher(&hasher);
        let (decoding, backend) = (Decoding::default(), backend.clone());
        Ok(SegmentModel { encoder, decoder, squash, decoding, content, backend })
    }

    /// The same, for pictures that are decoded so.
    pub fn decoding(self, decoding: Decoding) -> Self {
        SegmentModel { decoding, ..self }
    }

    /// What pictures have to be decoded for. The encoder sees S x S pixels, so both sides are shrunk to S where they are larger: a
    /// decoding that comes smaller, but with no side below S, loses nothing but what [`Purpose::ShortSideAtLeast`] says.
    pub fn purpose(&self) -> Purpose {
        self.decoding.for_short_side(self.squash.edge())
    }

    /// Makes a picture the encoder's input: S x S pixels, aspect not kept, normalised, channel by channel.
    ///
    /// On the way it holds `SegmentModel::bytes_on_the_way` more.
    pub fn prepare(&self, picture: &Rgb) -> Result<Vec<f32>, Refusal> {
        self.squash.squash(picture)
    }

    /// An upper bound of what [`SegmentModel::prepare`] holds on the way, for a picture of these sides in pixels.
    pub(crate) fn bytes_on_the_way(&self, width: u32, height: u32) -> u64 {
        self.squash.bytes_on_the_way(width, height)
    }

    /// Bytes of what [`SegmentModel::prepare`] gives.
    pub(crate) fn prepared_bytes(&self) -> usize {
        12 * self.squash.edge() as usize * self.squash.edge() as usize
    }

    /// Of both graphs and their external data.
    pub(crate) fn demonstration(&self) -> Option<String> {
        demonstration([&self.encoder.model, &self.decoder.model].into_iter())
    }

    pub(crate) fn content_hash(&self) -> ContentHash {
        self.content
    }

    /// Of both graphs and their external data, in bytes: what [`crate::onnx::session_plan`] asks for.
    pub fn bytes(&self) -> u64 {
        self.encoder.model.bytes + self.decoder.model.bytes
    }

    /// All that shapes a mask, by name, for the operator's stamp: model, prompt, preprocessing, decoding, back-end and precision.
    pub(crate) fn stamp_parts(&self) -> Vec<(&'static str, Vec<u8>)> {
        vec![
            ("model", self.content.0.to_vec()),
            ("prompt", self.decoder.prompt.name().into()),
            ("preprocess", self.squash.stamp().into_bytes()),
            ("decode", decoder_stamp(self.purpose()).into_bytes()),
            ("backend", self.backend.stamp_class_for([&self.encoder.model, &self.decoder.model]).into()),
        ]
    }

    /// Loads both graphs onto one of the back-end's places, for one thread to use; a run may take `threads` cores.
    pub fn open_session(&self, place: SessionDevice, threads: usize) -> Result<Segmenter, OnnxError> {
        Ok(Segmenter {
            encode: Session::open(&self.encoder.model, &self.backend, place, threads)?,
            decode: Session::open(&self.decoder.model, &self.backend, place, threads)?,
            encoder: self.encoder.clone(),
            decoder: self.decoder.clone(),
            squash: self.squash.clone(),
        })
    }
}

/// A loaded segmenter.
pub struct Segmenter {
    encode: Session,
    decode: Session,
    encoder: Encoder,
    decoder: Decoder,
    squash: Squash,
}

/// One box's answer: its quality, and a mask that is made when it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Segmented<'a> {
    /// How well the mask fits, as the model foretells: an intersection over union, about 0 to 1.
    pub quality: f32,
    logits: Logits<'a>,
    size: (u32, u32),
}

impl Segmented<'_> {
    /// The mask, of the picture's size: one byte a pixel, and while it is made 4 bytes for each column and row of logits.
    pub fn mask(&self) -> Mask {
        self.logits.mask(self.size)
    }

    /// The same mask as COCO's `counts` string, and how many pixels are inside; no mask is made for it.
    pub fn rle(&self) -> (String, u64) {
        let runs = self.logits.runs(self.size);
        let area = runs.area();
        (runs.finish(), area)
    }
}

impl Segmenter {
    /// Asks for a mask of each of `boxes` in one picture, and gives every answer to `each`, once, with the box's number.
    ///
    /// `prepared` is what [`SegmentModel::prepare`] made of the picture, `size` its own width and height in pixels, a box its left,
    /// top, right and bottom in the picture's pixels. It may reach over the picture's edges. Refusal classes: `bad_box` (it holds
    /// nothing, lies outside, or has an edge that is no number; such boxes are told first, and if there are no others
    /// nothing is run), `too_many_pixels` (a picture beyond `MAX_PIXELS`), `not_a_number` (the
    /// model's logits or quality are not finite).
    ///
    /// The encoder runs once, the decoder once for every `BOXES_AT_ONCE` boxes, or as many as its graph fixes. Masks are made one
    /// at a time, within `each`.
    pub fn segment(
        &mut self,
        prepared: &[f32],
        size: (u32, u32),
        boxes: &[[f32; 4]],
        each: &mut dyn FnMut(usize, Result<Segmented<'_>, Refusal>),
    ) -> Result<(), OnnxError> {
        let mut sound: Vec<(usize, [f32; 4])> = Vec::with_capacity(boxes.len());
        for (at, edges) in boxes.iter().enumerate() {
            match self.squash.box_on_square(size, edges) {
                Ok(edges) => sound.push((at, edges)),
                Err(refusal) => each(at, Err(refusal)),
            }
        }
        if sound.is_empty() {
            return Ok(());
        }
        let embeddings = self.encode(prepared)?;
        for chunk in sound.chunks(self.decoder.boxes_at_once.unwrap_or(BOXES_AT_ONCE)) {
            let edges: Vec<[f32; 4]> = chunk.iter().map(|(_, edges)| *edges).collect();
            let outputs = self.decode(&embeddings, edges)?;
            let answers = Answers::of(&self.decoder, &outputs, chunk.len())?;
            for (within, (at, _)) in chunk.iter().enumerate() {
                each(*at, answers.best(within).map(|(quality, logits)| Segmented { quality, logits, size }));
            }
        }
        Ok(())
    }

    fn encode(&mut self, prepared: &[f32]) -> Result<Vec<TensorOut>, OnnxError> {
        let edge = self.squash.edge() as usize;
        if prepared.len() != 3 * edge * edge {
            let why =
                format!("{} numbers were given, and {edge} x {edge} x 3 are a picture to it", prepared.len());
            return Err(OnnxError::Run { path: self.encoder.model.path.clone(), why });
        }
        let picture = TensorIn::F32 { shape: &[1, 3, edge, edge], data: prepared };
        let mut outputs = self.encode.run(&[(&self.encoder.input, picture)])?;
        outputs.retain(|output| self.decoder.embeddings.contains(&output.name));
        Ok(outputs)
    }

    /// One run for these boxes of the square, the last repeated until there are as many as every run has.
    fn decode(
        &mut self,
        embeddings: &[TensorOut],
        mut boxes: Vec<[f32; 4]>,
    ) -> Result<Vec<TensorOut>, OnnxError> {
        let count = self.decoder.boxes_at_once.unwrap_or(BOXES_AT_ONCE);
        boxes.resize(count, boxes[boxes.len() - 1]);
        let told = prompt::tell(&self.decoder, &boxes);
        let mut feeds: Vec<(&str, TensorIn<'_>)> = Vec::with_capacity(embeddings.len() + told.len());
        for output in embeddings {
            let data = output.as_f32().unwrap_or_default();
            feeds.push((&output.name, TensorIn::F32 { shape: &output.shape, data }));
        }
        feeds.extend(told.iter().map(|told| (told.name, told.tensor())));
        self.decode.run(&feeds)
    }
}

/// What a decoder said of some boxes: for each, K candidates.
struct Answers<'a> {
    /// Qualities, K a box.
    qualities: &'a [f32],
    candidates: usize,
    logits: &'a [f32],
    width: usize,
    height: usize,
}

impl<'a> Answers<'a> {
    /// Checks that there is a grid and a quality for each candidate of at least `boxes` boxes.
    fn of(decoder: &Decoder, outputs: &'a [TensorOut], boxes: usize) -> Result<Self, OnnxError> {
        let output = |name: &str| outputs.iter().find(|output| output.name == name);
        let (Some(masks), Some(qualities)) = (output(decoder.masks), output(decoder.qualities)) else {
            let why = format!("`{}` or `{}` is missing", decoder.masks, decoder.qualities);
            return Err(OnnxError::Run { path: decoder.model.path.clone(), why });
        };
        let (logits, numbers) = (masks.as_f32().unwrap_or_default(), qualities.as_f32().unwrap_or_default());
        if let [.., candidates, height, width] = masks.shape[..] {
            let grids = logits.len() / (height * width).max(1);
            let sound = candidates > 0 && grids >= boxes * candidates && numbers.len() == grids;
            if sound && height > 0 && width > 0 {
                return Ok(Answers { qualities: numbers, candidates, logits, width, height });
            }
        }
        let why = format!(
            "`{}` has the shape {:?} and `{}` {:?} for {boxes} boxes",
            decoder.masks, masks.shape, decoder.qualities, qualities.shape
        );
        Err(OnnxError::Run { path: decoder.model.path.clone(), why })
    }

    /// The candidate of the highest quality for one box, the first of equals.
    fn best(&self, at: usize) -> Result<(f32, Logits<'a>), Refusal> {
        let qualities = &self.qualities[at * self.candidates..][..self.candidates];
        if let Some(quality) = qualities.iter().find(|quality| !quality.is_finite()) {
            return Err(not_a_number(format!("a quality of {quality}")));
        }
        let better =
            |best: usize, other: usize| if qualities[other] > qualities[best] { other } else { best };
        let best = (1..qualities.len()).fold(0, better);
        let length = self.width * self.height;
        let values = &self.logits[(at * self.candidates + best) * length..][..length];
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            return Err(not_a_number(format!("a logit of {value}")));
        }
        Ok((qualities[best], Logits { values, width: self.width, height: self.height }))
    }
}

fn not_a_number(what: String) -> Refusal {
    Refusal::permanent(
        "not_a_number",
        format!("the model answered {what}, which is no mask; look at the model"),
    )
}

#[cfg(test)]
mod tests;
