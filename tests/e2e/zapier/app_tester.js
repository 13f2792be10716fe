'use strict';

// Runs the integration in the current folder with Zapier's own tester: one JSON question a line
// on stdin, one JSON answer a line on stdout.
const readline = require('node:readline');
const path = require('node:path');

const folder = process.cwd();
const zapier = require(path.join(folder, 'node_modules', 'zapier-platform-core'));
const App = require(folder);

const tester = zapier.createAppTester(App);

const named = (dotted) => dotted.split('.').reduce((part, name) => part[name], App);

const questions = {
  // What the integration's definition says.
  read: ({ path: dotted }) => named(dotted),
  // A function of the integration, as Zapier runs it.
  run: ({ method, bundle }) => tester(named(method), bundle),
  // A request of our own, sent as Zapier sends every request.
  request: ({ options, bundle }) =>
    tester(async (z) => {
      const { status, data } = await z.request({ skipThrowForStatus: true, ...options });
      return { status, data };
    }, bundle),
  // What Zapier checks when the integration is pushed.
  validate: async () => {
    const handler = zapier.createAppHandler(App);
    return (await handler({ command: 'validate' })).results;
  },
};

const answer = async (line) => {
  const { question, ...details } = JSON.parse(line);
  try {
    return { result: await questions[question](details) };
  } catch (error) {
    return { error: { name: error.name, message: error.message } };
  }
};

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
  }
})();
