// Drives the client of openapi-generator's typescript-axios: `OPERATOR_KEY=<key> node axios.js <base-url>`.
// Prints what it met as one JSON object.
import { randomUUID } from 'node:crypto';
import { isAxiosError } from 'axios';
import {
  Channel,
  Configuration,
  OperatorApi,
  ProspectApi,
  type ClientFrame,
  type ConnectSocketRequest,
  type GapEvent,
  type OperatorEvent,
  type Problem,
  type ServerFrame,
} from './generated/index.js';
import { Refused } from './events.js';
import { Socket } from './socket.js';
import { watch } from './watch.js';

const DEVICE = 'my_deviceTag';
const HALF_REF = 'l8t0rw2m4zzpi1goeytt597bhtz31ljbf0zo0vz1w2kxeskgwmz36bjafvg8kx1rbwb2bzm4l0xgmux81t';
const [baseUrl] = process.argv.slice(2);
const { OPERATOR_KEY: operatorKey } = process.env;
if (!baseUrl || !operatorKey) throw new Error('usage: OPERATOR_KEY=<key> node axios.js <base-url>');

const api = (apiKey: string) => new ProspectApi(new Configuration({ basePath: baseUrl, apiKey }));
const operator = new OperatorApi(new Configuration({ basePath: baseUrl, accessToken: operatorKey }));
const problems: Problem[] = [];

/** An AxiosError is of the type that its reader gives it. */
async function meet(call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return false;
  } catch (thrown) {
    if (!isAxiosError<Problem>(thrown) || thrown.response === undefined) throw thrown;
    const { type, title, status, detail, success, requestId, errors = [] } = thrown.response.data;
    problems.push({
      type, title, status, detail, success, requestId,
      errors: errors.map(({ pointer, code, detail }) => ({ pointer, code, detail })),
    });
    return true;
  }
}

const { data: { token } } = await api('').requestToken({ channel: Channel.Test, deviceTag: DEVICE });
const prospect = api(token);
const example: ConnectSocketRequest = { halfRef: HALF_REF, deviceTag: DEVICE };
await prospect.connectSocket(example);
await prospect.connectSocket({ ...example, linkinjected: null });
await prospect.connectSocket({ ...example, linkinjected: 'https://example.com/friend' });

const socket = new Socket<ServerFrame, ClientFrame>(baseUrl, HALF_REF);
const hello = await socket.next();
if (hello.type !== 'hello') throw new Error(`not a hello: ${hello.type}`);
const queued = await operator.sendMessage(DEVICE, { data: { text: 'Hello, prospect' } });
const message = await socket.next();
if (message.type !== 'message' || message.seq !== queued.data.seq) throw new Error(`not the message: ${message.type}`);
socket.send({ type: 'ack', seq: message.seq });
socket.send({ type: 'message', id: randomUUID(), data: { text: 'Hello, operator' } });
const accepted = await socket.next();
if (accepted.type !== 'accepted') throw new Error(`not accepted: ${accepted.type}`);
await socket.close();
await operator.sendMessage(DEVICE, { data: 'Too late', ttlSeconds: 1 });

await meet(api('no-token').connectSocket(example));
await meet(prospect.connectSocket(example));
const deviceData = Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`member${n}`, n]));
await meet(api('').requestToken({ channel: Channel.Test, deviceTag: DEVICE, deviceData }));
for (let n = 0; n < 50; n += 1) {
  if (await meet(prospect.connectSocket({ halfRef: randomUUID(), deviceTag: DEVICE }))) break;
}

/** Its generated type is that of the whole text, but axios hands out the body as it comes. */
async function openEvents(lastEventId: string) {
  const stream = await operator.streamEvents(lastEventId, undefined, { responseType: 'stream' }).catch((thrown: unknown) => {
    const status = isAxiosError(thrown) ? thrown.response?.status : undefined;
    if (status !== undefined && status !== 429 && status < 500) throw new Refused(`status ${status}`);
    throw thrown;
  });
  return stream.data as unknown as AsyncIterable<Uint8Array>;
}

const KINDS: OperatorEvent['event'][] = ['connected', 'message', 'disconnected', 'expired'];
async function release(through: string) {
  await operator.releaseEvents(through);
}
const { events, next } = await watch<OperatorEvent>(openEvents, release, KINDS);
const gap: GapEvent | undefined = next?.event === 'gap' ? next : undefined;

console.log(JSON.stringify({ received: message.data, accepted: accepted.id, typed: false, problems, events, gap }));
