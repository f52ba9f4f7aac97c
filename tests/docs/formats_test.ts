import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import { escapePath, VENDOR, xattrKeyword } from "../../src/archive/vendor_records.ts";
import { formatSize } from "../../src/config/units.ts";
import { baselineFileOf, factsFileOf } from "../../src/content/base_files.ts";
import * as aliases from "../../src/content/baseline/baseline_aliases.ts";
import * as baseline from "../../src/content/baseline/baseline_format.ts";
import { MAGIC as STATE_MAGIC } from "../../src/content/baseline/frozen_state.ts";
import { FRAME_BYTES, LAYER_BYTES } from "../../src/content/pack/write/layer_writer.ts";
import { newTreeName } from "../../src/content/tree_names.ts";
import { digestOf } from "../../src/digest.ts";
import { FIELD, FLAG, HEAD, KIND, OMITTED, RACY, RECORD } from "../../src/image/layout.ts";
import * as treeFile from "../../src/image/tree_file.ts";
import * as manifest from "../../src/snapshot/manifest.ts";
import { encodeReference } from "../../src/snapshot/references.ts";
import * as names from "../../src/snapshot/snapshot_names.ts";
import { ARCHIVES, TMP } from "../../src/store/file/object_folder.ts";
import { useKey } from "../../src/snapshot/image_uses.ts";
import { policyKey } from "../../src/snapshot/shared_policies.ts";
import { BLOB_PREFIX, LAST_COLLECTION_KEY, LEASE_KEY } from "../../src/store/keys.ts";
import { encodeLease, shortName } from "../../src/store/lease.ts";
import { Journal } from "../../src/workspace/journal.ts";
import { testFolder } from "../fixtures/folder.ts";
import { blocks, page } from "./pages.ts";

const { text } = page("docs/formats.md");
/** The text in one line, for sentences that are broken anywhere. */
const flat = text.replaceAll(/\s+/g, " ");
const IDENTITY = { owner: "<owner>", metaId: "<meta_id>" };
const DIGEST = digestOf("x");

/** The text of a section, up to the next heading of its level. */
function section(title: string): string {
  return text.split(`\n## ${title}\n`)[1]!.split("\n## ")[0]!;
}

interface Row {
  offset: number;
  /** Bytes; undefined where it depends on a count. */
  size: number | undefined;
  field: string;
}

/** The rows of the table of offsets that follows `before`. */
function rowsAfter(before: string): Row[] {
  const lines = text.slice(text.indexOf(before) + before.length).split("\n");
  const start = lines.findIndex((line) => line.startsWith("| -"));
  const end = lines.findIndex((line, n) => n > start && !line.startsWith("|"));
  return lines.slice(start + 1, end).map((line) => line.split("|").map((cell) => cell.trim()))
    .filter(([, offset]) => /^\d+$/.test(offset!))
    .map(([, offset, size, field]) => ({
      offset: Number(offset),
      size: /^\d+$/.test(size!) ? Number(size) : undefined,
      field: field!,
    }));
}

/** Asserts that each row begins where the one before ends, and returns where the last ends. */
function endOf(rows: readonly Row[]): number {
  let at = 0;
  for (const { offset, size, field } of rows) {
    assertEquals(offset, at, field);
    assert(size !== undefined, field);
    at += size;
  }
  return at;
}

/** The eight bytes of a magic number as text. */
function magicText(magic: bigint): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, magic, true);
  return new TextDecoder().decode(view.buffer);
}

Deno.test("the tables of records, heads and headers have every byte of the layout, once", () => {
  const record = rowsAfter("**Record**, 96 bytes:");
  assertEquals([endOf(record), RECORD], [96, 96]);
  assertEquals(record.map(({ offset }) => offset), Object.values(FIELD));
  const head = rowsAfter("then a heap.");
  const { size, ...fields } = HEAD;
  assertEquals(endOf(head), size);
  assertEquals(head.map(({ offset }) => offset), Object.values(fields));
  const header = rowsAfter("it is a **tree\nfile**:").filter(({ size }) => size !== undefined);
  assertEquals(endOf(header), treeFile.HEADER);
  assertEquals(endOf(rowsAfter("Layer table, an entry:")), treeFile.LAYER);
  assertEquals(endOf(rowsAfter("before the blocks, it has")), treeFile.PATCH);
  assertStringIncludes(text, `| ${treeFile.HEADER}                    | ${treeFile.LAYER} × \`L\``);
});

Deno.test("the page has the magic numbers, kinds, flags and sizes that are written", () => {
  const said = [
    `the bytes \`${magicText(treeFile.MAGIC)}\``,
    `u64 magic \`${magicText(baseline.FOOTER_MAGIC)}\``,
    `the bytes \`${magicText(STATE_MAGIC)}\``,
    `u64 magic \`${magicText(aliases.MAGIC)}\``,
    `aliases, ${aliases.ALIAS} bytes each`,
    `end, ${aliases.END} bytes`,
    `u32 version: ${treeFile.VERSIONS.join(" or ")}`,
    `table, ${baseline.TABLE_ENTRY} bytes each`,
    `footer, ${baseline.FOOTER} bytes`,
    `the footer has ${baseline.FOOTER_1} bytes`,
    `u64 magic \`${magicText(baseline.FOOTER_1_MAGIC)}\``,
    `index, ${baseline.INDEX_BLOB} bytes each`,
    `kind: ${KIND.file} file, ${KIND.directory} directory, ${KIND.symlink} symlink, ${KIND.fifo} FIFO`,
    `${KIND.character} character device, ${KIND.block} block device, ${KIND.link} hard link`,
    `flags: ${FLAG.sparse} content begins with a GNU sparse map 1.0, ${FLAG.linked} the inode had`,
    `\`0x${RACY.toString(16)}\` for a racy entry`,
    `\`0x${OMITTED.toString(16)}\` for an entry that this node could not make`,
    `at most ${formatSize(FRAME_BYTES).replace(".0", "")} of uncompressed content`,
    `after ${formatSize(LAYER_BYTES).replace(".0", "")} of uncompressed content`,
    `A manifest has at most ${formatSize(manifest.MAX_MANIFEST_BYTES).replace(".0", "")}.`,
  ];
  assertEquals(said.filter((words) => !flat.includes(words)), []);
});

Deno.test("the page has every key of a store as it is made", () => {
  const keys = [
    `${BLOB_PREFIX}<hex>`,
    names.backupKey(IDENTITY),
    names.snapshotKey(IDENTITY, "<id>"),
    names.logKey(IDENTITY, "<id>", "<task>"),
    LEASE_KEY,
    LAST_COLLECTION_KEY,
    useKey(digestOf("x")).replace(/[0-9a-f]{64}/, "<hex>"),
    policyKey("<node>"),
    `${ARCHIVES}/<bucket>/<object>`,
    `${TMP}/…`,
  ];
  const shown = [...section("Object store: keys").matchAll(/^\| (.+?) +\|/gm)]
    .flatMap(([, cell]) => [...cell!.matchAll(/`([^`]+)`/g)].map(([, key]) => key));
  assertEquals(shown.sort(), [...keys, "claim.lock"].sort());
  const long = { ...IDENTITY, owner: "o".repeat(129) };
  assertEquals(
    names.backupKey(long),
    `refs/backups/${"o".repeat(64)}~${digestOf(long.owner).slice(7)}/<meta_id>.json`,
  );
});

Deno.test("the page has the names that callers see and those of trees as they are made", () => {
  for (
    const name of [
      names.snapshotUrl(IDENTITY, "<id>"),
      names.backupUrl(IDENTITY, DIGEST).replace(/[0-9a-f]{64}$/, "<hex>"),
    ]
  ) assertStringIncludes(section("Names that callers see"), `\`${name}\``);
  const shown = /^`(\d{8}T\d{6}Z-[0-9a-f]{16})`\.$/m.exec(section("Names that callers see"))![1]!;
  const made = names.newSnapshotName(IDENTITY, Date.UTC(2026, 10, 29, 1, 59, 36));
  assertEquals(made.split("/").at(-1)!.split("-")[0], shown.split("-")[0]);
  assertEquals(
    names.parseSnapshotName(names.snapshotUrl({ owner: "a", metaId: "b" }, shown), "x"),
    {
      kind: "image",
      identity: { owner: "a", metaId: "b" },
      id: shown,
    },
  );
  assertStringIncludes(
    text,
    `named \`${newTreeName("<workspace id>").replace(/~.*/, "~<UUID>")}\``,
  );
  for (const name of [factsFileOf("<hex>"), baselineFileOf("<hex>")]) {
    assertStringIncludes(section("Base"), `| \`${name}\``);
  }
});

Deno.test("the page has every record that only wsdaemon writes, and the form of escaped names", () => {
  const shown = [...section("Layer").matchAll(/^\| `(WSDAEMON\.[^`]+)`/gm)].map(([, key]) => key);
  const { xattr, ...others } = VENDOR;
  assertEquals(shown.sort(), [...Object.values(others), `${xattr}<hex>`].sort());
  const name = new TextEncoder().encode("a=b");
  assertEquals(xattrKeyword(name), `${xattr}613d62`);
  const escaped = new TextDecoder().decode(escapePath(new TextEncoder().encode(".wh.x")));
  assertEquals(escaped, `.wsdaemon.wh.${digestOf(".wh.x").slice(7, 47)}`);
  assertStringIncludes(
    flat,
    "stored as `.wsdaemon.wh.` followed by the first 40 hexadecimal digits",
  );
});

Deno.test("the page has the media types and annotations of a manifest", () => {
  const below = [{ digest: DIGEST, size: 1 }];
  const image = manifest.describeImage({ layers: [], index: { ...below[0]!, below } });
  const written = JSON.parse(new TextDecoder().decode(image.manifest.bytes));
  const types = [manifest.MANIFEST_TYPE, manifest.CONFIG_TYPE, manifest.LAYER_TYPE];
  for (const word of [...types, ...Object.keys(written.annotations)]) {
    assertStringIncludes(text, `\`${word}\``);
  }
});

Deno.test("references and leases have the keys that the page shows, in its order", () => {
  const parsed = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes));
  const shown = JSON.parse(blocks(text, "json")[0]!);
  const image = { manifest: DIGEST, createdAt: 1, contentBytes: 2, files: 3 };
  const written = parsed(encodeReference({ owner: "alice", metaId: "notes" }, [image]));
  assertEquals(Object.keys(written), Object.keys(shown));
  assertEquals(Object.keys(written.images[0]), Object.keys(shown.images[0]));
  assertEquals(written.version, shown.version);
  assertStringIncludes(section("Versions"), "| reference | 1 or 2  | 1 or 2 ");
  const patched = parsed(
    encodeReference({ owner: "alice", metaId: "notes" }, [{ ...image, format: 2 }]),
  );
  assertEquals([patched.version, patched.images[0].format], [2, 2]);
  assertStringIncludes(section("Reference"), '`"format": 2`');
  const lease = parsed(encodeLease({ holder: "h", expiresAt: 1, condemned: [] }));
  assertEquals(lease.version, version("lease"));
  for (const key of Object.keys(lease).filter((key) => key !== "version")) {
    assertStringIncludes(section("Lease"), `\`${key}\``);
  }
  assertStringIncludes(section("Lease"), `first ${shortName(DIGEST).length} hexadecimal digits`);
  const versions = treeFile.VERSIONS.join(" or ");
  assertStringIncludes(section("Versions"), `| index     | ${versions} `);
});

Deno.test("the journal has the tables and columns that the page shows", () => {
  using folder = testFolder();
  const path = join(folder.path, "state.db");
  {
    using journal = new Journal(path);
    journal.insert({
      ...{ id: "w1", owner: "alice", metaId: "notes", state: "SETTING_UP" },
      ...{ remoteStorageDisabled: false, quotaBytes: 0, checkoutLocation: "" },
      ...{ initializer: "empty", createdAt: 1 },
    });
    journal.setState("w1", "DELETING", { saved: ["backup"], lineage: { id: "0" } });
    journal.scheduleBackup("w1", 1);
    journal.setDrained(true, 1);
    journal.setFolder("w1", { use: "filling", id: "1@2.3" });
  }
  using made = new DatabaseSync(path);
  using shown = new DatabaseSync(":memory:");
  shown.exec(blocks(text, "sql")[0]!);
  assertEquals(columnsOf(made), columnsOf(shown));
  assertEquals(made.prepare("PRAGMA user_version").get()!.user_version, version("journal"));
});

Deno.test("every file that the page names is there", () => {
  const files = [...text.matchAll(/`([\w/]+\.ts)`/g)].map(([, file]) => file!);
  assert(files.length > 0);
  for (const file of files) {
    const path = file.includes("/") ? file : `src/store/${file}`;
    assert(Deno.statSync(new URL(`../../${path}`, import.meta.url)).isFile, file);
  }
});

/** The version of a format that the table says is written. */
function version(format: string): number {
  return Number(new RegExp(`^\\| ${format} +\\| (\\d+) `, "m").exec(section("Versions"))![1]);
}

function columnsOf(db: DatabaseSync): Record<string, unknown[]> {
  const tables = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    .all().map(({ name }) => String(name)).filter((name) => !name.startsWith("sqlite_"));
  return Object.fromEntries(
    tables.map((table) => [
      table,
      db.prepare(`SELECT name, type, pk FROM pragma_table_info('${table}')`).all()
        .map(({ name, type }) => `${name} ${type}`),
    ]),
  );
}
