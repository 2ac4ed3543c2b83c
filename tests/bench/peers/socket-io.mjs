// Socket.IO over websockets: it acknowledges each event, and emits the bodies of requests to the room of a device. It
// keeps nothing.
import http from "node:http";
import { Server } from "socket.io";

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const device = request.url.split("/")[3];
    const { data } = JSON.parse(Buffer.concat(chunks));
    sockets.to(device).emit("message", { data });
    response.writeHead(202, { "content-length": 2 }).end("{}");
  });
});

const sockets = new Server(server, { transports: ["websocket"], serveClient: false });
sockets.on("connection", (socket) => {
  socket.join(socket.handshake.query.device);
  socket.on("message", (message, acknowledge) => acknowledge(message.id));
});

server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
