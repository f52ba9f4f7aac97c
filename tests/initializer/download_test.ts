import { DIRECTORY_BYTES, fileBytes } from "../../src/content/disk_usage.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "@std/path";
import { DaemonError } from "../../src/errors.ts";
import { isRoot } from "../git/fixture.ts";
import { downloadSpec, type InitializerFixture, initializerFixture, read } from "./fixture.ts";

const BODY = crypto.getRandomValues(new Uint8Array(60_000));

function digest(bytes: Uint8Array | string, algorithm = "sha256"): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

/** What a server is asked, and what it answers with raw bytes. */
interface Exchange {
  /** The request's head. */
  head: string;
  /** Counted from 1. */
  count: number;
  send(...parts: (string | Uint8Array)[]): Promise<void>;
  /** Breaks the connection with a reset instead of an end. */
  reset(): void;
}

interface RawServer extends AsyncDisposable {
  url: string;
  heads: string[];
}

/** A server that can lie, stall and break off: it sends what it is told to. */
function rawServer(answer: (exchange: Exchange) => Promise<void>): RawServer {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const heads: string[] = [];
  const open = new Set<Deno.Conn>();
  const serve = async (connection: Deno.TcpConn) => {
    open.add(connection);
    try {
      const buffer = new Uint8Array(16_384);
      let head = "";
      while (!head.includes("\r\n\r\n")) {
        const length = await connection.read(buffer);
        if (length === null) return;
        head += new TextDecoder().decode(buffer.subarray(0, length));
      }
      heads.push(head);
      await answer({
        head,
        count: heads.length,
        async send(...parts) {
          for (const part of parts) {
            const bytes = typeof part === "string" ? new TextEncoder().encode(part) : part;
            for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
          }
        },
        reset: () => connection.close(),
      });
    } catch {
      // The client has gone.
    } finally {
      open.delete(connection);
      try {
        connection.close();
      } catch {
        // Reset already.
      }
    }
  };
  const accepting = (async () => {
    for await (const connection of listener) void serve(connection);
  })();
  return {
    url: `http://127.0.0.1:${listener.addr.port}`,
    heads,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of open) connection.close();
      await accepting.catch(() => {});
    },
  };
}

function ok(length: number, ...headers: string[]): string {
  return ["HTTP/1.1 200 OK", `Content-Length: ${length}`, "Connection: close", ...headers, "", ""]
    .join("\r\n");
}

async function fails(
  fixture: InitializerFixture,
  spec: Parameters<InitializerFixture["run"]>[0],
  changed?: Parameters<InitializerFixture["run"]>[1],
): Promise<DaemonError> {
  const error = await assertRejects(() => fixture.run(spec, changed), DaemonError);
  assertEquals([...Deno.readDirSync(fixture.base.spool)], [], "the spool holds a leftover");
  return error;
}

Deno.test("download puts a file at its place, owned by the content's owner", async () => {
  await using fixture = await initializerFixture();
  await using server = rawServer(({ send }) => send(ok(BODY.length), BODY));
  for (const algorithm of ["sha256", "sha512"]) {
    const { path } = await fixture.run(
      downloadSpec(`${server.url}/x`, digest(BODY, algorithm), {
        targetLocation: "a/b",
        filePath: "c/d.bin",
      }),
    );
    const file = join(path, "a/b/c/d.bin");
    assertEquals(Deno.readFileSync(file), BODY);
    const { mode, uid } = Deno.statSync(file);
    assertEquals(mode! & 0o777, 0o644);
    if (isRoot) assertEquals(uid, fixture.base.owner.uid);
  }
  assertEquals([...Deno.readDirSync(fixture.base.spool)], []);
});

Deno.test("download fetches each of its files", async () => {
  await using fixture = await initializerFixture();
  await using server = rawServer(({ head, send }) => {
    const name = /^GET \/(\S*)/.exec(head)![1]!;
    return send(ok(name.length), name);
  });
  const { path } = await fixture.run({
    kind: "download",
    targetLocation: "",
    files: ["one", "two"].map((name) => ({
      url: `${server.url}/${name}`,
      filePath: `${name}.txt`,
      digest: digest(name),
    })),
  });
  assertEquals([read(path, "one.txt"), read(path, "two.txt")], ["one", "two"]);
});

Deno.test("download refuses what has another digest, naming both", async () => {
  await using fixture = await initializerFixture();
  await using server = rawServer(({ send }) => send(ok(4), "evil"));
  const error = await fails(fixture, downloadSpec(`${server.url}/x`, digest("good")));
  assertEquals(error.code, "FAILED_PRECONDITION");
  assertStringIncludes(error.message, digest("good"));
  assertStringIncludes(error.message, digest("evil"));
  assertEquals(server.heads.length, 1);
});

Deno.test("download tries again after 5xx and 429, and gives up on 404", async () => {
  await using fixture = await initializerFixture();
  await using server = rawServer(({ count, send }) =>
    send(
      count === 1
        ? "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        : count === 2
        ? "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        : ok(4) + "good",
    )
  );
  const { path } = await fixture.run(downloadSpec(`${server.url}/x`, digest("good")));
  assertEquals(read(path, "file"), "good");
  assertEquals(server.heads.length, 3);
  await using missing = rawServer(({ send }) =>
    send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
  );
  const error = await fails(fixture, downloadSpec(`${missing.url}/x?token=secret`));
  assertEquals(error.code, "FAILED_PRECONDITION");
  assertStringIncludes(error.message, "404");
  assert(!error.message.includes("secret"), error.message);
  assertEquals(missing.heads.length, 1);
});

Deno.test("download gives up in words when the server never gets better", async () => {
  await using fixture = await initializerFixture();
  await using server = rawServer(({ send }) =>
    send("HTTP/1.1 500 Broken\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
  );
  const error = await fails(fixture, downloadSpec(`${server.url}/x`));
  assertEquals(error.code, "FAILED_PRECONDITION");
  assertStringIncludes(error.message, "500");
  assertEquals(server.heads.length, 8);
});

Deno.test("download goes on where it broke off when the server has the same content still", async () => {
  await using fixture = await initializerFixture();
  const half = BODY.length / 2;
  await using server = rawServer(async ({ head, count, send, reset }) => {
    if (count === 1) {
      await send(ok(BODY.length, 'ETag: "v1"'), BODY.subarray(0, half));
      return reset();
    }
    const start = Number(/range: bytes=(\d+)-/i.exec(head)?.[1]);
    assertStringIncludes(head.toLowerCase(), 'if-range: "v1"');
    const range = `Content-Range: bytes ${start}-${BODY.length - 1}/${BODY.length}`;
    const rest = BODY.subarray(start);
    await send(ok(rest.length, range).replace("200 OK", "206 Partial Content"), rest);
  });
  const { path } = await fixture.run(downloadSpec(`${server.url}/x`, digest(BODY)));
  assertEquals(Deno.readFileSync(join(path, "file")), BODY);
  assertEquals(server.heads.length, 2);
});

Deno.test("download starts anew when the server's content changed or it knows no ranges", async () => {
  await using fixture = await initializerFixture();
  await using server = rawServer(async ({ count, send, reset }) => {
    if (count === 1) {
      await send(ok(BODY.length, 'ETag: "v1"'), BODY.subarray(0, 1000).toReversed());
      return reset();
    }
    await send(ok(BODY.length, 'ETag: "v2"'), BODY);
  });
  const { path } = await fixture.run(downloadSpec(`${server.url}/x`, digest(BODY)));
  assertEquals(Deno.readFileSync(join(path, "file")), BODY);
});

Deno.test("download asks for the whole again when a range is answered wrongly", async () => {
  await using fixture = await initializerFixture();
  await using server = rawServer(async ({ head, count, send, reset }) => {
    if (count === 1) {
      await send(ok(BODY.length, 'ETag: "v1"'), BODY.subarray(0, 1000));
      return reset();
    }
    const wrong = `Content-Range: bytes 5-${BODY.length - 1}/${BODY.length}`;
    if (/range: bytes=/i.test(head)) {
      await send(ok(BODY.length - 5, wrong).replace("200", "206"), BODY.subarray(5));
    } else await send(ok(BODY.length), BODY);
  });
  const { path } = await fixture.run(downloadSpec(`${server.url}/x`, digest(BODY)));
  assertEquals(Deno.readFileSync(join(path, "file")), BODY);
});

Deno.test("download takes a stalled transfer up again", async () => {
  await using fixture = await initializerFixture({ tuning: { stallTimeout: 300 } });
  const never = Promise.withResolvers<void>();
  await using server = rawServer(async ({ count, send }) => {
    if (count > 1) return await send(ok(BODY.length), BODY);
    await send(ok(BODY.length), BODY.subarray(0, 100));
    await never.promise;
  });
  const { path } = await fixture.run(downloadSpec(`${server.url}/x`, digest(BODY)));
  assertEquals(Deno.readFileSync(join(path, "file")), BODY);
  never.resolve();
});

/** Answers with at most `most` bytes of `body` a connection, from where it is asked to. */
function piecemeal(body: Uint8Array, most: number) {
  return async ({ head, send }: Exchange) => {
    const start = Number(/range: bytes=(\d+)-/i.exec(head)?.[1] ?? 0);
    const rest = ok(body.length - start, 'ETag: "v1"');
    const range = `206 P\r\nContent-Range: bytes ${start}-${body.length - 1}/${body.length}`;
    await send(
      start === 0 ? rest : rest.replace("200 OK", range),
      body.subarray(start, start + most),
    );
  };
}

Deno.test("download goes on for as long as each connection brings it further", async () => {
  await using fixture = await initializerFixture();
  const body = Uint8Array.from({ length: 20 * 33_000 }, (_, n) => n * n >> 7);
  await using server = rawServer(piecemeal(body, 33_000));
  const { path } = await fixture.run(downloadSpec(`${server.url}/x`, digest(body)));
  assertEquals(Deno.readFileSync(join(path, "file")), body);
  assertEquals(server.heads.length, 20);
});

Deno.test("download gives up on a server that gets it no further than a few bytes", async () => {
  await using fixture = await initializerFixture({ tuning: { stallTimeout: 150 } });
  await using stingy = rawServer(piecemeal(BODY, 1));
  await using forgetful = rawServer(({ send }) => send(ok(BODY.length), BODY.subarray(0, 50_000)));
  await using trickling = rawServer(async ({ send }) => {
    await send(ok(BODY.length));
    for (;;) {
      await send("x");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  const expected: [RawServer, string][] = [
    [stingy, "broke off"],
    [forgetful, "broke off"],
    [trickling, "sent fewer than 32768 bytes in 0.15 s"],
  ];
  for (const [server, why] of expected) {
    const error = await fails(fixture, downloadSpec(`${server.url}/x`, digest(BODY)));
    assertEquals(error.code, "FAILED_PRECONDITION");
    assertStringIncludes(error.message, why);
    assertEquals(server.heads.length, 8);
  }
});

Deno.test("download does not believe a length that is a lie", async () => {
  await using fixture = await initializerFixture();
  await using short = rawServer(({ send }) => send(ok(100), "good"));
  const error = await fails(fixture, downloadSpec(`${short.url}/x`, digest("good")));
  assertEquals(error.code, "FAILED_PRECONDITION");
  assertEquals(short.heads.length, 8);
  await using long = rawServer(({ send }) => send(ok(4), "goodgoodgood"));
  const { path } = await fixture.run(downloadSpec(`${long.url}/x`, digest("good")));
  assertEquals(read(path, "file"), "good");
});

Deno.test("download stops at the workspace's quota, whatever the server says", async () => {
  await using fixture = await initializerFixture();
  await using honest = rawServer(({ send }) => send(ok(BODY.length), BODY));
  await using silent = rawServer(({ send }) =>
    send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", BODY)
  );
  for (const server of [honest, silent]) {
    const spec = downloadSpec(`${server.url}/x`, digest(BODY));
    const error = await fails(fixture, spec, { limitBytes: fileBytes(BODY.length) - 1 });
    assertEquals(error.code, "RESOURCE_EXHAUSTED");
    await fixture.run(spec, { limitBytes: fileBytes(BODY.length) });
  }
  const twice = {
    kind: "composite" as const,
    initializers: ["a", "b"].map((filePath) =>
      downloadSpec(`${honest.url}/x`, digest(BODY), { filePath })
    ),
  };
  const deep = downloadSpec(`${honest.url}/x`, digest(BODY), { filePath: "a/b/f" });
  const whole = fileBytes(BODY.length) + 2 * DIRECTORY_BYTES;
  assertEquals((await fails(fixture, deep, { limitBytes: whole - 1 })).code, "RESOURCE_EXHAUSTED");
  await fixture.run(deep, { limitBytes: whole });
  const error = await fails(fixture, twice, { limitBytes: fileBytes(BODY.length) * 2 - 1 });
  assertEquals(error.code, "RESOURCE_EXHAUSTED");
});

Deno.test("download follows redirects, but not to where the rules forbid it", async () => {
  await using fixture = await initializerFixture();
  const redirect = (location: string) =>
    `HTTP/1.1 302 Found\r\nLocation: ${location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
  let target = "/final";
  await using server = rawServer(({ head, send }) =>
    head.startsWith("GET /final") ? send(ok(4), "good") : send(redirect(target))
  );
  const { path } = await fixture.run(downloadSpec(`${server.url}/x`, digest("good")));
  assertEquals(read(path, "file"), "good");
  const refused: [string, string][] = [
    ["http://169.254.169.254/latest/meta-data", "metadata"],
    ["http://[fe80::1]/", "metadata"],
    ["http://[::ffff:169.254.169.254]/", "metadata"],
    ["http://2852039166/", "metadata"],
    ["file:///etc/passwd", "not followed"],
    ["/x", "too often"],
  ];
  for (const [location, why] of refused) {
    target = location;
    const error = await fails(fixture, downloadSpec(`${server.url}/x`, digest("good")));
    assertEquals(error.code, "FAILED_PRECONDITION", location);
    assertStringIncludes(error.message, why);
  }
});

Deno.test("download reaches this machine only where the rules allow it", async () => {
  await using fixture = await initializerFixture({ rules: { allowLoopback: false } });
  await using server = rawServer(({ send }) => send(ok(4), "good"));
  const { port } = new URL(server.url);
  for (const host of ["127.0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]", "0"]) {
    const error = await fails(fixture, downloadSpec(`http://${host}:${port}/`, digest("good")));
    assertEquals(error.code, "FAILED_PRECONDITION");
    assertStringIncludes(error.message, "net.allowLoopback");
  }
  assertEquals(server.heads, []);
});

Deno.test("download logs in with a URL's userinfo, on its own host alone", async () => {
  await using fixture = await initializerFixture();
  await using elsewhere = rawServer(({ send }) => send(ok(4), "good"));
  await using server = rawServer(({ send }) =>
    send(
      `HTTP/1.1 302 Found\r\nLocation: ${elsewhere.url}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
    )
  );
  const url = `${server.url.replace("//", "//jane:p%40ss@")}/x`;
  await fixture.run(downloadSpec(url, digest("good")));
  assertStringIncludes(server.heads[0]!.toLowerCase(), "authorization: basic");
  assertStringIncludes(server.heads[0]!, btoa("jane:p@ss"));
  assert(!elsewhere.heads[0]!.toLowerCase().includes("authorization"), elsewhere.heads[0]);
});

Deno.test("download does not go through a link in the workspace", async () => {
  await using fixture = await initializerFixture();
  await using server = rawServer(({ send }) => send(ok(4), "good"));
  const { tree, path } = await fixture.base.tree();
  const outside = join(fixture.base.root, "outside");
  Deno.mkdirSync(outside);
  Deno.symlinkSync(outside, join(path, "link"));
  Deno.symlinkSync(join(outside, "x"), join(path, "file"));
  for (const [filePath, link] of [["link/file", "link"], ["file", "file"]] as const) {
    const spec = downloadSpec(`${server.url}/x`, digest("good"), { filePath });
    const error = await fails(fixture, spec, { tree });
    assertEquals(error.code, "FAILED_PRECONDITION");
    assertStringIncludes(error.message, `"${link}" is a symbolic link in the workspace`);
  }
  assertEquals([...Deno.readDirSync(outside)], []);
});

Deno.test("download says in the workspace's terms what is in its way", async () => {
  await using fixture = await initializerFixture();
  await using server = rawServer(({ send }) => send(ok(4), "good"));
  const { tree, path } = await fixture.base.tree();
  Deno.mkdirSync(join(path, "d/e"), { recursive: true });
  Deno.writeTextFileSync(join(path, "d/f"), "kept");
  const cases = [
    ["d/f/x", '"d/f" is a file in the workspace already'],
    ["d/f/x/y", '"d/f" is a file in the workspace already'],
    ["d/e", '"d/e" is a folder in the workspace already'],
  ] as const;
  for (const [place, why] of cases) {
    const [targetLocation, filePath] = [place.slice(0, 1), place.slice(2)];
    const spec = downloadSpec(`${server.url}/x`, digest("good"), { targetLocation, filePath });
    const error = await fails(fixture, spec, { tree });
    assertEquals(error.code, "FAILED_PRECONDITION");
    assertEquals(error.message, `Cannot download ${JSON.stringify(place)}: ${why}`);
  }
  assertEquals(read(path, "d/f"), "kept");
});

Deno.test("download ends when its caller cancels", async () => {
  await using fixture = await initializerFixture();
  const controller = new AbortController();
  const never = Promise.withResolvers<void>();
  await using server = rawServer(async ({ send }) => {
    await send(ok(100), "x");
    controller.abort(new DaemonError("ABORTED", "disposed of"));
    await never.promise;
  });
  const error = await fails(fixture, downloadSpec(`${server.url}/x`), {
    signal: controller.signal,
  });
  assertEquals(error.message, "disposed of");
  never.resolve();
});
