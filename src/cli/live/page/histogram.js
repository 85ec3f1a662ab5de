// The arithmetic of a histogram's drawing: which part of the scale is shown, bars, heights, paths, ticks. Knows no element of the page.

import { digitsOf, roundStep } from "./format.js";

// Bars are at least so wide, in pixels: of narrower ones, rounding makes a pattern that is not in the data.
const LEAST_BAR = 2;
// Of few rows, narrow bars would be a row of teeth: so many rows a bar, but at least so many bars.
const ROWS_A_BAR = 4;
const FEW_BARS = 48;
// What holds one row is seen, however high the others are.
const LEAST_HEIGHT = 1.5;
// A dial that would leave less than this share of the drawing to the rows is not in it; as in the report (`src/report/chart.rs`).
const LEAST_USED = 0.3;
// A bar so many times as high as 95 % of the bars is a spike.
const SPIKE = 2;
const USUAL = 0.95;
const LEAST_BUCKETS = 16;

// The part of the scale that is used, and the dial if it is near enough: `[from, to]` in buckets. The whole scale where nothing came.
export function fit(buckets, at) {
  const first = buckets.findIndex((rows) => rows > 0);
  if (first < 0) return [0, buckets.length];
  const last = buckets.findLastIndex((rows) => rows > 0) + 1;
  const withDial = [Math.min(first, Math.floor(at)), Math.max(last, Math.ceil(at))];
  const used = Math.max(last - first, LEAST_BUCKETS);
  const [from, to] = used >= LEAST_USED * (withDial[1] - withDial[0]) ? withDial : [first, last];
  const room = Math.max(0.02 * (to - from), (LEAST_BUCKETS - (to - from)) / 2, 1);
  return within(from - room, to + room, buckets.length);
}

// The same part, moved into the scale and not wider than it.
export function within(from, to, buckets) {
  const wide = Math.min(Math.max(to - from, LEAST_BUCKETS), buckets);
  const middle = (from + to) / 2;
  const start = Math.min(Math.max(middle - wide / 2, 0), buckets - wide);
  return [start, start + wide];
}

// `times` as wide around the bucket `at`, which stays where it is.
export function zoomed([from, to], at, times, buckets) {
  return within(at - (at - from) * times, at + (to - at) * times, buckets);
}

// One bar a bucket where there is room, else of as many buckets as it takes. `mean` is rows a bucket, and `most` the fullest bucket.
export function bars(buckets, [from, to], width) {
  const perBucket = width / (to - from);
  let all = 0;
  for (let bucket = Math.floor(from); bucket < to; bucket += 1) all += buckets[bucket] ?? 0;
  const most = Math.max(FEW_BARS, all / ROWS_A_BAR);
  // Powers of two, so that a drawing that gains a row is still the same drawing.
  const enough = 2 ** Math.round(Math.log2(Math.max((to - from) / most, 1)));
  const each = Math.max(enough, Math.ceil(LEAST_BAR / perBucket));
  const made = [];
  // Bars begin at multiples, so that they stand still when the drawing is moved.
  for (let start = Math.floor(from / each) * each; start < to; start += each) {
    const end = Math.min(start + each, buckets.length);
    let rows = 0;
    let most = 0;
    for (let bucket = Math.max(start, 0); bucket < end; bucket += 1) {
      rows += buckets[bucket];
      if (buckets[bucket] > most) most = buckets[bucket];
    }
    made.push({ start, end, rows, most, mean: rows / (end - start), left: (start - from) * perBucket, right: (end - from) * perBucket });
  }
  return made;
}

// Maps rows a bucket to pixels. The highest bar is as high as the drawing; but a spike that would press all others flat, such as a side of
// exactly 512 pixels, goes beyond its top: `isCut` tells it, and it is drawn with a gap.
export function heights(of, high, logarithmic) {
  const means = of
    .map((bar) => bar.mean)
    .filter((mean) => mean > 0)
    .sort((one, other) => one - other);
  const most = means.at(-1) ?? 1;
  const usual = means[Math.floor(USUAL * (means.length - 1))] ?? 1;
  const top = logarithmic || most <= SPIKE * usual ? most : SPIKE * usual;
  // So that one row in a bar of many buckets still stands out from none.
  const unit = Math.min(1, means[0] ?? 1);
  const scaled = logarithmic ? (rows) => Math.log1p(rows / unit) / Math.log1p(top / unit) : (rows) => rows / top;
  const heightOf = (rows) => (rows > 0 ? Math.min(high, Math.max(LEAST_HEIGHT, high * scaled(rows))) : 0);
  return { heightOf, isCut: (bar) => bar.mean > top };
}

// Of bars of many buckets: those whose fullest bucket holds more than chance would put there. `most` is drawn of them.
export function spikes(of) {
  return of.map((bar) => (bar.most > bar.mean + 5 * Math.sqrt(bar.mean) + 4 ? bar : { ...bar, most: 0 }));
}

// The outline of the bars, from the base line up, as the `d` of a path. `rowsOf` is what is drawn of a bar.
export function outline(of, rowsOf, heightOf, base, width) {
  let path = "";
  let open = false;
  for (const bar of of) {
    const high = heightOf(rowsOf(bar));
    const left = Math.max(0, bar.left).toFixed(1);
    if (high === 0) {
      if (open) path += `V${base}Z`;
      open = false;
      continue;
    }
    path += open ? "" : `M${left} ${base}`;
    path += `V${(base - high).toFixed(1)}H${Math.min(width, bar.right).toFixed(1)}`;
    open = true;
  }
  return open ? `${path}V${base}Z` : path;
}

// Round numbers between `low` and `high`, at most `most` or so: `[{ value, text }]`.
export function ticks(low, high, most) {
  const step = roundStep((high - low) / Math.max(most, 1));
  const digits = digitsOf(step);
  const made = [];
  for (let place = Math.ceil(low / step - 1e-9); place * step <= high * (1 + 1e-12) + 1e-12; place += 1) {
    made.push({ value: place * step, text: (place * step).toFixed(digits) });
  }
  return made;
}

// A band between two lines of points `[x, low, high]`, and a line of points `[x, y]`, as the `d` of paths. Points without numbers part it.
export function bandPath(points) {
  return parted(points)
    .map((run) => {
      const there = run.map(([x, low]) => `${x.toFixed(1)} ${low.toFixed(1)}`);
      const back = run.toReversed().map(([x, , high]) => `${x.toFixed(1)} ${high.toFixed(1)}`);
      return `M${there.concat(back).join("L")}Z`;
    })
    .join("");
}

export function linePath(points) {
  return parted(points)
    .map((run) => `M${run.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`)
    .join("");
}

function parted(points) {
  const runs = [[]];
  for (const point of points) {
    if (point.every((at) => Number.isFinite(at))) runs.at(-1).push(point);
    else runs.push([]);
  }
  return runs.filter((run) => run.length > 0);
}
