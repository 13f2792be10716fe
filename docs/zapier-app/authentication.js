'use strict';

const { endpoint } = require('./http');

// The secret goes into a header, never into a URL that somebody logs.
const test = async (z, bundle) => {
  const response = await z.request({
    url: endpoint(bundle, 'auth/test'),
    headers: {
      'X-Agent-Id': bundle.authData.agent_id || '',
      'X-Agent-Secret': bundle.authData.agent_secret || '',
    },
  });
  return response.data;
};

const connectionLabel = (z, bundle) => {
  const { account, agent_name: agent } = bundle.inputData;
  return agent ? `${account}: ${agent}` : account;
};

module.exports = {
  type: 'custom',
  test,
  connectionLabel,
  fields: [
    {
      key: 'server_url',
      label: 'Server URL',
      type: 'string',
      required: true,
      helpText: 'Where your Outdial server answers, for example `https://calls.example.org`.',
    },
    {
      key: 'api_key',
      label: 'API Key',
      type: 'password',
      required: true,
      helpText:
        'Starts with `outdial_live_`. With one that starts with `outdial_test_`, calls are ' +
        'simulated and cost nothing.',
    },
    {
      key: 'agent_id',
      label: 'Agent ID',
      type: 'string',
      required: false,
      helpText: 'The agent that places the calls. The trigger needs it; an action may name another.',
    },
    {
      key: 'agent_secret',
      label: 'Agent Secret',
      type: 'password',
      required: false,
      helpText: 'Shown once when the agent was made. Give it together with the agent ID.',
    },
  ],
};
