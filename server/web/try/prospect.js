// The left half: a prospect on connect-socket.js, whose line can be cut.
import { connect } from '/connect-socket.js';
import { showCode } from './code.js';
import { $, clear, element, log, origin, sentence, setState, shown, trouble } from './page.js';

const frames = $('frames');
const sockets = new Set();
let connection;
let isCut = false;
let holding = [];
let [sent, accepted, received, acknowledged] = [0, 0, 0, 0];

$('device-tag').value = `try-${Array.from(crypto.getRandomValues(new Uint8Array(4)), (byte) => byte.toString(16).padStart(2, '0')).join('')}`;

const step = (name, state) => { $(`step-${name}`).dataset.state = state; };
const codeOf = (name) => $(`step-${name}`).querySelector('details');

/** `fetch` that shows each request, and fails while the line is cut. */
async function watchedFetch(address, init) {
  const { method, headers, body } = init;
  const name = address.pathname === '/token' ? 'token' : 'authorise';
  const { 'content-type': _, ...shownHeaders } = headers;
  showCode(codeOf(name), { method, url: address.href, headers: shownHeaders, body: JSON.parse(body) });
  step(name, 'now');
  log(frames, '→', 'out', `${method} ${address.pathname} ${body}`);
  try {
    if (isCut) throw new TypeError('The line is cut.');
    const response = await fetch(address, init);
    step(name, response.ok ? 'done' : 'failed');
    // A token is a secret: the log shows that one came.
    const text = name === 'token' && response.ok ? '{"success":true,"token":"…"}' : await response.clone().text();
    log(frames, '←', response.ok ? 'in' : 'no', `${response.status} ${text}`);
    if (name === 'authorise' && response.ok) step('token', 'done');
    return response;
  } catch (error) {
    step(name, 'failed');
    log(frames, '×', 'no', `No answer: ${error.message}`);
    throw error;
  }
}

class CuttableSocket extends WebSocket {
  constructor(address, protocols) {
    super(address, protocols);
    showCode(codeOf('open'), { url: address, socket: protocols });
    step('open', 'now');
    log(frames, '→', 'out', `GET ${new URL(address).pathname} (upgrade)`);
    sockets.add(this);
    this.addEventListener('close', ({ code, reason }) => {
      sockets.delete(this);
      log(frames, '×', 'no', `The socket closed: ${code} ${reason}`);
    });
  }
}

function count() {
  $('counts').textContent = `${accepted} of ${sent} accepted · ${acknowledged} of ${received} acknowledged`;
}

function bubble(data, isMine, note) {
  const small = element('small', {}, note);
  const list = $('talk');
  list.append(element('li', { className: isMine ? 'mine' : '' }, shown(data), small));
  list.scrollTop = list.scrollHeight;
  $('talk-empty').hidden = true;
  return small;
}

/** Handles a message. What this returns decides when it is acknowledged. */
function handle(data, { seq }) {
  received += 1;
  const note = bubble(data, false, `no. ${seq}`);
  const done = () => {
    acknowledged += 1;
    note.replaceChildren(`no. ${seq} · acknowledged`);
    count();
  };
  count();
  if (!$('hold').checked) return done();
  return new Promise((release) => {
    const letGo = () => { holding = holding.filter((other) => other !== letGo); done(); release(); };
    holding.push(letGo);
    note.append(element('button', { type: 'button', textContent: 'Acknowledge', onclick: letGo }));
  });
}

function onStatus({ state, code, problem, retryInMs }) {
  const seconds = Math.max(1, Math.round(retryInMs / 1000));
  const texts = {
    connecting: 'Connecting', open: 'Open', closed: 'Closed', waiting: isCut ? 'Cut off' : `Back in ${seconds} s`,
  };
  setState($('prospect-state'), state, texts[state]);
  step('open', { open: 'done', closed: code ? 'failed' : 'todo' }[state] ?? $('step-open').dataset.state);
  if (state === 'waiting' && $('step-open').dataset.state === 'done') step('open', 'now');
  let what;
  if (problem) what = sentence(problem);
  else if (state === 'waiting' && isCut) what = 'The line is cut. What you send waits in the queue until you restore it.';
  else if (state === 'waiting') what = `The socket closed${code ? ` with ${code}` : ''}. The client returns by itself.`;
  else if (state === 'closed' && code) what = `The gateway closed the socket with ${code}, and a client does not return from that by itself. Connect again if you want to.`;
  trouble($('prospect-trouble'), what);
  if (state === 'closed') disconnected();
}

function disconnected() {
  connection = undefined;
  $('connect-button').textContent = 'Connect';
  for (const id of ['say-button', 'cut']) $(id).disabled = true;
  for (const id of ['device-tag', 'channel']) $(id).disabled = false;
  cut(false);
}

function cut(next) {
  isCut = next;
  $('cut').setAttribute('aria-pressed', String(isCut));
  $('cut').textContent = isCut ? 'Restore the line' : 'Cut the line';
}

$('connect').addEventListener('submit', (event) => {
  event.preventDefault();
  if (connection) {
    connection.close();
    return;
  }
  [sent, accepted, received, acknowledged, holding] = [0, 0, 0, 0, []];
  clear($('talk'));
  count();
  for (const name of ['token', 'authorise', 'open']) step(name, 'todo');
  $('connect-button').textContent = 'Disconnect';
  for (const id of ['say-button', 'cut']) $(id).disabled = false;
  for (const id of ['device-tag', 'channel']) $(id).disabled = true;
  const deviceTag = $('device-tag').value;
  $('tell-device').value = deviceTag;
  $('tell-device').dispatchEvent(new Event('input', { bubbles: true }));
  connection = connect({
    url: origin, deviceTag, channel: $('channel').value, tabs: false, onMessage: handle, onStatus,
    onFrame: (direction, text) => log(frames, direction === 'sent' ? '→' : '←', direction === 'sent' ? 'out' : 'in', text),
    onError: () => {},
    fetch: watchedFetch, WebSocket: CuttableSocket,
  });
});

$('say').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = $('say-text').value.trim();
  if (!text || !connection) return;
  const data = { text };
  sent += 1;
  count();
  const note = bubble(data, true, isCut ? 'queued' : 'sent');
  connection.send(data).then((id) => {
    accepted += 1;
    note.textContent = 'accepted';
    showCode($('code-say'), `socket.send('${JSON.stringify({ type: 'message', id, data })}');\nsocket.send('{"type":"ack","seq":1}'); // what you have handled`);
    count();
  }, ({ problem, message }) => { note.textContent = sentence(problem, message); });
  $('say-text').value = '';
});

$('hold').addEventListener('change', () => { if (!$('hold').checked) holding.slice().forEach((letGo) => letGo()); });

$('cut').addEventListener('click', () => {
  cut(!isCut);
  if (isCut) {
    for (const socket of sockets) socket.close(3000, 'the line was cut');
  } else {
    window.dispatchEvent(new Event('online'));
  }
});

$('clear').addEventListener('click', () => clear(frames));

showCode(codeOf('token'), { method: 'PUT', url: `${origin}/token`, body: { channel: 'test', deviceTag: $('device-tag').value } });
showCode(codeOf('authorise'), {
  method: 'POST', url: `${origin}/prospect/connectsocket`, headers: { token: 'the token of step 1' },
  body: { halfRef: 'a long random secret that you make', deviceTag: $('device-tag').value },
});
showCode(codeOf('open'), {
  url: `${origin.replace('http', 'ws')}/prospect/socket`, socket: ['prospect.v1', 'halfref.<base64url of the halfRef>'],
});
showCode($('code-say'), `socket.send('{"type":"message","id":"a UUID","data":{"text":"Hello"}}');\nsocket.send('{"type":"ack","seq":1}'); // what you have handled`);
