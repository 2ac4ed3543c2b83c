// Drives the client of openapi-generator: `OPERATOR_KEY=<key> driver <base-url>`.
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

	"driver/generated"
)

const (
	device   = "my_deviceTag"
	halfRef  = "l8t0rw2m4zzpi1goeytt597bhtz31ljbf0zo0vz1w2kxeskgwmz36bjafvg8kx1rbwb2bzm4l0xgmux81t"
	patience = 20 * time.Second
)

type driver struct {
	client   *connectsocket.APIClient
	problems []connectsocket.Problem
}

func withToken(ctx context.Context, token string) context.Context {
	keys := map[string]connectsocket.APIKey{"token": {Key: token}}
	return context.WithValue(ctx, connectsocket.ContextAPIKeys, keys)
}

func (d *driver) requestToken(ctx context.Context, deviceData map[string]any) (*connectsocket.TokenResponse, error) {
	request := connectsocket.NewTokenRequest(connectsocket.TEST, device)
	request.DeviceData = deviceData
	token, _, err := d.client.ProspectAPI.RequestToken(ctx).TokenRequest(*request).Execute()
	return token, err
}

func (d *driver) connectSocket(ctx context.Context, request *connectsocket.ConnectSocketRequest) error {
	_, _, err := d.client.ProspectAPI.ConnectSocket(ctx).ConnectSocketRequest(*request).Execute()
	return err
}

// meet keeps the problem that a call was refused with.
func (d *driver) meet(err error) error {
	var refusal *connectsocket.GenericOpenAPIError
	if !errors.As(err, &refusal) {
		return fmt.Errorf("no refusal: %w", err)
	}
	problem, typed := refusal.Model().(connectsocket.Problem)
	if !typed {
		return fmt.Errorf("no problem: %w", err)
	}
	if problem.Errors == nil {
		problem.Errors = []connectsocket.FieldError{}
	}
	d.problems = append(d.problems, problem)
	return nil
}

func open(ctx context.Context, baseURL string) (*websocket.Conn, error) {
	encoded := base64.RawURLEncoding.EncodeToString([]byte(halfRef))
	options := websocket.DialOptions{Subprotocols: []string{"prospect.v1", "halfref." + encoded}}
	socket, _, err := websocket.Dial(ctx, strings.Replace(baseURL, "http", "ws", 1)+"/prospect/socket", &options)
	return socket, err
}

func receive(ctx context.Context, socket *websocket.Conn) (*connectsocket.ServerFrame, error) {
	_, text, err := socket.Read(ctx)
	if err != nil {
		return nil, err
	}
	var frame connectsocket.ServerFrame
	return &frame, json.Unmarshal(text, &frame)
}

func send(ctx context.Context, socket *websocket.Conn, frame connectsocket.ClientFrame) error {
	text, err := json.Marshal(frame)
	if err != nil {
		return err
	}
	return socket.Write(ctx, websocket.MessageText, text)
}

// converse takes a message of the operator's and sends one back.
func (d *driver) converse(ctx context.Context, baseURL, operatorKey string) (received any, accepted string, err error) {
	socket, err := open(ctx, baseURL)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, socket.Close(websocket.StatusNormalClosure, "")) }()
	hello, err := receive(ctx, socket)
	if err != nil || hello.HelloFrame == nil {
		return nil, "", fmt.Errorf("not a hello: %v %w", hello, err)
	}

	operator := context.WithValue(ctx, connectsocket.ContextAccessToken, operatorKey)
	request := connectsocket.NewSendMessageRequest(map[string]string{"text": "Hello, prospect"})
	queued, _, err := d.client.OperatorAPI.SendMessage(operator, device).SendMessageRequest(*request).Execute()
	if err != nil {
		return nil, "", err
	}
	frame, err := receive(ctx, socket)
	if err != nil || frame.OperatorMessageFrame == nil || frame.OperatorMessageFrame.Seq != queued.Seq {
		return nil, "", fmt.Errorf("not the message: %v %w", frame, err)
	}

	ack := connectsocket.NewAckFrame("ack", queued.Seq)
	if err := send(ctx, socket, connectsocket.AckFrameAsClientFrame(ack)); err != nil {
		return nil, "", err
	}
	answer := connectsocket.NewProspectMessageFrame("message", rand.Text(), map[string]string{"text": "Hello, operator"})
	if err := send(ctx, socket, connectsocket.ProspectMessageFrameAsClientFrame(answer)); err != nil {
		return nil, "", err
	}
	last, err := receive(ctx, socket)
	if err != nil || last.AcceptedFrame == nil {
		return nil, "", fmt.Errorf("not accepted: %v %w", last, err)
	}
	return frame.OperatorMessageFrame.Data, last.AcceptedFrame.Id, nil
}

type readEvent struct {
	ID   string                      `json:"id"`
	Data connectsocket.OperatorEvent `json:"data"`
}

// readEvents reads what happened so far, releases it, and asks for it once more.
func (d *driver) readEvents(ctx context.Context, baseURL, operatorKey string) (
	events []readEvent, gap *connectsocket.GapEvent, err error,
) {
	operator := context.WithValue(ctx, connectsocket.ContextAccessToken, operatorKey)
	tooLate := connectsocket.NewSendMessageRequest("Too late")
	tooLate.SetTtlSeconds(1)
	_, _, err = d.client.OperatorAPI.SendMessage(operator, device).SendMessageRequest(*tooLate).Execute()
	if err != nil {
		return nil, nil, err
	}
	open := func(lastEventID string) (io.ReadCloser, error) {
		return openEvents(ctx, baseURL, operatorKey, lastEventID)
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
		if read.Data.ExpiredEvent != nil {
			break
		}
	}
	_, err = d.client.OperatorAPI.ReleaseEvents(operator).Through(events[len(events)-1].ID).Execute()
	if err != nil {
		return nil, nil, err
	}
	for event, err := range follow(ctx, open, events[0].ID) {
		if err != nil {
			return nil, nil, err
		}
		var read connectsocket.OperatorEvent
		err = json.Unmarshal([]byte(event.Data), &read)
		return events, read.GapEvent, err
	}
	return events, nil, nil
}

// refused meets a 401, a 409, a 422 and a 429.
func (d *driver) refused(ctx context.Context, token string) error {
	example := connectsocket.NewConnectSocketRequest(halfRef, device)
	if err := d.meet(d.connectSocket(withToken(ctx, "no-token"), example)); err != nil {
		return err
	}
	prospect := withToken(ctx, token)
	if err := d.meet(d.connectSocket(prospect, example)); err != nil {
		return err
	}
	deviceData := map[string]any{}
	for n := range 65 {
		deviceData[fmt.Sprintf("member%d", n)] = n
	}
	_, err := d.requestToken(ctx, deviceData)
	if err := d.meet(err); err != nil {
		return err
	}
	for range 50 {
		err = d.connectSocket(prospect, connectsocket.NewConnectSocketRequest(rand.Text()+rand.Text(), device))
		if err != nil {
			break
		}
	}
	return d.meet(err)
}

func run(ctx context.Context, baseURL, operatorKey string) error {
	configuration := connectsocket.NewConfiguration()
	configuration.Servers = connectsocket.ServerConfigurations{{URL: baseURL}}
	d := driver{client: connectsocket.NewAPIClient(configuration)}

	token, err := d.requestToken(ctx, nil)
	if err != nil {
		return err
	}
	prospect := withToken(ctx, token.Token)
	absent := connectsocket.NewConnectSocketRequest(halfRef, device)
	null := connectsocket.NewConnectSocketRequest(halfRef, device)
	null.SetLinkinjectedNil()
	set := connectsocket.NewConnectSocketRequest(halfRef, device)
	set.SetLinkinjected("https://example.com/friend")
	for _, request := range []*connectsocket.ConnectSocketRequest{absent, null, set} {
		if err := d.connectSocket(prospect, request); err != nil {
			return err
		}
	}
	received, accepted, err := d.converse(ctx, baseURL, operatorKey)
	if err != nil {
		return err
	}
	if err := d.refused(ctx, token.Token); err != nil {
		return err
	}
	events, gap, err := d.readEvents(ctx, baseURL, operatorKey)
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
