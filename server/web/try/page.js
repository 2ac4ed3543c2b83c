// What both halves of the page share.

export const $ = (id) => document.getElementById(id);
export const { origin } = location;
const KEPT = 200;

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Adds a line to a log, the newest first, and returns it. */
export function log(list, mark, kind, text) {
  const time = new Date();
  const clock = `${time.toLocaleTimeString([], { hour12: false })}.${String(time.getMilliseconds()).padStart(3, '0')}`;
  const line = element('li', {},
    element('time', { dateTime: time.toISOString(), textContent: clock }),
    element('span', { className: kind, textContent: mark }),
    element('span', { textContent: text }));
  list.prepend(line);
  while (list.children.length > KEPT) list.lastChild.remove();
  $(`${list.id}-empty`).hidden = true;
  return line;
}

export function clear(list) {
  list.replaceChildren();
  $(`${list.id}-empty`).hidden = false;
}

export function setState(pill, state, text) {
  pill.dataset.state = state;
  if (pill.textContent !== text) pill.textContent = text;
}

/** Shows what is wrong and what to do about it, or nothing. */
export function trouble(place, sentence) {
  place.hidden = !sentence;
  place.textContent = sentence ?? '';
}

const ADVICE = {
  'channel-closed': 'The test channel is closed here. Choose the channel browser, or start the gateway with --test-channel on.',
  'issuer-closed': 'Only the operator issues tokens here: start the gateway with --token-issuer open to try it on this page.',
  'device-claimed': 'Another client has claimed this device. Choose another device tag.',
  'operator-key-unknown': 'The gateway does not know this key. A trial prints its key in the terminal where it was started.',
  'unknown-device': 'No such device yet. Connect the prospect first, or correct the device tag.',
  'events-full': 'The event stream is full. Release what is read, then send again.',
  'outbox-full': 'The outbox of this device is full. Let the prospect acknowledge, then send again.',
};

/** A problem of the gateway as a sentence with what to do. */
export function sentence(problem, otherwise = 'The gateway does not answer. Check that it runs; the page tries again by itself.') {
  if (!problem?.type) return otherwise;
  return ADVICE[problem.type.split(':').pop()] ?? `${problem.title}. ${problem.detail}`;
}

/** JSON where it is JSON, else the text itself. */
export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export const shown = (data) => (typeof data === 'string' ? data : data?.text ?? JSON.stringify(data));
