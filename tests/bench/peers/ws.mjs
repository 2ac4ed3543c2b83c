// Websockets with ws: it parses each message and answers `accepted`, and pushes the bodies of requests. It keeps nothing.
import { WebSocketServer } from "ws";
import { listen, operator } from "./operator.mjs";

const sockets = new Map();
const server = operator((device, data) => sockets.get(device)?.send(JSON.stringify({ type: "message", data })));

const websockets = new WebSocketServer({ server, perMessageDeflate: false, handleProtocols: () => "prospect.v1" });
websockets.on("connection", (socket, request) => {
  const device = request.headers["x-device"];
  sockets.set(device, socket);
  socket.on("message", (text) => {
    const { id } = JSON.parse(text);
    socket.send(JSON.stringify({ type: "accepted", id }));
  });
  socket.on("close", () => sockets.delete(device));
});

listen(server);
