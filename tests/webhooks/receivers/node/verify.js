// Verifies one request with a library: the body on standard input, its headers and the secret in
// the environment, as the programs in docs/webhooks.md take them.
const { readFileSync } = require('node:fs');

const { Webhook } = require(process.argv[2]);
const { WEBHOOK_SECRET, WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE } = process.env;

new Webhook(WEBHOOK_SECRET).verify(readFileSync(0, 'utf8'), {
  'webhook-id': WEBHOOK_ID,
  'webhook-timestamp': WEBHOOK_TIMESTAMP,
  'webhook-signature': WEBHOOK_SIGNATURE,
});
