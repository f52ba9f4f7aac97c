import { formatSize, formatSpan } from "../config/mod.ts";
import type { Operation, OperationState } from "../operations/mod.ts";
import { HEADERS, REFRESH_SECONDS, SCRIPT, STYLE } from "./assets.ts";
import { Html, markup } from "./html.ts";
import type { NodeView, WorkspaceLine } from "./view.ts";

/** Failures that are shown, operations that run, workspaces, and operations that have ended. */
const MAX_FAILURES = 20;
const MAX_RUNNING = 200;
const MAX_WORKSPACES = 200;
const MAX_ENDED = 60;

/** The size of the chart, in its own units. */
const CHART = { width: 600, height: 60 };

/** Returns a node's status page, and the headers that it is to be sent with. */
export function statusPage(view: NodeView): { body: string; headers: Record<string, string> } {
  const ended = view.operations.filter(({ state, parent }) => state !== "running" && !parent);
  const failed = ended.filter(({ state }) => state === "failed");
  const wrong = [
    ...view.ready.ok ? [] : ["not ready"],
    ...failed.length > 0 ? [`${failed.length} failed`] : [],
  ];
  const title = wrong.length > 0 ? wrong.join(", ") : "ready";
  const page = markup`<!DOCTYPE html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>wsdaemon: ${title}</title>
        <noscript><meta http-equiv="refresh" content="${REFRESH_SECONDS * 2}"></noscript>
        <style>${new Html(STYLE)}</style>
      </head>
      <body>
        <p id="stale" class="bad">The daemon does not answer; this is what it said last.</p>
        <main>
          ${node(view)} ${problems(view)} ${failures(failed, view.now)} ${running(view)} ${
    recent(
      ended,
      view.now,
    )
  } ${workspaces(view)}
        </main>
        <script>${new Html(SCRIPT)}</script>
      </body>
    </html>`;
  return { body: page.text, headers: { ...HEADERS } };
}

function node(
  { version, deno, startedAt, now, ready, store, disks, certificates, problems }: NodeView,
): Html {
  const facts: [string, Html | string][] = [
    [
      "state",
      ready.ok
        ? markup`<span class="good">ready</span>`
        : markup`<span class="bad">not ready${
          problems.length === 0 ? `: ${ready.message}` : ""
        }</span>`,
    ],
    ["version", `${version} (Deno ${deno})`],
    ["up for", formatSpan(now - startedAt)],
    ["store", store],
    ...disks.map((
      { area, free, size },
    ): [string, string] => [
      `free on the ${area}'s disk`,
      `${formatSize(free)} of ${formatSize(size)}`,
    ]),
    ...certificates.map((one) => certificate(one, now)),
  ];
  return markup`<h1>wsdaemon</h1>
    <dl>${
    facts.map(([term, fact]) =>
      markup`<div>
          <dt>${term}</dt>
          <dd>${fact}</dd>
        </div>`
    )
  }</dl>`;
}

function certificate(
  { part, subject, notAfter }: NodeView["certificates"][number],
  now: number,
): [string, Html] {
  const isOver = notAfter <= now;
  const words = isOver ? "has expired" : `ends in ${formatSpan(notAfter - now)}`;
  return [
    part === "cert" ? "certificate" : "authority of clients",
    markup`${subject} <span class="${isOver ? "bad" : "good"}">${words}</span>`,
  ];
}

function problems({ problems, now }: NodeView): Html | undefined {
  if (problems.length === 0) return undefined;
  return markup`<h2 class="bad">Problems of the node</h2>
    ${
    table(
      ["problem", "of", "for", ""],
      problems.map(({ reason, part, since, message }) => [
        markup`<span class="bad">${reason}</span>`,
        part,
        since === undefined ? "" : formatSpan(now - since),
        markup`<span class="long">${message}</span>`,
      ]),
    )
  }`;
}

function failures(failed: readonly Operation[], now: number): Html | undefined {
  if (failed.length === 0) return undefined;
  return markup`<h2 class="bad">Failed</h2>
    ${
    table(
      ["operation", "workspace", "by", "ended", "reason", "id, for the log"],
      failed.toReversed().slice(0, MAX_FAILURES).map((one) => [
        one.kind,
        one.subject.workspace ?? "",
        caller(one),
        ago(one.endedAt, now),
        markup`<span class="bad">${one.failure?.code ?? ""} ${one.failure?.reason ?? ""}</span>`,
        markup`<code>${one.id}</code>`,
      ]),
    )
  }`;
}

function running({ operations, now }: NodeView): Html {
  const all = operations.filter(({ state }) => state === "running");
  // What began first comes first: what hangs is among those.
  const rows = all.slice(0, MAX_RUNNING).map((one) => [
    markup`<span class="${one.parent ? "step" : "busy"}">${one.kind}</span>`,
    one.subject.workspace ?? "",
    one.parent ? "" : caller(one),
    formatSpan(now - one.startedAt),
    markup`<code>${one.id}</code>`,
    bar(one),
    markup`<span class="long">${state(one)}</span>`,
    markup`<span class="long">${done(one)}</span>`,
  ]);
  const rest = all.length - rows.length;
  return markup`<h2>Running</h2>
    ${
    rows.length === 0 ? markup`<p class="dim">Nothing.</p>` : table(
      ["operation", "workspace", "by", "for", "id", "", "phase", "done"],
      rows,
    )
  } ${rest > 0 ? markup`<p class="dim">And ${rest} more: wsdaemon ops</p>` : undefined}`;
}

/** Returns who asked for an operation: by name where that is known, else by address. */
function caller({ caller }: Operation): string {
  return caller?.identity ?? caller?.peer ?? "";
}

/** Returns what an operation does now, whether that takes long, and why its last attempt failed. */
function state({ phase, isSlow, attempt, failure }: Operation): Html {
  const slow = isSlow ? markup`, <span class="bad">slow</span>` : undefined;
  const again = attempt > 1 ? `, attempt ${attempt}` : "";
  const after = failure ? markup` after <span class="bad">${failure.reason}</span>` : undefined;
  return markup`${phase}${slow}${again}${after}`;
}

/** Returns a bar; one without a value where it is not known how much there is to do. */
function bar({ progress }: Operation): Html {
  const { files, filesTotal, bytes, bytesTotal } = progress.read();
  if (bytesTotal) {
    return markup`<progress value="${bytes}" max="${bytesTotal}"></progress>`;
  }
  if (filesTotal) {
    return markup`<progress value="${files}" max="${filesTotal}"></progress>`;
  }
  return markup`<progress></progress>`;
}

function done({ progress }: Operation): string {
  const { files, bytes, bytesPerSecond, transferredBytes, transferredPerSecond } = progress.read();
  const parts = [
    files > 0 ? `${files} files` : "",
    bytes > 0 ? formatSize(bytes) : "",
    bytesPerSecond > 0 ? `${formatSize(Math.round(bytesPerSecond))}/s` : "",
    transferredBytes > 0
      ? `network ${formatSize(transferredBytes)}, ${formatSize(Math.round(transferredPerSecond))}/s`
      : "",
  ];
  return parts.filter((part) => part !== "").join(", ");
}

function recent(ended: readonly Operation[], now: number): Html | undefined {
  if (ended.length === 0) return undefined;
  const shown = ended.slice(-MAX_ENDED);
  return markup`<h2>Ended</h2>
    ${chart(shown)} ${
    table(
      ["operation", "workspace", "ended", "took", "outcome", "id"],
      shown.toReversed().slice(0, MAX_FAILURES).map((one) => [
        one.kind,
        one.subject.workspace ?? "",
        ago(one.endedAt, now),
        duration(one),
        markup`<span class="${CLASSES[one.state]}">${one.state}</span>`,
        markup`<code>${one.id}</code>`,
      ]),
    )
  }`;
}

const CLASSES: Readonly<Record<OperationState, string>> = {
  running: "busy",
  succeeded: "good",
  failed: "bad",
  cancelled: "dim",
};

/** Returns durations as bars, oldest first; their heights are logarithms, since seconds stand beside hours. */
function chart(ended: readonly Operation[]): Html {
  const lengths = ended.map(({ startedAt, endedAt }) =>
    Math.log1p((endedAt ?? startedAt) - startedAt)
  );
  const longest = Math.max(1, ...lengths);
  const step = CHART.width / MAX_ENDED;
  const bars = ended.map((one, n) => {
    const height = Math.max(1, lengths[n]! / longest * CHART.height);
    return markup`<rect class="${one.state}" x="${(n * step).toFixed(1)}" y="${
      (CHART.height - height).toFixed(
        1,
      )
    }" width="${(step * 0.8).toFixed(1)}" height="${height.toFixed(1)}">
        <title>${one.kind} ${one.subject.workspace ?? ""} ${one.state} after ${
      duration(
        one,
      )
    }</title>
      </rect>`;
  });
  return markup`<svg
      viewBox="0 0 ${CHART.width} ${CHART.height}"
      preserveAspectRatio="none"
      role="img"
      aria-label="Durations of the last operations"
    >
      ${bars}
    </svg>`;
}

function workspaces({ workspaces: all, operations, now }: NodeView): Html {
  const shown = all.slice(0, MAX_WORKSPACES);
  const rows = shown.map((one) => [
    one.id,
    one.owner,
    one.metaId,
    one.state,
    use(one),
    lastSaved(one.id, operations, now),
  ]);
  const rest = all.length - shown.length;
  return markup`<h2>Workspaces: ${all.length}</h2>
    ${
    rows.length === 0 ? undefined : table(
      ["id", "owner", "meta_id", "state", "on disk", "saved"],
      rows,
    )
  } ${rest > 0 ? markup`<p class="dim">And ${rest} more: wsdaemon ls</p>` : undefined}`;
}

function use({ usedBytes, quotaBytes }: WorkspaceLine): string {
  if (usedBytes === undefined) return quotaBytes === 0 ? "" : `quota ${formatSize(quotaBytes)}`;
  const used = formatSize(usedBytes);
  return quotaBytes === 0 ? used : `${used} of ${formatSize(quotaBytes)}`;
}

/** Returns when a workspace was last saved, as far as its operations are remembered. */
function lastSaved(id: string, operations: readonly Operation[], now: number): string {
  const saved = operations.findLast(({ kind, state, subject }) =>
    (kind === "backup" || kind === "snapshot") && state === "succeeded" && subject.workspace === id
  );
  return ago(saved?.endedAt, now);
}

function ago(time: number | undefined, now: number): string {
  return time === undefined ? "" : `${formatSpan(now - time)} ago`;
}

function duration({ startedAt, endedAt = startedAt }: Operation): string {
  const milliseconds = endedAt - startedAt;
  return milliseconds < 1000 ? `${milliseconds}ms` : formatSpan(milliseconds);
}

function table(headings: readonly string[], rows: readonly (readonly (Html | string)[])[]): Html {
  return markup`<div class="wide">
      <table>
        <thead><tr>${headings.map((heading) => markup`<th>${heading}</th>`)}</tr></thead>
        <tbody>
          ${rows.map((row) => markup`<tr>${row.map((cell) => markup`<td>${cell}</td>`)}</tr>`)}
        </tbody>
      </table>
    </div>`;
}
