//! The pictures of the rows that the gates of one worker hold: each once, however many gates its rows stand in. A gate keeps
//! slim rows; what it says of a row is said of the whole one.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::flow::worker::NEIGHBOURS;
use crate::row::{ContentHash, Image, RowId};

/// Shared by the gates of one worker.
pub(in crate::flow) type SharedPictures = Rc<RefCell<Pictures>>;

/// A picture without its id.
#[derive(Clone, Copy)]
struct Bare {
    content: ContentHash,
    width: u16,
    height: u16,
}

/// Neighbours of a shard that live on one worker.
struct Run {
    /// How many rows stand in gates that are about one of these pictures.
    rows: u32,
    pictures: [Bare; NEIGHBOURS],
}

/// Of one shard.
type Runs = Vec<Option<Box<Run>>>;

/// By shard, run by run. A run is here as long as a row of it stands in a gate.
#[derive(Default)]
pub(in crate::flow) struct Pictures(BTreeMap<u32, Runs>);

impl Pictures {
    /// A row about this picture comes to stand in a gate.
    pub(super) fn hold(&mut self, image: &Image) {
        let Image { id, content, width, height } = *image;
        let (run, place) = place(id);
        let runs = self.0.entry(id.shard).or_default();
        if runs.len() <= run {
            runs.resize_with(run + 1, || None);
        }
        let bare = Bare { content, width, height };
        let run = runs[run].get_or_insert_with(|| Box::new(Run { rows: 0, pictures: [bare; NEIGHBOURS] }));
        run.rows += 1;
        run.pictures[place] = bare;
    }

    /// A row about this picture stands in a gate no more.
    pub(super) fn let_go(&mut self, id: RowId) {
        let Some(runs) = self.0.get_mut(&id.shard) else { return };
        let Some(run) = runs.get_mut(place(id).0) else { return };
        if let Some(held) = run {
            held.rows -= 1;
            if held.rows == 0 {
                *run = None;
            }
        }
        while let Some(None) = runs.last() {
            runs.pop();
        }
        if runs.is_empty() {
            self.0.remove(&id.shard);
        }
    }

    /// Finds pictures row after row.
    pub(super) fn lookup(&self) -> Lookup<'_> {
        Lookup { pictures: self, last: Cell::new((0, self.0.get(&0))) }
    }
}

/// Finds pictures of rows that mostly come shard by shard: the shard of the last one is remembered.
pub(super) struct Lookup<'a> {
    pictures: &'a Pictures,
    last: Cell<(u32, Option<&'a Runs>)>,
}

impl Lookup<'_> {
    /// The picture of a row that stands in a gate.
    #[inline]
    pub(super) fn get(&self, id: RowId) -> Option<Image> {
        let (mut shard, mut runs) = self.last.get();
        if shard != id.shard {
            (shard, runs) = (id.shard, self.pictures.0.get(&id.shard));
            self.last.set((shard, runs));
        }
        let (run, place) = place(id);
        let Bare { content, width, height } = runs?.get(run)?.as_ref()?.pictures[place];
        Some(Image { id, content, width, height })
    }
}

fn place(id: RowId) -> (usize, usize) {
    (id.member as usize / NEIGHBOURS, id.member as usize % NEIGHBOURS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(shard: u32, member: u32) -> Image {
        let content = ContentHash::of(&member.to_le_bytes());
        Image { id: RowId { shard, member }, content, width: 1 + member as u16, height: 2 }
    }

    #[test]
    fn a_picture_is_here_until_its_last_row_left() {
        let mut pictures = Pictures::default();
        let images = [image(0, 0), image(0, 63), image(0, 64), image(9, 1000)];
        for image in images.iter().chain(&images) {
            pictures.hold(image);
        }
        images.iter().for_each(|image| pictures.let_go(image.id));
        for image in &images {
            assert_eq!(pictures.lookup().get(image.id).as_ref(), Some(image));
        }
        pictures.let_go(images[0].id);
        assert_eq!(
            pictures.lookup().get(images[1].id).as_ref(),
            Some(&images[1]),
            "of one run with the first"
        );
        images[1..].iter().for_each(|image| pictures.let_go(image.id));
        assert!(pictures.0.is_empty(), "nothing is left");
        assert_eq!(pictures.lookup().get(images[0].id), None);
        pictures.let_go(images[0].id);
    }

    #[test]
    fn a_picture_is_small() {
        assert_eq!(size_of::<Bare>(), 20);
    }
}
