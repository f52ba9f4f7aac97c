/** Everything starts here: the command line, and the process's end. */

import { runCommandLine } from "./src/cli/program.ts";
import { clearProxyVariables } from "./src/outbound/proxy_variables.ts";

// Here, while there are no other threads that could be reading the environment.
clearProxyVariables();

Deno.exit(await runCommandLine(Deno.args));
