'use strict';
// Keeps what a rater answers, in this browser until the CSV is saved. Y and N answer the turn in hand, the arrows go on and back.
const turns = [...document.querySelectorAll('.turn')];
const rater = document.querySelector('#rater');
const told = document.querySelector('output');
const kept = `threshflow sheet ${document.body.dataset.sheet}`;
let answers = {};
try {
  const before = JSON.parse(localStorage.getItem(kept));
  if (before) { answers = before.answers; rater.value = before.rater; }
} catch { /* What was kept cannot be read, or nothing may be kept: the sheet starts empty. */ }
const name = (turn) => `${turn.dataset.key}\t${turn.dataset.turn}`;
let unsaved = false;
const show = () => {
  for (const turn of turns) {
    const answer = answers[name(turn)];
    turn.dataset.answer = answer || '';
    for (const button of turn.querySelectorAll('button')) button.setAttribute('aria-pressed', String(button.value === answer));
  }
  const done = turns.filter((turn) => answers[name(turn)]).length;
  told.textContent = `${done} of ${turns.length} turns answered`;
};
const keep = () => {
  unsaved = true;
  try { localStorage.setItem(kept, JSON.stringify({ rater: rater.value, answers })); } catch { /* Then only the CSV keeps it. */ }
};
let at = 0;
const go = (to) => {
  at = Math.max(0, Math.min(turns.length - 1, to));
  turns[at].focus({ preventScroll: true });
  turns[at].scrollIntoView({ block: 'center' });
};
const say = (turn, answer) => {
  if (answers[name(turn)] === answer) delete answers[name(turn)]; else answers[name(turn)] = answer;
  keep();
  show();
};
turns.forEach((turn, place) => {
  turn.addEventListener('focusin', () => { at = place; });
  for (const button of turn.querySelectorAll('button')) button.addEventListener('click', () => say(turn, button.value));
});
document.addEventListener('keydown', (event) => {
  if (event.target === rater || event.ctrlKey || event.metaKey || event.altKey) return;
  const answer = { y: 'yes', n: 'no' }[event.key.toLowerCase()];
  if (answer) {
    answers[name(turns[at])] = answer;
    keep();
    show();
    go(at + 1);
  } else if (event.key === 'ArrowRight' || event.key === 'ArrowDown') {
    go(at + 1);
  } else if (event.key === 'ArrowLeft' || event.key === 'ArrowUp') {
    go(at - 1);
  } else {
    return;
  }
  event.preventDefault();
});
rater.addEventListener('input', keep);
document.querySelector('#save').addEventListener('click', () => {
  if (!rater.value.trim()) { told.textContent = 'Write who you are first.'; rater.focus(); return; }
  const cell = (text) => /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const rows = turns.filter((turn) => answers[name(turn)])
    .map((turn) => [turn.dataset.key, turn.dataset.turn, rater.value.trim(), answers[name(turn)]].map(cell).join(','));
  const text = ['key,turn,rater,verdict', ...rows].join('\r\n') + '\r\n';
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
  link.download = `ratings-${rater.value.trim().replaceAll(/[^\p{L}\p{N}_-]+/gu, '_')}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
  unsaved = false;
});
addEventListener('beforeunload', (event) => { if (unsaved) event.preventDefault(); });
show();
