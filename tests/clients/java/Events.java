// The operator's event stream, beside a generated client: a reader of Server-Sent Events (WHATWG HTML, section 9.2),
// and what keeps the stream open.

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;

final class Events {
    private static final long FIRST_DELAY_MILLIS = 200;
    private static final long LONGEST_DELAY_MILLIS = 10_000;

    private Events() {}

    /** An event. `id` is the cursor to continue after, that of the event before where this one has none. */
    record ServerSentEvent(String id, String event, String data) {}

    /** Opens the stream after a cursor. An exception other than `IOException` is a refusal, and ends it. */
    @FunctionalInterface
    interface Source {
        InputStream open(String lastEventId) throws Exception;
    }

    /** Deals with an event; false ends the stream. */
    @FunctionalInterface
    interface Sink {
        boolean accept(ServerSentEvent event) throws Exception;
    }

    /** Gives the events after a cursor, over as many connections as that takes. */
    static void follow(Source source, String lastEventId, Sink sink) throws Exception {
        for (long delay = FIRST_DELAY_MILLIS; ; delay = Math.min(2 * delay, LONGEST_DELAY_MILLIS)) {
            try (Reader events = new Reader(source.open(lastEventId))) {
                for (ServerSentEvent event = events.next(); event != null; event = events.next()) {
                    if (!sink.accept(event)) {
                        return;
                    }
                    // The event is dealt with now. Store this cursor where it outlives the program.
                    lastEventId = event.id().isEmpty() ? lastEventId : event.id();
                    delay = FIRST_DELAY_MILLIS;
                }
            } catch (IOException cut) {
                // The next connection continues.
            }
            Thread.sleep(ThreadLocalRandom.current().nextLong(delay / 2, delay));
        }
    }

    /** The events of a body. An event whose end has not come is dropped. */
    static final class Reader implements AutoCloseable {
        private final BufferedReader lines;
        private String id = "";

        Reader(InputStream body) {
            lines = new BufferedReader(new InputStreamReader(body, StandardCharsets.UTF_8));
        }

        /** The next event; null at the end. */
        ServerSentEvent next() throws IOException {
            String event = "";
            List<String> data = new ArrayList<>();
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (line.isEmpty()) {
                    if (!data.isEmpty()) {
                        return new ServerSentEvent(id, event.isEmpty() ? "message" : event, String.join("\n", data));
                    }
                    event = "";
                    continue;
                }
                int colon = line.indexOf(':');
                String value = colon < 0 ? "" : line.substring(colon + 1);
                value = value.startsWith(" ") ? value.substring(1) : value;
                switch (colon < 0 ? line : line.substring(0, colon)) {
                    case "data" -> data.add(value);
                    case "event" -> event = value;
                    case "id" -> id = value;
                    default -> {} // A comment, or an unused field.
                }
            }
            return null;
        }

        @Override
        public void close() throws IOException {
            lines.close();
        }
    }
}
