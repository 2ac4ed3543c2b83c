// The documented POST in Fastify: a schema for the body, a check of the token, problems, and a line of its log for
// each request. It forgets each halfRef.
import Fastify from "fastify";

const server = Fastify({ logger: { level: "info", stream: process.stderr } });
const tokens = new Set(["none"]);

server.post(
  "/prospect/connectsocket",
  {
    schema: {
      body: {
        type: "object",
        required: ["halfRef", "deviceTag"],
        additionalProperties: false,
        properties: {
          halfRef: { type: "string", pattern: "^[!-~]{32,512}$" },
          deviceTag: { type: "string", pattern: "^[A-Za-z0-9._:@~+=-]{1,128}$" },
          linkinjected: { type: ["string", "null"], maxLength: 2048 },
        },
      },
      response: { 200: { type: "object", properties: { success: { type: "boolean" } } } },
    },
  },
  async (request, reply) => {
    if (!tokens.has(request.headers.token)) {
      return reply.code(401).send({ success: false });
    }
    return { success: true };
  },
);

console.log(await server.listen({ host: "127.0.0.1", port: 0 }));
