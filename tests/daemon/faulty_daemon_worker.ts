/** The daemon's own Worker, in which a test throws what nobody catches. */

import "../../src/daemon/worker.ts";
import { FAULTS } from "./faults.ts";

/** Where the names of faults come from. */
new BroadcastChannel("faults").onmessage = ({ data }: MessageEvent<string>) =>
  FAULTS[data]!.throws(new Error(`${data} threw this`));
