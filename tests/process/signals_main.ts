/** Prints when signals come and what they come to, until it is told to stop a second time. */

import { onSignals } from "../../src/process/signals.ts";

const print = (line: string) => Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
/** When each signal comes, in milliseconds: the second is an echo of the first. */
const times = [0, 499, 500];
const { promise: aborted, resolve } = Promise.withResolvers<void>();

using _signals = onSignals(
  {
    stop: (signal) => print(`stop ${signal}`),
    abort(signal) {
      print(`abort ${signal}`);
      resolve();
    },
    reload: () => print("reload"),
  },
  () => {
    const time = times.shift()!;
    print(`at ${time}`);
    return time;
  },
);
print("ready");
await aborted;
