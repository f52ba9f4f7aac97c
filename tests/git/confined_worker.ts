/** Git and downloads with the daemon Worker's permissions; says how they went. */

import { systemClock } from "../../src/clock.ts";
import type { Owner } from "../../src/content/tree.ts";
import { connectContent } from "../../src/content/connect_content.ts";
import { messageOf } from "../../src/errors.ts";
import { Git } from "../../src/git/git.ts";
import type { FoundGit } from "../../src/git/git_program.ts";
import { parseRemote } from "../../src/git/remote.ts";
import { EgressProxy } from "../../src/outbound/egress_proxy.ts";
import { HttpClient } from "../../src/outbound/http.ts";
import type { OutboundRules } from "../../src/outbound/policy.ts";

export interface ConfinedStart {
  ports: MessagePort[];
  /** Where the outcome goes. */
  answer: MessagePort;
  rules: OutboundRules;
  finding: FoundGit;
  spool: string;
  folder: string;
  switchUser: boolean;
  owner: Owner;
  /** To clone from, and to GET. */
  url: string;
}

async function tryOut(start: ConfinedStart): Promise<string[]> {
  const { ports, rules, finding, spool, folder, switchUser, owner, url } = start;
  const content = connectContent(ports);
  using egressProxy = new EgressProxy(rules);
  const protocols = ["http"];
  const clock = { ...systemClock, sleep: () => Promise.resolve() };
  const git = Git.open({
    found: finding,
    content,
    spool,
    folder,
    switchUser,
    contentOwner: owner,
    timeout: 30_000,
    protocols,
    egressProxy,
    clock,
  });
  const { signal } = new AbortController();
  const tree = await content.create(owner);
  await git.clone({
    remote: parseRemote(url, protocols),
    mode: "REMOTE_HEAD",
    target: "",
    full: false,
    config: [["core.pager", "more"]],
  }, { tree, location: "repo", owner, signal });
  const status = await git.status(tree, "repo");
  using client = new HttpClient(egressProxy);
  const response = await client.get(`${url}/HEAD`, { signal });
  return [status?.latestCommit ?? "", (await response.text()).trim()];
}

addEventListener("message", async (event) => {
  const start = (event as MessageEvent<ConfinedStart>).data;
  const answer = await tryOut(start).catch((error) => [`failed: ${messageOf(error)}`]);
  start.answer.postMessage(answer);
});
