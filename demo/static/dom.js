// Building elements from text that nobody has to trust.

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'on') {
      for (const [type, listener] of Object.entries(value)) made.addEventListener(type, listener);
    } else if (value === true) {
      made.setAttribute(name, '');
    } else if (value !== false && value !== null && value !== undefined) {
      made.setAttribute(name, value);
    }
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function badge(kind, text) {
  return element('span', { class: `badge ${kind}` }, text);
}

export function clock(time) {
  const date = new Date(time);
  return element('time', { datetime: date.toISOString() }, date.toLocaleTimeString());
}

export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text ?? '';
  }
}

export function headerLines(headers) {
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers ?? {});
  return pairs.map(([name, value]) => `${name}: ${value}`).join('\n');
}

export function show(node, text) {
  node.textContent = text;
  node.hidden = !text;
}
