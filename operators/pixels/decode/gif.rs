//! GIF: the first frame, on Pillow's background: the transparent colour if the frame has one, otherwise the first of the palette.

use gif::{ColorOutput, DecodeOptions, DecodingError, MemoryLimit};
use threshflow::row::Refusal;

use super::{MAX_PIXELS, Rgb, room, too_many_pixels};

pub(super) fn decode(bytes: &[u8]) -> Result<Rgb, Refusal> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    // What a frame takes is asked for below, before it is read.
    options.set_memory_limit(MemoryLimit::Unlimited);
    let mut decoder = options.read_info(bytes).map_err(refusal)?;
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    if (width * height) as u64 > MAX_PIXELS {
        return Err(too_many_pixels(width as u64, height as u64));
    }
    let frame = decoder.next_frame_info().map_err(refusal)?;
    let frame = frame.ok_or_else(|| Refusal::permanent("bad_picture", "GIF without a frame"))?;
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let (frame_width, frame_height) = (usize::from(frame.width), usize::from(frame.height));
    if left + frame_width > width || top + frame_height > height || frame_width == 0 || frame_height == 0 {
        let message = format!(
            "GIF of {width} x {height} pixels whose first frame has {frame_width} x {frame_height} at {left}, {top}: it doesn't \
             lie within"
        );
        return Err(Refusal::permanent("unsupported_picture", message));
    }
    let (ground, own_palette) = (frame.transparent.unwrap_or(0), frame.palette.clone());
    let palette = own_palette.as_deref().or(decoder.global_palette()).map(<[u8]>::to_vec);
    let mut indices = room::zeros((frame_width * frame_height) as u64)?;
    decoder.read_into_buffer(&mut indices).map_err(refusal)?;

    // Where there is no palette, numbers are levels of grey; what a palette hasn't is black.
    let colour = |index: u8| match &palette {
        None => [index; 3],
        Some(palette) => {
            let own = palette.chunks_exact(3).nth(usize::from(index));
            own.map_or([0; 3], |rgb| [rgb[0], rgb[1], rgb[2]])
        }
    };
    let colours: Vec<[u8; 3]> = (0..=255).map(colour).collect();
    let mut pixels = room::reserved((width * height * 3) as u64)?;
    for y in 0..height {
        let row = y.checked_sub(top).and_then(|y| indices.chunks_exact(frame_width).nth(y));
        for x in 0..width {
            let index = row.and_then(|row| row.get(x.checked_sub(left)?)).copied().unwrap_or(ground);
            pixels.extend_from_slice(&colours[usize::from(index)]);
        }
    }
    Rgb::full(width as u32, height as u32, pixels)
}

fn refusal(error: DecodingError) -> Refusal {
    let class = match &error {
        DecodingError::Io(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => "cut_picture",
        DecodingError::OutOfMemory => Refusal::OUT_OF_MEMORY,
        _ => "bad_picture",
    };
    Refusal::permanent(class, format!("GIF: {error}"))
}
