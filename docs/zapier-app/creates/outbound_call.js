'use strict';

const { endpoint } = require('../http');

const perform = async (z, bundle) => {
  const response = await z.request({
    method: 'POST',
    url: endpoint(bundle, 'actions/outbound-call'),
    body: {
      ...bundle.inputData,
      agent_id: bundle.inputData.agent_id || bundle.authData.agent_id,
    },
  });
  return response.data;
};

module.exports = {
  key: 'outbound_call',
  noun: 'Call',
  display: {
    label: 'Place Outbound Call',
    description: 'Has the agent call a phone number.',
  },
  operation: {
    perform,
    inputFields: [
      {
        key: 'to_number',
        label: 'To Number',
        type: 'string',
        required: true,
        helpText: 'With + and country code, for example `+14155550123`.',
      },
      {
        key: 'from_number',
        label: 'From Number',
        type: 'string',
        required: false,
        helpText: "The caller id. Left blank, the agent's default number is used.",
      },
      {
        key: 'params',
        label: 'Params',
        dict: true,
        required: false,
        helpText: "What the agent's prompt may use: `customer_name` fills `{{customer_name}}`.",
      },
      {
        key: 'agent_id',
        label: 'Agent ID',
        type: 'string',
        required: false,
        helpText: "Another agent of your account. Left blank, the connection's agent calls.",
      },
      {
        key: 'call_id',
        label: 'Call ID',
        type: 'string',
        required: false,
        helpText:
          'A UUID of your own. The same order with the same id is dialled once, however often ' +
          'the step is run.',
      },
      {
        key: 'campaign_id',
        label: 'Campaign ID',
        type: 'string',
        required: false,
        helpText: 'A UUID that comes back with the trigger.',
      },
      {
        key: 'scheduled_at',
        label: 'Scheduled At',
        type: 'datetime',
        required: false,
        helpText: 'Not to be dialled before. Left blank, the call is placed at once.',
      },
      {
        key: 'expires_at',
        label: 'Expires At',
        type: 'datetime',
        required: false,
        helpText: 'Canceled if it could not be dialled until then. Left blank, it waits for a day.',
      },
      {
        key: 'retry',
        label: 'Retry',
        type: 'text',
        required: false,
        helpText:
          'Dial again when nobody answered, as ' +
          '`{"causes": ["no_answer", "busy"], "attempts": 3, "gaps": [300]}` (gaps in seconds). ' +
          "Left blank, the agent's own rule holds.",
      },
      {
        key: 'ignore_calling_hours',
        label: 'Ignore Calling Hours',
        type: 'boolean',
        required: false,
        helpText: "Call at any hour, whatever the account's calling hours are.",
      },
    ],
    sample: {
      success: true,
      call_id: '01940a6e-1400-7000-8000-000000000002',
    },
    outputFields: [
      { key: 'success', label: 'Success', type: 'boolean' },
      { key: 'call_id', label: 'Call ID' },
    ],
  },
};
