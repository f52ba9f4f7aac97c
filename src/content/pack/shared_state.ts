/**
 * What the Workers of one pack share, in one piece of memory, so that a Worker in the midst of its
 * own work can give and take without a message.
 *
 * - The queue: directories to walk and large files to pack. It is a stack of bytes under a lock.
 * - Claims: which inodes with several names some Worker packs already. An open-addressing hash set.
 * - Visited: which directories of the baseline some Worker has come across. A bit each.
 * - Parts: which have begun. A Worker's message that it has may come after another's that all is
 *   done, and what it did meanwhile must not be thrown away.
 * - The backlog: how many finished layers wait to be stored. A pack that outruns its store pauses.
 *
 * Memory order. The daemon's thread clears the memory while no Worker has it, and posts it to
 * Workers afterwards: posting a message happens before its receipt. From then on every access is an
 * `Atomics` operation, and those have one order on which all threads agree, but for the bytes of
 * the stack and the cells USED and COUNT: they are written only by the holder of LOCK, and the
 * compare-exchange that takes LOCK comes after the store with which the last holder released it.
 * Claims and parts change by one compare-exchange each, bits by one `or`: no two threads see
 * themselves as the first. A waiter reads TICKET before it looks for work, and whoever adds work,
 * or ends the last item, changes TICKET afterwards: a wait that would miss it returns at once. The
 * memory is cleared again only after every part has answered that it is done, cannot begin, or was
 * never sent.
 */

import type { Stat } from "../../linux/mod.ts";

/** Something to do. */
export interface WorkItem {
  readonly kind: "directory" | "file";
  /** Names a file's result for the one that merges it; 0 for a directory. */
  readonly key: number;
  readonly path: Uint8Array;
}

/** Indexes of the Int32 cells that the memory begins with. */
const LOCK = 0;
/** Items that are not done: in the queue, with a Worker, or being worked on. */
const PENDING = 1;
/** Items in the queue. */
const COUNT = 2;
/** Bytes used of the stack. */
const USED = 3;
/** Changes whenever there may be something new for who waits. */
const TICKET = 4;
/** Items that there have ever been. */
const ANNOUNCED = 5;
/** Finished layers that are not stored. */
const BACKLOG = 6;
/** 1 once there is a claim. */
const CLAIMED = 7;
/** From here on a cell for each part. */
const PARTS = 8;

/** Bytes of the stack. */
const STACK = 1 << 20;
/** After an item's path: u32 length of it, u32 kind, f64 key. */
const TRAILER = 16;
const WAIT_MS = 100;

/** 64-bit slots of the claims. */
const SLOTS = 1 << 18;
const MAX_PROBES = 64;
const MULTIPLIER = 0x9e3779b97f4a7c15n;

const MAX_BACKLOG = 6;

/** States of a part. */
const WAITING = 0;
const BEGUN = 1;
const WITHDRAWN = 2;

/** Where the sections begin, in bytes. */
function sections(parts: number) {
  const claims = Math.ceil((PARTS + parts) * 4 / 8) * 8;
  const stack = claims + SLOTS * 8;
  const visited = stack + STACK;
  return { claims, stack, visited };
}

export class SharedPackState {
  readonly memory: SharedArrayBuffer;
  readonly #cells: Int32Array;
  readonly #stack: Uint8Array;
  readonly #view: DataView;
  readonly #claims: BigInt64Array;
  readonly #visited: Int32Array;

  /** Allocates memory for that many parts and directories of a baseline; nothing is in it. */
  static allocate(parts: number, directories: number): SharedArrayBuffer {
    return new SharedArrayBuffer(sections(parts).visited + 4 * Math.ceil(directories / 32));
  }

  /** @param parts as many as the memory was allocated for */
  constructor(memory: SharedArrayBuffer, parts: number) {
    const { claims, stack, visited } = sections(parts);
    this.memory = memory;
    this.#cells = new Int32Array(memory, 0, PARTS + parts);
    this.#claims = new BigInt64Array(memory, claims, SLOTS);
    this.#stack = new Uint8Array(memory, stack, STACK);
    this.#view = new DataView(memory, stack, STACK);
    this.#visited = new Int32Array(memory, visited);
  }

  /** How many directories of a baseline there is a bit for. */
  get directories(): number {
    return this.#visited.length * 32;
  }

  /** Makes the memory as it was when it was allocated, while nobody else has it. */
  clear(): void {
    // Few packs have claims, and those that have touch all over the table.
    if (this.#cells[CLAIMED] !== 0) this.#claims.fill(0n);
    this.#visited.fill(0);
    this.#cells.fill(0);
  }

  /** Whether everything that was announced is done. */
  get isDone(): boolean {
    return Atomics.load(this.#cells, PENDING) === 0;
  }

  /** How many items there have ever been. */
  get announced(): number {
    return Atomics.load(this.#cells, ANNOUNCED);
  }

  /** Whether so little is in the queue that one of `workers` might find nothing. */
  isRunningLow(workers: number): boolean {
    return Atomics.load(this.#cells, COUNT) < workers;
  }

  /** Says that an item has come to be, in the queue or with a Worker. */
  announce(): void {
    Atomics.add(this.#cells, ANNOUNCED, 1);
    Atomics.add(this.#cells, PENDING, 1);
  }

  /** Says that one item is done. */
  complete(): void {
    if (Atomics.sub(this.#cells, PENDING, 1) === 1) this.#wakeAll();
  }

  /** Puts an announced item where every Worker finds it. @returns whether there was room */
  offer(item: WorkItem): boolean {
    const size = item.path.length + TRAILER;
    this.#lock();
    const used = Atomics.load(this.#cells, USED);
    const fits = used + size <= STACK;
    if (fits) {
      const end = used + item.path.length;
      this.#stack.set(item.path, used);
      this.#view.setUint32(end, item.path.length, true);
      this.#view.setUint32(end + 4, item.kind === "file" ? 1 : 0, true);
      this.#view.setFloat64(end + 8, item.key, true);
      Atomics.store(this.#cells, USED, used + size);
      Atomics.add(this.#cells, COUNT, 1);
    }
    this.#unlock();
    if (fits) this.#wakeAll();
    return fits;
  }

  /** Takes an item, if there is one. */
  take(): WorkItem | undefined {
    if (Atomics.load(this.#cells, COUNT) === 0) return undefined;
    this.#lock();
    let item: WorkItem | undefined;
    const used = Atomics.load(this.#cells, USED);
    if (used > 0) {
      const end = used - TRAILER;
      const start = end - this.#view.getUint32(end, true);
      item = {
        kind: this.#view.getUint32(end + 4, true) === 1 ? "file" : "directory",
        key: this.#view.getFloat64(end + 8, true),
        path: this.#stack.slice(start, end),
      };
      Atomics.store(this.#cells, USED, start);
      Atomics.sub(this.#cells, COUNT, 1);
    }
    this.#unlock();
    return item;
  }

  /** Waits a little for something to come or for the end. */
  wait(): void {
    const ticket = Atomics.load(this.#cells, TICKET);
    if (this.isDone || Atomics.load(this.#cells, COUNT) > 0) return;
    Atomics.wait(this.#cells, TICKET, ticket, WAIT_MS);
  }

  /**
   * Claims an inode with several names for the caller to pack. What does not fit the table is
   * claimed by none, and packed when the parts are merged.
   * @returns whether it is the caller's. Two that look alike to the table cost no content
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

  /** Notes that a directory of the baseline was come across. */
  visit(directory: number): void {
    Atomics.or(this.#visited, directory >>> 5, 1 << (directory & 31));
  }

  hasVisited(directory: number): boolean {
    return (Atomics.load(this.#visited, directory >>> 5) & 1 << (directory & 31)) !== 0;
  }

  /** Begins a part. @returns false where it has been withdrawn */
  beginPart(part: number): boolean {
    return Atomics.compareExchange(this.#cells, PARTS + part, WAITING, BEGUN) === WAITING;
  }

  /** Has a part never begin. @returns false where it has begun */
  withdrawPart(part: number): boolean {
    return Atomics.compareExchange(this.#cells, PARTS + part, WAITING, WITHDRAWN) === WAITING;
  }

  /** Counts a layer that is finished. */
  addLayer(): void {
    Atomics.add(this.#cells, BACKLOG, 1);
  }

  /** Counts a layer that is stored. */
  removeLayer(): void {
    Atomics.sub(this.#cells, BACKLOG, 1);
    Atomics.notify(this.#cells, BACKLOG);
  }

  /**
   * Waits until another layer may be finished; `check` throws where there is no need to wait on.
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

/** Directories that memory has bits for at least, so that it suits the next pack, too. */
const MIN_DIRECTORIES = 1 << 16;

/**
 * Memory of packs that have ended, for the next ones. The collector does not count shared memory:
 * of memory that is made anew for each pack a gigabyte lies about before any thread's collector
 * comes by.
 */
export class PackStatePool {
  /** The number of parts that every pack has. */
  readonly parts: number;
  readonly #free: SharedPackState[] = [];

  constructor(parts: number) {
    this.parts = parts;
  }

  /** Returns cleared state for a pack against a baseline of that many directories. */
  acquire(directories: number): SharedPackState {
    const fitting = this.#free.findLastIndex((state) => state.directories >= directories);
    if (fitting >= 0) return this.#free.splice(fitting, 1)[0]!;
    const size = Math.max(MIN_DIRECTORIES, directories);
    return new SharedPackState(SharedPackState.allocate(this.parts, size), this.parts);
  }

  /** Takes state back that no Worker uses any more. */
  release(state: SharedPackState): void {
    state.clear();
    this.#free.push(state);
  }
}
