/** The style and the script of the page, which stand in it, and the policy that allows no others. */

import { createHash } from "node:crypto";

/** Seconds from one refresh to the next. */
export const REFRESH_SECONDS = 5;

/** The style sheet. */
export const STYLE = `
:root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --dim: #5b6570; --line: #d9dee3;
  --good: #1a7f37; --bad: #c62828; --busy: #0b62c4; }
@media (prefers-color-scheme: dark) { :root { --back: #12161b; --text: #e4e8ec; --dim: #97a2ad;
  --line: #2e363f; --good: #4cc46b; --bad: #ff7b72; --busy: #6cb2ff; } }
body { margin: 0 auto; max-width: 70rem; padding: 1rem; background: var(--back); color: var(--text);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.3rem; margin: 0 0 .5rem; } h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
dl { display: flex; flex-wrap: wrap; gap: .4rem 2rem; margin: 0; } dt { color: var(--dim); font-size: .8rem; }
dd { margin: 0; } .wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line);
  white-space: nowrap; } th { color: var(--dim); font-weight: normal; font-size: .8rem; }
code { font: .85em ui-monospace, monospace; } .good { color: var(--good); } .bad { color: var(--bad); }
.busy { color: var(--busy); } .dim { color: var(--dim); } .step { padding-left: 1.2rem; }
progress { width: 8rem; accent-color: var(--busy); } svg { display: block; width: 100%; height: 4rem; }
rect.succeeded { fill: var(--good); } rect.failed { fill: var(--bad); } rect.cancelled { fill: var(--dim); }
.long { white-space: normal; } #stale { display: none; } .stale #stale { display: block; }
`;

/** The script: puts a fresh page in place of this one, and says so where there is none. */
export const SCRIPT = `
setInterval(async () => {
  try {
    const answer = await fetch(location.pathname);
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.querySelector("main").replaceWith(fresh.querySelector("main"));
    document.title = fresh.title;
    document.body.classList.remove("stale");
  } catch {
    document.body.classList.add("stale");
  }
}, ${REFRESH_SECONDS * 1000});
`;

function hashOf(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}

/** The headers of the page besides its type: it loads nothing, and is in no frame. */
export const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": `default-src 'none'; style-src ${hashOf(STYLE)}; ` +
    `script-src ${hashOf(SCRIPT)}; connect-src 'self'; base-uri 'none'; form-action 'none'; ` +
    "frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};
