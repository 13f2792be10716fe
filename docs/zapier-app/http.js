'use strict';

// Where the server answers, whatever a person pasted of its address.
const endpoint = (bundle, path) =>
  `${bundle.authData.server_url.trim().replace(/\/+$/, '')}/api/zapier/${path}`;

const addKey = (request, z, bundle) => {
  request.headers['X-API-Key'] = bundle.authData.api_key;
  return request;
};

// The server says in a sentence what is wrong: that is what a person should read.
const refuseErrors = (response, z) => {
  if (response.status < 400 || response.skipThrowForStatus) {
    return response;
  }
  const { error, detail, details } = response.data || {};
  const sentence = [error || detail, details].filter(Boolean).join(': ');
  throw new z.errors.Error(
    sentence || 'This is not an Outdial server. Check the server URL of the connection.',
    response.status === 401 ? 'AuthenticationError' : 'InvalidData',
    response.status,
  );
};

module.exports = { endpoint, addKey, refuseErrors };
