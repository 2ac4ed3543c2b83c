// Drives the client of openapi-typescript and openapi-fetch: `OPERATOR_KEY=<key> node fetch.js <base-url>`.
// Prints what it met as one JSON object.
import { randomUUID } from 'node:crypto';
import createClient from 'openapi-fetch';
import type { components, paths } from './generated/contract.js';
import { Refused } from './events.js';
import { Socket } from './socket.js';
import { watch } from './watch.js';

type Schemas = components['schemas'];
type OperatorEvent = Schemas['OperatorEvent'];

const DEVICE = 'my_deviceTag';
const HALF_REF = 'l8t0rw2m4zzpi1goeytt597bhtz31ljbf0zo0vz1w2kxeskgwmz36bjafvg8kx1rbwb2bzm4l0xgmux81t';
const [baseUrl] = process.argv.slice(2);
const { OPERATOR_KEY: operatorKey } = process.env;
if (!baseUrl || !operatorKey) throw new Error('usage: OPERATOR_KEY=<key> node fetch.js <base-url>');

const client = createClient<paths>({ baseUrl });
const problems: Schemas['Problem'][] = [];

function succeed<Data>({ data, error }: { data?: Data; error?: Schemas['Problem'] }): Data {
  if (data === undefined) throw new Error(`refused: ${error?.detail}`);
  return data;
}

function meet({ error }: { error?: Schemas['Problem'] }): boolean {
  if (error === undefined) return false;
  const { type, title, status, detail, success, requestId, errors = [] } = error;
  problems.push({
    type, title, status, detail, success, requestId,
    errors: errors.map(({ pointer, code, detail }) => ({ pointer, code, detail })),
  });
  return true;
}

const requestToken = (body: Schemas['TokenRequest']) => client.PUT('/token', { body });
const connectSocket = (token: string, body: Schemas['ConnectSocketRequest']) =>
  client.POST('/prospect/connectsocket', { body, headers: { token } });

const { token } = succeed(await requestToken({ channel: 'test', deviceTag: DEVICE }));
const example: Schemas['ConnectSocketRequest'] = { halfRef: HALF_REF, deviceTag: DEVICE };
succeed(await connectSocket(token, example));
succeed(await connectSocket(token, { ...example, linkinjected: null }));
succeed(await connectSocket(token, { ...example, linkinjected: 'https://example.com/friend' }));

const socket = new Socket<Schemas['ServerFrame'], Schemas['ClientFrame']>(baseUrl, HALF_REF);
const hello = await socket.next();
if (hello.type !== 'hello') throw new Error(`not a hello: ${hello.type}`);
const queued = succeed(
  await client.POST('/operator/prospects/{deviceTag}/messages', {
    params: { path: { deviceTag: DEVICE } },
    headers: { Authorization: `Bearer ${operatorKey}` },
    body: { data: { text: 'Hello, prospect' } },
  }),
);
const message = await socket.next();
if (message.type !== 'message' || message.seq !== queued.seq) throw new Error(`not the message: ${message.type}`);
socket.send({ type: 'ack', seq: message.seq });
socket.send({ type: 'message', id: randomUUID(), data: { text: 'Hello, operator' } });
const accepted = await socket.next();
if (accepted.type !== 'accepted') throw new Error(`not accepted: ${accepted.type}`);
await socket.close();
const headers = { Authorization: `Bearer ${operatorKey}` };
succeed(
  await client.POST('/operator/prospects/{deviceTag}/messages', {
    params: { path: { deviceTag: DEVICE } }, headers, body: { data: 'Too late', ttlSeconds: 1 },
  }),
);

meet(await connectSocket('no-token', example));
meet(await connectSocket(token, example));
const deviceData = Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`member${n}`, n]));
meet(await requestToken({ channel: 'test', deviceTag: DEVICE, deviceData }));
for (let n = 0; n < 50; n += 1) {
  if (meet(await connectSocket(token, { halfRef: randomUUID(), deviceTag: DEVICE }))) break;
}

async function openEvents(lastEventId: string) {
  const params = { header: { 'Last-Event-ID': lastEventId } };
  const { data, error } = await client.GET('/operator/events', { params, headers, parseAs: 'stream' });
  if (error !== undefined && error.status !== 429 && error.status < 500) throw new Refused(error.detail);
  if (!data) throw new Error(error?.detail);
  return data;
}

const KINDS: OperatorEvent['event'][] = ['connected', 'message', 'disconnected', 'expired'];
async function release(through: string) {
  const { error } = await client.DELETE('/operator/events', { params: { query: { through } }, headers });
  if (error) throw new Error(`not released: ${error.detail}`);
}
const { events, next } = await watch<OperatorEvent>(openEvents, release, KINDS);
const gap: Schemas['GapEvent'] | undefined = next?.event === 'gap' ? next : undefined;

console.log(JSON.stringify({ received: message.data, accepted: accepted.id, typed: true, problems, events, gap }));
