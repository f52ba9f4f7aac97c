import { runCommandLine } from "./src/cli/mod.ts";
import { clearProxyVariables } from "./src/proxy_variables.ts";

// Here, while there are no other threads that could be reading the environment.
clearProxyVariables();

Deno.exit(await runCommandLine(Deno.args));
