/** Everything starts here: the command line, and the process's end. */

import { runCommandLine } from "./src/cli/program.ts";

Deno.exit(await runCommandLine(Deno.args));
