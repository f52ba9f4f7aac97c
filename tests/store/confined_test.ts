/** Stores under the permissions that they ask for, with credentials from everywhere. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import type { S3Storage } from "../../src/store/s3/s3_storage.ts";
import { storePermissions } from "../../src/store/kinds.ts";
import { hasOpenssl, makeCertificates } from "../rpc/certificates.ts";
import { BUCKET, S3_KEYS, startS3 } from "../fixtures/s3rver.ts";
import { runs } from "../fixtures/soak.ts";
import { assertCode } from "./conformance.ts";
import { openS3Bench } from "./s3_bench.ts";
import type { ConfinedRun } from "./confined_worker.ts";

const server = await startS3();
Deno.test.afterAll(() => server[Symbol.asyncDispose]());

const MIB = 1 << 20;
let serial = 0;

interface Outcome {
  result: string;
  /** Resident bytes at the most, above those once all code was loaded. */
  grown: number;
}

async function runConfined(
  storage: ConfinedRun["storage"],
  { env = {}, size }: { env?: Record<string, string>; size?: number } = {},
): Promise<Outcome> {
  const spoolDir = await Deno.makeTempDir({ prefix: "wsdaemon-spool-" });
  const script = fromFileUrl(new URL("./confined_main.ts", import.meta.url));
  const job: ConfinedRun = { storage, spoolDir, ...size === undefined ? {} : { size } };
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", script, JSON.stringify(job)],
    env,
  }).output();
  await Deno.remove(spoolDir, { recursive: true });
  const text = new TextDecoder().decode(stdout);
  assert(text.startsWith("{"), new TextDecoder().decode(stderr));
  return JSON.parse(text);
}

function s3Storage(more: Partial<S3Storage> = {}): S3Storage {
  return {
    kind: "s3",
    endpoint: server.endpoint,
    region: "us-east-1",
    bucket: BUCKET,
    prefix: `confined/${serial++}`,
    forcePathStyle: true,
    archiveBuckets: [],
    ...more,
  };
}

/** Why a store so configured cannot be used; here, since that takes no permissions. */
async function refusal(storage: Partial<S3Storage>): Promise<string> {
  await using bench = await openS3Bench(server);
  const probe = async () => await (await bench.open(storage)).probe();
  return (await assertCode("FAILED_PRECONDITION", probe)).message;
}

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "wsdaemon-test-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("file store works with access to its folders alone", () =>
  withFolder(async (folder) => {
    const { result } = await runConfined({ kind: "fs", path: join(folder, "store") });
    assertEquals(result, "ok");
  }));

Deno.test("S3 store works with access to its endpoint alone, with keys in the config, in less memory than a blob has", async () => {
  const size = runs(160, 1024) * MIB;
  const { result, grown } = await runConfined(s3Storage(S3_KEYS), { size });
  assertEquals(result, "ok");
  assert(grown < 144 * MIB, `${Math.ceil(grown / MIB)} MiB`);
});

Deno.test("S3 store takes keys from a credentials file, and says so where that is incomplete", () =>
  withFolder(async (folder) => {
    const credentialsFile = join(folder, "credentials");
    const { accessKeyId, secretAccessKey } = S3_KEYS;
    await Deno.writeTextFile(
      credentialsFile,
      `# comment\n[other]\naws_access_key_id = WRONG\n\n[default]\n` +
        `aws_access_key_id = ${accessKeyId}\naws_secret_access_key=${secretAccessKey}\n`,
    );
    assertEquals((await runConfined(s3Storage({ credentialsFile }))).result, "ok");
    await Deno.writeTextFile(credentialsFile, `[default]\naws_access_key_id = ${accessKeyId}\n`);
    const message = await refusal({ credentialsFile, accessKeyId: "", secretAccessKey: "" });
    assertStringIncludes(message, "aws_secret_access_key");
    assertStringIncludes(message, credentialsFile);
  }));

Deno.test("S3 store takes keys from the environment", async () => {
  const env = {
    AWS_ACCESS_KEY_ID: S3_KEYS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: S3_KEYS.secretAccessKey,
  };
  assertEquals((await runConfined(s3Storage(), { env })).result, "ok");
});

/** A metadata service; what it hands out has expired in all but a minute, so that it is asked again. */
async function withMetadata(
  work: (url: string, asked: string[]) => Promise<void>,
): Promise<void> {
  const asked: string[] = [];
  const credentials = () => ({
    Code: "Success",
    AccessKeyId: S3_KEYS.accessKeyId,
    SecretAccessKey: S3_KEYS.secretAccessKey,
    Token: "session-token",
    Expiration: new Date(Date.now() + 60_000).toISOString(),
  });
  const handler = (request: Request): Response => {
    const { pathname } = new URL(request.url);
    asked.push(`${request.method} ${pathname}`);
    if (pathname === "/latest/api/token") return new Response("imds-token");
    if (pathname.endsWith("/security-credentials/")) return new Response("role");
    return Response.json(credentials());
  };
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const metadata = Deno.serve(options, handler);
  try {
    await work(`http://127.0.0.1:${metadata.addr.port}`, asked);
  } finally {
    await metadata.shutdown();
  }
}

Deno.test("S3 store takes keys from the container's role, and renews them before they expire", () =>
  withMetadata(async (url, asked) => {
    const env = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/role` };
    assertEquals((await runConfined(s3Storage(), { env })).result, "ok");
    assert(asked.length > 1, `asked ${asked.length} times`);
  }));

Deno.test("S3 store takes keys from the instance's role", () =>
  withMetadata(async (url, asked) => {
    const env = { AWS_EC2_METADATA_SERVICE_ENDPOINT: url };
    assertEquals((await runConfined(s3Storage(), { env })).result, "ok");
    assert(asked.includes("PUT /latest/api/token"), asked.join());
  }));

Deno.test({
  name: "S3 store trusts the configured authority and nobody unknown" +
    (hasOpenssl ? "" : " (not tested: needs openssl)"),
  ignore: !hasOpenssl,
  fn: () =>
    withFolder(async (folder) => {
      const { server: { cert, key } } = await makeCertificates(folder);
      const decoder = new TextDecoder();
      const listener = Deno.listenTls({
        hostname: "127.0.0.1",
        port: 0,
        cert: decoder.decode(cert),
        key: decoder.decode(key),
      });
      const tunnels = tunnel(listener);
      const endpoint = `https://localhost:${(listener.addr as Deno.NetAddr).port}`;
      const caFile = join(folder, "ca.pem");
      assertEquals((await runConfined(s3Storage({ endpoint, caFile, ...S3_KEYS }))).result, "ok");
      assertStringIncludes((await refusal({ endpoint })).toLowerCase(), "certificate");
      await Deno.writeTextFile(caFile, "no certificate");
      assertStringIncludes(await refusal({ endpoint, caFile }), caFile);
      listener.close();
      await tunnels;
    }),
});

/** Ends TLS in front of s3rver. */
async function tunnel(listener: Deno.TlsListener): Promise<void> {
  const running: Promise<unknown>[] = [];
  try {
    for (;;) {
      const connection = await listener.accept();
      running.push(pipe(connection).catch(() => {}));
    }
  } catch {
    await Promise.all(running);
  }
}

async function pipe(connection: Deno.TlsConn): Promise<void> {
  await connection.handshake();
  const upstream = await Deno.connect({ hostname: server.host, port: server.port });
  const stop = new AbortController();
  const { signal } = stop;
  const ways = [
    connection.readable.pipeTo(upstream.writable, { signal }),
    upstream.readable.pipeTo(connection.writable, { signal }),
  ].map((way) => way.catch(() => {}));
  // The server would keep the connection for a while.
  await Promise.race(ways);
  stop.abort();
  await Promise.all(ways);
}

Deno.test("store permissions name what the configuration needs and nothing else", () => {
  const none = () => undefined;
  const of = (more: Partial<S3Storage>) =>
    storePermissions({
      kind: "s3",
      endpoint: "https://s3.example.org",
      region: "r",
      bucket: "b",
      forcePathStyle: false,
      archiveBuckets: [],
      ...S3_KEYS,
      ...more,
    }, none);
  assertEquals(storePermissions({ kind: "none" }, none), { net: [], env: [], read: [], sys: [] });
  assertEquals(of({ forcePathStyle: true, caFile: "/ca.pem" }), {
    net: ["s3.example.org:443"],
    env: ["AWS_*", "_X_AMZN_TRACE_ID"],
    read: ["/ca.pem"],
    sys: ["ca"],
  });
  assertEquals(of({ archiveBuckets: ["c"], endpoint: "http://h:9000" }).net, [
    "h:9000",
    "b.h:9000",
    "c.h:9000",
  ]);
});
