/** Checks of the files that the config names. */

import {
  certificateExpiries,
  checkTlsMaterial,
  expiryWarning,
  readTlsMaterial,
  type TlsMaterial,
} from "../../certificates.ts";
import type { Config } from "../../config/mod.ts";
import { explainPath, messageOf } from "../../errors.ts";
import { secretFiles } from "../worker_permissions.ts";
import { type Check, failed, passed, warned } from "./check.ts";

/** Permissions of a file that anybody may read. */
const OTHERS_READ = 0o004;

/** Checks whether every file that the config names can be read, and by whom else. */
export function fileChecks(config: Config): Check[] {
  const name = "files";
  const files = secretFiles(config);
  if (files.length === 0) return [];
  const found = files.flatMap((path) => fileProblem(name, path) ?? []);
  return found.length > 0 ? found : [passed(name, `${files.join(", ")} can be read`)];
}

function fileProblem(name: string, path: string): Check | undefined {
  try {
    using file = Deno.openSync(path);
    // A folder can be opened, and not be read.
    if (!file.statSync().isDirectory) return undefined;
  } catch (error) {
    return failed(name, `Cannot read ${path}: ${explainPath(error, path)}`);
  }
  return failed(name, `Cannot read ${path}: it is a directory; name a file`);
}

/**
 * Checks whether the certificates can serve: their form, the key that belongs to them, their end, and who
 * can read the key.
 * @param now milliseconds since the epoch
 */
export function tlsChecks({ tls }: Config, now = Date.now()): Check[] {
  if (!tls) return [];
  const name = "tls";
  let material: TlsMaterial;
  try {
    material = readTlsMaterial(tls);
    checkTlsMaterial(material, now);
  } catch (error) {
    return [failed(name, messageOf(error))];
  }
  const expiries = certificateExpiries(material);
  const warnings = expiries.flatMap((expiry) => expiryWarning(expiry, now) ?? [])
    .map((warning) => ({ name, outcome: "warning" as const, message: warning }));
  const exposed = exposedKey(name, tls.key);
  const found = [...warnings, ...exposed ? [exposed] : []];
  if (found.length > 0) return found;
  const [first] = expiries;
  const end = new Date(first!.notAfter).toISOString().slice(0, 10);
  return [passed(name, `key and certificate belong together, the first to expire does on ${end}`)];
}

function exposedKey(name: string, path: string): Check | undefined {
  if (((Deno.statSync(path).mode ?? 0) & OTHERS_READ) === 0) return undefined;
  return warned(name, `every user of this machine can read tls.key (${path})`, `chmod o= ${path}`);
}
