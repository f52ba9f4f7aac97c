/** Processor time of another process. */

/** Clock ticks a second, of `/proc/PID/stat`. */
const TICKS = 100;

/** Returns the seconds that all threads of a process have run, as `/proc` counts them. */
export function processorTime(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // The name before the last bracket may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [user, system] = [Number(fields[11]), Number(fields[12])];
  return (user + system) / TICKS;
}
