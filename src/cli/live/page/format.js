// Numbers as people read them. The same forms as in the report (`src/report/html.rs`).

const APART = "\u202f";

// 1 234 567, the spaces thin and not broken at.
export function count(value) {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, APART);
}

export function counted(value, one, many) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

// 12.5 %, and a dash of nothing.
export function percent(part, whole) {
  return whole ? `${shareText(part, whole)}${APART}%` : "–";
}

// The same without its sign, as it stands in a field. Small shares keep their digits: 0.02 and not 0.0.
export function shareText(part, whole) {
  if (!whole) return "0";
  const share = (100 * part) / whole;
  const digits = share > 0 && share < 0.1 ? 3 : share < 1 ? 2 : 1;
  return trimmed(share.toFixed(digits));
}

function trimmed(text) {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

// A score with at most four digits behind the point, and no more than it needs.
export function number(value) {
  if (value === null || value === undefined) return "no number";
  return Number.isFinite(value) ? trimmed(value.toFixed(4)) : String(value);
}

// A score beside a threshold: in full where rounding would make the two look the same.
export function numberBeside(value, threshold) {
  const rounded = number(value);
  if (value === null || value === threshold || rounded !== number(threshold)) return rounded;
  return trimmed(value.toPrecision(9));
}

// A value as a dial is set to it. Six digits are what a 32-bit number holds for sure.
export function setting(value) {
  return String(Number(value.toPrecision(6)));
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "time unknown";
  if (seconds < 1) return "under 1 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export function money(dollars) {
  if (dollars === null || dollars === undefined) return null;
  return `$${dollars >= 100 ? count(dollars) : dollars.toFixed(dollars < 0.1 && dollars > 0 ? 4 : 2)}`;
}

export function bytes(held) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (held >= 1024 && unit < units.length - 1) {
    held /= 1024;
    unit += 1;
  }
  return `${held < 10 && unit ? held.toFixed(1) : Math.round(held)} ${units[unit]}`;
}

export function rate(perSecond) {
  if (!perSecond) return "–";
  return perSecond >= 10
    ? `${Math.round(perSecond)}/s`
    : perSecond >= 0.1
      ? `${perSecond.toFixed(1)}/s`
      : `${(perSecond * 60).toFixed(1)}/min`;
}

export function clock(when) {
  const date = new Date(when);
  if (Number.isNaN(date.getTime())) return String(when);
  const today = date.toDateString() === new Date().toDateString();
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return today ? time : `${date.toLocaleDateString([], { day: "numeric", month: "short" })} ${time}`;
}

// "refused by caption: timeout": a verdict in a few words. `dials` tells how a dial compares, and `value` which of its values the verdict is
// by: "value", where it stands, or "published".
export function verdictWords(verdict, dials, value = "value") {
  if (!verdict) return "not published";
  if (verdict === true) return "published";
  if (verdict.verdict === "gated") {
    const dial = dials?.find((known) => known.name === verdict.dial);
    const at = dial?.[value] ?? null;
    const than = at === null ? "" : ` is not ${dial.comparison} ${number(at)}`;
    const score = at === null ? number(verdict.score) : numberBeside(verdict.score, at);
    return `held back: ${verdict.dial} ${score}${than}`;
  }
  if (verdict.verdict === "refused") return `refused by ${verdict.stage}: ${verdict.class}`;
  if (verdict.verdict === "undecided") return `undecided: ${verdict.stage} is not asked yet`;
  return verdict.verdict;
}

// The same in two words, where the whole story is told elsewhere.
export function verdictShort(verdict) {
  if (verdict.verdict === "gated") return `held by ${verdict.dial}`;
  return verdict.stage ? `${verdict.verdict}: ${verdict.stage}` : verdict.verdict;
}

// 1, 2 or 5 times a power of ten: the least that is not under `least`, or the greatest that is not over it.
export function roundStep(least, over = true) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1e-12)));
  const steps = [1, 2, 5, 10].map((times) => times * power);
  return over ? steps.find((step) => step >= least * (1 - 1e-9)) : steps.filter((step) => step <= least * (1 + 1e-9)).pop();
}

// Digits behind the point that a multiple of `step` needs.
export function digitsOf(step) {
  return Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
}
