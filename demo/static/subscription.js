// One subscription: what it is, how it does, what was sent to it, what came back, and sending it again.

import { badge, clock, element, headerLines, pretty, show } from './dom.js';
import { all, call } from './rest.js';

const PAUSE = 1500;
const LOADED = 500;
const SHOWN = 100;
const KINDS = { pending: 'wait', successful: 'good', failed: 'bad' };
const page = document.getElementById('subscription');
const { restUrl } = page.dataset;
const url = restUrl.replace(/\/$/, '');
const problem = page.querySelector('.problem');
const note = page.querySelector('.flash');
const attemptsNode = page.querySelector('.attempts');
const rows = new Map();
let failing = false;

async function refresh() {
  try {
    const subscription = await call('GET', url);
    showFacts(subscription, await call('GET', `${url}/statistics`));
    showAttempts(await all(subscription.attempts_url, 'attempts', LOADED));
    if (failing) show(problem, '');
    failing = false;
  } catch (error) {
    failing = true;
    const gone = error.status === 404;
    for (const card of page.querySelectorAll('.card')) card.hidden ||= gone;
    show(problem, gone ? 'There is no such subscription, or you may not see it.' : error.message);
  }
}

function showFacts(subscription, statistics) {
  const facts = page.querySelector('.facts');
  const state = subscription.active ? badge('good', 'active') : badge('bad', 'inactive');
  const terms = {
    Events: subscription.events?.join(', ') ?? `${subscription.for}, ${subscription.when}`,
    To: subscription.to,
    Owner: subscription.owner ?? 'nobody: no permission is asked for',
    Permission: subscription.permission,
    State: element('span', {}, state, ` ${subscription.status_message ?? ''}`),
    Kind: subscription.kind,
    Sent: figures(statistics),
    Created: subscription.created ? new Date(subscription.created).toLocaleString() : null,
    Description: subscription.description,
  };
  const shown = Object.entries(terms).filter(([, value]) => value);
  const pairs = shown.flatMap(([term, value]) => [element('dt', {}, term), element('dd', {}, value)]);
  facts.replaceChildren(element('dl', {}, ...pairs));
  facts.hidden = false;
}

function figures({ sent, failed, pending, p50, p95 }) {
  const counts = `${sent} with success, ${failed} failed, ${pending} pending`;
  const milliseconds = (seconds) => `${Math.round(seconds * 1000)} ms`;
  return p50 === null ? counts : `${counts}; half of the answers within ${milliseconds(p50)}, 95% within ${milliseconds(p95)}`;
}

function showAttempts(attempts) {
  const hidden = attempts.length - SHOWN;
  page.querySelector('.count').textContent = hidden > 0 ? `the last ${SHOWN} of ${attempts.length}` : attempts.length;
  page.querySelector('.none').hidden = attempts.length > 0;
  const nodes = attempts.slice(-SHOWN).reverse().map(upToDate);
  const shown = [...attemptsNode.children];
  if (nodes.length !== shown.length || nodes.some((node, index) => node !== shown[index])) {
    attemptsNode.replaceChildren(...nodes);
  }
  const ids = new Set(attempts.map((attempt) => attempt.id));
  for (const id of rows.keys()) {
    if (!ids.has(id)) rows.delete(id);
  }
}

function upToDate(attempt) {
  const known = rows.get(attempt.id);
  if (known?.status === attempt.status) return known.node;
  const node = row(attempt);
  if (known) node.open = known.node.open;
  rows.set(attempt.id, { node, status: attempt.status });
  return node;
}

function row(attempt) {
  const { request, response, status } = attempt;
  const elapsed = response?.elapsed;
  return element(
    'details',
    {},
    element(
      'summary',
      {},
      badge(KINDS[status], status),
      element('code', {}, attempt.event),
      element('span', { class: 'grow', title: attempt.message }, attempt.message ?? ''),
      element('small', {}, `try ${attempt.number}`),
      elapsed === undefined || elapsed === null ? null : element('small', {}, `${Math.round(elapsed * 1000)} ms`),
      status === 'pending' ? element('small', {}, 'due') : null,
      clock(attempt.resolved_at ?? attempt.due),
      status === 'pending' ? null : retryButton(attempt),
    ),
    element(
      'div',
      { class: 'exchange' },
      exchange('Request', request && `${request.method} ${request.url}`, request?.headers, request?.body),
      exchange('Response', response && `${response.status_code} ${response.reason}`, response?.headers, response?.content),
    ),
  );
}

function exchange(title, line, headers, body) {
  const text = line ? [line, headerLines(headers), '', pretty(body)].join('\n') : 'None yet.';
  return element('div', {}, element('h3', {}, title), element('pre', {}, text));
}

function button(text, act) {
  const click = async (event) => {
    event.preventDefault();
    event.target.disabled = true;
    show(note, '');
    try {
      const said = await act();
      show(problem, '');
      show(note, said);
      await refresh();
    } catch (error) {
      show(problem, error.message);
    }
    event.target.disabled = false;
  };
  return element('button', { class: 'small', on: { click } }, text);
}

function retryButton(attempt) {
  return button('Retry', async () => {
    const { number } = await call('POST', `${attempt.url}/retry`);
    return `Try ${number} of the message is on its way.`;
  });
}

async function ping() {
  await call('POST', `${url}/ping`);
  return 'A ping is on its way; see below what comes of it.';
}

async function recover() {
  const { count, unreachable } = await call('POST', `${url}/recover`, { since: sinceYesterday() });
  const kept = unreachable ? ` At most ${unreachable} more are not kept any longer.` : '';
  if (count === 0) return `Nothing has failed in the last day and not succeeded since.${kept}`;
  return `${count} ${count === 1 ? 'delivery is' : 'deliveries are'} sent again.${kept}`;
}

function sinceYesterday() {
  return new Date(Date.now() - 24 * 3600 * 1000).toISOString();
}

page.querySelector('.actions').append(
  button('Ping', ping),
  ' ',
  button('Send again what failed in the last day', recover),
);

async function follow() {
  if (!document.hidden) await refresh();
  setTimeout(follow, PAUSE);
}

follow();
