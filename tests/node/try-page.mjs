// Walks through the try page of a gateway in a headless Chromium, as prospect and as operator:
// `node try-page.mjs <base-url> <operator-key> <screenshot-directory>`.
// Stops at the first thing that is not as it should be, with a message and exit code 1.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { complaints, fits, newContext, newPage, says, walk } from './walk.mjs';

const RUN_MS = 300_000;
const [base, key, screenshots] = process.argv.slice(2);
if (!base || !key || !screenshots) throw new Error('usage: node try-page.mjs <base-url> <operator-key> <screenshot-directory>');
const { origin } = new URL(base);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function openPage(context, path) {
  const page = await newPage(context, origin);
  page.on('request', (request) => {
    if (request.url().includes(key)) complaints.push(`the key is in a URL: ${request.url()}`);
  });
  await page.goto(`${origin}${path}`);
  return page;
}

/** What axe finds, each with the elements that it means. */
async function accessible(page) {
  // The page's policy forbids a script of another origin or an inline one; `evaluate` is neither.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`);
  assert.deepEqual(found, [], 'axe finds something');
}

const text = (page, selector, expected) => page.locator(selector, { hasText: expected }).first().waitFor();

/** Both sides connect, talk, and lose nothing while the line is cut. */
async function conversation(page) {
  await says('the prospect connects', async () => {
    await page.getByRole('button', { name: 'Connect' }).first().click();
    await text(page, '#prospect-state', 'Open');
    for (const name of ['token', 'authorise', 'open']) await page.locator(`#step-${name}[data-state=done]`).waitFor();
    await text(page, '#frames', '"type":"hello"');
  });
  await says('the operator connects, and sees the prospect', async () => {
    await page.getByLabel('Operator key').fill(key);
    await page.locator('#enter-button').click();
    await text(page, '#operator-state', 'Reading events');
    await text(page, '#people', await page.locator('#device-tag').inputValue());
  });
  await says('messages pass both ways', async () => {
    await page.getByLabel('Message to the operator').fill('Hello, operator');
    await page.keyboard.press('Enter');
    await text(page, '#talk li.mine', 'accepted');
    await text(page, '#events', 'Hello, operator');
    await page.getByLabel('Message', { exact: true }).fill('Hello, prospect');
    await page.locator('#tell-button').click();
    await text(page, '#talk li:not(.mine)', 'Hello, prospect');
    await text(page, '#counts', '1 of 1 accepted · 1 of 1 acknowledged');
  });
  await says('a message that is held back is not acknowledged', async () => {
    await page.getByLabel('Hold back acknowledgements').check();
    await page.getByLabel('Message', { exact: true }).fill('{"text":"Wait","n":1}');
    await page.keyboard.press('Enter');
    await text(page, '#counts', '1 of 2 acknowledged');
    await page.getByRole('button', { name: 'Acknowledge' }).click();
    await text(page, '#counts', '2 of 2 acknowledged');
    await page.getByLabel('Hold back acknowledgements').uncheck();
  });
  await says('what is sent while the line is cut is not lost', async () => {
    await page.getByRole('button', { name: 'Cut the line' }).click();
    await text(page, '#prospect-state', 'Cut off');
    for (const message of ['one', 'two']) {
      await page.getByLabel('Message to the operator').fill(message);
      await page.keyboard.press('Enter');
    }
    await page.getByLabel('Message', { exact: true }).fill('meanwhile');
    await page.locator('#tell-button').click();
    await text(page, '#tell-note', 'waits in the outbox');
    await text(page, '#counts', '1 of 3 accepted');
    await page.screenshot({ path: join(screenshots, 'try-cut.png'), fullPage: true });
    await page.getByRole('button', { name: 'Restore the line' }).click();
    await text(page, '#counts', '3 of 3 accepted · 3 of 3 acknowledged');
    await text(page, '#events', 'two');
  });
}

async function code(page) {
  await says('each step shows its code with the real values', async () => {
    const device = await page.locator('#device-tag').inputValue();
    for (const summary of await page.locator('.code > summary').all()) await summary.click();
    for (const [language, beginning] of [['curl', 'curl '], ['fetch', 'const response = await fetch('], ['axios', 'const response = await axios(']]) {
      await page.locator(`#language input[value=${language}]`).check({ force: true });
      const shown = await page.locator('#step-authorise pre').innerText();
      assert.ok(shown.startsWith(beginning) && shown.includes(device), shown);
      assert.match(shown, /halfRef"?: ?"[0-9a-f]{48}"/);
    }
    const operators = await page.locator('#code-tell pre').innerText();
    assert.ok(!operators.includes(key) && operators.includes('Bearer ••••••••'), operators);
    const erases = await page.locator('#code-erase pre').innerText();
    assert.ok(erases.includes(`/operator/prospects/${device}/data`) && erases.includes('DELETE'), erases);
    await page.locator('#code-tell').getByRole('button', { name: 'Copy' }).click();
    assert.ok((await page.evaluate(() => navigator.clipboard.readText())).includes(key), 'the copy has the key');
    await page.locator('#language input[value=curl]').check({ force: true });
    await page.screenshot({ path: join(screenshots, 'try-code.png'), fullPage: true });
    for (const summary of await page.locator('.code > summary').all()) await summary.click();
  });
  await says('the key is in no storage, and gone after a reload', async () => {
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]));
    assert.ok(!kept.includes(key), kept);
    await page.reload();
    assert.equal(await page.getByLabel('Operator key').inputValue(), '');
  });
}

/** The operator erases the prospect: it is disconnected, and what it said is gone. */
async function erasure(page, view) {
  await says('a prospect is erased, once its operator is sure', async () => {
    const device = await page.locator('#device-tag').inputValue();
    assert.equal(await page.getByLabel('Device tag to erase').inputValue(), device);
    await page.locator('#erase-button').click();
    await text(page, '#erase-question', `Erase ${device} for good?`);
    await accessible(page);
    await fits(page);
    await page.screenshot({ path: join(screenshots, `try-${view}-erase.png`), fullPage: true });
    await page.getByRole('button', { name: 'Keep it' }).click();
    await text(page, '#prospect-state', 'Open');
    await page.getByLabel('Device tag to erase').press('Enter');
    await page.keyboard.press('Enter');
    await text(page, '#erase-note', `${device} is erased`);
    await text(page, '#prospect-trouble', '4003');
    await text(page, '#people-empty', 'No one is connected');
    await page.locator('#events li', { hasText: device }).waitFor({ state: 'detached' });
    const known = await fetch(`${origin}/operator/prospects/${device}`, { headers: { authorization: `Bearer ${key}` } });
    assert.equal(known.status, 404);
  });
}

/** A connection by keyboard alone, from the top of the page. */
async function keyboard(page) {
  await says('everything is reached by keyboard', async () => {
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the prospect');
    await page.keyboard.press('Enter');
    for (let tabs = 0; tabs < 3; tabs += 1) await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'connect-button');
    await page.keyboard.press('Enter');
    await text(page, '#prospect-state', 'Open');
  });
}

async function mistakes(page) {
  await says('mistakes get sentences that say what to do', async () => {
    await page.getByLabel('Operator key').fill('not-the-key');
    await page.locator('#enter-button').click();
    await text(page, '#operator-trouble', 'A trial prints its key');
    // The browser reports the 401 itself.
    assert.equal(complaints.splice(0).length, 1);
    await page.locator('#enter-button', { hasText: 'Connect' }).waitFor();
  });
}

await walk(RUN_MS, screenshots, async (browser) => {
  for (const [width, height] of [[1280, 900], [390, 844]]) {
    for (const colorScheme of ['light', 'dark']) {
      const context = await newContext(browser, { viewport: { width, height }, colorScheme, reducedMotion: 'reduce' });
      await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin });
      const page = await openPage(context, '/');
      const view = `${colorScheme}, ${width} px`;
      await says(`the home page leads here (${view})`, async () => {
        await accessible(page);
        await fits(page);
        await page.screenshot({ path: join(screenshots, `home-${width}-${colorScheme}.png`), fullPage: true });
        await page.getByRole('link', { name: 'Try it' }).click();
        await page.getByRole('heading', { name: 'Both ends of one conversation' }).waitFor();
      });
      await says(`an empty page is accessible (${view})`, async () => {
        await accessible(page);
        await fits(page);
        await page.screenshot({ path: join(screenshots, `try-${width}-${colorScheme}-empty.png`), fullPage: true });
      });
      await conversation(page);
      await says(`a full page is accessible (${view})`, async () => {
        await accessible(page);
        await fits(page);
        await page.screenshot({ path: join(screenshots, `try-${width}-${colorScheme}.png`), fullPage: true });
      });
      await erasure(page, `${width}-${colorScheme}`);
      await code(page);
      if (width === 1280) await keyboard(page);
      await mistakes(page);
      await says(`nothing moves (${view})`, async () => {
        const moving = await page.evaluate(() => document.getAnimations().length);
        assert.equal(moving, 0);
      });
      await context.close();
    }
  }
});
