// Drives the client of oapi-codegen: `OPERATOR_KEY=<key> driver <base-url>`.
// Prints what it met as one JSON object.
package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/oapi-codegen/nullable"

	"driver/generated"
)

const (
	device   = "my_deviceTag"
	halfRef  = "l8t0rw2m4zzpi1goeytt597bhtz31ljbf0zo0vz1w2kxeskgwmz36bjafvg8kx1rbwb2bzm4l0xgmux81t"
	patience = 20 * time.Second
)

type driver struct {
	baseURL  string
	client   *connectsocket.ClientWithResponses
	problems []*connectsocket.Problem
}

func header(name, value string) connectsocket.RequestEditorFn {
	return func(_ context.Context, request *http.Request) error {
		request.Header.Set(name, value)
		return nil
	}
}

// meet keeps a problem, which has a field of its own in a reply for each status.
func (d *driver) meet(problem *connectsocket.Problem) bool {
	if problem == nil {
		return false
	}
	if problem.Errors == nil {
		problem.Errors = &[]connectsocket.FieldError{}
	}
	d.problems = append(d.problems, problem)
	return true
}

func (d *driver) requestToken(
	ctx context.Context, deviceData *connectsocket.DeviceData,
) (*connectsocket.RequestTokenReply, error) {
	request := connectsocket.TokenRequest{Channel: connectsocket.Test, DeviceTag: device, DeviceData: deviceData}
	return d.client.RequestTokenWithResponse(ctx, &connectsocket.RequestTokenParams{}, request)
}

func (d *driver) connectSocket(
	ctx context.Context, token, halfRef string, link nullable.Nullable[string],
) (*connectsocket.ConnectSocketReply, error) {
	request := connectsocket.ConnectSocketRequest{HalfRef: halfRef, DeviceTag: device, Linkinjected: link}
	return d.client.ConnectSocketWithResponse(ctx, request, header("token", token))
}

func receive[Frame any](ctx context.Context, socket *websocket.Conn) (frame Frame, err error) {
	_, text, err := socket.Read(ctx)
	if err != nil {
		return frame, err
	}
	var received connectsocket.ServerFrame
	if err := json.Unmarshal(text, &received); err != nil {
		return frame, err
	}
	value, err := received.ValueByDiscriminator()
	if err != nil {
		return frame, err
	}
	frame, expected := value.(Frame)
	if !expected {
		return frame, fmt.Errorf("not a %T: %s", frame, text)
	}
	return frame, nil
}

func send(ctx context.Context, socket *websocket.Conn, frame connectsocket.ClientFrame) error {
	text, err := json.Marshal(frame)
	if err != nil {
		return err
	}
	return socket.Write(ctx, websocket.MessageText, text)
}

// converse takes a message of the operator's and sends one back.
func (d *driver) converse(ctx context.Context, operatorKey string) (received any, accepted string, err error) {
	encoded := base64.RawURLEncoding.EncodeToString([]byte(halfRef))
	options := websocket.DialOptions{Subprotocols: []string{"prospect.v1", "halfref." + encoded}}
	socket, _, err := websocket.Dial(ctx, strings.Replace(d.baseURL, "http", "ws", 1)+"/prospect/socket", &options)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, socket.Close(websocket.StatusNormalClosure, "")) }()
	if _, err := receive[connectsocket.HelloFrame](ctx, socket); err != nil {
		return nil, "", err
	}
	request := connectsocket.SendMessageRequest{Data: map[string]string{"text": "Hello, prospect"}}
	operator := header("Authorization", "Bearer "+operatorKey)
	queued, err := d.client.SendMessageWithResponse(ctx, device, &connectsocket.SendMessageParams{}, request, operator)
	if err != nil || queued.JSON202 == nil {
		return nil, "", fmt.Errorf("not queued: %v %w", queued, err)
	}
	message, err := receive[connectsocket.OperatorMessageFrame](ctx, socket)
	if err != nil || message.Seq != queued.JSON202.Seq {
		return nil, "", fmt.Errorf("not the message: %v %w", message, err)
	}

	var ack, answer connectsocket.ClientFrame
	if err := ack.FromAckFrame(connectsocket.AckFrame{Seq: message.Seq}); err != nil {
		return nil, "", err
	}
	said := connectsocket.ProspectMessageFrame{Id: rand.Text(), Data: map[string]string{"text": "Hello, operator"}}
	if err := answer.FromProspectMessageFrame(said); err != nil {
		return nil, "", err
	}
	for _, frame := range []connectsocket.ClientFrame{ack, answer} {
		if err := send(ctx, socket, frame); err != nil {
			return nil, "", err
		}
	}
	last, err := receive[connectsocket.AcceptedFrame](ctx, socket)
	return message.Data, last.Id, err
}

// refused meets a 401, a 409, a 422 and a 429.
func (d *driver) refused(ctx context.Context, token string) error {
	unauthorised, err := d.connectSocket(ctx, "no-token", halfRef, nil)
	if err != nil || !d.meet(unauthorised.ApplicationproblemJSON401) {
		return fmt.Errorf("not refused: %w", err)
	}
	spent, err := d.connectSocket(ctx, token, halfRef, nil)
	if err != nil || !d.meet(spent.ApplicationproblemJSON409) {
		return fmt.Errorf("not refused: %w", err)
	}
	deviceData := connectsocket.DeviceData{}
	for n := range 65 {
		deviceData[fmt.Sprintf("member%d", n)] = n
	}
	invalid, err := d.requestToken(ctx, &deviceData)
	if err != nil || !d.meet(invalid.ApplicationproblemJSON422) {
		return fmt.Errorf("not refused: %w", err)
	}
	for range 50 {
		reply, err := d.connectSocket(ctx, token, rand.Text()+rand.Text(), nil)
		if err != nil || d.meet(reply.ApplicationproblemJSON429) {
			return err
		}
	}
	return nil
}

// openEvents opens the stream. (The generated StreamEventsWithResponse reads a body to its end, which does not come.)
func (d *driver) openEvents(ctx context.Context, operatorKey, lastEventID string) (io.ReadCloser, error) {
	params := connectsocket.StreamEventsParams{LastEventID: &lastEventID}
	response, err := d.client.StreamEvents(ctx, &params, header("Authorization", "Bearer "+operatorKey))
	if err != nil {
		return nil, err
	}
	return streamOf(response)
}

type readEvent struct {
	ID   string `json:"id"`
	Data any    `json:"data"`
}

// typed gives the data of an event as the type of its kind.
func typed(event serverSentEvent) (any, error) {
	var data connectsocket.OperatorEvent
	if err := json.Unmarshal([]byte(event.Data), &data); err != nil {
		return nil, err
	}
	return data.ValueByDiscriminator()
}

// readEvents reads what happened so far, releases it, and asks for it once more.
func (d *driver) readEvents(ctx context.Context, operatorKey string) (
	events []readEvent, gap *connectsocket.GapEvent, err error,
) {
	operator := header("Authorization", "Bearer "+operatorKey)
	ttl := int32(1)
	tooLate := connectsocket.SendMessageRequest{Data: "Too late", TtlSeconds: &ttl}
	queued, err := d.client.SendMessageWithResponse(ctx, device, &connectsocket.SendMessageParams{}, tooLate, operator)
	if err != nil || queued.JSON202 == nil {
		return nil, nil, fmt.Errorf("not queued: %w", err)
	}
	open := func(lastEventID string) (io.ReadCloser, error) {
		return d.openEvents(ctx, operatorKey, lastEventID)
	}
	known := []string{"connected", "message", "disconnected", "expired"}
	for event, err := range follow(ctx, open, "0") {
		if err != nil {
			return nil, nil, err
		}
		if !slices.Contains(known, event.Event) {
			continue
		}
		data, err := typed(event)
		if err != nil {
			return nil, nil, err
		}
		events = append(events, readEvent{ID: event.ID, Data: data})
		if _, last := data.(connectsocket.ExpiredEvent); last {
			break
		}
	}
	params := connectsocket.ReleaseEventsParams{Through: events[len(events)-1].ID}
	released, err := d.client.ReleaseEventsWithResponse(ctx, &params, operator)
	if err != nil || released.StatusCode() != http.StatusNoContent {
		return nil, nil, fmt.Errorf("not released: %w", err)
	}
	for event, err := range follow(ctx, open, events[0].ID) {
		if err != nil {
			return nil, nil, err
		}
		data, err := typed(event)
		if gap, ok := data.(connectsocket.GapEvent); ok {
			return events, &gap, err
		}
		return events, nil, err
	}
	return events, nil, nil
}

func run(ctx context.Context, baseURL, operatorKey string) error {
	client, err := connectsocket.NewClientWithResponses(baseURL)
	if err != nil {
		return err
	}
	d := driver{baseURL: baseURL, client: client}
	token, err := d.requestToken(ctx, nil)
	if err != nil || token.JSON200 == nil {
		return fmt.Errorf("no token: %w", err)
	}
	set := nullable.NewNullableWithValue("https://example.com/friend")
	for _, link := range []nullable.Nullable[string]{nil, nullable.NewNullNullable[string](), set} {
		reply, err := d.connectSocket(ctx, token.JSON200.Token, halfRef, link)
		if err != nil || reply.JSON200 == nil {
			return fmt.Errorf("not authorised: %w", err)
		}
	}
	received, accepted, err := d.converse(ctx, operatorKey)
	if err != nil {
		return err
	}
	if err := d.refused(ctx, token.JSON200.Token); err != nil {
		return err
	}
	events, gap, err := d.readEvents(ctx, operatorKey)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"received": received,
		"accepted": accepted,
		"typed":    true,
		"problems": d.problems,
		"events":   events,
		"gap":      gap,
	})
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := run(ctx, os.Args[1], os.Getenv("OPERATOR_KEY")); err != nil {
		log.Fatal(err)
	}
}
