import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { lockPath, lockRoot } from "../../src/process/lock.ts";
import { makeAreas, prepareRoot } from "../../src/process/root.ts";
import { StartError } from "../../src/errors.ts";
import { canMount, smallFileSystem } from "../fixtures/mount.ts";
import { CAN_MAKE_IMMUTABLE, makeMutable } from "../fixtures/oddities.ts";
import { configOf, withFolder } from "./fixture.ts";

function mode(path: string): number {
  return Deno.statSync(path).mode! & 0o777;
}

Deno.test("areas are closed to others, and what leads to trees can only be passed through", async () => {
  await withFolder((folder) => {
    const config = prepareRoot(configOf({ root: `${folder}/root` }));
    const areas = makeAreas(config);
    for (const path of ["workspaces", "tmp", "tmp/staging"]) {
      assertEquals(mode(`${folder}/root/${path}`), 0o711, path);
    }
    for (const path of ["state", "state/baselines", "store", "tmp/spool", "tmp/trash"]) {
      assertEquals(mode(`${folder}/root/${path}`), 0o700, path);
    }
    assertEquals(areas.blobs, `${folder}/root/store`);
  });
});

Deno.test("areas are closed again when their modes were opened", async () => {
  await withFolder((folder) => {
    const config = prepareRoot(configOf({ root: folder }));
    using _lock = lockRoot(config.root);
    makeAreas(config);
    Deno.chmodSync(`${folder}/state`, 0o777);
    makeAreas(prepareRoot(config));
    assertEquals(mode(`${folder}/state`), 0o700);
  });
});

Deno.test("root is the folder that a link leads to", async () => {
  await withFolder((folder) => {
    Deno.mkdirSync(`${folder}/real`);
    Deno.symlinkSync("real", `${folder}/link`);
    const config = prepareRoot(configOf({ root: `${folder}/link` }));
    assertEquals(config.root, `${folder}/real`);
    assertEquals(config.storage, { kind: "fs", path: `${folder}/real/store` });
  });
});

Deno.test("store is the folder that a link leads to", async () => {
  await withFolder((folder) => {
    Deno.mkdirSync(`${folder}/real`);
    Deno.symlinkSync("real", `${folder}/link`);
    const storage = { kind: "fs", path: `${folder}/link` };
    const config = prepareRoot(configOf({ root: `${folder}/root`, storage }));
    assertEquals(config.storage, { kind: "fs", path: `${folder}/real` });
    assertEquals(makeAreas(config).blobs, `${folder}/real`);
  });
});

Deno.test("root may have the store of another node already", async () => {
  await withFolder((folder) => {
    Deno.mkdirSync(`${folder}/store/refs`, { recursive: true });
    assertEquals(makeAreas(prepareRoot(configOf({ root: folder }))).blobs, `${folder}/store`);
  });
});

Deno.test("store that a link leads to where Deno lets no Worker is refused", async () => {
  await withFolder((folder) => {
    Deno.symlinkSync("/dev/shm", `${folder}/link`);
    const storage = { kind: "fs", path: `${folder}/link` };
    const config = configOf({ root: `${folder}/root`, storage });
    assertThrows(() => prepareRoot(config), StartError, "/dev/shm lies in /dev");
  });
});

Deno.test("store that a link leads into the root's own folders is refused", async () => {
  await withFolder((folder) => {
    const root = `${folder}/root`;
    Deno.mkdirSync(`${root}/workspaces`, { recursive: true });
    Deno.symlinkSync(`${root}/workspaces`, `${folder}/link`);
    const config = configOf({ root, storage: { kind: "fs", path: `${folder}/link` } });
    assertThrows(() => prepareRoot(config), StartError, "would mix the store with");
  });
});

const REFUSALS: { name: string; make(folder: string): string; reason: string }[] = [
  {
    name: "its parent is missing",
    make: (folder) => `${folder}/missing/root`,
    reason: "there is no folder",
  },
  {
    name: "it is a file",
    make: (folder) => {
      Deno.writeTextFileSync(`${folder}/file`, "");
      return `${folder}/file`;
    },
    reason: "it is there and not a folder",
  },
  { name: "it lies in a file", make: () => "/etc/passwd/root", reason: "no folder /etc/passwd;" },
  { name: "it is the whole machine", make: () => "/", reason: "a folder of its own" },
  {
    name: "others use it",
    make: (folder) => {
      Deno.mkdirSync(`${folder}/tmp/theirs`, { recursive: true });
      return folder;
    },
    reason: "it has a folder tmp that is not wsdaemon's",
  },
  {
    name: "others keep their state there",
    make: (folder) => {
      Deno.mkdirSync(`${folder}/state/theirs`, { recursive: true });
      return folder;
    },
    reason: "it has a folder state that is not wsdaemon's",
  },
  {
    name: "it lies where Deno lets no Worker",
    make: () => "/dev/shm/root-of-wsdaemon",
    reason: "lies in /dev, which is closed to wsdaemon's Workers",
  },
  { name: "nothing can be made there", make: () => "/proc/self/root-of-wsdaemon", reason: "" },
];

for (const { name, make, reason } of REFUSALS) {
  Deno.test(`root is refused in one line when ${name}`, async () => {
    await withFolder((folder) => {
      const root = make(folder);
      const error = assertThrows(() => prepareRoot(configOf({ root })), StartError);
      assertStringIncludes(error.message, root);
      assertStringIncludes(error.message, reason);
      assertEquals(error.message.includes("\n"), false);
    });
  });
}

Deno.test("area that is a link is refused", async () => {
  await withFolder((folder) => {
    const config = prepareRoot(configOf({ root: `${folder}/root` }));
    Deno.mkdirSync(`${folder}/elsewhere`);
    Deno.symlinkSync(`${folder}/elsewhere`, `${folder}/root/workspaces`);
    assertThrows(() => makeAreas(config), StartError, "it is a link, not a folder");
  });
});

Deno.test("lock names its holder to a second daemon, and is free again afterwards", async () => {
  await withFolder((folder) => {
    const { root } = prepareRoot(configOf({ root: folder }));
    {
      using _lock = lockRoot(root);
      const error = assertThrows(() => lockRoot(root), StartError);
      assertStringIncludes(error.message, `the wsdaemon with pid ${Deno.pid} uses it`);
    }
    using _again = lockRoot(root);
  });
});

Deno.test("lock is waited for while a program that its last holder began still has it", async () => {
  await withFolder(async (folder) => {
    const { root } = prepareRoot(configOf({ root: folder }));
    lockRoot(root)[Symbol.dispose]();
    const child = new Deno.Command("flock", {
      args: [lockPath(root), "-c", "echo held; sleep 0.1"],
      stdout: "piped",
    }).spawn();
    const held = child.stdout.getReader();
    await held.read();
    using _lock = lockRoot(root);
    await held.cancel();
    await child.status;
  });
});

Deno.test({
  name:
    "lock is held where the disk is too full to write whose it is; needs root and leave to mount",
  ignore: !canMount(),
  async fn() {
    await withFolder((folder) => {
      using _disk = smallFileSystem(folder, 65536);
      const { root } = prepareRoot(configOf({ root: folder }));
      assertThrows(() => Deno.writeFileSync(`${folder}/full`, new Uint8Array(1 << 20)));
      using _lock = lockRoot(root);
      assertThrows(() => lockRoot(root), StartError, "the wsdaemon with pid unknown uses it");
    });
  },
});

Deno.test("root whose lock was deleted is still ours, and not another daemon's while one runs", async () => {
  await withFolder((folder) => {
    const start = () => {
      const config = prepareRoot(configOf({ root: folder }));
      const lock = lockRoot(config.root);
      makeAreas(config);
      return lock;
    };
    const path = lockPath(folder);
    {
      using _lock = start();
      Deno.mkdirSync(`${folder}/workspaces/w`);
      Deno.removeSync(path);
      const error = assertThrows(start, StartError);
      assertStringIncludes(error.message, `${path} was deleted`);
      // What was refused has made the file again: its lock is not the one that counts.
      assertThrows(start, StartError, `${path} was deleted`);
    }
    using _again = start();
    assert(Deno.statSync(path).isFile);
  });
});

Deno.test("root that has lost its lock and all but its database is still ours", async () => {
  await withFolder((folder) => {
    for (const path of ["state", "workspaces/w"]) {
      Deno.mkdirSync(`${folder}/${path}`, { recursive: true });
    }
    const refused = () => prepareRoot(configOf({ root: folder }));
    assertThrows(refused, StartError, `make an empty file ${lockPath(folder)}`);
    using db = new DatabaseSync(`${folder}/state/state.db`);
    db.exec("PRAGMA user_version = 1");
    prepareRoot(configOf({ root: folder }));
  });
});

Deno.test({
  name: "lock that is immutable is held all the same (needs root and chattr)",
  ignore: !CAN_MAKE_IMMUTABLE,
  async fn() {
    await withFolder((folder) => {
      const { root } = prepareRoot(configOf({ root: folder }));
      lockRoot(root)[Symbol.dispose]();
      new Deno.Command("chattr", { args: ["+i", lockPath(root)] }).outputSync();
      using stack = new DisposableStack();
      stack.defer(() => makeMutable(lockPath(root)));
      using _lock = lockRoot(root);
      assertThrows(() => lockRoot(root), StartError, "uses it");
    });
  },
});
