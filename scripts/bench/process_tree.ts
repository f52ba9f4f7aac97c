/** The memory of a process and of all that it has started. */

/** Milliseconds from one look to the next. */
const INTERVAL = 20;
const PAGE = 4096;

/** Looks 50 times a second at what is resident of a process and of those that it has started. */
export class ProcessTree implements Disposable {
  readonly #root: number;
  readonly #timer: ReturnType<typeof setInterval>;
  /** The greatest sum so far, in bytes. A page that several processes share is counted for each. */
  peak = 0;

  constructor(root: number) {
    this.#root = root;
    this.#timer = setInterval(() => this.#look(), INTERVAL);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    let sum = 0;
    const waiting = [this.#root];
    for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
      sum += residentBytes(pid);
      waiting.push(...childrenOf(pid));
    }
    this.peak = Math.max(this.peak, sum);
  }
}

function residentBytes(pid: number): number {
  const pages = readOf(`/proc/${pid}/statm`)?.split(" ")[1];
  return Number(pages ?? 0) * PAGE;
}

/** Any thread of a process may have started others. */
function childrenOf(pid: number): number[] {
  try {
    return [...Deno.readDirSync(`/proc/${pid}/task`)].flatMap(({ name }) =>
      (readOf(`/proc/${pid}/task/${name}/children`) ?? "").split(" ").filter(Boolean).map(Number)
    );
  } catch {
    return [];
  }
}

/** Returns what a file of `/proc` holds; `undefined` once its process is gone. */
function readOf(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}
