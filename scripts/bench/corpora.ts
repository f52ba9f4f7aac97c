/** Trees to measure with: generated, and the same every time. */

import { join } from "@std/path";

export interface Corpus {
  readonly name: string;
  readonly description: string;
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

async function writeLarge(path: string, files: number, bytes: number): Promise<void> {
  await Deno.mkdir(path);
  const block = new Uint32Array(1 << 20);
  let state = 88172645;
  for (let n = 0; n < files; n++) {
    using file = Deno.openSync(join(path, `blob-${n}.bin`), { create: true, write: true });
    for (let written = 0; written < bytes; written += block.byteLength) {
      for (let i = 0; i < block.length; i++) {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        block[i] = state;
      }
      file.writeSync(new Uint8Array(block.buffer));
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

async function writeTiny(path: string, files: number): Promise<void> {
  await Deno.mkdir(path);
  for (let n = 0; n < files; n++) {
    const folder = join(path, `d${Math.floor(n / 1000)}`);
    if (n % 1000 === 0) Deno.mkdirSync(folder);
    Deno.writeTextFileSync(`${folder}/f${n}`, `tiny ${n}\n`);
  }
}

/** The corpora of a run; the quick ones are a tenth of the size. */
export function corpora(quick: boolean, million: boolean): Corpus[] {
  const scale = quick ? 0.1 : 1;
  const files = 80_000 * scale;
  const mebibytes = 256 * scale;
  const list: Corpus[] = [
    {
      name: "small",
      description: `${files} small files, compressible`,
      make: (path) => writeSmall(path, files, files / 8),
    },
    {
      name: "large",
      description: `8 files of ${Math.ceil(mebibytes / 4) * 4} MiB, incompressible`,
      make: (path) => writeLarge(path, 8, mebibytes * 2 ** 20),
    },
    {
      name: "git",
      description: `a Git checkout of ${10_000 * scale} files, with a pack`,
      make: (path) => writeCheckout(path, 10_000 * scale, 200 * scale),
    },
  ];
  if (million) {
    list.push({
      name: "million",
      description: "1000000 tiny files",
      make: (path) => writeTiny(path, 1_000_000),
    });
  }
  return list;
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
