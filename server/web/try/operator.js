// The right half: the operator's backend. Its key lives in a variable of this module and nowhere else.
import { showCode } from './code.js';
import { $, clear, element, log, origin, parsed, sentence, setState, trouble } from './page.js';

let key = '';
let reading;
let lastId;

const headers = () => ({ authorization: `Bearer ${key || 'the operator key'}` });
const device = () => $('tell-device').value || 'my_deviceTag';
const erased = () => $('erase-device').value || device();
const dataOf = (deviceTag) => `/operator/prospects/${encodeURIComponent(deviceTag)}/data`;

/** A request of the operator; throws the sentence to show. */
async function ask(method, path, body, more = {}) {
  const response = await fetch(`${origin}${path}`, {
    method, body: JSON.stringify(body), signal: more.signal,
    headers: { ...headers(), ...more.headers, ...(body && { 'content-type': 'application/json' }) },
  }).catch((error) => { throw error.name === 'AbortError' ? error : new Error(sentence()); });
  if (response.ok) return response;
  throw Object.assign(new Error(sentence(await response.json().catch(() => undefined), `The gateway answers ${response.status}.`)), { status: response.status });
}

function writeTo(deviceTag) {
  for (const id of ['tell-device', 'erase-device']) $(id).value = deviceTag;
  askToErase(false);
  drawCode();
}

async function listPeople() {
  const { items } = await (await ask('GET', '/operator/prospects?limit=50')).json();
  const list = $('people');
  list.replaceChildren(...items.map(({ deviceTag, connectedAt }) => element('li', {},
    element('span', { className: 'mono', textContent: deviceTag }),
    element('button', {
      type: 'button', className: 'quiet', textContent: 'Write to', ariaLabel: `Write to ${deviceTag}`,
      onclick: () => { writeTo(deviceTag); $('tell-text').focus(); },
      title: connectedAt ? `since ${new Date(connectedAt).toLocaleTimeString()}` : '',
    }))));
  $('people-empty').hidden = items.length > 0;
}

function onEvent(name, id, data) {
  lastId = id ?? lastId;
  $('release').disabled = !lastId;
  const { deviceTag, data: said, code, linkinjected } = data;
  const more = { message: () => JSON.stringify(said), disconnected: () => code ?? '', connected: () => linkinjected ?? '' }[name];
  const line = log($('events'), { message: '✉', connected: '+', disconnected: '−' }[name] ?? '!', name === 'message' ? 'in' : 'out',
    [name, deviceTag, more ? more() : JSON.stringify(data)].filter((part) => part !== undefined && part !== '').join(' · '));
  line.dataset.device = deviceTag ?? '';
  if (name === 'connected' || name === 'disconnected') listPeople().catch(() => {});
}

/** Reads the event stream until `signal` ends it, and resumes where it was cut. */
async function readEvents(signal) {
  for (let pauseMs = 500; ; pauseMs = Math.min(10_000, pauseMs * 2)) {
    try {
      const response = await ask('GET', '/operator/events', undefined, { signal, headers: lastId && { 'last-event-id': lastId } });
      setState($('operator-state'), 'open', 'Reading events');
      trouble($('operator-trouble'));
      pauseMs = 500;
      await listPeople();
      let text = '';
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        const parts = (text + chunk).split('\n\n');
        text = parts.pop();
        for (const part of parts) {
          const field = (name) => part.match(new RegExp(`^${name}: ?(.*)$`, 'm'))?.[1];
          if (field('event')) onEvent(field('event'), field('id'), parsed(field('data')));
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      trouble($('operator-trouble'), error.message);
      if (error.status === 401) return leave();
    }
    if (signal.aborted) return;
    setState($('operator-state'), 'waiting', 'Reconnecting');
    await new Promise((done) => setTimeout(done, pauseMs));
  }
}

function leave() {
  reading?.abort();
  reading = undefined;
  key = '';
  setState($('operator-state'), '', 'Not connected');
  $('enter-button').textContent = 'Connect';
  $('key').disabled = false;
  $('key').placeholder = '';
  for (const id of ['tell-button', 'release', 'erase-button']) $(id).disabled = true;
  askToErase(false);
  $('people').replaceChildren();
  $('people-empty').hidden = false;
  explainEmpty();
  drawCode();
}

/** Says in the empty lists why they are empty. */
function explainEmpty() {
  $('people-empty').textContent = reading
    ? 'No one is connected yet. Connect the prospect, and it appears here.'
    : 'Connect the operator to see who is connected.';
  $('events-empty').textContent = reading
    ? 'Nothing has happened since you connected. Connect the prospect, or let it say something.'
    : 'Connect the operator to read the event stream.';
}

$('enter').addEventListener('submit', (event) => {
  event.preventDefault();
  if (reading) return leave();
  key = $('key').value.trim();
  $('key').value = '';
  $('key').disabled = true;
  $('key').placeholder = 'In the memory of this page';
  $('enter-button').textContent = 'Disconnect';
  for (const id of ['tell-button', 'erase-button']) $(id).disabled = false;
  setState($('operator-state'), 'connecting', 'Connecting');
  trouble($('operator-trouble'));
  clear($('events'));
  lastId = undefined;
  reading = new AbortController();
  explainEmpty();
  readEvents(reading.signal);
  drawCode();
});

$('tell').addEventListener('submit', async (event) => {
  event.preventDefault();
  const text = parsed($('tell-text').value);
  const body = { data: typeof text === 'string' ? { text } : text };
  const note = $('tell-note');
  try {
    const path = `/operator/prospects/${encodeURIComponent(device())}/messages`;
    // The same key for each try, so that a lost answer does not send the message twice.
    const once = { headers: { 'idempotency-key': Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16)).join('') } };
    const { seq, connected } = await (await ask('POST', path, body, once)).json();
    note.textContent = connected ? `Number ${seq} is on its way.` : `Number ${seq} waits in the outbox until the prospect connects.`;
    trouble($('operator-trouble'));
    $('tell-text').value = '';
  } catch (error) {
    note.textContent = '';
    trouble($('operator-trouble'), error.message);
  }
});

$('release').addEventListener('click', async () => {
  try {
    await ask('DELETE', `/operator/events?through=${encodeURIComponent(lastId)}`);
    clear($('events'));
    $('events-empty').textContent = 'Released. New events appear here.';
  } catch (error) {
    trouble($('operator-trouble'), error.message);
  }
});

/** Shows the question whether to erase, or takes it back. */
function askToErase(isAsked) {
  $('erase-sure').hidden = !isAsked;
  $('erase-question').textContent = isAsked ? `Erase ${$('erase-device').value} for good?` : '';
}

$('erase').addEventListener('submit', (event) => {
  event.preventDefault();
  $('erase-note').textContent = '';
  askToErase(true);
  $('erase-yes').focus();
});

$('erase-no').addEventListener('click', () => { askToErase(false); $('erase-button').focus(); });

$('erase-yes').addEventListener('click', async () => {
  const deviceTag = $('erase-device').value;
  askToErase(false);
  $('erase-device').focus();
  try {
    await ask('DELETE', dataOf(deviceTag));
    trouble($('operator-trouble'));
    for (const line of $('events').querySelectorAll('li')) if (line.dataset.device === deviceTag) line.remove();
    if (!$('events').children.length) clear($('events'));
    $('erase-note').textContent = `${deviceTag} is erased. Its events are gone from the stream, and from this page.`;
    await listPeople();
  } catch (error) {
    trouble($('operator-trouble'), error.message);
  }
});

function drawCode() {
  const secrets = [key];
  showCode($('code-list'), { method: 'GET', url: `${origin}/operator/prospects`, headers: headers() }, secrets);
  showCode($('code-events'), { method: 'GET', url: `${origin}/operator/events`, headers: { ...headers(), 'last-event-id': '0' }, isStream: true }, secrets);
  showCode($('code-tell'), {
    method: 'POST', url: `${origin}/operator/prospects/${encodeURIComponent(device())}/messages`, headers: headers(),
    body: { data: { text: $('tell-text').value || 'Hello, prospect' } },
  }, secrets);
  showCode($('code-erase'), { method: 'DELETE', url: `${origin}${dataOf(erased())}`, headers: headers() }, secrets);
}

$('tell').addEventListener('input', drawCode);
$('tell-device').addEventListener('input', () => writeTo($('tell-device').value));
$('erase').addEventListener('input', () => { askToErase(false); drawCode(); });
drawCode();
