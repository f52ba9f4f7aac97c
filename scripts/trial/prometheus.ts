/** A real Prometheus that scrapes one daemon and evaluates the rules of `scripts/monitoring`. */

import { fromFileUrl, join } from "@std/path";
import { TextLineStream } from "@std/streams";

const RULES = fromFileUrl(new URL("../monitoring/wsdaemon.rules.yml", import.meta.url));

/** Seconds from one scrape, and from one evaluation, to the next. */
const INTERVAL = "1s";
/** What becomes of every `for:` of an hour or of minutes, so that a trial need not wait for it. */
const SHORT_FOR = "for: 1s";
/** What becomes of a threshold of an hour or more. */
const SHORT_THRESHOLD = "> 5";

/** An alert that fires, with its texts expanded. */
export interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: "firing" | "pending";
}

/** Returns the rules with which the same alerts fire within seconds: nothing else of them is changed. */
export function shortened(rules: string): string {
  return rules
    .replaceAll(/\bfor: \w+/g, SHORT_FOR)
    .replaceAll(/> (?:24 \* )?3600$/gm, SHORT_THRESHOLD);
}

/** A Prometheus in a process of its own, with its data in a folder. */
export class Prometheus implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #url: string;
  readonly #drained: Promise<void>;

  private constructor(child: Deno.ChildProcess, url: string, drained: Promise<void>) {
    this.#child = child;
    this.#url = url;
    this.#drained = drained;
  }

  /** Starts one that scrapes the daemon whose metrics are at `target`, a `HOST:PORT`. */
  static async start(folder: string, target: string): Promise<Prometheus> {
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(join(folder, "rules.yml"), shortened(await Deno.readTextFile(RULES)));
    const config = {
      global: { scrape_interval: INTERVAL, evaluation_interval: INTERVAL },
      rule_files: [join(folder, "rules.yml")],
      scrape_configs: [{ job_name: "wsdaemon", static_configs: [{ targets: [target] }] }],
    };
    // JSON is YAML.
    await Deno.writeTextFile(join(folder, "prometheus.yml"), JSON.stringify(config));
    const child = new Deno.Command("prometheus", {
      args: [
        `--config.file=${join(folder, "prometheus.yml")}`,
        `--storage.tsdb.path=${join(folder, "data")}`,
        "--web.listen-address=127.0.0.1:0",
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const listening = Promise.withResolvers<string>();
    const drained = readLog(child.stderr, listening.resolve)
      .then((log) => listening.reject(new Error(`Prometheus did not start:\n${log}`)));
    return new Prometheus(child, `http://${await listening.promise}`, drained);
  }

  /** Returns the alerts that fire now. */
  async firing(): Promise<Alert[]> {
    const answer = await fetch(`${this.#url}/api/v1/alerts`);
    const { data } = await answer.json() as { data: { alerts: Alert[] } };
    return data.alerts.filter(({ state }) => state === "firing");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#child.status;
    await this.#drained;
  }
}

async function readLog(
  stderr: ReadableStream<Uint8Array<ArrayBuffer>>,
  onAddress: (address: string) => void,
): Promise<string> {
  const log: string[] = [];
  const lines = stderr.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  for await (const line of lines) {
    log.push(line);
    const address = /msg="Listening on" address=(\S+)/.exec(line)?.[1];
    if (address !== undefined) onAddress(address);
  }
  return log.join("\n");
}
