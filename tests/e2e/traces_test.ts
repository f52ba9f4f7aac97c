import { assert, assertEquals } from "@std/assert";
import { S3_KEYS } from "../fixtures/s3rver.ts";
import { testFolder } from "../fixtures/folder.ts";
import { refuses, request, TestNode } from "./node.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CALLER = "b7ad6b7169203331";

interface SentSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  attributes: { key: string; value: unknown }[];
  status: { code?: number };
}

Deno.test("a call, what it does and its requests to the store are one trace, its caller's", async () => {
  using folder = testFolder();
  const spans: SentSpan[] = [];
  await using collector = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (received) => {
      const { resourceSpans: [resource] } = await received.json();
      spans.push(...resource.scopeSpans[0].spans);
      return new Response("{}");
    },
  );
  // It refuses everything: a save fails at its first request.
  const seen: (string | null)[] = [];
  await using store = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (received) => {
      seen.push(received.headers.get("traceparent"));
      const error = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";
      return new Response(error, { status: 403, headers: { "content-type": "application/xml" } });
    },
  );
  const storage = {
    kind: "s3",
    endpoint: `http://127.0.0.1:${store.addr.port}`,
    bucket: "b",
    forcePathStyle: true,
    ...S3_KEYS,
  };
  const endpoint = `http://127.0.0.1:${collector.addr.port}`;
  await using node = await TestNode.start(folder.path, "node", {
    config: { storage, tracing: { endpoint }, backup: { attempts: 1 } },
  });
  await node.client.initWorkspace(request("w"));
  const traceparent = `00-${TRACE}-${CALLER}-01`;
  const backup = () => node.client.backupWorkspace("w", { traceparent });
  await refuses("FAILED_PRECONDITION", "403 AccessDenied", backup);
  await node.end("SIGTERM");

  const ours = spans.filter(({ traceId }) => traceId === TRACE);
  const call = ours.find(({ parentSpanId }) => parentSpanId === CALLER);
  assert(call !== undefined && call.name.endsWith("/BackupWorkspace"), JSON.stringify(spans));
  const saved = ours.find(({ parentSpanId }) => parentSpanId === call.spanId);
  assertEquals(
    call.attributes.find(({ key }) => key === "rpc.grpc.status_code")?.value,
    { intValue: "9" },
  );
  assertEquals([saved?.name, saved?.status.code], ["backup", 2]);
  assert(seen.includes(`00-${TRACE}-${saved!.spanId}-01`), seen.join());
  assert(node.daemon.log.includes(saved!.spanId), "the operation's id is its span's");
  assert(spans.some(({ name, traceId }) => name === "init" && traceId !== TRACE));
});
