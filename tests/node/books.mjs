// Traffic in both directions through connect-socket.js whose every message is accounted for:
// `node books.mjs node|browser|tabs|sleep <base-url> <operator-key> <messages>`. Prints `n of m` while it works, so that the
// caller can disturb the gateway meanwhile. Exits with 0 once every message arrived once and in order, both ways.
import assert from 'node:assert/strict';
import { launch } from './browser.mjs';

const [place, url, key, messages] = process.argv.slice(2);
const count = Number(messages);
const DEVICE = 'books';
const RUN_MS = 180_000 + 60 * Number(process.argv[5]);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const numbers = Array.from({ length: count }, (_, number) => number);

/** A prospect that sends its share of the numbers. It runs here or in a page, so it uses nothing from around it. */
async function prospect({ module, options, own }) {
  const { connect } = await import(module);
  const book = { received: [], accepted: 0, sent: 0, refused: [], statuses: [] };
  globalThis.book = book;
  const connection = connect({
    ...options,
    storage: globalThis.localStorage,
    onMessage: (data) => { book.received.push(data); },
    onStatus: ({ state, code, reason }) => {
      book.statuses.push([state, code, reason].filter((part) => part !== undefined).join(' '));
      if (book.statuses.length > 500) book.statuses.shift();
    },
    onError: () => {},
  });
  book.connection = connection;
  for (const number of own) {
    while (connection.queued >= 100) await new Promise((done) => setTimeout(done, 5));
    book.sent += 1;
    connection.send(number).then(() => { book.accepted += 1; }, (error) => book.refused.push(String(error)));
  }
}

const authorization = `Bearer ${key}`;

/** The operator sends every number, each with its own idempotency key, until it is queued. */
async function sendAll() {
  for (const number of [...numbers, 'end']) {
    for (let isQueued = false; !isQueued;) {
      const response = await fetch(`${url}/operator/prospects/${DEVICE}/messages`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json', 'idempotency-key': `message-${number}` },
        body: JSON.stringify({ data: number }),
        signal: AbortSignal.timeout(5_000),
      }).catch(() => undefined);
      isQueued = response?.status === 202;
      const text = await response?.text().catch(() => '');
      if (response && ![202, 404, 429, 503].includes(response.status)) throw new Error(`${response.status} ${text}`);
      if (!isQueued) await sleep(20);
    }
  }
}

const events = [];

/** The operator reads every event, and resumes where its stream was cut. */
async function readAll() {
  let last = '0';
  for (;;) {
    try {
      const response = await fetch(`${url}/operator/events`, { headers: { authorization, 'last-event-id': last } });
      let text = '';
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        const blocks = (text + chunk).split('\n\n');
        text = blocks.pop();
        for (const block of blocks) {
          const field = (name) => block.match(new RegExp(`^${name}: ?(.*)$`, 'm'))?.[1];
          assert.notEqual(field('event'), 'gap');
          if (!field('id')) continue;
          last = field('id');
          const { deviceTag, data } = JSON.parse(field('data'));
          if (field('event') === 'message' && deviceTag === DEVICE) events.push(data);
        }
      }
    } catch (error) {
      if (error instanceof assert.AssertionError) fail(error);
    }
    await sleep(20);
  }
}

function fail(error) {
  console.error(error);
  process.exit(1);
}

async function until(what, happened) {
  for (let ticks = 0; !(await happened()); ticks += 1) await sleep(50);
}

setTimeout(async () => {
  const arrived = await Promise.all(tabs.map((tab) => received(tab).then(({ length }) => length)));
  fail(`not done after ${RUN_MS} ms: ${events.length} events at the operator, ${arrived} messages at the prospect`);
}, RUN_MS).unref();
const options = { url, deviceTag: DEVICE, channel: 'browser', framesPerSecond: Number(process.env.FRAMES_PER_SECOND ?? 20) };

/** Each tab as `{ evaluate, own }`; all own numbers together are all numbers. */
const tabs = [];
let browser;
if (place === 'node') {
  const module = new URL('../../server/web/connect-socket.js', import.meta.url).href;
  prospect({ module, options, own: numbers }).catch(fail);
  tabs.push({ evaluate: (work, argument) => work(argument), own: numbers });
} else {
  browser = await launch();
  const context = await browser.newContext({ bypassCSP: true });
  const shares = place === 'tabs' ? [0, 1] : [0];
  for (const share of shares) {
    const own = numbers.filter((number) => number % shares.length === share);
    const page = await context.newPage();
    await page.goto(`${url}/livez`);
    page.evaluate(prospect, { module: '/connect-socket.js', options, own }).catch(() => {});
    tabs.push({ evaluate: (work, argument) => page.evaluate(work, argument), own, page });
    // The first one leads.
    await until('a book', () => page.evaluate(() => globalThis.book?.statuses.length > 0));
  }
}
readAll();
sendAll().catch(fail);

const received = (tab) => tab.evaluate(() => globalThis.book.received);
const progress = setInterval(async () => {
  console.log(`${events.length} of ${count}`);
}, 250);

if (place === 'sleep') {
  // The tab freezes for a while, as one in the background of a phone does.
  const session = await tabs[0].page.context().newCDPSession(tabs[0].page);
  for (let naps = 0; naps < 3; naps += 1) {
    await sleep(1_000);
    await session.send('Page.setWebLifecycleState', { state: 'frozen' });
    await sleep(1_500);
    await session.send('Page.setWebLifecycleState', { state: 'active' });
  }
}
if (place === 'tabs') {
  await until('the leader to have worked', () => events.length > count / 2);
  const [leader, follower] = tabs;
  assert.equal(await leader.evaluate(() => globalThis.book.connection.status.isLeader), true, 'the first tab leads');
  assert.equal(await follower.evaluate(() => globalThis.book.connection.status.isLeader), false, 'the second follows');
  // What the leader did not send yet is lost with it; what it queued passes to its successor.
  await until('everything to be queued', () => leader.evaluate(() => globalThis.book.sent).then((sent) => sent === leader.own.length));
  assert.deepEqual(duplicates(await received(leader)), [], 'the leader got a message twice');
  await leader.page.close();
  tabs.shift();
}

function duplicates(list) {
  return list.filter((item, index) => list.indexOf(item) !== index);
}

await until('every message to arrive', async () => {
  if (events.length < count) return false;
  for (const tab of tabs) if ((await received(tab)).at(-1) !== 'end') return false;
  return true;
});
// A doubled message would come with the next socket.
for (const tab of tabs) await tab.evaluate(() => { globalThis.book.connection.reconnect(); });
await sleep(1_500);
clearInterval(progress);
assert.deepEqual(duplicates(events), [], 'the operator got a message twice');
if (place === 'tabs') {
  assert.deepEqual([...events].sort((a, b) => a - b), numbers, 'sent by the tabs');
} else {
  assert.deepEqual(events, numbers, 'sent by the prospect');
}
for (const tab of tabs) {
  assert.deepEqual(await received(tab), [...numbers, 'end'], 'received by the prospect');
  const { sent, accepted, refused, queued } = await tab.evaluate(() => {
    const { sent, accepted, refused, connection } = globalThis.book;
    return { sent, accepted, refused, queued: connection.queued };
  });
  assert.deepEqual({ sent, accepted, refused, queued }, { sent: tab.own.length, accepted: tab.own.length, refused: [], queued: 0 });
}
await browser?.close();
console.log(`done: ${count} each way`);
process.exit(0);
