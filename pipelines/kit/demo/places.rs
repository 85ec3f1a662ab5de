//! The four places that scenes happen in: meadow, sea, table and street.

use super::dice::Dice;
use super::draw::{Paint, Run, Shape};
use super::palette::Role;
use super::scene::Scene;
use super::things::{self, Maker, Part, Thing};

/// Chooses a place and fills it.
pub(crate) fn furnish(scene: &mut Scene, dice: &mut Dice) {
    match dice.below(4) {
        0 => meadow(scene, dice),
        1 => sea(scene, dice),
        2 => table(scene, dice),
        _ => street(scene, dice),
    }
}

/// `count` places from `from` to `to`, in a mixed order, evenly spread but for some wobble.
fn spread(dice: &mut Dice, count: usize, from: f32, to: f32) -> Vec<f32> {
    let step = (to - from) / count as f32;
    let mut places: Vec<f32> =
        (0..count).map(|i| from + step * (i as f32 + 0.5 + dice.between(-0.28, 0.28))).collect();
    for i in (1..count).rev() {
        places.swap(i, dice.below(i + 1));
    }
    places
}

/// The outline of land from edge to edge and down to `foot`: tops at random heights around `top`, joined by
/// smooth slopes (`steps` big) or straight ones (`steps` 1).
fn ridge(dice: &mut Dice, (top, foot): (f32, f32), rise: f32, peaks: usize, steps: usize) -> Shape {
    let heights: Vec<f32> = (0..=peaks)
        .map(|i| top + if steps == 1 && i % 2 == 0 { rise } else { dice.between(-rise, rise) })
        .collect();
    let mut corners = Vec::new();
    for (i, pair) in heights.windows(2).enumerate() {
        for step in 0..steps {
            let t = step as f32 / steps as f32;
            let eased = t * t * (3.0 - 2.0 * t);
            corners.push(((i as f32 + t) / peaks as f32, pair[0] + (pair[1] - pair[0]) * eased));
        }
    }
    corners.extend([(1.0, heights[peaks]), (1.0, foot), (0.0, foot)]);
    Shape::Polygon(corners)
}

/// Sky, sun or moon, clouds. Gives the sun's place.
fn sky(scene: &mut Scene, dice: &mut Dice, horizon: f32) -> (f32, f32) {
    let palette = scene.palette().clone();
    let (top, low) = (palette.get(Role::SkyTop), palette.get(Role::SkyLow));
    scene.background.push("sky");
    scene.backdrop(vec![(Shape::rect(0.0, 0.0, 1.0, horizon + 0.06), Paint::run(Run::Down, top, low))]);
    let sun = (dice.between(0.14, 0.86), dice.between(0.14, horizon - 0.16));
    let size = dice.between(0.045, 0.075);
    let thing = things::sun_or_moon(&palette, dice);
    scene.stand(thing, sun, size);
    let clouds = 1 + dice.below(4);
    for x in spread(dice, clouds, 0.0, 1.0) {
        let y = dice.between(0.07, horizon * 0.62);
        let colour = low.mix(top, 0.12 + 0.3 * (1.0 - y / horizon)).lighter(0.22);
        let size = dice.between(0.09, 0.17);
        scene.ornament((x, y), size, cloud(colour, dice));
    }
    sun
}

fn cloud(colour: super::Rgb, dice: &mut Dice) -> Vec<Part> {
    let lean = dice.between(-0.25, 0.25);
    [
        (-0.62, 0.05, 0.4, 0.15),
        (0.6, 0.04, 0.44, 0.16),
        (lean, -0.14, 0.42, 0.3),
        (lean + 0.34, -0.06, 0.36, 0.22),
        (0.0, 0.08, 0.95, 0.13),
    ]
    .map(|(x, y, rx, ry)| (Shape::Oval { x, y, rx, ry }, Paint::flat(colour)))
    .into()
}

/// Two ranges of far land.
fn hills(scene: &mut Scene, dice: &mut Dice, horizon: f32) {
    let (far, near) = (scene.palette().get(Role::Far), scene.palette().get(Role::Near));
    let haze = scene.palette().get(Role::SkyLow);
    let jagged = dice.chance(0.5);
    scene.background.push(if jagged { "mountains" } else { "hills" });
    let (peaks, steps) = if jagged { (6 + 2 * dice.below(3), 1) } else { (4 + dice.below(3), 12) };
    let back = ridge(dice, (horizon - 0.13, horizon + 0.12), 0.08, peaks, steps);
    let peaks = 3 + dice.below(3);
    let front = ridge(dice, (horizon - 0.035, horizon + 0.2), 0.045, peaks, 12);
    scene.backdrop(vec![
        (back, Paint::run(Run::Down, far, far.mix(haze, 0.4))),
        (front, Paint::run(Run::Down, near, near.mix(haze, 0.2))),
    ]);
}

/// Stands things on ground that runs from `horizon` (far) to the lower edge (near), back to front.
fn stand_in_depth(
    scene: &mut Scene,
    dice: &mut Dice,
    makers: &[(Maker, f32)],
    (nearest, farthest): (f32, f32),
) {
    let count = makers.len();
    let columns = spread(dice, count, 0.04, 0.96);
    let mut rows: Vec<f32> = (0..count)
        .map(|i| farthest + (nearest - farthest) * (i as f32 + dice.between(0.0, 0.9)) / count as f32)
        .collect();
    rows.sort_unstable_by(f32::total_cmp);
    let palette = scene.palette().clone();
    for ((&(maker, size), x), y) in makers.iter().zip(columns).zip(rows) {
        let depth = (y - farthest) / (nearest - farthest);
        let thing = maker(&palette, dice);
        scene.stand(thing, (x, y), size * (0.75 + 0.7 * depth) * dice.between(0.9, 1.12));
    }
}

fn meadow(scene: &mut Scene, dice: &mut Dice) {
    let horizon = dice.between(0.48, 0.58);
    sky(scene, dice, horizon);
    hills(scene, dice, horizon);
    scene.background.push("meadow");
    let (far, near) = (scene.palette().get(Role::GroundFar), scene.palette().get(Role::GroundNear));
    let ground = ridge(dice, (horizon + 0.03, 1.0), 0.018, 3, 12);
    let knoll = ridge(dice, (0.82, 1.0), 0.05, 2, 16);
    scene.backdrop(vec![
        (ground, Paint::run(Run::Down, far, far.mix(near, 0.7))),
        (knoll, Paint::run(Run::Down, far.mix(near, 0.75), near)),
    ]);
    if dice.chance(0.4) {
        let thing = things::kite(&scene.palette().clone(), dice);
        let place = (dice.between(0.2, 0.8), dice.between(0.24, horizon - 0.12));
        scene.stand(thing, place, dice.between(0.12, 0.17));
    }
    let mut makers: Vec<(Maker, f32)> = Vec::new();
    let plant: Maker = if dice.chance(0.5) { things::tree } else { things::pine };
    for _ in 0..3 + dice.below(4) {
        makers.push((if dice.chance(0.8) { plant } else { things::tree }, 0.2));
    }
    for _ in 0..1 + dice.below(2) {
        let place = dice.below(makers.len());
        makers.insert(place, (things::house, 0.19));
    }
    stand_in_depth(scene, dice, &makers, (0.86, horizon + 0.07));
    flowers(scene, dice);
    for x in spread(dice, 3, 0.1, 0.9).into_iter().take(dice.below(3)) {
        let thing = things::ball(&scene.palette().clone(), dice);
        scene.stand(thing, (x, dice.between(0.91, 0.96)), dice.between(0.075, 0.11));
    }
}

fn flowers(scene: &mut Scene, dice: &mut Dice) {
    let colours = [Role::AccentA, Role::AccentC, Role::Wall].map(|role| scene.palette().get(role));
    for _ in 0..26 {
        let place = (dice.between(0.0, 1.0), dice.between(0.86, 0.99));
        let petal = Paint::flat(dice.pick(&colours));
        let parts = [(-0.5, 0.0), (0.5, 0.0), (0.0, -0.45), (0.0, 0.4)]
            .map(|(x, y)| (Shape::Oval { x, y, rx: 0.5, ry: 0.4 }, petal))
            .into();
        scene.ornament(place, dice.between(0.005, 0.009), parts);
    }
}

fn sea(scene: &mut Scene, dice: &mut Dice) {
    let horizon = dice.between(0.42, 0.52);
    let sun = sky(scene, dice, horizon);
    let palette = scene.palette().clone();
    let (far, near) = (palette.get(Role::Far), palette.get(Role::Near));
    let island = ridge(dice, (horizon - 0.02, horizon + 0.02), 0.055, 4, 12);
    scene.backdrop(vec![(island, Paint::flat(far.mix(palette.get(Role::SkyLow), 0.45)))]);
    scene.background.push("sea");
    scene.backdrop(vec![(Shape::rect(0.0, horizon, 1.0, 1.0), Paint::run(Run::Down, far, near.darker(0.2)))]);
    for i in 0..44 {
        let y = horizon + 0.008 + (0.94 - horizon) * dice.between(0.0, 1.0);
        let depth = (y - horizon) / (1.0 - horizon);
        let x = if i % 2 == 0 { sun.0 + dice.between(-0.05, 0.05) } else { dice.between(0.0, 1.0) };
        let opacity = if i % 2 == 0 { 150 } else { 60 };
        let glint = Shape::Oval { x: 0.0, y: 0.0, rx: 0.02 + 0.07 * depth, ry: 0.0012 + 0.004 * depth };
        scene.ornament((x, y), 1.0, vec![(glint, Paint::veil(palette.get(Role::Light), opacity))]);
    }
    let boats = 2 + dice.below(4);
    stand_in_depth(scene, dice, &vec![(things::boat as Maker, 0.17); boats], (0.8, horizon + 0.04));
    scene.background.push("beach");
    let lean = dice.between(-0.09, 0.09);
    let shore = |down: f32| {
        let edge =
            (0..=16).map(|i| i as f32 / 16.0).map(|x| (x, 0.89 + down + lean * (2.0 * x - 1.0) * (1.5 - x)));
        Shape::Polygon(edge.chain([(1.0, 1.0), (0.0, 1.0)]).collect())
    };
    scene.backdrop(vec![
        (shore(-0.012), Paint::veil(palette.get(Role::Wall), 170)),
        (shore(0.0), Paint::run(Run::Down, palette.get(Role::GroundFar), palette.get(Role::GroundNear))),
    ]);
    if dice.chance(0.5) {
        let thing = things::lighthouse(&palette, dice);
        let x = if lean > 0.0 { dice.between(0.08, 0.2) } else { dice.between(0.8, 0.92) };
        scene.stand(thing, (x, 0.93), dice.between(0.4, 0.52));
    }
    for x in spread(dice, 2, 0.25, 0.75).into_iter().take(1 + dice.below(2)) {
        let thing = things::ball(&palette, dice);
        scene.stand(thing, (x, dice.between(0.95, 0.98)), dice.between(0.07, 0.1));
    }
}

fn table(scene: &mut Scene, dice: &mut Dice) {
    let edge = dice.between(0.6, 0.66);
    let palette = scene.palette().clone();
    let wall = palette.get(Role::SkyTop).mix(palette.get(Role::SkyLow), 0.2);
    scene.background.push("wall");
    scene.backdrop(vec![(
        Shape::rect(0.0, 0.0, 1.0, edge + 0.05),
        Paint::run(Run::Down, wall, wall.darker(0.12)),
    )]);
    scene.background.push("window");
    let at = (dice.between(0.3, 0.7), 0.33);
    scene.ornament(at, 1.0, window(scene, dice));
    scene.background.push("table");
    let (far, near) = (palette.get(Role::GroundFar), palette.get(Role::GroundNear));
    let mut parts = vec![(Shape::rect(0.0, edge, 1.0, 1.0), Paint::run(Run::Down, far, near))];
    for i in 1..4 {
        let y = edge + 0.11 * i as f32;
        parts.push((Shape::rect(0.0, y, 1.0, y + 0.004), Paint::veil(palette.get(Role::Dark), 60)));
    }
    parts.push((Shape::rect(0.0, edge - 0.008, 1.0, edge + 0.004), Paint::flat(far.lighter(0.2))));
    scene.backdrop(parts);
    let tall: &[(Maker, f32)] = &[(things::vase, 0.5), (things::lamp, 0.5)];
    let small: &[(Maker, f32)] = &[
        (things::cup, 0.16),
        (things::apple, 0.14),
        (things::apple, 0.13),
        (things::ball, 0.13),
        (things::cup, 0.17),
    ];
    let mut makers: Vec<(Maker, f32)> = (0..1 + dice.below(2)).map(|_| dice.pick(tall)).collect();
    makers.extend((0..3 + dice.below(3)).map(|_| dice.pick(small)));
    stand_in_depth(scene, dice, &makers, (0.97, edge + 0.06));
}

/// A window with a view, about 0.6 wide and 0.44 high around its middle.
fn window(scene: &Scene, dice: &mut Dice) -> Vec<Part> {
    let palette = scene.palette();
    let frame = palette.get(Role::Wall);
    let (low, light) = (palette.get(Role::SkyLow), palette.get(Role::Light));
    let sun = (dice.between(-0.2, 0.2), dice.between(-0.14, -0.04));
    let range = |y: f32, crest: f32| {
        Shape::Polygon(vec![
            (-0.3, y),
            (-0.12, crest),
            (0.05, y - 0.02),
            (0.18, crest + 0.03),
            (0.3, y),
            (0.3, 0.22),
            (-0.3, 0.22),
        ])
    };
    vec![
        (Shape::rect(-0.34, -0.26, 0.34, 0.26), Paint::flat(frame)),
        (
            Shape::rect(-0.3, -0.22, 0.3, 0.22),
            Paint::run(Run::Down, low.mix(palette.get(Role::SkyTop), 0.25), low),
        ),
        (Shape::disc(sun.0, sun.1, 0.045), Paint::flat(light)),
        (range(0.1, 0.02), Paint::flat(palette.get(Role::Far))),
        (range(0.17, 0.12), Paint::flat(palette.get(Role::Near))),
        (Shape::rect(-0.012, -0.22, 0.012, 0.22), Paint::flat(frame)),
        (Shape::rect(-0.3, -0.012, 0.3, 0.012), Paint::flat(frame)),
        (Shape::rect(-0.38, 0.25, 0.38, 0.285), Paint::flat(frame.darker(0.14))),
    ]
}

fn street(scene: &mut Scene, dice: &mut Dice) {
    let kerb = dice.between(0.72, 0.77);
    sky(scene, dice, kerb - 0.14);
    hills(scene, dice, kerb - 0.16);
    scene.background.push("street");
    let palette = scene.palette().clone();
    let (far, near) = (palette.get(Role::GroundFar), palette.get(Role::GroundNear));
    scene.backdrop(vec![(
        Shape::rect(0.0, kerb - 0.1, 1.0, kerb + 0.05),
        Paint::run(Run::Down, far.darker(0.1), far),
    )]);
    let houses = 4 + dice.below(3);
    let mut places = spread(dice, houses, 0.0, 1.0);
    places.sort_unstable_by(f32::total_cmp);
    for x in places {
        let thing = things::tower_house(&palette, dice);
        scene.stand(thing, (x, kerb), dice.between(0.26, 0.34));
    }
    let mut road = vec![
        (Shape::rect(0.0, kerb, 1.0, 1.0), Paint::flat(far)),
        (Shape::rect(0.0, kerb + 0.05, 1.0, 1.0), Paint::run(Run::Down, near, near.darker(0.2))),
    ];
    for i in 0..6 {
        let left = i as f32 / 6.0 + 0.03;
        road.push((Shape::rect(left, 0.885, left + 0.08, 0.897), Paint::flat(palette.get(Role::Wall))));
    }
    scene.backdrop(road);
    for x in spread(dice, 4, 0.0, 1.0).into_iter().take(1 + dice.below(3)) {
        let thing = things::tree(&palette, dice);
        scene.stand(thing, (x, kerb + 0.035), dice.between(0.2, 0.26));
    }
    let cars: Vec<f32> = spread(dice, 2, 0.05, 0.95).into_iter().take(1 + dice.below(2)).collect();
    for (x, y) in cars.into_iter().zip([kerb + 0.11, 0.965]) {
        let thing: Thing = things::car(&palette, dice);
        scene.stand(thing, (x, y), dice.between(0.14, 0.17));
    }
}
