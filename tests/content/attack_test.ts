import { DIRECTORY_BYTES } from "../../src/content/disk_usage.ts";
import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { DaemonError } from "../../src/errors.ts";
import { startContent, type TestContent } from "../fixtures/content.ts";
import { testFolder } from "../fixtures/folder.ts";
import { startAttack } from "../fixtures/attack.ts";
import { rounds } from "../fixtures/soak.ts";
import { deleteLeftovers, ME, namesIn } from "./fixture.ts";
import { Canaries, CANARY_FILES } from "./canaries.ts";

/** Content Workers on a root where the canaries are. */
function rootWithCanaries() {
  const folder = testFolder();
  const node: TestContent = startContent(join(folder.path, "root"));
  const at = new Canaries(node.areas.workspaces, folder.path);
  return {
    node,
    targets: at.targets,
    check: () => at.check(),
    [Symbol.asyncDispose]() {
      node.close();
      folder[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}

const workspace = { area: "workspaces", name: "hostile" } as const;

Deno.test("remove deletes nothing outside when directories are swapped for links meanwhile", async () => {
  await using at = rootWithCanaries();
  const { content, areas } = at.node;
  const path = join(areas.workspaces, workspace.name);
  let swaps = 0;
  for (const _ of rounds(3)) {
    const pairs: [string, string][] = [];
    for (let i = 0; i < 60; i++) {
      for (const parent of [`top${i}`, `deep/${i}/inner`]) {
        Deno.mkdirSync(join(path, parent, "d"), { recursive: true });
        for (const name of CANARY_FILES) Deno.writeTextFileSync(join(path, parent, name), "own");
        Deno.symlinkSync(at.targets[i % 2]!, join(path, `${parent}.link`));
        pairs.push([parent, `${parent}.link`]);
      }
    }
    const attack = await startAttack(path, pairs);
    try {
      await content.remove(workspace);
    } catch (error) {
      // All that an attacker can reach is that we give up on their own files.
      assert(error instanceof DaemonError && error.code === "FAILED_PRECONDITION", String(error));
    }
    swaps += await attack.stop();
    at.check();
    assertEquals(await content.published(), ["neighbour"]);
  }
  await deleteLeftovers(content);
  assertEquals(namesIn(areas.trash), []);
  at.check();
  assert(swaps > 1000, `only ${swaps} swaps were made`);
});

/** Calls `act` so many times and more, until it was both let through and refused. */
async function bothWays(atLeast: number, act: (round: number) => Promise<void>): Promise<void> {
  let done = 0;
  let refused = 0;
  const once = async () => {
    try {
      await act(done + refused);
      done++;
    } catch (error) {
      assert(error instanceof DaemonError, String(error));
      assert(["INVALID_ARGUMENT", "NOT_FOUND"].includes(error.code), String(error));
      refused++;
    }
  };
  for (const _ of rounds(atLeast, 0.2)) await once();
  while (done === 0 || refused === 0) {
    assert(done + refused < 20 * atLeast, `${done} calls were let through, ${refused} refused`);
    await once();
  }
}

Deno.test("no operation on a path goes through a link that is swapped in meanwhile", async () => {
  await using at = rootWithCanaries();
  const { content, areas } = at.node;
  const path = join(areas.workspaces, workspace.name);
  Deno.mkdirSync(join(path, "a/b/d"), { recursive: true });
  Deno.writeTextFileSync(join(path, "a/b/file"), "own");
  Deno.writeTextFileSync(join(path, "a/b/d/file"), "own");
  Deno.symlinkSync(at.targets[0]!, join(path, "a/link"));
  Deno.mkdirSync(join(path, "x/d"), { recursive: true });
  Deno.writeTextFileSync(join(path, "x/file"), "own");
  Deno.writeTextFileSync(join(path, "x/d/file"), "own");
  Deno.symlinkSync(at.targets[1]!, join(path, "y"));
  Deno.writeTextFileSync(join(path, "leaf"), "own");
  Deno.symlinkSync(join(at.targets[1]!, "canary"), join(path, "leaf.link"));
  const attack = await startAttack(path, [["a/b", "a/link"], ["x", "y"], ["leaf", "leaf.link"]]);
  const dirs = ["a/b", "x"];

  await bothWays(300, async (round) => {
    const dir = dirs[round % 2]!;
    Deno.writeTextFileSync(join(areas.spool, "in"), "own");
    await content.place(workspace, `${dir}/placed`, { area: "spool", path: "in" }, ME, 0o777);
  });
  await bothWays(300, (round) => content.makeDirectory(workspace, `${dirs[round % 2]}/made/x`, ME));
  await bothWays(300, async (round) => {
    const names = (await content.list(workspace, dirs[round % 2]!)).map(({ name }) => name);
    assert(!names.includes("canary"), names.join());
  });
  await bothWays(300, async (round) => {
    const source = ["a/b/file", "x/d/file", "leaf"][round % 3]!;
    const { file } = await content.copyOut(workspace, source, 1000);
    assertEquals(Deno.readTextFileSync(join(areas.spool, file.path)), "own");
  });
  await bothWays(100, async (round) => {
    const opened = await content.openDirectory(workspace, `${dirs[round % 2]}/d`);
    // What the descriptor is, rather than where its path leads by now.
    const real = Deno.readLinkSync(opened.path);
    await opened.close();
    assert(real.startsWith(path), real);
  });
  for (const _ of rounds(30, 0.1)) {
    const { bytes, entries } = await content.usage(workspace);
    assert(bytes <= entries * DIRECTORY_BYTES, `${bytes} bytes of ${entries} entries were counted`);
  }

  const swaps = await attack.stop();
  assert(swaps > 1000, `only ${swaps} swaps were made`);
  at.check();
});

Deno.test("place replaces no link that is swapped in for its target, but the link itself", async () => {
  await using at = rootWithCanaries();
  const { content, areas } = at.node;
  const path = join(areas.workspaces, workspace.name);
  Deno.mkdirSync(path);
  Deno.writeTextFileSync(join(path, "leaf"), "own");
  Deno.symlinkSync(join(at.targets[0]!, "canary"), join(path, "leaf.link"));
  const attack = await startAttack(path, [["leaf", "leaf.link"]]);
  for (const _ of rounds(300)) {
    Deno.writeTextFileSync(join(areas.spool, "in"), "own");
    try {
      await content.place(workspace, "leaf", { area: "spool", path: "in" }, ME, 0o777);
    } catch (error) {
      assert(error instanceof DaemonError && error.code === "INVALID_ARGUMENT", String(error));
    }
  }
  await attack.stop();
  at.check();
});
