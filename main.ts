/** Everything starts here: the command line, and the process's end. */

import { runCommandLine } from "./src/cli/program.ts";
import { forgetProxies } from "./src/outbound/environment.ts";

// Here, while there are no other threads that could be reading the environment.
forgetProxies();

Deno.exit(await runCommandLine(Deno.args));
