// Talking to the REST interface of webhooks, as any other client would.

export class RestError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export async function call(method, url, body) {
  const options = { method, headers: { Accept: 'application/json' } };
  if (body !== undefined) {
    options.headers['Content-Type'] = 'application/json';
    options.body = JSON.stringify(body);
  }
  const response = await fetch(url, options);
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new RestError(response.status, sentence(response, answer));
  return answer;
}

export async function all(url, key, limit) {
  const found = [];
  let after = null;
  do {
    const page = new URL(url);
    page.searchParams.set('limit', 250);
    if (after) page.searchParams.set('after', after);
    const answer = await call('GET', page);
    found.push(...answer[key]);
    after = answer.next;
  } while (after && found.length < limit);
  return found;
}

function sentence(response, answer) {
  if (Array.isArray(answer?.errors)) {
    // The name of a field helps whoever fills in a form; that of a part of the URL helps nobody.
    const said = ({ location, name, description }) => (location === 'body' ? `${name}: ${description}` : description);
    return answer.errors.map(said).join('\n');
  }
  return answer?.message?.trim().replace(/\s+/g, ' ') || `The server answered ${response.status} ${response.statusText}.`;
}
