// Walks through pages of a gateway in a headless Chromium, step by step.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { launch } from './browser.mjs';

/** How long one step may take. */
const STEP_MS = 15_000;

/** What the browser complained of since the last step. */
export const complaints = [];
let step = 'start';

/** A step: it does what it says, and the browser complains of nothing. */
export async function says(what, act) {
  step = what;
  const result = await act();
  assert.deepEqual(complaints, [], 'the browser complains');
  console.log(`ok: ${what}`);
  return result;
}

/** A context in which a breach of a page's policy is an error in the console. */
export async function newContext(browser, options) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(STEP_MS);
  await context.addInitScript(() =>
    document.addEventListener('securitypolicyviolation', (event) =>
      console.error(`CSP ${event.violatedDirective} ${event.blockedURI}`)));
  return context;
}

/** A page whose errors and requests to another origin are complaints. */
export async function newPage(context, origin) {
  const page = await context.newPage();
  page.on('console', (message) => message.type() === 'error' && complaints.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(`page error: ${error}`));
  page.on('request', (request) => {
    const { protocol, origin: from } = new URL(request.url());
    if (protocol !== 'data:' && from !== origin) complaints.push(`another origin: ${request.url()}`);
  });
  return page;
}

/** The page needs no scrolling to the side. */
export async function fits(page) {
  const { scroll, width } = await page.evaluate(() => ({ scroll: document.documentElement.scrollWidth, width: innerWidth }));
  assert.ok(scroll <= width, `the page is ${scroll} px wide in ${width} px`);
}

function fail(reason) {
  console.error(`not ok: ${step}\n${reason?.stack ?? reason}`);
  for (const complaint of complaints) console.error(`  ${complaint}`);
  process.exit(1);
}

/** Takes the steps of a walk in a browser; ends the program with exit code 1 where one fails or all take too long. */
export async function walk(runMs, screenshots, steps) {
  setTimeout(() => fail(`not done after ${runMs} ms`), runMs).unref();
  mkdirSync(screenshots, { recursive: true });
  const browser = await launch();
  try {
    await steps(browser);
  } catch (error) {
    await browser.close();
    fail(error);
  }
  await browser.close();
}
