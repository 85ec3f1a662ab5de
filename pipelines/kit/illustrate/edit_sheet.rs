//! A contact sheet of edits, one of each sort: its pictures side by side, with the words below them.

use image::{ImageFormat, Rgb, RgbImage, imageops};
use threshflow::report::{DrawnEdit, Panel};

use super::sheet::marked;
use super::writing::{LETTER, write};

/// Pixels between pictures.
const GAP: u32 = 8;
/// Pixels around an edit.
const MARGIN: u32 = 14;
/// Columns of panels of a row: an edit of more than half of them has a row for itself.
const PANELS: u32 = 6;
/// Pixels that a panel is wide, and at most high.
const PANEL: [u32; 2] = [250, 204];
/// Pixels of a line of text.
const LINE: u32 = LETTER[1] + 4;
const INK: [u8; 3] = [30; 3];
const SOFT: [u8; 3] = [95; 3];
const LINES_COLOUR: Rgb<u8> = Rgb([214; 3]);

/// The best edit of each of these sorts, in their order: that whose least score of those named in `rank_by` is the greatest. Empty where
/// there is none.
pub(super) fn edit_sheet(edits: &[&DrawnEdit], sorts: &[&str], rank_by: &[&str]) -> Result<RgbImage, String> {
    let merit = |edit: &DrawnEdit| {
        let scores = edit.scores.iter().filter(|(name, _)| rank_by.contains(&name.as_str()));
        let scores: Vec<f32> = scores.map(|(_, score)| *score).collect();
        (scores.iter().copied().fold(f32::MAX, f32::min), scores.iter().sum::<f32>())
    };
    let best = |sort: &&str| {
        let of_sort = edits.iter().copied().filter(|edit| edit.sort == *sort);
        let of_sort = of_sort.map(|edit| (merit(edit), edit));
        of_sort.max_by(|(a, _), (b, _)| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))).map(|(_, edit)| edit)
    };
    let blocks: Vec<RgbImage> =
        sorts.iter().filter_map(best).map(|edit| block(edit, rank_by)).collect::<Result<_, _>>()?;
    let (narrow, wide): (Vec<&RgbImage>, Vec<&RgbImage>) =
        blocks.iter().partition(|block| block.width() <= width_of(PANELS / 2));
    // Two narrow ones beside each other, then each wide one by itself.
    let rows: Vec<Vec<&RgbImage>> =
        narrow.chunks(2).map(<[_]>::to_vec).chain(wide.into_iter().map(|one| vec![one])).collect();
    let high = |row: &Vec<&RgbImage>| row.iter().map(|block| block.height()).max().unwrap_or(0);
    let height = rows.iter().map(|row| high(row) + 2 * MARGIN).sum::<u32>();
    let mut sheet =
        RgbImage::from_pixel(2 * (width_of(PANELS / 2) + 2 * MARGIN), height.max(1), Rgb([255; 3]));
    let mut top = 0;
    for row in &rows {
        let mut left = MARGIN;
        for block in row {
            imageops::replace(&mut sheet, *block, i64::from(left), i64::from(top + MARGIN));
            left += width_of(PANELS / 2) + 2 * MARGIN;
        }
        top += high(row) + 2 * MARGIN;
        if top < sheet.height() {
            for x in MARGIN..sheet.width() - MARGIN {
                sheet.put_pixel(x, top, LINES_COLOUR);
            }
        }
    }
    Ok(sheet)
}

fn width_of(panels: u32) -> u32 {
    panels * (PANEL[0] + GAP) - GAP
}

/// One edit: its sort, the scores that it is ranked by, its pictures with their captions, and its words: below three pictures, beside more.
fn block(edit: &DrawnEdit, rank_by: &[&str]) -> Result<RgbImage, String> {
    let drawn: Vec<RgbImage> = edit.panels.iter().map(small).collect::<Result<_, _>>()?;
    let panels = drawn.len() as u32;
    let beside = panels > PANELS / 2;
    let width = if beside { width_of(PANELS) } else { width_of(PANELS / 2) };
    let high = drawn.iter().map(RgbImage::height).max().unwrap_or(0);
    let text_left = if beside { (panels * (PANEL[0] + GAP)).min(width_of(PANELS - 1) + GAP) } else { 0 };
    let text_top = if beside { LINE } else { LINE + high + LINE };
    let letters = ((width - text_left) / LETTER[0]) as usize;
    let said = edit.words.iter().flat_map(|(label, words)| match label.is_empty() {
        true => wrapped(words, letters),
        false => wrapped(&format!("{label} {words}"), letters),
    });
    let said: Vec<String> = said.collect();
    let height = (LINE + high + LINE).max(text_top + said.len() as u32 * LINE);
    let mut block = RgbImage::from_pixel(width, height, Rgb([255; 3]));
    // There may be some twenty more: the page has them.
    let scores = edit.scores.iter().filter(|(name, _)| rank_by.contains(&name.as_str()));
    let scores = scores.map(|(name, score)| format!("{name} {score:.1}")).collect::<Vec<_>>().join("  ");
    write(&mut block, &edit.sort.replace('_', " "), [0, 0], INK);
    let right = width.saturating_sub(scores.chars().count() as u32 * LETTER[0]);
    write(&mut block, &scores, [right, 0], SOFT);
    for ((picture, panel), column) in drawn.iter().zip(&edit.panels).zip(0u32..) {
        let left = column * (PANEL[0] + GAP);
        imageops::replace(&mut block, picture, i64::from(left), i64::from(LINE));
        write(&mut block, &panel.caption, [left, LINE + high + 3], SOFT);
    }
    for (line, number) in said.iter().zip(0u32..) {
        write(&mut block, line, [text_left, text_top + number * LINE + 2], INK);
    }
    Ok(block)
}

/// The panel with its marks, at the sheet's size.
fn small(panel: &Panel) -> Result<RgbImage, String> {
    if panel.illustration.marks.is_empty() {
        let format = ImageFormat::from_mime_type(panel.illustration.media_type);
        let format = format.ok_or_else(|| format!("{} is not known", panel.illustration.media_type))?;
        let decoded = image::load_from_memory_with_format(&panel.illustration.bytes, format);
        return Ok(fitted(&decoded.map_err(|error| error.to_string())?.into_rgb8()));
    }
    Ok(fitted(&marked(&panel.illustration)?))
}

fn fitted(picture: &RgbImage) -> RgbImage {
    let (width, height) = (picture.width().max(1), picture.height().max(1));
    let share = (PANEL[0] as f32 / width as f32).min(PANEL[1] as f32 / height as f32);
    let side = |side: u32| ((side as f32 * share).round() as u32).max(1);
    imageops::resize(picture, side(width), side(height), imageops::FilterType::CatmullRom)
}

/// Lines of at most so many letters, broken at blanks.
fn wrapped(text: &str, letters: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.len() - 1;
        let full = lines[line].chars().count() + 1 + word.chars().count() > letters;
        if full && !lines[line].is_empty() {
            lines.push(word.to_owned());
        } else {
            let blank = if lines[line].is_empty() { "" } else { " " };
            lines[line] = format!("{}{blank}{word}", lines[line]);
        }
    }
    lines
}
