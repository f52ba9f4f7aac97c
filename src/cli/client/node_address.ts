/** Where this machine's daemon listens, by its config. */

import { isLocal, parseAddress } from "../../address.ts";
import { loadConfig } from "../../config/mod.ts";
import { ConfigError } from "../../errors.ts";
import { chooseConfigFile, type ConfigFileSources } from "../config_file.ts";

/**
 * Returns the address of the node's daemon that needs no certificate: a unix socket, or loopback without
 * TLS; `undefined` where there is none, no config, or none that this user may read.
 */
export function nodeAddress(sources: Omit<ConfigFileSources, "flag" | "root">): string | undefined {
  const { file } = chooseConfigFile(sources);
  if (file === undefined) return undefined;
  try {
    const { config } = loadConfig({
      file,
      env: sources.env,
      flags: { values: {}, locate: () => "flags" },
      cwd: Deno.cwd(),
      uid: Deno.uid() ?? 0,
      gid: Deno.gid() ?? 0,
    });
    const addresses = config.listen.map((text) => ({ text, address: parseAddress(text) }));
    const fitting = addresses.find(({ address }) => address.kind === "unix") ??
      addresses.find(({ address }) =>
        !config.tls && address.kind === "tcp" && address.port !== 0 && isLocal(address)
      );
    return fitting?.text;
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}
