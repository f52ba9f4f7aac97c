/** Runs wsdaemon from source with crash points between its modules. */

import { join } from "@std/path";
import { V8_FLAGS } from "../daemon_process.ts";
import type { Armed } from "./crash_points/armed.ts";

const PROJECT = new URL("../../", import.meta.url);
const POINTS = new URL("./crash_points/", import.meta.url);

/** Which module stands for which, in the eyes of whom. */
const REPLACED = [
  { importer: "src/daemon/", module: "src/store/mod.ts", by: "store.ts" },
  { importer: "src/daemon/", module: "src/workspace/mod.ts", by: "workspace.ts" },
  {
    importer: "src/content/worker.ts",
    module: "src/content/operations/mod.ts",
    by: "operations.ts",
  },
] as const;

/** What has crash points once a daemon serves; one that is missing means that its module has moved. */
export const POINTS_OF = ["store", "journal", "worker"] as const;

/** How a daemon is run whose crash points are armed by {@link SourceCommand.arm}. */
export class SourceCommand {
  readonly command: readonly [string, ...string[]];
  readonly #config: string;
  readonly #replaced: Readonly<Record<string, URL>>;

  /**
   * @param folder the node's own, for the import map, which has the point that is armed
   * @param replaced further modules, by their path in the project, and what stands for them
   */
  constructor(folder: string, replaced: Readonly<Record<string, URL>> = {}) {
    this.#config = join(folder, "deno.json");
    this.#replaced = replaced;
    this.arm(undefined);
    // A copy, since it is written to: the entries of what is not imported here are dropped.
    Deno.copyFileSync(new URL("deno.lock", PROJECT), join(folder, "deno.lock"));
    this.command = [
      Deno.execPath(),
      "run",
      V8_FLAGS,
      "-A",
      "--no-prompt",
      "--no-check",
      "--config",
      this.#config,
      new URL("main.ts", PROJECT).pathname,
    ];
  }

  #settings(armed: Armed | undefined): Record<string, unknown> {
    const project = JSON.parse(Deno.readTextFileSync(new URL("deno.json", PROJECT)));
    const imports = Object.entries(project.imports as Record<string, string>).map(([name, to]) => [
      name,
      to.startsWith("./") ? new URL(to, PROJECT).href : to,
    ]);
    const scopes: Record<string, Record<string, string>> = {};
    for (const { importer, module, by } of REPLACED) {
      (scopes[new URL(importer, PROJECT).href] ??= {})[new URL(module, PROJECT).href] =
        new URL(by, POINTS).href;
    }
    const others = Object.entries(this.#replaced).map(([path, by]) => {
      const module = new URL(path, PROJECT).href;
      // What stands for a module is the only one that still sees it.
      scopes[by.href] = { [module]: module };
      return [module, by.href];
    });
    return {
      unstable: project.unstable,
      nodeModulesDir: project.nodeModulesDir,
      allowScripts: project.allowScripts,
      imports: {
        ...Object.fromEntries([...imports, ...others]),
        // No file: a daemon's threads may read nothing but its root and its sources.
        [new URL("armed.ts", POINTS).href]: `data:text/typescript,${
          encodeURIComponent(moduleOf(armed))
        }`,
      },
      scopes,
    };
  }

  /** Says where the daemon that starts next stops; nowhere if absent. */
  arm(armed: Armed | undefined): void {
    Deno.writeTextFileSync(this.#config, JSON.stringify(this.#settings(armed)));
  }
}

function moduleOf(armed: Armed | undefined): string {
  return `export const ARMED = ${armed ? JSON.stringify(armed) : "undefined"};\n`;
}
