// Calls of a generated client, with the expected answers. `tests/peers/clients.rs` compiles and runs this file.
import createClient from "openapi-fetch";
import type { components, paths } from "./gather.d.ts";

type Schemas = components["schemas"];

/** `true` if each of both types can stand for the other. */
type Equal<A, B> = [A, B] extends [B, A] ? true : false;

function is(found: unknown, wanted: unknown): void {
  const [left, right] = [found, wanted].map((value) => JSON.stringify(value));
  if (left !== right) throw new Error(`${left} is not ${right}`);
}

const client = createClient<paths>({ baseUrl: "http://127.0.0.1:8080" });

// Two calls by name, in the order given, and a forwarded parameter, once and twice.
const two = await client.GET("/aggregate", {
  params: { query: { calls: ["orders", "users"], mode: "concurrent", wait_for: 2, q: "ada" } },
});
const isRun: Equal<typeof two.data, Schemas["Run"] | undefined> = true;
is(isRun, true);
if (!two.data) throw new Error(two.error.detail);
const outcome: "complete" | "partial" | "failed" = two.data.outcome;
is([outcome, two.data.mode], ["complete", "concurrent"]);
is(
  two.data.results.map((result) => [result.name, result.ok && result.body]),
  [["orders", "none yet"], ["users", { id: 1, asked: "q=ada" }]],
);
const twice = await client.GET("/aggregate", { params: { query: { calls: ["users"], q: ["ada", "bob"] } } });
const [asked] = twice.data?.results ?? [];
is(asked?.ok && asked.body, { id: 1, asked: "q=ada&q=bob" });

// A mistake of the caller's: a problem without results.
const wrong = await client.GET("/aggregate", { params: { query: { timeout: "soon" } } });
is([wrong.response.status, wrong.data], [400, undefined]);
const kind: Schemas["ProblemType"] | undefined = wrong.error?.type;
is(kind, "urn:gather:problem:invalid-parameter");
is(wrong.error && "parameter" in wrong.error && wrong.error.parameter, "timeout");
is(wrong.error && "results" in wrong.error, false);

// A run that failed: a problem with its results.
const lost = await client.GET("/aggregate/shop", { params: { query: { mode: "sequential" } } });
is(lost.response.status, 502);
if (!lost.error || !("results" in lost.error)) throw new Error("no results");
is([lost.error.type, lost.error.outcome], ["urn:gather:problem:upstream-failed", "failed"]);
const failure: Schemas["Failure"][] = lost.error.results.flatMap((result) => (result.ok ? [] : [result.failure]));
is(failure, ["status"]);
is(lost.error.results.map((result) => result.status), [200, 503]);

// A comparison, and a run of the same aggregate.
const both = await client.GET("/aggregate/both", { params: { query: { mode: "compare" } } });
if (both.data?.mode !== "compare") throw new Error("no comparison");
const speedup: number | null = both.data.speedup;
is([typeof speedup, both.data.sequential.mode, both.data.concurrent.mode], ["number", "sequential", "concurrent"]);
is(both.data.sequential.results.map((result) => result.name), ["users", "odd"]);
const once = await client.GET("/aggregate/both");
if (!once.data || once.data.mode === "compare") throw new Error("a comparison");
is(once.data.results.length, 2);

// A comparison as a stream.
const stream = await client.GET("/aggregate/both", {
  params: { query: { mode: "compare" } },
  headers: { Accept: "application/x-ndjson" },
  parseAs: "stream",
});
const isStream: Equal<typeof stream.data, Response["body"] | undefined> = true;
is(isStream, true);
let text = "";
const decoder = new TextDecoder();
for await (const piece of stream.data ?? []) text += decoder.decode(piece, { stream: true });
type Message = Schemas["StreamedResult"] | Schemas["StreamedComparison"];
const messages = text.trimEnd().split("\n").map((line): Message => JSON.parse(line));
const seen = messages.map((message) => ("index" in message ? `${message.mode} ${message.index}` : message.outcome));
is(seen.slice(0, 2), ["sequential 0", "sequential 1"]);
is(seen.slice(2, 4).sort(), ["concurrent 0", "concurrent 1"]);
is(seen.slice(4), ["complete"]);
for (const message of messages) {
  if ("index" in message && message.ok && message.name === "odd") is(message.body, "a\u2028b");
}

// The gateway's own state.
const ready = await client.GET("/readyz");
const isReady: true | undefined = ready.data?.ready;
is(isReady, true);
const metrics = await client.GET("/metrics", { parseAs: "text" });
is(metrics.data?.startsWith("# HELP"), true);

console.log("all as the types say");
