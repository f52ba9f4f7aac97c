/**
 * Decides which config variables may take effect while the daemon runs git: structural ones, which only
 * shape what git does by itself, and from the request also those that say where and how it connects.
 * Any other could name a program, a file of the node or another config, today or in a later git; it is
 * written to the repository only once git is done.
 */

import { canonicalName, type ConfigEntry } from "./config_text.ts";

/** Structural variables without a name in their section. */
const STRUCTURAL = new Set(
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

/** Allowed variables of `http` and `http.<url>`: none of those that name files of the node. */
const HTTP = new Set(
  `sslverify sslversion sslcipherlist extraheader useragent postbuffer lowspeedlimit lowspeedtime
  version maxrequests minsessions emptyauth pinnedpubkey`.split(/\s+/),
);

/** Allowed keys of sections with a name in them: structural ones, and those that say where git connects. */
const NAMED: Readonly<Record<string, { structural: string[]; connecting: string[] }>> = {
  branch: { structural: ["merge", "rebase", "description"], connecting: ["remote", "pushremote"] },
  remote: {
    structural: ["fetch", "tagopt", "prune", "prunetags", "skipfetchall"],
    connecting: ["url", "pushurl", "push"],
  },
  submodule: {
    structural: ["active", "branch", "ignore", "fetchrecursesubmodules", "shallow"],
    connecting: ["url"],
  },
};

/**
 * Variables that make a repository a partial clone. Git fetches from such a remote whenever an object is
 * missing, so it must be the one whose URL the request gives.
 */
const PROMISOR = /^remote\.origin\.(?:promisor|partialclonefilter)$/;

/** Returns whether a variable of a restored repository, which others wrote, may take effect. */
export function isStructural([name, value]: ConfigEntry): boolean {
  const canonical = canonicalName(name);
  if (STRUCTURAL.has(canonical) || PROMISOR.test(canonical)) return true;
  if (canonical === "extensions.partialclone") return value === "origin";
  const { section, key, named } = partsOf(canonical);
  return named && NAMED[section]?.structural.includes(key) === true;
}

/** Returns whether a variable of the request may take effect while the daemon runs git. */
export function isAllowedInRequest(entry: ConfigEntry): boolean {
  if (isStructural(entry)) return true;
  const canonical = canonicalName(entry[0]);
  const { section, key, named } = partsOf(canonical);
  if (section === "http") return HTTP.has(key);
  if (section === "url") {
    // Only http(s) connections go through the egress proxy, so no other URL may be rewritten to.
    return key === "insteadof" && /^url\.https?:\/\//.test(canonical) && entry[1] !== "";
  }
  return named && NAMED[section]?.connecting.includes(key) === true;
}

/** Returns a canonical name's section and key, and whether a subsection is between them. */
function partsOf(canonical: string): { section: string; key: string; named: boolean } {
  const section = canonical.slice(0, canonical.indexOf("."));
  const key = canonical.slice(canonical.lastIndexOf(".") + 1);
  return { section, key, named: canonical.length > section.length + key.length + 1 };
}

/** Variables that decide what `git status` reports as changed, and nothing else. */
const STATUS = new Set(
  `core.filemode core.ignorecase core.precomposeunicode core.symlinks core.autocrlf core.eol
  core.trustctime core.checkstat core.repositoryformatversion extensions.objectformat
  extensions.refstorage index.sparse core.sparsecheckout core.sparsecheckoutcone`.split(/\s+/),
);

/** Returns whether a variable of a live repository is needed to read its status. */
export function isForStatus([name]: ConfigEntry): boolean {
  return STATUS.has(canonicalName(name));
}
