import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { gzipSync } from "node:zlib";
import { join } from "@std/path";
import { digestOf, hexOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import { isOciLayout, readOciLayout } from "../../src/migrate/oci_layout.ts";
import { archive, entry } from "../archive/build.ts";
import { testFolder } from "../fixtures/folder.ts";

const IMAGE = "application/vnd.oci.image.manifest.v1+json";
const TAR = "application/vnd.oci.image.layer.v1.tar";

/** Writes a layout with an image a tag, as other tools do. */
async function makeLayout(
  folder: string,
  tags: readonly (string | undefined)[],
  change: (parts: Record<string, unknown>) => void = () => {},
) {
  await Deno.mkdir(join(folder, "blobs/sha256"), { recursive: true });
  const put = async (mediaType: string, bytes: Uint8Array) => {
    const digest = digestOf(bytes);
    await Deno.writeFile(join(folder, "blobs/sha256", hexOf(digest)), bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const json = (mediaType: string, value: unknown) =>
    put(mediaType, new TextEncoder().encode(JSON.stringify(value)));
  const manifests: unknown[] = [];
  for (const tag of tags) {
    const tar = archive(entry({ name: `of-${tag}` }, "content"));
    const parts: Record<string, unknown> = {
      layers: [await put(TAR, tar), await put(`${TAR}+gzip`, new Uint8Array(gzipSync(tar)))],
      diffIds: [digestOf(tar), digestOf(tar)],
      type: IMAGE,
    };
    change(parts);
    const config = await json("application/vnd.oci.image.config.v1+json", {
      rootfs: { type: "layers", diff_ids: parts.diffIds },
    });
    const manifest = await json(String(parts.type), {
      schemaVersion: 2,
      config,
      layers: parts.layers,
    });
    const annotations = { "org.opencontainers.image.ref.name": tag };
    manifests.push({ ...manifest, ...(tag === undefined ? {} : { annotations }) });
  }
  await Deno.writeTextFile(join(folder, "index.json"), JSON.stringify({ manifests }));
  await Deno.writeTextFile(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
}

Deno.test("the layers of an image of a layout are found, by its tag where there are several", async () => {
  using folder = testFolder();
  assertEquals(await isOciLayout(folder.path), false);
  await makeLayout(folder.path, ["one", "two"]);
  assertEquals(await isOciLayout(folder.path), true);
  const layers = await readOciLayout(folder.path, "two");
  const tar = digestOf(archive(entry({ name: "of-two" }, "content")));
  assertEquals(layers.map(({ diffId }) => diffId), [tar, tar]);
  assertEquals(layers[0]!.digest, tar);
});

Deno.test("a layout that is not clear, of another kind or damaged is refused in words", async () => {
  type Parts = Record<string, unknown>;
  const cases: {
    tags: (string | undefined)[];
    tag?: string;
    change?: (parts: Parts) => void;
    spoil?: (folder: string) => Promise<void>;
    code: string;
    says: string;
  }[] = [
    { tags: [], code: "NOT_FOUND", says: "no image" },
    { tags: ["one", "two"], code: "FAILED_PRECONDITION", says: ":TAG (it has the tags one, two)" },
    { tags: ["one"], tag: "x", code: "NOT_FOUND", says: "with the tag x; it has the tags one" },
    {
      tags: [undefined],
      change: (parts) => parts.type = "application/vnd.oci.image.index.v1+json",
      code: "FAILED_PRECONDITION",
      says: "not an image for one platform",
    },
    {
      tags: [undefined],
      change: (parts) => {
        const [layer] = parts.layers as Parts[];
        layer!.mediaType = "application/vnd.wsdaemon.chunks.v1+zstd";
      },
      code: "FAILED_PRECONDITION",
      says: "store copy",
    },
    { tags: [undefined], change: (parts) => parts.diffIds = [], code: "DATA_LOSS", says: "0 diff" },
    {
      tags: [undefined],
      spoil: async (folder) => {
        const blobs = join(folder, "blobs/sha256");
        for (const { name } of Deno.readDirSync(blobs)) {
          await Deno.writeTextFile(join(blobs, name), "{}");
        }
      },
      code: "DATA_LOSS",
      says: "does not have its digest and size",
    },
    {
      tags: [undefined],
      spoil: (folder) => Deno.writeTextFile(join(folder, "index.json"), "not JSON"),
      code: "DATA_LOSS",
      says: "it is not JSON",
    },
  ];
  for (const { tags, tag, change, spoil, code, says } of cases) {
    using folder = testFolder();
    await makeLayout(folder.path, tags, change);
    await spoil?.(folder.path);
    const error = await assertRejects(() => readOciLayout(folder.path, tag), DaemonError);
    assertEquals(error.code, code, error.message);
    assertStringIncludes(error.message, says);
  }
});
