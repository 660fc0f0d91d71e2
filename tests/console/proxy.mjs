// Proxies between a browser and the gateway: one removes a prefix, one breaks off in the middle, and one answers
// itself.

import { createServer, request } from "node:http";

/** Starts a proxy on a free port, which serves `origin` behind `prefix`. `cut` cuts the answers under way. If `instead`
    has a stream for a path, the proxy answers with that. */
export async function proxy(origin, prefix, instead = () => null) {
  const under = new Set();
  const server = createServer((asked, answer) => {
    if (!asked.url.startsWith(`${prefix}/`)) {
      answer.writeHead(404).end();
      return;
    }
    const path = asked.url.slice(prefix.length);
    const stream = instead(path);
    if (stream !== null) {
      answer.writeHead(200, { "content-type": "application/x-ndjson" }).end(stream);
      return;
    }
    const onward = request(new URL(path, origin), { headers: { ...asked.headers, host: new URL(origin).host } }, (response) => {
      answer.writeHead(response.statusCode, response.headers);
      answer.flushHeaders();
      response.pipe(answer);
      under.add(answer);
    });
    onward.on("error", () => answer.destroy());
    answer.on("close", () => {
      under.delete(answer);
      onward.destroy();
    });
    asked.pipe(onward);
  });
  await new Promise((listens) => server.listen(0, "127.0.0.1", listens));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    cut: () => under.forEach((answer) => answer.destroy()),
    close: () => {
      server.closeAllConnections();
      return new Promise((closed) => server.close(closed));
    },
  };
}
