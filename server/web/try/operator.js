// The right half: the operator's backend. Its key lives in a variable of this module and nowhere else.
import { showCode } from './code.js';
import { $, clear, element, log, origin, parsed, sentence, setState, trouble } from './page.js';

let key = '';
let reading;
let lastId;

const headers = () => ({ authorization: `Bearer ${key || 'the operator key'}` });
const device = () => $('tell-device').value || 'my_deviceTag';

/** A request of the operator; throws the sentence to show. */
async function ask(method, path, body, more = {}) {
  const response = await fetch(`${origin}${path}`, {
    method, body: JSON.stringify(body), signal: more.signal,
    headers: { ...headers(), ...more.headers, ...(body && { 'content-type': 'application/json' }) },
  }).catch((error) => { throw error.name === 'AbortError' ? error : new Error(sentence()); });
  if (response.ok) return response;
  throw Object.assign(new Error(sentence(await response.json().catch(() => undefined), `The gateway answers ${response.status}.`)), { status: response.status });
}

async function listPeople() {
  const { items } = await (await ask('GET', '/operator/prospects?limit=50')).json();
  const list = $('people');
  list.replaceChildren(...items.map(({ deviceTag, connectedAt }) => element('li', {},
    element('span', { className: 'mono', textContent: deviceTag }),
    element('button', {
      type: 'button', className: 'quiet', textContent: 'Write to', ariaLabel: `Write to ${deviceTag}`,
      onclick: () => { $('tell-device').value = deviceTag; drawCode(); $('tell-text').focus(); },
      title: connectedAt ? `since ${new Date(connectedAt).toLocaleTimeString()}` : '',
    }))));
  $('people-empty').hidden = items.length > 0;
}

function onEvent(name, id, data) {
  lastId = id ?? lastId;
  $('release').disabled = !lastId;
  const { deviceTag, data: said, code, linkinjected } = data;
  const more = { message: () => JSON.stringify(said), disconnected: () => code ?? '', connected: () => linkinjected ?? '' }[name];
  log($('events'), { message: '✉', connected: '+', disconnected: '−' }[name] ?? '!', name === 'message' ? 'in' : 'out',
    [name, deviceTag, more ? more() : JSON.stringify(data)].filter((part) => part !== undefined && part !== '').join(' · '));
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
  for (const id of ['tell-button', 'release']) $(id).disabled = true;
  $('people').replaceChildren();
  $('people-empty').hidden = false;
  drawCode();
}

$('enter').addEventListener('submit', (event) => {
  event.preventDefault();
  if (reading) return leave();
  key = $('key').value.trim();
  $('key').value = '';
  $('key').disabled = true;
  $('key').placeholder = 'In the memory of this page';
  $('enter-button').textContent = 'Disconnect';
  $('tell-button').disabled = false;
  setState($('operator-state'), 'connecting', 'Connecting');
  trouble($('operator-trouble'));
  clear($('events'));
  $('events-empty').textContent = 'Nothing has happened since you connected. Connect the prospect, or let it say something.';
  lastId = undefined;
  reading = new AbortController();
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

function drawCode() {
  const secrets = [key];
  showCode($('code-list'), { method: 'GET', url: `${origin}/operator/prospects`, headers: headers() }, secrets);
  showCode($('code-events'), { method: 'GET', url: `${origin}/operator/events`, headers: { ...headers(), 'last-event-id': '0' }, isStream: true }, secrets);
  showCode($('code-tell'), {
    method: 'POST', url: `${origin}/operator/prospects/${encodeURIComponent(device())}/messages`, headers: headers(),
    body: { data: { text: $('tell-text').value || 'Hello, prospect' } },
  }, secrets);
}

$('tell').addEventListener('input', drawCode);
drawCode();
