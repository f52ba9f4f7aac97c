/** Configs for tests of what is made of them. */

import { parseConfig } from "../../src/config/file.ts";
import { resolveConfig } from "../../src/config/resolve_config.ts";
import { type Config, configSchema } from "../../src/config/schema.ts";
import { testFolder } from "../fixtures/folder.ts";

/** The config of a file with these settings. */
export function configOf(settings: object): Config {
  const { values } = parseConfig(JSON.stringify(settings), "test");
  return resolveConfig(configSchema.parse(values), { cwd: "/", uid: 0, gid: 0 });
}

/** Runs `use` with a folder of its own. */
export async function withFolder(use: (path: string) => unknown): Promise<void> {
  using folder = testFolder();
  await use(folder.path);
}
