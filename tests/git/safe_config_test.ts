import { assert } from "@std/assert";
import { isAllowedInRequest, isForStatus, isStructural } from "../../src/git/safe_config.ts";

const STRUCTURAL = [
  ["core.fileMode", "true"],
  ["branch.main.merge", "refs/heads/main"],
  ["remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"],
  ["submodule.a.b.active", "true"],
  ["extensions.partialClone", "origin"],
  ["remote.origin.promisor", "true"],
] as const;

/** What says where git connects and how: the request may, a repository may not. */
const CONNECTING = [
  ["remote.origin.url", "https://example.com/a"],
  ["branch.main.remote", "origin"],
  ["http.extraHeader", "X: y"],
  ["http.https://example.com.sslVerify", "false"],
  ["url.https://example.com/.insteadOf", "git@example.com:"],
  ["submodule.a.url", "https://example.com/b"],
] as const;

/** What could run a program, read a file of the node or leave the egress proxy. */
const DANGEROUS = [
  ["core.fsmonitor", "/tmp/run"],
  ["core.sshCommand", "run"],
  ["core.hooksPath", "/tmp"],
  ["core.worktree", "/"],
  ["core.alternateRefsCommand", "run"],
  ["alias.status", "!run"],
  ["include.path", "/etc/passwd"],
  ["includeIf.gitdir:/.path", "x"],
  ["filter.lfs.process", "run"],
  ["filter.x.clean", "run"],
  ["diff.external", "run"],
  ["merge.x.driver", "run"],
  ["credential.helper", "!run"],
  ["gpg.program", "run"],
  ["http.proxy", "http://elsewhere"],
  ["http.sslCert", "/root/key"],
  ["http.cookieFile", "/root/cookies"],
  ["remote.origin.proxy", "http://elsewhere"],
  ["remote.origin.uploadPack", "run"],
  ["remote.origin.vcs", "ext"],
  ["remote.other.promisor", "true"],
  ["extensions.partialClone", "other"],
  ["protocol.ext.allow", "always"],
  ["submodule.a.update", "!run"],
  ["url.ssh://host/.insteadOf", "https://example.com/"],
  ["url.https://example.com/.insteadOf", ""],
  ["core", "x"],
  ["unknown.variable", "x"],
] as const;

Deno.test("structural variables may take effect from a repository and from a request", () => {
  for (const entry of STRUCTURAL) {
    assert(isStructural(entry), entry[0]);
    assert(isAllowedInRequest(entry), entry[0]);
  }
});

Deno.test("only a request may say where git connects", () => {
  for (const entry of CONNECTING) {
    assert(!isStructural(entry), entry[0]);
    assert(isAllowedInRequest(entry), entry[0]);
  }
});

Deno.test("what could run a program, read a file of the node or avoid the proxy never takes effect", () => {
  for (const entry of DANGEROUS) {
    assert(!isStructural(entry), entry.join("="));
    assert(!isAllowedInRequest(entry), entry.join("="));
    assert(!isForStatus(entry), entry.join("="));
  }
});

Deno.test("case in a name hides nothing", () => {
  for (const [name, value] of DANGEROUS) {
    assert(!isAllowedInRequest([name.toUpperCase(), value]), name.toUpperCase());
  }
});
