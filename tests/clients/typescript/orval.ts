// Drives the client of orval: `OPERATOR_KEY=<key> node orval.js <base-url>`.
// Prints what it met as one JSON object.
import { randomUUID } from 'node:crypto';
import * as sdk from './generated/client.js';
import { Refused } from './events.js';
import { Socket } from './socket.js';
import { watch } from './watch.js';

type OperatorEvent = sdk.OperatorEvent;

const DEVICE = 'my_deviceTag';
const HALF_REF = 'l8t0rw2m4zzpi1goeytt597bhtz31ljbf0zo0vz1w2kxeskgwmz36bjafvg8kx1rbwb2bzm4l0xgmux81t';
const [baseUrl] = process.argv.slice(2);
const { OPERATOR_KEY: operatorKey } = process.env;
if (!baseUrl || !operatorKey) throw new Error('usage: OPERATOR_KEY=<key> node orval.js <base-url>');

// The generated functions read it at each call.
process.env.GATEWAY_URL = baseUrl;
const headers = { Authorization: `Bearer ${operatorKey}` };
const problems: sdk.Problem[] = [];

/** Keeps the problem of an answer: its status tells which type its data has. */
function meet(answer: sdk.connectSocketResponse | sdk.requestTokenResponse): boolean {
  if (answer.status === 200) return false;
  const { type, title, status, detail, success, requestId, errors = [] } = answer.data;
  problems.push({
    type, title, status, detail, success, requestId,
    errors: errors.map(({ pointer, code, detail }) => ({ pointer, code, detail })),
  });
  return true;
}

const connectSocket = (token: string, body: sdk.ConnectSocketRequest) => sdk.connectSocket(body, { headers: { token } });

async function authorise(body: sdk.ConnectSocketRequest) {
  const answer = await connectSocket(token, body);
  if (answer.status !== 200) throw new Error(`refused: ${answer.data.detail}`);
}

async function sendMessage(body: sdk.SendMessageRequest) {
  const answer = await sdk.sendMessage(DEVICE, body, undefined, { headers });
  if (answer.status !== 202) throw new Error(`not queued: ${answer.status}`);
  return answer.data;
}

const issued = await sdk.requestToken({ channel: 'test', deviceTag: DEVICE });
if (issued.status !== 200) throw new Error(`refused: ${issued.data.detail}`);
const { token } = issued.data;
const example: sdk.ConnectSocketRequest = { halfRef: HALF_REF, deviceTag: DEVICE };
await authorise(example);
await authorise({ ...example, linkinjected: null });
await authorise({ ...example, linkinjected: 'https://example.com/friend' });

const socket = new Socket<sdk.ServerFrame, sdk.ClientFrame>(baseUrl, HALF_REF);
const hello = await socket.next();
if (hello.type !== 'hello') throw new Error(`not a hello: ${hello.type}`);
const queued = await sendMessage({ data: { text: 'Hello, prospect' } });
const message = await socket.next();
if (message.type !== 'message' || message.seq !== queued.seq) throw new Error(`not the message: ${message.type}`);
socket.send({ type: 'ack', seq: message.seq });
socket.send({ type: 'message', id: randomUUID(), data: { text: 'Hello, operator' } });
const accepted = await socket.next();
if (accepted.type !== 'accepted') throw new Error(`not accepted: ${accepted.type}`);
await socket.close();
await sendMessage({ data: 'Too late', ttlSeconds: 1 });

meet(await connectSocket('no-token', example));
meet(await connectSocket(token, example));
const deviceData = Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`member${n}`, n]));
meet(await sdk.requestToken({ channel: 'test', deviceTag: DEVICE, deviceData }));
for (let n = 0; n < 50; n += 1) {
  if (meet(await connectSocket(token, { halfRef: randomUUID(), deviceTag: DEVICE }))) break;
}

/** The generated `streamEvents` reads a body to its end, which does not come. */
async function openEvents(lastEventId: string) {
  const opened = await fetch(sdk.getStreamEventsUrl(), { headers: { ...headers, 'Last-Event-ID': lastEventId } });
  if (opened.status >= 400 && opened.status < 500 && opened.status !== 429) throw new Refused(opened.statusText);
  if (!opened.ok || !opened.body) throw new Error(opened.statusText);
  return opened.body;
}

const KINDS: OperatorEvent['event'][] = ['connected', 'message', 'disconnected', 'expired'];
async function release(through: string) {
  const { status } = await sdk.releaseEvents({ through }, { headers });
  if (status !== 204) throw new Error(`not released: ${status}`);
}
const { events, next } = await watch<OperatorEvent>(openEvents, release, KINDS);
const gap: sdk.GapEvent | undefined = next?.event === 'gap' ? next : undefined;

console.log(JSON.stringify({ received: message.data, accepted: accepted.id, typed: true, problems, events, gap }));
