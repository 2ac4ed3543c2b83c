// Drives the client of openapi-generator: `OPERATOR_KEY=<key> java Driver <base-url>`.
// Prints what it met as one JSON object.

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import connectsocket.ApiClient;
import connectsocket.ApiException;
import connectsocket.JSON;
import connectsocket.api.OperatorApi;
import connectsocket.api.ProspectApi;
import connectsocket.model.AcceptedFrame;
import connectsocket.model.AckFrame;
import connectsocket.model.Channel;
import connectsocket.model.ClientFrame;
import connectsocket.model.ConnectSocketRequest;
import connectsocket.model.ExpiredEvent;
import connectsocket.model.FieldError;
import connectsocket.model.GapEvent;
import connectsocket.model.HelloFrame;
import connectsocket.model.OperatorEvent;
import connectsocket.model.OperatorMessageFrame;
import connectsocket.model.Problem;
import connectsocket.model.ProspectMessageFrame;
import connectsocket.model.SendMessageRequest;
import connectsocket.model.ServerFrame;
import connectsocket.model.TokenRequest;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

final class Driver {
    private static final String DEVICE = "my_deviceTag";
    private static final String HALF_REF =
            "l8t0rw2m4zzpi1goeytt597bhtz31ljbf0zo0vz1w2kxeskgwmz36bjafvg8kx1rbwb2bzm4l0xgmux81t";
    private static final long PATIENCE_SECONDS = 20;
    private static final Set<String> KINDS = Set.of("connected", "message", "disconnected", "expired");
    private static final ObjectMapper MAPPER = JSON.getDefault().getMapper();

    private final String baseUrl;
    private final HttpClient http = HttpClient.newHttpClient();
    private final List<Map<String, Object>> problems = new ArrayList<>();

    private Driver(String baseUrl) {
        this.baseUrl = baseUrl;
    }

    private ApiClient client() {
        return new ApiClient().setBasePath(baseUrl);
    }

    private ProspectApi api(String token) {
        return new ProspectApi(client().setApiKey(token));
    }

    private static ConnectSocketRequest request(String halfRef) {
        return new ConnectSocketRequest().halfRef(halfRef).deviceTag(DEVICE);
    }

    private static TokenRequest tokenRequest() {
        return new TokenRequest().channel(Channel.TEST).deviceTag(DEVICE);
    }

    @FunctionalInterface
    private interface Call {
        void run() throws ApiException;
    }

    /** Whether the call is refused; the refusal is kept. */
    private boolean meet(Call call) throws ApiException {
        try {
            call.run();
            return false;
        } catch (ApiException refusal) {
            if (!(refusal.getErrorEntity() instanceof Problem problem)) {
                throw refusal;
            }
            List<FieldError> errors = problem.getErrors() == null ? List.of() : problem.getErrors();
            problems.add(Map.of(
                    "type", problem.getType(),
                    "title", problem.getTitle(),
                    "status", problem.getStatus(),
                    "detail", problem.getDetail(),
                    "success", problem.getSuccess(),
                    "requestId", problem.getRequestId(),
                    "errors", errors.stream()
                            .map(error -> Map.of(
                                    "pointer", error.getPointer(),
                                    "code", error.getCode(),
                                    "detail", error.getDetail()))
                            .toList()));
            return true;
        }
    }

    /** A prospect's socket, over `java.net.http`. */
    private static final class Socket implements WebSocket.Listener {
        private final BlockingQueue<String> frames = new LinkedBlockingQueue<>();
        private final StringBuilder partial = new StringBuilder();

        @Override
        public CompletionStage<?> onText(WebSocket socket, CharSequence text, boolean last) {
            partial.append(text);
            if (last) {
                frames.add(partial.toString());
                partial.setLength(0);
            }
            socket.request(1);
            return null;
        }

        /** The next frame, which is to be of this kind. */
        <T> T receive(Class<T> kind) throws InterruptedException, JsonProcessingException {
            String text = frames.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
            if (text == null) {
                throw new IllegalStateException("no " + kind.getSimpleName());
            }
            return kind.cast(MAPPER.readValue(text, ServerFrame.class).getActualInstance());
        }
    }

    private static void send(WebSocket socket, ClientFrame frame) throws JsonProcessingException {
        socket.sendText(MAPPER.writeValueAsString(frame), true).join();
    }

    private Map<String, Object> run(String operatorKey) throws Exception {
        String token = api(null).requestToken(tokenRequest(), null).getToken();
        ProspectApi prospect = api(token);
        prospect.connectSocket(request(HALF_REF));
        prospect.connectSocket(request(HALF_REF).linkinjected(null));
        prospect.connectSocket(request(HALF_REF).linkinjected("https://example.com/friend"));

        Map<String, Object> report = new HashMap<>(converse(operatorKey));

        meet(() -> api("no-token").connectSocket(request(HALF_REF)));
        meet(() -> prospect.connectSocket(request(HALF_REF)));
        TokenRequest tooMuch = tokenRequest();
        for (int n = 0; n < 65; n++) {
            tooMuch.putDeviceDataItem("member" + n, n);
        }
        meet(() -> api(null).requestToken(tooMuch, null));
        boolean refused = false;
        for (int n = 0; n < 50 && !refused; n++) {
            refused = meet(() -> prospect.connectSocket(request(UUID.randomUUID().toString())));
        }
        report.putAll(readEvents(operatorKey));
        report.put("typed", true);
        report.put("problems", problems);
        return report;
    }

    /** Takes a message of the operator's and sends one back. */
    private Map<String, Object> converse(String operatorKey) throws Exception {
        Socket frames = new Socket();
        String encoded =
                Base64.getUrlEncoder().withoutPadding().encodeToString(HALF_REF.getBytes(StandardCharsets.US_ASCII));
        WebSocket socket = http.newWebSocketBuilder()
                .subprotocols("prospect.v1", "halfref." + encoded)
                .buildAsync(URI.create(baseUrl.replaceFirst("http", "ws") + "/prospect/socket"), frames)
                .get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        frames.receive(HelloFrame.class);
        OperatorApi operator = new OperatorApi(client().setBearerToken(operatorKey));
        SendMessageRequest hello = new SendMessageRequest().data(Map.of("text", "Hello, prospect"));
        Long seq = operator.sendMessage(DEVICE, hello, null, null).getSeq();
        OperatorMessageFrame message = frames.receive(OperatorMessageFrame.class);
        if (!message.getSeq().equals(seq)) {
            throw new IllegalStateException("not the message: " + message);
        }
        send(socket, new ClientFrame(new AckFrame().type(AckFrame.TypeEnum.ACK).seq(seq)));
        send(socket, new ClientFrame(new ProspectMessageFrame()
                .type(ProspectMessageFrame.TypeEnum.MESSAGE)
                .id(UUID.randomUUID().toString())
                .data(Map.of("text", "Hello, operator"))));
        AcceptedFrame accepted = frames.receive(AcceptedFrame.class);
        socket.sendClose(WebSocket.NORMAL_CLOSURE, "").get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        return Map.of("received", message.getData(), "accepted", accepted.getId());
    }

    /** Opens the stream. (The generated method reads a body to its end, which does not come.) */
    private InputStream openEvents(String operatorKey, String lastEventId) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(baseUrl + "/operator/events"))
                .header("Authorization", "Bearer " + operatorKey)
                .header("Last-Event-ID", lastEventId)
                .build();
        HttpResponse<InputStream> response = http.send(request, HttpResponse.BodyHandlers.ofInputStream());
        int status = response.statusCode();
        if (status == 200) {
            return response.body();
        }
        response.body().close();
        if (status == 429 || status >= 500) {
            throw new IOException("status " + status);
        }
        throw new IllegalStateException("status " + status);
    }

    /** Reads what happened so far, releases it, and asks for it once more. */
    private Map<String, Object> readEvents(String operatorKey) throws Exception {
        OperatorApi operator = new OperatorApi(client().setBearerToken(operatorKey));
        operator.sendMessage(DEVICE, new SendMessageRequest().data("Too late").ttlSeconds(1), null, null);
        Events.Source source = lastEventId -> openEvents(operatorKey, lastEventId);
        List<String> ids = new ArrayList<>();
        List<Map<String, Object>> events = new ArrayList<>();
        Events.follow(source, "0", event -> {
            if (!KINDS.contains(event.event())) {
                return true;
            }
            Object read = MAPPER.readValue(event.data(), OperatorEvent.class).getActualInstance();
            ids.add(event.id());
            events.add(Map.of("id", event.id(), "data", read));
            return !(read instanceof ExpiredEvent);
        });
        operator.releaseEvents(ids.get(ids.size() - 1));
        List<GapEvent> gaps = new ArrayList<>();
        Events.follow(source, ids.get(0), event -> {
            gaps.add((GapEvent) MAPPER.readValue(event.data(), OperatorEvent.class).getActualInstance());
            return false;
        });
        return Map.of("events", events, "gap", gaps.get(0));
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, Object> report = new Driver(arguments[0]).run(System.getenv("OPERATOR_KEY"));
        System.out.println(MAPPER.writeValueAsString(report));
    }
}
