//! What the markers of a JPEG say without decoding: the frame, and whether its scans bring all of it.
//!
//! A decoder that meets the end of the file, or an end-of-image marker, before all scans came shows what it has, without a message. So the
//! scans are counted here. Every component of a sequential picture must be in a scan. Of a progressive picture, every coefficient of every
//! component must have come down to its last bit. (ITU-T T.81 lets an encoder leave out scans of the latter. No encoder is known that does,
//! and nothing tells such a picture from one that was cut between two scans.)

use threshflow::row::Refusal;
use threshflow::shard::next_jpeg_marker;

/// Far more than any encoder writes (a progressive picture of three components in single bits of single coefficients has less);
/// each is a pass over the whole picture.
const MOST_SCANS: usize = 1000;

/// What a JPEG's headers tell.
pub(super) struct Frame {
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) components: Vec<Component>,
    pub(super) is_progressive: bool,
    scans: usize,
}

/// One of the planes.
pub(super) struct Component {
    id: u8,
    /// How many samples it has across and down where others have one, 1 to 4.
    sampling: (u8, u8),
    /// Of every coefficient, how many of its low bits are missing; `None`: all of it.
    missing: [Option<u8>; 64],
}

fn bad(what: impl Into<String>) -> Refusal {
    Refusal::permanent("bad_picture", format!("JPEG: {}", what.into()))
}

impl Frame {
    /// Whether it is decoded row by row, without keeping its coefficients.
    pub(super) fn is_plain_baseline(&self) -> bool {
        !self.is_progressive && self.scans == 1 && self.components.len() <= 3
    }

    /// Notes what a scan brings, and gives the number of units that restarts are counted in. `header` is its segment, behind the length.
    fn note(&mut self, header: &[u8]) -> Result<u32, Refusal> {
        let broken = || bad("a scan header is broken");
        let (&count, rest) = header.split_first().ok_or_else(broken)?;
        let (named, rest) = rest.split_at_checked(2 * usize::from(count)).ok_or_else(broken)?;
        let &[first, last, approximation] = rest else { return Err(broken()) };
        let mut taken = Vec::new();
        for name in named.chunks_exact(2) {
            let mut places = (0..self.components.len()).filter(|place| !taken.contains(place));
            taken.push(places.find(|place| self.components[*place].id == name[0]).ok_or_else(broken)?);
        }
        let (band, before, left) = match self.is_progressive {
            true => (usize::from(first)..=usize::from(last), approximation >> 4, approximation & 15),
            false => (0..=63, 0, 0),
        };
        let is_of_one_kind = !self.is_progressive || if first == 0 { last == 0 } else { taken.len() == 1 };
        if taken.is_empty() || band.is_empty() || *band.end() > 63 || left > 13 || !is_of_one_kind {
            return Err(broken());
        }
        for place in &taken {
            let missing = &mut self.components[*place].missing;
            let has_dc = first == 0 || missing[0].is_some();
            let follows =
                |bits: &Option<u8>| bits.unwrap_or(0) == before && (before == 0 || left + 1 == before);
            if self.is_progressive && !(has_dc && missing[band.clone()].iter().all(follows)) {
                return Err(bad("a scan refines what no scan before it brought"));
            }
            missing[band.clone()].fill(Some(left));
        }
        self.scans += 1;
        if self.scans > MOST_SCANS {
            return Err(bad(format!("more than {MOST_SCANS} scans")));
        }
        Ok(self.units(&taken))
    }

    /// How many units a scan of these components has: blocks of one, else groups of blocks of all.
    fn units(&self, taken: &[usize]) -> u32 {
        let most = |side: fn(&Component) -> u8| self.components.iter().map(side).max().map_or(1, u32::from);
        let (most_across, most_down) = (most(|one| one.sampling.0), most(|one| one.sampling.1));
        let (across, down) = match taken {
            [one] => {
                let (across, down) = self.components[*one].sampling;
                (u32::from(across), u32::from(down))
            }
            _ => (1, 1),
        };
        let blocks = |pixels: u16, ours: u32, most: u32| (u32::from(pixels) * ours).div_ceil(most * 8);
        blocks(self.width, across, most_across) * blocks(self.height, down, most_down)
    }

    fn check_whole(&self) -> Result<(), Refusal> {
        let lacks = |one: &&Component| one.missing.iter().any(|bits| *bits != Some(0));
        let lacking = self.components.iter().filter(lacks).count();
        if self.scans > 0 && lacking == 0 {
            return Ok(());
        }
        let (scans, all) = (self.scans, self.components.len());
        let message = format!(
            "the JPEG ends after {scans} scans, which leave {lacking} of its {all} components incomplete: it was cut off"
        );
        Err(Refusal::permanent("cut_picture", message))
    }
}

/// The restart markers of the scan that is walked over.
#[derive(Default)]
struct Restarts {
    /// Units between two of them; 0: there are none.
    interval: u32,
    /// How many the scan must have.
    expected: u32,
    seen: u32,
}

impl Restarts {
    fn begin(&mut self, units: u32) {
        let intervals = if self.interval == 0 { 1 } else { units.div_ceil(self.interval) };
        (self.expected, self.seen) = (intervals.saturating_sub(1), 0);
    }

    /// They are numbered from 0 to 7, again and again. One more than are needed may stand at a scan's end, or among headers.
    fn note(&mut self, marker: u8) -> Result<(), Refusal> {
        let is_next = u32::from(marker - 0xD0) == self.seen % 8;
        if self.seen < self.expected && !is_next {
            return Err(Refusal::permanent(
                "cut_picture",
                "JPEG: a part of a scan, between two restart markers, is missing",
            ));
        }
        self.seen += 1;
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refusal> {
        let (expected, seen) = (std::mem::take(&mut self.expected), self.seen);
        if seen >= expected {
            return Ok(());
        }
        let message = format!("JPEG: a scan has {seen} of {expected} restart markers: it was cut off");
        Err(Refusal::permanent("cut_picture", message))
    }
}

/// Walks all marker segments to the end-of-image marker.
///
/// Refused as `cut_picture` where that is missing, or scans are, or parts of them between restart markers; as `unsupported_picture` for
/// kinds that aren't decoded, arithmetic coding among them: of a scan so coded nobody can tell that it was cut off.
pub(super) fn walk(bytes: &[u8]) -> Result<Frame, Refusal> {
    if !bytes.starts_with(&[0xFF, 0xD8]) {
        let message = format!("{} bytes that don't begin as a JPEG does", bytes.len());
        return Err(Refusal::permanent("bad_picture", message));
    }
    let (mut at, mut found, mut restarts) = (2, None::<Frame>, Restarts::default());
    loop {
        let cut = || {
            let message = format!("{} bytes hold no end-of-image marker: the JPEG was cut off", bytes.len());
            Refusal::permanent("cut_picture", message)
        };
        let marker = next_jpeg_marker(bytes, &mut at).ok_or_else(cut)?;
        match marker {
            // Without a length.
            0x01 | 0xD8 => continue,
            0xD0..=0xD7 => {
                restarts.note(marker)?;
                continue;
            }
            _ => restarts.end()?,
        }
        if marker == 0xD9 {
            let frame = found.ok_or_else(|| bad("it ends before its frame header"))?;
            return frame.check_whole().map(|()| frame);
        }
        let length = bytes.get(at..at + 2).ok_or_else(cut)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        if length < 2 {
            return Err(bad(format!("a segment of {length} bytes")));
        }
        let segment = bytes.get(at + 2..at + length).ok_or_else(cut)?;
        at += length;
        match (marker, &mut found) {
            (0xC4, _)
                if !are_tables(
                    segment,
                    |head| 17 + head[1..].iter().map(|&count| usize::from(count)).sum::<usize>(),
                    17,
                ) =>
            {
                return Err(bad("a segment of Huffman tables has another length than they"));
            }
            (0xDB, _) if !are_tables(segment, |head| if head[0] >> 4 == 0 { 65 } else { 129 }, 1) => {
                return Err(bad("a segment of quantization tables has another length than they"));
            }
            (0xDD, _) => {
                let interval = segment.try_into().map_err(|_| bad("a restart interval is broken"))?;
                restarts.interval = u16::from_be_bytes(interval).into();
            }
            (0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF, None) => {
                found = Some(frame(marker, segment)?)
            }
            (0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF, Some(_)) => {
                return Err(bad("two frame headers"));
            }
            (0xDA, Some(frame)) => restarts.begin(frame.note(segment)?),
            (0xDA, None) => return Err(bad("a scan before the frame header")),
            _ => {}
        }
    }
}

/// Whether the segment is tables and nothing else; `length` tells a table's from its first `head` bytes.
fn are_tables(mut segment: &[u8], length: impl Fn(&[u8]) -> usize, head: usize) -> bool {
    while let Some(begin) = segment.get(..head).filter(|_| !segment.is_empty()) {
        match segment.get(length(begin)..) {
            Some(rest) => segment = rest,
            None => return false,
        }
    }
    segment.is_empty()
}

/// A frame header. `segment` is what follows the length.
fn frame(marker: u8, segment: &[u8]) -> Result<Frame, Refusal> {
    let unsupported = |what: String| Err(Refusal::permanent("unsupported_picture", format!("JPEG: {what}")));
    let broken = || bad("the frame header is broken");
    let &[precision, h1, h0, w1, w0, count, ref rest @ ..] = segment else { return Err(broken()) };
    let is_progressive = match marker {
        0xC0 | 0xC1 => false,
        0xC2 => true,
        0xC3 => return unsupported("lossless coding is not read".to_owned()),
        0xC9..=0xCB => {
            return unsupported(
                "arithmetic coding is not read: where it was cut off can't be told".to_owned(),
            );
        }
        _ => return unsupported("hierarchical coding is not read".to_owned()),
    };
    if precision != 8 {
        return unsupported(format!("{precision} bits a sample; 8 are read"));
    }
    if !matches!(count, 1 | 3 | 4) {
        return unsupported(format!("{count} components; 1, 3 or 4 are read"));
    }
    let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
    if width == 0 || height == 0 {
        return unsupported(format!("the frame header says {width} x {height} pixels"));
    }
    let told = Some(rest).filter(|told| told.len() == 3 * usize::from(count)).ok_or_else(broken)?;
    let component =
        |told: &[u8]| Component { id: told[0], sampling: (told[1] >> 4, told[1] & 15), missing: [None; 64] };
    let components: Vec<Component> = told.chunks_exact(3).map(component).collect();
    let is_sampling =
        |one: &Component| (1..=4).contains(&one.sampling.0) && (1..=4).contains(&one.sampling.1);
    if !components.iter().all(is_sampling) {
        return Err(broken());
    }
    Ok(Frame { width, height, components, is_progressive, scans: 0 })
}
