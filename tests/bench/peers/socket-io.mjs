// Socket.IO over websockets: it acknowledges each event, and emits the bodies of requests to the room of a device. It
// keeps nothing.
import { Server } from "socket.io";
import { listen, operator } from "./operator.mjs";

const server = operator((device, data) => sockets.to(device).emit("message", { data }));

const sockets = new Server(server, { transports: ["websocket"], serveClient: false });
sockets.on("connection", (socket) => {
  socket.join(socket.handshake.query.device);
  socket.on("message", (message, acknowledge) => acknowledge(message.id));
});

listen(server);
