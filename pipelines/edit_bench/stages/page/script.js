'use strict';
// Sorts the tables by a click on a column's head, and chooses which items are shown, in which order.
for (const table of document.querySelectorAll('table.sortable')) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector('button').addEventListener('click', () => {
    // Numbers from the highest down first, words from A on.
    const first = head.classList.contains('n') ? 'descending' : 'ascending';
    const other = first === 'descending' ? 'ascending' : 'descending';
    const down = (head.getAttribute('aria-sort') === first ? other : first) === 'descending';
    heads.forEach((any) => any.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const value = (row) => {
      const cell = row.cells[column];
      return cell.dataset.v === undefined ? cell.textContent : cell.dataset.v === '' ? -Infinity : Number(cell.dataset.v);
    };
    const compare = (a, b) => {
      const [x, y] = [value(a), value(b)];
      const order = typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y));
      return down ? -order || 0 : order || 0;
    };
    [...body.rows].sort(compare).forEach((row) => body.append(row));
  }));
}
const form = document.querySelector('form');
if (form) {
  const list = document.querySelector('.items');
  const items = [...list.children];
  const told = form.querySelector('output');
  const scores = new Map(items.map((item) => [item, JSON.parse(item.dataset.scores)]));
  const show = () => {
    const { type, what, by, order } = Object.fromEntries(new FormData(form));
    const score = (item) => {
      const all = scores.get(item);
      if (by.includes('-')) {
        const [a, b] = by.split('-').map(Number);
        return all[a] === null || all[b] === null ? null : all[b] - all[a];
      }
      return all[Number(by)];
    };
    let shown = 0;
    for (const item of items) {
      const flags = item.dataset.flags.split(' ');
      item.hidden = !((type === '' || item.dataset.type === type) && (what === '' || flags.includes(what)));
      shown += item.hidden ? 0 : 1;
    }
    if (order !== 'file') {
      const sign = order === 'low' ? 1 : -1;
      // What has no score comes last.
      const key = (item) => score(item) === null ? Infinity : sign * score(item);
      [...items].sort((a, b) => key(a) - key(b) || 0).forEach((item) => list.append(item));
    } else {
      items.forEach((item) => list.append(item));
    }
    told.textContent = `${shown} of ${items.length} items`;
  };
  form.addEventListener('input', show);
  form.addEventListener('submit', (event) => event.preventDefault());
  show();
  // J and K go from item to item.
  document.addEventListener('keydown', (event) => {
    if (event.target.closest?.('select, button, input') || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { j: 1, k: -1 }[event.key];
    if (!step) return;
    const there = [...list.children].filter((item) => !item.hidden);
    const next = there[there.indexOf(document.activeElement) + step] || there[step > 0 ? 0 : there.length - 1];
    if (next) { next.focus(); next.scrollIntoView({ block: 'nearest' }); }
  });
}
