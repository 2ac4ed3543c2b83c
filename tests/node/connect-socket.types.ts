// The types of connect-socket.js are those of the contract. `contract.d.ts` is generated beside this file.
import type { components } from './contract.js';
import { type Options, type Position, type Problem, type Status, connect } from './connect-socket.js';
import { WebSocket as WebSocketOfNode } from 'ws';

type Schemas = components['schemas'];
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
const same = <A, B>(_: Same<A, B>): void => {};

same<Problem, Schemas['Problem']>(true);
same<Position, Pick<Schemas['OperatorMessageFrame'], 'epoch' | 'seq'>>(true);
same<NonNullable<Options['channel']>, Schemas['TokenRequest']['channel']>(true);
same<Options['deviceTag'], Schemas['TokenRequest']['deviceTag']>(true);
same<Options['deviceTag'], Schemas['ConnectSocketRequest']['deviceTag']>(true);
same<Options['linkinjected'], Schemas['ConnectSocketRequest']['linkinjected']>(true);
same<NonNullable<Options['deviceData']> extends NonNullable<Schemas['TokenRequest']['deviceData']> ? true : false, true>(true);
same<NonNullable<Status['connectionId']>, Schemas['HelloFrame']['connectionId']>(true);
same<NonNullable<Status['retryInMs']>, NonNullable<Schemas['ByeFrame']['retryAfterMs']>>(true);

const connection = connect({
  url: 'https://gateway.example',
  deviceTag: 'my_deviceTag',
  channel: 'browser',
  storage: localStorage,
  WebSocket: WebSocketOfNode,
  onMessage: async (data, { epoch, seq }) => console.log(data, epoch, seq),
});
const id: Promise<Schemas['AcceptedFrame']['id']> = connection.send({ text: 'Hello' });
id.then(() => connection.close());
connect({ url: 'https://gateway.example', deviceTag: 'my_deviceTag', token: async ({ refused }) => refused ?? '', WebSocket });
// @ts-expect-error: a channel that the contract does not have
connect({ url: 'https://gateway.example', deviceTag: 'my_deviceTag', channel: 'fax' });
// @ts-expect-error: not JSON
connection.send(() => {});
