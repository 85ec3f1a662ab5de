//! Computes shapes from shapes, operator by operator.

use std::collections::BTreeMap;

use super::super::constant::{Constant, FLOAT, INT64};
use super::super::node::Node;
use super::{Length, Value};

/// What an axis below 0 means.
pub(super) fn place(axis: i64, rank: usize) -> Option<usize> {
    let at = if axis < 0 { axis.checked_add(rank as i64)? } else { axis };
    usize::try_from(at).ok().filter(|at| *at < rank)
}

pub(super) fn lengths(list: Vec<Option<i64>>) -> Vec<Length> {
    list.into_iter().map(|length| length.and_then(|length| u64::try_from(length).ok())).collect()
}

pub(super) fn constant(node: &Node<'_>) -> Value {
    let attribute = |name: &str| node.attributes.get(name.as_bytes());
    let listed = |kind, dims: Vec<Length>, integers: Option<Vec<i64>>| Value {
        kind: Some(kind),
        dims: Some(dims),
        wide: integers.as_ref().is_some_and(|list| list.iter().any(|value| i32::try_from(*value).is_err())),
        integers: integers.map(|list| list.into_iter().map(Some).collect()),
        constant: true,
    };
    if let Some(tensor) = attribute("value").and_then(|it| it.tensor) {
        let parsed = Constant::parse(tensor);
        // Tensors that lie elsewhere are initializers, not these.
        let wide =
            parsed.as_ref().is_ok_and(|found| found.is_beyond_32_bits(&BTreeMap::new()).unwrap_or(true));
        return parsed.map(|found| Value { wide, ..Value::of_constant(&found) }).unwrap_or_default();
    }
    if let Some(value) = node.integer("value_int") {
        return listed(INT64, Vec::new(), Some(vec![value]));
    }
    if let Some(list) = node.integers("value_ints") {
        return listed(INT64, vec![Some(list.len() as u64)], Some(list.to_vec()));
    }
    match (attribute("value_float"), attribute("value_floats")) {
        (Some(_), _) => listed(FLOAT, Vec::new(), None),
        (_, Some(list)) => listed(FLOAT, vec![Some(list.floats.len() as u64)], None),
        _ => Value::default(),
    }
}

pub(super) fn arithmetic(kind: &[u8], a: &[Option<i64>], b: &[Option<i64>]) -> Option<Vec<Option<i64>>> {
    let of = |a: i64, b: i64| match kind {
        b"Add" => a.checked_add(b),
        b"Sub" => a.checked_sub(b),
        b"Mul" => a.checked_mul(b),
        b"Div" => a.checked_div(b),
        b"Max" => Some(a.max(b)),
        b"Min" => Some(a.min(b)),
        b"Equal" => Some(i64::from(a == b)),
        _ => None,
    };
    let count = match (a.len(), b.len()) {
        (a, b) if a == b => a,
        (1, other) | (other, 1) => other,
        _ => return None,
    };
    let at = |list: &[Option<i64>], at: usize| list[if list.len() == 1 { 0 } else { at }];
    let pairs = (0..count).map(|place| at(a, place).zip(at(b, place)).and_then(|(a, b)| of(a, b)));
    Some(pairs.collect())
}

/// Integers by a list of truth values; unknown where it isn't known which.
pub(super) fn choose(lists: [Option<Vec<Option<i64>>>; 3]) -> Option<Vec<Option<i64>>> {
    let [Some(which), Some(yes), Some(no)] = lists else { return None };
    let count = [&which, &yes, &no].map(Vec::len).into_iter().max()?;
    if [&which, &yes, &no].iter().any(|list| list.len() != count && list.len() != 1) {
        return None;
    }
    let at = |list: &[Option<i64>], at: usize| list[if list.len() == 1 { 0 } else { at }];
    let one = |place: usize| match at(&which, place)? {
        0 => at(&no, place),
        _ => at(&yes, place),
    };
    Some((0..count).map(one).collect())
}

pub(super) fn broadcast(shapes: &[Option<Vec<Length>>]) -> Option<Vec<Length>> {
    let shapes: Vec<&Vec<Length>> = shapes.iter().map(Option::as_ref).collect::<Option<_>>()?;
    let rank = shapes.iter().map(|shape| shape.len()).max()?;
    let wide = |at: usize| {
        let lengths =
            shapes.iter().map(|shape| (at + shape.len()).checked_sub(rank).map_or(Some(1), |at| shape[at]));
        lengths.reduce(|a, b| match (a, b) {
            (Some(1), other) | (other, Some(1)) => other,
            (Some(0), _) | (_, Some(0)) => Some(0),
            (Some(a), Some(b)) => Some(a.max(b)),
            // One that isn't known and isn't 1 is as long as the other.
            (known, None) | (None, known) => known,
        })?
    };
    Some((0..rank).map(wide).collect())
}

pub(super) fn shape_of(node: &Node<'_>, dims: Option<Vec<Length>>) -> Value {
    let Some(dims) = dims else { return Value::of(Some(INT64), Some(vec![None])) };
    let rank = dims.len() as i64;
    let edge = |value: i64| if value < 0 { (value + rank).max(0) } else { value.min(rank) } as usize;
    let (start, end) = (edge(node.integer("start").unwrap_or(0)), edge(node.integer("end").unwrap_or(rank)));
    let taken: Vec<Option<i64>> = dims[start..end.max(start)]
        .iter()
        .map(|length| length.and_then(|length| i64::try_from(length).ok()))
        .collect();
    let made = Value::of(Some(INT64), Some(vec![Some(taken.len() as u64)]));
    Value { integers: Some(taken), ..made }
}

pub(super) fn reshape(node: &Node<'_>, input: Option<&Value>, shape: Option<Vec<Option<i64>>>) -> Value {
    let (kind, dims) = (input.and_then(|it| it.kind), input.and_then(|it| it.dims.clone()));
    let shape = shape.or_else(|| Some(node.integers("shape")?.iter().map(|&length| Some(length)).collect()));
    let Some(shape) = shape else { return Value::of(kind, None) };
    let keeps = node.integer("allowzero").unwrap_or(0) == 0;
    let length = |(at, length): (usize, &Option<i64>)| match length {
        Some(0) if keeps => dims.as_ref().and_then(|dims| dims.get(at).copied().flatten()),
        Some(length) => u64::try_from(*length).ok(),
        None => None,
    };
    let mut made: Vec<Length> = shape.iter().enumerate().map(length).collect();
    let open: Vec<usize> = (0..shape.len()).filter(|&at| made[at].is_none()).collect();
    if let (&[at], Some(all)) = (&open[..], input.and_then(Value::elements)) {
        let others = made.iter().flatten().fold(1u64, |product, length| product.saturating_mul(*length));
        made[at] = all.checked_div(others);
    }
    let integers = input.and_then(|it| it.integers.clone());
    Value { integers, ..Value::of(kind, Some(made)) }
}

pub(super) fn flatten(dims: Option<Vec<Length>>, axis: i64) -> Option<Vec<Length>> {
    let dims = dims?;
    let at = if axis < 0 { axis + dims.len() as i64 } else { axis };
    let at = usize::try_from(at).ok().filter(|at| *at <= dims.len())?;
    let product =
        |part: &[Length]| part.iter().try_fold(1u64, |all, length| Some(all.saturating_mul((*length)?)));
    Some(vec![product(&dims[..at]), product(&dims[at..])])
}

pub(super) fn squeeze(dims: Option<Vec<Length>>, axes: Option<Vec<i64>>) -> Option<Vec<Length>> {
    let dims = dims?;
    let Some(axes) = axes else {
        // Which axes are of length 1 must be known of all.
        return dims
            .iter()
            .all(Option::is_some)
            .then(|| dims.into_iter().filter(|length| *length != Some(1)).collect());
    };
    let gone: Vec<usize> = axes.iter().map(|&axis| place(axis, dims.len())).collect::<Option<_>>()?;
    Some(
        dims.into_iter().enumerate().filter(|(at, _)| !gone.contains(at)).map(|(_, length)| length).collect(),
    )
}

pub(super) fn unsqueeze(dims: Option<Vec<Length>>, axes: Option<Vec<i64>>) -> Option<Vec<Length>> {
    let (dims, axes) = (dims?, axes?);
    let rank = dims.len() + axes.len();
    let fresh: Vec<usize> = axes.iter().map(|&axis| place(axis, rank)).collect::<Option<_>>()?;
    let mut old = dims.into_iter();
    Some((0..rank).map(|at| if fresh.contains(&at) { Some(1) } else { old.next().flatten() }).collect())
}

pub(super) fn concat(node: &Node<'_>, ins: &[Option<&Value>]) -> Value {
    let kind = ins.first().copied().flatten().and_then(|it| it.kind);
    let lists = ins.iter().map(|value| value.and_then(|it| it.integers.clone()));
    let integers = lists.collect::<Option<Vec<_>>>().map(|lists| lists.concat());
    let shapes: Option<Vec<Vec<Length>>> =
        ins.iter().map(|value| value.and_then(|it| it.dims.clone())).collect();
    let dims = shapes.and_then(|shapes| {
        let mut whole = shapes.first()?.clone();
        let at = place(node.integer("axis")?, whole.len())?;
        let along = shapes.iter().map(|shape| shape.get(at).copied().flatten());
        whole[at] = along.reduce(|a, b| Some(a?.saturating_add(b?)))?;
        Some(whole)
    });
    let is_list = dims.as_ref().is_some_and(|dims| dims.len() == 1);
    Value { integers: integers.filter(|_| is_list), ..Value::of(kind, dims) }
}

pub(super) fn gather(node: &Node<'_>, data: Option<&Value>, index: Option<&Value>) -> Value {
    let kind = data.and_then(|it| it.kind);
    let axis = node.integer("axis").unwrap_or(0);
    let dims = data.and_then(|it| it.dims.clone()).zip(index.and_then(|it| it.dims.clone()));
    let taken = dims.and_then(|(data, index)| {
        let at = place(axis, data.len())?;
        Some([&data[..at], &index[..], &data[at + 1..]].concat())
    });
    let list = data.filter(|it| it.rank() == Some(1)).and_then(|it| it.integers.clone());
    let integers = list.zip(index.and_then(Value::known)).and_then(|(list, index)| {
        index.iter().map(|&at| list.get(place(at, list.len())?).copied()).collect()
    });
    Value { integers, ..Value::of(kind, taken) }
}

pub(super) fn slice(node: &Node<'_>, data: Option<&Value>, ins: &[Option<&Value>]) -> Value {
    let kind = data.and_then(|it| it.kind);
    let known = |at: usize| ins.get(at).copied().flatten().and_then(Value::known);
    let there = |at: usize| ins.get(at).copied().flatten().is_some();
    let listed = |name: &str, at: usize| node.integers(name).map(<[i64]>::to_vec).or_else(|| known(at));
    let (starts, ends) = (listed("starts", 1), listed("ends", 2));
    let Some(dims) = data.and_then(|it| it.dims.clone()) else { return Value::of(kind, None) };
    let unknown = || Value::of(kind, Some(vec![None; dims.len()]));
    let (Some(starts), Some(ends)) = (starts, ends) else { return unknown() };
    let axes = match listed("axes", 3) {
        Some(axes) => axes,
        None if there(3) => return unknown(),
        None => (0..starts.len() as i64).collect(),
    };
    let steps = match known(4) {
        Some(steps) => steps,
        None if there(4) => return unknown(),
        None => vec![1; starts.len()],
    };
    let mut cut = dims.clone();
    let mut list = data.and_then(|it| it.integers.clone());
    for (at, axis) in axes.iter().enumerate() {
        let (Some(place), Some(&start), Some(&end), Some(&step)) =
            (place(*axis, dims.len()), starts.get(at), ends.get(at), steps.get(at))
        else {
            return unknown();
        };
        let Some(length) = dims[place].and_then(|length| i64::try_from(length).ok()) else {
            (cut[place], list) = (None, None);
            continue;
        };
        if step == 0 {
            return unknown();
        }
        let turned = |edge: i64| if edge < 0 { edge.saturating_add(length) } else { edge };
        let (first, last) = match step > 0 {
            true => (turned(start).clamp(0, length), turned(end).clamp(0, length)),
            false => (turned(start).clamp(-1, length - 1), turned(end).clamp(-1, length - 1)),
        };
        let (span, by) = (i128::from(last - first), i128::from(step));
        let count = if (span > 0) == (by > 0) { span / by + i128::from(span % by != 0) } else { 0 };
        let shape: Option<Vec<u64>> = cut.iter().copied().collect();
        let chosen = |n: i64| (first + n * step) as usize;
        list = list.zip(shape).and_then(|(list, shape)| picked(&list, &shape, place, count as i64, chosen));
        cut[place] = u64::try_from(count).ok();
    }
    Value { integers: list, ..Value::of(kind, Some(cut)) }
}

/// Integers of this shape, with some places of one axis only.
fn picked(
    list: &[Option<i64>],
    shape: &[u64],
    axis: usize,
    count: i64,
    chosen: impl Fn(i64) -> usize,
) -> Option<Vec<Option<i64>>> {
    let along = usize::try_from(*shape.get(axis)?).ok()?;
    let inner =
        shape[axis + 1..].iter().try_fold(1usize, |all, n| all.checked_mul(usize::try_from(*n).ok()?))?;
    let block = along.checked_mul(inner)?;
    if block == 0 || !list.len().is_multiple_of(block) {
        return None;
    }
    let mut out = Vec::new();
    for outer in list.chunks_exact(block) {
        for n in 0..count {
            let start = chosen(n).checked_mul(inner)?;
            out.extend_from_slice(outer.get(start..start.checked_add(inner)?)?);
        }
    }
    Some(out)
}

/// Integers with their axes in another order, of the shape that they have before.
pub(super) fn turned(
    list: Vec<Option<i64>>,
    dims: &[Length],
    perm: Option<&[i64]>,
) -> Option<Vec<Option<i64>>> {
    let shape: Vec<usize> =
        dims.iter().map(|n| n.and_then(|n| usize::try_from(n).ok())).collect::<Option<_>>()?;
    let perm: Vec<usize> = match perm {
        Some(perm) => perm.iter().map(|&at| place(at, shape.len())).collect::<Option<_>>()?,
        None => (0..shape.len()).rev().collect(),
    };
    let count = shape.iter().try_fold(1usize, |all, n| all.checked_mul(*n))?;
    if perm.len() != shape.len() || count != list.len() {
        return None;
    }
    let step = |axis: usize| shape[axis + 1..].iter().product::<usize>();
    let place_of = |mut target: usize| {
        let mut source = 0;
        for &axis in perm.iter().rev() {
            source += target % shape[axis] * step(axis);
            target /= shape[axis];
        }
        source
    };
    (0..count).map(|target| list.get(place_of(target)).copied()).collect()
}

pub(super) fn split(node: &Node<'_>, data: Option<&Value>, parts: Option<&Value>) -> Vec<Value> {
    let kind = data.and_then(|it| it.kind);
    let dims = data.and_then(|it| it.dims.clone());
    let parts_known = node.integers("split").map(<[i64]>::to_vec).or_else(|| parts.and_then(Value::known));
    let count = node.outputs.len();
    let part = |n: usize| {
        let mut dims = dims.clone()?;
        let at = place(node.integer("axis").unwrap_or(0), dims.len())?;
        dims[at] = match &parts_known {
            Some(parts) => parts.get(n).and_then(|part| u64::try_from(*part).ok()),
            None if parts.is_some() => None,
            None => dims[at].map(|length| {
                let each = length.div_ceil(count as u64);
                each.min(length.saturating_sub(each.saturating_mul(n as u64)))
            }),
        };
        Some(dims)
    };
    (0..count).map(|n| Value::of(kind, part(n))).collect()
}

pub(super) fn pad(
    dims: Option<Vec<Length>>,
    pads: Option<Vec<i64>>,
    axes: Option<Vec<i64>>,
    has_axes: bool,
) -> Option<Vec<Length>> {
    let dims = dims?;
    let Some(pads) = pads else { return Some(vec![None; dims.len()]) };
    let axes: Vec<usize> = match axes {
        Some(axes) => axes.iter().map(|&axis| place(axis, dims.len())).collect::<Option<_>>()?,
        None if has_axes => return Some(vec![None; dims.len()]),
        None => (0..dims.len()).collect(),
    };
    let mut padded = dims;
    for (n, at) in axes.iter().enumerate() {
        let (before, after) = (*pads.get(n)?, *pads.get(n + axes.len())?);
        padded[*at] = padded[*at].and_then(|length| {
            let whole = i128::from(length) + i128::from(before) + i128::from(after);
            u64::try_from(whole.max(0)).ok()
        });
    }
    Some(padded)
}

pub(super) fn resize(
    node: &Node<'_>,
    dims: Option<Vec<Length>>,
    sizes: Option<&Value>,
    _opset: u64,
) -> Option<Vec<Length>> {
    let dims = dims?;
    let unknown = Some(vec![None; dims.len()]);
    let Some(sizes) = sizes else { return unknown };
    match &sizes.integers {
        Some(list) if list.len() == dims.len() && !node.has("axes") => Some(lengths(list.clone())),
        _ => unknown,
    }
}

pub(super) fn reduce(
    node: &Node<'_>,
    dims: Option<Vec<Length>>,
    axes: Option<Vec<i64>>,
) -> Option<Vec<Length>> {
    let dims = dims?;
    let keeps = node.integer("keepdims").unwrap_or(1) != 0;
    let none_given = axes.as_ref().is_none_or(Vec::is_empty);
    if none_given && node.integer("noop_with_empty_axes").unwrap_or(0) != 0 {
        return Some(dims);
    }
    let gone: Vec<usize> = match axes {
        Some(axes) if !axes.is_empty() => {
            axes.iter().map(|&axis| place(axis, dims.len())).collect::<Option<_>>()?
        }
        _ => (0..dims.len()).collect(),
    };
    let left = dims.into_iter().enumerate().filter_map(|(at, length)| match gone.contains(&at) {
        true => keeps.then_some(Some(1)),
        false => Some(length),
    });
    Some(left.collect())
}

/// Convolutions and pooling.
pub(super) fn windows(
    node: &Node<'_>,
    dims: Option<Vec<Length>>,
    weight: Option<Vec<Length>>,
) -> Option<Vec<Length>> {
    let dims = dims?;
    let spatial = dims.len().checked_sub(2)?;
    let pools = node.kind.ends_with(b"Pool");
    let channels =
        if pools { dims[1] } else { weight.as_ref().and_then(|weight| weight.first().copied().flatten()) };
    let auto = node.text("auto_pad");
    let along = |at: usize| -> Length {
        let length = i128::from(dims[2 + at]?);
        let of = |name: &str, usual: i64| {
            i128::from(node.integers(name).and_then(|list| list.get(at).copied()).unwrap_or(usual))
        };
        let kernel = match node.integers("kernel_shape").and_then(|list| list.get(at).copied()) {
            Some(kernel) => i128::from(kernel),
            None => i128::from(weight.as_ref()?.get(2 + at).copied().flatten()?),
        };
        let stride = of("strides", 1).max(1);
        let pads = match node.integers("pads") {
            Some(pads) => i128::from(*pads.get(at)?) + i128::from(*pads.get(at + spatial)?),
            None => 0,
        };
        if auto.starts_with(b"SAME") {
            return u64::try_from((length + stride - 1) / stride).ok();
        }
        let reach = (kernel - 1) * of("dilations", 1) + 1;
        let span = length + pads - reach;
        let steps = if node.integer("ceil_mode").unwrap_or(0) != 0 {
            (span + stride - 1) / stride
        } else {
            span / stride
        };
        u64::try_from((steps + 1).max(0)).ok()
    };
    Some([dims[0], channels].into_iter().chain((0..spatial).map(along)).collect())
}

pub(super) fn upwards(
    node: &Node<'_>,
    dims: Option<Vec<Length>>,
    weight: Option<Vec<Length>>,
) -> Option<Vec<Length>> {
    let (dims, weight) = (dims?, weight?);
    let spatial = dims.len().checked_sub(2)?;
    let groups = node.integer("group").unwrap_or(1).max(1) as u64;
    let channels = weight.get(1).copied().flatten().map(|channels| channels.saturating_mul(groups));
    let along = |at: usize| -> Length {
        let of = |name: &str, usual: i64| {
            i128::from(node.integers(name).and_then(|list| list.get(at).copied()).unwrap_or(usual))
        };
        let length = i128::from(dims[2 + at]?);
        let kernel = i128::from(weight.get(2 + at).copied().flatten()?);
        if node.text("auto_pad").starts_with(b"SAME") {
            return u64::try_from(length * of("strides", 1)).ok();
        }
        let pads = node.integers("pads").map_or(Some(0), |pads| {
            Some(i128::from(*pads.get(at)?) + i128::from(*pads.get(at + spatial)?))
        })?;
        let whole =
            (length - 1) * of("strides", 1) + of("output_padding", 0) + (kernel - 1) * of("dilations", 1) + 1
                - pads;
        u64::try_from(whole.max(0)).ok()
    };
    Some([dims[0], channels].into_iter().chain((0..spatial).map(along)).collect())
}

pub(super) fn matmul(left: Option<Vec<Length>>, right: Option<Vec<Length>>) -> Option<Vec<Length>> {
    let (left, right) = (left?, right?);
    let (one_left, one_right) = (left.len() == 1, right.len() == 1);
    let left = if one_left { vec![Some(1), left[0]] } else { left };
    let right = if one_right { vec![right[0], Some(1)] } else { right };
    let (rows, columns) = (left.len().checked_sub(2)?, right.len().checked_sub(2)?);
    let mut made = broadcast(&[Some(left[..rows].to_vec()), Some(right[..columns].to_vec())])?;
    made.extend((!one_left).then_some(left[rows]));
    made.extend((!one_right).then_some(right[columns + 1]));
    Some(made)
}

/// Of an equation that says what comes out, without an ellipsis.
pub(super) fn einsum(node: &Node<'_>, shapes: &[Option<Vec<Length>>]) -> Option<Vec<Length>> {
    let equation: String = std::str::from_utf8(node.text("equation")).ok()?.split_whitespace().collect();
    let (terms, result) = equation.split_once("->")?;
    let mut found: BTreeMap<char, Length> = BTreeMap::new();
    for (term, shape) in terms.split(',').zip(shapes) {
        let Some(shape) = shape else { continue };
        if term.chars().count() != shape.len() || term.contains('.') {
            return None;
        }
        for (letter, length) in term.chars().zip(shape) {
            let known = found.entry(letter).or_default();
            *known = match (*known, *length) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            };
        }
    }
    Some(result.chars().map(|letter| found.get(&letter).copied().flatten()).collect())
}
