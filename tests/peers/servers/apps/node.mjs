// The service on Node's own server. A handler that throws is only logged, as in most services that are to stay up.
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";

process.on("unhandledRejection", (error) => console.error(String(error)));

async function size(request) {
  let bytes = 0;
  for await (const chunk of request) bytes += chunk.length;
  return bytes;
}

async function stream(response, type, texts, thenFail, more = {}) {
  response.writeHead(200, { "content-type": type, ...more });
  for (const text of texts) {
    response.write(text);
    await pause(30);
  }
  if (thenFail) throw new Error("the handler fails midway");
  response.end();
}

function json(response, status, value) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

async function handle(request, response) {
  const url = new URL(request.url, "http://node");
  switch (url.pathname) {
    case "/json":
      return json(response, 200, { user: 1, name: "Ada" });
    case "/text":
      response.writeHead(200, { "content-type": "text/plain; charset=utf-8" });
      return response.end("pong");
    case "/nothing":
      response.writeHead(204);
      return response.end();
    case "/take":
    case "/moody": {
      const bytes = await size(request);
      // Node does not answer for a handler that throws. Every framework catches the error and does this.
      if (url.search) return json(response, 500, { message: "Internal Server Error" });
      return json(response, 200, { bytes });
    }
    case "/stream":
      return stream(response, "text/plain", ["one ", "two ", "three ", "four"], false);
    case "/broken":
      return stream(response, "text/plain", ["one ", "two "], true);
    case "/broken_length":
      return stream(response, "text/plain", ["one ", "two "], true, { "content-length": 18 });
    case "/broken_json":
      return stream(response, "application/json", ['{"user": 1, ', '"name": '], true);
    default:
      // The body stays unread.
      return json(response, 404, { message: "Not Found" });
  }
}

const server = createServer(handle);
server.keepAliveTimeout = 2000;
server.listen(0, "127.0.0.1", () => console.error(`listening on 127.0.0.1:${server.address().port}`));
