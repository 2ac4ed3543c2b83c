/** Any JSON. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The gateway's answer to what it refuses (RFC 9457). Decide by `type`; `detail` is for people. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  success: boolean;
  requestId: string;
  errors?: { pointer: string; code: string; detail: string }[];
}

/** Numbers a message: handle each `seq` of an `epoch` once. */
export interface Position {
  epoch: string;
  seq: number;
}

export interface Status {
  /**
   * `connecting`: a token, an authorisation or a socket is on its way. `open`: messages flow. `waiting`: the next attempt
   * comes after `retryInMs`. `closed`: for good; `reconnect()` starts again.
   */
  state: 'connecting' | 'open' | 'waiting' | 'closed';
  /** Whether this tab holds the socket. Of several tabs one does, and the others follow it. */
  isLeader: boolean;
  /** Why the last attempt ended: a close code, or the HTTP status of a refusal. */
  code?: number;
  reason?: string;
  problem?: Problem;
  retryInMs?: number;
  connectionId?: string;
  epoch?: string;
}

/** What `send` rejects with. A message that `connect` may still deliver has no `problem` of its own. */
export interface Failure extends Error {
  /** Why the gateway refused the message, or the connection. */
  problem?: Problem;
  code?: number;
  /** The id of the refused message. */
  id?: string;
}

export interface Options {
  /** Where the gateway is, such as `https://gateway.example`. */
  url: string | URL;
  deviceTag: string;
  /** The channel through which the token is requested and renewed. Without one, pass `token`. */
  channel?: 'browser' | 'android' | 'ios' | 'test';
  /** A token from your backend, or a function that fetches one; `refused` is the token that no longer works. */
  token?: string | ((why: { refused?: string }) => string | Promise<string>);
  /** About the device, for `PUT /token`. */
  deviceData?: { [key: string]: Json };
  linkinjected?: string | null;
  /**
   * Keeps the token, the position and the queue, `localStorage` for example. Any script that can read it can act as this device.
   * Without it they live as long as this object: a claimed device then needs its token from elsewhere.
   */
  storage?: Pick<Storage, 'getItem' | 'setItem'>;
  /**
   * Handles one message of the operator. It is acknowledged once the handler, or its promise, is done. A handler that
   * fails is called again after a pause. Each open tab gets each message.
   */
  onMessage?: (data: any, position: Position) => unknown;
  onStatus?: (status: Status) => void;
  /** Sees every frame of the socket, as text. */
  onFrame?: (direction: 'sent' | 'received', text: string) => void;
  /** Sees what goes wrong without an effect on the promises: by default `console.error`. */
  onError?: (error: unknown) => void;
  /** The gateway's `--frames-per-second`. The client stays below it. */
  framesPerSecond?: number;
  /** `send` rejects when so many messages wait. */
  maxQueued?: number;
  /** The gateway's `--inbound-frame-bytes`. `send` rejects what is larger. */
  maxFrameBytes?: number;
  /** Whether the tabs of one origin share one socket of the device, where the browser can. The default is true. */
  tabs?: boolean;
  fetch?: typeof fetch;
  /** A constructor such as that of the package `ws`, where there is no global one (Node 20). */
  WebSocket?: new (url: string, protocols: string[]) => any;
}

export interface Connection {
  /**
   * Queues a message and resolves with its id once the gateway has accepted it. Rejects when the gateway refuses it, or
   * when the connection closes for good; then it may still be in the queue, and is sent when the connection starts again.
   */
  send(data: Json): Promise<string>;
  readonly status: Status;
  /** How many messages are not accepted yet. */
  readonly queued: number;
  /** Drops the socket and opens the next one at once. Starts a closed connection again. */
  reconnect(): void;
  /**
   * Ends this object. Other tabs continue, and what is queued stays in the storage. A message whose handler runs is
   * still acknowledged, if the handler ends within a second.
   */
  close(): void;
}

/** Connects a device, and keeps it connected until `close()` or a final refusal. */
export function connect(options: Options): Connection;

/** What follows a close, by its code. A code that is not listed backs off. */
export const closePolicy: { readonly [code: number]: 'never' | 'after-bye' };
/** The delays of the back-off. `jitter` is the part of each that is random. */
export const backOff: {
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
  readonly jitter: number;
  readonly resetAfterMs: number;
};
/** How long a pong may take. */
export const pongMs: number;
/** At most so many messages are sent and not accepted. */
export const maxUnaccepted: number;
