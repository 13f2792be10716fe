'use strict';

const { endpoint } = require('../http');

const performSubscribe = async (z, bundle) => {
  const response = await z.request({
    method: 'POST',
    url: endpoint(bundle, 'subscribe/call-completed'),
    body: {
      agent_id: bundle.authData.agent_id,
      agent_secret: bundle.authData.agent_secret,
      callback_url: bundle.targetUrl,
    },
  });
  return response.data;
};

const performUnsubscribe = async (z, bundle) => {
  const response = await z.request({
    method: 'DELETE',
    url: endpoint(bundle, `unsubscribe/${bundle.subscribeData.id}`),
  });
  return response.data;
};

// The server posts one object a call; Zapier wants a list.
const perform = (z, bundle) => [bundle.cleanedRequest];

const performList = async (z, bundle) => {
  const response = await z.request({ url: endpoint(bundle, 'samples/call-disposition') });
  return response.data;
};

module.exports = {
  key: 'call_disposition',
  noun: 'Call',
  display: {
    label: 'Call Ended',
    description: 'Triggers when a call of the agent ends, whether or not it was answered.',
  },
  operation: {
    type: 'hook',
    performSubscribe,
    performUnsubscribe,
    perform,
    performList,
    sample: {
      id: '01940a6e-1400-7000-8000-000000000001',
      call_id: '01940a6e-1400-7000-8000-000000000002',
      agent_id: '01940a6e-1400-7000-8000-000000000003',
      campaign_id: null,
      status: 'completed',
      reason: null,
      duration: 125,
      to_number: '+14155550123',
      from_number: '+14155550100',
      params: { customer_name: 'John', city: 'Bengaluru' },
      started_at: '2025-01-01T00:00:00Z',
      ended_at: '2025-01-01T00:02:05Z',
      transcript: null,
      summary: null,
      recording_url: null,
    },
    outputFields: [
      { key: 'id', label: 'Event ID', primary: true },
      { key: 'call_id', label: 'Call ID' },
      { key: 'agent_id', label: 'Agent ID' },
      { key: 'campaign_id', label: 'Campaign ID' },
      { key: 'status', label: 'Status' },
      { key: 'reason', label: 'Reason' },
      { key: 'duration', label: 'Duration in Seconds', type: 'integer' },
      { key: 'to_number', label: 'To Number' },
      { key: 'from_number', label: 'From Number' },
      { key: 'params', label: 'Params', dict: true },
      { key: 'started_at', label: 'Answered At', type: 'datetime' },
      { key: 'ended_at', label: 'Ended At', type: 'datetime' },
      { key: 'transcript', label: 'Transcript' },
      { key: 'summary', label: 'Summary' },
      { key: 'recording_url', label: 'Recording URL' },
    ],
  },
};
