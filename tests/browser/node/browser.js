'use strict';

// Drives one page of a browser: one JSON line `[method, ...arguments]` on stdin, one JSON answer a
// line on stdout. The methods are those of Playwright's Page, and the few below.
const path = require('node:path');
const readline = require('node:readline');

const { chromium } = require(path.join(process.cwd(), 'node_modules', 'playwright-core'));

const [executablePath] = process.argv.slice(2);
const noticed = { errors: [], hosts: [] };
let browser;
let page;

const open = async (options = {}) => {
  browser ??= await chromium.launch({ executablePath });
  await page?.context().close();
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on('pageerror', (error) => noticed.errors.push(String(error)));
  page.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) noticed.errors.push(message.text());
  });
  page.on('request', (request) => noticed.hosts.push(new URL(request.url()).host));
};

const own = {
  // A browser nobody has used before.
  open,
  // What went wrong on the pages, and whom they asked for anything.
  forgive: async () => { noticed.errors.length = 0; },
  noticed: async () => ({ ...noticed, hosts: [...new Set(noticed.hosts)] }),
};

const plain = (value) => {
  try {
    return JSON.parse(JSON.stringify(value ?? null));
  } catch {
    return null;
  }
};

const answer = async (line) => {
  const [method, ...given] = JSON.parse(line);
  try {
    const result = method in own ? await own[method](...given) : await page[method](...given);
    return { result: ['goto', 'reload', 'waitForSelector', 'screenshot'].includes(method) ? null : plain(result) };
  } catch (error) {
    return { error: error.message };
  }
};

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
  }
  await browser?.close();
})();
