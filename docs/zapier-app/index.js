'use strict';

const { version: platformVersion } = require('zapier-platform-core');

const { version } = require('./package.json');
const authentication = require('./authentication');
const { addKey, refuseErrors } = require('./http');
const callDisposition = require('./triggers/call_disposition');
const outboundCall = require('./creates/outbound_call');

module.exports = {
  version,
  platformVersion,
  authentication,
  beforeRequest: [addKey],
  afterResponse: [refuseErrors],
  triggers: { [callDisposition.key]: callDisposition },
  creates: { [outboundCall.key]: outboundCall },
};
