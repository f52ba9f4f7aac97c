/**
 * Which config variables may take effect while git runs for us: those known to do no more than
 * shape what git does by itself, and from the request also those that say where it connects and
 * how. Anything else could name a program, a file of the node or another config, today or in a later
 * git; it is kept from our own calls and written down afterwards.
 */

import { canonicalName, type ConfigEntry } from "./config_text.ts";

const PLAIN = new Set(
  `core.filemode core.logallrefupdates core.ignorecase core.precomposeunicode core.symlinks
  core.autocrlf core.eol core.safecrlf core.longpaths core.quotepath core.compression
  core.loosecompression core.bigfilethreshold core.abbrev core.whitespace core.trustctime
  core.checkstat core.protecthfs core.protectntfs core.sparsecheckout core.sparsecheckoutcone
  core.repositoryformatversion extensions.objectformat extensions.refstorage
  extensions.worktreeconfig index.sparse
  user.name user.email user.useconfigonly author.name author.email committer.name committer.email
  branch.autosetupmerge branch.autosetuprebase checkout.defaultremote checkout.guess
  fetch.prune fetch.prunetags fetch.fsckobjects fetch.unpacklimit fetch.negotiationalgorithm
  transfer.fsckobjects transfer.unpacklimit init.defaultbranch merge.conflictstyle
  push.default push.autosetupremote pull.rebase pull.ff`.split(/\s+/),
);

/** Variables of `http` and `http.<url>`; those that name files of the node are not among them. */
const HTTP = new Set(
  `sslverify sslversion sslcipherlist extraheader useragent postbuffer lowspeedlimit lowspeedtime
  version maxrequests minsessions emptyauth pinnedpubkey`.split(/\s+/),
);

/** Keys of sections with a name in them: what shapes the repository, and what says where it connects. */
const NAMED: Readonly<Record<string, { shaping: string[]; connecting: string[] }>> = {
  branch: { shaping: ["merge", "rebase", "description"], connecting: ["remote", "pushremote"] },
  remote: {
    shaping: ["fetch", "tagopt", "prune", "prunetags", "skipfetchall"],
    connecting: ["url", "pushurl", "push"],
  },
  submodule: {
    shaping: ["active", "branch", "ignore", "fetchrecursesubmodules", "shallow"],
    connecting: ["url"],
  },
};

/**
 * What makes a repository a partial clone. Git fetches from such a remote whenever it misses an object,
 * so it must be the one whose URL the request gives.
 */
const PROMISOR = /^remote\.origin\.(?:promisor|partialclonefilter)$/;

/** Whether a variable of a restored repository, which others wrote, may be in force for us. */
export function isStructural([name, value]: ConfigEntry): boolean {
  const canonical = canonicalName(name);
  if (PLAIN.has(canonical) || PROMISOR.test(canonical)) return true;
  if (canonical === "extensions.partialclone") return value === "origin";
  const { section, key, named } = partsOf(canonical);
  return named && NAMED[section]?.shaping.includes(key) === true;
}

/** Whether a variable of the request may be in force while git runs for us. */
export function isSafe(entry: ConfigEntry): boolean {
  if (isStructural(entry)) return true;
  const canonical = canonicalName(entry[0]);
  const { section, key, named } = partsOf(canonical);
  if (section === "http") return HTTP.has(key);
  if (section === "url") {
    // What it rewrites to is reached through the gate, which http(s) alone goes through.
    return key === "insteadof" && /^url\.https?:\/\//.test(canonical) && entry[1] !== "";
  }
  return named && NAMED[section]?.connecting.includes(key) === true;
}

/** A canonical name's section and key, and whether something stands between them. */
function partsOf(canonical: string): { section: string; key: string; named: boolean } {
  const section = canonical.slice(0, canonical.indexOf("."));
  const key = canonical.slice(canonical.lastIndexOf(".") + 1);
  return { section, key, named: canonical.length > section.length + key.length + 1 };
}

/** Variables that decide what `git status` finds changed, and nothing more. */
const STATUS = new Set(
  `core.filemode core.ignorecase core.precomposeunicode core.symlinks core.autocrlf core.eol
  core.trustctime core.checkstat core.repositoryformatversion extensions.objectformat
  extensions.refstorage index.sparse core.sparsecheckout core.sparsecheckoutcone`.split(/\s+/),
);

/** Whether a variable of a live repository is needed to read its status. */
export function isForStatus([name]: ConfigEntry): boolean {
  return STATUS.has(canonicalName(name));
}
