import {
  assert,
  assertEquals,
  assertNotMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { join } from "@std/path";
import { systemClock } from "../../src/clock.ts";
import { DaemonError, messageOf } from "../../src/errors.ts";
import { gitEnvironment } from "../../src/git/git_environment.ts";
import { EgressProxy } from "../../src/outbound/egress_proxy.ts";
import { addSubmodule, git, makeRemote, serveGit } from "../fixtures/git_repos.ts";
import { captureLogs } from "../fixtures/logs.ts";
import { cloned, gitFixture, request } from "./fixture.ts";
import { holdTime } from "./time.ts";

const COMMITS = [{ branch: "main", subject: "first", files: { "a.txt": "one\n" } }];
const LOGIN = { username: "jane@example.com", password: "s3cr/t p%ss:wörd" };
const BASIC = btoa(
  String.fromCharCode(...new TextEncoder().encode(`${LOGIN.username}:${LOGIN.password}`)),
);

/** What must be nowhere: the password in every spelling that could show up. */
const SPELLINGS = [LOGIN.password, encodeURIComponent(LOGIN.password), BASIC];

function guarded(folder: string, onRequest: () => void = () => {}) {
  return serveGit(folder, {
    intercept(request) {
      onRequest();
      if (request.headers.get("authorization") === `Basic ${BASIC}`) return undefined;
      return new Response("", { status: 401, headers: { "www-authenticate": "Basic realm=t" } });
    },
  });
}

Deno.test("clone logs in over http, and the secret is in no argument, environment or file", async () => {
  await using fixture = await gitFixture();
  makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  const seen: string[] = [];
  await using server = guarded(fixture.remotes, () => seen.push(processTable()));
  const url = `${server.url}/a.git`;
  const { path } = await cloned(fixture, request(url, { login: LOGIN, upstream: url }));
  assertEquals(Deno.readTextFileSync(join(path, "a.txt")), "one\n");
  assertStringIncludes(seen.join("\n"), "remote-http");
  for (const spelling of SPELLINGS) {
    assert(!seen.join("\n").includes(spelling), "the secret is in /proc");
    assert(!Deno.readTextFileSync(join(path, ".git/config")).includes(spelling));
  }
  assertEquals(git(path, "remote", "get-url", "origin"), url);
});

Deno.test("clone keeps secrets out of its logs, also when it tries again", async () => {
  using logs = captureLogs();
  await using fixture = await gitFixture();
  makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  await using server = serveGit(fixture.remotes, {
    intercept(request, count) {
      const authorization = request.headers.get("authorization") ?? "";
      if (authorization !== `Basic ${BASIC}`) {
        return new Response("", { status: 401, headers: { "www-authenticate": "Basic realm=t" } });
      }
      const headers = { "content-type": "text/plain" };
      const echo = `${LOGIN.username} ${SPELLINGS.join(" ")}`;
      return count > 4 ? undefined : new Response(echo, { status: 503, headers });
    },
  });
  await cloned(fixture, request(`${server.url}/a.git`, { login: LOGIN }));
  assertStringIncludes(logs.text, "Trying again");
  for (const secret of [LOGIN.username, ...SPELLINGS]) assert(!logs.text.includes(secret), secret);
});

Deno.test("clone tells nobody a token that a URL has for a username", async () => {
  await using fixture = await gitFixture();
  await using server = serveGit(fixture.remotes, {
    intercept: (request) =>
      request.headers.has("authorization")
        ? new Response("bad token ghp_TOKENTOKEN", {
          status: 403,
          headers: { "content-type": "text/plain" },
        })
        : new Response("", { status: 401, headers: { "www-authenticate": "Basic realm=t" } }),
  });
  const url = `${server.url.replace("//", "//ghp_TOKENTOKEN:x@")}/a.git`;
  const error = await assertRejects(
    () => cloned(fixture, request(url)),
    DaemonError,
    "bad token ***",
  );
  assert(!error.message.includes("TOKENTOKEN"), error.message);
});

Deno.test("clone logs in with what the custom config's URLs hold, and keeps none of it", async () => {
  await using fixture = await gitFixture();
  makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  const seen: string[] = [];
  await using server = guarded(fixture.remotes, () => seen.push(processTable()));
  const userinfo = `${encodeURIComponent(LOGIN.username)}:${encodeURIComponent(LOGIN.password)}@`;
  const base = `${server.url.replace("//", `//${userinfo}`)}/`;
  const config: [string, string][] = [
    [`url.${base}.insteadOf`, "http://alias.invalid/"],
    ["remote.fork.url", `${base}fork.git`],
    ["http.proxy", "http://user:hidden-word@proxy.invalid"],
  ];
  const { path } = await cloned(fixture, request("http://alias.invalid/a.git", { config }));
  assertEquals(Deno.readTextFileSync(join(path, "a.txt")), "one\n");
  const written = Deno.readTextFileSync(join(path, ".git/config"));
  for (const spelling of [...SPELLINGS, "hidden-word"]) {
    assert(!seen.join("\n").includes(spelling), "the secret is in /proc");
    assert(!written.includes(spelling), written);
  }
  assertEquals(git(path, "config", `url.${server.url}/.insteadOf`), "http://alias.invalid/");
  assertEquals(git(path, "config", "remote.fork.url"), `${server.url}/fork.git`);
});

Deno.test("ssh is given no key, agent or known host of the user whom git runs as", () => {
  const { GIT_SSH_COMMAND } = gitEnvironment({
    program: "/usr/bin/git",
    home: "/nowhere",
    protocols: ["ssh"],
  });
  for (
    const option of ["IdentityFile=none", "IdentityAgent=none", "UserKnownHostsFile=/dev/null"]
  ) {
    assertStringIncludes(GIT_SSH_COMMAND!, `-o ${option}`);
  }
});

Deno.test("clone takes userinfo out of the URL and logs in with it", async () => {
  await using fixture = await gitFixture();
  makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  await using server = guarded(fixture.remotes);
  const userinfo = `${encodeURIComponent(LOGIN.username)}:${encodeURIComponent(LOGIN.password)}@`;
  const url = `${server.url}/a.git`;
  const withUserinfo = url.replace("//", `//${userinfo}`);
  const { path } = await cloned(fixture, request(withUserinfo, { upstream: withUserinfo }));
  assertEquals(git(path, "remote", "get-url", "origin"), url);
  assertEquals(git(path, "remote", "get-url", "upstream"), url);
});

Deno.test("clone gives its login to submodules on the same host, and to no other host", async () => {
  await using fixture = await gitFixture();
  const child = makeRemote(join(fixture.remotes, "child.git"), COMMITS);
  const parent = makeRemote(join(fixture.remotes, "parent.git"), COMMITS);
  const commit = git(child, "rev-parse", "main");
  await using server = guarded(fixture.remotes);
  await using other = guarded(fixture.remotes);
  const add = (at: string, url: string) =>
    addSubmodule(parent, { branch: "main", name: at, at, url, commit });
  add("same", "../child.git");
  const { path } = await cloned(fixture, request(`${server.url}/parent.git`, { login: LOGIN }));
  assertEquals(Deno.readTextFileSync(join(path, "same/a.txt")), "one\n");
  add("foreign", `${other.url}/child.git`);
  await cloned(fixture, request(`${server.url}/parent.git`, { login: LOGIN }));
  assert(other.requests.length > 0, "the foreign submodule was not even tried");
  assertEquals(other.requests.filter(({ authorization }) => authorization !== null), []);
});

Deno.test("clone does not try again when the login is refused, and keeps it to itself", async () => {
  await using fixture = await gitFixture();
  makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  await using server = serveGit(fixture.remotes, { login: "someone:else" });
  const refused = request(`${server.url}/a.git`, { login: LOGIN });
  const error = await assertRejects(
    () => cloned(fixture, refused),
    DaemonError,
    "Authentication failed",
  );
  assertEquals(error.code, "FAILED_PRECONDITION");
  for (const spelling of SPELLINGS) assert(!error.message.includes(spelling), error.message);
  assertEquals(server.requests.length, 2);
  const without = await assertRejects(
    () => cloned(fixture, request(`${server.url}/a.git`)),
    DaemonError,
    "asks for a login",
  );
  assertEquals(without.code, "FAILED_PRECONDITION");
});

Deno.test("clone says what the server said when there is no such repository", async () => {
  await using fixture = await gitFixture();
  await using server = serveGit(fixture.remotes);
  const error = await assertRejects(
    () => cloned(fixture, request(`${server.url}/nothing.git`)),
    DaemonError,
    "not found",
  );
  assertEquals(error.code, "FAILED_PRECONDITION");
  assertEquals(server.requests.length, 1);
});

Deno.test("clone tries again with growing pauses while the server fails", async () => {
  const pauses: number[] = [];
  const clock = {
    ...systemClock,
    sleep(ms: number) {
      pauses.push(ms);
      return Promise.resolve();
    },
  };
  await using fixture = await gitFixture({ git: { clock } });
  makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  await using server = serveGit(fixture.remotes, {
    intercept: (_, count) => count <= 3 ? new Response("busy", { status: 503 }) : undefined,
  });
  const { path } = await cloned(fixture, request(`${server.url}/a.git`));
  assertEquals(Deno.readTextFileSync(join(path, "a.txt")), "one\n");
  assertEquals(pauses.length, 3);
  for (const [n, pause] of pauses.entries()) {
    assert(pause >= 250 * 2 ** n && pause <= 500 * 2 ** n, `pause ${n}: ${pause} ms`);
  }
});

Deno.test("clone waits for a pack as long as the server says that it is at work", async () => {
  using logs = captureLogs();
  await using fixture = await gitFixture({ git: { silence: 1 } });
  makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  const hook = join(fixture.remotes, "hook");
  Deno.writeTextFileSync(hook, '#!/bin/sh\nsleep 4\nexec "$@"\n');
  Deno.chmodSync(hook, 0o755);
  await using server = serveGit(fixture.remotes, {
    config: [`uploadpack.packObjectsHook=${hook}`, "uploadpack.keepAlive=1"],
  });
  const { path } = await cloned(fixture, request(`${server.url}/a.git`));
  assertEquals(Deno.readTextFileSync(join(path, "a.txt")), "one\n");
  assert(!logs.text.includes("Trying again"), logs.text);
});

Deno.test("clone gives up on a server that has fallen silent, and tries again", async () => {
  using logs = captureLogs();
  await using fixture = await gitFixture({ git: { silence: 1 } });
  makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  const silent = Promise.withResolvers<Response>();
  await using server = serveGit(fixture.remotes, {
    intercept: (_, count) => count === 1 ? silent.promise : undefined,
  });
  const { path } = await cloned(fixture, request(`${server.url}/a.git`));
  assertEquals(Deno.readTextFileSync(join(path, "a.txt")), "one\n");
  assertStringIncludes(logs.text, "Operation too slow");
  silent.resolve(new Response());
});

Deno.test("clone gives up in words when nobody answers", async () => {
  await using fixture = await gitFixture();
  const { port } = freePort();
  const error = await assertRejects(
    () => cloned(fixture, request(`http://127.0.0.1:${port}/a.git`)),
    DaemonError,
    `could not connect to 127.0.0.1:${port}`,
  );
  assertEquals(error.code, "FAILED_PRECONDITION");
});

Deno.test("clone ends with everything it started when its time is over", async () => {
  await using fixture = await gitFixture();
  makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  const stalled = Promise.withResolvers<Response>();
  using time = holdTime();
  await using server = serveGit(fixture.remotes, {
    intercept() {
      time.end();
      return stalled.promise;
    },
  });
  const url = `${server.url}/a.git`;
  const error = await assertRejects(
    () => cloned(fixture, request(url)),
    DaemonError,
    "git.timeout",
  );
  assertEquals(error.code, "FAILED_PRECONDITION");
  assert(!processTable().includes(url), "a git process is left");
  stalled.resolve(new Response());
});

Deno.test("clone ends with its caller's reason when it is cancelled", async () => {
  await using fixture = await gitFixture();
  makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  const controller = new AbortController();
  const stalled = Promise.withResolvers<Response>();
  await using server = serveGit(fixture.remotes, {
    intercept() {
      controller.abort(new DaemonError("ABORTED", "disposed of"));
      return stalled.promise;
    },
  });
  const { tree } = await fixture.tree();
  const what = request(`${server.url}/a.git`);
  const place = { tree, location: "", owner: fixture.owner, signal: controller.signal };
  await assertRejects(() => fixture.git.clone(what, place), DaemonError, "disposed of");
  assert(!processTable().includes(what.remote.url), "a git process is left");
  stalled.resolve(new Response());
});

Deno.test("clone reaches no host that the rules forbid, by redirect or submodule either", async () => {
  await using fixture = await gitFixture();
  const child = makeRemote(join(fixture.remotes, "child.git"), COMMITS);
  const parent = makeRemote(join(fixture.remotes, "parent.git"), COMMITS);
  const metadata = "http://169.254.169.254/latest/meta-data";
  await using server = serveGit(fixture.remotes, {
    intercept: (request) =>
      request.url.includes("/away.git")
        ? new Response("", { status: 302, headers: { location: `${metadata}/info/refs` } })
        : undefined,
  });
  for (const url of [`${metadata}/a.git`, `${server.url}/away.git`]) {
    const error = await assertRejects(() => cloned(fixture, request(url)), DaemonError, "metadata");
    assertEquals(error.code, "FAILED_PRECONDITION");
    assertStringIncludes(error.message, "169.254.169.254");
  }
  const commit = git(child, "rev-parse", "main");
  const module = { branch: "main", name: "m", at: "m", url: `${metadata}/m.git`, commit };
  addSubmodule(parent, module);
  const { path } = await cloned(fixture, request(`${server.url}/parent.git`));
  assertEquals([...Deno.readDirSync(join(path, "m"))], []);
});

Deno.test("clone follows a redirect that the rules allow", async () => {
  await using fixture = await gitFixture();
  makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  await using server = serveGit(fixture.remotes, {
    intercept(request) {
      const { pathname, search } = new URL(request.url);
      if (!pathname.startsWith("/old.git/")) return undefined;
      const location = `/a.git/${pathname.slice("/old.git/".length)}${search}`;
      return new Response("", { status: 301, headers: { location } });
    },
  });
  const { path } = await cloned(fixture, request(`${server.url}/old.git`));
  assertEquals(Deno.readTextFileSync(join(path, "a.txt")), "one\n");
});

Deno.test("clone reaches this machine only where the rules allow it", async () => {
  await using fixture = await gitFixture();
  makeRemote(join(fixture.remotes, "a.git"), COMMITS);
  await using server = serveGit(fixture.remotes);
  using egressProxy = new EgressProxy({ allowLoopback: false, allowHosts: [], denyHosts: [] });
  const strict = await fixture.other({ egressProxy });
  const { port } = new URL(server.url);
  for (const host of ["127.0.0.1", "localhost", "[::ffff:7f00:1]", "2130706433", "0.0.0.0"]) {
    const { tree } = await fixture.tree();
    const place = {
      tree,
      location: "",
      owner: fixture.owner,
      signal: new AbortController().signal,
    };
    const what = request(`http://${host}:${port}/a.git`);
    const error = await assertRejects(() => strict.clone(what, place), DaemonError);
    assertStringIncludes(messageOf(error), "net.allowLoopback");
  }
  assertEquals(server.requests, []);
});

/** Command lines and environments of all processes that we may read. */
function processTable(): string {
  const texts: string[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === Deno.pid) continue;
    for (const file of ["cmdline", "environ"]) {
      try {
        texts.push(Deno.readTextFileSync(`/proc/${name}/${file}`));
      } catch {
        // Gone, or somebody else's.
      }
    }
  }
  return texts.join("\n");
}

/** A port that nobody listens on any more. */
function freePort(): { port: number } {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return { port: listener.addr.port };
}

Deno.test("messages of git hold neither control characters nor userinfo", async () => {
  await using fixture = await gitFixture();
  await using server = serveGit(fixture.remotes, {
    intercept: () =>
      new Response("ERR \x1b[31mred https://user:pass@example.com/\n", {
        status: 403,
        headers: { "content-type": "text/plain" },
      }),
  });
  const error = await assertRejects(
    () => cloned(fixture, request(`${server.url}/a.git`)),
    DaemonError,
  );
  assertNotMatch(error.message, /\p{Cc}|user:pass/u);
  assertStringIncludes(error.message, "403");
});
