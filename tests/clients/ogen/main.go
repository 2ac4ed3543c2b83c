// Drives the client of ogen: `OPERATOR_KEY=<key> driver <base-url>`.
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
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/ogen-go/ogen/ogenerrors"

	"driver/generated"
)

const (
	device   = "my_deviceTag"
	halfRef  = "l8t0rw2m4zzpi1goeytt597bhtz31ljbf0zo0vz1w2kxeskgwmz36bjafvg8kx1rbwb2bzm4l0xgmux81t"
	patience = 20 * time.Second
)

// credentials gives each operation what its security asks for.
type credentials struct {
	token       string
	operatorKey string
}

func (c credentials) Token(context.Context, connectsocket.OperationName) (connectsocket.Token, error) {
	if c.token == "" {
		return connectsocket.Token{}, ogenerrors.ErrSkipClientSecurity
	}
	return connectsocket.Token{APIKey: c.token}, nil
}

func (c credentials) OperatorKey(context.Context, connectsocket.OperationName) (connectsocket.OperatorKey, error) {
	return connectsocket.OperatorKey{Token: c.operatorKey}, nil
}

type driver struct {
	baseURL  string
	problems []*connectsocket.Problem
}

func (d *driver) client(c credentials) (*connectsocket.Client, error) {
	return connectsocket.NewClient(d.baseURL, c)
}

// meet keeps a problem, which is of another type for each status.
func (d *driver) meet(refusal any) bool {
	var problem connectsocket.Problem
	switch refusal := refusal.(type) {
	case *connectsocket.ConnectSocketUnauthorized:
		problem = refusal.Response
	case *connectsocket.ConnectSocketConflict:
		problem = refusal.Response
	case *connectsocket.ConnectSocketTooManyRequests:
		problem = refusal.Response
	case *connectsocket.RequestTokenUnprocessableEntity:
		problem = refusal.Response
	default:
		return false
	}
	if problem.Errors == nil {
		problem.Errors = []connectsocket.FieldError{}
	}
	d.problems = append(d.problems, &problem)
	return true
}

func (d *driver) requestToken(
	ctx context.Context, deviceData connectsocket.OptDeviceData,
) (connectsocket.RequestTokenRes, error) {
	client, err := d.client(credentials{})
	if err != nil {
		return nil, err
	}
	request := connectsocket.TokenRequest{
		Channel: connectsocket.ChannelTest, DeviceTag: device, DeviceData: deviceData,
	}
	return client.RequestToken(ctx, &request, connectsocket.RequestTokenParams{})
}

func (d *driver) connectSocket(
	ctx context.Context, token, halfRef string, link connectsocket.OptNilString,
) (connectsocket.ConnectSocketRes, error) {
	client, err := d.client(credentials{token: token})
	if err != nil {
		return nil, err
	}
	request := connectsocket.ConnectSocketRequest{HalfRef: halfRef, DeviceTag: device, Linkinjected: link}
	return client.ConnectSocket(ctx, &request)
}

func receive(ctx context.Context, socket *websocket.Conn) (frame connectsocket.ServerFrame, err error) {
	_, text, err := socket.Read(ctx)
	if err != nil {
		return frame, err
	}
	return frame, json.Unmarshal(text, &frame)
}

func send(ctx context.Context, socket *websocket.Conn, frame connectsocket.ClientFrame) error {
	text, err := json.Marshal(frame)
	if err != nil {
		return err
	}
	return socket.Write(ctx, websocket.MessageText, text)
}

// queue queues a message to the prospect.
func queue(
	ctx context.Context, operator *connectsocket.Client, request *connectsocket.SendMessageRequest,
) (connectsocket.SendMessageResponse, error) {
	params := connectsocket.SendMessageParams{DeviceTag: device}
	response, err := operator.SendMessage(ctx, request, params)
	if err != nil {
		return connectsocket.SendMessageResponse{}, err
	}
	queued, ok := response.(*connectsocket.SendMessageAccepted)
	if !ok {
		return connectsocket.SendMessageResponse{}, fmt.Errorf("not queued: %v", response)
	}
	return queued.Response, nil
}

// converse takes a message of the operator's and sends one back.
func (d *driver) converse(
	ctx context.Context, operator *connectsocket.Client,
) (received json.RawMessage, accepted string, err error) {
	encoded := base64.RawURLEncoding.EncodeToString([]byte(halfRef))
	options := websocket.DialOptions{Subprotocols: []string{"prospect.v1", "halfref." + encoded}}
	socket, _, err := websocket.Dial(ctx, strings.Replace(d.baseURL, "http", "ws", 1)+"/prospect/socket", &options)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, socket.Close(websocket.StatusNormalClosure, "")) }()
	hello, err := receive(ctx, socket)
	if err != nil || !hello.IsHelloFrame() {
		return nil, "", fmt.Errorf("not a hello: %v %w", hello, err)
	}
	request := connectsocket.SendMessageRequest{Data: []byte(`{"text":"Hello, prospect"}`)}
	queued, err := queue(ctx, operator, &request)
	if err != nil {
		return nil, "", err
	}
	frame, err := receive(ctx, socket)
	message, ok := frame.GetOperatorMessageFrame()
	if err != nil || !ok || message.Seq != queued.Seq {
		return nil, "", fmt.Errorf("not the message: %v %w", frame, err)
	}

	ack := connectsocket.AckFrame{Type: connectsocket.AckFrameTypeAck, Seq: message.Seq}
	if err := send(ctx, socket, connectsocket.NewAckFrameClientFrame(ack)); err != nil {
		return nil, "", err
	}
	answer := connectsocket.ProspectMessageFrame{
		Type: connectsocket.ProspectMessageFrameTypeMessage,
		ID:   rand.Text(),
		Data: []byte(`{"text":"Hello, operator"}`),
	}
	if err := send(ctx, socket, connectsocket.NewProspectMessageFrameClientFrame(answer)); err != nil {
		return nil, "", err
	}
	last, err := receive(ctx, socket)
	if err != nil || !last.IsAcceptedFrame() {
		return nil, "", fmt.Errorf("not accepted: %v %w", last, err)
	}
	return json.RawMessage(message.Data), last.AcceptedFrame.ID, nil
}

type readEvent struct {
	ID   string                      `json:"id"`
	Data connectsocket.OperatorEvent `json:"data"`
}

// readEvents reads what happened so far, releases it, and asks for it once more.
func (d *driver) readEvents(ctx context.Context, operator *connectsocket.Client, operatorKey string) (
	events []readEvent, gap *connectsocket.GapEvent, err error,
) {
	tooLate := connectsocket.SendMessageRequest{
		Data: []byte(`"Too late"`), TtlSeconds: connectsocket.NewOptInt32(1),
	}
	if _, err := queue(ctx, operator, &tooLate); err != nil {
		return nil, nil, err
	}
	open := func(lastEventID string) (io.ReadCloser, error) {
		return openEvents(ctx, d.baseURL, operatorKey, lastEventID)
	}
	known := []string{"connected", "message", "disconnected", "expired"}
	for event, err := range follow(ctx, open, "0") {
		if err != nil {
			return nil, nil, err
		}
		if !slices.Contains(known, event.Event) {
			continue
		}
		read := readEvent{ID: event.ID}
		if err := json.Unmarshal([]byte(event.Data), &read.Data); err != nil {
			return nil, nil, err
		}
		events = append(events, read)
		if read.Data.IsExpiredEvent() {
			break
		}
	}
	params := connectsocket.ReleaseEventsParams{Through: events[len(events)-1].ID}
	released, err := operator.ReleaseEvents(ctx, params)
	if err != nil {
		return nil, nil, err
	}
	if _, ok := released.(*connectsocket.ReleaseEventsNoContent); !ok {
		return nil, nil, fmt.Errorf("not released: %v", released)
	}
	for event, err := range follow(ctx, open, events[0].ID) {
		if err != nil {
			return nil, nil, err
		}
		var read connectsocket.OperatorEvent
		if err := json.Unmarshal([]byte(event.Data), &read); err != nil {
			return nil, nil, err
		}
		if gap, ok := read.GetGapEvent(); ok {
			return events, &gap, nil
		}
		return events, nil, nil
	}
	return events, nil, nil
}

// refused meets a 401, a 409, a 422 and a 429.
func (d *driver) refused(ctx context.Context, token string) error {
	absent := connectsocket.OptNilString{}
	for _, token := range []string{"no-token", token} {
		answer, err := d.connectSocket(ctx, token, halfRef, absent)
		if err != nil || !d.meet(answer) {
			return fmt.Errorf("not refused: %v %w", answer, err)
		}
	}
	deviceData := connectsocket.DeviceData{}
	for n := range 65 {
		deviceData[fmt.Sprintf("member%d", n)] = []byte(`1`)
	}
	answer, err := d.requestToken(ctx, connectsocket.NewOptDeviceData(deviceData))
	if err != nil || !d.meet(answer) {
		return fmt.Errorf("not refused: %v %w", answer, err)
	}
	for range 50 {
		answer, err := d.connectSocket(ctx, token, rand.Text()+rand.Text(), absent)
		if err != nil || d.meet(answer) {
			return err
		}
	}
	return nil
}

func run(ctx context.Context, baseURL, operatorKey string) error {
	d := driver{baseURL: baseURL}
	operator, err := d.client(credentials{operatorKey: operatorKey})
	if err != nil {
		return err
	}
	response, err := d.requestToken(ctx, connectsocket.OptDeviceData{})
	if err != nil {
		return err
	}
	token, ok := response.(*connectsocket.TokenResponseHeaders)
	if !ok {
		return fmt.Errorf("no token: %v", response)
	}
	var absent, null connectsocket.OptNilString
	null.SetToNull()
	set := connectsocket.NewOptNilString("https://example.com/friend")
	for _, link := range []connectsocket.OptNilString{absent, null, set} {
		answer, err := d.connectSocket(ctx, token.Response.Token, halfRef, link)
		if err != nil {
			return err
		}
		if _, ok := answer.(*connectsocket.ConnectSocketResponseHeaders); !ok {
			return fmt.Errorf("not authorised: %v", answer)
		}
	}
	received, accepted, err := d.converse(ctx, operator)
	if err != nil {
		return err
	}
	if err := d.refused(ctx, token.Response.Token); err != nil {
		return err
	}
	events, gap, err := d.readEvents(ctx, operator, operatorKey)
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
