import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { startConnectProxy } from "../fixtures/connect_proxy.ts";
import { testFolder } from "../fixtures/folder.ts";
import { makeRemote, serveGit } from "../fixtures/git_repos.ts";
import { hasOpenssl, makeCertificates } from "../rpc/certificates.ts";
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

/** An address that is nobody's (RFC 5737): only the proxy can lead from there to anywhere. */
const HOST = "203.0.113.7";

Deno.test({
  name: "downloads, secrets and Git go through the company's proxy, and trust its authority",
  ignore: !hasOpenssl,
  async fn() {
    using folder = testFolder();
    const certificates = await makeCertificates(folder.path, `IP:${HOST}`);
    const pem = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    const { cert, key } = certificates.server;
    const remotes = join(folder.path, "remotes");
    Deno.mkdirSync(remotes);
    makeRemote(join(remotes, "a.git"), [
      { branch: "main", subject: "first", files: { "in git": "1" } },
    ]);
    await using server = serveGit(remotes, {
      tls: { cert: pem(cert), key: pem(key) },
      login: "jane:hunter2",
      intercept({ url }) {
        if (url.endsWith("/ots")) return new Response("jane:hunter2");
        return url.endsWith("/tool") ? new Response("tool") : undefined;
      },
    });
    await using proxy = await startConnectProxy();
    Deno.writeTextFileSync(join(folder.path, "login"), "wsdaemon:s3cret\n");
    const net = {
      proxy: `http://127.0.0.1:${proxy.port}`,
      proxyCredentialsFile: join(folder.path, "login"),
      caFile: join(folder.path, "ca.pem"),
      allowHosts: [HOST],
    };
    await using node = await TestNode.start(folder.path, "node", { config: { net } });
    const base = `https://${HOST}:${new URL(server.url).port}`;
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode("tool"));
    const digest = `sha256:${new Uint8Array(hash).toHex()}`;
    const initializer = {
      spec: {
        case: "composite" as const,
        value: {
          initializer: [
            {
              spec: {
                case: "git" as const,
                value: {
                  remoteUri: `${base}/a.git`,
                  checkoutLocation: "repo",
                  // BASIC_AUTH_OTS
                  config: { authentication: 2, authOts: `${base}/ots` },
                },
              },
            },
            {
              spec: {
                case: "download" as const,
                value: { files: [{ url: `${base}/tool`, filePath: "tool", digest }] },
              },
            },
          ],
        },
      },
    };
    await node.client.initWorkspace(request("w", { initializer }));
    assertEquals(Deno.readTextFileSync(join(node.workspace("w"), "repo", "in git")), "1");
    assertEquals(Deno.readTextFileSync(join(node.workspace("w"), "tool")), "tool");
    assertEquals(new Set(proxy.asked), new Set([new URL(base).host]));
    assert(!node.daemon.log.includes("s3cret") && !node.daemon.log.includes("hunter2"));
  },
});
