/**
 * `deno task demo`: a workspace's whole life on two nodes that share a store, told as it happens.
 * Everything runs through the command line that an operator has; it all lives in a temporary folder.
 */

import { basename, dirname, join } from "@std/path";
import { DaemonProcess, FROM_SOURCE } from "./daemon_process.ts";

function say(text: string): void {
  // deno-lint-ignore no-console -- the demo's purpose is to talk
  console.log(text);
}

/** A daemon with a root of its own. */
class Node implements AsyncDisposable {
  private constructor(
    readonly root: string,
    readonly daemon: DaemonProcess,
  ) {}

  static async start(name: string, folder: string): Promise<Node> {
    const root = join(folder, name);
    const config = join(folder, `${name}.jsonc`);
    await Deno.writeTextFile(
      config,
      JSON.stringify({
        storage: { kind: "fs", path: join(folder, "store") },
        metrics: { listen: "off" },
      }),
    );
    return new Node(
      root,
      await DaemonProcess.start({ args: ["--config", config, "--root", root] }),
    );
  }

  get address(): string {
    return this.daemon.addresses[0]!;
  }

  workspace(id: string): string {
    return join(this.root, "workspaces", id);
  }

  /** Runs a client command against this node and shows it as one would type it. */
  async client(command: string, ...args: string[]): Promise<string> {
    say(`  $ wsdaemon client --addr ${this.address} ${[command, ...args].join(" ")}`);
    const [program, ...before] = FROM_SOURCE;
    const { code, stdout, stderr } = await new Deno.Command(program, {
      args: [...before, "client", "--addr", this.address, command, ...args],
    }).output();
    const text = new TextDecoder().decode(code === 0 ? stdout : stderr).trimEnd();
    for (const line of text.split("\n").filter((line) => line !== "")) say(`    ${line}`);
    if (code !== 0) throw new Error(`wsdaemon client ${command} ended with ${code}`);
    return text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
  }
}

/** Every path of a folder with what makes it what it is. */
async function listing(folder: string): Promise<string[]> {
  const lines: string[] = [];
  const visit = async (path: string, name: string) => {
    const info = await Deno.lstat(path);
    const mode = (info.mode! & 0o7777).toString(8).padStart(4, "0");
    if (info.isDirectory) {
      lines.push(`${mode} ${name}/`);
      const names = (await Array.fromAsync(Deno.readDir(path))).map((entry) => entry.name).sort();
      for (const child of names) await visit(join(path, child), `${name}/${child}`);
    } else if (info.isSymlink) {
      lines.push(`${mode} ${name} -> ${await Deno.readLink(path)}`);
    } else {
      const text = await Deno.readTextFile(path);
      lines.push(`${mode} ${name}  ${info.mtime!.toISOString()}  ${JSON.stringify(text)}`);
    }
  };
  await visit(folder, basename(dirname(folder)) === "workspaces" ? "." : folder);
  return lines;
}

function show(lines: readonly string[]): void {
  for (const line of lines) say(`    ${line}`);
}

async function edit(folder: string): Promise<void> {
  await Deno.mkdir(join(folder, "src"));
  await Deno.writeTextFile(join(folder, "src", "main.go"), "package main\n");
  await Deno.writeTextFile(join(folder, "build.sh"), "#!/bin/sh\ngo build ./...\n");
  await Deno.chmod(join(folder, "build.sh"), 0o755);
  await Deno.symlink("src/main.go", join(folder, "entry"));
}

function urlIn(text: string): string {
  const url = /wsdaemon:\S+/.exec(text)?.[0];
  if (!url) throw new Error(`No url in ${JSON.stringify(text)}`);
  return url;
}

async function tell(folder: string): Promise<void> {
  say("Two nodes start. Each has a root of its own; they share one store.");
  await using left = await Node.start("node-1", folder);
  say(`  node-1 serves on ${left.address}`);
  await using right = await Node.start("node-2", folder);
  say(`  node-2 serves on ${right.address}`);

  say("\nAlice opens a workspace on node-1.");
  await left.client("init", "--id", "w1", "--owner", "alice", "--meta-id", "blog", "--empty");
  say("\nShe writes some code.");
  await edit(left.workspace("w1"));
  const first = await listing(left.workspace("w1"));
  show(first);

  say("\nA snapshot keeps this moment.");
  const snapshot = urlIn(await left.client("snapshot", "w1"));

  say("\nShe goes on working, and a backup is made.");
  await Deno.writeTextFile(
    join(left.workspace("w1"), "src", "main.go"),
    "package main // better\n",
  );
  const second = await listing(left.workspace("w1"));
  await left.client("backup", "w1");

  say("\nShe goes home: the workspace is backed up a last time and leaves node-1.");
  await left.client("dispose", "w1", "--backup");
  await left.client("exists", "w1");

  say("\nNext morning she is given node-2. Her backup is restored there.");
  const who = ["--owner", "alice", "--meta-id", "blog"];
  await right.client("init", "--id", "w2", ...who, "--from-backup");
  const restored = await listing(right.workspace("w2"));
  show(restored);
  expectSame(restored, second, "the backup");

  say("\nBob starts from her snapshot.");
  const bob = ["--owner", "bob", "--meta-id", "try"];
  await right.client("init", "--id", "w3", ...bob, "--snapshot", snapshot);
  expectSame(await listing(right.workspace("w3")), first, "the snapshot");
  say("    … equal to the moment it was taken: names, content, modes and times.");
}

function expectSame(actual: readonly string[], expected: readonly string[], what: string): void {
  if (actual.join("\n") !== expected.join("\n")) {
    throw new Error(
      `${what} came back as\n${actual.join("\n")}\nand not as\n${expected.join("\n")}`,
    );
  }
}

if (import.meta.main) {
  const folder = await Deno.makeTempDir({ prefix: "wsdaemon-demo-" });
  try {
    await tell(folder);
    say("\nThat was a workspace's whole life. Nothing of it is left on this machine.");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
