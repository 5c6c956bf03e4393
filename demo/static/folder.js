// The webhooks of one folder: the list, and subscribing.

import { badge, element, show } from './dom.js';
import { all, call } from './rest.js';

const SHOWN = 500;
const section = document.getElementById('webhooks');
const { restUrl, pageUrl } = section.dataset;
const part = (selector) => section.querySelector(selector);
const problem = part('.problem');
const form = part('details form');
const list = restUrl.replace(/\/$/, '');

async function refresh() {
  try {
    const subscriptions = await all(list, 'subscriptions', SHOWN);
    part('tbody').replaceChildren(...subscriptions.map(row));
    part('table').hidden = subscriptions.length === 0;
    part('.none').hidden = subscriptions.length > 0;
  } catch (error) {
    if (error.status === 403 && !form) {
      part('.none').textContent = 'Choose a person at the top to see the subscriptions here, and to subscribe.';
      part('.none').hidden = false;
    } else {
      show(problem, error.message);
    }
  }
}

function row(subscription) {
  const { id, events, to, owner, active, kind } = subscription;
  const wanted = events?.join(', ') ?? subscription.for;
  const link = element('a', { href: `${pageUrl.replace(/\/$/, '')}/${id}` }, wanted);
  const owned = kind === 'global'
    ? [element('span', { class: 'hint' }, 'configuration')]
    : [
        button(active ? 'Deactivate' : 'Activate', '', () => call('PATCH', subscription.url, { active: !active })),
        ' ',
        button('Delete', 'danger', () => call('DELETE', subscription.url)),
      ];
  return element(
    'tr',
    {},
    element('td', {}, element('code', {}, link)),
    element('td', { class: 'url' }, to),
    element('td', {}, owner ?? '—'),
    element('td', { title: subscription.status_message }, active ? badge('good', 'active') : badge('bad', 'inactive')),
    element('td', { class: 'actions' }, ...owned),
  );
}

function button(text, kind, act) {
  const click = async (event) => {
    event.target.disabled = true;
    show(problem, '');
    try {
      await act();
    } catch (error) {
      show(problem, error.message);
    }
    await refresh();
  };
  return element('button', { class: `small ${kind}`, on: { click } }, text);
}

async function offerEvents(fieldset) {
  const { events } = await call('GET', `${list}/events`);
  const names = events.map((event) => [event.name, event.description]);
  for (const [name, description] of [...names, ['employee.*', 'Whatever happens to employees'], ['*', 'Everything']]) {
    fieldset.append(
      element(
        'label',
        { class: 'check', title: description },
        element('input', { type: 'checkbox', name: 'events', value: name, checked: name === 'employee.added' }),
        name,
      ),
    );
  }
}

async function subscribe(event) {
  event.preventDefault();
  const form = event.target;
  const fields = new FormData(form);
  const formProblem = form.querySelector('.problem');
  show(formProblem, '');
  try {
    const made = await call('POST', list, {
      to: fields.get('to'),
      events: fields.getAll('events'),
      description: fields.get('description'),
    });
    part('details').open = false;
    await tell(made);
    await refresh();
  } catch (error) {
    show(formProblem, error.message);
  }
}

async function tell({ to, secret }) {
  const node = part('.secret');
  node.querySelector('code').textContent = secret;
  node.hidden = false;
  const ours = `${document.body.dataset.receiverUrl}/`;
  const name = to.startsWith(ours) ? to.slice(ours.length) : '';
  if (/^[A-Za-z0-9_-]{1,40}$/.test(name)) {
    await call('POST', new URL(`${name}/secret`, document.body.dataset.arrivalsUrl), { secret });
    node.querySelector('.hint').textContent = `The receiver ${name} was told, so that it can check signatures.`;
  } else {
    node.querySelector('.hint').textContent = 'Give it to the receiver, so that it can check signatures.';
  }
}

refresh();
if (form) {
  offerEvents(form.querySelector('fieldset')).catch((error) => show(form.querySelector('.problem'), error.message));
  form.addEventListener('submit', subscribe);
}
