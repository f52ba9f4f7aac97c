/** Tries what it is asked to and answers, for each attempt, `allowed` or the name of what it threw. */

import type { Attempt } from "./probe.ts";

const actions: { [K in Attempt["kind"]]: (target: string) => unknown } = {
  read: (path) => Deno.readFileSync(path),
  list: (path) => [...Deno.readDirSync(path)],
  write: (path) => Deno.writeTextFileSync(path, "x"),
  run: (program) =>
    new Deno.Command(program, { clearEnv: true, args: ["--version"], stdout: "null" }).outputSync(),
  load: (library) => Deno.dlopen(library, {}).close(),
  connect: async (address) => {
    const [hostname, port] = address.split(":");
    (await Deno.connect({ hostname: hostname!, port: Number(port) })).close();
  },
  listen: (address) => {
    const [hostname, port] = address.split(":");
    Deno.listen({ hostname: hostname!, port: Number(port) }).close();
  },
  env: (name) => Deno.env.get(name),
  import: (url) => import(url),
  sys: () => Deno.hostname(),
};

async function attempt({ kind, target }: Attempt): Promise<string> {
  try {
    await actions[kind](target);
    return "allowed";
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}

/** The Worker's own end of the channel has the methods that the other one has. */
const main = self as unknown as Worker;

main.addEventListener("message", async ({ data }: MessageEvent<Attempt[]>) => {
  const outcomes: string[] = [];
  for (const each of data) outcomes.push(await attempt(each));
  main.postMessage(outcomes);
}, { once: true });
