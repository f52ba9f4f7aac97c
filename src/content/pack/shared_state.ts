/**
 * The memory that the Workers of one pack share, so that a Worker in the middle of a synchronous
 * loop can hand over work and see what others did without a message.
 *
 * - The queue: directories to walk and large files to pack. A stack of bytes under a lock.
 * - Claims: inodes with several names that some Worker packs. An open-addressing hash set.
 * - Visited: directories of the baseline that some Worker has walked. One bit each.
 * - Parts: whether each has begun, or was withdrawn. Needed because a message that a part has begun
 *   may arrive after another part's message that everything is done; its work must not be lost.
 * - The backlog: finished layers that are not stored yet. A pack that outruns its store pauses.
 *
 * Why each access is safe:
 *
 * 1. Creation. The daemon's thread clears the memory by plain writes while no Worker has it, and
 *    posts it afterwards; posting a message happens before its receipt.
 * 2. Cells. From then on every access to a cell, a claim or a visited word is an `Atomics`
 *    operation. These are sequentially consistent: all threads agree on one order of them.
 * 3. Queue. The stack's bytes are the only memory with plain accesses, made only between taking
 *    LOCK (compare-exchange of 0 by 1) and releasing it (store of 0). A compare-exchange that
 *    succeeds has read the store of the previous holder, so that everything which that holder wrote
 *    happened before. USED and COUNT change under LOCK too; COUNT is also read without it, as a
 *    hint: a Worker that reads 0 may miss an item that is being added, and checks again (5).
 * 4. Claims, parts and bits change by a single compare-exchange or `or` each, so that exactly one
 *    thread sees itself as the first. A claim is never removed, so that probing from a key's slot
 *    finds the key, or the free slot that all threads compete for. CLAIMED is only ever set to 1.
 * 5. Waiting. A waiter reads TICKET, then checks the queue, then waits for TICKET to differ from
 *    what it read. A thread that adds an item, or completes the last one, changes TICKET after
 *    that: either the check sees the item, or TICKET has changed and the wait returns at once.
 * 6. The end. PENDING counts an item before it is offered, and before the item in which it was
 *    found is completed: it is 0 only when there is no item left anywhere.
 * 7. Reuse. The memory is cleared only after each part has answered, could not begin, or was never
 *    sent, and after each layer was stored or failed to be. A part is one synchronous loop: after
 *    its answer it touches nothing.
 */

import type { Stat } from "../../linux/mod.ts";

const KINDS = ["directory", "file", "segment"] as const;

/** A directory to walk, a large file to pack, or a segment of one to store. */
export interface WorkItem {
  readonly kind: typeof KINDS[number];
  /**
   * Identifies a file's result when the parts are merged. Of a directory: 0 if it is walked with
   * all that is in it; otherwise it is the directory of the baseline whose number is less by 1.
   */
  readonly key: number;
  /** Of a segment all that is known of it; see `write/file_segment.ts`. */
  readonly path: Uint8Array;
}

/** Indexes of the Int32 cells that the memory begins with. */
const LOCK = 0;
/** Items that are not completed: in the queue, kept by a Worker, or being worked on. */
const PENDING = 1;
/** Items in the queue. */
const COUNT = 2;
/** Used bytes of the stack. */
const USED = 3;
/** Changes whenever a waiter may find an item, or the end. */
const TICKET = 4;
/** Items announced so far. */
const ANNOUNCED = 5;
/** Finished layers that are not stored yet. */
const BACKLOG = 6;
/** 1 once there is a claim, so that clearing can skip the table. */
const CLAIMED = 7;
/** The first of one cell for each part. */
const PARTS = 8;

/** Size of the stack in bytes. */
const STACK_BYTES = 1 << 20;
/** Size of what follows an item's path: u32 length of the path, u32 kind, f64 key. */
const TRAILER_BYTES = 16;
/** The longest wait before a waiter checks again, in milliseconds. */
const WAIT_MS = 100;

/** Number of 64-bit slots of the claims. */
const SLOTS = 1 << 18;
const MAX_PROBES = 64;
/** 2^64 divided by the golden ratio: Fibonacci hashing (Knuth, TAOCP volume 3, 6.4). */
const MULTIPLIER = 0x9e3779b97f4a7c15n;

/** Layers of about 128 MiB each that may wait in the spool. */
const MAX_BACKLOG = 6;

/** States of a part. */
const WAITING = 0;
const BEGUN = 1;
const WITHDRAWN = 2;

/** Returns the byte offsets of the sections after the cells. */
function sections(parts: number) {
  const claims = Math.ceil((PARTS + parts) * 4 / 8) * 8;
  const stack = claims + SLOTS * 8;
  const visited = stack + STACK_BYTES;
  return { claims, stack, visited };
}

/** The shared memory of one pack; the head of this file argues why each access is safe. */
export class SharedPackState {
  readonly memory: SharedArrayBuffer;
  readonly #cells: Int32Array;
  readonly #stack: Uint8Array;
  readonly #view: DataView;
  readonly #claims: BigInt64Array;
  readonly #visited: Int32Array;

  /** Allocates cleared memory for that many parts and directories of a baseline. */
  static allocate(parts: number, directories: number): SharedArrayBuffer {
    return new SharedArrayBuffer(sections(parts).visited + 4 * Math.ceil(directories / 32));
  }

  /** @param parts as many as the memory was allocated for */
  constructor(memory: SharedArrayBuffer, parts: number) {
    const { claims, stack, visited } = sections(parts);
    this.memory = memory;
    this.#cells = new Int32Array(memory, 0, PARTS + parts);
    this.#claims = new BigInt64Array(memory, claims, SLOTS);
    this.#stack = new Uint8Array(memory, stack, STACK_BYTES);
    this.#view = new DataView(memory, stack, STACK_BYTES);
    this.#visited = new Int32Array(memory, visited);
  }

  /** The number of directories of a baseline that there are bits for. */
  get directories(): number {
    return this.#visited.length * 32;
  }

  /** Clears the memory, as it was allocated. No other thread may have it. */
  clear(): void {
    // Few packs have claims, and the table is the largest section.
    if (this.#cells[CLAIMED] !== 0) this.#claims.fill(0n);
    this.#visited.fill(0);
    this.#cells.fill(0);
  }

  /** Whether every announced item is completed. */
  get isDone(): boolean {
    return Atomics.load(this.#cells, PENDING) === 0;
  }

  /** The number of items announced so far. */
  get announced(): number {
    return Atomics.load(this.#cells, ANNOUNCED);
  }

  /** Returns whether the queue has fewer items than there are Workers. */
  isRunningLow(workers: number): boolean {
    return Atomics.load(this.#cells, COUNT) < workers;
  }

  /** Counts a new item, before it is offered or kept by the Worker that found it. */
  announce(): void {
    Atomics.add(this.#cells, ANNOUNCED, 1);
    Atomics.add(this.#cells, PENDING, 1);
  }

  /** Counts an item as done. */
  complete(): void {
    if (Atomics.sub(this.#cells, PENDING, 1) === 1) this.#wakeAll();
  }

  /** Puts an announced item into the queue. @returns false if the queue is full */
  offer(item: WorkItem): boolean {
    const size = item.path.length + TRAILER_BYTES;
    this.#lock();
    const used = Atomics.load(this.#cells, USED);
    const fits = used + size <= STACK_BYTES;
    if (fits) {
      const end = used + item.path.length;
      this.#stack.set(item.path, used);
      this.#view.setUint32(end, item.path.length, true);
      this.#view.setUint32(end + 4, KINDS.indexOf(item.kind), true);
      this.#view.setFloat64(end + 8, item.key, true);
      Atomics.store(this.#cells, USED, used + size);
      Atomics.add(this.#cells, COUNT, 1);
    }
    this.#unlock();
    if (fits) this.#wakeAll();
    return fits;
  }

  /** Takes the item that was offered last, if there is one. */
  take(): WorkItem | undefined {
    if (Atomics.load(this.#cells, COUNT) === 0) return undefined;
    this.#lock();
    let item: WorkItem | undefined;
    const used = Atomics.load(this.#cells, USED);
    if (used > 0) {
      const end = used - TRAILER_BYTES;
      const start = end - this.#view.getUint32(end, true);
      item = {
        kind: KINDS[this.#view.getUint32(end + 4, true)]!,
        key: this.#view.getFloat64(end + 8, true),
        path: this.#stack.slice(start, end),
      };
      Atomics.store(this.#cells, USED, start);
      Atomics.sub(this.#cells, COUNT, 1);
    }
    this.#unlock();
    return item;
  }

  /** Waits until an item may have come, or everything is done; {@link WAIT_MS} at most. */
  wait(): void {
    const ticket = Atomics.load(this.#cells, TICKET);
    if (this.isDone || Atomics.load(this.#cells, COUNT) > 0) return;
    Atomics.wait(this.#cells, TICKET, ticket, WAIT_MS);
  }

  /**
   * Claims an inode with several names for the caller to pack. If the table has no slot for it, no
   * Worker gets the claim, and the merge packs the inode.
   * @returns whether the caller has the claim; of two inodes with one hash, the merge packs one
   */
  claim(stat: Stat): boolean {
    if (Atomics.load(this.#cells, CLAIMED) === 0) Atomics.store(this.#cells, CLAIMED, 1);
    const device = BigInt(stat.devMajor) << 20n | BigInt(stat.devMinor);
    const key = BigInt.asIntN(64, (stat.ino ^ device << 40n) * MULTIPLIER) || 1n;
    let slot = Number(BigInt.asUintN(18, key >> 40n));
    for (let probe = 0; probe < MAX_PROBES; probe++) {
      const found = Atomics.compareExchange(this.#claims, slot, 0n, key);
      if (found === 0n) return true;
      if (found === key) return false;
      slot = (slot + 1) % SLOTS;
    }
    return false;
  }

  /** Marks a directory of the baseline as walked. */
  visit(directory: number): void {
    Atomics.or(this.#visited, directory >>> 5, 1 << (directory & 31));
  }

  /** Returns whether a directory of the baseline was walked. */
  hasVisited(directory: number): boolean {
    return (Atomics.load(this.#visited, directory >>> 5) & 1 << (directory & 31)) !== 0;
  }

  /** Marks a part as begun. @returns false if it was withdrawn */
  beginPart(part: number): boolean {
    return Atomics.compareExchange(this.#cells, PARTS + part, WAITING, BEGUN) === WAITING;
  }

  /** Withdraws a part, so that it never begins. @returns false if it has begun */
  withdrawPart(part: number): boolean {
    return Atomics.compareExchange(this.#cells, PARTS + part, WAITING, WITHDRAWN) === WAITING;
  }

  /** Counts a finished layer. */
  addLayer(): void {
    Atomics.add(this.#cells, BACKLOG, 1);
  }

  /** Counts a finished layer as stored. */
  removeLayer(): void {
    Atomics.sub(this.#cells, BACKLOG, 1);
    Atomics.notify(this.#cells, BACKLOG);
  }

  /**
   * Waits until few enough finished layers wait for the store.
   * @param check called before each wait; throws if the pack is cancelled
   */
  waitForStore(check: () => void): void {
    for (;;) {
      const waiting = Atomics.load(this.#cells, BACKLOG);
      if (waiting < MAX_BACKLOG) return;
      check();
      Atomics.wait(this.#cells, BACKLOG, waiting, WAIT_MS);
    }
  }

  #wakeAll(): void {
    Atomics.add(this.#cells, TICKET, 1);
    Atomics.notify(this.#cells, TICKET);
  }

  #lock(): void {
    while (Atomics.compareExchange(this.#cells, LOCK, 0, 1) !== 0) {
      Atomics.wait(this.#cells, LOCK, 1, 1);
    }
  }

  #unlock(): void {
    Atomics.store(this.#cells, LOCK, 0);
    Atomics.notify(this.#cells, LOCK, 1);
  }
}
