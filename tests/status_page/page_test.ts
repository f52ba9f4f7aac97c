import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DaemonError } from "../../src/errors.ts";
import { OperationRegistry, withCaller } from "../../src/operations/mod.ts";
import { markup } from "../../src/status_page/html.ts";
import { type NodeView, statusPage } from "../../src/status_page/mod.ts";
import { startMetricsHttp } from "../../src/telemetry/http.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { ManualClock } from "../fixtures/clock.ts";
import { testFolder } from "../fixtures/folder.ts";
import { has } from "../fixtures/tools.ts";

/** Text that would be more than text in a page that does not escape it. */
const HOSTILE =
  `"'><img src=x onerror="document.title='pwned'"><script>document.title='pwned'</script>`;

/** Milliseconds after which a browser is ended, and how often it is started where it shows nothing. */
const BROWSER_TIMEOUT = 120_000;
const BROWSER_STARTS = 3;

/** A node on which one operation runs, one has failed and one has succeeded. */
async function view(more: Partial<NodeView> = {}): Promise<NodeView & AsyncDisposable> {
  const clock = new ManualClock();
  const operations = new OperationRegistry(clock);
  const end = Promise.withResolvers<void>();
  const caller = { peer: "unix", identity: `CN=${HOSTILE}` };
  const subject = { workspace: "w-runs" };
  const done = withCaller(caller, () =>
    operations.run({ kind: "backup", subject }, async (one) => {
      one.enter(`packing ${HOSTILE}`);
      one.progress.setTotal({ files: 8 });
      one.progress.add({ files: 2, bytes: 2048 });
      await end.promise;
    }));
  await operations.run(
    { kind: "snapshot", subject: { workspace: "w-saved" } },
    () => Promise.resolve(),
  );
  const error = new DaemonError("UNAVAILABLE", `no /secret/file ${HOSTILE}`, {
    reason: "STORE_UNAVAILABLE",
  });
  await operations.run(
    { kind: "init", subject: { workspace: "w-failed" } },
    () => Promise.reject(error),
  ).catch(() => {});
  return {
    version: "1.2.3",
    deno: "2.8.3",
    startedAt: clock.now() - 3_700_000,
    now: clock.now() + 5_000,
    ready: { ok: true, message: "ready" },
    store: "s3",
    disks: [{ area: "root", free: 2 ** 30, size: 2 ** 32, freeInodes: 0, inodes: 0 }],
    certificates: [
      { part: "cert", path: "/etc/node.pem", subject: "CN=n", notAfter: clock.now() + 95_000_000 },
    ],
    problems: [],
    workspaces: [
      { id: "w-saved", owner: HOSTILE, metaId: "m", state: "AVAILABLE", quotaBytes: 2048 },
    ],
    operations: operations.all(),
    ...more,
    async [Symbol.asyncDispose]() {
      end.resolve();
      await done;
    },
  };
}

Deno.test("the page has failures first, then what runs, what has ended and the workspaces", async () => {
  await using node = await view();
  // White space between elements is of no interest.
  const body = statusPage(node).body.replaceAll(/>\s+/g, ">").replaceAll(/\s+</g, "<");
  const headings = [...body.matchAll(/<h2[^>]*>([^<]*)/g)].map(([, heading]) => heading);
  assertEquals(headings, ["Failed", "Running", "Ended", "Workspaces: 1"]);
  assertStringIncludes(body, "<title>wsdaemon: 1 failed</title>");
  assertStringIncludes(body, '<span class="bad">UNAVAILABLE STORE_UNAVAILABLE</span>');
  assertStringIncludes(body, '<progress value="2" max="8"></progress>');
  assertStringIncludes(body, "<dd>1h 1m</dd>");
  assertStringIncludes(body, "<dd>1.0 GiB of 4.0 GiB</dd>");
  assertStringIncludes(body, "ends in 1d 2h");
  assertEquals(body.match(/<rect /g)?.length, 2);
  assertStringIncludes(body, "<td>w-runs</td><td>CN=&quot;");
  for (const { id, parent } of node.operations) if (!parent) assertStringIncludes(body, id);
});

Deno.test("of what runs the page shows what began first, and how much more there is", async () => {
  await using node = await view();
  const [one] = node.operations.filter(({ state }) => state === "running");
  const others = node.operations.filter(({ state }) => state !== "running");
  const bars = (count: number) =>
    statusPage({ ...node, operations: [...others, ...Array(count).fill(one)] }).body;
  assertEquals(bars(200).match(/<progress /g)?.length, 200);
  assert(!bars(200).includes("wsdaemon ops"));
  assertEquals(bars(203).match(/<progress /g)?.length, 200);
  assertStringIncludes(bars(203), "And 3 more: wsdaemon ops");
});

Deno.test("the page and its title say that a node is not ready, and the page says why", async () => {
  await using node = await view({ ready: { ok: false, message: `no store ${HOSTILE}` } });
  const { body } = statusPage(node);
  assertStringIncludes(body, "<title>wsdaemon: not ready, 1 failed</title>");
  assertStringIncludes(body, '<span class="bad">not ready: no store &quot;');
  const { body: calm } = statusPage({ ...node, operations: [] });
  assertStringIncludes(calm, "<title>wsdaemon: not ready</title>");
});

Deno.test("the page says what is wrong with a node, what is slow, and why it is tried again", async () => {
  const clock = new ManualClock();
  const operations = new OperationRegistry(clock);
  const end = Promise.withResolvers<void>();
  const done = operations.run({ kind: "snapshot", subject: { workspace: "w" } }, async (one) => {
    one.setSlow();
    one.failedAttempt(new DaemonError("FAILED_PRECONDITION", "no", { reason: "STORE_REFUSED" }));
    one.enter("waiting");
    await end.promise;
  });
  await using node = await view();
  const { body } = statusPage({
    ...node,
    operations: operations.all(),
    problems: [
      {
        reason: "NODE_OUT_OF_SPACE",
        part: "disk",
        message: `/var is full ${HOSTILE}`,
        since: node.now - 60_000,
      },
    ],
  });
  const rows = body.replaceAll(/\s+/g, " ").replaceAll(/> </g, "><");
  assertStringIncludes(rows, '<td><span class="bad">NODE_OUT_OF_SPACE</span></td><td>disk</td>');
  // What an operator needs to name it is not pushed out of sight by how far it is.
  assert(rows.indexOf(operations.all()[0]!.id) < rows.indexOf("waiting, "), rows);
  assertStringIncludes(rows, '<td>1m</td><td><span class="long">/var is full &quot;');
  assertStringIncludes(
    rows,
    'waiting, <span class="bad">slow</span>, attempt 2 after <span class="bad">STORE_REFUSED</span>',
  );
  assert(!body.includes("<img"));
  end.resolve();
  await done;
});

Deno.test("the page says nothing of a failure but its reason, and is text whatever it is told", async () => {
  await using node = await view();
  const { body, headers } = statusPage(node);
  assert(!body.includes("/secret/file"));
  assert(!body.includes("<img"), "what was put in became an element");
  assertEquals(body.match(/<script/g)?.length, 1);
  assertMatch(
    headers["content-security-policy"]!,
    /^default-src 'none'; .*script-src 'sha256-\S+'; /,
  );
  assert(!/(?:src|href)=/.test(body.replaceAll("src=x", "")), "it loads something");
  assertEquals(
    markup`<b title="${"\"<&>'"}">${["\u202e", "\0", 7, undefined]}</b>`.text,
    '<b title="&quot;&lt;&amp;&gt;&#39;">\ufffd\ufffd7</b>',
  );
});

Deno.test("a browser shows the page as it is, and puts a fresh one in its place (needs chromium)", {
  ignore: !has("chromium"),
}, async () => {
  using folder = testFolder();
  await using node = await view();
  let asked = 0;
  const http = startMetricsHttp({
    listen: { hostname: "127.0.0.1", port: 0 },
    metrics: new Metrics(),
    health: () => ({ ok: true, message: "ok" }),
    ready: () => ({ ok: true, message: "ok" }),
    page: () => {
      const ready = { ok: asked === 0, message: "no store" };
      return Promise.resolve(statusPage({ ...node, ready, version: `version-${++asked}` }));
    },
  });
  const browse = async (...flags: string[]) => {
    asked = 0;
    const { stdout } = await new Deno.Command("chromium", {
      signal: AbortSignal.timeout(BROWSER_TIMEOUT),
      args: [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        `--user-data-dir=${folder.path}/${crypto.randomUUID()}`,
        ...flags,
        `http://127.0.0.1:${http.address.port}/`,
      ],
      stderr: "null",
    }).output();
    return new TextDecoder().decode(stdout);
  };
  try {
    // Time in the page goes on as fast as it can, so that this takes no 6 seconds.
    let dom = "";
    for (let tries = 0; dom === "" && tries < BROWSER_STARTS; tries++) {
      dom = await browse("--virtual-time-budget=6000", "--dump-dom");
    }
    // The first one has no "not ready".
    assertStringIncludes(dom, "<title>wsdaemon: not ready, 1 failed</title>");
    assert(!dom.includes("<img"), dom);
    assert(asked >= 2, `the page was asked for ${asked} times`);
    assertMatch(dom, /<dd>version-[2-9]/);
    assert(!dom.includes('<body class="stale"'), dom);
  } finally {
    await http.stop();
  }
});
