/** Initializers from flags, in the order in which the flags were given. */

import { type Command, InvalidArgumentError } from "commander";
import type { InitializerSpec } from "../../initializer/mod.ts";

/** An initializer as proto3 JSON; the daemon checks it. */
export type InitializerJson = Record<string, unknown>;

interface GitJson {
  remoteUri: string;
  [field: string]: unknown;
}

/** The flag of each kind; `undefined` for one that only a request in JSON can describe. */
const FLAGS = {
  backup: "--from-backup",
  composite: undefined,
  download: "--download <url=path#digest>",
  empty: "--empty",
  git: "--git <url>",
  prebuild: undefined,
  snapshot: "--snapshot <url>",
} as const satisfies Readonly<Record<InitializerSpec["kind"], string | undefined>>;

const HELP = {
  git: "clone this repository; the next six flags are about the --git before them",
  download: "fetch a file to PATH within the workspace, checked against its digest; repeatable",
};

/** Adds the initializer flags. Returns a list that parsing fills with what they describe. */
export function addInitializerFlags(command: Command): InitializerJson[] {
  const initializers: InitializerJson[] = [];
  const flag = (flags: string, description: string, act: (value: string) => void) => {
    command.option(flags, description);
    const name = /--(?:no-)?([a-z-]+)/.exec(flags)![1]!;
    // Events come in the order of the command line, which parsed options no longer have.
    command.on(`option:${name}`, (value: string) => {
      try {
        act(value);
      } catch (error) {
        if (!(error instanceof InvalidArgumentError)) throw error;
        command.error(`error: --${name}: ${error.message}`);
      }
    });
  };

  flag(FLAGS.empty, "start from nothing", () => initializers.push({ empty: {} }));
  flag(FLAGS.git, HELP.git, (remoteUri) => initializers.push({ git: { remoteUri } }));
  const target = (targetMode: string) => (cloneTaget: string) => {
    Object.assign(lastGit(initializers, "targetMode"), { targetMode, cloneTaget });
  };
  flag("--branch <name>", "check this remote branch out", target("REMOTE_BRANCH"));
  flag("--commit <hash>", "check this commit out", target("REMOTE_COMMIT"));
  flag("--local-branch <name>", "make this branch at the remote's HEAD", target("LOCAL_BRANCH"));
  flag("--checkout <location>", "folder of the checkout within the workspace", (location) => {
    lastGit(initializers, "checkoutLocation").checkoutLocation = location;
  });
  flag("--upstream <url>", "add and fetch this remote as upstream", (url) => {
    lastGit(initializers, "upstreamRemoteUri").upstreamRemoteUri = url;
  });
  flag("--full-clone", "clone with the whole history", () => {
    lastGit(initializers, "fullClone").fullClone = true;
  });
  flag(FLAGS.snapshot, "restore this snapshot", (snapshot) => {
    initializers.push({ snapshot: { snapshot } });
  });
  flag(FLAGS.backup, "restore the latest backup of OWNER and META-ID", () => {
    initializers.push({ backup: {} });
  });
  flag(FLAGS.download, HELP.download, (text) => addDownload(initializers, text));
  return initializers;
}

/** Returns the one initializer of the request: a composite for several, undefined for none. */
export function combine(initializers: readonly InitializerJson[]): InitializerJson | undefined {
  return initializers.length > 1 ? { composite: { initializer: initializers } } : initializers[0];
}

/** Returns the `--git` that a flag after it completes; refuses a field that is set already. */
function lastGit(initializers: readonly InitializerJson[], field: string): GitJson {
  const git = initializers.at(-1)?.git as GitJson | undefined;
  if (!git) throw new InvalidArgumentError("belongs after the --git that it is about");
  if (field in git) throw new InvalidArgumentError("is given twice, or contradicts another flag");
  return git;
}

/** Adds a file to download. Adjacent `--download` flags become one initializer. */
function addDownload(initializers: InitializerJson[], text: string): void {
  const match = /^(.+)=([^=#]+)#([^#]+)$/.exec(text);
  if (!match) throw new InvalidArgumentError("expected URL=PATH#sha256:HEX");
  const [, url, filePath, digest] = match;
  const file = { url, filePath, digest };
  const last = initializers.at(-1)?.download as { files: unknown[] } | undefined;
  if (last) last.files.push(file);
  else initializers.push({ download: { files: [file] } });
}
