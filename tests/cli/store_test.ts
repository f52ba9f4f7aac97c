import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { FROM_SOURCE } from "../../scripts/daemon_process.ts";
import { readImage } from "../../src/snapshot/read_image.ts";
import { encodeLease } from "../../src/store/lease.ts";
import { LEASE_KEY } from "../../src/store/keys.ts";
import { directory, file, hardlink, readTree, sparse, symlink } from "../fixtures/tree.ts";
import { BOB, StoreFixture } from "../snapshot/fixture.ts";
import { inProcess } from "./in_process.ts";
import type { Outcome } from "./fixture.ts";
import { PYTHON } from "../fixtures/python.ts";

const LATEST = "wsdaemon:backup/alice/notes";

/** Runs a store command on the fixture's root. */
function store(fixture: StoreFixture, ...args: string[]): Promise<Outcome> {
  return inProcess("store", "--root", fixture.root, ...args);
}

/** The stdout of a command that does well without a word on stderr. */
async function output(fixture: StoreFixture, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await store(fixture, ...args);
  assertEquals([code, stderr], [0, ""], stdout);
  return stdout;
}

async function json<T>(fixture: StoreFixture, ...args: string[]): Promise<T> {
  return JSON.parse(await output(fixture, ...args, "--json")) as T;
}

/** A command that fails with this code and says so without a result. */
async function refusal(fixture: StoreFixture, code: string, says: string, ...args: string[]) {
  const outcome = await store(fixture, ...args);
  assertEquals([outcome.code, outcome.stdout], [1, ""], outcome.stderr);
  assertStringIncludes(outcome.stderr, `error: ${code}: `);
  assertStringIncludes(outcome.stderr, says);
}

Deno.test("the store can be looked into beside a daemon or without one", async (t) => {
  await using fixture = await StoreFixture.open();
  const path = await fixture.publish("w", [
    ["src", directory({ mode: 0o750 })],
    ["src/main.ts", file("export {};\n", { mode: 0o640 })],
    ["src/again.ts", hardlink("src/main.ts")],
    ["odd\n", file("odd")],
    ["link", symlink("src")],
    ["holes", sparse(3_000_000, [[2_000_000, "data"]])],
  ]);
  await fixture.settle();
  const snapshot = await fixture.snapshot("w");
  await Deno.writeTextFile(join(path, "new"), "n".repeat(5000));
  const backup = await fixture.backup("w");
  const other = await fixture.backup("w", BOB);

  await t.step("ls aligns sizes for people and has exact ones in JSON", async () => {
    const [text, all, own] = await Promise.all([
      output(fixture, "ls"),
      json<Record<string, unknown>[]>(fixture, "ls"),
      json<Record<string, unknown>[]>(fixture, "ls", "--owner", "bob", "--meta-id", "site"),
    ]);
    const [heading, ...lines] = text.trimEnd().split("\n");
    assertMatch(
      heading!,
      /^KIND +OWNER +META_ID +CREATED +FILES +CONTENT +STORED +OWN +SHARED +URL$/,
    );
    assertEquals(new Set([heading!, ...lines].map((line) => line.lastIndexOf("  "))).size, 1);
    const urls = [snapshot.url, backup.url, other.url];
    assertEquals(lines.map((line) => line.split(/ +/).at(-1)), urls);
    assertEquals(all.map(({ url }) => url), urls);
    assertEquals(own.map(({ url }) => url), [other.url]);
    const { ownBytes, sharedBytes, storedBytes, contentBytes, files } = all[0] as Record<
      string,
      number
    >;
    assertEquals([files, ownBytes! + sharedBytes!], [4, storedBytes!]);
    assert(ownBytes! > 0 && sharedBytes! > 0 && contentBytes! > 3_000_000);
  });

  await t.step("show tells what an image consists of", async () => {
    const [text, description] = await Promise.all([
      output(fixture, "show", LATEST),
      json<Record<string, unknown>>(fixture, "show", backup.url),
    ]);
    const { layers } = await readImage(fixture.store, backup.manifest);
    for (const { digest } of layers) assertStringIncludes(text, digest);
    assertStringIncludes(text, backup.url);
    assertMatch(text, /^CREATED .* URL$/m);
    assertEquals(description.layers, layers);
    const [newest] = description.history as { url: string; isHead: boolean }[];
    assertEquals([newest?.url, newest?.isHead], [backup.url, true]);
    assertEquals(description.manifest, {
      digest: backup.manifest,
      size: Deno.statSync(fixture.blobPath(backup.manifest)).size,
    });
  });

  await t.step(
    "show --files lists files, odd names escaped, with and without an index",
    async () => {
      const plain = await fixture.withoutIndex(backup);
      const [text, below, byIndex, byLayers] = await Promise.all([
        output(fixture, "show", LATEST, "--files"),
        output(fixture, "show", LATEST, "--files", "/src/"),
        json<{ entries: unknown[] }>(fixture, "show", LATEST, "--files"),
        json<{ entries: unknown[] }>(fixture, "show", plain, "--files"),
      ]);
      const lines = text.trimEnd().split("\n");
      assertEquals(lines.length, (await readTree(path)).length);
      assertMatch(text, /^-rw-r--r-- .* 3 .*Z odd\\x0a$/m);
      assertMatch(text, /^lrwxrwxrwx .* link -> src$/m);
      assertMatch(text, /^-rw-r----- .* src\/main\.ts link to src\/again\.ts$/m);
      assertEquals(below, lines.slice(-3).join("\n") + "\n");
      assertEquals([byLayers.entries, byIndex.entries.length], [byIndex.entries, lines.length]);
      await fixture.store.deleteRef(`refs/snapshots/alice/notes/${plain.split("/").at(-1)}.json`);
    },
  );

  await t.step("cat writes a file's bytes and nothing else", async () => {
    assertEquals(
      await Promise.all(
        ["src/main.ts", "src/again.ts", "odd\\x0a"].map((name) =>
          output(fixture, "cat", LATEST, name)
        ),
      ),
      ["export {};\n", "export {};\n", "odd"],
    );
    assertEquals(
      await output(fixture, "cat", LATEST, "holes"),
      await Deno.readTextFile(`${path}/holes`),
    );
  });

  await t.step("cat refuses what is no file", async () => {
    await Promise.all([
      refusal(fixture, "FAILED_PRECONDITION", "it is a directory", "cat", LATEST, "src"),
      refusal(fixture, "FAILED_PRECONDITION", "a symbolic link to src", "cat", LATEST, "link"),
      refusal(fixture, "NOT_FOUND", "There is no src/none in", "cat", LATEST, "src/none"),
      refusal(
        fixture,
        "NOT_FOUND",
        "There is no wsdaemon:backup/a/b",
        "cat",
        "wsdaemon:backup/a/b",
        "x",
      ),
      refusal(fixture, "INVALID_ARGUMENT", "must be the url", "show", "nonsense"),
    ]);
  });

  await t.step("export writes an archive or a layout, whole, and overwrites nothing", async () => {
    const [tar, oci] = [join(fixture.root, "a.tar"), join(fixture.root, "oci")];
    const [text, layout] = await Promise.all([
      output(fixture, "export", LATEST, "--tar", tar),
      json<Record<string, unknown>>(fixture, "export", LATEST, "--oci", oci),
    ]);
    assertStringIncludes(text, `${tar} is ${backup.url}`);
    assertEquals([layout.oci, layout.tag], [oci, "latest"]);
    const to = join(fixture.root, "extracted");
    await Deno.mkdir(to);
    const extracted = await new Deno.Command("tar", { args: ["-xpf", tar, "-C", to] }).output();
    assert(extracted.success);
    const comparable = async (root: string) =>
      (await readTree(root)).map(({ data: _, ...entry }) => entry);
    assertEquals(await comparable(to), await comparable(path));
    assertEquals(
      await output(fixture, "export", LATEST, "--tar", "-"),
      await Deno.readTextFile(tar),
    );
    await Promise.all([
      refusal(fixture, "ALREADY_EXISTS", "is there already", "export", LATEST, "--tar", tar),
      refusal(fixture, "ALREADY_EXISTS", "must be an empty folder", "export", LATEST, "--oci", oci),
      refusal(
        fixture,
        "NOT_FOUND",
        "no/a.tar",
        "export",
        LATEST,
        "--tar",
        join(fixture.root, "no/a.tar"),
      ),
    ]);
  });

  await t.step("verify finds it sound", async () => {
    assertMatch(
      await output(fixture, "verify"),
      /^3 images, \d+ blobs, .*: every digest is right\n$/,
    );
    const result = await json<Record<string, unknown>>(fixture, "verify", backup.url);
    assertEquals([result.images, result.damage], [1, []]);
  });

  await t.step("verify draws a bar on a terminal", async () => {
    const { stdout } = await onTerminal(["store", "--root", fixture.root, "verify"]);
    assertMatch(stdout, /verifying \[#*-*\] +\d+% {2}blob /);
    assertStringIncludes(stdout, "\x1b[K3 images");
  });

  await t.step("rm and gc remove what is named, and what nothing else needs", async () => {
    const missing = `wsdaemon:backup/no/body`;
    const removal = await store(fixture, "rm", snapshot.url, missing, LATEST);
    assertEquals(removal.code, 1);
    assertStringIncludes(removal.stderr, `error: NOT_FOUND: There is no ${missing}`);
    assertStringIncludes(removal.stdout, `removed ${snapshot.url}\nremoved ${backup.url}\n`);
    const before = fixture.blobs();
    await fixture.age(3 * 3600_000);
    const trial = await json<{ deleted: { count: number } }>(
      fixture,
      "gc",
      "--grace",
      "2h",
      "--dry-run",
    );
    assertEquals(fixture.blobs(), before);
    assertEquals((await json<{ deleted: { count: number } }>(fixture, "gc")).deleted.count, 0);
    assertMatch(
      await output(fixture, "gc", "--grace", "2h"),
      new RegExp(`^deleted +${trial.deleted.count} blobs, .*\nin use +\\d+ blobs, `),
    );
    assertEquals(fixture.blobs().length, before.length - trial.deleted.count);
    assertMatch(await output(fixture, "verify"), /^1 image, /);
  });

  await t.step("gc refuses to leave nothing, and verify says that it checked nothing", async () => {
    const refs = join(fixture.started.areas.blobs, "refs");
    const hidden = join(fixture.root, "hidden");
    await Deno.rename(refs, hidden);
    await fixture.age(3 * 3600_000);
    const before = fixture.blobs();
    const figures = `delete ${before.length} of ${before.length} blobs`;
    await refusal(fixture, "FAILED_PRECONDITION", figures, "gc", "--grace", "2h");
    const trial = await output(fixture, "gc", "--grace", "2h", "--dry-run");
    assertMatch(trial, /^refused +without --force/m);
    assertMatch(await output(fixture, "verify"), /nothing was checked/);
    assertEquals(fixture.blobs(), before);
    await Deno.remove(refs, { recursive: true });
    await Deno.rename(hidden, refs);
    assertMatch(await output(fixture, "verify"), /^1 image, /);
  });

  await t.step("gc is refused while another one runs", async () => {
    await fixture.backup("w");
    assertEquals((await store(fixture, "rm", LATEST, "--json")).code, 0);
    await fixture.age(3 * 3600_000);
    const lease = { holder: "another", expiresAt: Date.now() + 60_000, condemned: [] };
    await fixture.store.putRef(LEASE_KEY, encodeLease(lease));
    await fixture.publish("dead", [["dead", file("dead")]]);
    await fixture.snapshot("dead", BOB).then(({ url }) => output(fixture, "rm", url));
    await fixture.age(3 * 3600_000);
    await refusal(fixture, "FAILED_PRECONDITION", "Another collection", "gc", "--grace", "1h");
  });
});

Deno.test("damage is named on stderr and by the exit code", async (t) => {
  await using fixture = await StoreFixture.open();
  await fixture.publish("w", [["file", file("content")]]);
  const { url, manifest } = await fixture.snapshot("w");
  const { layers, index } = await readImage(fixture.store, manifest);
  const digest = layers[0]!.digest;

  await t.step("a damaged index is done without", async () => {
    const bytes = await Deno.readFile(fixture.blobPath(index!.digest));
    await fixture.damage(index!.digest);
    const { code, stdout, stderr } = await store(fixture, "cat", url, "file");
    assertEquals([code, stdout], [0, "content"]);
    assertMatch(stderr, /^warning: the layers are read, as the index cannot be: blob sha256:/);
    await Deno.writeFile(fixture.blobPath(index!.digest), bytes);
  });

  await t.step("a damaged layer gives not a byte", async () => {
    await fixture.damage(digest);
    const tar = join(fixture.root, "a.tar");
    await Promise.all([
      refusal(fixture, "DATA_LOSS", digest, "cat", url, "file"),
      refusal(fixture, "DATA_LOSS", digest, "export", url, "--tar", tar),
      refusal(fixture, "DATA_LOSS", digest, "export", url, "--oci", join(fixture.root, "oci")),
    ]);
    const names = [...Deno.readDirSync(fixture.root)].map(({ name }) => name);
    assertEquals(names.filter((name) => /tar|oci/.test(name)), []);
    const piped = await store(fixture, "export", url, "--tar", "-");
    assertEquals([piped.code, piped.stdout], [1, ""]);
  });

  await t.step("verify names the blob and the image", async () => {
    const { code, stdout, stderr } = await store(fixture, "verify");
    assertEquals([code, stderr], [1, "error: DATA_LOSS: 1 of 1 images are damaged\n"]);
    assertStringIncludes(stdout, `damaged: ${digest}: `);
    assertStringIncludes(stdout, `\n  needed by ${url}\n`);
    const machine = await store(fixture, "verify", "--json");
    assertEquals(machine.code, 1);
    assertEquals(JSON.parse(machine.stdout).damage[0].images, [url]);
  });

  await t.step("ls lists what it can, and gc deletes nothing", async () => {
    await Deno.remove(fixture.blobPath(manifest));
    const { code, stdout, stderr } = await store(fixture, "ls");
    assertEquals(code, 1);
    assertMatch(stdout, new RegExp(` \\? +\\? +\\?  ${url}\n`));
    assertStringIncludes(stderr, `error: DATA_LOSS: ${manifest}: `);
    await refusal(fixture, "DATA_LOSS", manifest, "gc", "--grace", "0s");
    assert(fixture.blobs().length > 0);
  });
});

Deno.test("store commands say what is wrong with how they are asked", async (t) => {
  const folder = await Deno.makeTempDir({ prefix: "wsdaemon-" });
  try {
    await t.step("where there is no store, and without making one", async () => {
      const { code, stderr } = await inProcess("store", "ls", "--root", folder);
      assertEquals([code, [...Deno.readDirSync(folder)]], [1, []]);
      assertStringIncludes(stderr, `error: NOT_FOUND: There is no store in ${folder}/store`);
    });
    await t.step("where the config says that there is none", async () => {
      const config = join(folder, "config.json");
      await Deno.writeTextFile(config, `{"storage": {"kind": "none"}}`);
      const { code, stderr } = await inProcess("store", "--config", config, "ls");
      assertEquals(code, 1);
      assertStringIncludes(stderr, "error: FAILED_PRECONDITION: ");
      assertStringIncludes(stderr, "storage.kind is none");
    });
    await t.step("as usage errors", async () => {
      const mistakes: [args: string[], says: string][] = [
        [["export", "x"], "expected either --oci DIR or --tar FILE"],
        [["export", "x", "--oci", "a", "--tar", "b"], "expected either"],
        [["cat", "x", "../y"], "expected a path within the image"],
        [["show", "x", "--files", "\\q"], "expected a path within the image"],
        [["gc", "--grace", "soon"], "Expected a duration"],
        [["rm"], "missing required argument"],
      ];
      await Promise.all(mistakes.map(async ([args, says]) => {
        const { code, stdout, stderr } = await inProcess("store", "--root", folder, ...args);
        assertEquals([code, stdout], [2, ""], stderr);
        assertStringIncludes(stderr, says);
      }));
    });
    await t.step("and teach with examples", async () => {
      const commands = ["ls", "show", "cat", "export", "verify", "rm", "gc"];
      await Promise.all([[], ...commands.map((name) => [name])].map(async (level) => {
        const { code, stdout } = await inProcess("store", ...level, "--help");
        assertEquals(code, 0);
        assertMatch(stdout, /\$ wsdaemon store /);
      }));
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Runs wsdaemon with a pseudo-terminal for its standard streams; stdout has all that it shows. */
async function onTerminal(args: readonly string[]): Promise<Outcome> {
  const script = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";
  const { code, stdout, stderr } = await new Deno.Command(PYTHON, {
    args: ["-c", script, ...FROM_SOURCE, ...args],
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}
