// The operator's side of the peers in Node: pushes the data of requests to a device, and prints where it listens.
import http from "node:http";

/** A server whose requests for a device's messages call `push` with the device and the data. */
export const operator = (push) =>
  http.createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      push(request.url.split("/")[3], JSON.parse(Buffer.concat(chunks)).data);
      response.writeHead(202, { "content-length": 2 }).end("{}");
    });
  });

export const listen = (server) =>
  server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
