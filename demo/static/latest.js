// The column of what just arrived.

import { badge, clock, element } from './dom.js';
import { follow } from './arrivals.js';

const SHOWN = 10;
const list = document.getElementById('latest');

follow((arrivals, first) => {
  list.querySelector('.empty')?.remove();
  for (const arrival of arrivals.slice(-SHOWN)) {
    list.prepend(
      element(
        'li',
        { class: first ? null : 'fresh' },
        element(
          'div',
          { class: 'line' },
          element('b', {}, arrival.receiver),
          clock(arrival.time * 1000),
          badge(arrival.answer < 300 ? 'good' : 'bad', String(arrival.answer)),
        ),
        element('code', { title: arrival.body }, arrival.body),
        element('code', { title: arrival.id }, arrival.id ?? ''),
      ),
    );
  }
  while (list.children.length > SHOWN) list.lastElementChild.remove();
});
