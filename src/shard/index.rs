//! Makes an index from drafts: every member is hashed, every picture probed, and every sidecar read, on several threads.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::bytes::Bytes;
use super::sample::{Draft, group};
use super::walk::walk;
use super::{Member, Picture, ReadOptions, Sample, ShardIndex, probe, sidecar};
use crate::row::{ContentHash, Refusal};

/// Below this many bytes a shard is surveyed on the calling thread alone.
const WORTH_THREADS: u64 = 32 << 20;

/// A sample and the content hashes of its members.
struct Surveyed {
    sample: Sample,
    at: u64,
    contents: Vec<ContentHash>,
}

/// Walks a shard and looks at every member of it, on as many threads as it is worth.
pub(super) fn build(bytes: &Bytes, options: &ReadOptions) -> ShardIndex {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(16);
    build_on(if bytes.len() < WORTH_THREADS { 1 } else { cores }, bytes, options)
}

/// Walks a shard and looks at every member of it on so many threads: their number changes nothing.
pub(super) fn build_on(threads: usize, bytes: &Bytes, options: &ReadOptions) -> ShardIndex {
    let walk = walk(bytes);
    let passed_over = walk.passed_over;
    let drafts = group(walk);
    let surveyed = survey_all(threads, &drafts, bytes, options);
    let fingerprint = fingerprint(&surveyed, bytes);
    let samples = surveyed.into_iter().map(|surveyed| surveyed.sample).collect();
    ShardIndex { fingerprint, samples, passed_over }
}

/// Whether an index says something about this moment only (a file cut while it was read, a failing disk). Of a loose file that could not
/// be looked at, it says something for as long as that is so.
pub(super) fn is_passing(index: &ShardIndex, bytes: &Bytes) -> bool {
    let passing = |refusal: &Refusal| !refusal.is_permanent();
    // An empty file lies where the next one begins.
    let is_gone =
        |member: &Member| member.len > 0 && bytes.loose().is_some_and(|loose| loose.is_gone(member.offset));
    let mut refused = index.samples.iter().filter(|sample| sample.picture.as_ref().is_err_and(passing));
    refused.any(|sample| !sample.members.iter().any(is_gone))
}

/// Surveys every draft, in order. Threads take parts from a common list, so that one that can't be started, or
/// one that meets the large pictures, only means that the others do more.
fn survey_all(threads: usize, drafts: &[Draft], bytes: &Bytes, options: &ReadOptions) -> Vec<Surveyed> {
    let part_len = drafts.len().div_ceil(threads * 8).max(1);
    let parts: Vec<&[Draft]> = drafts.chunks(part_len).collect();
    let done: Vec<OnceLock<Vec<Surveyed>>> = parts.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((part, done)) = {
            let place = next.fetch_add(1, Ordering::Relaxed);
            parts.get(place).zip(done.get(place))
        } {
            let _ = done.set(part.iter().map(|draft| survey(draft, bytes, options)).collect());
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(parts.len()) {
            let _ = std::thread::Builder::new().name("shard-survey".to_owned()).spawn_scoped(scope, work);
        }
        work();
    });
    done.into_iter().filter_map(OnceLock::into_inner).flatten().collect()
}

fn survey(draft: &Draft, bytes: &Bytes, options: &ReadOptions) -> Surveyed {
    let Draft { key, members, at, picture } = draft.clone();
    let too_long = members.iter().find(|member| member.len > options.max_bytes).map(|member| {
        Refusal::permanent(
            "too_many_bytes",
            format!(
                "the member with the extension {:?} has {} bytes, at most {} are allowed; raise --max-bytes to take it",
                member.extension, member.len, options.max_bytes
            ),
        )
    });
    let is_too_long = too_long.is_some();
    let mut unreadable = None;
    let mut contents = Vec::with_capacity(members.len());
    let mut picture = match too_long {
        Some(refusal) => picture.and(Err(refusal)),
        None => picture.and_then(|place| look_at(place, &members, bytes, options)),
    };
    for (place, member) in members.iter().enumerate() {
        let content = match &picture {
            Ok(picture) if picture.member as usize == place => Ok(picture.content),
            _ => hash(member, bytes),
        };
        contents.push(content.unwrap_or_else(|refusal| {
            unreadable.get_or_insert(refusal);
            ContentHash::default()
        }));
    }
    // What could not be read of the sidecars says nothing of them: the sample is looked at again by the next run.
    let said = if is_too_long { Ok(sidecar::Read::default()) } else { sidecar::read(&members, bytes, false) };
    let said = said.unwrap_or_else(|refusal| {
        unreadable.get_or_insert(refusal);
        sidecar::Read::default()
    });
    // Whatever else is wrong with the sample: an index that took that for all of it would be kept.
    if let Some(refusal) = unreadable {
        picture = Err(refusal);
    }
    if let (Ok(picture), Some((end, _))) = (&mut picture, super::end_frame(&members)) {
        picture.content = content_of(picture.content, Some(contents[end]));
    }
    let sidecar::Read { numbers, refusal: sidecar_refusal, .. } = said;
    let sidecar_refusal = sidecar_refusal.map(Box::new);
    Surveyed { sample: Sample { key, members, picture, numbers, sidecar_refusal }, at, contents }
}

fn look_at(
    place: usize,
    members: &[Member],
    bytes: &Bytes,
    options: &ReadOptions,
) -> Result<Picture, Refusal> {
    let Some(member) = members.get(place) else {
        return Err(Refusal::permanent("no_picture", "the sample has no such member"));
    };
    let payload = bytes.peek(member.offset, member.len)?;
    let probed = probe::probe(&payload, options)?;
    let content = match &payload {
        Cow::Borrowed(_) => hash(member, bytes)?,
        Cow::Owned(copy) => ContentHash::of(copy),
    };
    Ok(Picture {
        member: u32::try_from(place).unwrap_or(u32::MAX),
        content,
        format: probed.format,
        width: probed.width,
        height: probed.height,
        orientation: probed.orientation,
    })
}

/// The content of a sample by the hashes of its picture and, where it has one, of its end frame.
pub fn content_of(picture: ContentHash, end: Option<ContentHash>) -> ContentHash {
    let Some(end) = end else { return picture };
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"frames").update(&picture.0).update(&end.0);
    ContentHash::from_hasher(&hasher)
}

fn hash(member: &Member, bytes: &Bytes) -> Result<ContentHash, Refusal> {
    let mut hasher = blake3::Hasher::new();
    bytes.pass(member.offset, member.len, &mut |part| {
        hasher.update(part);
    })?;
    Ok(ContentHash::from_hasher(&hasher))
}

/// Of every member's path, place and content, and of what was made of it: two indexes with the same fingerprint
/// give the same rows and the same sidecars. (Limits and the EXIF switch count by what they changed.)
fn fingerprint(surveyed: &[Surveyed], bytes: &Bytes) -> ContentHash {
    let mut hasher = blake3::Hasher::new();
    let number = |hasher: &mut blake3::Hasher, value: u64| {
        hasher.update(&value.to_le_bytes());
    };
    let text = |hasher: &mut blake3::Hasher, value: &str| {
        hasher.update(&(value.len() as u64).to_le_bytes());
        hasher.update(value.as_bytes());
    };
    hasher.update(b"threshflow shard 1");
    number(&mut hasher, sidecar::VERSION.into());
    number(&mut hasher, surveyed.len() as u64);
    for Surveyed { sample, at, contents } in surveyed {
        text(&mut hasher, &sample.key);
        number(&mut hasher, *at);
        number(&mut hasher, sample.members.len() as u64);
        for (member, content) in sample.members.iter().zip(contents) {
            text(&mut hasher, &member.extension);
            number(&mut hasher, member.offset);
            number(&mut hasher, member.len);
            hasher.update(&content.0);
        }
        match &sample.picture {
            Ok(picture) => {
                hasher.update(&[0, picture.format as u8, picture.orientation]);
                number(&mut hasher, u64::from(picture.member));
                number(&mut hasher, u64::from(picture.width) << 16 | u64::from(picture.height));
            }
            Err(refusal) => {
                hasher.update(&[1]);
                text(&mut hasher, &refusal.class);
                text(&mut hasher, &refusal.message);
            }
        }
        let sidecar = sample.sidecar_refusal.as_deref();
        text(&mut hasher, sidecar.map_or("", |refusal| &refusal.message));
    }
    if let Some(loose) = bytes.loose() {
        // Published rows name loose files as they are spelled.
        hasher.update(&loose.files().names().0);
    }
    ContentHash::from_hasher(&hasher)
}
