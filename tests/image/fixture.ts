/** Blocks of real inodes, and files to write images to. */

import { digestOf } from "../../src/digest.ts";
import { Block, kindOf } from "../../src/image/block.ts";
import { Arena } from "../../src/image/arena.ts";
import { BlockBuilder, type RecordDetails } from "../../src/image/block_builder.ts";
import { KIND } from "../../src/image/layout.ts";
import type { LayerInfo } from "../../src/image/tree_file.ts";
import type { Stat } from "../../src/linux/mod.ts";
import { openFolder } from "../linux/fixture.ts";

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const textOf = (name: Uint8Array): string => new TextDecoder().decode(name);

/** Metadata of a file of seven bytes, a directory, a symbolic link and a FIFO. */
export interface Stats {
  readonly file: Stat;
  readonly directory: Stat;
  readonly symlink: Stat;
  readonly fifo: Stat;
}

export function sampleStats(): Stats {
  using folder = openFolder();
  const { dir } = folder;
  dir.createFile("file", 0o640).write(bytes("content"));
  dir.makeDirectory("directory");
  dir.symlink("target", "symlink");
  dir.makeFifo("fifo", 0o600);
  return {
    file: dir.statEntry("file"),
    directory: dir.statEntry("directory"),
    symlink: dir.statEntry("symlink"),
    fifo: dir.statEntry("fifo"),
  };
}

export const LAYER: LayerInfo = {
  digest: digestOf("layer"),
  diffId: digestOf("tar"),
  size: 100,
  rawSize: 10_000,
  isMetadata: false,
};

/** An entry: its metadata, its name, and whatever else its record is to say. */
export type EntryOf = { stat: Stat; name: string } & Omit<Partial<RecordDetails>, "name">;

/** Builds the block of the directory at `path`. */
export function buildBlock(
  builder: BlockBuilder,
  path: string,
  self: Stat,
  entries: readonly EntryOf[],
): Block {
  builder.begin(bytes(path));
  builder.add(self, { kind: KIND.directory, name: new Uint8Array() });
  for (const { stat, name, ...details } of entries) {
    builder.add(stat, { kind: kindOf(stat)!, name: bytes(name), ...details });
  }
  return builder.finish();
}

/** A sound block of one entry of each kind. */
export function soundBlock({ file, directory, symlink, fifo }: Stats): Block {
  return buildBlock(new BlockBuilder(new Arena()), "some/path", directory, [
    { stat: fifo, name: "a-fifo" },
    { stat: file, name: "b-file", location: { layer: 0, offset: 512, stored: 7 } },
    { stat: file, name: "c-hard", kind: KIND.link, link: bytes("some/path/b-file") },
    {
      stat: symlink,
      name: "d-link",
      link: bytes("target"),
      xattrs: [{ name: bytes("user.a"), value: bytes("b") }],
    },
  ]);
}
