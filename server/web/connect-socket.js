// The prospect's client of the Connect Socket gateway. README.md and connect-socket.d.ts explain how to use it.

/** What follows a close, as `x-close-codes` of the contract has it. Other codes back off. */
export const closePolicy = {
  1000: 'never', 1002: 'never', 1003: 'never', 1007: 'never', 1009: 'never', 4000: 'never', 4003: 'never', 4004: 'never',
  4001: 'after-bye', 4002: 'after-bye', 4101: 'after-bye', 4103: 'after-bye', 4200: 'after-bye', 4201: 'after-bye',
  4202: 'after-bye',
};

/** Numbers of the contract's `x-client-rules`. */
export const backOff = { firstMs: 1000, factor: 2, maxMs: 30_000, jitter: 0.5, resetAfterMs: 30_000 };
export const pongMs = 10_000;
export const maxUnaccepted = 64;

const ANSWER_MS = 15_000;

const failure = (message, details) => Object.assign(new Error(message), details);
/** Hexadecimal digits: their base64 is base64url as well. */
const secret = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(24)), (byte) => byte.toString(16).padStart(2, '0')).join('');
const backOffMs = (failures) =>
  Math.min(backOff.maxMs, backOff.firstMs * backOff.factor ** (failures - 1)) * (1 - Math.random() * backOff.jitter);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export function connect({
  url, deviceTag, channel, token, deviceData, linkinjected, storage,
  onMessage = () => {}, onStatus = () => {}, onFrame = () => {}, onError = console.error,
  framesPerSecond = 20, maxQueued = 1000, maxFrameBytes = 4096, tabs = true,
  fetch = globalThis.fetch, WebSocket = globalThis.WebSocket,
}) {
  if (!WebSocket) throw new TypeError('There is no WebSocket: use Node 22, or pass one.');
  if (!channel && !token) throw new TypeError('Pass a channel or a token.');
  const name = `connect-socket:${new URL(url).host}:${deviceTag}`;
  const locks = tabs && globalThis.BroadcastChannel && globalThis.navigator?.locks;
  const bus = locks ? new BroadcastChannel(name) : undefined;
  const memory = {};

  let status = { state: 'connecting' };
  let queue = []; // the first `sent` of them are on the socket
  let sent = 0;
  let seen = {}; // the last message that was handled: { epoch, seq }
  let socket; // from hello to the end
  let isLeader = false;
  let isEnded = false;
  let isClosing = false; // on the caller's request
  let isHandling = false;
  let leaving;
  let wake = () => {};
  let running = Promise.resolve();
  let handled = running;
  const waiting = new Map(); // the promises of `send`, by id

  /** Calls what the caller has passed. */
  const attempt = (call) => {
    try {
      return call();
    } catch (error) {
      onError(error);
    }
  };
  const load = (key) => (storage ? attempt(() => JSON.parse(storage.getItem(`${name}:${key}`))) : memory[key]);
  const save = (key, value) => {
    memory[key] = value;
    attempt(() => storage?.setItem(`${name}:${key}`, JSON.stringify(value)));
    return value;
  };
  const tell = (message) => bus?.postMessage(message);
  const report = (next) => {
    status = next;
    if (isLeader) tell({ status });
    attempt(() => onStatus({ ...status, isLeader }));
  };

  // ---- token and authorisation

  async function request(method, path, headers, body) {
    const response = await fetch(new URL(path, url), {
      method, body: JSON.stringify(body), signal: AbortSignal.timeout(ANSWER_MS), credentials: 'omit',
      headers: { 'content-type': 'application/json', ...headers },
    });
    const { ok, status: code } = response;
    const answer = await response.json().catch((error) => { if (ok) throw error; });
    if (ok) return answer;
    const problem = answer?.success === false ? answer : undefined; // else it is a proxy that answers
    throw failure(problem?.detail ?? `HTTP ${code}`, {
      problem, code, retryAfterMs: response.headers.get('retry-after') * 1000,
      isFinal: problem && code < 500 && ![401, 408, 429].includes(code) && !problem.type.includes('half-ref'),
    });
  }

  /** The token, or the one after `refused`, which may have been renewed elsewhere. */
  async function getToken(refused) {
    if (typeof token === 'function') return token({ refused });
    const known = load('token') ?? token;
    if (known && known !== refused) return known;
    if (!channel) throw failure('The token was refused.', { isFinal: true });
    // Until the token is used, the same key gets another one for the same claim.
    const key = load('key') ?? save('key', secret());
    const headers = { 'idempotency-key': key, ...(refused && { token: refused }) };
    return save('token', (await request('PUT', '/token', headers, { channel, deviceTag, deviceData })).token);
  }

  async function authorise() {
    let current = await getToken();
    for (let isRenewed; ; isRenewed = true) {
      const halfRef = secret();
      try {
        await request('POST', '/prospect/connectsocket', { token: current }, { halfRef, deviceTag, linkinjected });
        save('key', null);
        return halfRef;
      } catch (error) {
        if (error.code !== 401 || isRenewed) throw error;
        current = await getToken(current);
      }
    }
  }

  // ---- one socket: resolves with the reason of its end

  const converse = (halfRef) => new Promise((resolve) => {
    const address = new URL('/prospect/socket', url).href.replace('http', 'ws');
    const ws = new WebSocket(address, ['prospect.v1', `halfref.${btoa(halfRef)}`]);
    let bye, beat, beatMs, openedAt, flushing, isHeard, isPaused;
    let ackDue = 0;
    let acked = 0;
    let credit = framesPerSecond * 1.5;
    let countedAt = performance.now();

    const end = (code, reason) => {
      [noHello, beat, flushing].forEach(clearTimeout);
      socket = undefined;
      sent = 0; // the next socket begins with what is not accepted
      ws.onmessage = ws.onclose = null;
      ws.close();
      const wasStable = performance.now() - openedAt > backOff.resetAfterMs;
      resolve({ code, reason, retryAfterMs: bye?.retryAfterMs, wasStable });
    };
    const noHello = setTimeout(end, ANSWER_MS, 1006, 'no hello');
    const write = (text) => { ws.send(text); attempt(() => onFrame('sent', text)); };
    /** Calls `then` after a silence. */
    const watch = (ms, then) => {
      isHeard = false;
      clearTimeout(beat);
      beat = setTimeout(() => { if (isHeard) watch(beatMs, ping); else then(); }, ms);
    };
    const ping = () => {
      write('{"type":"ping"}');
      watch(pongMs, () => end(1006, 'silence'));
    };
    /** Writes what is due, below the gateway's rate. */
    const flush = () => {
      const now = performance.now();
      credit = Math.min(framesPerSecond * 1.5, credit + (now - countedAt) * framesPerSecond * 0.0009);
      countedAt = now;
      clearTimeout(flushing);
      while (socket && !isPaused && ws.readyState === 1) {
        const message = sent < maxUnaccepted && queue[sent];
        if (ackDue <= acked && !message) return;
        if (credit < 1) {
          flushing = setTimeout(flush, 1000 / framesPerSecond);
          return;
        }
        credit -= 1;
        if (ackDue > acked) {
          acked = ackDue;
          write(`{"type":"ack","seq":${acked}}`);
        } else {
          sent += 1;
          write(`{"type":"message","id":"${message.id}","data":${message.data}}`);
        }
      }
    };
    const me = { end, flush, ping, ack: (seq) => { ackDue = Math.max(ackDue, seq); flush(); } };

    ws.onmessage = ({ data: text }) => {
      isHeard = true;
      attempt(() => onFrame('received', text));
      const { type, id, problem, ...frame } = JSON.parse(text);
      if (type === 'hello') {
        clearTimeout(noHello);
        openedAt = performance.now();
        beatMs = frame.heartbeat * 1000;
        socket = me;
        watch(beatMs, ping);
        report({ state: 'open', ...frame });
        flush();
      } else if (type === 'message') {
        tell({ message: frame });
        deliver(frame, me);
      } else if (type === 'accepted') {
        settle(id);
        flush();
      } else if (type === 'error') {
        const index = queue.findIndex((entry) => entry.id === id);
        if (index >= 0 && problem.status >= 429) {
          sent = Math.min(sent, index); // not now: again from this message, later
          isPaused = true;
          setTimeout(() => { isPaused = false; flush(); }, backOffMs(1));
        } else {
          settle(id, problem);
        }
        onError(failure(problem.detail, { problem, id }));
      } else if (type === 'bye') {
        bye = frame;
      }
    };
    ws.onerror = () => {}; // the close says more
    ws.onclose = ({ code, reason }) => end(code, reason);
  });

  // ---- messages

  /** Hands a message to the handler unless it was handled before, then acknowledges it. */
  function deliver({ epoch, seq, data }, on) {
    const isHandled = () => epoch === seen.epoch && seq <= seen.seq;
    handled = handled.then(async () => {
      for (let failures = 1; !isHandled() && !isClosing && !isEnded; failures += 1) {
        try {
          isHandling = true;
          await onMessage(data, { epoch, seq });
          seen = { epoch, seq };
          if (on) save('seen', seen);
        } catch (error) {
          onError(error);
          isHandling = false;
          await sleep(backOffMs(failures));
        }
      }
      if (on && on === socket && isHandled()) socket.ack(seq);
      isHandling = false;
    });
  }

  /** A message was accepted, or refused for good. */
  function settle(id, problem) {
    const index = queue.findIndex((entry) => entry.id === id);
    if (index < 0) return;
    queue.splice(index, 1);
    if (index < sent) sent -= 1;
    if (isLeader) {
      save('queue', queue);
      tell({ settled: id, problem });
    }
    if (problem) waiting.get(id)?.reject(failure(problem.detail, { problem, id }));
    else waiting.get(id)?.resolve(id);
    waiting.delete(id);
  }

  function enqueue(entry) {
    if (queue.some(({ id }) => id === entry.id)) return;
    queue.push(entry);
    if (!isLeader) return tell({ entry });
    save('queue', queue);
    socket?.flush();
  }

  function send(data) {
    const accepted = new Promise((resolve, reject) => {
      const entry = { id: secret().slice(16), data: JSON.stringify(data) };
      if (!entry.data) throw new TypeError('This is not JSON.');
      if (new Blob([entry.data]).size + 80 > maxFrameBytes) throw new RangeError(`More than ${maxFrameBytes} bytes.`);
      if (isClosing || isEnded) throw failure('The connection is closed.', status);
      if (queue.length >= maxQueued) throw failure('The queue is full.');
      waiting.set(entry.id, { resolve, reject });
      enqueue(entry);
    });
    accepted.catch(() => {}); // a caller that does not wait for it need not handle it
    return accepted;
  }

  // ---- the life of the connection

  /** Connects again and again until a final reason ends it. One tab at a time does so. */
  async function lead() {
    isLeader = true;
    const last = load('seen');
    if (last && !(last.epoch === seen.epoch && last.seq < seen.seq)) seen = last;
    const own = queue;
    queue = load('queue') ?? [];
    own.forEach(enqueue);
    tell({ isLed: true });
    for (let failures = 0; !isEnded;) {
      report({ state: 'connecting' });
      const over = await authorise().then(converse).catch((error) => ({ reason: error.message, ...error }));
      const { code, reason, problem, retryAfterMs, isFinal, wasStable } = over;
      if (isFinal || closePolicy[code] === 'never') finish({ state: 'closed', code, reason, problem });
      if (isEnded) break;
      failures = wasStable ? 1 : failures + 1;
      // Where a `bye` asks to come back, the back-off begins with the second failure.
      const isAsked = closePolicy[code] === 'after-bye' && retryAfterMs >= 0 && failures === 1;
      const least = isAsked || reason === 'reconnect' ? 0 : backOffMs(failures);
      const retryInMs = Math.max(retryAfterMs ?? 0, least);
      report({ state: 'waiting', code, reason, problem, retryInMs });
      await new Promise((done) => {
        const timer = setTimeout(done, retryInMs);
        wake = () => { clearTimeout(timer); done(); };
      });
    }
    isLeader = false;
  }

  function finish(next) {
    if (isEnded) return;
    isEnded = true;
    report(next);
    wake();
    leaving.abort();
    socket?.end();
    waiting.forEach(({ reject }) => reject(failure('The connection is closed.', next)));
    waiting.clear();
  }

  function start() {
    isEnded = isClosing = false;
    leaving = new AbortController();
    running = running.then(() => (locks ? locks.request(name, { signal: leaving.signal }, lead) : lead())).catch(() => {});
    tell({ isNew: true });
  }

  /** The network or the page has changed: a socket must answer, and a pause ends. */
  const check = () => { if (socket) socket.ping(); else wake(); };
  const listen = (change) => {
    for (const event of ['online', 'offline', 'pageshow']) globalThis[change]?.(event, check);
    globalThis.document?.[change]('visibilitychange', check);
  };

  if (bus) {
    bus.unref?.();
    bus.onmessage = ({ data: { entry, isNew, isLed, status: led, settled, problem, message } }) => {
      if (isLeader) {
        if (entry) enqueue(entry);
        if (isNew) tell({ status });
        return;
      }
      if (isLed) queue.forEach((own) => tell({ entry: own }));
      if (settled) settle(settled, problem);
      if (message) deliver(message);
      if (led?.state === 'closed') finish(led);
      else if (led && !isEnded) report(led);
    };
  }
  listen('addEventListener');
  start();

  return {
    send,
    get status() { return { ...status, isLeader }; },
    get queued() { return queue.length; },
    reconnect() {
      if (isEnded) start();
      socket?.end(1006, 'reconnect');
      wake();
    },
    close() {
      const leave = () => {
        isLeader = false; // the other tabs go on
        finish({ state: 'closed' });
        listen('removeEventListener');
        bus?.close();
      };
      isClosing = true;
      if (!isHandling) return leave();
      // The message that is being handled is still acknowledged.
      const timer = setTimeout(leave, 1000);
      handled.then(leave).then(() => clearTimeout(timer));
    },
  };
}
