import { assertEquals } from "@std/assert";
import { testFolder } from "../fixtures/folder.ts";
import { BUCKET, S3_KEYS, startS3 } from "../fixtures/s3rver.ts";
import { refuses, request, TestNode } from "./node.ts";

function countingServer(): Deno.HttpServer<Deno.NetAddr> & { seen: string[] } {
  const seen: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
    seen.push(url);
    return new Response("secret");
  });
  return Object.assign(server, { seen });
}

Deno.test("a daemon is deaf to its environment's proxies: downloads pass the egress proxy, S3 meets none", async () => {
  using folder = testFolder();
  await using s3 = await startS3();
  await using local = countingServer();
  await using proxy = countingServer();
  const { endpoint } = s3;
  const proxyUrl = `http://127.0.0.1:${proxy.addr.port}`;
  const storage = { kind: "s3", endpoint, bucket: BUCKET, forcePathStyle: true, ...S3_KEYS };
  await using node = await TestNode.start(folder.path, "node", {
    config: { storage },
    env: {
      NO_PROXY: "localhost",
      no_proxy: "localhost",
      NODE_USE_ENV_PROXY: "1",
      HTTP_PROXY: proxyUrl,
      http_proxy: proxyUrl,
    },
  });
  const { client } = node;
  const files = [{
    url: `http://localhost:${local.addr.port}/latest/meta-data`,
    filePath: "x",
    digest: `sha256:${"0".repeat(64)}`,
  }];
  const initializer = { spec: { case: "download" as const, value: { files } } };
  await refuses(
    "FAILED_PRECONDITION",
    "net.allowLoopback",
    () => client.initWorkspace(request("w", { initializer })),
  );
  await client.initWorkspace(request("w"));
  await client.backupWorkspace("w");
  await client.disposeWorkspace({ id: "w" });
  assertEquals({ local: local.seen, proxy: proxy.seen }, { local: [], proxy: [] });
});
