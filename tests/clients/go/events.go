// The operator's event stream, beside a generated client: a reader of Server-Sent Events (WHATWG HTML, section 9.2),
// and what keeps the stream open.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

const (
	firstDelay   = 200 * time.Millisecond
	longestDelay = 10 * time.Second
	longestLine  = 1 << 20
)

// serverSentEvent is an event. ID is the cursor to continue after, that of the event before where this one has none.
type serverSentEvent struct {
	ID    string
	Event string
	Data  string
}

// errRefused wraps an answer after which a repeated request gets the same one.
var errRefused = errors.New("refused")

// openEvents opens the stream. (A generated function may read a body to its end, which does not come.)
func openEvents(ctx context.Context, baseURL, operatorKey, lastEventID string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, baseURL+"/operator/events", nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+operatorKey)
	request.Header.Set("Last-Event-ID", lastEventID)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	return streamOf(response)
}

// streamOf gives the body of an answer that is the stream.
func streamOf(response *http.Response) (io.ReadCloser, error) {
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	_ = response.Body.Close()
	err := errors.New(response.Status)
	if response.StatusCode < 500 && response.StatusCode != http.StatusTooManyRequests {
		err = errors.Join(errRefused, err)
	}
	return nil, err
}

// scanLines splits at CR LF, LF and CR. A line whose end has not come is dropped.
func scanLines(data []byte, atEOF bool) (advance int, line []byte, err error) {
	end := bytes.IndexAny(data, "\r\n")
	switch {
	case end < 0 && atEOF:
		return len(data), nil, nil
	case end < 0:
		return 0, nil, nil
	case data[end] == '\r' && end+1 == len(data) && !atEOF:
		return 0, nil, nil // It may be half of a CR LF.
	case bytes.HasPrefix(data[end:], []byte("\r\n")):
		return end + 2, data[:end], nil
	default:
		return end + 1, data[:end], nil
	}
}

// serverSentEvents gives the events of a body. An event whose end has not come is dropped.
func serverSentEvents(body io.Reader) iter.Seq[serverSentEvent] {
	return func(yield func(serverSentEvent) bool) {
		var event serverSentEvent
		var data []string
		lines := bufio.NewScanner(body)
		lines.Buffer(nil, longestLine)
		lines.Split(scanLines)
		for lines.Scan() {
			field, value, _ := strings.Cut(lines.Text(), ":")
			value = strings.TrimPrefix(value, " ")
			switch {
			case lines.Text() == "":
				event.Data = strings.Join(data, "\n")
				if data != nil && !yield(event) {
					return
				}
				event, data = serverSentEvent{ID: event.ID}, nil
			case field == "data":
				data = append(data, value)
			case field == "event":
				event.Event = value
			case field == "id":
				event.ID = value
			}
		}
	}
}

// follow gives the events after a cursor, over as many connections as that takes, until open refuses or ctx ends.
func follow(
	ctx context.Context, open func(lastEventID string) (io.ReadCloser, error), lastEventID string,
) iter.Seq2[serverSentEvent, error] {
	return func(yield func(serverSentEvent, error) bool) {
		for delay := firstDelay; ctx.Err() == nil; delay = min(2*delay, longestDelay) {
			body, err := open(lastEventID)
			if errors.Is(err, errRefused) {
				yield(serverSentEvent{}, err)
				return
			}
			if err == nil {
				for event := range serverSentEvents(body) {
					if !yield(event, nil) {
						_ = body.Close()
						return
					}
					// The event is dealt with now. Store this cursor where it outlives the program.
					if event.ID != "" {
						lastEventID = event.ID
					}
					delay = firstDelay
				}
				_ = body.Close()
			}
			select {
			case <-ctx.Done():
			case <-time.After(delay/2 + rand.N(delay/2)):
			}
		}
		yield(serverSentEvent{}, ctx.Err())
	}
}
