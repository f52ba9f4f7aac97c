/** Where this machine's daemon listens, by its config. */

import { isLocal, parseAddress } from "../../address.ts";
import { type Config, loadConfig } from "../../config/mod.ts";
import { ConfigError } from "../../errors.ts";
import { chooseConfigFile, type ConfigFileSources } from "../config_file.ts";

/** Where a daemon is called. */
export interface NodeAddresses {
  /** Where the API is; absent where that is not known. */
  api?: string;
  /** Where the calls of operators are; absent where that is not known. */
  operations?: string;
}

/**
 * Returns the addresses of the node's daemon that need no certificate: a unix socket, or loopback
 * without TLS. There are none without a config that this user may read.
 */
export function nodeAddresses(sources: Omit<ConfigFileSources, "flag" | "root">): NodeAddresses {
  const { file } = chooseConfigFile(sources);
  if (file === undefined) return {};
  try {
    const { config } = loadConfig({
      file,
      env: sources.env,
      flags: { values: {}, locate: () => "flags" },
      cwd: Deno.cwd(),
      uid: Deno.uid() ?? 0,
      gid: Deno.gid() ?? 0,
    });
    const api = fitting(config.listen, config);
    const operations = fitting(config.operations.listen ?? config.listen, config);
    return {
      ...(api === undefined ? {} : { api }),
      ...(operations === undefined ? {} : { operations }),
    };
  } catch (error) {
    if (error instanceof ConfigError) return {};
    throw error;
  }
}

function fitting(listen: readonly string[], { tls }: Config): string | undefined {
  const addresses = listen.map((text) => ({ text, address: parseAddress(text) }));
  const found = addresses.find(({ address }) => address.kind === "unix") ??
    addresses.find(({ address }) =>
      !tls && address.kind === "tcp" && address.port !== 0 && isLocal(address)
    );
  return found?.text;
}
