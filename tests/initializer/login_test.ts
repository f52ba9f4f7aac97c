/** One-time secrets: asked for once, repeated nowhere. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { DaemonError } from "../../src/errors.ts";
import type { PrebuildSpec } from "../../src/initializer/specs.ts";
import { makeRemote, serveGit } from "../fixtures/git_repos.ts";
import { captureLogs } from "../fixtures/logs.ts";
import { ALICE, gitSpec, type InitializerFixture, initializerFixture, read } from "./fixture.ts";

const COMMITS = [{ branch: "main", subject: "first", files: { "a.txt": "a\n" } }];

/** A server of secrets that answers as it is told to, and counts. */
function secretServer(answer: (asked: number) => Response) {
  let asked = 0;
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {}, onError: () => new Response() },
    () => answer(++asked),
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}/otsSecret`,
    get asked() {
      return asked;
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const once = (asked: number) =>
  asked === 1 ? new Response("jane:hunter2\n") : new Response("", { status: 404 });

/** A prebuild with two checkouts that log in by one secret. */
function prebuild(fixture: InitializerFixture, url: string, authOts: string, snapshot?: string) {
  const config = { authentication: "BASIC_AUTH_OTS", authOts } as const;
  const spec: PrebuildSpec = {
    kind: "prebuild",
    prebuild: {
      kind: "snapshot",
      snapshot: snapshot ?? fixture.images.newSnapshotUrl(ALICE),
      fromVolumeSnapshot: false,
    },
    git: ["one", "two"].map((checkoutLocation) => gitSpec(url, { checkoutLocation, config })),
  };
  return spec;
}

Deno.test("a one-time secret is asked for once by an initialisation, whatever needs it", async (t) => {
  await using fixture = await initializerFixture();
  makeRemote(join(fixture.base.remotes, "a.git"), COMMITS);
  await using server = serveGit(fixture.base.remotes, { login: "jane:hunter2" });
  const url = `${server.url}/a.git`;
  let snapshot: string | undefined;
  await t.step("a prebuild that falls back to Git", async () => {
    await using secrets = secretServer(once);
    const { tree, path } = await fixture.run(prebuild(fixture, url, secrets.url));
    assertEquals(read(path, "one/a.txt"), read(path, "two/a.txt"));
    assertEquals(secrets.asked, 1);
    snapshot = fixture.images.newSnapshotUrl(ALICE);
    await fixture.images.saveSnapshot(tree, snapshot, { baseline: tree.name });
  });
  await t.step("a prebuild whose checkouts are brought to their targets", async () => {
    await using secrets = secretServer(once);
    const { path } = await fixture.run(prebuild(fixture, url, secrets.url, snapshot));
    assertEquals(read(path, "one/a.txt"), read(path, "two/a.txt"));
    assertEquals(secrets.asked, 1);
  });
});

const redirectTo = (location: string) => () =>
  new Response("", { status: 302, ...(location ? { headers: { location } } : {}) });

const FAILURES: readonly [why: string, answer: (asked: number) => Response][] = [
  ["redirects too often", redirectTo("/otsSecret")],
  ["to where we do not follow", redirectTo("")],
  ["to where we do not follow", redirectTo("file:///otsSecret")],
  ["metadata address", redirectTo("http://169.254.169.254/otsSecret")],
  ["cannot be reached", redirectTo("http://no-such-host.invalid/otsSecret")],
  ["answered 404", () => new Response("otsSecret", { status: 404 })],
  ["not of the form", () => new Response("otsSecret")],
  ["not of the form", () => new Response("otsSecret:a\nb")],
  ["too long", () => new Response("otsSecret:".repeat(10_000))],
];

Deno.test("a one-time secret's URL and answer are in no error and in no log", async (t) => {
  await using fixture = await initializerFixture();
  for (const [why, answer] of FAILURES) {
    await t.step(why, async () => {
      using logs = captureLogs();
      await using secrets = secretServer(answer);
      const error = await assertRejects(
        () => fixture.run(prebuild(fixture, "http://127.0.0.1:9/a.git", secrets.url)),
        DaemonError,
      );
      assertEquals(error.code, "FAILED_PRECONDITION");
      assertStringIncludes(error.message, why);
      assert(!Deno.inspect(error).includes("otsSecret"), Deno.inspect(error));
      assertStringIncludes(logs.text, "Starting from Git");
      assert(!logs.text.includes("otsSecret"), logs.text);
    });
  }
});
