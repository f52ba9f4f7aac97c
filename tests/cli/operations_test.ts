/** What operators see and do from a shell. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { DaemonProcess, FROM_SOURCE } from "../../scripts/daemon_process.ts";
import { WorkspaceClient } from "../../src/client/mod.ts";
import { OperationKind } from "../../src/wire/mod.ts";
import { eventually } from "../fixtures/eventually.ts";
import { testFolder } from "../fixtures/folder.ts";
import { has } from "../fixtures/tools.ts";
import { wsdaemon } from "./fixture.ts";
import { inProcess } from "./in_process.ts";

const IDENTITY = ["--owner", "alice", "--meta-id", "notes"];
const ID = /[0-9a-f]{16}/;

/** A server whose answers begin, and never end. */
function endlessServer(): Disposable & { url: string } {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => {
    const start = (controller: ReadableStreamDefaultController) =>
      controller.enqueue(new Uint8Array(100_000));
    return new Response(new ReadableStream({ start }));
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/f=f#sha256:${"0".repeat(64)}`,
    [Symbol.dispose]: () => void server.shutdown(),
  };
}

/** Resolves to the id of the init of a workspace once its download is under way. */
async function downloading(client: WorkspaceClient, workspaceId: string): Promise<string> {
  return await eventually(async () => {
    const { operations } = await client.operations.call("watchOperations", {});
    const step = operations.find((one) =>
      one.workspaceId === workspaceId && one.kind === OperationKind.DOWNLOAD && !one.endTime
    );
    assert(step, `nothing is downloaded for ${workspaceId}`);
    return step.parentId;
  });
}

Deno.test("a node is seen and steered from a shell", async (t) => {
  using folder = testFolder();
  const config = join(folder.path, "config.json");
  Deno.writeTextFileSync(config, '{ "net": { "allowLoopback": true } }');
  await using daemon = await DaemonProcess.start({
    args: ["--config", config, "--root", join(folder.path, "n"), "--metrics-listen", "off"],
  });
  using server = endlessServer();
  const address = daemon.addresses[0]!;
  using client = new WorkspaceClient({ address });
  const run = (...args: string[]) => inProcess(...args, "--addr", address);
  const output = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(...args);
    assertEquals([code, stderr], [0, ""], stdout);
    return stdout;
  };
  const spawn = (command: readonly string[]) =>
    new Deno.Command(command[0]!, {
      args: [...command.slice(1), "--addr", address],
      env: { NO_COLOR: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();

  await output("client", "init", "--id", "w1", ...IDENTITY, "--empty");
  await output("client", "backup", "w1");

  await t.step("ls and status show the workspaces, for people and for machines", async () => {
    const [head, row] = (await output("ls")).split("\n");
    assertMatch(head!, /^ID +OWNER +META_ID +STATE +FROM +USED +QUOTA +LAST IMAGE +OPERATIONS$/);
    assertMatch(row!, /^w1 +alice +notes +AVAILABLE +empty +\S+( \S+)? +- +\d+s ago +-$/);
    assertEquals(await output("ls", "--owner", "bob"), "");
    const [workspace] = JSON.parse(await output("ls", "--json"));
    assertEquals([workspace.id, workspace.state], ["w1", "WORKSPACE_STATE_AVAILABLE"]);
    assertMatch(workspace.lastImage.url, /^wsdaemon:backup\/alice\/notes@sha256:/);
    const node = await output("status");
    assertMatch(
      node,
      /^node +ready, wsdaemon \S+ \(Deno \S+\), up for .*\nstore +fs\ndisk of root +/,
    );
    assertMatch(node, /\nworkspaces +1 AVAILABLE\nrunning +0\nfailed +none\n$/);
    assertEquals(JSON.parse(await output("status", "--json")).node.ready, true);
    const text = await output("status", "w1");
    assertMatch(text, /^state +AVAILABLE$/m);
    assertMatch(text, /^[0-9a-f]{16} +backup +w1 +127\.0\.0\.1:\d+ +\d+s +succeeded/m);
    const snapshot = (await output("client", "snapshot", "w1")).trim();
    assertMatch(await output("status", snapshot), /^state +stored$/m);
  });

  await t.step("what is stuck is seen in ops and top, left by Ctrl-C, and cancelled", async () => {
    const args = ["client", "init", "--id", "stuck", ...IDENTITY, "--download", server.url];
    const child = spawn([...FROM_SOURCE, ...args]);
    const id = await downloading(client, "stuck");
    child.kill("SIGINT");
    const { code, stderr } = await child.output();
    assertEquals(code, 130);
    assertStringIncludes(
      new TextDecoder().decode(stderr),
      `error: Interrupted; the daemon goes on with init ${id} of stuck`,
    );
    const late = await run("client", "wait", "stuck", "--timeout", "50ms");
    assertEquals(late.code, 3);
    assertMatch(
      late.stderr,
      /^error: DEADLINE_EXCEEDED: .*goes on with init [0-9a-f]{16} of stuck/,
    );

    const [head, init, download] = (await output("ops")).split("\n");
    assertMatch(head!, /^ID +KIND +WORKSPACE +BY +FOR +STATE +DONE$/);
    assertMatch(
      init!,
      new RegExp(`^${id} +init +stuck +127\\.0\\.0\\.1:\\d+ +\\S+ +initializing +0 of 1 files`),
    );
    assertMatch(download!, /^[0-9a-f]{16} {4}download +stuck +\S+ +downloading/);
    assertMatch(await output("top"), new RegExp(`^\\[-{20}\\] {3}0%  ${id}  init stuck`, "m"));
    assertStringIncludes(await output("ls"), id);

    const step = ID.exec(download!)![0];
    const refused = await run("cancel", step, "--json");
    const { error } = JSON.parse(refused.stderr);
    assertEquals([refused.code, refused.stdout, error.reason], [
      1,
      "",
      "OPERATION_NOT_CANCELLABLE",
    ]);
    assertStringIncludes(error.message, id);
    assertEquals(await output("cancel", id), "init of stuck is cancelled\n");
    assertEquals(await output("ops"), "");
    assertMatch(await output("ops", "--all", "--workspace", "stuck"), /init +stuck .* cancelled/);
    const gone = await run("client", "wait", "stuck", "--json");
    assertEquals([gone.code, JSON.parse(gone.stderr).error.code], [1, "NOT_FOUND"]);
  });

  await t.step(
    "images are listed, shown and forgotten, by url and by owner and meta_id",
    async () => {
      const [head, row] = (await output("images", "ls", "--owner", "alice")).split("\n");
      assertMatch(head!, /^KIND +OWNER +META_ID +CREATED +FILES +CONTENT +URL$/);
      assertMatch(
        row!,
        /^backup +alice +notes +\S+ \S+Z +0 +0 B +wsdaemon:backup\/alice\/notes@sha256:/,
      );
      const images: { url: string; kind: string }[] = JSON.parse(
        await output("images", "ls", "--json"),
      );
      assertEquals(images.map(({ kind }) => kind), ["IMAGE_KIND_BACKUP", "IMAGE_KIND_SNAPSHOT"]);
      assertEquals(await output("images", "ls", "--owner", "bob"), "");
      const snapshot = images[1]!.url;
      const shown = await output("images", "show", snapshot);
      assertMatch(shown, /^kind +snapshot$/m);
      assertMatch(shown, /^stored +\d+(\.\d+)? [KM]?i?B$/m);
      const { image } = JSON.parse(await output("images", "show", snapshot, "--json"));
      assertEquals(image.url, snapshot);

      const gone = "wsdaemon:backup/nobody/nothing";
      const some = await run("images", "rm", snapshot, gone);
      assertEquals([some.code, some.stdout.split("\n")[0]], [1, `removed ${snapshot}`]);
      assertMatch(some.stderr, /^error: NOT_FOUND: .*nobody\/nothing/);
      for (const wrong of [[], [snapshot, ...IDENTITY], ["--owner", "alice"]]) {
        assertEquals((await run("images", "rm", ...wrong)).code, 2);
      }
      const { removed } = JSON.parse(await output("images", "rm", ...IDENTITY, "--json"));
      assertEquals(removed, [images[0]!.url]);
      assertEquals(await output("images", "ls"), "");
    },
  );

  await t.step("a verification and a collection are begun, waited for and left", async () => {
    assertMatch(await output("verify"), /^The store lists no backup and no snapshot/);
    await output("client", "backup", "w1");
    assertMatch(await output("verify"), /^1 image, \d blobs, .*: every digest is right$/m);
    const detached = await output("collect", "--dry-run", "--detach");
    assertMatch(detached, /^collection [0-9a-f]{16} has begun/);
    assertMatch(
      await output("collect", "--dry-run", "--grace", "0s"),
      /^would delete +\d+ blobs?, /,
    );
    const { state, figures } = JSON.parse(await output("collect", "--json"));
    assertEquals([state, figures.deleted_blobs], ["OPERATION_STATE_SUCCEEDED", "0"]);
    const failed = await run("verify", "?");
    assertEquals(failed.code, 1);
    assertMatch(failed.stderr, /^error: INVALID_ARGUMENT: verification \w{16}: .*INVALID_REQUEST/);
  });

  await t.step(
    "an owner is purged once somebody has said so, and no workspace is left",
    async () => {
      const asked = await wsdaemon(["purge", "alice", "--addr", address]);
      assertEquals(asked.code, 2);
      assertStringIncludes(asked.stderr, "--yes");
      const refused = await run("purge", "alice", "--yes");
      assertEquals(refused.code, 1);
      assertMatch(refused.stderr, /^error: FAILED_PRECONDITION: .*w1 \[OWNER_HAS_WORKSPACES\]/);
      await output("client", "dispose", "w1", "--backup");
      assertEquals(await output("purge", "bob", "--yes"), "deleted 0 images and 0 logs of bob\n");
      assertMatch(await output("images", "ls"), /alice/);
    },
  );

  await t.step("a call that somebody cancelled ends with a code of its own", async () => {
    const args = ["client", "init", "--id", "other", ...IDENTITY, "--download", server.url];
    const child = spawn([...FROM_SOURCE, ...args]);
    await output("cancel", await downloading(client, "other"));
    const { code, stderr } = await child.output();
    assertEquals(code, 4);
    assertMatch(new TextDecoder().decode(stderr), /ABORTED: .* \[OPERATION_CANCELLED\]/);
  });

  await t.step("a malformed command line is told as JSON where that is wanted", async () => {
    const { code, stdout, stderr } = await run("cancel", "--json");
    assertEquals([code, stdout, JSON.parse(stderr).error.code], [2, "", "INVALID_ARGUMENT"]);
  });

  await t.step({
    name: "on a terminal, calls draw their progress and top redraws itself until Ctrl-C",
    ignore: !has("script"),
    fn: async () => {
      const init = ["client", "init", "--id", "seen", ...IDENTITY, "--download", server.url];
      const drawn = onTerminal([...FROM_SOURCE, ...init, "--addr", address]);
      const id = await downloading(client, "seen");
      await drawn.shows(/init \[-{24}\] {3}0% {2}downloading, 0 of 1 files/);
      const top = onTerminal([...FROM_SOURCE, "top", "--addr", address]);
      await top.shows(new RegExp(`\\[-{20}\\] {3}0%  ${id}  init seen`));
      await output("cancel", id);
      await top.shows(new RegExp(`cancelled +${id}  init seen`));
      await top.type("\x03");
      const { code, text } = await top.end();
      assertEquals(code, 0, text);
      assert(text.endsWith("\x1b[?25h\x1b[?1049l"), JSON.stringify(text.slice(-40)));
      assertEquals((await drawn.end()).code, 4);
      const purges = ["no", "yes"].map((answer) => ({
        answer,
        purge: onTerminal([...FROM_SOURCE, "purge", "alice", "--addr", address]),
      }));
      for (const { answer, purge } of purges) {
        await purge.shows(/Delete every backup, snapshot and terminal log of "alice" .*\[y\/N\] $/);
        await purge.type(`${answer}\n`);
        const ended = await purge.end();
        const isYes = answer === "yes";
        assertEquals(ended.code, isYes ? 0 : 1, ended.text);
        assertStringIncludes(
          ended.text,
          isYes ? "deleted 1 image and 0 logs of alice" : "Nothing was done",
        );
      }
    },
  });
});

/** Runs a command on a terminal of its own. */
function onTerminal(command: readonly string[]) {
  const quoted = command.map((word) => `'${word}'`).join(" ");
  const child = new Deno.Command("script", {
    // A shell that stayed as the parent would answer Ctrl-C with an exit code of its own, as dash does.
    args: ["-qefc", `stty cols 100 rows 30; exec ${quoted}`, "/dev/null"],
    env: { NO_COLOR: "1", TERM: "xterm", SHELL: "/bin/sh" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const more = async () => {
    const { done, value } = await reader.read();
    text += value ?? "";
    return !done;
  };
  return {
    /** Resolves once its output has something like this. */
    async shows(pattern: RegExp): Promise<void> {
      while (!pattern.test(text)) assert(await more(), `${pattern} is not in ${text}`);
    },
    type: (keys: string) => writer.write(new TextEncoder().encode(keys)),
    async end(): Promise<{ code: number; text: string }> {
      while (await more());
      await writer.close().catch(() => {});
      return { code: (await child.status).code, text };
    },
  };
}
