/**
 * Content Workers that the tests of a file use one after the other: starting them takes longer than
 * most tests do.
 */

import { join } from "@std/path";
import type { Rooms } from "../../src/content/boot.ts";
import type { Content } from "../../src/content/api.ts";
import { startContent, type TestContent } from "./content.ts";
import { removeAll, testFolder } from "./folder.ts";

export interface SharedContent extends Disposable {
  readonly content: Content;
  /** The folder of the rooms, with nothing but empty rooms when it is lent. */
  readonly root: string;
  readonly rooms: Required<Rooms>;
}

interface Lent extends TestContent {
  root: string;
}

const idle: Lent[] = [];
const started = new AsyncDisposableStack();
Deno.test.afterAll(() => started.disposeAsync());

/** Content with empty rooms. Disposing of it gives it to the next borrower. */
export function borrowContent(): SharedContent {
  const lent = idle.pop() ?? start();
  return {
    content: lent.content,
    rooms: lent.rooms,
    root: lent.root,
    [Symbol.dispose]() {
      empty(lent.root, Object.values(lent.rooms));
      idle.push(lent);
    },
  };
}

function start(): Lent {
  const folder = started.use(testFolder());
  const root = join(folder.path, "root");
  Deno.mkdirSync(root);
  const content = started.use(startContent(root));
  // As on a node: what git runs in can be passed through by the content's owner.
  for (const path of [folder.path, root, join(root, "tmp"), content.rooms.staging]) {
    Deno.chmodSync(path, 0o711);
  }
  return { ...content, root };
}

/** Removes all but the rooms, which the Workers have open, and what leads to them. */
function empty(folder: string, rooms: readonly string[]): void {
  for (const { name } of Deno.readDirSync(folder)) {
    const path = join(folder, name);
    const kept = rooms.some((room) => `${room}/`.startsWith(`${path}/`));
    if (kept) empty(path, rooms);
    else removeAll(path);
  }
}
