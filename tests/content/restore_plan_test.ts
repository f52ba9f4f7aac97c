import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { OpenAreas } from "../../src/content/areas.ts";
import {
  DIRECTORY_BYTES,
  EMPTY_BYTES,
  fileBytes,
  LINK_BYTES,
  symlinkBytes,
} from "../../src/content/disk_usage.ts";
import type { OperationContext } from "../../src/content/operation.ts";
import { restorePlan } from "../../src/content/restore/restore_plan.ts";
import { WorkerPlan } from "../../src/content/restore/worker_plan.ts";
import { digestOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import { Arena, type Block, BlockBuilder, KIND, writeIndex } from "../../src/image/mod.ts";
import type { Directory } from "../../src/linux/mod.ts";
import { buildBlock, bytes, LAYER, sampleStats, textOf } from "../image/fixture.ts";
import { openFolder } from "../linux/fixture.ts";

const { file, directory, symlink, fifo } = sampleStats();
const MIB = 1 << 20;
const context = { throwIfCancelled: () => {} } as OperationContext;

/** Writes an index of two layers with these blocks into the spool, and plans its restore. */
function plan(spool: Directory, blocks: readonly Block[], limitBytes?: number) {
  const layers = [0, 1].map((n) => ({ ...LAYER, digest: digestOf(`${n}`), rawSize: 2 ** 30 }));
  const name = crypto.randomUUID();
  using written = spool.createFile(name);
  const { digest, size } = writeIndex(written, { layers, blocks, stale: [] });
  return restorePlan(
    { spool } as OpenAreas,
    { chain: [{ file: { area: "spool", path: name }, blob: { digest, size } }], limitBytes },
    context,
  );
}

function block(path: string, entries: Parameters<typeof buildBlock>[3]): Block {
  return buildBlock(new BlockBuilder(new Arena()), path, directory, entries);
}

const at = (layer: number, offset: number, stored = file.size) => ({ layer, offset, stored });

Deno.test("a plan orders files by layer and offset, whatever directory they are in", () => {
  using folder = openFolder();
  const made = plan(folder.dir, [
    block("", [
      { stat: file, name: "x", location: at(1, 4096) },
      { stat: file, name: "y", location: at(0, 2048) },
    ]),
    block("d", [
      { stat: file, name: "z", location: at(1, 1024) },
      { stat: file, name: "zz", location: at(0, 512) },
    ]),
  ]);
  const opened = new WorkerPlan(made);
  const names = [0, 1, 2, 3].map((n) => {
    const { block, record } = opened.file(n);
    return textOf(block.name(record));
  });
  assertEquals(names, ["zz", "y", "z", "x"]);
  assertEquals(made.units, [{ layer: 0, start: 0, end: 2 }, { layer: 1, start: 2, end: 4 }]);
  assertEquals(made.ranges, [{ start: 0, end: 2 }]);
});

Deno.test("a plan divides a layer after each 16 MiB of content", () => {
  using folder = openFolder();
  const large: typeof file = Object.create(file, { size: { value: 7 * MIB } });
  const entries = Array.from({ length: 5 }, (_, n) => ({
    stat: large,
    name: `${n}`,
    location: at(0, n * 8 * MIB, 7 * MIB),
  }));
  const { units } = plan(folder.dir, [block("", entries)]);
  assertEquals(units.map(({ start, end }) => [start, end]), [[0, 3], [3, 5]]);
});

Deno.test("a plan counts what a tree takes as all limits do, and refuses what exceeds them", () => {
  using folder = openFolder();
  const blocks = [
    block("", [
      {
        stat: file,
        name: "a",
        location: at(0, 512),
        xattrs: [{ name: bytes("user.n"), value: bytes("v") }],
      },
      { stat: file, name: "b", kind: KIND.link, link: bytes("a") },
      { stat: symlink, name: "c", link: bytes("target") },
      { stat: fifo, name: "d" },
    ]),
    block("e", []),
  ];
  // Six bytes of head, six of name and one of value.
  const expected = 13 + fileBytes(7) + LINK_BYTES + symlinkBytes(6) + EMPTY_BYTES +
    DIRECTORY_BYTES;
  const { diskBytes, fileCount, linkCount, contentBytes } = plan(folder.dir, blocks, expected);
  assertEquals({ diskBytes, fileCount, linkCount, contentBytes }, {
    diskBytes: expected,
    fileCount: 2,
    linkCount: 1,
    contentBytes: 14,
  });
  const error = assertThrows(() => plan(folder.dir, blocks, expected - 1), DaemonError);
  assertEquals(error.code, "RESOURCE_EXHAUSTED");
  assertStringIncludes(error.message, `${expected - 1} bytes on disk`);
  assertStringIncludes(error.message, `come to ${expected} bytes`);
});
