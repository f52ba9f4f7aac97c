import { assertStringIncludes } from "@std/assert";
import { V8_FLAGS } from "../../scripts/daemon_process.ts";
import project from "../../deno.json" with { type: "json" };

for (const task of ["start", "wsdaemon", "bench"] as const) {
  Deno.test(`the task ${task} tells V8 what a compiled wsdaemon tells it`, () => {
    assertStringIncludes(project.tasks[task], ` ${V8_FLAGS} `);
  });
}
