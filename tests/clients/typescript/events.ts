// The operator's event stream, with whichever types a generator gives the events: a reader of Server-Sent Events
// (WHATWG HTML, section 9.2), and what keeps the stream open.
import { setTimeout } from 'node:timers/promises';

const FIRST_DELAY_MS = 200;
const LONGEST_DELAY_MS = 10_000;

export interface ServerSentEvent {
  /** The cursor to continue after; that of the event before where this one has none. */
  id: string;
  event: string;
  data: string;
}

/** An answer after which a repeated request gets the same one. */
export class Refused extends Error {}

/** The events of a body. An event whose end has not come is dropped. */
export async function* serverSentEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder();
  let [rest, id, event, data] = ['', '', '', [] as string[]];
  for await (const bytes of body) {
    // A CR at the very end may be half of a CR LF.
    const lines = (rest + decoder.decode(bytes, { stream: true })).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
      if (line === '') {
        if (data.length > 0) yield { id, event: event || 'message', data: data.join('\n') };
        [event, data] = ['', []];
      } else if (field === 'data') data.push(value);
      else if (field === 'event') event = value;
      else if (field === 'id') id = value;
    }
  }
}

/** The events after a cursor, over as many connections as that takes. */
export async function* follow(
  open: (lastEventId: string) => Promise<AsyncIterable<Uint8Array>>,
  lastEventId: string,
): AsyncGenerator<ServerSentEvent> {
  for (let delay = FIRST_DELAY_MS; ; delay = Math.min(2 * delay, LONGEST_DELAY_MS)) {
    try {
      for await (const event of serverSentEvents(await open(lastEventId))) {
        yield event;
        // The event is dealt with now. Store this cursor where it outlives the program.
        lastEventId = event.id || lastEventId;
        delay = FIRST_DELAY_MS;
      }
    } catch (error) {
      if (error instanceof Refused) throw error;
    }
    await setTimeout(delay * (0.5 + Math.random() / 2));
  }
}
