/** A node on trial: a daemon, the Prometheus that watches it, and an operator who looks at both. */

import { join } from "@std/path";
import { WorkspaceClient } from "../../src/client/mod.ts";
import { DaemonProcess, FROM_SOURCE } from "../daemon_process.ts";
import {
  type Expectation,
  type Finding,
  hasAll,
  lineWith,
  type Place,
  PLACES,
  type Row,
  textOfPage,
} from "./places.ts";
import { Prometheus } from "./prometheus.ts";

/** Milliseconds for a trouble to be seen in all places, and between two looks. */
const PATIENCE = 60_000;
const PAUSE = 500;

const OPERATIONS_PAGE = new URL("../../docs/operations.md", import.meta.url);

/** How a node is started. */
export interface TrialNodeOptions {
  /** Keys of the config file. */
  config: Record<string, unknown>;
  /** How wsdaemon is run; from source unless given. */
  command?: readonly [string, ...string[]];
  /** Where its root is; below `folder` unless given. */
  root?: string;
  /** Addresses to listen on; a free port of loopback unless given. Operators use the first. */
  listen?: readonly string[];
}

/** A daemon with metrics and a Prometheus that watches it. */
export class TrialNode implements AsyncDisposable {
  readonly root: string;
  readonly daemon: DaemonProcess;
  readonly client: WorkspaceClient;
  readonly #metrics: string;
  readonly #prometheus: Prometheus;

  private constructor(
    root: string,
    daemon: DaemonProcess,
    metrics: string,
    prometheus: Prometheus,
  ) {
    this.root = root;
    this.daemon = daemon;
    this.#metrics = metrics;
    this.#prometheus = prometheus;
    this.client = new WorkspaceClient({ address: daemon.addresses[0]! });
  }

  /** Starts a daemon and its Prometheus; their files are in `folder`. */
  static async start(folder: string, options: TrialNodeOptions): Promise<TrialNode> {
    await Deno.mkdir(folder, { recursive: true });
    const root = options.root ?? join(folder, "root");
    const config = join(folder, "config.json");
    await Deno.writeTextFile(
      config,
      JSON.stringify({
        metrics: { listen: "127.0.0.1:0" },
        log: { format: "json" },
        ...options.config,
      }),
    );
    const { listen: addresses = ["127.0.0.1:0"] } = options;
    const listen = addresses.flatMap((address) => ["--listen", address]);
    const daemon = await DaemonProcess.start({
      listeners: addresses.length,
      args: ["--config", config, "--root", root, ...listen],
      ...(options.command ? { command: options.command } : {}),
    });
    try {
      const [, port] = await daemon.logMatching(/Metrics are on .*"port":(\d+)/);
      const metrics = `127.0.0.1:${port}`;
      const prometheus = await Prometheus.start(join(folder, "prometheus"), metrics);
      return new TrialNode(root, daemon, metrics, prometheus);
    } catch (error) {
      await daemon.end("SIGKILL");
      throw error;
    }
  }

  /** Runs a command of an operator against the node. @returns what it printed, on stdout and stderr */
  async operator(...args: string[]): Promise<string> {
    const [program, ...before] = FROM_SOURCE;
    const address = ["--addr", this.daemon.addresses[0]!];
    const { stdout, stderr } = await new Deno.Command(program, {
      args: [...before, ...args, ...address],
      env: { NO_COLOR: "1" },
    }).output();
    const decoder = new TextDecoder();
    return decoder.decode(stdout) + decoder.decode(stderr);
  }

  /** Returns the id of the newest operation of a kind on a workspace, once there is one. */
  async operationOf(workspace: string, kind: string): Promise<string> {
    for (const end = performance.now() + PATIENCE;;) {
      const { operations } = await this.client.operations.call("listOperations", {
        workspaceId: workspace,
        rootsOnly: true,
        pageSize: 500,
      });
      const found = operations.findLast((one) => one.kind === KINDS[kind]);
      if (found) return found.id;
      if (performance.now() > end) throw new Error(`no ${kind} of ${workspace}`);
      await pause();
    }
  }

  /** Returns the text of an endpoint of the metrics' listener. */
  async get(path: string): Promise<string> {
    return await (await fetch(`http://${this.#metrics}${path}`)).text();
  }

  /** Looks in all places until each has said what is expected, or a minute is over. */
  async look(expectation: Expectation): Promise<Row> {
    const seen: Partial<Record<Place, Finding>> = {};
    for (const end = performance.now() + PATIENCE;;) {
      for (const place of PLACES) {
        if (!seen[place]?.ok) seen[place] = await this.#lookAt(place, expectation);
      }
      const isSeen = PLACES.every((place) => seen[place]!.ok);
      if (isSeen || performance.now() > end) break;
      await pause();
    }
    return {
      expectation,
      seen: { ...seen as Record<Place, Finding>, docs: await docs(expectation) },
    };
  }

  async #lookAt(place: Place, expected: Expectation): Promise<Finding> {
    switch (place) {
      case "page":
        return found(textOfPage(await this.get("/")), expected.page);
      case "top": {
        const top = found(await this.operator("top", "--once"), expected.top);
        if (!top.ok) return top;
        const args = expected.also === "ops" ? ["ops", "--all"] : ["status"];
        return found(await this.operator(...args), expected.top);
      }
      case "log":
        return record(this.daemon.log, expected);
      case "metric": {
        const metrics = await this.get("/metrics");
        const line = expected.metric.exec(metrics)?.[0];
        return { ok: line !== undefined, said: line ?? `nothing that matches ${expected.metric}` };
      }
      case "alert":
        return alert(await this.#prometheus.firing(), expected);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    await this.#prometheus[Symbol.asyncDispose]();
    await this.daemon.end("SIGTERM");
  }
}

/** Numbers of `OperationKind`. */
const KINDS: Readonly<Record<string, number>> = { init: 1, snapshot: 2, backup: 3, dispose: 4 };

function found(text: string, words: readonly string[]): Finding {
  const line = lineWith(text, words);
  return { ok: line !== undefined, said: line?.trim() ?? text.trim() };
}

function record(log: string, { log: { level, words } }: Expectation): Finding {
  const lines = log.split("\n").filter((line) => hasAll(line, words));
  const line = lines.find((line) => line.includes(`"level":"${level}"`));
  return { ok: line !== undefined, said: line ?? lines.join("\n") };
}

function alert(firing: Awaited<ReturnType<Prometheus["firing"]>>, { alert }: Expectation): Finding {
  const texts = firing
    .filter(({ labels }) => labels.alertname === alert.name)
    .map(({ labels, annotations }) => JSON.stringify({ ...labels, ...annotations }));
  const text = texts.find((text) => hasAll(text, alert.words));
  const others = firing.map(({ labels }) => labels.alertname).join(" ");
  return { ok: text !== undefined, said: text ?? (texts.join("\n") || `firing: ${others}`) };
}

async function docs({ remedy }: Expectation): Promise<Finding> {
  const page = await Deno.readTextFile(OPERATIONS_PAGE);
  return found(page.split("\n## At 3 a.m.\n")[1] ?? "", remedy);
}

async function pause(): Promise<void> {
  await new Promise((wake) => setTimeout(wake, PAUSE));
}
