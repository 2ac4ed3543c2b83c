// Walks a newcomer's path through the Swagger UI of a gateway in trial mode, in a headless Chromium:
// `node swagger-ui.mjs <base-url> <operator-key> <screenshot-directory>`; CHROMIUM names another browser.
// Stops at the first thing that is not as it should be, with a message and exit code 1.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { complaints, fits, newContext, newPage, says, walk } from './walk.mjs';

const RUN_MS = 120_000;
const [base, key, screenshots] = process.argv.slice(2);
if (!base || !key || !screenshots) throw new Error('usage: node swagger-ui.mjs <base-url> <operator-key> <screenshot-directory>');
const { origin } = new URL(base);
const ui = `${origin}/swagger-ui/`;

async function newcomer(context) {
  const page = await openPage(context);
  await says('/ leads to the Swagger UI', async () => {
    const response = await page.goto(`${origin}/`);
    assert.equal(response.status(), 200);
    await page.getByRole('link', { name: 'Swagger UI' }).click();
    await page.waitForURL(ui);
    await page.locator('.opblock').first().waitFor();
    await page.screenshot({ path: join(screenshots, 'swagger-ui.png') });
  });
  await says('three clicks lead to a 200', async () => {
    const clicks = () => page.evaluate(() => globalThis.clicks);
    const before = await clicks();
    const token = await open(page, 'prospect', 'requestToken');
    assert.deepEqual(await prefilled(token), {
      channel: 'test', deviceTag: 'my_deviceTag', deviceData: { platform: 'test' },
    });
    assert.match((await execute(token)).token, /^\S{64,}$/);
    const operation = page.locator('#operations-prospect-connectSocket.is-open');
    await operation.waitFor();
    await operation.getByRole('button', { name: 'authorization button locked' }).waitFor();
    assert.deepEqual(Object.keys(await prefilled(operation)), ['halfRef', 'deviceTag']);
    assert.deepEqual(await execute(operation), { success: true });
    assert.equal(await clicks() - before, 3);
    await operation.locator('.responses-wrapper').evaluate((element) => element.scrollIntoView());
    await page.screenshot({ path: join(screenshots, 'connect-socket.png') });
  });
  await says('each try has a halfRef of its own', async () => {
    const operation = await open(page, 'prospect', 'connectSocket');
    const { halfRef } = await prefilled(operation);
    assert.deepEqual(await execute(operation), { success: true });
    assert.notEqual((await prefilled(operation)).halfRef, halfRef);
  });
  await says('the token outlives a reload', async () => {
    await page.reload();
    const operation = await open(page, 'prospect', 'connectSocket');
    await operation.getByRole('button', { name: 'authorization button locked' }).waitFor();
    assert.deepEqual(await execute(operation), { success: true });
  });
  await says('the examples of refusals open on demand', async () => {
    const refusal = page.locator('#operations-prospect-connectSocket tr.response[data-code="401"]').first();
    assert.equal(await refusal.locator('.highlight-code, select').count(), 0);
    await refusal.getByRole('button').first().click();
    await refusal.locator('pre', { hasText: 'urn:connect-socket:problem:token-' }).waitFor();
    await refusal.getByRole('button', { expanded: true }).first().click();
    assert.equal(await refusal.locator('.highlight-code, select').count(), 0);
  });
  await says('the request is shown as curl, and how long it took', async () => {
    const operation = page.locator('#operations-prospect-connectSocket');
    const curl = operation.locator('.request-snippets .curl');
    assert.match(await curl.innerText(), /^curl -X 'POST'[^]*\/prospect\/connectsocket/);
    assert.match(await operation.locator('.live-responses-table').innerText(), /Request duration\s+\d+ ms/);
  });
  await page.close();
}

async function operator(context) {
  const page = await openPage(context);
  await says('the event stream streams, and stops', async () => {
    await page.goto(ui);
    await page.locator('.opblock').first().waitFor();
    await authorise(page, 'operatorKey', key);
    const operation = await open(page, 'operator', 'streamEvents');
    await operation.getByRole('button', { name: 'Stream', exact: true }).click();
    await operation.locator('.gateway-stream', { hasText: ': ' }).waitFor();
    await operation.getByRole('button', { name: 'Stop', exact: true }).click();
    await operation.getByRole('button', { name: 'Stream', exact: true }).waitFor();
  });
  await says('the schema of the event stream is that of its events', async () => {
    const operation = page.locator('#operations-operator-streamEvents');
    await operation.getByRole('tab', { name: 'Schema' }).click();
    const data = operation.locator('.json-schema-2020-12-property', { hasText: 'application/json' }).last();
    await data.getByRole('button', { name: 'Expand all' }).first().click();
    await operation.getByText('#0 ConnectedEvent').waitFor();
    await operation.getByText('#4 GapEvent').waitFor();
    await operation.screenshot({ path: join(screenshots, 'event-schema.png') });
  });
  await says('the operator key is kept nowhere', async () => {
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
    assert.ok(!kept.includes(key), kept);
    await page.reload();
    await page.locator('#operations-operator-sendMessage').getByRole('button', { name: 'authorization button unlocked' }).waitFor();
  });
  await says('a key that is refused is taken out', async () => {
    await authorise(page, 'operatorKey', 'x'.repeat(40));
    const operation = await open(page, 'operator', 'listProspects');
    await operation.getByRole('button', { name: 'Execute' }).click();
    await operation.getByRole('button', { name: 'authorization button unlocked' }).waitFor();
    assert.equal(complaints.splice(0).length, 2, 'the browser reports the 401');
  });
  await says('the websocket leads to the try page', async () => {
    const operation = await open(page, 'prospect', 'openSocket');
    await operation.getByRole('link', { name: 'Open a socket on the try page' }).click();
    await page.waitForURL(`${origin}/try/`);
  });
  await page.close();
}

async function phone(browser) {
  const context = await newContext(browser, { viewport: { width: 390, height: 844 }, colorScheme: 'dark' });
  const page = await openPage(context);
  await says('it fits a phone, and is dark where the phone is', async () => {
    await page.goto(`${ui}#/prospect/connectSocket`);
    await page.locator('#operations-prospect-connectSocket.is-open').waitFor();
    await page.locator('html.dark-mode').waitFor();
    await page.screenshot({ path: join(screenshots, 'swagger-ui-phone.png') });
    await fits(page);
  });
  await context.close();
}

async function deepLink(context) {
  const page = await openPage(context);
  await says('a deep link opens its operation', async () => {
    await page.goto(`${ui}#/prospect/connectSocket`);
    await page.locator('#operations-prospect-connectSocket.is-open').waitFor();
    assert.equal(await page.locator('.opblock.is-open').count(), 1);
  });
  await page.close();
}

async function unions(context) {
  const page = await openPage(context);
  await says('the members of a union have their names', async () => {
    await page.goto(ui);
    assert.equal(await page.title(), 'Connect Socket gateway: Swagger UI');
    await page.locator('section.models > h4 button').click();
    const union = page.locator('section.models article', { hasText: /^ServerFrame/ });
    await union.getByRole('button', { name: 'Expand all' }).first().click();
    await union.getByText('#5 ByeFrame').waitFor();
    await union.screenshot({ path: join(screenshots, 'union.png') });
  });
  await page.close();
}

async function bothDocuments(context) {
  const page = await openPage(context);
  await says('each document can be chosen', async () => {
    await page.goto(ui);
    const choice = page.locator('.topbar select');
    await choice.waitFor();
    const values = await choice.locator('option').evaluateAll((options) => options.map((option) => option.value));
    assert.deepEqual(values, ['/openapi.json', '/openapi-3.0.json', '/openapi-3.2.json']);
    await shows(page, 'OAS 3.1');
    await choice.selectOption('/openapi-3.0.json');
    await shows(page, 'OAS 3.0');
    await choice.selectOption('/openapi-3.2.json');
    await shows(page, 'OAS 3.2');
  });
  await page.close();
}

async function shows(page, version) {
  await page.locator('.version-stamp', { hasText: version }).waitFor();
  await page.locator('#operations-prospect-connectSocket').waitFor();
  await page.waitForLoadState('networkidle');
  assert.equal(await page.locator('.errors-wrapper').count(), 0, 'the page shows errors in the document');
}

async function open(page, tag, operationId) {
  const operation = page.locator(`#operations-${tag}-${operationId}`);
  await operation.waitFor();
  if (!(await operation.getAttribute('class')).includes('is-open')) {
    await operation.locator('.opblock-summary-control').click();
  }
  return operation;
}

async function prefilled(operation) {
  return JSON.parse(await operation.locator('textarea.body-param__text').inputValue());
}

async function execute(operation) {
  const answered = operation.page().waitForResponse((response) => /^\/(token|prospect)/.test(new URL(response.url()).pathname));
  await operation.getByRole('button', { name: 'Execute' }).click();
  await answered;
  const response = operation.locator('.live-responses-table tr.response');
  await response.waitFor();
  assert.match(await response.locator('.response-col_status').innerText(), /^200\b/);
  return JSON.parse(await response.locator('.highlight-code pre').first().innerText());
}

async function authorise(page, scheme, value) {
  await page.locator('.auth-wrapper > button.authorize').click();
  const form = page.locator('.modal-ux .auth-container', { has: page.locator('h4 code', { hasText: new RegExp(`^${scheme}$`) }) });
  await form.locator('input').fill(value);
  await form.getByRole('button', { name: 'Apply credentials' }).click();
  await form.getByRole('button', { name: 'Remove authorization' }).waitFor();
  await page.locator('.modal-ux').getByRole('button', { name: 'Close' }).last().click();
}

async function openPage(context) {
  const page = await newPage(context, origin);
  page.on('requestfailed', (request) => {
    // The stream ends when it is stopped.
    if (request.url() === `${origin}/operator/events`) return;
    complaints.push(`failed: ${request.url()} ${request.failure()?.errorText}`);
  });
  page.on('response', (response) => response.status() >= 400 && complaints.push(`${response.status()}: ${response.url()}`));
  return page;
}

await walk(RUN_MS, screenshots, async (browser) => {
  const context = await newContext(browser, { viewport: { width: 1280, height: 900 } });
  await context.addInitScript(() => {
    globalThis.clicks = 0;
    document.addEventListener('click', () => { globalThis.clicks += 1; }, true);
  });
  await newcomer(context);
  await operator(context);
  await deepLink(context);
  await unions(context);
  await bothDocuments(context);
  await phone(browser);
});
