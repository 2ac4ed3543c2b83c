// How orval makes its client: functions over `fetch`, for the gateway of an environment variable.
export default {
  connectSocket: {
    input: 'openapi.json',
    output: { target: 'generated/client.ts', client: 'fetch', baseUrl: { runtime: 'process.env.GATEWAY_URL' } },
  },
};
