/**
 * What workspaces of a chaos run are made from: Git repositories, files to download, plain archives;
 * and what each has to become in a workspace.
 */

import { join } from "@std/path";
import { readTree, type TreeEntry } from "../../tests/fixtures/tree.ts";
import { editTree } from "./edits.ts";
import { Random } from "./random.ts";

/** A commit and the tree that its checkout is. */
export interface Commit {
  hash: string;
  tree: readonly TreeEntry[];
}

/** A repository with its commits, oldest first, of which the last is the remote's HEAD. */
export interface Repository {
  name: string;
  /** Addresses by which it can be cloned. */
  remotes: readonly string[];
  commits: readonly Commit[];
}

/** A plain archive in the store. */
export interface Archive {
  /** `<object>@<bucket>`. */
  name: string;
  file: string;
  tree: readonly TreeEntry[];
}

const REPOSITORIES = 2;
const COMMITS = 5;
const ARCHIVES = [".tar", ".tar.gz", ".tar.zst"] as const;

/** Makes all that clients start from. */
export async function makeSources(
  folder: string,
  random: Random,
  server: FileServer,
): Promise<{ repositories: Repository[]; archives: Archive[] }> {
  const repositories: Repository[] = [];
  for (let n = 0; n < REPOSITORIES; n++) {
    repositories.push(await makeRepository(folder, `repository-${n}.git`, random, server));
  }
  const archives: Archive[] = [];
  for (const suffix of ARCHIVES) archives.push(await makeArchive(folder, suffix, random));
  return { repositories, archives };
}

async function makeRepository(
  folder: string,
  name: string,
  random: Random,
  server: FileServer,
): Promise<Repository> {
  const bare = join(folder, name);
  const checkout = `${bare}.checkout`;
  await run("git", "init", "--quiet", "--bare", "--initial-branch=main", bare);
  await run("git", "clone", "--quiet", bare, checkout);
  const commits: Commit[] = [];
  for (let n = 0; n < COMMITS; n++) {
    changeCheckout(checkout, n, random);
    await run("git", "-C", checkout, "add", "--all");
    await run("git", "-C", checkout, ...IDENTITY, "commit", "--quiet", "-m", `commit ${n}`);
    const hash = await run("git", "-C", checkout, "rev-parse", "HEAD");
    commits.push({ hash, tree: withoutGit(await readTree(checkout)) });
  }
  await run("git", "-C", checkout, "push", "--quiet", bare, "HEAD:main");
  await run("git", "-C", bare, "update-server-info");
  return { name, remotes: [`file://${bare}`, `${server.address}/git/${name}`], commits };
}

const IDENTITY = ["-c", "user.name=Chaos", "-c", "user.email=chaos@example.com"];

function changeCheckout(checkout: string, commit: number, random: Random): void {
  for (let n = 0; n < 6; n++) {
    const folder = join(checkout, `folder-${random.whole(0, 3)}`);
    Deno.mkdirSync(folder, { recursive: true });
    const path = join(folder, `file-${random.whole(0, 20)}`);
    Deno.writeFileSync(path, random.bytes(random.whole(1, 60_000)));
    Deno.chmodSync(path, random.pick([0o644, 0o755]));
  }
  Deno.symlinkSync("folder-0/nowhere", join(checkout, `link-${commit}`));
}

/** The entries of a tree that Git knows of, by what Git keeps of them. */
export function withoutGit(tree: readonly TreeEntry[]): TreeEntry[] {
  return tree.filter(({ path, type }) =>
    !/(?:^|\/)\.git(?:\/|$)/.test(path) && type !== "directory"
  );
}

async function makeArchive(folder: string, suffix: string, random: Random): Promise<Archive> {
  const source = join(folder, `archive${suffix}.source`);
  Deno.mkdirSync(source);
  for (let n = 0; n < 8; n++) editTree(source, random);
  // Set-id bits do not come out of a plain archive.
  await run("chmod", "-R", "ug-s", source);
  const file = join(folder, `archive${suffix}`);
  await run("tar", "--format=posix", "-S", "-a", "-cf", file, "-C", source, ".");
  return { name: `chaos${suffix}@archives`, file, tree: await readTree(source) };
}

async function run(command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args,
    env: { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1", LC_ALL: "C" },
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout).trimEnd();
}

/** A file that can be downloaded: its name says what is in it. */
export interface RemoteFile {
  url: string;
  bytes: Uint8Array<ArrayBuffer>;
}

/** Milliseconds that an answer stands still: as long as a client waits would stop the whole run. */
const STALL = 5_000;

export type ServerFault = "refuse" | "cut" | "stall";

/** Serves files and repositories by HTTP, now and then badly. */
export class FileServer implements AsyncDisposable {
  readonly #folder: string;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #over = new AbortController();
  #fault: ServerFault | undefined;
  #faults = 0;

  /** @param folder where the repositories are, by their names */
  constructor(folder: string) {
    this.#folder = folder;
    this.#server = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      onListen() {},
      onError: () => new Response("", { status: 500 }),
      signal: this.#over.signal,
    }, (request) => this.#answer(request));
  }

  get address(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** Returns a file of a seed's own. */
  file(seed: number): RemoteFile {
    return { url: `${this.address}/files/${seed}`, bytes: bytesOf(seed) };
  }

  /** Answers the next requests badly; forgets what was planned before. */
  plan(fault: ServerFault | undefined, times: number): void {
    this.#fault = fault;
    this.#faults = times;
  }

  #answer(request: Request): Response {
    const { pathname } = new URL(request.url);
    const fault = this.#faults-- > 0 ? this.#fault : undefined;
    if (fault === "refuse") return new Response("busy", { status: 503 });
    const bytes = this.#read(pathname);
    if (!bytes) return new Response("", { status: 404 });
    if (fault === undefined) return new Response(bytes);
    return new Response(cutBody(bytes, fault), {
      headers: { "content-length": String(bytes.length) },
    });
  }

  #read(pathname: string): Uint8Array<ArrayBuffer> | undefined {
    const [, kind, ...path] = pathname.split("/");
    if (kind === "files") return bytesOf(Number(path[0]));
    if (path.includes("..")) return undefined;
    try {
      return Deno.readFileSync(join(this.#folder, ...path));
    } catch {
      return undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#server.finished;
  }
}

function cutBody(bytes: Uint8Array<ArrayBuffer>, fault: "cut" | "stall") {
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      controller.enqueue(bytes.slice(0, bytes.length >> 1));
      if (fault === "cut") return controller.error(new Error("planned"));
      await new Promise((resolve) => setTimeout(resolve, STALL));
      controller.error(new Error("planned"));
    },
  });
}

function bytesOf(seed: number): Uint8Array<ArrayBuffer> {
  const random = new Random(seed);
  return random.bytes(random.whole(0, 200_000));
}

/** The digest of bytes as the API writes it. */
export async function digestOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return `sha256:${await hexDigest(bytes)}`;
}

/** SHA-256 in hexadecimal. */
export async function hexDigest(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
