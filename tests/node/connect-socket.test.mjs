// What connect-socket.js does when something fails, against the gateway at GATEWAY, a trial. KEY is its operator key.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { backOff, closePolicy, connect, maxUnaccepted, pongMs } from '../../server/web/connect-socket.js';

const { GATEWAY: url, KEY } = process.env;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const operator = async (method, path, body) => {
  const response = await fetch(`${url}/operator/prospects/${path}`, {
    method, body: JSON.stringify(body),
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
  });
  assert.ok(response.ok, `${method} ${path}: ${response.status}`);
  return response.status === 204 ? undefined : response.json();
};
const sendTo = (deviceTag, data) => operator('POST', `${deviceTag}/messages`, { data });

async function until(what, happened) {
  for (let ticks = 0; !(await happened()); ticks += 1) {
    assert.ok(ticks < 1000, `did not happen: ${what}`);
    await sleep(20);
  }
}

function storage() {
  const items = new Map();
  return { items, getItem: (key) => items.get(key) ?? null, setItem: (key, value) => items.set(key, value) };
}

/** A connection and what it was told. It ends with the test. */
function client(t, options = {}) {
  const told = { messages: [], statuses: [], sent: [], errors: [] };
  const connection = connect({
    url, deviceTag: `device-${crypto.randomUUID()}`, channel: 'browser', tabs: false,
    onMessage: (data) => { told.messages.push(data); },
    onStatus: (status) => told.statuses.push(status),
    onFrame: (direction, text) => direction === 'sent' && told.sent.push(JSON.parse(text)),
    onError: (error) => told.errors.push(error),
    ...options,
  });
  t.after(() => connection.close());
  return { connection, told, is: (state) => until(state, () => connection.status.state === state) };
}

test('it is small', async () => {
  const source = await readFile(new URL('../../server/web/connect-socket.js', import.meta.url));
  assert.ok(gzipSync(source, { level: 9 }).length < 5 * 1024);
});

test('its close policy and its numbers are the contract\'s', async () => {
  const document = await (await fetch(`${url}/asyncapi.json`)).json();
  const { 'x-close-codes': codes, 'x-client-rules': rules } = document.channels.socket;
  for (const { code, policy } of codes) assert.equal(closePolicy[code] ?? 'back-off', policy, `${code}`);
  const known = codes.map(({ code }) => code);
  for (const code of Object.keys(closePolicy)) assert(known.includes(Number(code)), code);
  assert.equal(rules.reconnecting.unknownCode, 'back-off');
  assert.deepEqual(backOff, rules.reconnecting.backOff);
  assert.equal(pongMs, rules.ping.timeoutMs);
  assert.equal(maxUnaccepted, rules.resending.maxUnaccepted);
});

test('a first claim whose answer was lost is repeated with the same key', async (t) => {
  const keys = [];
  const lossy = async (address, init) => {
    const response = await fetch(address, init);
    if (!address.href.endsWith('/token')) return response;
    keys.push(init.headers['idempotency-key']);
    if (keys.length === 1) throw new TypeError('the answer was lost');
    return response;
  };
  const { is } = client(t, { fetch: lossy });
  await is('open');
  assert.equal(keys.length, 2);
  assert.equal(keys[0], keys[1]);
  assert.ok(keys[0].length >= 32);
});

test('a claimed device is a final refusal', async (t) => {
  const deviceTag = `device-${crypto.randomUUID()}`;
  await client(t, { deviceTag }).is('open');
  let requests = 0;
  const counted = (...call) => { requests += 1; return fetch(...call); };
  const { connection, is } = client(t, { deviceTag, fetch: counted });
  await is('closed');
  assert.match(connection.status.problem.type, /:device-claimed$/);
  await sleep(2 * backOff.firstMs);
  assert.equal(requests, 1);
  await assert.rejects(connection.send('late'));
});

test('a token that was renewed elsewhere is taken from the storage', async (t) => {
  const [deviceTag, shared] = [`device-${crypto.randomUUID()}`, storage()];
  const { connection, told, is } = client(t, { deviceTag, storage: shared });
  await is('open');
  const name = [...shared.items.keys()].find((key) => key.endsWith(':token'));
  const old = JSON.parse(shared.items.get(name));
  const renewed = await (await fetch(`${url}/token`, {
    method: 'PUT', headers: { token: old, 'content-type': 'application/json' },
    body: JSON.stringify({ channel: 'browser', deviceTag }),
  })).json();
  // Another tab uses the new token, which ends the old one.
  await fetch(`${url}/prospect/connectsocket`, {
    method: 'POST', headers: { token: renewed.token, 'content-type': 'application/json' },
    body: JSON.stringify({ deviceTag, halfRef: crypto.randomUUID() }),
  });
  shared.items.set(name, JSON.stringify(renewed.token));
  connection.reconnect();
  await until('a second socket', () => told.statuses.filter(({ state }) => state === 'open').length === 2);
});

test('a token that the gateway does not know is replaced once', async (t) => {
  const shared = storage();
  const deviceTag = `device-${crypto.randomUUID()}`;
  shared.items.set(`connect-socket:${new URL(url).host}:${deviceTag}:token`, JSON.stringify('x'.repeat(64)));
  await client(t, { deviceTag, storage: shared }).is('open');
});

test('a token function is asked again when its token is refused', async (t) => {
  const deviceTag = `device-${crypto.randomUUID()}`;
  const asked = [];
  const { is } = client(t, {
    deviceTag, channel: undefined,
    token: async ({ refused }) => {
      asked.push(refused);
      return refused ? (await operator('POST', `${deviceTag}/token`)).token : 'x'.repeat(64);
    },
  });
  await is('open');
  assert.deepEqual(asked, [undefined, 'x'.repeat(64)]);
});

test('a superseded socket does not return by itself', async (t) => {
  const [deviceTag, shared] = [`device-${crypto.randomUUID()}`, storage()];
  const first = client(t, { deviceTag, storage: shared });
  await first.is('open');
  const second = client(t, { deviceTag, storage: shared });
  await second.is('open');
  await first.is('closed');
  assert.equal(first.connection.status.code, 4004);
  await sleep(2 * backOff.firstMs);
  assert.equal(second.connection.status.state, 'open');
  // It returns when it is asked to.
  first.connection.reconnect();
  await first.is('open');
  await second.is('closed');
});

test('a revoked device stops, and keeps what it has queued', async (t) => {
  const [deviceTag, shared] = [`device-${crypto.randomUUID()}`, storage()];
  const { connection, is } = client(t, { deviceTag, storage: shared });
  await is('open');
  await operator('DELETE', deviceTag);
  await is('closed');
  assert.equal(connection.status.code, 4003);
});

test('a message is acknowledged after its handler, and a handler that fails is called again', async (t) => {
  const deviceTag = `device-${crypto.randomUUID()}`;
  let calls = 0;
  const { told, is } = client(t, {
    deviceTag,
    onMessage: async () => {
      calls += 1;
      await sleep(50);
      assert.equal(told.sent.filter(({ type }) => type === 'ack').length, 0);
      if (calls === 1) throw new Error('not yet');
    },
  });
  await is('open');
  await sendTo(deviceTag, 1);
  await until('the acknowledgement', () => told.sent.some(({ type }) => type === 'ack'));
  assert.equal(calls, 2);
  assert.equal(told.errors.length, 1);
});

test('a message whose handler closes the connection is acknowledged', async (t) => {
  const deviceTag = `device-${crypto.randomUUID()}`;
  const { connection, told, is } = client(t, {
    deviceTag, onMessage: async (data) => { told.messages.push(data); connection.close(); await sleep(10); },
  });
  await is('open');
  await sendTo(deviceTag, 1);
  await is('closed');
  assert.deepEqual(told.messages, [1]);
  await until('an empty outbox', async () => (await operator('GET', deviceTag)).unacknowledged === 0);
});

test('a connection closes although a handler does not end', async (t) => {
  const deviceTag = `device-${crypto.randomUUID()}`;
  const { connection, told, is } = client(t, {
    deviceTag, onMessage: (data) => { told.messages.push(data); return new Promise(() => {}); },
  });
  await is('open');
  await sendTo(deviceTag, 1);
  await until('a message', () => told.messages.length === 1);
  connection.close();
  await is('closed');
  await assert.rejects(connection.send('late'));
});

test('a message that was handled is not handled again after a restart', async (t) => {
  const [deviceTag, shared] = [`device-${crypto.randomUUID()}`, storage()];
  // Nothing that this one sends arrives, so the gateway does not hear of its acknowledgement.
  class Mute extends WebSocket { send() {} }
  const first = client(t, { deviceTag, storage: shared, WebSocket: Mute });
  await first.is('open');
  await sendTo(deviceTag, 1);
  await until('the message', () => first.told.messages.length === 1);
  await until('its position', () => [...shared.items.keys()].some((key) => key.endsWith(':seen')));
  first.connection.send('unsent');
  first.connection.close();
  const second = client(t, { deviceTag, storage: shared });
  await until('the queue', () => second.connection.status.state === 'open' && second.connection.queued === 0);
  await until('the acknowledgement', () => second.told.sent.some(({ type }) => type === 'ack'));
  assert.deepEqual(second.told.messages, []);
  assert.ok(second.told.sent.some(({ data }) => data === 'unsent'));
});

test('at most 64 messages are unaccepted, and they are sent again in order', async (t) => {
  let isDeaf = true;
  class Deaf extends WebSocket {
    set onmessage(handler) {
      super.onmessage = handler && ((event) => {
        if (!isDeaf || !event.data.includes('"accepted"')) handler(event);
      });
    }
    get onmessage() { return super.onmessage; }
  }
  const { connection, told, is } = client(t, { WebSocket: Deaf, framesPerSecond: 1000 });
  await is('open');
  const accepted = Promise.all(Array.from({ length: 100 }, (_, number) => connection.send(number)));
  await until('a full window', () => told.sent.filter(({ type }) => type === 'message').length === maxUnaccepted);
  isDeaf = false;
  told.sent.length = 0;
  connection.reconnect();
  const ids = await accepted;
  assert.equal(new Set(ids).size, 100);
  assert.deepEqual(told.sent.filter(({ type }) => type === 'message').map(({ data }) => data), [...ids.keys()]);
});

test('what the gateway refuses rejects, and the rest goes on', async (t) => {
  const { connection, is } = client(t);
  await is('open');
  await assert.rejects(connection.send('\ud800'), ({ problem }) => problem.type.endsWith(':invalid-fields'));
  await assert.rejects(connection.send('x'.repeat(5000)), RangeError);
  await assert.rejects(connection.send(undefined), TypeError);
  assert.match(await connection.send('fine'), /^[0-9a-f]{32}$/);
});

test('it backs off with jitter where nothing answers, and returns on request', async (t) => {
  let attempts = 0;
  const dead = async () => { attempts += 1; throw new TypeError('no network'); };
  const { told } = client(t, { fetch: dead });
  await sleep(4 * backOff.firstMs);
  assert.ok(attempts >= 2 && attempts <= 5, `${attempts} attempts`);
  const waits = told.statuses.filter(({ state }) => state === 'waiting').map(({ retryInMs }) => retryInMs);
  waits.forEach((ms, index) => {
    const bound = Math.min(backOff.maxMs, backOff.firstMs * 2 ** index);
    assert.ok(ms >= bound / 2 && ms <= bound, `${ms} ms after ${index + 1} failures`);
  });
});

test('a socket that says nothing is given up', async (t) => {
  let isSilent = true;
  class Silent extends WebSocket {
    set onmessage(handler) { super.onmessage = handler && ((event) => { if (!isSilent || event.data.includes('"hello"')) handler(event); }); }
    get onmessage() { return super.onmessage; }
  }
  const { told, is } = client(t, { WebSocket: Silent });
  await is('open');
  await until('the end of the silence', () => told.statuses.some(({ reason }) => reason === 'silence'));
  isSilent = false;
  await is('open');
});

test('a flood of sends keeps the gateway\'s rate', async (t) => {
  const { connection, told } = client(t);
  await Promise.all(Array.from({ length: 300 }, (_, number) => connection.send(number)));
  assert.deepEqual(told.statuses.map(({ state }) => state), ['connecting', 'open']);
});
