import { binaryString, BLOCK, type TarEntry, type TarReader, VENDOR } from "../archive/mod.ts";
import { componentsOf, memberPath, whiteoutOf, xattrsOfRecords } from "../image/mod.ts";
import { joinPath, timespec } from "../linux/mod.ts";
import type { ContentLocation, ImageEntry, ImageTree } from "./image_tree.ts";

/** An entry without its path. */
type Inode = Omit<ImageEntry, "path"> & {
  /** Whether it has further names. */
  shared: boolean;
};

interface Folder {
  inode: Inode;
  /** Keys are names, one character a byte. */
  children: Map<string, Child>;
}

/** An entry of a folder. */
interface Child {
  name: Uint8Array;
  node: Folder | Inode;
}

/** An entry of a layer, and the offset of its content in the uncompressed layer. */
interface LayerEntry {
  entry: TarEntry;
  contentAt: number;
}

/**
 * The {@link ImageTree} of an image without a usable index: layers are applied in memory, the lowest
 * first. `content/restore/apply_layers.ts` applies layers to a disk, and says why the two differ.
 */
export class LayerTree implements ImageTree {
  readonly #top = newFolder();
  #layers = 0;

  /**
   * Applies the next layer.
   * @throws {ArchiveError | DaemonError | RangeError} if it is malformed
   */
  apply(reader: TarReader): void {
    const entries: LayerEntry[] = [];
    for (let entry = reader.next(); entry; entry = reader.next()) {
      entries.push({ entry, contentAt: reader.offset });
    }
    reader.drain(Infinity);
    const whiteouts = new Set<TarEntry>();
    // Whiteouts apply to lower layers only, wherever in the layer they are: they go first.
    for (const { entry } of entries) if (this.#whiteout(entry)) whiteouts.add(entry);
    for (const one of entries) if (!whiteouts.has(one.entry)) this.#add(one);
    this.#layers++;
  }

  *entries(): Generator<ImageEntry> {
    const firstNames = new Map<Inode, Uint8Array>();
    const pending: { path: Uint8Array; folder: Folder }[] = [
      { path: new Uint8Array(), folder: this.#top },
    ];
    for (let next = pending.pop(); next; next = pending.pop()) {
      const { path, folder } = next;
      yield withPath(folder.inode, path);
      const children = sorted(folder);
      for (const { name, node } of children) {
        if (!isFolder(node)) yield leafEntry(joinPath(path, name), node, firstNames);
      }
      for (const { name, node } of children.reverse()) {
        if (isFolder(node)) pending.push({ path: joinPath(path, name), folder: node });
      }
    }
  }

  find(path: Uint8Array): ImageEntry | undefined {
    const node = this.#node(keysOf(path));
    return node && withPath(isFolder(node) ? node.inode : node, path);
  }

  #node(names: readonly string[]): Folder | Inode | undefined {
    let node: Folder | Inode | undefined = this.#top;
    for (const name of names) {
      if (!node || !isFolder(node)) return undefined;
      node = node.children.get(name)?.node;
    }
    return node;
  }

  /** Returns the folder at a path; makes it, in place of anything else, if there is none. */
  #folder(components: readonly Uint8Array[]): Folder {
    let folder = this.#top;
    for (const name of components) {
      const key = binaryString(name);
      let node = folder.children.get(key)?.node;
      if (!node || !isFolder(node)) {
        node = newFolder();
        folder.children.set(key, { name: name.slice(), node });
      }
      folder = node;
    }
    return folder;
  }

  /** Removes what a whiteout removes. @returns whether the entry is one */
  #whiteout(entry: TarEntry): boolean {
    const whiteout = whiteoutOf(entry, Infinity);
    if (!whiteout) return false;
    const { kind, path } = whiteout;
    const directory = this.#node(keysOf(kind === "opaque" ? path.bytes : path.parent));
    if (directory && isFolder(directory)) {
      if (kind === "opaque") directory.children.clear();
      else directory.children.delete(binaryString(path.name));
    }
    return true;
  }

  #add({ entry, contentAt }: LayerEntry): void {
    const components = pathComponents(entry.pax.get(VENDOR.path) ?? entry.path, "path");
    if (entry.type === "directory") {
      this.#folder(components).inode = inodeOf(entry);
      return;
    }
    const name = components.at(-1);
    if (!name) throw new RangeError("the top folder is no directory");
    const node = entry.type === "hardlink"
      ? this.#linkTarget(entry)
      : inodeOf(entry, locationOf(entry, contentAt, this.#layers));
    this.#folder(components.slice(0, -1)).children
      .set(binaryString(name), { name: name.slice(), node });
  }

  #linkTarget(entry: TarEntry): Inode {
    const path = entry.pax.get(VENDOR.linkPath) ?? entry.linkPath;
    const components = pathComponents(path, "hard link's target");
    const node = this.#node(components.map(binaryString));
    if (!node || isFolder(node)) throw new RangeError("a hard link names what is not there");
    node.shared = true;
    return node;
  }
}

/** Returns a path's components as keys of {@link Folder.children}. */
function keysOf(path: Uint8Array): string[] {
  return path.length === 0 ? [] : binaryString(path).split("/");
}

function newFolder(): Folder {
  const inode: Inode = {
    type: "directory",
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtime: { sec: 0, nsec: 0 },
    size: 0,
    xattrs: [],
    shared: false,
  };
  return { inode, children: new Map() };
}

function isFolder(node: Folder | Inode): node is Folder {
  return "children" in node;
}

function sorted({ children }: Folder): Child[] {
  return [...children].sort(([a], [b]) => a < b ? -1 : 1).map(([, child]) => child);
}

function withPath({ shared: _, ...inode }: Inode, path: Uint8Array): ImageEntry {
  return { path, ...inode };
}

function leafEntry(path: Uint8Array, node: Inode, firstNames: Map<Inode, Uint8Array>): ImageEntry {
  const entry = withPath(node, path);
  if (!node.shared) return entry;
  const first = firstNames.get(node);
  if (!first) {
    firstNames.set(node, path);
    return entry;
  }
  const { content: _, ...rest } = entry;
  return { ...rest, type: "hardlink", link: first };
}

function pathComponents(name: Uint8Array, what: string): Uint8Array[] {
  const { bytes, depth } = memberPath(name, what, Infinity);
  return depth === 0 ? [] : [...componentsOf(bytes)];
}

function inodeOf(entry: TarEntry, content?: ContentLocation): Inode {
  const isDevice = entry.type === "character-device" || entry.type === "block-device";
  const isFile = entry.type === "file";
  return {
    type: entry.type,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    mtime: timespec(entry.mtime),
    size: isFile ? entry.size : 0,
    xattrs: xattrsOfRecords(entry.pax),
    shared: false,
    ...(entry.type === "symlink" ? { link: entry.linkPath.slice() } : {}),
    ...(isDevice ? { device: { major: entry.devMajor, minor: entry.devMinor } } : {}),
    ...(isFile && content ? { content } : {}),
  };
}

/**
 * Returns where a file's content is. The reader has consumed a sparse map of version 1.0 that precedes
 * the data; the location includes the map, as that of an index does.
 */
function locationOf(entry: TarEntry, contentAt: number, layer: number): ContentLocation {
  const { sparse, storedSize } = entry;
  if (!sparse) return { layer, offset: contentAt, stored: storedSize, form: "plain" };
  const bodyAt = entry.offset + BLOCK;
  const isMapped = entry.pax.get("GNU.sparse.major")?.at(0) === "1".charCodeAt(0);
  return isMapped
    ? { layer, offset: bodyAt, stored: contentAt - bodyAt + storedSize, form: "mapped" }
    : { layer, offset: contentAt, stored: storedSize, form: sparse };
}
