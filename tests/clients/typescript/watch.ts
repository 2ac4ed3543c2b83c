// What a driver does with the event stream, with whichever types a generator gives the events.
import { follow } from './events.js';

type Open = (lastEventId: string) => Promise<AsyncIterable<Uint8Array>>;

/** An event with its cursor. */
export interface Read<Event> {
  id: string;
  data: Event;
}

/**
 * Reads the events from the oldest to the first that expired, ignores unknown kinds, and releases what it read. Then
 * it continues after the first of them, which is not kept any more, and reads what the stream begins with.
 */
export async function watch<Event extends { event: string }>(
  open: Open,
  release: (through: string) => Promise<void>,
  kinds: Event['event'][],
): Promise<{ events: Read<Event>[]; next: Event | undefined }> {
  const known: string[] = kinds;
  const events: Read<Event>[] = [];
  for await (const { id, event, data } of follow(open, '0')) {
    if (!known.includes(event)) continue;
    const read = JSON.parse(data) as Event;
    events.push({ id, data: read });
    if (read.event === 'expired') break;
  }
  const [first, last] = [events.at(0), events.at(-1)];
  if (!first || !last) throw new Error('no event');
  await release(last.id);
  for await (const { data } of follow(open, first.id)) return { events, next: JSON.parse(data) as Event };
  return { events, next: undefined };
}
