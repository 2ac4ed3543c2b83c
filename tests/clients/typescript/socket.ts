// A prospect's socket, over `ws`, with whichever types a generator gives the frames.
import { on, once } from 'node:events';
import WebSocket from 'ws';

const PATIENCE_MS = 20_000;

export class Socket<Received, Sent> {
  readonly #socket: WebSocket;
  readonly #messages: NodeJS.AsyncIterator<unknown[]>;

  constructor(baseUrl: string, halfRef: string) {
    const encoded = Buffer.from(halfRef).toString('base64url');
    const url = `${baseUrl.replace('http', 'ws')}/prospect/socket`;
    this.#socket = new WebSocket(url, ['prospect.v1', `halfref.${encoded}`]);
    this.#messages = on(this.#socket, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) });
  }

  async next(): Promise<Received> {
    const { value } = await this.#messages.next();
    return JSON.parse(String(value[0])) as Received;
  }

  send(frame: Sent): void {
    this.#socket.send(JSON.stringify(frame));
  }

  async close(): Promise<void> {
    const closed = once(this.#socket, 'close', { signal: AbortSignal.timeout(PATIENCE_MS) });
    this.#socket.close(1000);
    await closed;
  }
}
