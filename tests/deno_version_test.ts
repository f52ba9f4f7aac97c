/** What is believed of this version of Deno is true of it. */

import { connect, createServer, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { assert, assertEquals } from "@std/assert";
import { canPauseSockets, canPing, clientWarning, hasSoundHttp2 } from "../src/deno_version.ts";

Deno.test("versions of Deno are told apart by what they can do", () => {
  const abilities = (version: string) =>
    [hasSoundHttp2, canPauseSockets, canPing].map((can) => can(version));
  assertEquals(abilities("2.7.11"), [false, false, false]);
  assertEquals(abilities("2.7.14"), [true, false, false]);
  assertEquals(abilities("2.8.0"), [true, true, true]);
  assertEquals(abilities("2.10.1"), [true, true, true]);
  assertEquals(abilities("3.0.0-rc.1"), [true, true, true]);
  assertEquals(abilities("1.46.3"), [false, false, false]);
});

Deno.test("client's user is warned when this version of Deno loses answers", () => {
  for (const version of ["1.46.3", "2.6.9", "2.7.13"]) {
    assert(clientWarning(version)?.includes(`Deno ${version} loses answers`), version);
  }
  for (const version of ["2.7.14", "2.8.3", "3.0.0"]) {
    assertEquals(clientWarning(version), undefined, version);
  }
});

Deno.test("an HTTP/2 server can ask by PING exactly where it is believed to", async () => {
  const server = createServer();
  const asked = Promise.withResolvers<boolean>();
  server.on("session", (session: ServerHttp2Session) => {
    session.once("remoteSettings", () => {
      try {
        if (!session.ping((error) => asked.resolve(error === null))) asked.resolve(false);
      } catch {
        asked.resolve(false);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const client = connect(`http://127.0.0.1:${port}`);
  client.on("error", () => {});
  assertEquals(await asked.promise, canPing(Deno.version.deno));
  const closed = new Promise((resolve) => client.once("close", resolve));
  client.destroy();
  await closed;
  await new Promise((resolve) => server.close(resolve));
});
