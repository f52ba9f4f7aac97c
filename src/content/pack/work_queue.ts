/**
 * The work of a pack that Workers share: directories to walk, and large files to pack apart. It is
 * shared memory, so that a Worker in the midst of its own work can give and take without a message.
 */

/** Something to do. */
export interface WorkItem {
  readonly kind: "directory" | "file";
  /** Names a file's result for the one that merges it; 0 for a directory. */
  readonly key: number;
  readonly path: Uint8Array;
}

/** Indexes of the Int32 cells. */
const LOCK = 0;
/** Items that are not done: here, with a Worker, or being worked on. */
const PENDING = 1;
/** Items here. */
const COUNT = 2;
/** Bytes used of the stack. */
const USED = 3;
/** Changes whenever there may be something new for who waits. */
const TICKET = 4;
/** Items that there have ever been. */
const ANNOUNCED = 5;
const CELLS = 8 * 4;

const CAPACITY = 1 << 20;
/** After an item's path: u32 length of it, u32 kind, f64 key. */
const TRAILER = 16;
const NUDGE_MS = 100;

export class WorkQueue {
  readonly #cells: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  /** Memory for a queue with nothing in it. */
  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(CELLS + CAPACITY);
  }

  constructor(memory: SharedArrayBuffer) {
    this.#cells = new Int32Array(memory, 0, CELLS / 4);
    this.#bytes = new Uint8Array(memory, CELLS);
    this.#view = new DataView(memory, CELLS);
  }

  /** Whether everything that was announced is done. */
  get isDone(): boolean {
    return Atomics.load(this.#cells, PENDING) === 0;
  }

  /** Whether so little is here that a Worker might find nothing. */
  isHungry(workers: number): boolean {
    return Atomics.load(this.#cells, COUNT) < workers;
  }

  /** Says that an item has come to be, here or with a Worker. */
  announce(): void {
    Atomics.add(this.#cells, ANNOUNCED, 1);
    Atomics.add(this.#cells, PENDING, 1);
  }

  /** How many items there have ever been. */
  get announced(): number {
    return Atomics.load(this.#cells, ANNOUNCED);
  }

  /** Says that one item is done. */
  complete(): void {
    if (Atomics.sub(this.#cells, PENDING, 1) === 1) this.#wakeAll();
  }

  /** Puts an announced item where every Worker finds it. @returns whether there was room */
  give(item: WorkItem): boolean {
    const size = item.path.length + TRAILER;
    this.#lock();
    const used = this.#cells[USED]!;
    const fits = used + size <= CAPACITY;
    if (fits) {
      const end = used + item.path.length;
      this.#bytes.set(item.path, used);
      this.#view.setUint32(end, item.path.length, true);
      this.#view.setUint32(end + 4, item.kind === "file" ? 1 : 0, true);
      this.#view.setFloat64(end + 8, item.key, true);
      this.#cells[USED] = used + size;
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
    const used = this.#cells[USED]!;
    if (used > 0) {
      const end = used - TRAILER;
      const start = end - this.#view.getUint32(end, true);
      item = {
        kind: this.#view.getUint32(end + 4, true) === 1 ? "file" : "directory",
        key: this.#view.getFloat64(end + 8, true),
        path: this.#bytes.slice(start, end),
      };
      this.#cells[USED] = start;
      Atomics.sub(this.#cells, COUNT, 1);
    }
    this.#unlock();
    return item;
  }

  /** Waits a little for something to come or for the end. */
  wait(): void {
    const ticket = Atomics.load(this.#cells, TICKET);
    if (this.isDone || Atomics.load(this.#cells, COUNT) > 0) return;
    Atomics.wait(this.#cells, TICKET, ticket, NUDGE_MS);
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
