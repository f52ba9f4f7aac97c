import { assertEquals } from "@std/assert";
import { launch } from "../../src/process/launch.ts";
import { libcPath } from "../../src/process/libc.ts";
import { makeAreas, prepareRoot } from "../../src/process/root.ts";
import { configOf, withFolder } from "./fixture.ts";

const IOPRIO_GET = Deno.build.arch === "aarch64" ? 31 : 252;
const IOPRIO_WHO_PROCESS = 1;
const IDLE_CLASS = 3 << 13;
const MAX_NICE = 19;
const LAST_OF_BEST_EFFORT = 2 << 13 | 7;

const libc = Deno.dlopen(libcPath(), {
  syscall: { parameters: ["i32", "i32", "i32"], result: "i32" },
}).symbols;

/** The nice value and the disk priority of a thread. */
interface Priority {
  nice: number;
  io: number;
}

/** Returns the priorities of the threads of this process, by their ids; a thread may end meanwhile. */
function threadPriorities(): Map<string, Priority> {
  return new Map(
    [...Deno.readDirSync("/proc/self/task")].flatMap(({ name }): [string, Priority][] => {
      const stat = statOf(name);
      if (stat === undefined) return [];
      // After the name in brackets: the state is field 3 of proc(5), the nice value field 19.
      const nice = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]);
      return [[name, { nice, io: libc.syscall(IOPRIO_GET, IOPRIO_WHO_PROCESS, Number(name)) }]];
    }),
  );
}

function statOf(thread: string): string | undefined {
  try {
    return Deno.readTextFileSync(`/proc/self/task/${thread}/stat`);
  } catch {
    return undefined;
  }
}

/** Returns how many threads got another priority while the Workers of a daemon started, and which. */
async function priorities(priority: string, root: string) {
  const before = threadPriorities();
  const metrics = { listen: "off" };
  const config = prepareRoot(
    configOf({ root, listen: ["127.0.0.1:0"], metrics, content: { priority } }),
  );
  const problems: string[] = [];
  using launched = launch({
    config,
    env: Deno.env.toObject(),
    areas: makeAreas(config),
    libc: libcPath(),
    git: { problem: "not needed here" },
    version: "test",
    droppedLines: new SharedArrayBuffer(4),
    onListening: () => {},
    onPriorityRefused: (problem) => problems.push(problem),
  });
  await launched.serving;
  const base = before.get(String(Deno.pid))!.nice;
  const lowered = [...threadPriorities()]
    .filter(([thread, { nice }]) => !before.has(thread) && nice > base)
    .map(([, priority]) => priority);
  launched.stop(0);
  await launched.ended;
  return { base, lowered, problems };
}

const CASES = [
  { priority: "low", steps: 10, io: LAST_OF_BEST_EFFORT },
  { priority: "idle", steps: 19, io: IDLE_CLASS },
] as const;

const own = threadPriorities().get(String(Deno.pid))!;
const missing = own.nice === MAX_NICE
  ? " (ignored: the tests have the lowest priority themselves)"
  : own.io < 0
  ? " (ignored: the kernel tells no disk priorities)"
  : "";

for (const { priority, steps, io } of CASES) {
  const name = `content Workers but the quick one have ${priority} priority, and nobody else`;
  Deno.test({
    name: `${name}${missing}`,
    ignore: missing !== "",
    fn: async () => {
      await withFolder(async (root) => {
        const { base, lowered, problems } = await priorities(priority, root);
        assertEquals(problems, []);
        const expected = { nice: Math.min(MAX_NICE, base + steps), io };
        assertEquals(lowered, Array(navigator.hardwareConcurrency).fill(expected));
      });
    },
  });
}
