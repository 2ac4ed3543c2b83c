// What connect-socket.js does when the page, the network or the clock of a real browser changes:
// `node page-events.mjs <base-url>`. Stops at the first thing that is not as it should be, with exit code 1.
import assert from 'node:assert/strict';
import { launch } from './browser.mjs';

const RUN_MS = 120_000;
const [url] = process.argv.slice(2);
setTimeout(() => { throw new Error(`not done after ${RUN_MS} ms`); }, RUN_MS).unref();

/** Connects from a page, which then has what the connection said as `told`. */
async function connected(context, deviceTag) {
  const page = await context.newPage();
  await page.goto(`${url}/livez`);
  await page.evaluate(async ([url, deviceTag]) => {
    const { connect } = await import('/connect-socket.js');
    const told = { statuses: [], sent: [], received: [] };
    const connection = connect({
      url, deviceTag, channel: 'test', tabs: false,
      onStatus: (status) => told.statuses.push({ ...status, at: performance.now() }),
      onFrame: (direction, text) => told[direction].push(JSON.parse(text)),
      onError: () => {},
    });
    Object.assign(globalThis, { connection, told });
  }, [url, deviceTag]);
  await opens(page, 1);
  return page;
}

const opens = (page, count) =>
  page.waitForFunction((count) => told.statuses.filter(({ state }) => state === 'open').length >= count, count, { timeout: 30_000 });
const pongs = (page, count) =>
  page.waitForFunction((count) => told.received.filter(({ type }) => type === 'pong').length >= count, count, { timeout: 30_000 });

async function says(what, act) {
  await act();
  console.log(`ok: ${what}`);
}

const browser = await launch();
const context = await browser.newContext({ bypassCSP: true });

await says('a page that is shown again, and a network that is back, ask the socket whether it lives', async () => {
  const page = await connected(context, 'shown');
  for (const [index, [target, event]] of [
    ['window', 'pageshow'], ['window', 'online'], ['window', 'offline'], ['document', 'visibilitychange'],
  ].entries()) {
    await page.evaluate(([target, event]) => globalThis[target].dispatchEvent(new Event(event)), [target, event]);
    await pongs(page, index + 1);
  }
  await page.evaluate(() => { connection.close(); window.dispatchEvent(new Event('online')); });
  assert.equal(await page.evaluate(() => connection.status.state), 'closed');
});

await says('a socket that is lost with the network returns as soon as the network does', async () => {
  const page = await connected(context, 'offline');
  await context.setOffline(true);
  const accepted = page.evaluate(() => connection.send('said without a network'));
  await page.evaluate(() => connection.reconnect());
  const wait = await page.waitForFunction(() => told.statuses.find(({ retryInMs }) => retryInMs > 8_000), undefined, { timeout: 60_000 });
  await context.setOffline(false);
  await opens(page, 2);
  const [waiting, opened] = [await wait.jsonValue(), await page.evaluate(() => told.statuses.findLast(({ state }) => state === 'open'))];
  assert.ok(opened.at - waiting.at < waiting.retryInMs, 'it waited to the end');
  await accepted;
});

await says('a clock that is set changes nothing', async () => {
  const page = await connected(context, 'clock');
  for (const day of [86_400_000, -86_400_000]) {
    await page.evaluate((day) => { const { now } = Date; Date.now = () => now() + day; }, day);
    await page.evaluate(() => connection.send('a day later, or earlier'));
  }
  assert.deepEqual(await page.evaluate(() => told.statuses.map(({ state }) => state)), ['connecting', 'open']);
});

await browser.close();
