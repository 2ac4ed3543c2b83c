// Websockets with ws: it parses each message and answers `accepted`, and pushes the bodies of requests. It keeps nothing.
import http from "node:http";
import { WebSocketServer } from "ws";

const sockets = new Map();

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const device = request.url.split("/")[3];
    const { data } = JSON.parse(Buffer.concat(chunks));
    sockets.get(device)?.send(JSON.stringify({ type: "message", data }));
    response.writeHead(202, { "content-length": 2 }).end("{}");
  });
});

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

server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
