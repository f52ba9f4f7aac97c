/** Which config file a command uses. */

/** Where a node's config is, unless somebody says otherwise. */
export const NODE_CONFIG = "/etc/wsdaemon/config.json";

/** What decides on the config file. */
export interface ConfigFileSources {
  /** The value of `--config`. */
  flag?: string | undefined;
  /** The value of `--root`, which stands for a node that is not this machine's. */
  root?: string | undefined;
  env: Readonly<Record<string, string>>;
  /** Where the node's config would be; {@link NODE_CONFIG} unless given. */
  nodeConfig?: string;
}

/** The config file of a command. */
export interface ConfigFile {
  /** Absent where there is none. */
  file?: string;
  /** Whether nobody has named it. */
  isFound: boolean;
}

/**
 * Returns the config file: that of `--config`, else of WSDAEMON_CONFIG, else the node's own, where there
 * is one and nobody has named another root. One that is there and cannot be read is returned, too: a
 * command that passed over it would work on another store.
 */
export function chooseConfigFile(
  { flag, root, env, nodeConfig = NODE_CONFIG }: ConfigFileSources,
): ConfigFile {
  const named = flag ?? env.WSDAEMON_CONFIG;
  if (named !== undefined) return { file: named, isFound: false };
  const hasOwnRoot = root !== undefined || env.WSDAEMON_ROOT !== undefined;
  if (hasOwnRoot || !isThere(nodeConfig)) return { isFound: false };
  return { file: nodeConfig, isFound: true };
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory);
  }
}
