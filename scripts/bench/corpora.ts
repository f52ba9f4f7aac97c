/** Trees to measure with: generated, and the same every time. */

import { join } from "@std/path";

/** The names of all corpora. */
export const CORPUS_NAMES = ["small", "large", "git", "mix", "million", "huge"] as const;
export type CorpusName = typeof CORPUS_NAMES[number];

export interface Corpus {
  readonly name: CorpusName;
  readonly description: string;
  /** About the bytes that it takes on a disk, and its inodes. */
  readonly bytes: number;
  readonly files: number;
  /** Makes the tree in a folder that is not there yet. */
  make(path: string): Promise<void>;
}

/** xorshift32: fast, and the same everywhere. */
function generator(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return Math.floor((state >>> 0) / 2 ** 32 * below);
  };
}

/** Text that compresses as source code does: words of a skewed vocabulary, in indented lines. */
function sourceText(bytes: number, seed: number): Uint8Array {
  const random = generator(seed);
  const letters = "etaoinshrdlucmfwypvbgkjqxz";
  const skewed = (below: number) => Math.floor(below * (random(1_000_000) / 1_000_000) ** 3);
  const words = Array.from(
    { length: 20_000 },
    () => Array.from({ length: 2 + random(9) }, () => letters[skewed(26)]).join(""),
  );
  const marks = [" = ", "(", ");\n  ", ".", ", ", " ", " ", " {\n    ", ";\n    ", "\n  }\n\n  "];
  let text = "";
  while (text.length < bytes) text += words[skewed(words.length)]! + marks[random(marks.length)]!;
  return new TextEncoder().encode(text.slice(0, bytes));
}

async function writeSmall(path: string, files: number, folders: number): Promise<void> {
  const random = generator(42);
  const text = sourceText(8 << 20, 7);
  const paths = [path];
  await Deno.mkdir(path);
  for (let n = 0; n < folders; n++) {
    // Near the last ones, so that trees are as deep as dependencies are.
    const parent = paths[Math.max(0, paths.length - 1 - random(120))]!;
    const folder = join(
      parent.split("/").length - path.split("/").length < 9 ? parent : path,
      `pkg${n}`,
    );
    Deno.mkdirSync(folder);
    paths.push(folder);
  }
  for (let n = 0; n < files; n++) {
    // A few are large: the mean is near 7 kB, the median near 1.5 kB.
    const size = Math.floor(120 * Math.exp(random(1000) / 1000 * 5 + random(1000) / 1000 * 2.4));
    const at = random(text.length - Math.min(size, 1 << 20));
    const folder = paths[random(paths.length)]!;
    Deno.writeFileSync(`${folder}/module-${n}.js`, text.subarray(at, at + Math.min(size, 1 << 20)));
  }
}

/** Written at a time. */
const NOISE_BYTES: number = 4 << 20;
const MIB: number = 2 ** 20;

async function writeLarge(path: string, files: number, bytes: number): Promise<void> {
  await Deno.mkdir(path);
  const makeNoise = noise(88172645);
  for (let n = 0; n < files; n++) {
    using file = Deno.openSync(join(path, `blob-${n}.bin`), { create: true, write: true });
    for (let written = 0; written < bytes; written += NOISE_BYTES) {
      file.writeSync(makeNoise(NOISE_BYTES));
    }
  }
}

async function git(path: string, ...args: string[]): Promise<void> {
  const when = "2024-01-01T00:00:00Z";
  const { success, stderr } = await new Deno.Command("git", {
    args: ["-c", "user.name=b", "-c", "user.email=b@b", "-c", "gc.auto=0", ...args],
    cwd: path,
    env: { GIT_AUTHOR_DATE: when, GIT_COMMITTER_DATE: when, GIT_CONFIG_NOSYSTEM: "1" },
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`git ${args[0]}: ${new TextDecoder().decode(stderr)}`);
}

async function writeCheckout(path: string, files: number, commits: number): Promise<void> {
  await writeSmall(path, files, Math.ceil(files / 8));
  await git(path, "init", "-q");
  await git(path, "add", "-A");
  await git(path, "commit", "-qm", "0");
  const text = sourceText(1 << 20, 11);
  const random = generator(5);
  for (let n = 1; n < commits; n++) {
    for (let edit = 0; edit < 20; edit++) {
      const size = random(20_000);
      const at = random(text.length - size);
      await Deno.writeFile(join(path, `edited-${random(200)}.js`), text.subarray(at, at + size));
    }
    await git(path, "add", "-A");
    await git(path, "commit", "-qm", String(n));
  }
  await git(path, "repack", "-adq");
}

/** Returns a function that makes bytes that cannot be compressed, others at each call. */
function noise(seed: number): (bytes: number) => Uint8Array<ArrayBuffer> {
  let state = seed | 1;
  return (bytes) => {
    const words = new Uint32Array(Math.ceil(bytes / 4));
    for (let n = 0; n < words.length; n++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[n] = state;
    }
    return new Uint8Array(words.buffer, 0, bytes);
  };
}

/** Kinds of files that are compressed already: how they end, and the greatest of them in bytes. */
const COMPRESSED = [[".png", 256 << 10], [".jpg", 1 << 20], [".wasm", 2 << 20], [
  ".zip",
  8 << 20,
]] as const;

/**
 * Writes a tree as people have it: as many bytes of text as of files that are compressed already, and
 * a third of the packages twice, as dependencies of dependencies are.
 */
async function writeMix(path: string, packages: number): Promise<void> {
  const source = join(path, "packages");
  const text = sourceText(8 << 20, 13);
  const makeNoise = noise(17);
  const random = generator(23);
  Deno.mkdirSync(source, { recursive: true });
  let owed = 0;
  for (let n = 0; n < packages; n++) {
    const folder = join(source, `pkg${n}`);
    Deno.mkdirSync(folder);
    for (let file = 0; file < 30; file++) {
      const size = Math.floor(200 * Math.exp(random(1000) / 1000 * 5 + random(1000) / 1000 * 2.4));
      const at = random(text.length - size);
      Deno.writeFileSync(join(folder, `module-${file}.js`), text.subarray(at, at + size));
      owed += size;
    }
    for (let file = 0; owed > 0; file++) {
      const [ending, most] = COMPRESSED[file % COMPRESSED.length]!;
      // Most are small, a few large.
      const size = Math.floor(most * (random(1000) / 1000) ** 3) + 512;
      const at = random(4096);
      const head = text.subarray(at, at + 256);
      using open = Deno.openSync(join(folder, `asset-${file}${ending}`), {
        create: true,
        write: true,
      });
      open.writeSync(head);
      open.writeSync(makeNoise(size));
      owed -= size;
    }
  }
  for (let n = 0; n < packages; n += 3) {
    await copyFlat(join(source, `pkg${n}`), join(path, `nested-${n}`));
  }
}

async function copyFlat(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name } of Deno.readDir(from)) {
    await Deno.copyFile(join(from, name), join(to, name));
  }
}

async function writeTiny(path: string, files: number): Promise<void> {
  await Deno.mkdir(path);
  for (let n = 0; n < files; n++) {
    const folder = join(path, `d${Math.floor(n / 1000)}`);
    if (n % 1000 === 0) Deno.mkdirSync(folder);
    Deno.writeTextFileSync(`${folder}/f${n}`, `tiny ${n}\n`);
  }
}

/**
 * Writes a few very large files: half of each can be compressed, in stretches, as disk images and
 * databases are.
 */
async function writeHuge(path: string, files: number, bytes: number): Promise<void> {
  await Deno.mkdir(path);
  const makeNoise = noise(29);
  const text = sourceText(NOISE_BYTES, 31);
  for (let n = 0; n < files; n++) {
    using file = Deno.openSync(join(path, `disk-${n}.img`), { create: true, write: true });
    for (let written = 0; written < bytes; written += 2 * NOISE_BYTES) {
      file.writeSync(makeNoise(NOISE_BYTES));
      file.writeSync(text);
    }
  }
}

/** Returns the corpora by name; the quick ones are a tenth of the size. */
export function corpora(quick: boolean): Readonly<Record<CorpusName, Corpus>> {
  const scale = quick ? 0.1 : 1;
  const files = 80_000 * scale;
  const mebibytes = Math.ceil(256 * scale / 4) * 4;
  const million = 1_000_000 * scale;
  const list: readonly Corpus[] = [
    {
      name: "small",
      description: `${files} small files, compressible`,
      bytes: files * 17_000,
      files: files * 1.125,
      make: (path) => writeSmall(path, files, files / 8),
    },
    {
      name: "large",
      description: `8 files of ${mebibytes} MiB, incompressible`,
      bytes: 8 * mebibytes * MIB,
      files: 8,
      make: (path) => writeLarge(path, 8, mebibytes * MIB),
    },
    {
      name: "git",
      description: `a Git checkout of ${10_000 * scale} files, with a pack`,
      bytes: 300 * MIB * scale,
      files: 12_000 * scale,
      make: (path) => writeCheckout(path, 10_000 * scale, 200 * scale),
    },
    {
      name: "mix",
      description: `about ${
        25_000 * scale
      } files, half of the bytes compressed already, a third twice`,
      bytes: 1200 * MIB * scale,
      files: 25_000 * scale,
      make: (path) => writeMix(path, 600 * scale),
    },
    {
      name: "million",
      description: `${million} tiny files`,
      bytes: million * 4400,
      files: million,
      make: (path) => writeTiny(path, million),
    },
    {
      name: "huge",
      description: `20 files of ${512 * scale} MiB, half of it incompressible`,
      bytes: 20 * 512 * MIB * scale,
      files: 20,
      make: (path) => writeHuge(path, 20, 512 * MIB * scale),
    },
  ];
  return Object.fromEntries(list.map((corpus) => [corpus.name, corpus])) as Record<
    CorpusName,
    Corpus
  >;
}

/** Rewrites one file in a hundred, at the same size; large files in one place. */
export function editSome(path: string, round: number): void {
  let n = 0;
  const edit = (file: string) => {
    if (n++ % 100 !== round % 100) return;
    using open = Deno.openSync(file, { read: true, write: true });
    open.writeSync(new TextEncoder().encode(`edit ${round}`));
  };
  const walk = (folder: string) => {
    for (const entry of [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1)) {
      if (entry.isDirectory && entry.name !== ".git") walk(join(folder, entry.name));
      else if (entry.isFile) edit(join(folder, entry.name));
    }
  };
  walk(path);
}
