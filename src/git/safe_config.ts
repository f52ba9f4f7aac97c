/**
 * Which config variables may take effect while git runs for us: those known to do no more than
 * shape what git does by itself. Anything else could name a program, a file of the node or another
 * config, today or in a later git; it is kept from our own calls and written down afterwards.
 */

import { canonicalName, type ConfigEntry } from "./config_text.ts";

const PLAIN = new Set(
  `core.filemode core.logallrefupdates core.ignorecase core.precomposeunicode core.symlinks
  core.autocrlf core.eol core.safecrlf core.longpaths core.quotepath core.compression
  core.loosecompression core.bigfilethreshold core.abbrev core.whitespace core.trustctime
  core.checkstat core.protecthfs core.protectntfs core.sparsecheckout core.sparsecheckoutcone
  core.repositoryformatversion extensions.objectformat extensions.refstorage index.sparse
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
const BRANCH = new Set(["remote", "pushremote", "merge", "rebase", "description"]);
const REMOTE = new Set(
  ["url", "pushurl", "fetch", "push", "tagopt", "prune", "prunetags", "skipfetchall"],
);
const SUBMODULE = new Set([
  "url",
  "active",
  "branch",
  "ignore",
  "fetchrecursesubmodules",
  "shallow",
]);

/** Whether a variable may be in force while git runs for us. */
export function isSafe([name, value]: ConfigEntry): boolean {
  const canonical = canonicalName(name);
  if (PLAIN.has(canonical)) return true;
  const section = canonical.slice(0, canonical.indexOf("."));
  const key = canonical.slice(canonical.lastIndexOf(".") + 1);
  const hasSubsection = canonical.length > section.length + key.length + 1;
  if (section === "http") return HTTP.has(key);
  if (!hasSubsection) return false;
  switch (section) {
    case "branch":
      return BRANCH.has(key);
    case "remote":
      return REMOTE.has(key);
    case "submodule":
      return SUBMODULE.has(key);
    case "url":
      // What it rewrites to is reached through the gate, which http(s) alone goes through.
      return key === "insteadof" && /^url\.https?:\/\//.test(canonical) && value !== "";
    default:
      return false;
  }
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
