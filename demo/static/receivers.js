// The page of the receivers: how they answer, and all that arrived.

import { badge, clock, element, headerLines, pretty } from './dom.js';
import { SIGNATURES, follow } from './arrivals.js';
import { call } from './rest.js';

const KEPT = 200;
const STATUSES = { 200: '200 OK', 404: '404 Not Found', 410: '410 Gone', 429: '429 Too Many Requests', 500: '500 Internal Server Error', 503: '503 Service Unavailable' };
const list = document.getElementById('arrivals');
const count = document.getElementById('arrived-count');
const answersNode = document.getElementById('answers');
const names = new Set(answersNode.dataset.names.trim().split(/\s+/));
const selects = new Map();

function addReceiver(name) {
  const options = Object.entries(STATUSES).map(([value, text]) => element('option', { value }, text));
  const select = element('select', { name, on: { change: choose } }, ...options);
  answersNode.append(element('label', {}, element('b', {}, name), select));
  selects.set(name, select);
}

async function choose(event) {
  const url = new URL(`${event.target.name}/answer`, document.body.dataset.arrivalsUrl);
  await call('POST', url, { status: Number(event.target.value) });
}

function row(arrival, fresh) {
  const [kind, text] = SIGNATURES[arrival.signature];
  return element(
    'details',
    { class: fresh ? 'fresh' : null },
    element(
      'summary',
      {},
      element('b', {}, arrival.receiver),
      element('code', { class: 'grow' }, arrival.body),
      badge(kind, text),
      badge(arrival.answer < 300 ? 'good' : 'bad', String(arrival.answer)),
      clock(arrival.time * 1000),
    ),
    element(
      'div',
      { class: 'exchange' },
      element('div', {}, element('h3', {}, 'Headers'), element('pre', {}, headerLines(arrival.headers))),
      element('div', {}, element('h3', {}, 'Body'), element('pre', {}, pretty(arrival.body))),
    ),
  );
}

names.forEach(addReceiver);
follow(
  (arrivals, first) => {
    list.querySelector('.empty')?.remove();
    for (const arrival of arrivals) {
      list.prepend(row(arrival, !first));
      if (!selects.has(arrival.receiver)) addReceiver(arrival.receiver);
    }
    while (list.children.length > KEPT) list.lastElementChild.remove();
    count.textContent = list.children.length;
  },
  (answers) => {
    for (const [name, select] of selects) {
      if (document.activeElement !== select) select.value = answers[name] ?? 200;
    }
  },
);
