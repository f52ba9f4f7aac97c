import { binaryBytes, binaryString } from "../../archive/mod.ts";
import { type Directory, SLASH } from "../../linux/mod.ts";
import { componentsOf, type MemberPath } from "../../image/mod.ts";
import { HandleStack } from "../handle_stack.ts";

/** Bytes of heap that a directory takes besides its name; measured. */
const NODE_BYTES = 400;

const TOP = new Uint8Array();

interface Node<M> {
  metadata?: M;
  /** By name, one character a byte. */
  children?: Map<string, Node<M>>;
}

/**
 * Metadata by directory, kept as the tree that their paths make: a directory costs its own name,
 * however deep it is, and is forgotten together with everything beneath it.
 */
export class DeferredMetadata<M> {
  readonly #top: Node<M> = {};
  readonly #charge: (bytes: number) => void;
  /** The last path: entries mostly come in the order of the tree, so that the next one shares most of it. */
  #last: Uint8Array = TOP;
  /** The nodes on that path, the top's first. */
  readonly #way: Node<M>[] = [this.#top];

  /**
   * @param charge called with the bytes of memory that are taken, negative for bytes given back;
   *   throws to refuse them
   */
  constructor(charge: (bytes: number) => void) {
    this.#charge = charge;
  }

  /** Sets the metadata that a directory gets at the end, in place of any set before. */
  set(path: MemberPath, metadata: M): void {
    this.#make(path).metadata = metadata;
  }

  /** Forgets a directory that was removed, and all below it. */
  forget(path: MemberPath): void {
    if (path.depth === 0) return this.forgetBelow(path);
    const parent = this.#find(path.parent);
    const name = binaryString(path.name);
    const node = parent?.children?.get(name);
    if (!parent?.children || !node) return;
    this.#restart();
    parent.children.delete(name);
    this.#charge(-costOf(name, node));
  }

  /** Forgets all below a directory. */
  forgetBelow(path: MemberPath): void {
    const node = this.#find(path.bytes);
    if (!node?.children) return;
    this.#restart();
    for (const [name, child] of node.children) this.#charge(-costOf(name, child));
    delete node.children;
  }

  /**
   * Calls `apply` for every directory, for those within it first. A path is put together only where
   * `apply` asks for it.
   * @throws {SystemError}
   */
  apply(
    top: Directory,
    apply: (dir: Directory, metadata: M, path: () => Uint8Array) => void,
  ): void {
    using handles = new HandleStack(top);
    const levels = [{ name: "", node: this.#top, rest: this.#top.children?.entries() }];
    const path = () => binaryBytes(levels.slice(1).map(({ name }) => name).join("/"));
    for (let level = levels.at(-1); level; level = levels.at(-1)) {
      const next = level.rest?.next();
      if (next && !next.done) {
        const [name, node] = next.value;
        handles.enter(binaryBytes(name));
        levels.push({ name, node, rest: node.children?.entries() });
        continue;
      }
      if (level.node.metadata !== undefined) apply(handles.current, level.node.metadata, path);
      levels.pop();
      handles.leave();
    }
  }

  /** Forgets the nodes of the last path, which may be gone. */
  #restart(): void {
    this.#last = TOP;
    this.#way.length = 1;
  }

  #find(path: Uint8Array): Node<M> | undefined {
    if (path.length === 0) return this.#top;
    let node: Node<M> | undefined = this.#top;
    for (const component of componentsOf(path)) node = node?.children?.get(binaryString(component));
    return node;
  }

  /** Returns the node at `path`; makes it and those above it where they are missing. */
  #make(path: MemberPath): Node<M> {
    const { bytes, depth } = path;
    if (depth === 0) return this.#top;
    const shared = sharedWay(bytes, this.#last);
    this.#way.length = 1 + shared.depth;
    let node = this.#way[shared.depth]!;
    if (shared.depth < depth) {
      for (const component of componentsOf(bytes.subarray(shared.end))) {
        node = this.#child(node, binaryString(component));
        this.#way.push(node);
      }
    }
    this.#last = bytes;
    return node;
  }

  #child(node: Node<M>, name: string): Node<M> {
    const existing = node.children?.get(name);
    if (existing) return existing;
    this.#charge(name.length + NODE_BYTES);
    const child: Node<M> = {};
    node.children ??= new Map();
    node.children.set(name, child);
    return child;
  }
}

/**
 * Returns how many components two paths begin with in common, and where in `path` the rest begins.
 */
function sharedWay(path: Uint8Array, other: Uint8Array): { depth: number; end: number } {
  const shared = { depth: 0, end: 0 };
  for (let at = 0; other.length > 0; at++) {
    const ends = at === path.length || path[at] === SLASH;
    if (ends && (at === other.length || other[at] === SLASH)) {
      shared.depth++;
      shared.end = at + 1;
    }
    if (at >= path.length || path[at] !== other[at]) break;
  }
  return shared;
}

/** Returns the bytes that a directory and everything beneath it were charged. */
function costOf<M>(name: string, node: Node<M>): number {
  let bytes = 0;
  const pending: [string, Node<M>][] = [[name, node]];
  for (let next = pending.pop(); next; next = pending.pop()) {
    bytes += next[0].length + NODE_BYTES;
    for (const child of next[1].children ?? []) pending.push(child);
  }
  return bytes;
}
