//! A commit in two steps: parts are staged, and what was staged is put in place. One process does both. Of several, each stages the parts of
//! its own shards, and one puts all of them in place: it holds the folder's lock from before the first is staged.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::manifest::{self, Manifest, Note, PicturesFolder};
use super::parts::{Folder, Notes, Staged};
use super::source::{OpenShard, Shards};
use super::{
    Committed, PUBLISHED, PublishError, Summary, Wanted, card, funnel, piece_funnel, summarise,
    wanted as recipes,
};
use crate::row::Of;
use crate::shard::{Catalogue, undivided};

/// What is wanted, counted and found right before anything is written.
pub(super) struct Counted {
    summary: Summary,
    /// The places of the shards in the order of their names.
    order: Vec<usize>,
}

/// What one process has staged: all that is published of its shards.
#[derive(Debug, Serialize, Deserialize)]
pub struct StagedShare {
    summary: Summary,
    staged: Staged,
    folders: BTreeSet<PicturesFolder>,
}

/// A commit of several processes, in the one that puts it in place: the folder is locked for as long as this lives.
pub struct Commit {
    folder: Folder,
}

impl Counted {
    pub(super) fn of(wanted: &Wanted<'_>) -> Result<Self, PublishError> {
        let summary = summarise(wanted)?;
        check_funnels(wanted, &summary)?;
        recipes::all_data_columns(wanted)?;
        Ok(Counted { summary, order: shards_by_name(wanted)? })
    }
}

impl StagedShare {
    pub(super) fn stage(
        Counted { summary, order }: Counted,
        folder: &Folder,
        wanted: &Wanted<'_>,
        shards: &impl Shards,
    ) -> Result<Self, PublishError> {
        let mut planned = Vec::new();
        let mut folders = BTreeSet::new();
        for place in order {
            let open = shards.numbered(wanted.shards[place].seq)?;
            folders.extend(open.folder().map(|folder| PicturesFolder {
                shard: undivided(wanted.shards[place].name).to_owned(),
                folder: folder.display().to_string(),
            }));
            planned.extend(recipes::plan(wanted, place, open.index())?);
        }
        let staged = folder.stage_changed(planned, |recipe, file| {
            let open = shards.numbered(wanted.shards[recipe.shard].seq)?;
            recipes::write_part(wanted, recipe, &*open, file)
        })?;
        Ok(StagedShare { summary, staged, folders })
    }

    /// Stages the parts of the shards of `wanted` in a folder that another process has locked for a [`Commit`], and marked with this mark.
    ///
    /// # Errors
    /// As of a commit, and where the folder is another one. What was staged is swept by the process that commits.
    pub fn beside(
        out: &Path,
        mark: &str,
        wanted: &Wanted<'_>,
        catalogue: &Catalogue,
    ) -> Result<Self, PublishError> {
        let counted = Counted::of(wanted)?;
        let folder = Folder::beside(out, &PUBLISHED)?;
        if !folder.has_mark(mark) {
            return Err(PublishError::Other(format!(
                "{} is not the folder that process 0 publishes to: name one folder in all processes, which all of them see",
                out.display()
            )));
        }
        StagedShare::stage(counted, &folder, wanted, catalogue)
    }

    /// What all of them staged, as one process would have it.
    fn of_all(all: Vec<StagedShare>) -> Self {
        let (mut summary, mut folders, mut staged) = (None::<Summary>, BTreeSet::new(), Vec::new());
        for share in all {
            match &mut summary {
                Some(sum) => sum.add(&share.summary),
                none => *none = Some(share.summary),
            }
            folders.extend(share.folders);
            staged.push(share.staged);
        }
        StagedShare { summary: summary.unwrap_or_default(), staged: Staged::of_all(staged), folders }
    }
}

impl Commit {
    /// Locks the folder, for all that stage parts in it from now on.
    ///
    /// # Errors
    /// Where the folder is not ours, or another process commits to it.
    pub fn open(out: &Path) -> Result<Self, PublishError> {
        Ok(Commit { folder: Folder::open(out, &PUBLISHED)? })
    }

    /// Marks the folder, so that others can see that theirs is the same: what they look for.
    ///
    /// # Errors
    /// Where nothing can be written.
    pub fn mark(&self) -> Result<String, PublishError> {
        self.folder.mark()
    }

    /// Stages the parts of this process.
    ///
    /// # Errors
    /// As of a commit.
    pub fn stage(&self, wanted: &Wanted<'_>, catalogue: &Catalogue) -> Result<StagedShare, PublishError> {
        StagedShare::stage(Counted::of(wanted)?, &self.folder, wanted, catalogue)
    }

    /// Publishes what all have staged, once they have: `all` waits for them. Where anything fails, what was published before stands as it
    /// was. `wanted` says what is published beside rows; of its shards nothing is taken.
    ///
    /// # Errors
    /// Those of `all`, and as of a commit.
    pub fn put<E: From<PublishError>>(
        self,
        wanted: &Wanted<'_>,
        all: impl FnOnce(&Self) -> Result<Vec<StagedShare>, E>,
    ) -> Result<Committed, E> {
        let mut failed = None;
        let done = self.folder.or_clean(|| {
            let shares = all(&self).map_err(|error| {
                failed = Some(error);
                PublishError::Other("not all have staged their parts".to_owned())
            })?;
            let all = StagedShare::of_all(shares);
            all.staged.check(&self.folder)?;
            put(&self.folder, wanted, all)
        });
        done.map_err(|error| failed.unwrap_or_else(|| error.into()))
    }
}

/// Puts in place what was staged, and writes what belongs beside it.
pub(super) fn put(
    folder: &Folder,
    wanted: &Wanted<'_>,
    share: StagedShare,
) -> Result<Committed, PublishError> {
    let StagedShare { summary, staged, folders } = share;
    let [pictures, regions, edits] = check_funnels(wanted, &summary)?;
    folder.put(staged, |parts| {
        let folders: Vec<PicturesFolder> = folders.into_iter().collect();
        let card = card::card(wanted, &summary, [&pictures, &regions, &edits], (&folders, parts));
        let others = vec![("summary.json", manifest::json_file(&summary)?), ("README.md", card.into_bytes())];
        let notes = others.iter().map(Note::of).collect();
        Ok(Notes { manifest: manifest::json_file(&Manifest::of(wanted, folders, parts, notes))?, others })
    })
}

/// The funnels of pictures, regions and edits; an error where they do not add up.
fn check_funnels(
    wanted: &Wanted<'_>,
    summary: &Summary,
) -> Result<[Vec<super::FunnelStep>; 3], PublishError> {
    let of_pieces = |of| piece_funnel(wanted, summary, of);
    Ok([funnel(wanted, summary)?, of_pieces(Of::Regions)?, of_pieces(Of::Edits)?])
}

/// The places of the shards in the order of their names; an error where two have one name.
fn shards_by_name(wanted: &Wanted<'_>) -> Result<Vec<usize>, PublishError> {
    let mut order: Vec<usize> = (0..wanted.shards.len()).collect();
    order.sort_by_key(|&place| wanted.shards[place].name);
    match order.windows(2).find(|pair| wanted.shards[pair[0]].name == wanted.shards[pair[1]].name) {
        Some(pair) => {
            Err(PublishError::Verdicts(format!("two shards are named {}", wanted.shards[pair[0]].name)))
        }
        None => Ok(order),
    }
}
